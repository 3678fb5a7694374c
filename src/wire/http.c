/* One request at a time. http_parser splits the head; http_head.c then judges the whole head by
 * stricter rules, and the body is read here, so that only one reader decides where it ends. */
#include "ringroom/wire/http.h"

#include "ringroom/base/check.h"
#include "http_chunks.h"
#include "http_head.h"

#include <errno.h>
#include <pthread.h>

/* http_parser.h has two names of ours: they are renamed while it is read. */
#define http_method  parser_method
#define HTTP_REQUEST PARSER_REQUEST
#include <http_parser.h>
#undef http_method
#undef HTTP_REQUEST

enum {
    HEAD_STEP_BYTES = 1024, /* of input put into the head before http_parser looks at it */
    BLANKS_MAX = 4          /* CR and LF before a request line (RFC 9112 section 2.2) */
};

#define WRONG_VERSION ((struct http_fault){505, "only HTTP/1.0 and HTTP/1.1 are spoken here"})

enum state {
    IDLE,  /* between requests; work is NULL */
    HEAD,  /* a head is under way */
    BODY,  /* the head is judged and good; the body is under way */
    READY, /* a whole request stands in work->request */
    FAILED /* for good; work is NULL */
};

struct span {
    uint32_t at, bytes; /* in the head, which may move while it grows */
};

/* What a request under way needs, and an idle connection does not. */
struct work {
    http_parser parser;
    struct buf head;
    struct buf body;
    uint64_t body_left; /* bytes still to come where the length was declared */
    struct http_chunks chunks;
    bool chunked;
    bool wants_continue; /* and has not been told so */
    bool value_seen;     /* the header counted last has (part of) its value */
    struct span target;
    size_t headers_count;
    struct span names[HTTP_HEADERS_MAX];
    struct span values[HTTP_HEADERS_MAX];
    struct http_request request; /* while READY; its slices point into head and body */
};

struct http {
    struct http_limits limits;
    struct work *work; /* from a request's first byte to http_next() */
    enum state state;
    unsigned blanks; /* bytes skipped before the request line */
    struct http_fault fault;
};

static void work_free(struct work *work)
{
    if (!work)
        return;
    buf_deinit(&work->head);
    buf_deinit(&work->body);
    mem_free(work);
}

static void fail(struct http *http, struct http_fault fault)
{
    work_free(http->work);
    http->work = NULL;
    http->fault = fault;
    http->state = FAILED;
}

static void fail_nomem(struct http *http)
{
    fail(http, (struct http_fault){503, "out of memory"});
}

/* --- callbacks of http_parser; a fault set here stops it --- */

/* Extends a span by bytes that follow it, or begins it. */
static void span_grow(struct span *span, const struct work *work, const char *at, size_t bytes)
{
    size_t offset = (size_t)((const uint8_t *)at - work->head.data);

    if (span->bytes == 0)
        span->at = (uint32_t)offset;
    span->bytes = (uint32_t)(offset + bytes) - span->at;
}

static int on_url(http_parser *parser, const char *at, size_t bytes)
{
    struct http *http = parser->data;

    span_grow(&http->work->target, http->work, at, bytes);
    if (http->work->target.bytes <= http->limits.target_bytes_max)
        return 0;
    http->fault = (struct http_fault){414, "the request target is too long"};
    return -1;
}

static int on_header_field(http_parser *parser, const char *at, size_t bytes)
{
    struct http *http = parser->data;
    struct work *work = http->work;

    if (work->headers_count == 0 || work->value_seen) {
        if (work->headers_count == HTTP_HEADERS_MAX) {
            http->fault = (struct http_fault){431, "too many headers"};
            return -1;
        }
        work->headers_count++;
        work->value_seen = false;
    }
    span_grow(&work->names[work->headers_count - 1], work, at, bytes);
    return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t bytes)
{
    struct work *work = ((struct http *)parser->data)->work;

    CHECK(work->headers_count > 0);
    work->value_seen = true;
    span_grow(&work->values[work->headers_count - 1], work, at, bytes);
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    return 1; /* no body for http_parser: it is read here */
}

static int on_message_complete(http_parser *parser)
{
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings callbacks = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_message_complete = on_message_complete,
};

/* --- life --- */

