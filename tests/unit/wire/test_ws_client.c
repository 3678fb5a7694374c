/* The client's side of WebSocket: against answers and frames written by hand, and against our own
 * server's side. */
#include "ringroom/wire/ws_client.h"
#include "unit.h"

enum { MESSAGE_MAX = 100000 };

/* A client that has asked, and the answer that its key deserves. */
struct end {
    struct ws_client *ws;
    struct buf request;
    char answer[256];
};

static void ask(struct end *end)
{
    char accept[WS_ACCEPT_BYTES];

    end->ws = ws_client_new(MESSAGE_MAX);
    buf_init(&end->request, 65536);
    CU_ASSERT_FATAL(end->ws != NULL);
    CU_ASSERT_FATAL(ws_client_request(end->ws, "example.org:8443", "/ws", "t.o.k", &end->request) ==
                    0);
    buf_append(&end->request, "", 1);
    const char *key = strstr((const char *)end->request.data, "Sec-WebSocket-Key: ");
    CU_ASSERT_FATAL(key != NULL);
    ws_accept_key(slice_make(key + 19, WS_KEY_BYTES), accept);
    snprintf(end->answer, sizeof(end->answer),
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "sec-websocket-accept: %.*s\r\n\r\n",
             WS_ACCEPT_BYTES, accept);
}

static void end_free(struct end *end)
{
    ws_client_free(end->ws);
    buf_deinit(&end->request);
}

/* Feeds all; the last result. Text events are joined in `heard`, each with a bar. */
static enum ws_result feed(struct ws_client *ws, struct slice in, struct buf *heard)
{
    struct ws_event event;
    enum ws_result result;

    while ((result = ws_client_next(ws, &in, &event)) == WS_EVENT) {
        if (heard && event.opcode == WS_TEXT)
            buf_append(heard, event.payload.data, event.payload.len);
        if (heard)
            buf_printf(heard, event.opcode == WS_CLOSE ? "(%u)" : "|", event.code);
    }
    return result;
}

static void test_ws_client__asks_as_a_client_must(void)
{
    struct end end;

    ask(&end);
    const char *text = (const char *)end.request.data;
    CU_ASSERT(strncmp(text, "GET /ws HTTP/1.1\r\nHost: example.org:8443\r\n", 42) == 0);
    CU_ASSERT(strstr(text, "\r\nAuthorization: Bearer t.o.k\r\n\r\n") != NULL);
    CU_ASSERT(strstr(text, "\r\nSec-WebSocket-Version: 13\r\n") != NULL);
    end_free(&end);
}

static void test_ws_client__nothing_breaks_out_of_its_line(void)
{
    struct ws_client *ws = ws_client_new(MESSAGE_MAX);
    struct buf out;

    buf_init(&out, 65536);
    CU_ASSERT(ws_client_request(ws, "a\r\nX: y", "/ws", NULL, &out) < 0);
    CU_ASSERT(ws_client_request(ws, "a", "/w s", NULL, &out) < 0);
    CU_ASSERT(ws_client_request(ws, "a", "/ws", "t\n", &out) < 0);
    CU_ASSERT_EQUAL(out.len, 0);
    buf_deinit(&out);
    ws_client_free(ws);
}

static void test_ws_client__a_wrong_key_is_refused(void)
{
    struct end end;

    ask(&end);
    char *accept = strstr(end.answer, "accept: ") + 8;
    *accept = *accept == 'A' ? 'B' : 'A';
    CU_ASSERT_EQUAL(feed(end.ws, slice_of(end.answer), NULL), WS_FAILED);
    CU_ASSERT(!ws_client_opened(end.ws));
    CU_ASSERT(strstr(ws_client_error(end.ws), "wrong answer") != NULL);
    end_free(&end);
}

static void test_ws_client__a_refusal_is_handed_out_however_it_is_cut(void)
{
    static const char answer[] = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\nhello";

    for (size_t cut = 0; cut < sizeof(answer) - 1; cut++) {
        struct end end;
        ask(&end);
        CU_ASSERT_EQUAL(feed(end.ws, slice_make(answer, cut), NULL), WS_MORE);
        CU_ASSERT_EQUAL(feed(end.ws, slice_of(answer + cut), NULL), WS_FAILED);
        CU_ASSERT_EQUAL(ws_client_status(end.ws), 401);
        CU_ASSERT(slice_is(ws_client_refusal(end.ws), "hello"));
        end_free(&end);
    }
}

static void test_ws_client__what_is_no_http_fails(void)
{
    static const char *const answers[] = {"\x15\x03\x03\x00\x02\x02\x46", "SSH-2.0-OpenSSH\r\n",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct end end;
        ask(&end);
        CU_ASSERT_EQUAL(feed(end.ws, slice_of(answers[i]), NULL), WS_FAILED);
        end_free(&end);
    }
}

static void test_ws_client__an_endless_answer_is_ended(void)
{
    struct end end;
    enum ws_result result = WS_MORE;

    ask(&end);
    feed(end.ws, slice_of("HTTP/1.1 200 OK\r\n\r\n"), NULL);
    for (int i = 0; i < 1000 && result == WS_MORE; i++)
        result = feed(end.ws, slice_of("and so on and so on and so on and so on "), NULL);
    CU_ASSERT_EQUAL(result, WS_FAILED);
    end_free(&end);
}

