#include "ringroom/wire/ws.h"

#include "ringroom/base/mem.h"

#include "unit.h"

enum { MESSAGE_MAX = 1 << 20, FRAGMENTS_MAX = 64 };

static const struct ws_limits limits = {MESSAGE_MAX, FRAGMENTS_MAX};
static struct ws_pool *pool;

/* --- the naive twin: a client's encoder, written from RFC 6455 section 5.2 alone --- */

struct wire {
    uint8_t *data;
    size_t len, cap;
};

static void put(struct wire *wire, const void *data, size_t len)
{
    if (wire->len + len > wire->cap) {
        wire->cap = (wire->len + len) * 2;
        wire->data = realloc(wire->data, wire->cap);
    }
    if (len > 0)
        memcpy(wire->data + wire->len, data, len);
    wire->len += len;
}

static void put_byte(struct wire *wire, unsigned byte)
{
    uint8_t b = (uint8_t)byte;

    put(wire, &b, 1);
}

static void put_masked(struct wire *wire, unsigned first, const void *payload, size_t len,
                       uint32_t mask)
{
    const uint8_t key[4] = {mask >> 24 & 255, mask >> 16 & 255, mask >> 8 & 255, mask & 255};

    put_byte(wire, first);
    if (len <= 125) {
        put_byte(wire, 0x80 | (unsigned)len);
    } else if (len <= 65535) {
        put_byte(wire, 0x80 | 126);
        put_byte(wire, len >> 8 & 255);
        put_byte(wire, len & 255);
    } else {
        put_byte(wire, 0x80 | 127);
        for (int shift = 56; shift >= 0; shift -= 8)
            put_byte(wire, (uint64_t)len >> shift & 255);
    }
    put(wire, key, 4);
    for (size_t i = 0; i < len; i++)
        put_byte(wire, ((const uint8_t *)payload)[i] ^ key[i % 4]);
}

static void put_frame(struct wire *wire, unsigned first, const char *payload)
{
    put_masked(wire, first, payload, strlen(payload), 0x37fa213d);
}

/* --- what a parser said, as one comparable text --- */

struct heard {
    struct wire text;
    enum ws_result last;
    uint16_t code;
    size_t taken; /* bytes */
    unsigned events;
};

static uint64_t sum_of(struct slice s)
{
    uint64_t sum = 1469598103934665603u;

    for (size_t i = 0; i < s.len; i++)
        sum = (sum ^ s.data[i]) * 1099511628211u;
    return sum;
}

static void hear(struct heard *heard, const struct ws_event *event)
{
    char line[128];
    int n = snprintf(line, sizeof(line), "%d %u %zu %llx\n", (int)event->opcode, event->code,
                     event->payload.len, (unsigned long long)sum_of(event->payload));

    put(&heard->text, line, (size_t)n);
    heard->events++;
}

/* Lends each piece as an allocation of its own size, so that a sanitizer sees reads beyond it. */
static void feed(struct ws *ws, struct heard *heard, const uint8_t *data, size_t len)
{
    uint8_t *copy = calloc(1, len ? len : 1);
    struct slice in = slice_make(copy, len);
    struct ws_event event;

    if (len > 0)
        memcpy(copy, data, len);
    while ((heard->last = ws_next(ws, &in, &event)) == WS_EVENT)
        hear(heard, &event);
    if (heard->last == WS_MORE)
        CU_ASSERT_EQUAL(in.len, 0);
    heard->taken += len - in.len;
    heard->code = ws->code;
    free(copy);
}

static void forget(struct heard *heard)
{
    free(heard->text.data);
    *heard = (struct heard){0};
}

static void hear_whole(struct heard *heard, const struct wire *wire)
{
    struct ws ws;

    ws_init(&ws, pool, &limits);
    feed(&ws, heard, wire->data, wire->len);
    ws_deinit(&ws);
}

static bool same(const struct heard *a, const struct heard *b)
{
    return a->last == b->last && a->code == b->code && a->events == b->events &&
           a->text.len == b->text.len &&
           (a->text.len == 0 || memcmp(a->text.data, b->text.data, a->text.len) == 0);
}

