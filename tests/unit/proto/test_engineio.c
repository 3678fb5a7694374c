/* Engine.IO: payloads taken apart and put together, requests as the HTTP reader yields them,
 * answers as the reference server (npm engine.io 6.6) was seen to give them. */
#include "ringroom/proto/engineio.h"

#include "ringroom/base/encode.h"
#include "ringroom/base/mem.h"
#include "unit.h"
#include <errno.h>

static uint64_t random_state;

static uint64_t below(uint64_t n)
{
    return unit_random(&random_state) % n;
}

/* Packets */

static void test_engineio__a_packet_is_a_digit_and_its_data(void)
{
    static const char *const none[] = {"", "7", "9", "/", "b", "bAQID", "x4", " 4", "\x1e", "\x80"};
    struct engineio_packet packet;

    for (char type = '0'; type <= '6'; type++) {
        char text[] = {type, 'x', '\x1e', 'y'};
        CU_ASSERT(engineio_parse(slice_make(text, 4), &packet));
        CU_ASSERT(packet.type == (enum engineio_type)type && !packet.binary);
        CU_ASSERT(slice_is(packet.data, "x\x1ey"));
        CU_ASSERT(engineio_parse(slice_make(text, 1), &packet) && packet.data.len == 0);
    }
    for (size_t i = 0; i < array_len(none); i++)
        CU_ASSERT(!engineio_parse(slice_of(none[i]), &packet));
    CU_ASSERT(!engineio_parse(slice_make(NULL, 0), &packet));
}

/* Reading payloads */

static struct buf trace;

/* What a payload holds, as one line: "4:hi b:<bytes> BAD". */
static const char *read_bytes(const void *bytes, size_t len)
{
    uint8_t *copy = malloc(len + 1); /* of its own, so that a sanitizer sees a read beyond it */
    struct engineio_packet packet;
    enum engineio_result result;
    struct buf decoded;

    memcpy(copy + 1, bytes, len);
    struct slice payload = slice_make(copy + 1, len);
    buf_init(&decoded, len);
    buf_deinit(&trace);
    buf_init(&trace, 1 << 20);
    while ((result = engineio_next(&payload, &decoded, &packet)) == ENGINEIO_PACKET) {
        CU_ASSERT(!packet.binary || packet.type == ENGINEIO_MESSAGE);
        buf_printf(&trace, "%c:", packet.binary ? 'b' : (char)packet.type);
        buf_append(&trace, packet.data.data, packet.data.len);
        buf_append_str(&trace, " ");
    }
    buf_append_str(&trace, result == ENGINEIO_END ? "END" : result == ENGINEIO_BAD ? "BAD" : "MEM");
    buf_append(&trace, "", 1);
    buf_deinit(&decoded);
    free(copy);
    return (const char *)trace.data;
}

static bool reads_as(const char *payload, const char *expected)
{
    return strcmp(read_bytes(payload, strlen(payload)), expected) == 0;
}

static void test_engineio__a_payload_is_packets_between_separators(void)
{
    CU_ASSERT(reads_as("4hi", "4:hi END"));
    CU_ASSERT(reads_as("4", "4: END"));
    CU_ASSERT(reads_as("4a\x1e"
                       "4b\x1e"
                       "3\x1e"
                       "2probe\x1e"
                       "1",
                       "4:a 4:b 3: 2:probe 1: END"));
    CU_ASSERT(reads_as("0{}\x1e"
                       "5\x1e"
                       "6",
                       "0:{} 5: 6: END"));
    CU_ASSERT(reads_as("4\xe2\x82\xac\x1e"
                       "4\xf0\x9f\x98\x80",
                       "4:\xe2\x82\xac 4:\xf0\x9f\x98\x80 END"));
}

static void test_engineio__an_empty_packet_is_bad_wherever_it_stands(void)
{
    struct slice none = slice_make(NULL, 0);
    struct engineio_packet packet;
    struct buf decoded;

    CU_ASSERT(reads_as("", "BAD"));
    CU_ASSERT(reads_as("\x1e", "BAD"));
    CU_ASSERT(reads_as("\x1e"
                       "4a",
                       "BAD"));
    CU_ASSERT(reads_as("4a\x1e", "4:a BAD"));
    CU_ASSERT(reads_as("4a\x1e\x1e"
                       "4b",
                       "4:a BAD"));
    CU_ASSERT(reads_as("bAQ==\x1e", "b:\x01 BAD"));
    buf_init(&decoded, 0);
    CU_ASSERT_EQUAL(engineio_next(&none, &decoded, &packet), ENGINEIO_BAD);
}