/* What a server may send, with its meaning as feed() writes it. */
static void server_says(struct buf *out, const char *answer)
{
    uint8_t header[WS_HEADER_MAX];
    static const char fragments[] = "\x01\x03one\x89\x02hi\x00\x03two\x80\x05three";
    static char long_text[70000];

    buf_append_str(out, answer);
    buf_append(out, fragments, sizeof(fragments) - 1);
    memset(long_text, 'x', sizeof(long_text));
    buf_append(out, header, ws_header(header, WS_TEXT, sizeof(long_text)));
    buf_append(out, long_text, sizeof(long_text));
    buf_append(out, "\x81\x00\x88\x02\x0f\xa1", 6);
}

static void test_ws_client__any_split_yields_the_same_messages(void)
{
    static const size_t steps[] = {1, 2, 3, 7, 500, 4096, 100000};

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct buf bytes, heard;
        struct end end;

        ask(&end);
        buf_init(&bytes, 1 << 20);
        buf_init(&heard, 1 << 20);
        server_says(&bytes, end.answer);
        for (size_t at = 0; at < bytes.len; at += steps[i]) {
            size_t n = bytes.len - at < steps[i] ? bytes.len - at : steps[i];
            CU_ASSERT_EQUAL(feed(end.ws, slice_make(bytes.data + at, n), &heard), WS_MORE);
        }
        CU_ASSERT_EQUAL(heard.len, 1 + 11 + 1 + 70000 + 1 + 1 + 6);
        CU_ASSERT(memcmp(heard.data, "|onetwothree|xxx", 16) == 0);
        CU_ASSERT(memcmp(heard.data + heard.len - 8, "||(4001)", 8) == 0);
        buf_deinit(&bytes);
        buf_deinit(&heard);
        end_free(&end);
    }
}

static void test_ws_client__frames_against_the_rules_fail(void)
{
    static const struct {
        const char *bytes;
        size_t len;
    } frames[] = {
        {"\x81\x81\x00\x00\x00\x00x", 7},           /* masked */
        {"\xc1\x01x", 3},                           /* a reserved bit */
        {"\x83\x01x", 3},                           /* an unknown opcode */
        {"\x80\x01x", 3},                           /* a continuation of nothing */
        {"\x01\x01x\x81\x01y", 6},                  /* a message within a message */
        {"\x09\x01x", 3},                           /* a control frame in pieces */
        {"\x81\x02\xc3\x28", 4},                    /* no UTF-8 */
        {"\x81\x7f\x00\x00\x00\x00\x7f\xff\xff\xff" /* two gigabytes */
         "x",
         11},
    };

    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        struct end end;
        ask(&end);
        CU_ASSERT_EQUAL(feed(end.ws, slice_of(end.answer), NULL), WS_MORE);
        CU_ASSERT_EQUAL(feed(end.ws, slice_make(frames[i].bytes, frames[i].len), NULL), WS_FAILED);
        CU_ASSERT(ws_client_error(end.ws)[0] != '\0');
        end_free(&end);
    }
}

static void test_ws_client__our_server_reads_its_frames(void)
{
    static const size_t sizes[] = {0, 1, 125, 126, 5000, 65535, 65536, 90000};
    struct ws_limits limits = {.message_bytes_max = MESSAGE_MAX, .fragments_max = 10};
    struct ws_client *client = ws_client_new(MESSAGE_MAX);
    struct ws_pool *pool = ws_pool_new();
    struct ws server;
    struct buf out;
    char text[90000];

    memset(text, 'y', sizeof(text));
    ws_init(&server, pool, &limits);
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct ws_event event;
        out.len = 0;
        CU_ASSERT_EQUAL(ws_client_frame(client, WS_TEXT, slice_make(text, sizes[i]), &out), 0);
        struct slice in = buf_slice(&out);
        CU_ASSERT_EQUAL_FATAL(ws_next(&server, &in, &event), WS_EVENT);
        CU_ASSERT(slice_equal(event.payload, slice_make(text, sizes[i])));
        CU_ASSERT_EQUAL(ws_next(&server, &in, &event), WS_MORE);
    }
    buf_deinit(&out);
    ws_deinit(&server);
    ws_pool_free(pool);
    ws_client_free(client);
}

static void test_ws_client__a_frame_that_does_not_fit_leaves_nothing(void)
{
    struct ws_client *client = ws_client_new(MESSAGE_MAX);
    struct buf out;

    buf_init(&out, 100);
    CU_ASSERT(ws_client_frame(client, WS_TEXT, slice_of("short"), &out) == 0);
    size_t len = out.len;
    char text[200] = {0};
    CU_ASSERT(ws_client_frame(client, WS_TEXT, slice_make(text, sizeof(text)), &out) < 0);
    CU_ASSERT_EQUAL(out.len, len);
    buf_deinit(&out);
    ws_client_free(client);
}

UNIT_MAIN("wire/ws_client", UNIT_TEST(test_ws_client__asks_as_a_client_must),
          UNIT_TEST(test_ws_client__nothing_breaks_out_of_its_line),
          UNIT_TEST(test_ws_client__a_wrong_key_is_refused),
          UNIT_TEST(test_ws_client__a_refusal_is_handed_out_however_it_is_cut),
          UNIT_TEST(test_ws_client__what_is_no_http_fails),
          UNIT_TEST(test_ws_client__an_endless_answer_is_ended),
          UNIT_TEST(test_ws_client__any_split_yields_the_same_messages),
          UNIT_TEST(test_ws_client__frames_against_the_rules_fail),
          UNIT_TEST(test_ws_client__our_server_reads_its_frames),
          UNIT_TEST(test_ws_client__a_frame_that_does_not_fit_leaves_nothing))
