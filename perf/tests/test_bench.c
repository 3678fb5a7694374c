/* The judge is judged: what the bench would overlook, a broken server could get away with. */
#include "event.h"
#include "frame.h"
#include "histogram.h"
#include "ledger.h"
#include "unit.h"

#include <string.h>

/* A room with two readers and two senders. */
struct scene {
    struct ledger ledger;
    struct reader readers[2];
    uint32_t last_numbers[2];
    struct verdict verdict;
};

static struct scene scene_new(void)
{
    struct scene s = {.readers = {{.next_seq = 1}, {.next_seq = 1}}};
    ledger_init(&s.ledger, 256);
    return s;
}

static void arrive(struct scene *s, int reader, uint64_t seq, uint32_t sender, uint32_t number)
{
    struct stamp stamp = {.sender = sender, .number = number};
    ledger_message(&s->ledger, &s->readers[reader], seq, &stamp, &s->last_numbers[sender],
                   &s->verdict);
}

static void test_ledger__a_clean_room_has_no_faults(void)
{
    struct scene s = scene_new();
    for (uint32_t i = 0; i < 1000; i++)
        for (int reader = 0; reader < 2; reader++)
            arrive(&s, reader, i + 1, i & 1, i / 2 + 1);
    CU_ASSERT_EQUAL(verdict_faults(&s.verdict), 0);
    CU_ASSERT_EQUAL(s.verdict.unchecked, 0);
    ledger_deinit(&s.ledger);
}

static void test_ledger__a_number_jumped_over_is_lost(void)
{
    struct scene s = scene_new();
    for (uint32_t i = 1; i <= 3; i++)
        arrive(&s, 0, i, 0, i);
    arrive(&s, 1, 1, 0, 1);
    arrive(&s, 1, 3, 0, 3);
    CU_ASSERT_EQUAL(s.verdict.lost, 1);
    CU_ASSERT_EQUAL(verdict_faults(&s.verdict), 1);
    ledger_deinit(&s.ledger);
}

static void test_ledger__a_late_number_is_reordered_not_lost(void)
{
    struct scene s = scene_new();
    for (uint32_t i = 1; i <= 3; i++)
        arrive(&s, 0, i, 0, i);
    arrive(&s, 1, 1, 0, 1);
    arrive(&s, 1, 3, 0, 3);
    arrive(&s, 1, 2, 0, 2);
    CU_ASSERT_EQUAL(s.verdict.lost, 0);
    CU_ASSERT_EQUAL(s.verdict.reordered, 1);
    CU_ASSERT_EQUAL(s.verdict.doubled, 0);
    ledger_deinit(&s.ledger);
}

static void test_ledger__a_number_that_comes_again_is_doubled(void)
{
    struct scene s = scene_new();
    for (uint32_t i = 1; i <= 100; i++)
        arrive(&s, 0, i, 0, i);
    arrive(&s, 0, 100, 0, 100);
    arrive(&s, 0, 99, 0, 99);
    arrive(&s, 0, 1, 0, 1);
    CU_ASSERT_EQUAL(s.verdict.doubled, 3);
    CU_ASSERT_EQUAL(s.verdict.reordered, 0);
    ledger_deinit(&s.ledger);
}

static void test_ledger__a_gap_event_excuses_just_its_numbers(void)
{
    struct scene s = scene_new();
    for (uint32_t i = 1; i <= 20; i++)
        arrive(&s, 0, i, 0, i);
    arrive(&s, 1, 1, 0, 1);
    ledger_gap(&s.readers[1], 2, 10, &s.verdict);
    arrive(&s, 1, 11, 0, 11);
    CU_ASSERT_EQUAL(verdict_faults(&s.verdict), 0);
    CU_ASSERT_EQUAL(s.verdict.gaps_reported, 9);
    ledger_gap(&s.readers[1], 14, 15, &s.verdict); /* 12 and 13 are not in it */
    arrive(&s, 1, 16, 0, 16);
    CU_ASSERT_EQUAL(s.verdict.lost, 2);
    CU_ASSERT_EQUAL(s.verdict.gaps_reported, 11);
    ledger_gap(&s.readers[1], 3, 16, &s.verdict); /* all of it is behind us */
    CU_ASSERT_EQUAL(s.verdict.gaps_reported, 11);
    CU_ASSERT_EQUAL(s.readers[1].next_seq, 17);
    ledger_deinit(&s.ledger);
}