/* Whole, cut at every byte, one byte at a time: the same events, the same end, taken alike. */
static void expect_any_cut(const struct wire *wire, const struct heard *whole)
{
    struct heard heard = {0};
    struct ws ws;

    for (size_t cut = 0; cut <= wire->len; cut++) {
        ws_init(&ws, pool, &limits);
        feed(&ws, &heard, wire->data, cut);
        feed(&ws, &heard, wire->data + cut, wire->len - cut);
        CU_ASSERT(same(&heard, whole));
        ws_deinit(&ws);
        forget(&heard);
    }
    ws_init(&ws, pool, &limits);
    for (size_t i = 0; i < wire->len; i++)
        feed(&ws, &heard, wire->data + i, 1);
    CU_ASSERT(same(&heard, whole));
    ws_deinit(&ws);
    forget(&heard);
}

/* A stream of frames fails with this code, however it is cut. */
static void expect_failure(struct wire *wire, uint16_t code, unsigned events_before)
{
    struct heard heard = {0};

    hear_whole(&heard, wire);
    CU_ASSERT_EQUAL(heard.last, WS_FAILED);
    CU_ASSERT_EQUAL(heard.code, code);
    CU_ASSERT_EQUAL(heard.events, events_before);
    if (wire->len <= 2048)
        expect_any_cut(wire, &heard);
    forget(&heard);
    wire->len = 0;
}

static void expect_good(struct wire *wire, unsigned events)
{
    struct heard heard = {0};

    hear_whole(&heard, wire);
    CU_ASSERT_EQUAL(heard.last, WS_MORE);
    CU_ASSERT_EQUAL(heard.events, events);
    CU_ASSERT_EQUAL(heard.taken, wire->len);
    if (wire->len <= 2048)
        expect_any_cut(wire, &heard);
    forget(&heard);
    wire->len = 0;
}

static void bytes_fail(const char *bytes, size_t len, uint16_t code)
{
    struct wire wire = {0};

    put(&wire, bytes, len);
    expect_failure(&wire, code, 0);
    free(wire.data);
}

#define BYTES_FAIL(text, code) bytes_fail(text, sizeof(text) - 1, code)

/* --- tests --- */

static void test_ws__messages_come_out_as_they_were_sent(void)
{
    static const size_t lengths[] = {0,    1,    124,  125,  126,   127,   4081,  4082,  4083,
                                     4087, 4088, 4089, 4096, 65535, 65536, 65537, 300000};
    static const uint32_t masks[] = {0, 0xffffffff, 0x01020304, 0x80000001};
    uint8_t *payload = malloc(300000);
    struct wire wire = {0};

    for (size_t i = 0; i < 300000; i++)
        payload[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0; i < array_len(lengths); i++) {
        for (size_t m = 0; m < array_len(masks); m++) {
            struct ws ws;
            struct ws_event event;

            wire.len = 0;
            put_masked(&wire, 0x82, payload, lengths[i], masks[m]);
            struct slice in = slice_make(wire.data, wire.len);
            ws_init(&ws, pool, &limits);
            CU_ASSERT_EQUAL(ws_next(&ws, &in, &event), WS_EVENT);
            CU_ASSERT_EQUAL(event.opcode, WS_BINARY);
            CU_ASSERT(slice_equal(event.payload, slice_make(payload, lengths[i])));
            CU_ASSERT_EQUAL(in.len, 0);
            CU_ASSERT_EQUAL(ws_next(&ws, &in, &event), WS_MORE);
            CU_ASSERT_PTR_NULL(ws.message.data);
            ws_deinit(&ws);
        }
    }
    free(payload);
    free(wire.data);
}

static void test_ws__an_event_takes_no_byte_of_the_next_frame(void)
{
    struct wire wire = {0};
    struct ws ws;
    struct ws_event event;

    put_frame(&wire, 0x81, "first");
    size_t first = wire.len;
    put_frame(&wire, 0x89, "second");
    struct slice in = slice_make(wire.data, wire.len);
    ws_init(&ws, pool, &limits);
    CU_ASSERT_EQUAL(ws_next(&ws, &in, &event), WS_EVENT);
    CU_ASSERT(slice_is(event.payload, "first"));
    CU_ASSERT_EQUAL(in.len, wire.len - first);
    CU_ASSERT_EQUAL(ws_next(&ws, &in, &event), WS_EVENT);
    CU_ASSERT_EQUAL(event.opcode, WS_PING);
    CU_ASSERT(slice_is(event.payload, "second"));
    ws_deinit(&ws);
    free(wire.data);
}