/* One variable for the whole process, inside http_parser: our own bound is to decide. */
static void lift_header_limit(void)
{
    http_parser_set_max_header_size(UINT32_MAX);
}

struct http *http_new(const struct http_limits *limits)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct http *http = mem_zalloc(sizeof(*http));

    pthread_once(&once, lift_header_limit);
    CHECK(limits->head_bytes_max < UINT32_MAX); /* spans, http_parser's counter */
    if (http)
        http->limits = *limits;
    return http;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    work_free(http->work);
    mem_free(http);
}

bool http_under_way(const struct http *http)
{
    return http->work != NULL;
}

const struct http_request *http_request(const struct http *http)
{
    CHECK(http->state == READY);
    return &http->work->request;
}

unsigned http_error_status(const struct http *http)
{
    return http->fault.status;
}

const char *http_error_text(const struct http *http)
{
    return http->fault.text ? http->fault.text : "";
}

bool http_wants_continue(struct http *http)
{
    if (http->state != BODY || !http->work->wants_continue)
        return false;
    http->work->wants_continue = false;
    /* With some of the body here, the client has not waited (RFC 9110 section 10.1.1). */
    return http->work->body.len == 0;
}

void http_next(struct http *http)
{
    if (http->state == FAILED)
        return;
    work_free(http->work);
    http->work = NULL;
    http->state = IDLE;
    http->blanks = 0;
}

/* --- the head --- */

/* Skips the empty lines that some clients send between requests, then makes ready for a head. */
static void begin(struct http *http, struct slice *in)
{
    while (in->len > 0 && (in->data[0] == '\r' || in->data[0] == '\n')) {
        if (++http->blanks > BLANKS_MAX) {
            fail(http, (struct http_fault){400, "empty lines instead of a request"});
            return;
        }
        *in = slice_from(*in, 1);
    }
    if (in->len == 0)
        return;

    struct work *work = mem_zalloc(sizeof(*work));
    if (!work) {
        fail_nomem(http);
        return;
    }
    http_parser_init(&work->parser, PARSER_REQUEST);
    work->parser.data = http;
    buf_init(&work->head, http->limits.head_bytes_max);
    buf_init(&work->body, http->limits.body_bytes_max);
    http->work = work;
    http->state = HEAD;
}

