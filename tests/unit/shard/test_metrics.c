/* The table of metrics: names and lines as Prometheus wants them; counting; the answer. */
#include "ringroom/shard/metrics.h"
#include "ringroom/shard/metrics_answer.h"

#include "unit.h"
#include <ctype.h>
#include <errno.h>

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

/* Without an end, and fit for a cell of a table. */
static bool is_sentence(const char *text)
{
    return isupper((unsigned char)text[0]) && !ends_with(text, ".") && !strpbrk(text, "\\\n|") &&
           strlen(text) < 300;
}

static bool same_name(size_t a, size_t b)
{
    return strcmp(metric_rows[a].name, metric_rows[b].name) == 0;
}

static void test_metrics__names_are_as_prometheus_wants_them(void)
{
    for (size_t i = 0; i < METRICS_COUNT; i++) {
        const struct metric_row *row = &metric_rows[i];
        bool of_process = strncmp(row->name, "process_", 8) == 0;
        CU_ASSERT(is_word(row->name));
        CU_ASSERT(of_process || strncmp(row->name, "ringroom_", 9) == 0);
        CU_ASSERT(!of_process || row->shown == METRIC_SHOWN_ONCE);
        CU_ASSERT(ends_with(row->name, "_total") == (row->type == METRIC_TYPE_COUNTER));
        CU_ASSERT((row->label != NULL) == (row->value != NULL));
        CU_ASSERT(!row->label || (is_word(row->label) && strcmp(row->label, "shard") != 0));
        CU_ASSERT(!row->help || is_sentence(row->help));
    }
    for (size_t i = 0; i < HISTOGRAMS_COUNT; i++) {
        CU_ASSERT(is_word(histogram_rows[i].name) && is_sentence(histogram_rows[i].help));
        CU_ASSERT(strncmp(histogram_rows[i].name, "ringroom_", 9) == 0);
        CU_ASSERT(ends_with(histogram_rows[i].name, "_seconds"));
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

static uint64_t bucket(const struct metrics *metrics, size_t index)
{
    return metrics_read(&metrics->histograms[HISTOGRAM_TURN].buckets[index]);
}

static void test_metrics__a_duration_lands_in_the_first_bucket_that_holds_it(void)
{
    static struct metrics metrics;

    metrics_observe(&metrics, HISTOGRAM_TURN, 0, 1);
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        metrics_observe(&metrics, HISTOGRAM_TURN, histogram_bounds_us[i], 2);
        metrics_observe(&metrics, HISTOGRAM_TURN, histogram_bounds_us[i] + 1, 1);
        CU_ASSERT(i == 0 || histogram_bounds_us[i] > histogram_bounds_us[i - 1]);
    }
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++)
        CU_ASSERT_EQUAL(bucket(&metrics, i), 3);
    CU_ASSERT_EQUAL(bucket(&metrics, HISTOGRAM_BOUNDS), 1);
    uint64_t sum_us = 0;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++)
        sum_us += 3 * histogram_bounds_us[i] + 1;
    CU_ASSERT_EQUAL(metrics_read(&metrics.histograms[HISTOGRAM_TURN].sum_us), sum_us);
}

static void test_metrics__a_close_counts_its_code_and_its_limit(void)
{
    static struct metrics metrics;

    metrics_count_close(&metrics, 1009);
    metrics_count_close(&metrics, 4008);
    metrics_count_close(&metrics, 4011);
    metrics_count_close(&metrics, 4999);
    CU_ASSERT(metrics_get(&metrics, METRIC_CLOSED_1009) == 1);
    CU_ASSERT(metrics_get(&metrics, METRIC_CLOSED_4008) == 1);
    CU_ASSERT(metrics_get(&metrics, METRIC_CLOSED_OTHER) == 1);
    CU_ASSERT(metrics_get(&metrics, METRIC_LIMITED_MAX_MESSAGE) == 1);
    CU_ASSERT(metrics_get(&metrics, METRIC_LIMITED_IDLE_TIMEOUT) == 2);
}

/* The answer */

static size_t lines_with(const struct buf *text, const char *start)
{
    const char *at = (const char *)text->data, *end = at + text->len;
    size_t count = 0;

    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        CU_ASSERT_PTR_NOT_NULL_FATAL(stop);
        count += (size_t)(stop - at) >= strlen(start) && memcmp(at, start, strlen(start)) == 0;
        at = stop + 1;
    }
    return count;
}