static void test_ws__control_frames_may_stand_between_fragments(void)
{
    struct wire wire = {0};
    struct heard heard = {0};

    put_frame(&wire, 0x01, "Hel");
    put_frame(&wire, 0x89, "ping");
    put_frame(&wire, 0x00, "");
    put_frame(&wire, 0x8a, "");
    put_frame(&wire, 0x00, "lo, ");
    put_frame(&wire, 0x80, "w\xc3\xb6rld");
    hear_whole(&heard, &wire);
    CU_ASSERT_EQUAL(heard.events, 3);
    forget(&heard);
    expect_good(&wire, 3);
    free(wire.data);
}

static void test_ws__empty_messages_and_fragments_are_messages(void)
{
    struct wire wire = {0};

    put_frame(&wire, 0x81, "");
    put_frame(&wire, 0x82, "");
    put_frame(&wire, 0x01, "");
    put_frame(&wire, 0x00, "");
    put_frame(&wire, 0x80, "");
    put_frame(&wire, 0x02, "");
    put_frame(&wire, 0x80, "x");
    expect_good(&wire, 4);
    free(wire.data);
}

static void random_frames(struct wire *wire, uint64_t *random, unsigned *ret_events)
{
    uint8_t payload[9000];
    bool inside = false;

    *ret_events = 0;
    for (unsigned frames = 1 + unit_random(random) % 12, i = 0; i < frames || inside; i++) {
        bool control = unit_random(random) % 4 == 0;
        bool last = i >= frames || unit_random(random) % 2;
        static const size_t sizes[] = {3, 126, 700, 9000};
        size_t len = unit_random(random) % sizes[unit_random(random) % 4];

        for (size_t b = 0; b < len; b++)
            payload[b] = (uint8_t)unit_random(random);
        if (control) {
            put_masked(wire, 0x89 + unit_random(random) % 2, payload, len % 126,
                       (uint32_t)unit_random(random));
            ++*ret_events;
            continue;
        }
        put_masked(wire, (last ? 0x80 : 0) | (inside ? 0 : 2), payload, len,
                   (uint32_t)unit_random(random));
        inside = !last;
        *ret_events += last;
    }
}

static void test_ws__any_split_yields_the_same_messages(void)
{
    uint64_t random = unit_seed();

    for (unsigned round = 0; round < unit_rounds(300); round++) {
        struct wire wire = {0};
        struct heard whole = {0}, split = {0};
        unsigned events;
        struct ws ws;

        random_frames(&wire, &random, &events);
        hear_whole(&whole, &wire);
        CU_ASSERT_EQUAL(whole.last, WS_MORE);
        CU_ASSERT_EQUAL(whole.events, events);
        ws_init(&ws, pool, &limits);
        for (size_t at = 0; at < wire.len;) {
            size_t most = unit_random(&random) % 3 ? 20 : 5000;
            size_t n = 1 + unit_random(&random) % most;

            n = n < wire.len - at ? n : wire.len - at;
            feed(&ws, &split, wire.data + at, n);
            at += n;
        }
        CU_ASSERT(same(&whole, &split));
        CU_ASSERT_PTR_NULL(ws.reader);
        CU_ASSERT_PTR_NULL(ws.message.data);
        ws_deinit(&ws);
        forget(&whole);
        forget(&split);
        free(wire.data);
    }
}

static void test_ws__two_parsers_share_a_pool_without_mixing(void)
{
    struct wire wire = {0};
    struct ws one, two;
    struct heard first = {0}, second = {0};

    put_frame(&wire, 0x81, "a text that both of them send");
    ws_init(&one, pool, &limits);
    ws_init(&two, pool, &limits);
    for (size_t i = 0; i < wire.len; i++) {
        feed(&one, &first, wire.data + i, 1);
        feed(&two, &second, wire.data + i, 1);
    }
    CU_ASSERT_EQUAL(first.events, 1);
    CU_ASSERT(same(&first, &second));
    ws_deinit(&one);
    ws_deinit(&two);
    forget(&first);
    forget(&second);
    free(wire.data);
}

static void test_ws__an_event_outlives_other_parsers_calls(void)
{
    struct wire wire = {0}, other = {0};
    struct ws one, two;
    struct ws_event event, ignored;

    put_frame(&wire, 0x81, "mine");
    put_frame(&other, 0x81, "XXXXXXXX");
    ws_init(&one, pool, &limits);
    ws_init(&two, pool, &limits);
    struct slice in = slice_make(wire.data, wire.len), in2 = slice_make(other.data, other.len);
    CU_ASSERT_EQUAL(ws_next(&one, &in, &event), WS_EVENT);
    CU_ASSERT_EQUAL(ws_next(&two, &in2, &ignored), WS_EVENT);
    CU_ASSERT(slice_is(event.payload, "mine"));
    ws_deinit(&one);
    ws_deinit(&two);
    free(wire.data);
    free(other.data);
}

