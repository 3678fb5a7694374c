#include "ringroom/wire/http.h"

#include "ringroom/base/mem.h"

#include "unit.h"

#include <errno.h>

enum { TARGET_MAX = 100, HEAD_MAX = 4096, BODY_MAX = 1000 };

static const struct http_limits limits = {
    .target_bytes_max = TARGET_MAX, .head_bytes_max = HEAD_MAX, .body_bytes_max = BODY_MAX};

/* --- what a parser read from a stream of requests, as one comparable text --- */

struct heard {
    char text[32768];
    size_t len;
    enum http_result last;
    unsigned status;
    size_t taken; /* bytes */
    unsigned requests;
};

static void say(struct heard *heard, struct slice s)
{
    CU_ASSERT(heard->len + s.len + 1 < sizeof(heard->text));
    if (s.len > 0)
        memcpy(heard->text + heard->len, s.data, s.len);
    heard->len += s.len;
    heard->text[heard->len++] = '\n';
}

static void hear(struct heard *heard, const struct http_request *request)
{
    char line[64];

    snprintf(line, sizeof(line), "%d 1.%u %d %d", (int)request->method, request->version_minor,
             request->keep_alive, request->upgrade);
    say(heard, slice_of(line));
    say(heard, request->target);
    say(heard, request->path);
    say(heard, request->query);
    for (size_t i = 0; i < request->headers_count; i++) {
        say(heard, request->headers[i].name);
        say(heard, request->headers[i].value);
    }
    say(heard, request->body);
    heard->requests++;
}

/* Lends each piece as an allocation of its own size; stops after an upgrade or a failure. */
static void feed(struct http *http, struct heard *heard, const char *data, size_t len)
{
    char *copy = malloc(len ? len : 1);
    size_t at = 0;

    memcpy(copy, data, len);
    while (at < len && heard->last != HTTP_FAILED) {
        size_t used = SIZE_MAX;

        heard->last = http_feed(http, slice_make(copy + at, len - at), &used);
        CU_ASSERT(used <= len - at);
        at += used;
        heard->taken += used;
        if (heard->last == HTTP_MORE) {
            CU_ASSERT_EQUAL(at, len);
        } else if (heard->last == HTTP_REQUEST) {
            CU_ASSERT(http_under_way(http));
            hear(heard, http_request(http));
            if (http_request(http)->upgrade)
                break;
            http_next(http);
            CU_ASSERT(!http_under_way(http));
        }
    }
    heard->status = http_error_status(http);
    free(copy);
}

static void hear_pieces(struct heard *heard, const char *data, size_t len, size_t piece)
{
    struct http *http = http_new(&limits);

    *heard = (struct heard){0};
    for (size_t at = 0; at < len; at += piece)
        feed(http, heard, data + at, piece < len - at ? piece : len - at);
    http_free(http);
}

