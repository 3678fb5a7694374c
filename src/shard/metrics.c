/* metrics.c - the table of metrics, its lines found by their label, and buckets by durations. */
#include "ringroom/shard/metrics.h"
#include "ringroom/base/check.h"
#include "ringroom/wire/ws.h"

#include <stdio.h>

const struct metric_row metric_rows[METRICS_COUNT] = {
#define METRIC(id, type_id, shown_id, name_text, label_text, value_text, help_text)                \
    [METRIC_##id] = {.name = (name_text),                                                          \
                     .label = (label_text),                                                        \
                     .value = (value_text),                                                        \
                     .help = (help_text),                                                          \
                     .type = METRIC_TYPE_##type_id,                                                \
                     .shown = METRIC_SHOWN_##shown_id},
#include "ringroom/shard/metrics_table.h"
};

const struct histogram_row histogram_rows[HISTOGRAMS_COUNT] = {
#define HISTOGRAM(id, name_text, help_text)                                                        \
    [HISTOGRAM_##id] = {.name = (name_text), .help = (help_text)},
#include "ringroom/shard/metrics_table.h"
};

const uint64_t histogram_bounds_us[HISTOGRAM_BOUNDS] = {
    100,   250,    500,    1000,   2500,    5000,    10000,   25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};

static bool is_of_family(size_t row, const char *name)
{
    return row < METRICS_COUNT && strcmp(metric_rows[row].name, name) == 0;
}

void metrics_count_by(struct metrics *metrics, enum metric first, const char *value)
{
    size_t row = first;

    CHECK(metric_rows[first].help && metric_rows[first].label);
    while (strcmp(metric_rows[row].value, value) != 0 &&
           is_of_family(row + 1, metric_rows[first].name))
        row++;
    metrics_count(metrics, (enum metric)row);
}

void metrics_count_close(struct metrics *metrics, uint16_t code)
{
    char text[sizeof("65535")];

    snprintf(text, sizeof(text), "%u", code);
    metrics_count_by(metrics, METRIC_CLOSED_BY_CLIENT, text);
    if (code == WS_CODE_TOO_BIG)
        metrics_count(metrics, METRIC_LIMITED_MAX_MESSAGE);
    else if (code == WS_CODE_SLOW || code == WS_CODE_NO_PONG)
        metrics_count(metrics, METRIC_LIMITED_IDLE_TIMEOUT);
}

void metrics_observe(struct metrics *metrics, enum histogram histogram, uint64_t us, uint64_t n)
{
    struct histogram_values *values = &metrics->histograms[histogram];
    size_t bucket = 0;

    while (bucket < HISTOGRAM_BOUNDS && us > histogram_bounds_us[bucket])
        bucket++;
    metrics_write(&values->buckets[bucket], metrics_read(&values->buckets[bucket]) + n);
    metrics_write(&values->sum_us, metrics_read(&values->sum_us) + us * n);
}