static void test_engineio__unknown_types_are_bad_and_what_stood_before_counts(void)
{
    CU_ASSERT(reads_as("7", "BAD") && reads_as("9x", "BAD") && reads_as("abc", "BAD"));
    CU_ASSERT(reads_as("B", "BAD") && reads_as(" 4", "BAD") && reads_as("\n4", "BAD"));
    CU_ASSERT(reads_as("4ok\x1e"
                       "9\x1e"
                       "4never",
                       "4:ok BAD"));
    CU_ASSERT(strcmp(read_bytes("\0", 1), "BAD") == 0);
}

static void test_engineio__binary_packets_are_base64(void)
{
    CU_ASSERT(reads_as("b", "b: END"));
    CU_ASSERT(reads_as("bZm9v", "b:foo END"));
    CU_ASSERT(reads_as("bZm8=", "b:fo END") && reads_as("bZm8", "b:fo END"));
    CU_ASSERT(reads_as("bZg==\x1e"
                       "4x\x1e"
                       "bZm9vYg\x1e"
                       "b",
                       "b:f 4:x b:foob b: END"));
    CU_ASSERT(reads_as("4x\x1e"
                       "bZm9v!\x1e"
                       "4y",
                       "4:x BAD"));
    CU_ASSERT(reads_as("bZ", "BAD") && reads_as("b====", "BAD") && reads_as("b-_-_", "BAD"));
    CU_ASSERT(reads_as("bZm 9v", "BAD") && reads_as("bZg=", "BAD"));
}

static void test_engineio__text_that_is_not_utf8_is_bad(void)
{
    static const char *const bad[] = {"4\xff",         "4\xc3", "4\xc0\x80",
                                      "4\xed\xa0\x80", "4\x80", "\xff"};

    for (size_t i = 0; i < array_len(bad); i++)
        CU_ASSERT(reads_as(bad[i], "BAD"));
    /* A separator ends a packet, and so a character that is cut there. */
    CU_ASSERT(reads_as("4\xe2\x82\x1e\xac", "BAD"));
    CU_ASSERT(reads_as("4\xe2\x82\x1e"
                       "4\xac",
                       "BAD"));
    CU_ASSERT(strcmp(read_bytes("4a\0", 3), "4:a") == 0); /* and then a zero byte, which is text */
}

static void test_engineio__a_text_message_of_base64_reads_as_a_payload(void)
{
    struct engineio_packet packet;

    CU_ASSERT(!engineio_parse(slice_of("bAQIDBA=="), &packet));
    CU_ASSERT(reads_as("bAQIDBA==", "b:\x01\x02\x03\x04 END"));
}

/* Writing payloads, and reading back what was written */

struct sent {
    bool binary;
    uint8_t bytes[40]; /* a text packet whole */
    size_t len;
};

static void random_packet(struct sent *sent)
{
    sent->binary = below(2);
    sent->len = below(sizeof(sent->bytes)) + !sent->binary;
    for (size_t i = 0; i < sent->len; i++)
        sent->bytes[i] = (uint8_t)(sent->binary ? below(256) : 0x20 + below(0x5f));
    if (!sent->binary)
        sent->bytes[0] = (uint8_t)('0' + below(7));
}

static bool received(const struct engineio_packet *packet, const struct sent *sent)
{
    struct slice whole = slice_make(sent->bytes, sent->len);

    if (sent->binary)
        return packet->binary && slice_equal(packet->data, whole);
    return !packet->binary && packet->type == (enum engineio_type)sent->bytes[0] &&
           slice_equal(packet->data, slice_from(whole, 1));
}

static void round_trip(void)
{
    struct sent sent[20];
    struct engineio_packet packet;
    struct buf payload, decoded;
    size_t count = 1 + below(array_len(sent));

    buf_init(&payload, 10000);
    buf_init(&decoded, 10000);
    for (size_t i = 0; i < count; i++) {
        random_packet(&sent[i]);
        struct slice whole = slice_make(sent[i].bytes, sent[i].len);
        CU_ASSERT_EQUAL(sent[i].binary ? engineio_put_binary(&payload, whole)
                                       : engineio_put(&payload, whole),
                        0);
    }
    struct slice rest = buf_slice(&payload);
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL_FATAL(engineio_next(&rest, &decoded, &packet), ENGINEIO_PACKET);
        CU_ASSERT(received(&packet, &sent[i]));
    }
    CU_ASSERT_EQUAL(engineio_next(&rest, &decoded, &packet), ENGINEIO_END);
    CU_ASSERT_EQUAL(engineio_next(&rest, &decoded, &packet), ENGINEIO_END);
    buf_deinit(&payload);
    buf_deinit(&decoded);
}