static struct slice span_slice(const struct work *work, struct span span)
{
    struct slice s = slice_make(work->head.data + span.at, span.bytes);

    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static enum http_method method_of(const http_parser *parser)
{
    switch (parser->method) {
    case HTTP_GET:
        return HTTP_M_GET;
    case HTTP_HEAD:
        return HTTP_M_HEAD;
    case HTTP_POST:
        return HTTP_M_POST;
    case HTTP_PUT:
        return HTTP_M_PUT;
    case HTTP_DELETE:
        return HTTP_M_DELETE;
    case HTTP_OPTIONS:
        return HTTP_M_OPTIONS;
    default:
        return HTTP_M_OTHER;
    }
}

/* From spans to slices: the head no longer moves. */
static void describe(struct work *work)
{
    struct http_request *request = &work->request;

    request->method = method_of(&work->parser);
    request->target = span_slice(work, work->target);
    request->version_minor = work->parser.http_minor > 0;
    request->headers_count = work->headers_count;
    for (size_t i = 0; i < work->headers_count; i++) {
        request->headers[i].name =
            slice_make(work->head.data + work->names[i].at, work->names[i].bytes);
        request->headers[i].value = span_slice(work, work->values[i]);
    }
    request->keep_alive = request->version_minor > 0
                              ? !http_header_lists(request, "Connection", "close")
                              : http_header_lists(request, "Connection", "keep-alive") &&
                                    !http_header_lists(request, "Connection", "close");
    request->upgrade = http_header_lists(request, "Connection", "upgrade") &&
                       http_header(request, "Upgrade").len > 0;
}

static void ready(struct http *http)
{
    http->work->request.body = buf_slice(&http->work->body);
    http->state = READY;
}

/* A longer body than others may have, where this request may have one. */
static void raise_bound(const struct http *http, const struct http_framing *framing)
{
    const struct http_limits *limits = &http->limits;
    struct work *work = http->work;

    if (!limits->body_bytes_for ||
        (!framing->chunked && framing->content_bytes <= limits->body_bytes_max))
        return;
    size_t bytes = limits->body_bytes_for(limits->user, &work->request);
    if (bytes > limits->body_bytes_max)
        work->body.max = bytes;
}

/* The head has come whole: judge it, and learn how the body will come. */
static void head_whole(struct http *http)
{
    struct work *work = http->work;
    struct http_framing framing = {0};

    if (work->parser.http_major != 1) {
        fail(http, WRONG_VERSION);
        return;
    }
    if (work->parser.method == HTTP_CONNECT) {
        fail(http, (struct http_fault){501, "this is not a proxy"});
        return;
    }
    describe(work);
    struct http_fault fault = http_head_check(buf_slice(&work->head), &work->request, &framing);
    if (fault.status) {
        fail(http, fault);
        return;
    }
    raise_bound(http, &framing);
    if (framing.content_bytes > work->body.max) {
        fail(http, (struct http_fault){413, "the body is too large"});
        return;
    }
    work->chunked = framing.chunked;
    work->body_left = framing.content_bytes;
    work->wants_continue = work->request.version_minor > 0 &&
                           http_header_lists(&work->request, "Expect", "100-continue");
    http->state = BODY;
    if (!work->chunked && work->body_left == 0)
        ready(http);
}

static void parser_failed(struct http *http)
{
    const http_parser *parser = &http->work->parser;
    struct http_fault fault = http->fault;

    if (!fault.status && HTTP_PARSER_ERRNO(parser) == HPE_INVALID_VERSION && parser->http_major > 1)
        fault = WRONG_VERSION; /* "HTTP/2", without a minor number */
    else if (!fault.status)
        fault = (struct http_fault){400, http_errno_description(HTTP_PARSER_ERRNO(parser))};
    fail(http, fault);
}

/* Puts a piece of input behind the head and lets http_parser look at it. */
static void feed_head(struct http *http, struct slice *in)
{
    struct work *work = http->work;
    size_t old = work->head.len;
    size_t n = in->len < HEAD_STEP_BYTES ? in->len : HEAD_STEP_BYTES;

    if (n > http->limits.head_bytes_max - old)
        n = http->limits.head_bytes_max - old;
    if (n == 0) {
        fail(http, (struct http_fault){431, "the head is too large"});
        return;
    }
    if (buf_append(&work->head, in->data, n) != 0) {
        fail_nomem(http);
        return;
    }
    size_t used =
        http_parser_execute(&work->parser, &callbacks, (const char *)work->head.data + old, n);
    if (HTTP_PARSER_ERRNO(&work->parser) == HPE_PAUSED) {
        work->head.len = old + used;
        *in = slice_from(*in, used);
        head_whole(http);
    } else if (HTTP_PARSER_ERRNO(&work->parser) != HPE_OK) {
        parser_failed(http);
    } else {
        *in = slice_from(*in, n);
    }
}

/* --- the body --- */

static void feed_body(struct http *http, struct slice *in)
{
    struct work *work = http->work;
    int result;

    if (work->chunked) {
        result = http_chunks_feed(&work->chunks, in, &work->body);
    } else {
        size_t n = in->len < work->body_left ? in->len : (size_t)work->body_left;

        result = buf_append(&work->body, in->data, n);
        *in = slice_from(*in, n);
        work->body_left -= n;
        if (result == 0 && work->body_left == 0)
            result = 1;
    }
    if (result == 1)
        ready(http);
    else if (result == -ENOMEM)
        fail_nomem(http);
    else if (result == -ENOBUFS)
        fail(http, (struct http_fault){413, "the body is too large"});
    else if (result < 0)
        fail(http, (struct http_fault){400, "a malformed chunk"});
}

enum http_result http_feed(struct http *http, struct slice in, size_t *ret_used)
{
    size_t before = in.len;

    if (http->state == IDLE)
        begin(http, &in);
    while (http->state == HEAD && in.len > 0)
        feed_head(http, &in);
    if (http->state == BODY && in.len > 0)
        feed_body(http, &in);
    *ret_used = before - in.len;
    return http->state == READY ? HTTP_REQUEST : http->state == FAILED ? HTTP_FAILED : HTTP_MORE;
}

/* Here because the words stand in http_parser.h. */
const char *http_reason(unsigned status)
{
    const char *words = http_status_str((enum http_status)status);

    return words[0] == '<' ? "Unknown" : words;
}
