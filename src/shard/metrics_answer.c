/* metrics_answer.c - the table of metrics walked over, with every shard's numbers. */
#include "ringroom/shard/metrics_answer.h"
#include "metrics_process.h"
#include "ringroom/base/mem.h"
#include "ringroom/proto/exposition.h"

#include <stdio.h>

enum {
    LINE_MAX = 128,   /* bytes of a sample */
    FAMILY_MAX = 512, /* of a family's help and type */
};

/* What is summed up, and what is looked up. */
struct totals {
    const struct mesh *mesh;
    const struct settings *settings;
    uint64_t values[METRICS_COUNT];
};

static void look_up(struct totals *totals)
{
    struct process_usage usage;

    process_usage(&usage);
    totals->values[METRIC_BUILD] = 1;
    totals->values[METRIC_SHARDS] = totals->mesh->count;
    totals->values[METRIC_LOG_BYTES] = metrics_read(&totals->mesh->log_bytes);
    totals->values[METRIC_PROCESS_START] = totals->mesh->made_ms * 1000;
    totals->values[METRIC_PROCESS_RESIDENT] = usage.resident_bytes;
    totals->values[METRIC_PROCESS_VIRTUAL] = usage.virtual_bytes;
    totals->values[METRIC_PROCESS_CPU] = usage.cpu_us;
    totals->values[METRIC_PROCESS_FDS] = usage.fds;
    totals->values[METRIC_PROCESS_FDS_MAX] = usage.fds_max;
}

static void sum_up(struct totals *totals)
{
    for (uint32_t shard = 0; shard < totals->mesh->count; shard++)
        for (size_t i = 0; i < METRICS_COUNT; i++)
            totals->values[i] += metrics_get(&totals->mesh->nodes[shard].metrics, (enum metric)i);
}

static bool is_seconds(const struct metric_row *row)
{
    const char *at = strstr(row->name, "_seconds");

    return at && (at[8] == '\0' || strcmp(at + 8, "_total") == 0);
}

static void write_sample(struct exposition *text, const struct metric_row *row,
                         const struct exposition_label *labels, size_t count, uint64_t value)
{
    if (is_seconds(row))
        exposition_seconds(text, labels, count, value);
    else
        exposition_number(text, labels, count, value);
}

static void write_each(struct exposition *text, const struct totals *totals, size_t metric)
{
    const struct metric_row *row = &metric_rows[metric];

    for (uint32_t shard = 0; shard < totals->mesh->count; shard++) {
        char number[sizeof("4294967295")];
        struct exposition_label labels[2] = {{row->label, row->value}};
        size_t count = row->label != NULL;
        snprintf(number, sizeof(number), "%u", shard);
        labels[count++] = (struct exposition_label){"shard", number};
        write_sample(text, row, labels, count,
                     metrics_get(&totals->mesh->nodes[shard].metrics, (enum metric)metric));
    }
}

static void write_limits(struct exposition *text, const struct settings *settings)
{
    for (size_t i = 0; i < settings->limits_count; i++) {
        struct exposition_label label = {"limit", settings->limits[i].name};
        exposition_number(text, &label, 1, settings->limits[i].value);
    }
}

static void write_metric(struct exposition *text, const struct totals *totals, size_t metric)
{
    const struct metric_row *row = &metric_rows[metric];
    struct exposition_label label = {row->label, row->value};

    if (row->help)
        exposition_family(text, row->name, row->type == METRIC_TYPE_COUNTER ? "counter" : "gauge",
                          row->help);
    switch (row->shown) {
    case METRIC_SHOWN_SUM:
    case METRIC_SHOWN_ONCE:
        write_sample(text, row, &label, row->label != NULL, totals->values[metric]);
        break;
    case METRIC_SHOWN_EACH:
        write_each(text, totals, metric);
        break;
    case METRIC_SHOWN_LIMITS:
        write_limits(text, totals->settings);
        break;
    }
}

static void write_histogram(struct exposition *text, const struct mesh *mesh, size_t histogram)
{
    uint64_t counts[HISTOGRAM_BOUNDS + 1] = {0};
    struct exposition_histogram sum = {
        .bounds_us = histogram_bounds_us, .counts = counts, .bounds_count = HISTOGRAM_BOUNDS};

    for (uint32_t shard = 0; shard < mesh->count; shard++) {
        const struct histogram_values *values = &mesh->nodes[shard].metrics.histograms[histogram];
        for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
            counts[i] += metrics_read(&values->buckets[i]);
        sum.sum_us += metrics_read(&values->sum_us);
    }
    exposition_family(text, histogram_rows[histogram].name, "histogram",
                      histogram_rows[histogram].help);
    exposition_histogram(text, &sum);
}

size_t metrics_answer_max(const struct mesh *mesh, const struct settings *settings)
{
    size_t lines = settings->limits_count + HISTOGRAMS_COUNT * (HISTOGRAM_BOUNDS + 3);
    size_t families = HISTOGRAMS_COUNT;

    for (size_t i = 0; i < METRICS_COUNT; i++) {
        lines += metric_rows[i].shown == METRIC_SHOWN_EACH ? mesh->count : 1;
        families += metric_rows[i].help != NULL;
    }
    return lines * LINE_MAX + families * FAMILY_MAX;
}

int metrics_answer(struct buf *out, const struct mesh *mesh, const struct settings *settings)
{
    struct totals totals = {.mesh = mesh, .settings = settings};
    struct exposition text;

    sum_up(&totals);
    look_up(&totals);
    exposition_init(&text, out);
    for (size_t i = 0; i < METRICS_COUNT; i++)
        write_metric(&text, &totals, i);
    for (size_t i = 0; i < HISTOGRAMS_COUNT; i++)
        write_histogram(&text, mesh, i);
    return text.error;
}
