/* engineio_http.c - Engine.IO's HTTP requests checked in the reference server's order, and
 * answered.
 *
 * That order is: transport; with a session id whether it is known, then what it may ask for;
 * without one the method, the upgrade, whether the client is allowed, and last the version. */
#include "ringroom/proto/engineio.h"

#include "ringroom/base/check.h"

#include <errno.h>
#include <stdio.h>

enum {
    ORIGIN_MAX = 512,         /* bytes of an origin that is named back */
    REQUEST_HEADERS_MAX = 512 /* bytes of a preflight's header names that are named back */
};

#define PREFLIGHT_SECONDS "600" /* for which a browser need not ask again */

static const char *const fault_messages[] = {
    [ENGINEIO_TRANSPORT_UNKNOWN] = "Transport unknown",
    [ENGINEIO_SID_UNKNOWN] = "Session ID unknown",
    [ENGINEIO_BAD_METHOD] = "Bad handshake method",
    [ENGINEIO_BAD_REQUEST] = "Bad request",
    [ENGINEIO_FORBIDDEN] = "Forbidden",
    [ENGINEIO_BAD_VERSION] = "Unsupported protocol version",
};

/* Checking */

static bool query_is(const struct http_request *request, const char *name, const char *value)
{
    char text[16];
    int len = http_query(request, name, text, sizeof(text));

    return len >= 0 && slice_is(slice_make(text, (size_t)len), value);
}

/* False: there is one that no session can have. An empty one is none. */
static bool take_sid(const struct http_request *request, struct engineio_request *asked)
{
    int len = http_query(request, "sid", asked->sid, sizeof(asked->sid));

    asked->has_sid = len != 0 && len != -ENOENT;
    asked->sid_len = len > 0 ? (uint8_t)len : 0;
    return len >= 0 || len == -ENOENT;
}

static enum engineio_fault check_session(const struct http_request *request,
                                         const struct engineio_request *asked)
{
    bool get = request->method == HTTP_M_GET;

    if (asked->websocket ? !get || !request->upgrade : !get && request->method != HTTP_M_POST)
        return ENGINEIO_BAD_REQUEST;
    return query_is(request, "EIO", "4") ? ENGINEIO_FINE : ENGINEIO_BAD_REQUEST;
}

static enum engineio_fault check_handshake(const struct http_request *request,
                                           const struct engineio_request *asked)
{
    if (request->method != HTTP_M_GET)
        return ENGINEIO_BAD_METHOD;
    if (asked->websocket && !request->upgrade)
        return ENGINEIO_BAD_REQUEST;
    return query_is(request, "EIO", "4") ? ENGINEIO_FINE : ENGINEIO_BAD_VERSION;
}

enum engineio_fault engineio_check(const struct http_request *request,
                                   struct engineio_request *ret_request)
{
    *ret_request =
        (struct engineio_request){.websocket = query_is(request, "transport", "websocket")};
    if (!ret_request->websocket && !query_is(request, "transport", "polling"))
        return ENGINEIO_TRANSPORT_UNKNOWN;
    if (!take_sid(request, ret_request))
        return ENGINEIO_SID_UNKNOWN;
    return ret_request->has_sid ? check_session(request, ret_request)
                                : check_handshake(request, ret_request);
}

/* Answering: each step takes the error so far and does nothing after one. */

static int put(const struct engineio_answer *answer, const char *name, const char *value, int error)
{
    return error ? error : http_answer_header(answer->out, name, value);
}

/* As a string. False where it is empty, too long, or holds what no value of these headers does:
 * then it is not to be named back. */
static bool printable(struct slice text, char *dst, size_t dst_bytes)
{
    if (text.len == 0 || text.len >= dst_bytes)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < ' ' || text.data[i] > '~')
            return false;
    memcpy(dst, text.data, text.len);
    dst[text.len] = '\0';
    return true;
}

/* Whether there is an origin to allow, and its headers but for Vary. */
static bool put_origin(const struct engineio_answer *answer, int *error)
{
    char origin[ORIGIN_MAX + 1];

    if (!printable(answer->origin, origin, sizeof(origin)))
        return false;
    *error = put(answer, "Access-Control-Allow-Origin", origin, *error);
    *error = put(answer, "Access-Control-Allow-Credentials", "true", *error);
    return true;
}

static int finish(const struct engineio_answer *answer, struct slice body, size_t before, int error)
{
    if (!error)
        error = http_answer_end(answer->out, body, answer->keep_alive, answer->head_only);
    if (error)
        answer->out->len = before;
    return error;
}

static int answer_with(const struct engineio_answer *answer, unsigned status, const char *type,
                       struct slice body)
{
    size_t before = answer->out->len;
    int error = http_answer_begin(answer->out, status, answer->wall_ms);

    error = put(answer, "Content-Type", type, error);
    error = put(answer, "Cache-Control", "no-store", error);
    if (put_origin(answer, &error))
        error = put(answer, "Vary", "Origin", error);
    return finish(answer, body, before, error);
}

int engineio_answer_payload(const struct engineio_answer *answer, struct slice payload)
{
    return answer_with(answer, 200, "text/plain; charset=UTF-8", payload);
}

int engineio_answer_ok(const struct engineio_answer *answer)
{
    return answer_with(answer, 200, "text/html", slice_of("ok"));
}

static int answer_json(const struct engineio_answer *answer, unsigned status,
                       enum engineio_fault code, const char *message)
{
    char json[256];
    int len = snprintf(json, sizeof(json), "{\"code\":%d,\"message\":\"%s\"}", code, message);

    if (len < 0 || (size_t)len >= sizeof(json))
        return -ENOBUFS;
    return answer_with(answer, status, "application/json", slice_make(json, (size_t)len));
}

unsigned engineio_fault_status(enum engineio_fault fault)
{
    return fault == ENGINEIO_FORBIDDEN ? 403 : 400;
}

int engineio_answer_fault(const struct engineio_answer *answer, enum engineio_fault fault)
{
    CHECK(fault >= 0 && (size_t)fault < array_len(fault_messages));
    return answer_json(answer, engineio_fault_status(fault), fault, fault_messages[fault]);
}

int engineio_answer_status(const struct engineio_answer *answer, unsigned status,
                           const char *message)
{
    return answer_json(answer, status, ENGINEIO_BAD_REQUEST, message);
}

/* "content-type, x-y": tokens, commas, blanks. */
static bool is_token_list(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "!#$%&'*+-.^_`|~, ";

    return text[strspn(text, allowed)] == '\0';
}

int engineio_answer_preflight(const struct engineio_answer *answer,
                              const struct http_request *request)
{
    char names[REQUEST_HEADERS_MAX + 1];
    struct slice asked = http_header(request, "Access-Control-Request-Headers");
    size_t before = answer->out->len;
    int error = http_answer_begin(answer->out, 204, answer->wall_ms);

    if (put_origin(answer, &error)) {
        error = put(answer, "Vary", "Origin, Access-Control-Request-Headers", error);
        error = put(answer, "Access-Control-Allow-Methods", "GET, POST", error);
        if (printable(asked, names, sizeof(names)) && is_token_list(names))
            error = put(answer, "Access-Control-Allow-Headers", names, error);
        error = put(answer, "Access-Control-Max-Age", PREFLIGHT_SECONDS, error);
    }
    return finish(answer, slice_make(NULL, 0), before, error);
}