static void test_ws__an_idle_parser_holds_nothing(void)
{
    struct wire wire = {0};
    struct heard heard = {0};
    struct ws ws;

    put_frame(&wire, 0x01, "begun");
    size_t fragment = wire.len;
    put_frame(&wire, 0x80, "ended");
    ws_init(&ws, pool, &limits);
    CU_ASSERT_PTR_NULL(ws.reader);
    feed(&ws, &heard, wire.data, 1);
    CU_ASSERT_PTR_NOT_NULL(ws.reader);
    feed(&ws, &heard, wire.data + 1, fragment - 1);
    CU_ASSERT_PTR_NULL(ws.reader);
    CU_ASSERT_EQUAL(ws.message.len, 5);
    feed(&ws, &heard, wire.data + fragment, wire.len - fragment);
    CU_ASSERT_PTR_NULL(ws.reader);
    CU_ASSERT_PTR_NULL(ws.message.data);
    ws_deinit(&ws);
    forget(&heard);
    free(wire.data);
}

static void test_ws__a_declared_length_allocates_nothing(void)
{
    struct wire wire = {0};
    struct heard heard = {0};
    struct ws ws;
    uint8_t *payload = calloc(1, MESSAGE_MAX);

    put_masked(&wire, 0x82, payload, MESSAGE_MAX, 1);
    ws_init(&ws, pool, &limits);
    feed(&ws, &heard, wire.data, 14 + 100);
    CU_ASSERT(ws.message.cap <= 1024);
    feed(&ws, &heard, wire.data + 114, 10000);
    CU_ASSERT(ws.message.cap <= 65536);
    feed(&ws, &heard, wire.data + 10114, wire.len - 10114);
    CU_ASSERT_EQUAL(heard.events, 1);
    ws_deinit(&ws);
    forget(&heard);
    free(payload);
    free(wire.data);
}

static void test_ws__malformed_headers_fail_with_1002(void)
{
    BYTES_FAIL("\x81\x05Hello", 1002); /* not masked */
    BYTES_FAIL("\x81\x00", 1002);
    BYTES_FAIL("\xc1\x80mask", 1002); /* reserved bits */
    BYTES_FAIL("\xa1\x80mask", 1002);
    BYTES_FAIL("\x91\x80mask", 1002);
    BYTES_FAIL("\x83\x80mask", 1002); /* reserved opcodes */
    BYTES_FAIL("\x87\x80mask", 1002);
    BYTES_FAIL("\x8b\x80mask", 1002);
    BYTES_FAIL("\x8f\x80mask", 1002);
    BYTES_FAIL("\x09\x80mask", 1002); /* a fragmented ping, pong, close */
    BYTES_FAIL("\x0a\x80mask", 1002);
    BYTES_FAIL("\x08\x80mask", 1002);
    BYTES_FAIL("\x89\xfe\x00\x7emask", 1002); /* a ping of 126 bytes */
    BYTES_FAIL("\x88\xff\0\0\0\0\0\0\0\x01mask", 1002);
    BYTES_FAIL("\x80\x80mask", 1002); /* a continuation of nothing */
    BYTES_FAIL("\x00\x80mask", 1002);
    BYTES_FAIL("\x82\xfe\x00\x7dmask", 1002); /* lengths not in the shortest form */
    BYTES_FAIL("\x82\xff\0\0\0\0\0\0\xff\xffmask", 1002);
    BYTES_FAIL("\x82\xff\x80\0\0\0\0\0\0\0mask", 1002);
}

static void test_ws__the_first_bad_byte_is_enough(void)
{
    BYTES_FAIL("\xc1", 1002);
    BYTES_FAIL("\x83", 1002);
    BYTES_FAIL("\x09", 1002);
    BYTES_FAIL("\x80", 1002);
    BYTES_FAIL("\x81\x05", 1002);
    BYTES_FAIL("\x89\xfe", 1002);
}

