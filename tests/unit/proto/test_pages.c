/* What a browser or a probe gets by plain HTTP: requests as the HTTP reader yields them, answers
 * taken apart line by line. */
#include "ringroom/proto/pages.h"

#include "ringroom/base/mem.h"
#include "ringroom/proto/assets.h"
#include "unit.h"
#include <errno.h>

enum { ANSWER_MAX = 1 << 20 };

static struct buf out;

/* 0 where the status that is told is that of the answer; or a negative errno. */
static int answer_within(size_t max, const char *method, const char *path, const char *headers,
                         bool ready)
{
    static const struct http_limits limits = {
        .target_bytes_max = 4096, .head_bytes_max = 16384, .body_bytes_max = 65536};
    struct http *http = http_new(&limits);
    char text[1000];
    size_t used;

    CU_ASSERT_PTR_NOT_NULL_FATAL(http);
    snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: h\r\n%s\r\n", method, path, headers);
    CU_ASSERT_EQUAL_FATAL(http_feed(http, slice_of(text), &used), HTTP_REQUEST);
    buf_deinit(&out);
    buf_init(&out, max);
    int status = pages_answer(&out, http_request(http), true, ready, 1700000000000);
    http_free(http);
    if (status < 0)
        return status;
    snprintf(text, sizeof(text), "HTTP/1.1 %d ", status);
    CU_ASSERT(out.len > strlen(text) && memcmp(out.data, text, strlen(text)) == 0);
    return 0;
}

/* The status of the answer, which stands in `out` with a NUL behind it. */
static unsigned get(const char *method, const char *path, const char *headers)
{
    unsigned status = 0;

    CU_ASSERT_EQUAL(answer_within(ANSWER_MAX, method, path, headers, true), 0);
    CU_ASSERT_EQUAL_FATAL(buf_append(&out, "", 1), 0);
    CU_ASSERT_EQUAL_FATAL(sscanf((char *)out.data, "HTTP/1.1 %u ", &status), 1);
    return status;
}

static struct slice body(void)
{
    const char *end = strstr((char *)out.data, "\r\n\r\n");

    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    return slice_make(end + 4, (size_t)((char *)out.data + out.len - 1 - end - 4));
}

/* The answer's head has this line. */
static bool has(const char *name, const char *value)
{
    char line[1000];
    const char *end = strstr((char *)out.data, "\r\n\r\n");

    snprintf(line, sizeof(line), "\r\n%s: %s\r\n", name, value);
    const char *at = strstr((char *)out.data, line);
    return at && at <= end;
}

static bool has_name(const char *name)
{
    char start[100];
    const char *end = strstr((char *)out.data, "\r\n\r\n");

    snprintf(start, sizeof(start), "\r\n%s:", name);
    const char *at = strstr((char *)out.data, start);
    return at && at < end;
}

static bool length_is(size_t len)
{
    char text[30];

    snprintf(text, sizeof(text), "%zu", len);
    return has("Content-Length", text);
}

static const struct asset *asset_at(const char *path)
{
    for (size_t i = 0; i < assets_count; i++)
        if (strcmp(assets[i].path, path) == 0)
            return &assets[i];
    CU_FAIL_FATAL("the asset is there");
    return NULL;
}

static void test_pages__every_asset_is_served_whole(void)
{
    CU_ASSERT_FATAL(assets_count > 0);
    for (size_t i = 0; i < assets_count; i++) {
        CU_ASSERT_EQUAL(get("GET", assets[i].path, ""), 200);
        CU_ASSERT(slice_equal(body(), slice_make(assets[i].data, assets[i].len)));
        CU_ASSERT(length_is(assets[i].len) && has("ETag", assets[i].etag));
        CU_ASSERT(has("Cache-Control", "no-cache") && has_name("Date"));
        CU_ASSERT(has_name("Content-Type") && !has("Content-Type", "application/octet-stream"));
    }
    CU_ASSERT(get("GET", "/index.html", "") == 200);
    CU_ASSERT(has("Content-Type", "text/html; charset=utf-8"));
    CU_ASSERT(get("GET", "/chat.js", "") == 200);
    CU_ASSERT(has("Content-Type", "text/javascript; charset=utf-8"));
    buf_deinit(&out);
}

static void test_pages__the_root_is_the_chat_page(void)
{
    const struct asset *index = asset_at("/index.html");

    CU_ASSERT_EQUAL(get("GET", "/?room=a&x", ""), 200);
    CU_ASSERT(slice_equal(body(), slice_make(index->data, index->len)));
    buf_deinit(&out);
}

static void test_pages__the_page_is_shut_in(void)
{
    CU_ASSERT_EQUAL(get("GET", "/", ""), 200);
    CU_ASSERT(has_name("Content-Security-Policy") &&
              strstr((char *)out.data, "default-src 'none'"));
    CU_ASSERT(!strstr((char *)out.data, "unsafe-inline"));
    CU_ASSERT(has("X-Content-Type-Options", "nosniff") && has("X-Frame-Options", "DENY"));
    CU_ASSERT(has("Referrer-Policy", "no-referrer"));
    buf_deinit(&out);
}