static void test_ledger__two_orders_differ(void)
{
    struct scene s = scene_new();
    arrive(&s, 0, 1, 0, 1);
    arrive(&s, 0, 2, 1, 1);
    arrive(&s, 1, 1, 1, 1);
    arrive(&s, 1, 2, 0, 1);
    CU_ASSERT_EQUAL(s.verdict.order_differs, 2);
    ledger_deinit(&s.ledger);
}

static void test_ledger__a_senders_messages_out_of_turn_are_seen(void)
{
    struct scene s = scene_new();
    arrive(&s, 0, 1, 0, 1);
    arrive(&s, 0, 2, 0, 3);
    CU_ASSERT_EQUAL(s.verdict.sender_disorder, 1);
    ledger_deinit(&s.ledger);
}

static void test_ledger__a_gap_for_all_excuses_the_senders_count(void)
{
    struct scene s = scene_new();
    arrive(&s, 0, 1, 0, 1);
    ledger_gap(&s.readers[0], 2, 3, &s.verdict);
    arrive(&s, 0, 4, 0, 4);
    CU_ASSERT_EQUAL(verdict_faults(&s.verdict), 0);
    arrive(&s, 0, 5, 0, 4);
    CU_ASSERT_EQUAL(s.verdict.sender_disorder, 1);
    ledger_deinit(&s.ledger);
}

static void test_ledger__a_reader_far_behind_is_counted_as_unchecked(void)
{
    struct scene s = scene_new();
    for (uint32_t i = 1; i <= 1000; i++)
        arrive(&s, 0, i, 0, i);
    arrive(&s, 1, 1, 0, 1);
    CU_ASSERT_EQUAL(s.verdict.unchecked, 1);
    CU_ASSERT_EQUAL(verdict_faults(&s.verdict), 0);
    ledger_deinit(&s.ledger);
}

/* An unmasked server frame, as frame_parse() reads them. */
static void append_server_frame(struct bytes *to, size_t payload)
{
    uint8_t header[4] = {0x81, payload < 126 ? (uint8_t)payload : 126, (uint8_t)(payload >> 8),
                         (uint8_t)payload};
    bytes_append(to, header, payload < 126 ? 2 : 4);
    memset(bytes_reserve(to, payload), 'p', payload);
    to->count += payload;
}

static void test_frame__is_whole_at_its_last_byte_and_no_earlier(void)
{
    static const size_t sizes[] = {0, 1, 125, 126, 300};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct bytes wire = {0};
        struct frame frame;
        bool broken = false;
        append_server_frame(&wire, sizes[i]);
        for (size_t cut = 0; cut < wire.count; cut++)
            CU_ASSERT_FALSE(frame_parse(wire.data, cut, &frame, &broken));
        CU_ASSERT_TRUE(frame_parse(wire.data, wire.count, &frame, &broken));
        CU_ASSERT_EQUAL(frame.payload_bytes, sizes[i]);
        CU_ASSERT_EQUAL(frame.frame_bytes, wire.count);
        CU_ASSERT_FALSE(broken);
        bytes_free(&wire);
    }
}

static void test_frame__a_masked_or_fragmented_one_is_broken(void)
{
    static const uint8_t masked[] = {0x81, 0x80, 1, 2, 3, 4}, fragment[] = {0x01, 0x00};
    struct frame frame;
    bool broken = false;
    CU_ASSERT_FALSE(frame_parse(masked, sizeof masked, &frame, &broken));
    CU_ASSERT_TRUE(broken);
    broken = false;
    CU_ASSERT_FALSE(frame_parse(fragment, sizeof fragment, &frame, &broken));
    CU_ASSERT_TRUE(broken);
}