static void test_ws__a_new_message_inside_a_fragmented_one_fails(void)
{
    struct wire wire = {0};

    put_frame(&wire, 0x01, "a");
    put_frame(&wire, 0x81, "b");
    expect_failure(&wire, 1002, 0);
    put_frame(&wire, 0x02, "a");
    put_frame(&wire, 0x80, "b");
    put_frame(&wire, 0x80, "c");
    expect_failure(&wire, 1002, 1);
    free(wire.data);
}

static void test_ws__nothing_is_taken_after_a_failure(void)
{
    struct wire wire = {0};
    struct heard heard = {0};
    struct ws ws;

    put_frame(&wire, 0x83, "");
    ws_init(&ws, pool, &limits);
    feed(&ws, &heard, wire.data, wire.len);
    CU_ASSERT_EQUAL(heard.last, WS_FAILED);
    CU_ASSERT(strlen(ws_error(&ws)) > 0 && strlen(ws_error(&ws)) <= 123);
    size_t taken = heard.taken;
    wire.len = 0;
    put_frame(&wire, 0x81, "good");
    feed(&ws, &heard, wire.data, wire.len);
    CU_ASSERT_EQUAL(heard.last, WS_FAILED);
    CU_ASSERT_EQUAL(heard.taken, taken);
    CU_ASSERT_EQUAL(heard.events, 0);
    CU_ASSERT_EQUAL(ws.code, 1002);
    ws_deinit(&ws);
    forget(&heard);
    free(wire.data);
}

static void put_close(struct wire *wire, unsigned code, const char *reason)
{
    char payload[125];
    size_t len = strlen(reason);

    payload[0] = (char)(code >> 8);
    payload[1] = (char)code;
    memcpy(payload + 2, reason, len);
    put_masked(wire, 0x88, payload, 2 + len, 0x12345678);
}

static void test_ws__close_codes_are_those_that_may_be_sent(void)
{
    static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                    1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
    static const unsigned bad[] = {0,    1,    999,  1004, 1005, 1006,  1015,
                                   1016, 1100, 2000, 2999, 5000, 65535, 0x8000};
    struct wire wire = {0};

    for (size_t i = 0; i < array_len(good); i++) {
        put_close(&wire, good[i], "so long");
        expect_good(&wire, 1);
    }
    for (size_t i = 0; i < array_len(bad); i++) {
        put_close(&wire, bad[i], "so long");
        expect_failure(&wire, 1002, 0);
    }
    free(wire.data);
}

static void test_ws__a_close_frame_tells_code_and_reason(void)
{
    struct wire wire = {0};
    struct ws ws;
    struct ws_event event;

    ws_init(&ws, pool, &limits);
    put_close(&wire, 4321, "gone \xe2\x82\xac");
    put_frame(&wire, 0x88, "");
    struct slice in = slice_make(wire.data, wire.len);
    CU_ASSERT_EQUAL(ws_next(&ws, &in, &event), WS_EVENT);
    CU_ASSERT_EQUAL(event.opcode, WS_CLOSE);
    CU_ASSERT_EQUAL(event.code, 4321);
    CU_ASSERT(slice_is(event.payload, "gone \xe2\x82\xac"));
    CU_ASSERT_EQUAL(ws_next(&ws, &in, &event), WS_EVENT);
    CU_ASSERT_EQUAL(event.code, WS_CODE_NONE);
    CU_ASSERT_EQUAL(event.payload.len, 0);
    ws_deinit(&ws);
    free(wire.data);
}

static void test_ws__bad_close_payloads_fail(void)
{
    struct wire wire = {0};

    put_frame(&wire, 0x88, "x");
    expect_failure(&wire, 1002, 0);
    put_frame(&wire, 0x89, "\x03\xe8"); /* a good code left lying where the next byte would be */
    put_frame(&wire, 0x88, "\x03");
    expect_failure(&wire, 1002, 1);
    put_close(&wire, 1000, "\xce\xba\xed\xa0\x80");
    expect_failure(&wire, 1007, 0);
    put_close(&wire, 1000, "cut \xe2\x82");
    expect_failure(&wire, 1007, 0);
    free(wire.data);
}

