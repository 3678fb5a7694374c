/* metrics.h - what a shard counts, for /metrics: read by whichever shard is asked.
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
enum metric_shown { METRIC_SHOWN_SUM, METRIC_SHOWN_EACH };

struct metric_row {
    const char *name;
    const char *label, *value; /* NULL: the name has one line only */
    const char *help;          /* NULL in all but the first line of a name */
    enum metric_type type;
    enum metric_shown shown;
};
extern const struct metric_row metric_rows[METRICS_COUNT];

/* One shard's, on cache lines of its own. Zeroed to begin with. */
struct metrics {
    alignas(64) _Atomic uint64_t values[METRICS_COUNT];
};

static inline uint64_t metrics_get(const struct metrics *metrics, enum metric metric)
{
    return atomic_load_explicit(&metrics->values[metric], memory_order_relaxed);
}
/* The shard. Gauges, and what someone else counts. */
static inline void metrics_set(struct metrics *metrics, enum metric metric, uint64_t value)
{
    atomic_store_explicit(&metrics->values[metric], value, memory_order_relaxed);
}
/* The shard. */
static inline void metrics_add(struct metrics *metrics, enum metric metric, uint64_t n)
{
    metrics_set(metrics, metric, metrics_get(metrics, metric) + n);
}
static inline void metrics_count(struct metrics *metrics, enum metric metric)
{
    metrics_add(metrics, metric, 1);
}

/* The shard. Counts the line of the first one's name whose label has that value, else the one of
 * "other". For what is rare: it compares strings. */
void metrics_count_by(struct metrics *metrics, enum metric first, const char *value);
/* The shard. A client is closed with that code (enum ws_code), and with it perhaps a limit. */
void metrics_count_close(struct metrics *metrics, uint16_t code);
