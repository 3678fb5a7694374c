/* The table of metrics: names and lines as Prometheus wants them, and counting. */
#include "ringroom/shard/metrics.h"
#include "ringroom/base/slice.h"

#include "unit.h"
#include <ctype.h>
#include <string.h>

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool is_word(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_')
            return false;
    return text[0] != '\0';
}

static bool same_name(size_t a, size_t b)
{
    return strcmp(metric_rows[a].name, metric_rows[b].name) == 0;
}

static void test_metrics__names_are_as_prometheus_wants_them(void)
{
    for (size_t i = 0; i < METRICS_COUNT; i++) {
        const struct metric_row *row = &metric_rows[i];
        CU_ASSERT(is_word(row->name) && strncmp(row->name, "ringroom_", 9) == 0);
        CU_ASSERT(ends_with(row->name, "_total") == (row->type == METRIC_TYPE_COUNTER));
        CU_ASSERT((row->label != NULL) == (row->value != NULL));
        CU_ASSERT(!row->label || (is_word(row->label) && is_word(row->value)));
        CU_ASSERT(!row->label || strcmp(row->label, "shard") != 0);
        CU_ASSERT(!row->help || (isupper((unsigned char)row->help[0]) &&
                                 !ends_with(row->help, ".") && !strpbrk(row->help, "\\\n|")));
    }
}

static void test_metrics__lines_of_one_name_stand_together_and_differ(void)
{
    for (size_t i = 0; i < METRICS_COUNT; i++) {
        const struct metric_row *row = &metric_rows[i];
        bool first = i == 0 || !same_name(i, i - 1);
        CU_ASSERT(first == (row->help != NULL));
        for (size_t j = 0; j < i; j++) {
            const struct metric_row *other = &metric_rows[j];
            if (!same_name(i, j))
                continue;
            CU_ASSERT(!first && row->type == other->type && row->shown == other->shown);
            CU_ASSERT_FATAL(row->label && other->label);
            CU_ASSERT(strcmp(row->label, other->label) == 0);
            CU_ASSERT(strcmp(row->value, other->value) != 0);
        }
    }
}

static void test_metrics__what_is_counted_by_its_label_lands_there_or_under_other(void)
{
    static struct metrics metrics;

    metrics_count_by(&metrics, METRIC_ERROR_BAD_JSON, "bad_json");
    metrics_count_by(&metrics, METRIC_ERROR_BAD_JSON, "rate_limited");
    metrics_count_by(&metrics, METRIC_ERROR_BAD_JSON, "rate_limited");
    metrics_count_by(&metrics, METRIC_ERROR_BAD_JSON, "never heard of");
    CU_ASSERT(metrics_get(&metrics, METRIC_ERROR_BAD_JSON) == 1);
    CU_ASSERT(metrics_get(&metrics, METRIC_ERROR_RATE_LIMITED) == 2);
    CU_ASSERT(metrics_get(&metrics, METRIC_ERROR_OTHER) == 1);
    uint64_t sum = 0;
    for (size_t i = 0; i < METRICS_COUNT; i++)
        sum += metrics_get(&metrics, (enum metric)i);
    CU_ASSERT(sum == 4);
}

static void test_metrics__a_shard_shares_no_cache_line(void)
{
    static struct metrics two[2];

    CU_ASSERT((uintptr_t)&two[0] % 64 == 0 && sizeof(struct metrics) % 64 == 0);
    metrics_add(&two[0], METRIC_ACCEPTED_TLS, 5);
    metrics_count(&two[0], METRIC_ACCEPTED_TLS);
    metrics_set(&two[1], METRIC_ACCEPTED_TLS, 7);
    CU_ASSERT(metrics_get(&two[0], METRIC_ACCEPTED_TLS) == 6);
    CU_ASSERT(metrics_get(&two[1], METRIC_ACCEPTED_TLS) == 7);
}

UNIT_MAIN("shard/metrics", UNIT_TEST(test_metrics__names_are_as_prometheus_wants_them),
          UNIT_TEST(test_metrics__lines_of_one_name_stand_together_and_differ),
          UNIT_TEST(test_metrics__what_is_counted_by_its_label_lands_there_or_under_other),
          UNIT_TEST(test_metrics__a_shard_shares_no_cache_line))