static bool same(const struct heard *a, const struct heard *b)
{
    return a->last == b->last && a->status == b->status && a->requests == b->requests &&
           a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static void expect_any_cut(const char *data, size_t len, const struct heard *whole)
{
    static struct heard heard;

    for (size_t cut = 1; cut < len; cut++) {
        struct http *http = http_new(&limits);

        heard = (struct heard){0};
        feed(http, &heard, data, cut);
        if (!(http_under_way(http) && heard.last == HTTP_REQUEST))
            feed(http, &heard, data + cut, len - cut);
        CU_ASSERT(same(&heard, whole));
        http_free(http);
    }
}

/* This stream holds so many requests, however it is cut. */
static void expect_requests(const char *data, size_t len, unsigned requests)
{
    static struct heard whole, bytes;

    hear_pieces(&whole, data, len, len);
    CU_ASSERT_EQUAL(whole.requests, requests);
    CU_ASSERT_EQUAL(whole.status, 0);
    CU_ASSERT_EQUAL(whole.taken, len);
    expect_any_cut(data, len, &whole);
    hear_pieces(&bytes, data, len, 1);
    CU_ASSERT(same(&bytes, &whole));
}

static void expect_status(const char *data, size_t len, unsigned status)
{
    static struct heard whole, bytes;

    hear_pieces(&whole, data, len, len);
    CU_ASSERT_EQUAL(whole.last, HTTP_FAILED);
    CU_ASSERT_EQUAL(whole.status, status);
    if (whole.status != status)
        printf("\n%u instead of %u: %s\n", whole.status, status, data);
    expect_any_cut(data, len, &whole);
    hear_pieces(&bytes, data, len, 1);
    CU_ASSERT(same(&bytes, &whole));
}

#define GOOD(requests, text) expect_requests(text, sizeof(text) - 1, requests)
#define BAD(status, text)    expect_status(text, sizeof(text) - 1, status)
#define GET                  "GET / HTTP/1.1\r\nHost: x\r\n"
#define POST                 "POST / HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED              POST "Transfer-Encoding: chunked\r\n\r\n"

/* --- reading --- */

static void test_http__a_request_is_read_in_all_its_parts(void)
{
    static const char text[] = "POST /a/b%20c?x=1&y=%41+b HTTP/1.1\r\nHost: example.org:8443\r\n"
                               "X-Empty:\r\nx-Blank: \t two words \t\r\nContent-Length: 5\r\n\r\n"
                               "helloGET";
    struct http *http = http_new(&limits);
    size_t used;

    CU_ASSERT(!http_under_way(http));
    CU_ASSERT_EQUAL(http_feed(http, slice_of(text), &used), HTTP_REQUEST);
    CU_ASSERT_EQUAL(used, sizeof(text) - 1 - 3);
    const struct http_request *request = http_request(http);
    CU_ASSERT_EQUAL(request->method, HTTP_M_POST);
    CU_ASSERT(slice_is(request->target, "/a/b%20c?x=1&y=%41+b"));
    CU_ASSERT(slice_is(request->path, "/a/b%20c"));
    CU_ASSERT(slice_is(request->query, "x=1&y=%41+b"));
    CU_ASSERT(slice_is(request->body, "hello"));
    CU_ASSERT_EQUAL(request->version_minor, 1);
    CU_ASSERT(request->keep_alive && !request->upgrade);
    CU_ASSERT_EQUAL(request->headers_count, 4);
    CU_ASSERT(slice_is(http_header(request, "HOST"), "example.org:8443"));
    CU_ASSERT(slice_is(http_header(request, "X-Blank"), "two words"));
    CU_ASSERT(http_header(request, "x-empty").data && !http_header(request, "x-empty").len);
    CU_ASSERT_PTR_NULL(http_header(request, "X-None").data);
    http_free(http);
}

static void test_http__any_split_yields_the_same_requests(void)
{
    GOOD(1, GET "\r\n");
    GOOD(1, "GET / HTTP/1.0\n\n");
    GOOD(1, "GET / HTTP/1.0\r\n\r\n");
    GOOD(1, POST "Content-Length: 10\r\n\r\n0123456789");
    GOOD(1, CHUNKED "5\r\nhello\r\nb;name=\"v\"\r\n big world!\r\n0\r\nTrailer: dropped\r\n\r\n");
    GOOD(3, GET "\r\n" POST "Content-Length: 2\r\n\r\nab" GET "Connection: close\r\n\r\n");
    GOOD(3, CHUNKED "1\r\na\r\n0\r\n\r\n" CHUNKED "000\r\n\r\n\r\n" GET "A: b\r\nC:d\r\n\r\n");
    GOOD(1, "\r\n" GET "\r\n");
    GOOD(1, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    GOOD(1, "GET http://example.org:80/p?q HTTP/1.1\r\nHost: example.org:80\r\n\r\n");
    GOOD(1, "PATCH /x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
    GOOD(1, GET "X: \xc3\xbc\r\n\r\n");
}

static void test_http__random_splits_yield_the_same_requests(void)
{
    static const char text[] =
        GET "\r\n" CHUNKED "3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n" POST
            "Content-Length: 6\r\n\r\nabcdef"
            "HEAD /h?i=j HTTP/1.1\r\nHost: y\r\n\r\n";
    static struct heard whole, split;
    uint64_t random = unit_seed();

    hear_pieces(&whole, text, sizeof(text) - 1, sizeof(text));
    CU_ASSERT_EQUAL(whole.requests, 4);
    for (unsigned round = 0; round < unit_rounds(500); round++) {
        struct http *http = http_new(&limits);

        split = (struct heard){0};
        for (size_t at = 0; at < sizeof(text) - 1;) {
            size_t n = 1 + unit_random(&random) % 60;

            n = n < sizeof(text) - 1 - at ? n : sizeof(text) - 1 - at;
            feed(http, &split, text + at, n);
            at += n;
        }
        CU_ASSERT(same(&whole, &split));
        http_free(http);
    }
}

static void test_http__bytes_after_an_upgrade_are_left_alone(void)
{
    static const char text[] = GET "Upgrade: websocket\r\nConnection: x, UPGRADE\r\n\r\n";
    static struct heard heard;
    char more[sizeof(text) + 8];
    size_t used;
    struct http *http = http_new(&limits);

    snprintf(more, sizeof(more), "%s\x81\x05Hello", text);
    CU_ASSERT_EQUAL(http_feed(http, slice_of(more), &used), HTTP_REQUEST);
    CU_ASSERT_EQUAL(used, sizeof(text) - 1);
    CU_ASSERT(http_request(http)->upgrade);
    /* Until http_next() nothing further is taken. */
    CU_ASSERT_EQUAL(http_feed(http, slice_of("x"), &used), HTTP_REQUEST);
    CU_ASSERT_EQUAL(used, 0);
    http_free(http);
    hear_pieces(&heard, text, sizeof(text) - 1, 1);
    CU_ASSERT_EQUAL(heard.requests, 1);
    GOOD(1, GET "Upgrade: websocket\r\n\r\n");
    GOOD(1, GET "Connection: upgrade\r\n\r\n");
}

static bool keeps_alive(const char *text)
{
    struct http *http = http_new(&limits);
    size_t used;

    CU_ASSERT_EQUAL(http_feed(http, slice_of(text), &used), HTTP_REQUEST);
    bool keep_alive = http_request(http)->keep_alive;
    http_free(http);
    return keep_alive;
}

static void test_http__connections_stay_as_the_client_asks(void)
{
    CU_ASSERT(keeps_alive(GET "\r\n"));
    CU_ASSERT(!keeps_alive(GET "Connection: Close\r\n\r\n"));
    CU_ASSERT(!keeps_alive(GET "Connection: x\r\nConnection: keep-alive , close\r\n\r\n"));
    CU_ASSERT(keeps_alive(GET "Connection: closed\r\n\r\n"));
    CU_ASSERT(!keeps_alive("GET / HTTP/1.0\r\n\r\n"));
    CU_ASSERT(keeps_alive("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    CU_ASSERT(!keeps_alive("GET / HTTP/1.0\r\nConnection: Keep-Alive, close\r\n\r\n"));
}

static void test_http__targets_are_split_into_path_and_query(void)
{
    static const struct {
        const char *target, *path, *query;
    } rows[] = {{"/", "/", ""},           {"/?", "/", ""},
                {"/a?b?c", "/a", "b?c"},  {"http://h", "/", ""},
                {"HTTP://h?x", "/", "x"}, {"https://h:1/p/q?x=1", "/p/q", "x=1"}};

    for (size_t i = 0; i < array_len(rows); i++) {
        struct http *http = http_new(&limits);
        char text[200];
        size_t used;

        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", rows[i].target);
        CU_ASSERT_EQUAL(http_feed(http, slice_of(text), &used), HTTP_REQUEST);
        if (http_under_way(http)) {
            CU_ASSERT(slice_is(http_request(http)->target, rows[i].target));
            CU_ASSERT(slice_is(http_request(http)->path, rows[i].path));
            CU_ASSERT(slice_is(http_request(http)->query, rows[i].query));
        }
        http_free(http);
    }
}

/* --- refusing --- */

static void test_http__junk_is_refused(void)
{
    BAD(400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    BAD(400, "hello\r\n\r\n");
    BAD(400, "get / HTTP/1.1\r\n\r\n");
    BAD(400, "GET / HTTQ/1.1\r\nHost: x\r\n\r\n");
    BAD(400, "GET  / HTTP/1.1\r\nHost: x\r\n\r\n");
    BAD(400, "GET /  HTTP/1.1\r\nHost: x\r\n\r\n");
    BAD(400, "GET / HTTP/1.1 \r\nHost: x\r\n\r\n");
    BAD(400, "GET / HTTP/1.11\r\nHost: x\r\n\r\n");
    BAD(400, "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n");
    BAD(400, GET "no colon\r\n\r\n");
    BAD(400, GET ": no name\r\n\r\n");
    BAD(400, "\r\n\r\n\r\n\r\n");
}

static void test_http__bad_targets_are_refused(void)
{
    BAD(400, "GET x HTTP/1.1\r\nHost: x\r\n\r\n");
    BAD(400, "GET * HTTP/1.1\r\nHost: x\r\n\r\n");
    BAD(400, "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n");
    BAD(400, "GET /\xc3\xb6 HTTP/1.1\r\nHost: x\r\n\r\n");
    BAD(400, "GET http:///p HTTP/1.1\r\nHost: x\r\n\r\n");
    BAD(400, "GET ftp://h/p HTTP/1.1\r\nHost: x\r\n\r\n");
    BAD(501, "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n");
}

static void test_http__the_host_must_be_clear(void)
{
    BAD(400, "GET / HTTP/1.1\r\n\r\n");
    BAD(400, GET "Host: y\r\n\r\n");
    BAD(400, GET "host: x\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n");
    GOOD(1, "GET / HTTP/1.1\r\nHost:\r\n\r\n");
}

static void test_http__other_versions_are_refused(void)
{
    BAD(505, "GET / HTTP/2.0\r\nHost: x\r\n\r\n");
    BAD(505, "GET / HTTP/2\r\nHost: x\r\n\r\n");
    BAD(505, "GET / HTTP/0.9\r\n\r\n");
    BAD(505, "GET /\r\n\r\n");
    GOOD(1, "GET / HTTP/1.2\r\nHost: x\r\n\r\n");
}

static void test_http__smuggling_is_refused(void)
{
    BAD(400, POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n");
    BAD(400, POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n");
    BAD(400, POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n");
    BAD(400, POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n");
    BAD(400, POST "Content-Length: 3, 3\r\n\r\n");
    BAD(400, POST "Content-Length: +3\r\n\r\n");
    BAD(400, POST "Content-Length: 3 3\r\n\r\n");
    BAD(400, POST "Content-Length: 0x3\r\n\r\n");
    BAD(400, POST "Content-Length: -3\r\n\r\n");
    BAD(400, POST "Content-Length:\r\n\r\n");
    BAD(400, POST "Content-Length: 99999999999999999999999\r\n\r\n");
    BAD(400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n");
    BAD(400, POST "Transfer-Encoding : chunked\r\n\r\n");
    BAD(400, POST "Transfer-Encoding: \x0b"
                  "chunked\r\n\r\n");
    BAD(400, POST "X: y\r\n Transfer-Encoding: chunked\r\n\r\n"); /* a folded line */
    BAD(400, POST "X:\r\n \r\n\r\n");
    BAD(400, POST " X: y\r\n\r\n");
    BAD(400, POST "X: y\nTransfer-Encoding: chunked\r\n\r\n"); /* a line end unlike the others */
    BAD(400, "POST / HTTP/1.1\nHost: x\r\n\r\n");
    BAD(400, POST "X: y\r\n\n");
    BAD(400, POST "X: a\rb\r\n\r\n");
    BAD(400, POST "X: a\0b\r\n\r\n");
    BAD(400, POST "X: y\r\n\rZ");
    BAD(400, POST "Con tent-Length: 3\r\n\r\n");
    BAD(400, POST "Content-Length\x00: 3\r\n\r\n");
    BAD(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void test_http__unknown_transfer_codings_are_refused(void)
{
    BAD(501, POST "Transfer-Encoding: gzip\r\n\r\n");
    BAD(501, POST "Transfer-Encoding: gzip, chunked\r\n\r\n");
    BAD(501, POST "Transfer-Encoding: chunked, identity\r\n\r\n");
    BAD(501, POST "Transfer-Encoding: xchunked\r\n\r\n");
    BAD(501, POST "Transfer-Encoding: identity\r\n\r\n");
    GOOD(1, POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n");
}

static void test_http__malformed_chunks_are_refused(void)
{
    BAD(400, CHUNKED "x\r\n");
    BAD(400, CHUNKED "\r\n");
    BAD(400, CHUNKED "-1\r\n");
    BAD(400, CHUNKED "0x1\r\n");
    BAD(400, CHUNKED " 1\r\n");
    BAD(400, CHUNKED "3\nabc");
    BAD(400, CHUNKED "3\rXabc");
    BAD(400, CHUNKED "3;a\nb\r\nabc");
    BAD(400, CHUNKED "3\r\nabcX");
    BAD(400, CHUNKED "3\r\nabc\rX");
    BAD(400, CHUNKED "3\r\nabc\n");
    BAD(400, CHUNKED "0\r\n folded\r\n\r\n");
    BAD(400, CHUNKED "0\r\nA: b\nC: d\r\n\r\n");
    BAD(400, CHUNKED "0\r\n\n");
}

/* --- bounds --- */

static unsigned status_of(const char *text, size_t len)
{
    static struct heard heard;

    hear_pieces(&heard, text, len, len);
    return heard.status;
}

static void test_http__each_bound_has_its_status(void)
{
    char text[8192], filler[8192];

    memset(filler, 'f', sizeof(filler));
    int n = snprintf(text, sizeof(text), "GET /%.*s HTTP/1.1\r\nHost: x\r\n\r\n", TARGET_MAX - 1,
                     filler);
    CU_ASSERT_EQUAL(status_of(text, (size_t)n), 0);
    n = snprintf(text, sizeof(text), "GET /%.*s", TARGET_MAX, filler);
    expect_status(text, (size_t)n, 414);

    int fixed = (int)strlen(GET "A: \r\n\r\n");
    n = snprintf(text, sizeof(text), GET "A: %.*s\r\n\r\n", HEAD_MAX - fixed, filler);
    CU_ASSERT_EQUAL(status_of(text, (size_t)n), 0);
    n = snprintf(text, sizeof(text), GET "A: %.*s\r\n\r\n", HEAD_MAX - fixed + 1, filler);
    CU_ASSERT_EQUAL(status_of(text, (size_t)n), 431);
    n = snprintf(text, sizeof(text), GET "A: %.*s", HEAD_MAX, filler);
    CU_ASSERT_EQUAL(status_of(text, (size_t)n), 431);

    for (unsigned count = HTTP_HEADERS_MAX; count <= HTTP_HEADERS_MAX + 1; count++) {
        n = snprintf(text, sizeof(text), GET);
        for (unsigned i = 1; i < count; i++)
            n += snprintf(text + n, sizeof(text) - (size_t)n, "A%u: b\r\n", i);
        n += snprintf(text + n, sizeof(text) - (size_t)n, "\r\n");
        CU_ASSERT_EQUAL(status_of(text, (size_t)n), count > HTTP_HEADERS_MAX ? 431 : 0);
    }
}

static void test_http__bodies_are_bounded_as_soon_as_known(void)
{
    char text[8192], filler[BODY_MAX + 1];

    memset(filler, 'f', sizeof(filler));
    int n = snprintf(text, sizeof(text), POST "Content-Length: %d\r\n\r\n%.*s", BODY_MAX, BODY_MAX,
                     filler);
    expect_requests(text, (size_t)n, 1);
    n = snprintf(text, sizeof(text), CHUNKED "1\r\nx\r\n%x\r\n%.*s\r\n0\r\n\r\n", BODY_MAX - 1,
                 BODY_MAX - 1, filler);
    expect_requests(text, (size_t)n, 1);
    BAD(413, POST "Content-Length: 1001\r\n\r\n");
    BAD(413, CHUNKED "3e9");
    BAD(413, CHUNKED "1\r\nx\r\n3e8");
    BAD(413, CHUNKED "ffffffffffffffff1");
    n = snprintf(text, sizeof(text), CHUNKED "1;%.*s%.*s", BODY_MAX, filler, BODY_MAX, filler);
    CU_ASSERT_EQUAL(status_of(text, (size_t)n), 400); /* an endless size line */
    n = snprintf(text, sizeof(text), CHUNKED "0\r\n%.*s%.*s", BODY_MAX, filler, BODY_MAX, filler);
    CU_ASSERT_EQUAL(status_of(text, (size_t)n), 400); /* endless trailers */
}

static void test_http__nothing_is_taken_after_a_failure(void)
{
    struct http *http = http_new(&limits);
    size_t used;

    CU_ASSERT_EQUAL(http_feed(http, slice_of("junk\r\n\r\n"), &used), HTTP_FAILED);
    CU_ASSERT(strlen(http_error_text(http)) > 0);
    http_next(http);
    CU_ASSERT_EQUAL(http_feed(http, slice_of(GET "\r\n"), &used), HTTP_FAILED);
    CU_ASSERT_EQUAL(used, 0);
    CU_ASSERT_EQUAL(http_error_status(http), 400);
    http_free(http);
    http_free(NULL);
}

static void test_http__running_out_of_memory_fails_one_request(void)
{
#ifdef RINGROOM_DCHECK
    char text[4000], filler[900];
    bool survived = false;

    memset(filler, 'f', sizeof(filler));
    int n = snprintf(text, sizeof(text),
                     "POST / HTTP/1.1\r\nHost: x\r\nA: %.*s\r\n"
                     "Content-Length: 900\r\n\r\n%.*s",
                     900, filler, 900, filler);
    mem_fail_after(0);
    CU_ASSERT_PTR_NULL(http_new(&limits));
    for (long after = 0; !survived && after < 100; after++) {
        struct http *http = http_new(&limits);
        size_t used;

        mem_fail_after(after);
        enum http_result result = http_feed(http, slice_make(text, 700), &used);
        if (result == HTTP_MORE)
            result = http_feed(http, slice_make(text + 700, (size_t)n - 700), &used);
        mem_fail_after(-1);
        survived = result == HTTP_REQUEST;
        CU_ASSERT(survived || (result == HTTP_FAILED && http_error_status(http) == 503));
        http_free(http);
    }
    CU_ASSERT(survived);
#endif
}

static void test_http__a_client_that_waits_to_be_asked_is_seen_once(void)
{
    static const char head[] = POST "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n";
    struct http *http = http_new(&limits);
    size_t used;

    CU_ASSERT(!http_wants_continue(http));
    CU_ASSERT_EQUAL(http_feed(http, slice_of(head), &used), HTTP_MORE);
    CU_ASSERT(http_wants_continue(http));
    CU_ASSERT(!http_wants_continue(http));
    CU_ASSERT_EQUAL(http_feed(http, slice_of("ab"), &used), HTTP_REQUEST);
    CU_ASSERT(!http_wants_continue(http));
    http_next(http);
    CU_ASSERT_EQUAL(http_feed(http, slice_of(head), &used), HTTP_MORE);
    CU_ASSERT_EQUAL(http_feed(http, slice_of("a"), &used), HTTP_MORE);
    CU_ASSERT(!http_wants_continue(http));
    http_free(http);
}

/* --- looking up --- */

static void test_http__lists_are_searched_by_token(void)
{
    struct http_request request = {.headers_count = 3};

    request.headers[0] = (struct http_header){slice_of("A"), slice_of(" one,two ,,\tTHREE")};
    request.headers[1] = (struct http_header){slice_of("B"), slice_of("six")};
    request.headers[2] = (struct http_header){slice_of("a"), slice_of("four")};
    CU_ASSERT(http_header_lists(&request, "a", "ONE"));
    CU_ASSERT(http_header_lists(&request, "a", "two"));
    CU_ASSERT(http_header_lists(&request, "a", "three"));
    CU_ASSERT(http_header_lists(&request, "a", "four"));
    CU_ASSERT(!http_header_lists(&request, "a", "thr"));
    CU_ASSERT(!http_header_lists(&request, "a", "threee"));
    CU_ASSERT(!http_header_lists(&request, "a", "six"));
}

static void test_http__query_parameters_are_decoded(void)
{
    struct http_request request = {
        .query =
            slice_of("a=1&b=x+y%2Fz&&empty=&flag&a=2&bad=%4&worse=%zz&nul=%00&c=d=e&tail=%41")};
    char dst[8];

    CU_ASSERT_EQUAL(http_query(&request, "a", dst, sizeof(dst)), 1);
    CU_ASSERT_EQUAL(dst[0], '1');
    CU_ASSERT_EQUAL(http_query(&request, "b", dst, sizeof(dst)), 5);
    CU_ASSERT(memcmp(dst, "x y/z", 5) == 0);
    CU_ASSERT_EQUAL(http_query(&request, "b", dst, 5), 5);
    CU_ASSERT_EQUAL(http_query(&request, "b", dst, 4), -ENOBUFS);
    CU_ASSERT_EQUAL(http_query(&request, "empty", dst, 0), 0);
    CU_ASSERT_EQUAL(http_query(&request, "flag", dst, 0), 0);
    CU_ASSERT_EQUAL(http_query(&request, "none", dst, sizeof(dst)), -ENOENT);
    CU_ASSERT_EQUAL(http_query(&request, "bad", dst, sizeof(dst)), -EINVAL);
    CU_ASSERT_EQUAL(http_query(&request, "worse", dst, sizeof(dst)), -EINVAL);
    CU_ASSERT_EQUAL(http_query(&request, "nul", dst, sizeof(dst)), 1);
    CU_ASSERT_EQUAL(http_query(&request, "c", dst, sizeof(dst)), 3);
    CU_ASSERT_EQUAL(http_query(&request, "tail", dst, sizeof(dst)), 1);
    CU_ASSERT_EQUAL(dst[0], 'A');
}

/* --- answering --- */

#define DATE_LINE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define THEN_MS   784111777123u

static void test_http__answers_are_written_in_full(void)
{
    struct buf out;

    buf_init(&out, 1000);
    CU_ASSERT_EQUAL(http_answer_begin(&out, 200, THEN_MS), 0);
    CU_ASSERT_EQUAL(http_answer_header(&out, "Content-Type", "text/plain"), 0);
    CU_ASSERT_EQUAL(http_answer_end(&out, slice_of("hello"), true, false), 0);
    CU_ASSERT(slice_is(buf_slice(&out), "HTTP/1.1 200 OK\r\n" DATE_LINE "Server: ringroom\r\n"
                                        "Content-Type: text/plain\r\nContent-Length: 5\r\n"
                                        "Connection: keep-alive\r\n\r\nhello"));
    buf_deinit(&out);
}

static void answer(struct buf *out, unsigned status, bool head_only)
{
    /* What stands before must not confuse it. */
    CU_ASSERT_EQUAL(buf_append_str(out, "HTTP/1.1 204 x\r\nDate: y"), 0);
    buf_consume(out, out->len);
    CU_ASSERT_EQUAL(http_answer_begin(out, 200, THEN_MS), 0);
    CU_ASSERT_EQUAL(http_answer_end(out, slice_of("HTTP/1.1 204 "), true, false), 0);
    size_t before = out->len;
    CU_ASSERT_EQUAL(http_answer_begin(out, status, THEN_MS), 0);
    CU_ASSERT_EQUAL(http_answer_header(out, "X", "HTTP/1.1 204 Date: "), 0);
    CU_ASSERT_EQUAL(http_answer_end(out, slice_of("body"), false, head_only), 0);
    buf_consume(out, before);
    CU_ASSERT_EQUAL(buf_append(out, "", 1), 0); /* NUL for strstr */
}

static void test_http__bodiless_answers_have_no_body(void)
{
    struct buf out;

    buf_init(&out, 4000);
    answer(&out, 200, false);
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)out.data, "Content-Length: 4\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)out.data, "Connection: close\r\n\r\nbody"));
    out.len = 0;
    answer(&out, 200, true);
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)out.data, "Content-Length: 4\r\n"));
    CU_ASSERT_PTR_NULL(strstr((char *)out.data, "body"));
    static const unsigned bodiless[] = {204, 304};
    for (size_t i = 0; i < 2; i++) {
        out.len = 0;
        answer(&out, bodiless[i], false);
        CU_ASSERT_PTR_NULL(strstr((char *)out.data, "Content-Length"));
        CU_ASSERT_PTR_NULL(strstr((char *)out.data, "body"));
        CU_ASSERT_PTR_NOT_NULL(strstr((char *)out.data, "Connection: close\r\n\r\n"));
    }
    out.len = 0;
    answer(&out, 101, false);
    CU_ASSERT_PTR_NULL(strstr((char *)out.data, "Content-Length"));
    CU_ASSERT_PTR_NULL(strstr((char *)out.data, "Connection"));
    CU_ASSERT_PTR_NULL(strstr((char *)out.data, "body"));
    buf_deinit(&out);
}

static void test_http__a_header_cannot_break_out_of_its_line(void)
{
    struct buf out;

    buf_init(&out, 1000);
    CU_ASSERT_EQUAL(http_answer_header(&out, "X", "a\r\nSet-Cookie: b"), -EINVAL);
    CU_ASSERT_EQUAL(http_answer_header(&out, "X", "a\nb"), -EINVAL);
    CU_ASSERT_EQUAL(http_answer_header(&out, "X: y\r\nZ", "a"), -EINVAL);
    CU_ASSERT_EQUAL(out.len, 0);
    buf_deinit(&out);
}

static void test_http__errors_are_answered_in_json(void)
{
    struct buf out;

    buf_init(&out, 1000);
    CU_ASSERT_EQUAL(
        http_answer_error(&out, 405, "method", "GET only", "Allow: GET\r\n", false, false, THEN_MS),
        0);
    CU_ASSERT(slice_is(buf_slice(&out),
                       "HTTP/1.1 405 Method Not Allowed\r\n" DATE_LINE "Server: ringroom\r\n"
                       "Content-Type: application/json\r\nAllow: GET\r\nContent-Length: 49\r\n"
                       "Connection: close\r\n\r\n"
                       "{\"error\":{\"code\":\"method\",\"message\":\"GET only\"}}\n"));
    buf_deinit(&out);
}

static void test_http__a_full_buffer_is_left_as_it_was(void)
{
    for (size_t max = 4; max < 400; max++) {
        struct buf out;

        buf_init(&out, max);
        CU_ASSERT_EQUAL(buf_append(&out, "keep", 4), 0);
        int error = http_answer_error(&out, 404, "none", "nothing", NULL, true, false, THEN_MS);
        CU_ASSERT(error == 0 || (error == -ENOBUFS && out.len == 4));
        if (max == 399)
            CU_ASSERT_EQUAL(error, 0);
        buf_deinit(&out);
    }
}

static void test_http__statuses_have_their_words(void)
{
    CU_ASSERT_STRING_EQUAL(http_reason(101), "Switching Protocols");
    CU_ASSERT_STRING_EQUAL(http_reason(404), "Not Found");
    CU_ASSERT_STRING_EQUAL(http_reason(426), "Upgrade Required");
    CU_ASSERT_STRING_EQUAL(http_reason(799), "Unknown");
}

static size_t more_for_put(void *user, const struct http_request *request)
{
    ++*(unsigned *)user;
    CU_ASSERT(slice_is(request->path, "/x"));
    return request->method == HTTP_M_PUT ? 2 * (size_t)BODY_MAX : 0;
}

static enum http_result feed_body_of(const struct http_limits *bounds, const char *method,
                                     bool chunked, size_t bytes)
{
    struct http *http = http_new(bounds);
    char text[8192], filler[4 * BODY_MAX];
    size_t used;

    memset(filler, 'x', sizeof(filler));
    int n = chunked ? snprintf(text, sizeof(text),
                               "%s /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "%zx\r\n%.*s\r\n0\r\n\r\n",
                               method, bytes, (int)bytes, filler)
                    : snprintf(text, sizeof(text),
                               "%s /x HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%.*s",
                               method, bytes, (int)bytes, filler);
    enum http_result result = http_feed(http, slice_make(text, (size_t)n), &used);
    if (result == HTTP_FAILED)
        CU_ASSERT_EQUAL(http_error_status(http), 413);
    http_free(http);
    return result;
}

static void test_http__the_bound_of_a_body_can_be_raised_for_some_requests(void)
{
    struct http_limits bounds = limits;
    unsigned asked = 0;

    bounds.body_bytes_for = more_for_put;
    bounds.user = &asked;
    for (int chunked = 0; chunked < 2; chunked++) {
        CU_ASSERT_EQUAL(feed_body_of(&bounds, "PUT", chunked, 2 * BODY_MAX), HTTP_REQUEST);
        CU_ASSERT_EQUAL(feed_body_of(&bounds, "PUT", chunked, 2 * BODY_MAX + 1), HTTP_FAILED);
        CU_ASSERT_EQUAL(feed_body_of(&bounds, "POST", chunked, BODY_MAX), HTTP_REQUEST);
        CU_ASSERT_EQUAL(feed_body_of(&bounds, "POST", chunked, BODY_MAX + 1), HTTP_FAILED);
    }
    asked = 0;
    CU_ASSERT_EQUAL(feed_body_of(&bounds, "PUT", false, BODY_MAX), HTTP_REQUEST);
    CU_ASSERT_EQUAL(asked, 0);
}

UNIT_MAIN("http", UNIT_TEST(test_http__the_bound_of_a_body_can_be_raised_for_some_requests),
          UNIT_TEST(test_http__a_request_is_read_in_all_its_parts),
          UNIT_TEST(test_http__any_split_yields_the_same_requests),
          UNIT_TEST(test_http__random_splits_yield_the_same_requests),
          UNIT_TEST(test_http__bytes_after_an_upgrade_are_left_alone),
          UNIT_TEST(test_http__connections_stay_as_the_client_asks),
          UNIT_TEST(test_http__targets_are_split_into_path_and_query),
          UNIT_TEST(test_http__junk_is_refused), UNIT_TEST(test_http__bad_targets_are_refused),
          UNIT_TEST(test_http__the_host_must_be_clear),
          UNIT_TEST(test_http__other_versions_are_refused),
          UNIT_TEST(test_http__smuggling_is_refused),
          UNIT_TEST(test_http__unknown_transfer_codings_are_refused),
          UNIT_TEST(test_http__malformed_chunks_are_refused),
          UNIT_TEST(test_http__each_bound_has_its_status),
          UNIT_TEST(test_http__bodies_are_bounded_as_soon_as_known),
          UNIT_TEST(test_http__nothing_is_taken_after_a_failure),
          UNIT_TEST(test_http__running_out_of_memory_fails_one_request),
          UNIT_TEST(test_http__a_client_that_waits_to_be_asked_is_seen_once),
          UNIT_TEST(test_http__lists_are_searched_by_token),
          UNIT_TEST(test_http__query_parameters_are_decoded),
          UNIT_TEST(test_http__answers_are_written_in_full),
          UNIT_TEST(test_http__bodiless_answers_have_no_body),
          UNIT_TEST(test_http__a_header_cannot_break_out_of_its_line),
          UNIT_TEST(test_http__errors_are_answered_in_json),
          UNIT_TEST(test_http__a_full_buffer_is_left_as_it_was),
          UNIT_TEST(test_http__statuses_have_their_words))
