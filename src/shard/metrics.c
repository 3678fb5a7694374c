/* metrics.c - the table of metrics, and its lines found by their label. */
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
