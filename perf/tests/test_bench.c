/* The judge is judged: what the bench would overlook, a broken server could get away with. */
#include "conn.h"
#include "dialect.h"
#include "frame.h"
#include "histogram.h"
#include "ledger.h"
#include "unit.h"

#include <errno.h>
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

static void test_frame__one_that_no_server_may_send_is_broken(void)
{
    static const uint8_t wrong[][6] = {
        {0x81, 0x80, 1, 2, 3, 4}, /* masked */
        {0xc1, 0x00},             /* compressed */
        {0x09, 0x00},             /* a ping in pieces */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct frame frame;
        bool broken = false;
        CU_ASSERT_FALSE(frame_parse(wrong[i], sizeof wrong[i], &frame, &broken));
        CU_ASSERT_TRUE(broken);
    }
}

static void test_frame__a_piece_of_a_message_says_so(void)
{
    static const uint8_t piece[] = {0x01, 0x00}, last[] = {0x80, 0x00};
    struct frame frame;
    bool broken = false;
    CU_ASSERT_TRUE(frame_parse(piece, sizeof piece, &frame, &broken));
    CU_ASSERT_FALSE(frame.final);
    CU_ASSERT_TRUE(frame_parse(last, sizeof last, &frame, &broken));
    CU_ASSERT_TRUE(frame.final);
    CU_ASSERT_EQUAL(frame.opcode, FRAME_CONTINUATION);
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

/* A plain Socket.IO connection, and what its scenario heard. */
struct session {
    struct conn conn;
    struct conn_events events;
    unsigned opened;
    unsigned texts;
    char text[16];
};

static void heard_opened(void *scenario, struct conn *c)
{
    (void)c;
    ((struct session *)scenario)->opened++;
}

static void heard_text(void *scenario, struct conn *c, const char *text, size_t count)
{
    struct session *s = scenario;
    (void)c;
    s->texts++;
    CU_ASSERT_FATAL(count < sizeof s->text);
    memcpy(s->text, text, count);
    s->text[count] = 0;
}

static int hear(struct session *s, const char *wire, size_t count)
{
    return conn_receive(&s->conn, &s->events, "", (const uint8_t *)wire, count);
}

static void session_open(struct session *s)
{
    static const char response[] = "HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x03"
                                   "0{}\x81\x04"
                                   "40{}";
    *s = (struct session){.conn = {.dialect = DIALECT_SOCKETIO},
                          .events = {.scenario = s, .opened = heard_opened, .text = heard_text}};
    CU_ASSERT_EQUAL(conn_start(&s->conn, NULL, NULL, "GET"), 0);
    CU_ASSERT_EQUAL(hear(s, response, sizeof response - 7), 0);
    CU_ASSERT_EQUAL(s->opened, 0); /* upgraded, not connected to the namespace yet */
    CU_ASSERT_EQUAL(hear(s, response + sizeof response - 7, 6), 0);
    CU_ASSERT_EQUAL(s->opened, 1);
    s->conn.waiting.count = 0;
}

static void test_conn__a_socketio_session_opens_answers_pings_and_passes_events_on(void)
{
    struct session s;
    session_open(&s);
    CU_ASSERT_EQUAL(hear(&s,
                         "\x81\x01"
                         "2",
                         3),
                    0);
    CU_ASSERT_EQUAL(s.texts, 0);
    CU_ASSERT_EQUAL_FATAL(s.conn.waiting.count, 7);
    CU_ASSERT_EQUAL(s.conn.waiting.data[2] ^ s.conn.waiting.data[6], '3');
    CU_ASSERT_EQUAL(hear(&s,
                         "\x81\x07"
                         "42[\"a\"]",
                         9),
                    0);
    CU_ASSERT_STRING_EQUAL(s.text, "2[\"a\"]");
    CU_ASSERT_TRUE(hear(&s,
                        "\x81\x02"
                        "41",
                        4) < 0);
    conn_deinit(&s.conn);
}

static void test_conn__a_message_in_pieces_is_one_and_a_ping_may_stand_between(void)
{
    static const char wire[] = "\x01\x03"
                               "42["
                               "\x89\x00"
                               "\x00\x02"
                               "\"a"
                               "\x80\x02"
                               "\"]";
    for (size_t cut = 0; cut < sizeof wire; cut++) {
        struct session s;
        session_open(&s);
        CU_ASSERT_EQUAL(hear(&s, wire, cut), 0);
        CU_ASSERT_EQUAL(s.texts, cut == sizeof wire - 1);
        CU_ASSERT_EQUAL(hear(&s, wire + cut, sizeof wire - 1 - cut), 0);
        CU_ASSERT_EQUAL(s.texts, 1);
        CU_ASSERT_STRING_EQUAL(s.text, "2[\"a\"]");
        conn_deinit(&s.conn);
    }
}

static void test_conn__pieces_out_of_turn_are_broken(void)
{
    struct session s;
    session_open(&s);
    CU_ASSERT_EQUAL(hear(&s, "\x80\x00", 2), -EPROTO);
    conn_deinit(&s.conn);
    session_open(&s);
    CU_ASSERT_EQUAL(hear(&s,
                         "\x01\x01"
                         "4"
                         "\x81\x01"
                         "2",
                         6),
                    -EPROTO);
    conn_deinit(&s.conn);
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
    CU_ASSERT_FALSE(event_stamp(json, head + STAMP_CHARS - 1, "\"text\":\"", &got));
    CU_ASSERT_TRUE(event_stamp(json, head + STAMP_CHARS, "\"text\":\"", &got));
    CU_ASSERT_EQUAL(got.sender, sent.sender);
    CU_ASSERT_EQUAL(got.number, sent.number);
    CU_ASSERT_EQUAL(got.intended_ns, sent.intended_ns);
}

#define STAMP_TEXT "0000000a0000000200000000000003e8"

static void check_stamp(const struct stamp *got, uint64_t seq, uint64_t seq_expected)
{
    CU_ASSERT_EQUAL(seq, seq_expected);
    CU_ASSERT_EQUAL(got->sender, 10);
    CU_ASSERT_EQUAL(got->number, 2);
    CU_ASSERT_EQUAL(got->intended_ns, 1000);
}

static void test_dialect__socketio_events_are_told_apart(void)
{
    static const struct {
        const char *packet;
        enum event_kind kind;
    } cases[] = {{"2[\"message\",{\"room\":\"r\"}]", EVENT_MESSAGE},
                 {"2[\"joined\",{}]", EVENT_JOINED},
                 {"2[\"gap\",{\"from\":1}]", EVENT_GAP},
                 {"2[\"error\",{}]", EVENT_ERROR},
                 {"2[\"member\",{\"name\":\"joined\"}]", EVENT_OTHER},
                 {"2[\"messages\",{}]", EVENT_OTHER},
                 {"37[{\"ok\":true,\"seq\":5}]", EVENT_ACK},
                 {"37[{\"ok\":false,\"error\":\"muted\"}]", EVENT_ERROR},
                 {"", EVENT_OTHER}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_EQUAL(dialect_kind(DIALECT_SOCKETIO, cases[i].packet, strlen(cases[i].packet)),
                        cases[i].kind);
}

static void test_dialect__a_socketio_message_is_read_from_its_inner_json(void)
{
    static const char packet[] =
        "2[\"message\",{\"room\":\"r\",\"chatMessage\":\"{\\\"username\\\":\\\"m1\\\","
        "\\\"message\\\":\\\"" STAMP_TEXT "xx\\\",\\\"seq\\\":17}\"},\"abc.99\"]";
    uint64_t seq = 0;
    struct stamp stamp = {0};
    CU_ASSERT_TRUE(dialect_message(DIALECT_SOCKETIO, packet, sizeof packet - 1, &seq, &stamp));
    check_stamp(&stamp, seq, 17);
    CU_ASSERT_FALSE(dialect_message(DIALECT_SOCKETIO, packet, 60, &seq, &stamp));
}

static void test_dialect__kept_messages_are_taken_out_of_joined_one_by_one(void)
{
    static const char packet[] =
        "2[\"joined\",{\"room\":\"r\",\"chatHistory\":["
        "{\"username\":\"m1\",\"message\":\"" STAMP_TEXT "xx\",\"seq\":4,\"uid\":\"u\"},"
        "{\"seq\":5,\"message\":\"" STAMP_TEXT "xx\"},{\"message\":\"short\",\"seq\":6}]},"
        "\"a-9.6\"]";
    struct joined joined;
    struct stamp stamp = {0};
    uint64_t seq = 0;
    CU_ASSERT_TRUE_FATAL(dialect_joined(DIALECT_SOCKETIO, packet, sizeof packet - 1, &joined));
    CU_ASSERT_EQUAL(joined.first, 4);
    CU_ASSERT_EQUAL(joined.seq, 6);
    for (uint64_t i = 4; i <= 5; i++) {
        CU_ASSERT_TRUE(dialect_kept_next(&joined, &seq, &stamp));
        check_stamp(&stamp, seq, i);
    }
    CU_ASSERT_TRUE(dialect_kept_next(&joined, &seq, &stamp));
    CU_ASSERT_EQUAL(seq, 0); /* no stamp of ours: malformed */
    CU_ASSERT_FALSE(dialect_kept_next(&joined, &seq, &stamp));
}

static void test_dialect__joined_without_history_begins_behind_its_offset(void)
{
    static const char empty[] = "2[\"joined\",{\"room\":\"r\",\"chatHistory\":[]},\"e.120\"]";
    static const char marked[] =
        "2[\"joined\",{\"room\":\"r\",\"chatHistory\":[]},\"e.120.3461675077\"]";
    static const char none[] = "2[\"joined\",{\"room\":\"r\",\"chatHistory\":[]}]";
    static const char native[] = "{\"ev\":\"joined\",\"first\":3,\"seq\":9}";
    struct joined joined;
    struct stamp stamp;
    uint64_t seq;
    CU_ASSERT_TRUE(dialect_joined(DIALECT_SOCKETIO, empty, sizeof empty - 1, &joined));
    CU_ASSERT_EQUAL(joined.seq, 120);
    CU_ASSERT_EQUAL(joined.first, 121);
    CU_ASSERT_FALSE(dialect_kept_next(&joined, &seq, &stamp));
    CU_ASSERT_TRUE(dialect_joined(DIALECT_SOCKETIO, marked, sizeof marked - 1, &joined));
    CU_ASSERT_EQUAL(joined.seq, 120);
    CU_ASSERT_FALSE(dialect_joined(DIALECT_SOCKETIO, none, sizeof none - 1, &joined));
    CU_ASSERT_TRUE(dialect_joined(DIALECT_NATIVE, native, sizeof native - 1, &joined));
    CU_ASSERT_EQUAL(joined.seq, 9);
    CU_ASSERT_EQUAL(joined.first, 3);
    CU_ASSERT_FALSE(dialect_kept_next(&joined, &seq, &stamp));
}

static void test_dialect__both_carry_the_same_text(void)
{
    char said[2][DIALECT_AROUND_MAX + 40];
    struct post post = {"r", "m1", {10, 2, 1000}, 40, true};
    for (int d = 0; d < DIALECT_COUNT; d++)
        said[d][dialect_send((enum dialect)d, said[d], &post)] = 0;
    CU_ASSERT_STRING_EQUAL(said[DIALECT_NATIVE], "{\"op\":\"send\",\"id\":2,\"room\":\"r\","
                                                 "\"text\":\"" STAMP_TEXT "xxxxxxxx\"}");
    CU_ASSERT_STRING_EQUAL(said[DIALECT_SOCKETIO],
                           "27[\"message\",{\"room\":\"r\",\"message\":\"" STAMP_TEXT
                           "xxxxxxxx\",\"name\":\"m1\"}]");
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
          UNIT_TEST(test_frame__one_that_no_server_may_send_is_broken),
          UNIT_TEST(test_frame__a_piece_of_a_message_says_so),
          UNIT_TEST(test_frame__what_is_sent_is_masked_with_its_own_key),
          UNIT_TEST(test_conn__a_socketio_session_opens_answers_pings_and_passes_events_on),
          UNIT_TEST(test_conn__a_message_in_pieces_is_one_and_a_ping_may_stand_between),
          UNIT_TEST(test_conn__pieces_out_of_turn_are_broken),
          UNIT_TEST(test_event__keys_are_found_in_any_order_and_not_in_strings),
          UNIT_TEST(test_event__a_stamp_comes_back_as_it_was_written),
          UNIT_TEST(test_dialect__socketio_events_are_told_apart),
          UNIT_TEST(test_dialect__a_socketio_message_is_read_from_its_inner_json),
          UNIT_TEST(test_dialect__kept_messages_are_taken_out_of_joined_one_by_one),
          UNIT_TEST(test_dialect__joined_without_history_begins_behind_its_offset),
          UNIT_TEST(test_dialect__both_carry_the_same_text),
          UNIT_TEST(test_histogram__percentiles_err_upward_and_by_less_than_a_hundredth))