static void test_frame__what_is_sent_is_masked_with_its_own_key(void)
{
    char text[70000];
    static const size_t sizes[] = {5, 125, 126, 65535, 65536, sizeof text};
    static const size_t headers[] = {2, 2, 4, 4, 10, 10};
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct bytes wire = {0};
        frame_append(&wire, FRAME_TEXT, text, sizes[i]);
        CU_ASSERT_EQUAL_FATAL(wire.count, headers[i] + 4 + sizes[i]);
        const uint8_t *key = wire.data + headers[i];
        size_t wrong = 0;
        for (size_t at = 0; at < sizes[i]; at++)
            wrong += (uint8_t)(key[4 + at] ^ key[at & 3]) != (uint8_t)text[at];
        CU_ASSERT_EQUAL(wrong, 0);
        bytes_free(&wire);
    }
}

static void test_event__keys_are_found_in_any_order_and_not_in_strings(void)
{
    static const char json[] = "{\"text\":\"\\\"seq\\\":9,\\\"ev\\\":\\\"gap\\\"\",\"room\":\"r\","
                               "\"seq\":17,\"ev\":\"message\"}";
    uint64_t seq = 0;
    CU_ASSERT_EQUAL(event_kind(json, sizeof json - 1), EVENT_MESSAGE);
    CU_ASSERT_TRUE(event_u64(json, sizeof json - 1, "\"seq\":", &seq));
    CU_ASSERT_EQUAL(seq, 17);
    CU_ASSERT_FALSE(event_u64(json, sizeof json - 1, "\"from\":", &seq));
}

static void test_event__a_stamp_comes_back_as_it_was_written(void)
{
    char json[200] = "{\"ev\":\"message\",\"seq\":1,\"text\":\"";
    struct stamp sent = {0xdeadbeef, 12345, 0x0123456789abcdef}, got = {0};
    size_t head = strlen(json);
    stamp_write(json + head, &sent);
    CU_ASSERT_FALSE(event_stamp(json, head + STAMP_CHARS - 1, &got));
    CU_ASSERT_TRUE(event_stamp(json, head + STAMP_CHARS, &got));
    CU_ASSERT_EQUAL(got.sender, sent.sender);
    CU_ASSERT_EQUAL(got.number, sent.number);
    CU_ASSERT_EQUAL(got.intended_ns, sent.intended_ns);
}

static void test_histogram__percentiles_err_upward_and_by_less_than_a_hundredth(void)
{
    static struct histogram h;
    histogram_reset(&h);
    for (uint64_t i = 1; i <= 1000000; i++)
        histogram_add(&h, i * 1000);
    for (double percent = 1; percent <= 100; percent += 0.5) {
        double exact = percent * 1e7;
        double got = (double)histogram_percentile(&h, percent);
        CU_ASSERT_TRUE(got >= exact && got <= exact * 1.01);
    }
    CU_ASSERT_EQUAL(histogram_percentile(&h, 100), 1000000000);
}

UNIT_MAIN("bench", UNIT_TEST(test_ledger__a_clean_room_has_no_faults),
          UNIT_TEST(test_ledger__a_number_jumped_over_is_lost),
          UNIT_TEST(test_ledger__a_late_number_is_reordered_not_lost),
          UNIT_TEST(test_ledger__a_number_that_comes_again_is_doubled),
          UNIT_TEST(test_ledger__a_gap_event_excuses_just_its_numbers),
          UNIT_TEST(test_ledger__two_orders_differ),
          UNIT_TEST(test_ledger__a_senders_messages_out_of_turn_are_seen),
          UNIT_TEST(test_ledger__a_gap_for_all_excuses_the_senders_count),
          UNIT_TEST(test_ledger__a_reader_far_behind_is_counted_as_unchecked),
          UNIT_TEST(test_frame__is_whole_at_its_last_byte_and_no_earlier),
          UNIT_TEST(test_frame__a_masked_or_fragmented_one_is_broken),
          UNIT_TEST(test_frame__what_is_sent_is_masked_with_its_own_key),
          UNIT_TEST(test_event__keys_are_found_in_any_order_and_not_in_strings),
          UNIT_TEST(test_event__a_stamp_comes_back_as_it_was_written),
          UNIT_TEST(test_histogram__percentiles_err_upward_and_by_less_than_a_hundredth))