static void test_metrics_answer__it_has_every_line_once_and_sums_shards_up(void)
{
    struct mesh *mesh = mesh_new(3, 10);
    struct settings settings = {.limits = {{"memory", 7}, {"burst", 0}}, .limits_count = 2};
    struct buf text;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mesh);
    for (uint32_t i = 0; i < 3; i++) {
        metrics_add(&mesh->nodes[i].metrics, METRIC_ACCEPTED_TLS, i + 1);
        metrics_add(&mesh->nodes[i].metrics, METRIC_LETTERS, i + 10);
        metrics_observe(&mesh->nodes[i].metrics, HISTOGRAM_DELIVERY, 1000, 1);
    }
    buf_init(&text, metrics_answer_max(mesh, &settings));
    CU_ASSERT_EQUAL(metrics_answer(&text, mesh, &settings), 0);
    for (size_t i = 0; i < METRICS_COUNT; i++) {
        char line[256];
        snprintf(line, sizeof(line), "# TYPE %s ", metric_rows[i].name);
        CU_ASSERT_EQUAL(lines_with(&text, line), 1);
    }
    CU_ASSERT_EQUAL(lines_with(&text, "ringroom_connections_accepted_total{listener=\"tls\"} 6"),
                    1);
    CU_ASSERT_EQUAL(lines_with(&text, "ringroom_letters_total{shard="), 3);
    CU_ASSERT_EQUAL(lines_with(&text, "ringroom_letters_total{shard=\"2\"} 12"), 1);
    CU_ASSERT_EQUAL(lines_with(&text, "ringroom_limit{limit=\"memory\"} 7"), 1);
    CU_ASSERT_EQUAL(lines_with(&text, "ringroom_limit{"), 2);
    CU_ASSERT_EQUAL(lines_with(&text, "ringroom_delivery_seconds_sum 0.003"), 1);
    CU_ASSERT_EQUAL(lines_with(&text, "ringroom_delivery_seconds_count 3"), 1);
    CU_ASSERT(lines_with(&text, "process_resident_memory_bytes 0") == 0);
    CU_ASSERT(lines_with(&text, "process_open_fds 0") == 0);
    buf_deinit(&text);
    mesh_free(mesh);
}

/* With the longest numbers, on as many shards as there may be. */
static void test_metrics_answer__its_bound_holds(void)
{
    struct mesh *mesh = mesh_new(256, 10);
    struct settings settings = {.limits_count = SETTINGS_LIMITS_MAX};
    struct buf text;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mesh);
    for (size_t i = 0; i < SETTINGS_LIMITS_MAX; i++)
        settings.limits[i] =
            (struct settings_limit){"a_name_of_a_limit_of_some_length", UINT64_MAX};
    for (uint32_t i = 0; i < 256; i++)
        for (size_t j = 0; j < METRICS_COUNT; j++)
            metrics_set(&mesh->nodes[i].metrics, (enum metric)j, UINT64_MAX);
    buf_init(&text, metrics_answer_max(mesh, &settings));
    CU_ASSERT_EQUAL(metrics_answer(&text, mesh, &settings), 0);
    buf_deinit(&text);
    buf_init(&text, 1000);
    CU_ASSERT_EQUAL(metrics_answer(&text, mesh, &settings), -ENOBUFS);
    buf_deinit(&text);
    mesh_free(mesh);
}

UNIT_MAIN("shard/metrics", UNIT_TEST(test_metrics__names_are_as_prometheus_wants_them),
          UNIT_TEST(test_metrics__lines_of_one_name_stand_together_and_differ),
          UNIT_TEST(test_metrics__what_is_counted_by_its_label_lands_there_or_under_other),
          UNIT_TEST(test_metrics__a_shard_shares_no_cache_line),
          UNIT_TEST(test_metrics__a_duration_lands_in_the_first_bucket_that_holds_it),
          UNIT_TEST(test_metrics__a_close_counts_its_code_and_its_limit),
          UNIT_TEST(test_metrics_answer__it_has_every_line_once_and_sums_shards_up),
          UNIT_TEST(test_metrics_answer__its_bound_holds))