static void test_engineio__what_is_put_into_a_payload_is_read_back(void)
{
    random_state = unit_seed() | 1;
    for (unsigned round = 0; round < unit_rounds(2000); round++)
        round_trip();
}

static void test_engineio__packets_are_put_with_separators_between(void)
{
    struct buf payload;

    buf_init(&payload, 100);
    CU_ASSERT_EQUAL(engineio_put(&payload, slice_of("4hello")), 0);
    CU_ASSERT(slice_is(buf_slice(&payload), "4hello"));
    CU_ASSERT_EQUAL(engineio_put_binary(&payload, slice_of("\x01\x02\x03\x04")), 0);
    CU_ASSERT_EQUAL(engineio_put(&payload, slice_of("2")), 0);
    CU_ASSERT_EQUAL(engineio_put_binary(&payload, slice_make(NULL, 0)), 0);
    CU_ASSERT(slice_is(buf_slice(&payload), "4hello\x1e"
                                            "bAQIDBA==\x1e"
                                            "2\x1e"
                                            "b"));
    buf_deinit(&payload);
}

static void test_engineio__a_full_payload_stays_as_it_was(void)
{
    struct buf payload;

    buf_init(&payload, 11);
    CU_ASSERT_EQUAL(engineio_put_binary(&payload, slice_of("123456789")), -ENOBUFS);
    CU_ASSERT_EQUAL(payload.len, 0);
    CU_ASSERT_EQUAL(engineio_put(&payload, slice_of("4four")), 0);
    CU_ASSERT_EQUAL(engineio_put(&payload, slice_of("4four!")), -ENOBUFS);
    CU_ASSERT_EQUAL(engineio_put_binary(&payload, slice_of("1234")), -ENOBUFS);
    CU_ASSERT(slice_is(buf_slice(&payload), "4four"));
    CU_ASSERT_EQUAL(engineio_put_binary(&payload, slice_of("123")), 0);
    CU_ASSERT(slice_is(buf_slice(&payload), "4four\x1e"
                                            "bMTIz"));
    buf_deinit(&payload);
}

/* A parser that looked at the whole rest for each packet would take minutes here. */
static void test_engineio__a_huge_payload_is_read_in_one_pass(void)
{
    enum { PACKETS = 1000000, BIG = 8 << 20 };
    struct engineio_packet packet;
    struct buf payload, decoded;
    size_t count = 0;

    buf_init(&payload, 64 << 20);
    buf_init(&decoded, 64 << 20);
    for (size_t i = 0; i < PACKETS; i++)
        engineio_put(&payload, slice_of(i % 2 ? "4" : "bAA"));
    uint8_t *big = calloc(1, BIG);
    CU_ASSERT_EQUAL(engineio_put_binary(&payload, slice_make(big, BIG)), 0);
    struct slice rest = buf_slice(&payload);
    while (engineio_next(&rest, &decoded, &packet) == ENGINEIO_PACKET)
        count++;
    CU_ASSERT_EQUAL(count, PACKETS + 1);
    CU_ASSERT(packet.binary && packet.data.len == BIG && memcmp(packet.data.data, big, BIG) == 0);
    free(big);
    buf_deinit(&payload);
    buf_deinit(&decoded);
}

/* The open packet */

static const struct engineio_open opening = {.sid = {(const uint8_t *)"lv_VI97HAXpY6yYWAAAC", 20},
                                             .upgrades = true,
                                             .ping_interval_ms = 25000,
                                             .ping_timeout_ms = 20000,
                                             .max_payload = 1000000};