static void test_ws__bad_utf8_fails_with_1007(void)
{
    static const char *const bad[] = {"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xff", "ok \xce",  "\xe2\x82",     "\xf5\x80\x80\x80"};
    struct wire wire = {0};

    for (size_t i = 0; i < array_len(bad); i++) {
        put_frame(&wire, 0x81, bad[i]);
        expect_failure(&wire, 1007, 0);
        put_frame(&wire, 0x01, "fine");
        put_frame(&wire, 0x80, bad[i]);
        expect_failure(&wire, 1007, 0);
        put_frame(&wire, 0x82, bad[i]); /* binary may hold anything */
        expect_good(&wire, 1);
    }
    put_frame(&wire, 0x01, "\xe2\x82");
    put_frame(&wire, 0x80, "\xac");
    expect_good(&wire, 1);
    put_frame(&wire, 0x01, "\xe2\x82"); /* a cut character does not leak into the next message */
    put_frame(&wire, 0x80, "\xac");
    put_frame(&wire, 0x81, "\xac");
    expect_failure(&wire, 1007, 1);
    free(wire.data);
}

static void test_ws__bad_utf8_is_seen_before_the_rest_has_come(void)
{
    struct wire wire = {0};
    struct heard heard = {0};
    struct ws ws;
    char *text = malloc(100001);

    memset(text, 'a', 100000);
    text[100000] = 0;
    text[500] = (char)0xff;
    put_frame(&wire, 0x81, text);
    ws_init(&ws, pool, &limits);
    feed(&ws, &heard, wire.data, 14 + 500);
    CU_ASSERT_EQUAL(heard.last, WS_MORE);
    feed(&ws, &heard, wire.data + 514, 1);
    CU_ASSERT_EQUAL(heard.last, WS_FAILED);
    CU_ASSERT_EQUAL(heard.code, 1007);
    ws_deinit(&ws);
    forget(&heard);
    wire.len = 0;
    put_frame(&wire, 0x01, "\xf4"); /* a fragment that only just begins what cannot be */
    put_frame(&wire, 0x00, "\x90");
    expect_failure(&wire, 1007, 0);
    free(text);
    free(wire.data);
}

static void test_ws__a_message_may_be_as_long_as_the_limit_and_no_longer(void)
{
    struct wire wire = {0};
    uint8_t *payload = calloc(1, MESSAGE_MAX + 1);

    put_masked(&wire, 0x82, payload, MESSAGE_MAX, 5);
    expect_good(&wire, 1);
    put_masked(&wire, 0x02, payload, MESSAGE_MAX - 3, 5);
    put_masked(&wire, 0x00, payload, 3, 5);
    put_masked(&wire, 0x80, payload, 0, 5);
    expect_good(&wire, 1);
    put_masked(&wire, 0x82, payload, MESSAGE_MAX + 1, 5);
    wire.len = 14; /* the header is enough */
    expect_failure(&wire, 1009, 0);
    put_masked(&wire, 0x02, payload, MESSAGE_MAX - 3, 5);
    put_masked(&wire, 0x80, payload, 4, 5);
    wire.len -= 4;
    expect_failure(&wire, 1009, 0);
    free(payload);
    free(wire.data);
    BYTES_FAIL("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask", 1009);
}

static void test_ws__a_message_may_have_so_many_fragments_and_no_more(void)
{
    struct wire wire = {0};

    for (unsigned twice = 0; twice < 2; twice++)
        for (unsigned i = 0; i < FRAGMENTS_MAX; i++)
            put_frame(&wire, (i == 0 ? 1 : 0) | (i == FRAGMENTS_MAX - 1 ? 0x80 : 0), "x");
    expect_good(&wire, 2);
    for (unsigned i = 0; i <= FRAGMENTS_MAX; i++)
        put_frame(&wire, i == 0 ? 1 : 0, "");
    expect_failure(&wire, 1009, 0);
    free(wire.data);
}