static void test_pages__what_the_browser_has_already_is_not_sent_again(void)
{
    const struct asset *asset = asset_at("/chat.js");
    const char *forms[] = {"If-None-Match: %s\r\n", "If-None-Match: W/%s\r\n",
                           "if-none-match: \"x\", %s, \"y\"\r\n", "If-None-Match: *\r\n"};
    char headers[300];

    for (size_t i = 0; i < array_len(forms); i++) {
        snprintf(headers, sizeof(headers), forms[i], asset->etag);
        CU_ASSERT_EQUAL(get("GET", asset->path, headers), 304);
        CU_ASSERT(body().len == 0 && has("ETag", asset->etag) && !has_name("Content-Length"));
    }
    CU_ASSERT_EQUAL(get("GET", asset->path, "If-None-Match: \"other\"\r\n"), 200);
    CU_ASSERT_EQUAL(get("GET", asset->path, "If-None-Match:\r\n"), 200);
    buf_deinit(&out);
}

static void test_pages__head_is_get_without_the_body(void)
{
    static const char *const paths[] = {"/", "/healthz", "/none"};

    for (size_t i = 0; i < array_len(paths); i++) {
        unsigned status = get("GET", paths[i], "");
        size_t len = body().len;
        CU_ASSERT_EQUAL(get("HEAD", paths[i], ""), status);
        CU_ASSERT(body().len == 0 && length_is(len) && len > 0);
    }
    buf_deinit(&out);
}

static void test_pages__nothing_else_is_there(void)
{
    static const char *const paths[] = {"/none",     "/index.htm",     "/index.html/",
                                        "//",        "/../etc/passwd", "/INDEX.HTML",
                                        "/healthz/", "/%69ndex.html",  "/ws"};

    for (size_t i = 0; i < array_len(paths); i++) {
        CU_ASSERT_EQUAL(get("GET", paths[i], ""), 404);
        CU_ASSERT(strstr((char *)out.data, "\"code\":\"not_found\"") != NULL);
        CU_ASSERT_EQUAL(get("POST", paths[i], "Content-Length: 0\r\n"), 404);
    }
    buf_deinit(&out);
}

static void test_pages__other_methods_are_told_which_are_allowed(void)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
    static const char *const paths[] = {"/", "/chat.js", "/healthz", "/readyz"};

    for (size_t i = 0; i < array_len(methods) * array_len(paths); i++) {
        CU_ASSERT_EQUAL(get(methods[i / array_len(paths)], paths[i % array_len(paths)],
                            "Content-Length: 0\r\n"),
                        405);
        CU_ASSERT(has("Allow", "GET, HEAD"));
    }
    buf_deinit(&out);
}

static void test_pages__probes_learn_of_life_and_of_stopping(void)
{
    CU_ASSERT(get("GET", "/healthz", "") == 200 && slice_is(body(), "{\"status\":\"ok\"}"));
    CU_ASSERT(has("Cache-Control", "no-store") && has("Content-Type", "application/json"));
    CU_ASSERT(get("GET", "/readyz", "") == 200 && slice_is(body(), "{\"status\":\"ready\"}"));
    CU_ASSERT_EQUAL(answer_within(ANSWER_MAX, "GET", "/readyz", "", false), 0);
    CU_ASSERT(out.len > 13 && memcmp(out.data, "HTTP/1.1 503 ", 13) == 0);
    CU_ASSERT_EQUAL(answer_within(ANSWER_MAX, "GET", "/healthz", "", false), 0);
    CU_ASSERT(out.len > 13 && memcmp(out.data, "HTTP/1.1 200 ", 13) == 0);
    buf_deinit(&out);
}

static void test_pages__an_answer_that_does_not_fit_is_an_error(void)
{
    static const char *const paths[] = {"/icon.svg", "/healthz", "/none"};

    for (size_t i = 0; i < array_len(paths); i++) {
        CU_ASSERT_EQUAL(answer_within(ANSWER_MAX, "GET", paths[i], "", true), 0);
        size_t whole = out.len;
        for (size_t max = 0; max < whole; max += max < 1000 ? 1 : 97)
            CU_ASSERT_EQUAL(answer_within(max, "GET", paths[i], "", true), -ENOBUFS);
        CU_ASSERT_EQUAL(answer_within(whole, "GET", paths[i], "", true), 0);
    }
    buf_deinit(&out);
}

UNIT_MAIN("proto/pages", UNIT_TEST(test_pages__every_asset_is_served_whole),
          UNIT_TEST(test_pages__the_root_is_the_chat_page),
          UNIT_TEST(test_pages__the_page_is_shut_in),
          UNIT_TEST(test_pages__what_the_browser_has_already_is_not_sent_again),
          UNIT_TEST(test_pages__head_is_get_without_the_body),
          UNIT_TEST(test_pages__nothing_else_is_there),
          UNIT_TEST(test_pages__other_methods_are_told_which_are_allowed),
          UNIT_TEST(test_pages__probes_learn_of_life_and_of_stopping),
          UNIT_TEST(test_pages__an_answer_that_does_not_fit_is_an_error))