static void test_engineio__the_open_packet_has_its_fields(void)
{
    struct engineio_open direct = opening;
    struct buf out;

    buf_init(&out, 1000);
    CU_ASSERT_EQUAL(engineio_open(&out, &opening), 0);
    CU_ASSERT(slice_is(buf_slice(&out),
                       "0{\"sid\":\"lv_VI97HAXpY6yYWAAAC\",\"upgrades\":[\"websocket\"],"
                       "\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}"));
    buf_release(&out);
    direct.upgrades = false;
    direct.max_payload = UINT32_MAX;
    CU_ASSERT_EQUAL(engineio_open(&out, &direct), 0);
    CU_ASSERT(slice_is(buf_slice(&out),
                       "0{\"sid\":\"lv_VI97HAXpY6yYWAAAC\",\"upgrades\":[],"
                       "\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":4294967295}"));
    buf_deinit(&out);
}

/* Requests */

static struct http *http;

static const struct http_request *request_of(const char *method, const char *query,
                                             const char *headers)
{
    static const struct http_limits limits = {
        .target_bytes_max = 4096, .head_bytes_max = 16384, .body_bytes_max = 65536};
    char text[3000];
    size_t used;

    http_free(http);
    http = http_new(&limits);
    CU_ASSERT_PTR_NOT_NULL_FATAL(http);
    snprintf(text, sizeof(text), "%s /socket.io/?%s HTTP/1.1\r\nHost: h\r\n%s\r\n", method, query,
             headers);
    CU_ASSERT_EQUAL_FATAL(http_feed(http, slice_of(text), &used), HTTP_REQUEST);
    return http_request(http);
}

#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"

static struct engineio_request asked;

static int check(const char *method, const char *query, const char *headers)
{
    return engineio_check(request_of(method, query, headers), &asked);
}

static bool asked_sid(const char *sid)
{
    return asked.has_sid && slice_is(slice_make(asked.sid, asked.sid_len), sid);
}

static void test_engineio__good_requests_are_told_apart(void)
{
    CU_ASSERT_EQUAL(check("GET", "EIO=4&transport=polling", ""), ENGINEIO_FINE);
    CU_ASSERT(!asked.websocket && !asked.has_sid);
    CU_ASSERT_EQUAL(check("GET", "t=x1&transport=polling&EIO=4&sid=&b64=1", ""), ENGINEIO_FINE);
    CU_ASSERT(!asked.websocket && !asked.has_sid);
    CU_ASSERT_EQUAL(check("GET", "EIO=4&transport=polling&sid=a-_9", ""), ENGINEIO_FINE);
    CU_ASSERT(!asked.websocket && asked_sid("a-_9"));
    CU_ASSERT_EQUAL(check("POST", "EIO=4&transport=polling&sid=a%2D", ""), ENGINEIO_FINE);
    CU_ASSERT(!asked.websocket && asked_sid("a-"));
    CU_ASSERT_EQUAL(check("GET", "EIO=4&transport=websocket", UPGRADE), ENGINEIO_FINE);
    CU_ASSERT(asked.websocket && !asked.has_sid);
    CU_ASSERT_EQUAL(check("GET", "EIO=4&transport=websocket&sid=abc", UPGRADE), ENGINEIO_FINE);
    CU_ASSERT(asked.websocket && asked_sid("abc"));
    CU_ASSERT_EQUAL(
        check("GET", "EIO=4&transport=polling", "Connection: Upgrade\r\nUpgrade: h2c\r\n"),
        ENGINEIO_FINE);
}

static void test_engineio__the_transport_is_checked_first(void)
{
    static const char *const unknown[] = {
        "",
        "EIO=4",
        "EIO=3&transport=",
        "EIO=4&transport",
        "EIO=4&transport=foo",
        "EIO=4&transport=Polling",
        "EIO=4&transport=polling%20",
        "EIO=4&transport=pollin%",
        "EIO=4&transport=webtransport",
        "EIO=4&transport=websocketwebsocketwebsocket",
        "EIO=4&transport=foo&sid=nope",
    };

    for (size_t i = 0; i < array_len(unknown); i++) {
        CU_ASSERT_EQUAL(check("GET", unknown[i], ""), ENGINEIO_TRANSPORT_UNKNOWN);
        CU_ASSERT_EQUAL(check("GET", unknown[i], UPGRADE), ENGINEIO_TRANSPORT_UNKNOWN);
        CU_ASSERT_EQUAL(check("PUT", unknown[i], ""), ENGINEIO_TRANSPORT_UNKNOWN);
    }
}

static void test_engineio__a_handshake_is_checked_in_order(void)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"};
    static const char *const versions[] = {"",        "EIO=&",     "EIO=3&",  "EIO=5&",
                                           "EIO=04&", "EIO=4%00&", "EIO=%3&", "eio=4&"};
    char query[100];

    for (size_t i = 0; i < array_len(methods); i++) {
        CU_ASSERT_EQUAL(check(methods[i], "EIO=4&transport=polling", ""), ENGINEIO_BAD_METHOD);
        CU_ASSERT_EQUAL(check(methods[i], "EIO=3&transport=polling", ""), ENGINEIO_BAD_METHOD);
        CU_ASSERT_EQUAL(check(methods[i], "EIO=4&transport=websocket", ""), ENGINEIO_BAD_METHOD);
        CU_ASSERT_EQUAL(check(methods[i], "EIO=4&transport=websocket", UPGRADE),
                        ENGINEIO_BAD_METHOD);
    }
    CU_ASSERT_EQUAL(check("GET", "EIO=4&transport=websocket", ""), ENGINEIO_BAD_REQUEST);
    CU_ASSERT_EQUAL(check("GET", "EIO=3&transport=websocket", ""), ENGINEIO_BAD_REQUEST);
    for (size_t i = 0; i < array_len(versions); i++) {
        snprintf(query, sizeof(query), "%stransport=polling", versions[i]);
        CU_ASSERT_EQUAL(check("GET", query, ""), ENGINEIO_BAD_VERSION);
        snprintf(query, sizeof(query), "%stransport=websocket", versions[i]);
        CU_ASSERT_EQUAL(check("GET", query, UPGRADE), ENGINEIO_BAD_VERSION);
    }
    CU_ASSERT_EQUAL(check("GET", "transport=polling&EIO=4", ""), ENGINEIO_FINE);
}