/* Two parsers take turns; of the second's allocations the n-th fails, for each n. */
static void test_ws__running_out_of_memory_hurts_one_parser_only(void)
{
#ifdef RINGROOM_DCHECK
    struct wire wire = {0};
    char text[3000];
    bool survived = false;

    memset(text, 'm', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    put_frame(&wire, 0x01, text);
    put_frame(&wire, 0x80, text);
    for (long n = 0; !survived && n < 100; n++) {
        struct ws_pool *own = ws_pool_new();
        struct ws healthy, starved;
        struct heard good = {0}, bad = {0};

        ws_init(&healthy, own, &limits);
        ws_init(&starved, own, &limits);
        feed(&healthy, &good, wire.data, 1000);
        mem_fail_after(n);
        feed(&starved, &bad, wire.data, 1000);
        feed(&starved, &bad, wire.data + 1000, wire.len - 1000);
        mem_fail_after(-1);
        feed(&healthy, &good, wire.data + 1000, wire.len - 1000);
        CU_ASSERT_EQUAL(good.events, 1);
        survived = bad.last == WS_MORE;
        CU_ASSERT_EQUAL(bad.events, survived);
        CU_ASSERT(survived || (bad.last == WS_NOMEM && bad.code == 1011));
        ws_deinit(&healthy);
        ws_deinit(&starved);
        ws_pool_free(own);
        forget(&good);
        forget(&bad);
    }
    CU_ASSERT(survived);
    mem_fail_after(0);
    CU_ASSERT_PTR_NULL(ws_pool_new());
    mem_fail_after(-1);
    free(wire.data);
#endif
}

static void test_ws__headers_have_the_shortest_form(void)
{
    uint8_t header[WS_HEADER_MAX];

    CU_ASSERT_EQUAL(ws_header(header, WS_TEXT, 0), 2);
    CU_ASSERT(memcmp(header, "\x81\x00", 2) == 0);
    CU_ASSERT_EQUAL(ws_header(header, WS_PING, 125), 2);
    CU_ASSERT(memcmp(header, "\x89\x7d", 2) == 0);
    CU_ASSERT_EQUAL(ws_header(header, WS_BINARY, 126), 4);
    CU_ASSERT(memcmp(header, "\x82\x7e\x00\x7e", 4) == 0);
    CU_ASSERT_EQUAL(ws_header(header, WS_TEXT, 65535), 4);
    CU_ASSERT(memcmp(header, "\x81\x7e\xff\xff", 4) == 0);
    CU_ASSERT_EQUAL(ws_header(header, WS_TEXT, 65536), 10);
    CU_ASSERT(memcmp(header, "\x81\x7f\0\0\0\0\0\x01\0\0", 10) == 0);
    CU_ASSERT_EQUAL(ws_header(header, WS_TEXT, 0x0102030405060708u), 10);
    CU_ASSERT(memcmp(header, "\x81\x7f\1\2\3\4\5\6\7\x08", 10) == 0);
}

static void test_ws__close_frames_are_cut_at_a_character(void)
{
    uint8_t frame[2 + WS_CONTROL_MAX];
    char reason[200] = "";

    CU_ASSERT_EQUAL(ws_close_frame(frame, 0, "ignored"), 2);
    CU_ASSERT(memcmp(frame, "\x88\x00", 2) == 0);
    CU_ASSERT_EQUAL(ws_close_frame(frame, 1001, "bye"), 7);
    CU_ASSERT(memcmp(frame,
                     "\x88\x05\x03\xe9"
                     "bye",
                     7) == 0);
    CU_ASSERT_EQUAL(ws_close_frame(frame, 1000, NULL), 4);
    memset(reason, 'r', 123);
    CU_ASSERT_EQUAL(ws_close_frame(frame, 1000, reason), 127);
    memcpy(reason + 122, "\xc3\xb6 and more", 11); /* 122 bytes, then a character of two */
    CU_ASSERT_EQUAL(ws_close_frame(frame, 1000, reason), 126);
    CU_ASSERT_EQUAL(frame[1], 124);
}

/* --- the handshake --- */

#define UPGRADE_LINES                                                                              \
    "Host: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"                         \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static unsigned upgrade(const char *text, char *ret_accept)
{
    static const struct http_limits http_limits = {
        .target_bytes_max = 1000, .head_bytes_max = 8000, .body_bytes_max = 1000};
    struct http *http = http_new(&http_limits);
    size_t used;
    const char *why = NULL;
    unsigned status = 0;

    CU_ASSERT_EQUAL(http_feed(http, slice_of(text), &used), HTTP_REQUEST);
    if (http_under_way(http)) {
        status = ws_upgrade_status(http_request(http), &why);
        CU_ASSERT(why && (*why != 0) == (status != 101));
    }
    if (status == 101 && ret_accept)
        ws_accept(http_request(http), ret_accept);
    http_free(http);
    return status;
}

static void test_ws__the_sample_handshake_is_accepted(void)
{
    char accept[WS_ACCEPT_BYTES];

    CU_ASSERT_EQUAL(upgrade("GET /chat HTTP/1.1\r\n" UPGRADE_LINES "\r\n", accept), 101);
    CU_ASSERT(memcmp(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WS_ACCEPT_BYTES) == 0);
}

static void test_ws__other_handshakes_are_refused(void)
{
#define GET     "GET / HTTP/1.1\r\nHost: x\r\n"
#define UP      "Upgrade: websocket\r\nConnection: upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    CU_ASSERT_EQUAL(upgrade(GET UP VERSION KEY "\r\n", NULL), 101);
    CU_ASSERT_EQUAL(upgrade("POST / HTTP/1.1\r\n" UPGRADE_LINES "\r\n", NULL), 405);
    CU_ASSERT_EQUAL(upgrade("GET / HTTP/1.0\r\n" UPGRADE_LINES "\r\n", NULL), 400);
    CU_ASSERT_EQUAL(upgrade(GET "\r\n", NULL), 426);
    CU_ASSERT_EQUAL(upgrade(GET "Upgrade: h2c\r\nConnection: upgrade\r\n\r\n", NULL), 426);
    CU_ASSERT_EQUAL(upgrade(GET "Upgrade: websocket\r\n" VERSION KEY "\r\n", NULL), 400);
    CU_ASSERT_EQUAL(upgrade(GET UP KEY "\r\n", NULL), 426);
    CU_ASSERT_EQUAL(upgrade(GET UP KEY "Sec-WebSocket-Version: 8\r\n\r\n", NULL), 426);
    CU_ASSERT_EQUAL(upgrade(GET UP KEY VERSION VERSION "\r\n", NULL), 400);
    CU_ASSERT_EQUAL(upgrade(GET UP VERSION "\r\n", NULL), 400);
    CU_ASSERT_EQUAL(upgrade(GET UP VERSION KEY KEY "\r\n", NULL), 400);
    CU_ASSERT_EQUAL(
        upgrade(GET UP VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n\r\n", NULL), 400);
    CU_ASSERT_EQUAL(
        upgrade(GET UP VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQQQ\r\n\r\n", NULL), 400);
    CU_ASSERT_EQUAL(
        upgrade(GET UP VERSION "Sec-WebSocket-Key: dGhlIHNhbX!sZSBub25jZQ==\r\n\r\n", NULL), 400);
    CU_ASSERT_EQUAL(upgrade(GET UP VERSION KEY "Content-Length: 1\r\n\r\nx", NULL), 400);
}

int main(void)
{
    static const struct unit_test tests[] = {
        UNIT_TEST(test_ws__messages_come_out_as_they_were_sent),
        UNIT_TEST(test_ws__an_event_takes_no_byte_of_the_next_frame),
        UNIT_TEST(test_ws__control_frames_may_stand_between_fragments),
        UNIT_TEST(test_ws__empty_messages_and_fragments_are_messages),
        UNIT_TEST(test_ws__any_split_yields_the_same_messages),
        UNIT_TEST(test_ws__two_parsers_share_a_pool_without_mixing),
        UNIT_TEST(test_ws__an_event_outlives_other_parsers_calls),
        UNIT_TEST(test_ws__an_idle_parser_holds_nothing),
        UNIT_TEST(test_ws__a_declared_length_allocates_nothing),
        UNIT_TEST(test_ws__malformed_headers_fail_with_1002),
        UNIT_TEST(test_ws__the_first_bad_byte_is_enough),
        UNIT_TEST(test_ws__a_new_message_inside_a_fragmented_one_fails),
        UNIT_TEST(test_ws__nothing_is_taken_after_a_failure),
        UNIT_TEST(test_ws__close_codes_are_those_that_may_be_sent),
        UNIT_TEST(test_ws__a_close_frame_tells_code_and_reason),
        UNIT_TEST(test_ws__bad_close_payloads_fail),
        UNIT_TEST(test_ws__bad_utf8_fails_with_1007),
        UNIT_TEST(test_ws__bad_utf8_is_seen_before_the_rest_has_come),
        UNIT_TEST(test_ws__a_message_may_be_as_long_as_the_limit_and_no_longer),
        UNIT_TEST(test_ws__a_message_may_have_so_many_fragments_and_no_more),
        UNIT_TEST(test_ws__running_out_of_memory_hurts_one_parser_only),
        UNIT_TEST(test_ws__headers_have_the_shortest_form),
        UNIT_TEST(test_ws__close_frames_are_cut_at_a_character),
        UNIT_TEST(test_ws__the_sample_handshake_is_accepted),
        UNIT_TEST(test_ws__other_handshakes_are_refused),
    };

    pool = ws_pool_new(); /* one for all tests: freeing it checks that every reader came home */
    int result = unit_run("ws", tests, array_len(tests));
    ws_pool_free(pool);
    return result;
}
