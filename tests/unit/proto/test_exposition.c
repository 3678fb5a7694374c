/* Prometheus' text format, as https://prometheus.io/docs/instrumenting/exposition_formats/ has it.
 */
#include "ringroom/proto/exposition.h"
#include "ringroom/base/mem.h"

#include "unit.h"
#include <errno.h>

static struct buf out;

static struct exposition begin(size_t max)
{
    struct exposition e;

    buf_init(&out, max);
    exposition_init(&e, &out);
    return e;
}

/* What was written, all of it. */
static void check_text(const struct exposition *e, const char *expected)
{
    CU_ASSERT_EQUAL(e->error, 0);
    if (!slice_is(buf_slice(&out), expected))
        printf("\n%.*s instead of\n%s\n", (int)out.len, (const char *)out.data, expected);
    CU_ASSERT(slice_is(buf_slice(&out), expected));
    buf_deinit(&out);
}

static void test_exposition__a_family_has_help_type_and_samples(void)
{
    struct exposition_label labels[] = {{"code", "4009"}, {"shard", "1"}};
    struct exposition e = begin(4096);

    exposition_family(&e, "a_total", "counter", "All of them");
    exposition_number(&e, NULL, 0, 0);
    exposition_number(&e, labels, 1, 17);
    exposition_number(&e, labels, 2, UINT64_MAX);
    check_text(&e, "# HELP a_total All of them\n"
                   "# TYPE a_total counter\n"
                   "a_total 0\n"
                   "a_total{code=\"4009\"} 17\n"
                   "a_total{code=\"4009\",shard=\"1\"} 18446744073709551615\n");
}

static void test_exposition__what_would_be_misunderstood_is_escaped(void)
{
    struct exposition_label label = {"l", "\"a\"\\n\n"};
    struct exposition e = begin(4096);

    exposition_family(&e, "a", "gauge", "\"quoted\"\nand \\");
    exposition_number(&e, &label, 1, 1);
    check_text(&e, "# HELP a \"quoted\"\\nand \\\\\n"
                   "# TYPE a gauge\n"
                   "a{l=\"\\\"a\\\"\\\\n\\n\"} 1\n");
}

static void test_exposition__microseconds_are_exact_seconds(void)
{
    static const struct {
        uint64_t us;
        const char *text;
    } cases[] = {{0, "s 0\n"},
                 {1, "s 0.000001\n"},
                 {1500, "s 0.0015\n"},
                 {1000000, "s 1\n"},
                 {10000000, "s 10\n"},
                 {1700000000123456, "s 1700000000.123456\n"},
                 {UINT64_MAX, "s 18446744073709.551615\n"}};

    for (size_t i = 0; i < array_len(cases); i++) {
        struct exposition e = begin(4096);
        e.name = "s";
        exposition_seconds(&e, NULL, 0, cases[i].us);
        check_text(&e, cases[i].text);
    }
}

static void test_exposition__a_histogram_is_cumulative_and_ends_with_everything(void)
{
    static const uint64_t bounds[] = {100, 2500, 1000000}, counts[] = {3, 0, 4, 2};
    struct exposition_histogram histogram = {
        .bounds_us = bounds, .counts = counts, .bounds_count = 3, .sum_us = 12000300};
    struct exposition e = begin(4096);

    exposition_family(&e, "h_seconds", "histogram", "How long");
    exposition_histogram(&e, &histogram);
    check_text(&e, "# HELP h_seconds How long\n"
                   "# TYPE h_seconds histogram\n"
                   "h_seconds_bucket{le=\"0.0001\"} 3\n"
                   "h_seconds_bucket{le=\"0.0025\"} 3\n"
                   "h_seconds_bucket{le=\"1\"} 7\n"
                   "h_seconds_bucket{le=\"+Inf\"} 9\n"
                   "h_seconds_sum 12.0003\n"
                   "h_seconds_count 9\n");
}

static void test_exposition__a_full_buffer_is_an_error_that_stays(void)
{
    struct exposition e = begin(40);

    exposition_family(&e, "a_total", "counter", "More than there is room for");
    CU_ASSERT_EQUAL(e.error, -ENOBUFS);
    size_t len = out.len;
    exposition_number(&e, NULL, 0, 1);
    CU_ASSERT(e.error == -ENOBUFS && out.len == len && len <= 40);
    buf_deinit(&out);
}

UNIT_MAIN("proto/exposition", UNIT_TEST(test_exposition__a_family_has_help_type_and_samples),
          UNIT_TEST(test_exposition__what_would_be_misunderstood_is_escaped),
          UNIT_TEST(test_exposition__microseconds_are_exact_seconds),
          UNIT_TEST(test_exposition__a_histogram_is_cumulative_and_ends_with_everything),
          UNIT_TEST(test_exposition__a_full_buffer_is_an_error_that_stays))