static void test_engineio__a_sid_that_none_can_be_is_unknown(void)
{
    char query[200];

    snprintf(query, sizeof(query), "EIO=4&transport=polling&sid=%064d", 0);
    CU_ASSERT_EQUAL(check("GET", query, ""), ENGINEIO_FINE);
    CU_ASSERT(asked.has_sid && asked.sid_len == ENGINEIO_SID_MAX);
    snprintf(query, sizeof(query), "EIO=4&transport=polling&sid=%065d", 0);
    CU_ASSERT_EQUAL(check("GET", query, ""), ENGINEIO_SID_UNKNOWN);
    CU_ASSERT(asked.has_sid && asked.sid_len == 0);
    CU_ASSERT_EQUAL(check("GET", "EIO=3&transport=polling&sid=%zz", ""), ENGINEIO_SID_UNKNOWN);
    CU_ASSERT_EQUAL(check("PUT", "EIO=4&transport=polling&sid=a%", ""), ENGINEIO_SID_UNKNOWN);
    CU_ASSERT_EQUAL(check("GET", "EIO=4&transport=websocket&sid=%", ""), ENGINEIO_SID_UNKNOWN);
}

/* And the sid is there, since an unknown one comes first. */
static void test_engineio__what_a_session_cannot_be_asked_is_a_bad_request(void)
{
    static const char *const methods[] = {"PUT", "DELETE", "OPTIONS", "HEAD"};

    for (size_t i = 0; i < array_len(methods); i++) {
        CU_ASSERT_EQUAL(check(methods[i], "EIO=4&transport=polling&sid=s", ""),
                        ENGINEIO_BAD_REQUEST);
        CU_ASSERT(asked_sid("s"));
    }
    CU_ASSERT_EQUAL(check("GET", "EIO=3&transport=polling&sid=s", ""), ENGINEIO_BAD_REQUEST);
    CU_ASSERT(asked_sid("s"));
    CU_ASSERT_EQUAL(check("POST", "transport=polling&sid=s", ""), ENGINEIO_BAD_REQUEST);
    CU_ASSERT(asked_sid("s"));
    CU_ASSERT_EQUAL(check("GET", "EIO=4&transport=websocket&sid=s", ""), ENGINEIO_BAD_REQUEST);
    CU_ASSERT(asked_sid("s") && asked.websocket);
    CU_ASSERT_EQUAL(check("GET", "transport=websocket&sid=s", UPGRADE), ENGINEIO_BAD_REQUEST);
    CU_ASSERT_EQUAL(check("POST", "EIO=4&transport=websocket&sid=s", UPGRADE),
                    ENGINEIO_BAD_REQUEST);
}

/* Answers */

static struct buf out;
static struct engineio_answer answer;

static void prepare(const char *origin)
{
    buf_deinit(&out);
    buf_init(&out, 1 << 20);
    answer = (struct engineio_answer){
        .out = &out, .origin = slice_of(origin), .keep_alive = true, .wall_ms = 1700000000000};
}

#define COMMON "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\nServer: ringroom\r\n"
#define CORS                                                                                       \
    "Access-Control-Allow-Origin: https://ok.example\r\nAccess-Control-Allow-Credentials: "        \
    "true\r\n"

static bool answered(const char *expected)
{
    return slice_is(buf_slice(&out), expected);
}

static bool answer_has(const char *text)
{
    return memmem(out.data, out.len, text, strlen(text)) != NULL;
}

