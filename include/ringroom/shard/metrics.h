/* metrics.h - what a shard counts, read by whichever shard is asked.
 *
 * metrics_table.h describes each metric once; the enum, the answer to a scrape,
 * the tests and the table in docs/metrics.md derive from it. One more counter is a
 * line there and the line that counts.
 *
 * Threads   the shard writes, any thread may read. Relaxed on both sides: numbers
 *           order nothing, and of a struct that one thread writes, no write needs
 *           to be a read-modify-write.
 * Bound     fixed; a counter wraps at 2^64. */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

enum metric {
#define METRIC(id, type, shown, name, label, value, help) METRIC_##id,
#include "ringroom/shard/metrics_table.h"
    METRICS_COUNT
};

enum metric_type { METRIC_TYPE_COUNTER, METRIC_TYPE_GAUGE };
enum metric_shown { METRIC_SHOWN_SUM, METRIC_SHOWN_EACH, METRIC_SHOWN_ONCE, METRIC_SHOWN_LIMITS };

struct metric_row {
    const char *name;
    const char *label, *value; /* NULL: the name has one line only */
    const char *help;          /* NULL in all but the first line of a name */
    enum metric_type type;
    enum metric_shown shown;
};
extern const struct metric_row metric_rows[METRICS_COUNT];

enum histogram {
#define HISTOGRAM(id, name, help) HISTOGRAM_##id,
#include "ringroom/shard/metrics_table.h"
    HISTOGRAMS_COUNT
};

struct histogram_row {
    const char *name, *help;
};
extern const struct histogram_row histogram_rows[HISTOGRAMS_COUNT];

enum { HISTOGRAM_BOUNDS = 16 };
/* What the buckets hold at most, in microseconds, ascending; the last one, behind these, has no
 * bound. */
extern const uint64_t histogram_bounds_us[HISTOGRAM_BOUNDS];

struct histogram_values {
    _Atomic uint64_t buckets[HISTOGRAM_BOUNDS + 1]; /* not cumulative */
    _Atomic uint64_t sum_us;
};

/* One shard's, on cache lines of its own. Zeroed to begin with. */
struct metrics {
    alignas(64) _Atomic uint64_t values[METRICS_COUNT];
    struct histogram_values histograms[HISTOGRAMS_COUNT];
};

static inline uint64_t metrics_read(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}
static inline uint64_t metrics_get(const struct metrics *metrics, enum metric metric)
{
    return metrics_read(&metrics->values[metric]);
}

/* All below: the shard. */

static inline void metrics_write(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}
/* What someone else counts. */
static inline void metrics_set(struct metrics *metrics, enum metric metric, uint64_t value)
{
    metrics_write(&metrics->values[metric], value);
}
static inline void metrics_add(struct metrics *metrics, enum metric metric, uint64_t n)
{
    metrics_set(metrics, metric, metrics_get(metrics, metric) + n);
}
static inline void metrics_count(struct metrics *metrics, enum metric metric)
{
    metrics_add(metrics, metric, 1);
}
/* Of a gauge: one less. */
static inline void metrics_uncount(struct metrics *metrics, enum metric metric)
{
    metrics_set(metrics, metric, metrics_get(metrics, metric) - 1);
}

/* Counts the line of the first one's name whose label has that value, else the one of "other". For
 * what is rare: it compares strings. */
void metrics_count_by(struct metrics *metrics, enum metric first, const char *value);
/* A client is closed with that code (enum ws_code), and with it perhaps a limit. */
void metrics_count_close(struct metrics *metrics, uint16_t code);
/* `n` times the same duration. */
void metrics_observe(struct metrics *metrics, enum histogram histogram, uint64_t us, uint64_t n);
