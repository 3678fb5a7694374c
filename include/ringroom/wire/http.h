/* http.h - HTTP/1.1 requests read, answers written (RFC 9112); no sockets.
 *
 * Lives only while a connection speaks HTTP: freed when it becomes a WebSocket.
 *
 * Threads   its connection's shard only.
 * Bound     request line, head and body are each bounded; past a bound the
 *           request fails with 414, 431 or 413. Head and body are kept, contiguous,
 *           until http_next(). */
#pragma once

#include "ringroom/base/buf.h"

enum { HTTP_HEADERS_MAX = 64 };

enum http_method {
    HTTP_M_GET,
    HTTP_M_HEAD,
    HTTP_M_POST,
    HTTP_M_PUT,
    HTTP_M_DELETE,
    HTTP_M_OPTIONS,
    HTTP_M_OTHER
};

struct http_header {
    struct slice name;  /* as sent; compare with http_header() */
    struct slice value; /* without surrounding blanks */
};

/* All slices point into the parser's own memory: valid until http_next() or http_free(). */
struct http_request {
    enum http_method method;
    struct slice target; /* as sent */
    struct slice path;   /* the target up to '?', percent-encoding left as it is */
    struct slice query;  /* after '?', or empty */
    struct slice body;
    uint8_t version_minor; /* 1 for HTTP/1.1, 0 for HTTP/1.0 */
    bool keep_alive;       /* what the client asks for (RFC 9112 section 9.3) */
    bool upgrade;          /* has "Connection: upgrade" and an Upgrade header */
    size_t headers_count;
    struct http_header headers[HTTP_HEADERS_MAX];
};

struct http_limits {
    size_t target_bytes_max; /* 414 */
    size_t head_bytes_max;   /* 431; request line and headers together */
    size_t body_bytes_max;   /* 413 */
    /* Where the body may be longer than that: asked once the head is good, to how much this
     * request's bound is raised. NULL: never. */
    size_t (*body_bytes_for)(void *user, const struct http_request *request);
    void *user;
};

enum http_result {
    HTTP_MORE,    /* everything was taken; the request is not whole yet */
    HTTP_REQUEST, /* a whole request stands ready; http_request() */
    HTTP_FAILED   /* http_error_status(), http_error_text(); answer it and close */
};

struct http;

/* NULL where memory has run out. */
struct http *http_new(const struct http_limits *limits);
void http_free(struct http *http); /* takes NULL */

/* Takes bytes up to the end of one request; *ret_used says how many. What follows belongs to the
 * next request, or to the protocol that was upgraded to. */
enum http_result http_feed(struct http *http, struct slice in, size_t *ret_used);
/* True from a request's first byte until http_next(): a time-out then is a 408. */
bool http_under_way(const struct http *http);
const struct http_request *http_request(const struct http *http);
/* 400, 413, 414, 431, 501, 505; or 503 where memory ran out. */
unsigned http_error_status(const struct http *http);
const char *http_error_text(const struct http *http);
/* True once for a request that has "Expect: 100-continue" and whose head is good while its body has
 * not come: send HTTP_CONTINUE. Ask after HTTP_MORE. */
bool http_wants_continue(struct http *http);
#define HTTP_CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"
/* Forgets the request, ready for the next one of the same connection. After HTTP_FAILED
 * there is none: no effect. */
void http_next(struct http *http);

/* The value of the first header of that name (any case), or an empty slice with NULL data. */
struct slice http_header(const struct http_request *request, const char *name);
/* A comma-separated header (all its lines) lists this token (any case). */
bool http_header_lists(const struct http_request *request, const char *name, const char *token);
/* The value of a query parameter, percent-decoded into dst: its length, or -ENOENT, -ENOBUFS,
 * -EINVAL (a broken %-sequence). '+' stands for a blank. */
int http_query(const struct http_request *request, const char *name, char *dst, size_t dst_bytes);
/* A piece of a path, percent-decoded into dst; a '+' is one. As http_query(). */
int http_decode(struct slice piece, char *dst, size_t dst_bytes);
/* The standard words of a status, "Not Found". */
const char *http_reason(unsigned status);

/* Begins an answer: status line, Date, Server. Then headers, then http_answer_end(). -ENOBUFS or
 * -ENOMEM where out is full, which then is as it was before the call. */
int http_answer_begin(struct buf *out, unsigned status, uint64_t wall_ms);
/* -EINVAL where name or value would break out of its line. */
int http_answer_header(struct buf *out, const char *name, const char *value);
/* Content-Length, Connection, the blank line, and the body unless `head_only`. 204 and 304 get
 * neither length nor body; 1xx no Connection either (the caller of 101 writes its own). */
int http_answer_end(struct buf *out, struct slice body, bool keep_alive, bool head_only);
/* A whole answer with the JSON body {"error":{"code":…,"message":…}}; code and message are plain
 * ASCII without quotes. `extra` is one more header line ("Allow: GET\r\n") or NULL. */
int http_answer_error(struct buf *out, unsigned status, const char *code, const char *message,
                      const char *extra, bool keep_alive, bool head_only, uint64_t wall_ms);