static void test_engineio__a_payload_is_answered_as_text_not_to_be_cached(void)
{
    prepare("");
    CU_ASSERT_EQUAL(engineio_answer_payload(&answer, slice_of("4\xe2\x82\xac\x1e"
                                                              "bAQ==")),
                    0);
    CU_ASSERT(answered("HTTP/1.1 200 OK\r\n" COMMON "Content-Type: text/plain; charset=UTF-8\r\n"
                       "Cache-Control: no-store\r\nContent-Length: 10\r\n"
                       "Connection: keep-alive\r\n\r\n4\xe2\x82\xac\x1e"
                       "bAQ=="));
}

static void test_engineio__a_post_is_answered_with_ok(void)
{
    prepare("");
    answer.keep_alive = false;
    CU_ASSERT_EQUAL(engineio_answer_ok(&answer), 0);
    CU_ASSERT(answered("HTTP/1.1 200 OK\r\n" COMMON "Content-Type: text/html\r\n"
                       "Cache-Control: no-store\r\nContent-Length: 2\r\n"
                       "Connection: close\r\n\r\nok"));
}

static void test_engineio__faults_have_the_references_status_code_and_message(void)
{
    static const struct {
        enum engineio_fault fault;
        const char *status, *json;
    } all[] = {
        {ENGINEIO_TRANSPORT_UNKNOWN, "HTTP/1.1 400 Bad Request\r\n",
         "\r\n\r\n{\"code\":0,\"message\":\"Transport unknown\"}"},
        {ENGINEIO_SID_UNKNOWN, "HTTP/1.1 400 Bad Request\r\n",
         "\r\n\r\n{\"code\":1,\"message\":\"Session ID unknown\"}"},
        {ENGINEIO_BAD_METHOD, "HTTP/1.1 400 Bad Request\r\n",
         "\r\n\r\n{\"code\":2,\"message\":\"Bad handshake method\"}"},
        {ENGINEIO_BAD_REQUEST, "HTTP/1.1 400 Bad Request\r\n",
         "\r\n\r\n{\"code\":3,\"message\":\"Bad request\"}"},
        {ENGINEIO_FORBIDDEN, "HTTP/1.1 403 Forbidden\r\n",
         "\r\n\r\n{\"code\":4,\"message\":\"Forbidden\"}"},
        {ENGINEIO_BAD_VERSION, "HTTP/1.1 400 Bad Request\r\n",
         "\r\n\r\n{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
    };

    for (size_t i = 0; i < array_len(all); i++) {
        prepare("https://ok.example");
        CU_ASSERT_EQUAL(engineio_answer_fault(&answer, all[i].fault), 0);
        CU_ASSERT(memcmp(out.data, all[i].status, strlen(all[i].status)) == 0);
        CU_ASSERT(answer_has(all[i].json) && answer_has("\r\n" CORS "Vary: Origin\r\n"));
        CU_ASSERT(answer_has("\r\nContent-Type: application/json\r\n"));
    }
}

static void test_engineio__other_statuses_have_a_message_of_their_own(void)
{
    prepare("");
    CU_ASSERT_EQUAL(engineio_answer_status(&answer, 413, "the payload is too large"), 0);
    CU_ASSERT(answered("HTTP/1.1 413 Payload Too Large\r\n" COMMON
                       "Content-Type: application/json\r\n"
                       "Cache-Control: no-store\r\nContent-Length: 47\r\n"
                       "Connection: keep-alive\r\n\r\n"
                       "{\"code\":3,\"message\":\"the payload is too large\"}"));
}

static void test_engineio__a_head_request_gets_no_body(void)
{
    prepare("");
    answer.head_only = true;
    CU_ASSERT_EQUAL(engineio_answer_fault(&answer, ENGINEIO_BAD_METHOD), 0);
    CU_ASSERT(answer_has("Content-Length: 43\r\n"));
    CU_ASSERT(memcmp(out.data + out.len - 4, "\r\n\r\n", 4) == 0);
}

static void test_engineio__an_allowed_origin_is_named_with_credentials(void)
{
    prepare("https://ok.example");
    CU_ASSERT_EQUAL(engineio_answer_ok(&answer), 0);
    CU_ASSERT(answer_has("\r\n" CORS "Vary: Origin\r\n"));
    prepare("https://ok.example");
    CU_ASSERT_EQUAL(engineio_answer_payload(&answer, slice_of("6")), 0);
    CU_ASSERT(answer_has("\r\n" CORS "Vary: Origin\r\n"));
    prepare("");
    CU_ASSERT_EQUAL(engineio_answer_ok(&answer), 0);
    CU_ASSERT(!answer_has("Access-Control") && !answer_has("Vary"));
}

static void test_engineio__an_origin_that_would_break_out_of_its_line_is_not_named(void)
{
    char longest[513 + 1];

    for (int c = 0; c < 256; c++) {
        char origin[] = {'a', (char)c, 'b'};
        prepare("");
        answer.origin = slice_make(origin, 3);
        CU_ASSERT_EQUAL(engineio_answer_ok(&answer), 0);
        CU_ASSERT_EQUAL(answer_has("Access-Control"), c >= ' ' && c <= '~');
    }
    memset(longest, 'a', sizeof(longest));
    prepare("");
    answer.origin = slice_make(longest, 512);
    CU_ASSERT(engineio_answer_ok(&answer) == 0 && answer_has("aaa\r\n"));
    prepare("");
    answer.origin = slice_make(longest, 513);
    CU_ASSERT(engineio_answer_ok(&answer) == 0 && !answer_has("aaa"));
}

static void preflight(const char *origin, const char *headers)
{
    prepare(origin);
    CU_ASSERT_EQUAL(engineio_answer_preflight(
                        &answer, request_of("OPTIONS", "EIO=4&transport=polling&sid=s", headers)),
                    0);
}

static void test_engineio__a_preflight_allows_what_was_asked_for(void)
{
    preflight("https://ok.example", "Access-Control-Request-Method: POST\r\n"
                                    "Access-Control-Request-Headers: content-type, x-y\r\n");
    CU_ASSERT(answered("HTTP/1.1 204 No Content\r\n" COMMON CORS
                       "Vary: Origin, Access-Control-Request-Headers\r\n"
                       "Access-Control-Allow-Methods: GET, POST\r\n"
                       "Access-Control-Allow-Headers: content-type, x-y\r\n"
                       "Access-Control-Max-Age: 600\r\nConnection: keep-alive\r\n\r\n"));
    preflight("https://ok.example", "Access-Control-Request-Method: POST\r\n");
    CU_ASSERT(answer_has("Allow-Methods") && !answer_has("Allow-Headers"));
    preflight("", "Access-Control-Request-Headers: content-type\r\n");
    CU_ASSERT(answered("HTTP/1.1 204 No Content\r\n" COMMON "Connection: keep-alive\r\n\r\n"));
}

static void test_engineio__a_preflight_echoes_short_lists_of_tokens_only(void)
{
    static const char *const odd[] = {"a:b", "a;b", "\"a\"", "a b\xe9", "(a)", "a/b", "<x>"};
    char headers[800];

    for (size_t i = 0; i < array_len(odd); i++) {
        snprintf(headers, sizeof(headers), "Access-Control-Request-Headers: %s\r\n", odd[i]);
        preflight("https://ok.example", headers);
        CU_ASSERT(answer_has("Allow-Methods") && !answer_has("Allow-Headers"));
    }
    snprintf(headers, sizeof(headers), "Access-Control-Request-Headers: %0512d\r\n", 1);
    preflight("https://ok.example", headers);
    CU_ASSERT(answer_has("Allow-Headers: 000"));
    snprintf(headers, sizeof(headers), "Access-Control-Request-Headers: %0513d\r\n", 1);
    preflight("https://ok.example", headers);
    CU_ASSERT(!answer_has("Allow-Headers"));
}

/* Running out */

/* Writes one thing of each kind; `which` says what. */
static int write_one(unsigned which, struct buf *dst)
{
    struct engineio_answer to = {.out = dst, .origin = slice_of("https://ok.example")};

    switch (which) {
    case 0:
        return engineio_put(dst, slice_of("4hello"));
    case 1:
        return engineio_put_binary(dst, slice_of("hello"));
    case 2:
        return engineio_open(dst, &opening);
    case 3:
        return engineio_answer_payload(&to, slice_of("4hello"));
    case 4:
        return engineio_answer_ok(&to);
    case 5:
        return engineio_answer_fault(&to, ENGINEIO_BAD_REQUEST);
    case 6:
        return engineio_answer_status(&to, 503, "busy");
    default:
        return engineio_answer_preflight(&to, http_request(http));
    }
}
enum { KINDS = 8 };

static void test_engineio__a_writer_that_fails_leaves_no_trace(void)
{
    request_of("OPTIONS", "", "Access-Control-Request-Headers: content-type\r\n");
    for (unsigned which = 0; which < KINDS; which++) {
        int error = -ENOBUFS;
        for (size_t max = 6; error; max++) {
            CU_ASSERT_FATAL(max < 2000);
            buf_deinit(&out);
            buf_init(&out, max);
            buf_append_str(&out, "before");
            error = write_one(which, &out);
            CU_ASSERT(error == 0 || error == -ENOBUFS);
            CU_ASSERT(error == 0 || slice_is(buf_slice(&out), "before"));
        }
        CU_ASSERT_EQUAL(out.len, out.max); /* not a byte more was needed than is there */
    }
}

static void test_engineio__memory_that_runs_out_hurts_one_call_only(void)
{
    for (unsigned which = 0; which < KINDS; which++) {
        int error = -ENOMEM;
        for (long n = 0; error; n++) {
            CU_ASSERT_FATAL(n < 20);
            buf_deinit(&out);
            buf_init(&out, 10000);
            mem_fail_after(n);
            error = write_one(which, &out);
            mem_fail_after(-1);
            CU_ASSERT(error == 0 || (error == -ENOMEM && out.len == 0));
        }
    }
    buf_deinit(&out);
    http_free(http);
    http = NULL;
}

static void test_engineio__decoding_tells_when_memory_has_run_out(void)
{
    struct slice payload = slice_of("4a\x1e"
                                    "bAQID");
    struct engineio_packet packet;
    struct buf decoded;

    buf_init(&decoded, 100);
    CU_ASSERT_EQUAL(engineio_next(&payload, &decoded, &packet), ENGINEIO_PACKET);
#ifdef RINGROOM_DCHECK /* else mem_fail_after() does nothing */
    mem_fail_after(0);
    CU_ASSERT_EQUAL(engineio_next(&payload, &decoded, &packet), ENGINEIO_NOMEM);
    mem_fail_after(-1);
#endif
    buf_deinit(&decoded);
    buf_init(&decoded, 2);
    payload = slice_of("bAQID");
    CU_ASSERT_EQUAL(engineio_next(&payload, &decoded, &packet), ENGINEIO_NOMEM);
    payload = slice_of("bAQI");
    CU_ASSERT_EQUAL(engineio_next(&payload, &decoded, &packet), ENGINEIO_PACKET);
    buf_deinit(&decoded);
    buf_deinit(&trace);
}

UNIT_MAIN("proto/engineio", UNIT_TEST(test_engineio__a_packet_is_a_digit_and_its_data),
          UNIT_TEST(test_engineio__a_payload_is_packets_between_separators),
          UNIT_TEST(test_engineio__an_empty_packet_is_bad_wherever_it_stands),
          UNIT_TEST(test_engineio__unknown_types_are_bad_and_what_stood_before_counts),
          UNIT_TEST(test_engineio__binary_packets_are_base64),
          UNIT_TEST(test_engineio__text_that_is_not_utf8_is_bad),
          UNIT_TEST(test_engineio__a_text_message_of_base64_reads_as_a_payload),
          UNIT_TEST(test_engineio__what_is_put_into_a_payload_is_read_back),
          UNIT_TEST(test_engineio__packets_are_put_with_separators_between),
          UNIT_TEST(test_engineio__a_full_payload_stays_as_it_was),
          UNIT_TEST(test_engineio__a_huge_payload_is_read_in_one_pass),
          UNIT_TEST(test_engineio__the_open_packet_has_its_fields),
          UNIT_TEST(test_engineio__good_requests_are_told_apart),
          UNIT_TEST(test_engineio__the_transport_is_checked_first),
          UNIT_TEST(test_engineio__a_handshake_is_checked_in_order),
          UNIT_TEST(test_engineio__a_sid_that_none_can_be_is_unknown),
          UNIT_TEST(test_engineio__what_a_session_cannot_be_asked_is_a_bad_request),
          UNIT_TEST(test_engineio__a_payload_is_answered_as_text_not_to_be_cached),
          UNIT_TEST(test_engineio__a_post_is_answered_with_ok),
          UNIT_TEST(test_engineio__faults_have_the_references_status_code_and_message),
          UNIT_TEST(test_engineio__other_statuses_have_a_message_of_their_own),
          UNIT_TEST(test_engineio__a_head_request_gets_no_body),
          UNIT_TEST(test_engineio__an_allowed_origin_is_named_with_credentials),
          UNIT_TEST(test_engineio__an_origin_that_would_break_out_of_its_line_is_not_named),
          UNIT_TEST(test_engineio__a_preflight_allows_what_was_asked_for),
          UNIT_TEST(test_engineio__a_preflight_echoes_short_lists_of_tokens_only),
          UNIT_TEST(test_engineio__a_writer_that_fails_leaves_no_trace),
          UNIT_TEST(test_engineio__memory_that_runs_out_hurts_one_call_only),
          UNIT_TEST(test_engineio__decoding_tells_when_memory_has_run_out))
