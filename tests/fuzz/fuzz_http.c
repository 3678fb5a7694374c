/* Requests from arbitrary bytes. The first byte says how the rest is cut; the requests read must be
 * those of the same bytes in one piece, and hold what the parser promises. */
#include "ringroom/base/check.h"
#include "ringroom/wire/http.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits limits = {
    .target_bytes_max = 256, .head_bytes_max = 1024, .body_bytes_max = 512};

struct trace {
    uint64_t sum;
    unsigned requests, status;
    bool upgraded;
};

static void mix(struct trace *trace, struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        trace->sum = (trace->sum ^ s.data[i]) * 1099511628211u;
    trace->sum = (trace->sum ^ s.len) * 1099511628211u;
}

static void note(struct trace *trace, const struct http_request *request)
{
    char value[64];

    CHECK(request->target.len > 0 && request->target.len <= limits.target_bytes_max);
    CHECK(request->path.len > 0 && request->body.len <= limits.body_bytes_max);
    CHECK(request->headers_count <= HTTP_HEADERS_MAX);
    mix(trace, request->target);
    mix(trace, request->path);
    mix(trace, request->query);
    mix(trace, request->body);
    for (size_t i = 0; i < request->headers_count; i++) {
        CHECK(request->headers[i].name.len > 0);
        mix(trace, request->headers[i].name);
        mix(trace, request->headers[i].value);
    }
    CHECK(http_query(request, "a", value, sizeof(value)) <= (int)sizeof(value));
    trace->sum += request->keep_alive + 2u * request->upgrade + 4u * request->method;
    trace->requests++;
    trace->upgraded = request->upgrade;
}

/* Lends pieces of their own allocation, so that a sanitizer sees a read beyond them. */
static enum http_result feed_piece(struct http *http, struct trace *trace, const uint8_t *data,
                                   size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    enum http_result result = HTTP_MORE;
    size_t at = 0;

    memcpy(copy, data, size);
    while (at < size && !trace->upgraded) {
        size_t used = 0;

        result = http_feed(http, slice_make(copy + at, size - at), &used);
        CHECK(used <= size - at && (result != HTTP_MORE || used == size - at));
        at += used;
        if (result == HTTP_FAILED)
            break;
        if (result == HTTP_REQUEST) {
            note(trace, http_request(http));
            http_next(http);
        }
    }
    free(copy);
    return result;
}

static struct trace run(const uint8_t *data, size_t size, size_t step)
{
    struct trace trace = {0};
    struct http *http = http_new(&limits);
    enum http_result result = HTTP_MORE;

    CHECK(http);
    for (size_t at = 0; at < size && result != HTTP_FAILED && !trace.upgraded; at += step)
        result = feed_piece(http, &trace, data + at, step < size - at ? step : size - at);
    trace.status = http_error_status(http);
    CHECK((trace.status != 0) == (result == HTTP_FAILED));
    http_free(http);
    return trace;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct trace whole = run(data + 1, size - 1, size - 1);
    struct trace cut = run(data + 1, size - 1, 1 + data[0] % 64);

    CHECK(whole.requests == cut.requests && whole.sum == cut.sum);
    /* Of two faults (a target too long that also has a bad byte) the cut decides which is seen. */
    CHECK((whole.status != 0) == (cut.status != 0) && whole.upgraded == cut.upgraded);
    return 0;
}
