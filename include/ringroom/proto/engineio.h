/* engineio.h - Engine.IO 4: packets, polling payloads, requests checked and answered.
 *
 * The protocol beneath Socket.IO. On WebSocket a text message is one packet, a
 * binary message one binary message packet; on polling a body holds packets
 * with 0x1E between them, binary ones as 'b' and base64.
 * https://github.com/socketio/engine.io-protocol
 *
 * Threads   none of its own: pure functions over the caller's memory. */
#pragma once

#include "ringroom/wire/http.h"

enum engineio_type {
    ENGINEIO_OPEN = '0',
    ENGINEIO_CLOSE = '1',
    ENGINEIO_PING = '2',
    ENGINEIO_PONG = '3',
    ENGINEIO_MESSAGE = '4',
    ENGINEIO_UPGRADE = '5',
    ENGINEIO_NOOP = '6',
};

enum {
    ENGINEIO_SEPARATOR = 0x1e,
    ENGINEIO_SID_MAX = 64, /* bytes of a session id that is looked at; longer ones are unknown */
};

struct engineio_packet {
    enum engineio_type type;
    bool binary; /* a message of bytes */
    struct slice data;
};

/* A WebSocket text message (UTF-8, checked where it was read) as a packet. False: it is none. One
 * that begins with 'b' is a client's that sends bytes as base64 everywhere: engineio_next() reads
 * it. */
bool engineio_parse(struct slice text, struct engineio_packet *ret_packet);

enum engineio_result {
    ENGINEIO_PACKET, /* valid until the next call, or until `payload` or `decoded` goes */
    ENGINEIO_END,    /* the packet before was the last one */
    ENGINEIO_BAD,    /* not a packet, or broken base64: the session is to be closed */
    ENGINEIO_NOMEM   /* memory has run out, or `decoded` has */
};
/* Takes the next packet off the front of *payload, a polling request's body (UTF-8 has been checked
 * by nobody: a text packet that is not UTF-8 is bad). `decoded` is scratch for base64: the body's
 * bytes are always enough. Between calls *payload is not to be touched, after the first result that
 * is no packet not to be read. An empty packet is bad: at either end, between two separators, and
 * as an empty body. All packets together cost time in proportion to the body. */
enum engineio_result engineio_next(struct slice *payload, struct buf *decoded,
                                   struct engineio_packet *ret_packet);

/* Appends a packet to a polling payload, a separator before it where `payload` is not empty. A
 * text packet is whole, with its type's digit, and holds no ENGINEIO_SEPARATOR (JSON text has
 * none). 0, -ENOBUFS, -ENOMEM; payload is then as it was. */
int engineio_put(struct buf *payload, struct slice packet);
int engineio_put_binary(struct buf *payload, struct slice data);

struct engineio_open {
    struct slice sid;
    bool upgrades; /* names "websocket": on polling */
    uint32_t ping_interval_ms, ping_timeout_ms;
    uint32_t max_payload; /* bytes */
};
/* Appends the open packet, text. 0, -ENOBUFS, -ENOMEM; out is then as it was. */
int engineio_open(struct buf *out, const struct engineio_open *open);

/* Requests (engineio_http.c). */

/* The reference server's error codes. */
enum engineio_fault {
    ENGINEIO_FINE = -1,
    ENGINEIO_TRANSPORT_UNKNOWN = 0,
    ENGINEIO_SID_UNKNOWN = 1,
    ENGINEIO_BAD_METHOD = 2, /* a handshake that is no GET */
    ENGINEIO_BAD_REQUEST = 3,
    ENGINEIO_FORBIDDEN = 4,
    ENGINEIO_BAD_VERSION = 5
};

struct engineio_request {
    bool websocket; /* else polling */
    bool has_sid;   /* an empty one counts as none */
    uint8_t sid_len;
    char sid[ENGINEIO_SID_MAX];
};

/* Checks what the query says (EIO, transport, sid) and the method, in the reference server's order.
 * *ret_request is filled in whatever the result; after ENGINEIO_TRANSPORT_UNKNOWN without the sid.
 *
 * Two checks are the caller's, and belong into that order:
 * - whether a sid is known. One that none can be is ENGINEIO_SID_UNKNOWN at once. Any other fault
 *   of a request with a sid counts only where the sid is known: before it comes
 *   ENGINEIO_SID_UNKNOWN.
 * - whether a client without a sid is allowed. ENGINEIO_FORBIDDEN comes before
 *   ENGINEIO_BAD_VERSION, and after all others.
 * On a known session `websocket` must be an upgrade from polling, and polling's requests are bad
 * (ENGINEIO_BAD_REQUEST) once it has been upgraded. On polling an Upgrade header is ignored. */
enum engineio_fault engineio_check(const struct http_request *request,
                                   struct engineio_request *ret_request);

/* Answers, appended to out, none to be cached. `origin`: what Access-Control-Allow-Origin is to
 * name, empty where the request came from no other origin, or from one that is not allowed. One
 * that is longer than 512 bytes or holds more than visible ASCII is not named. 0, -ENOBUFS,
 * -ENOMEM; out is then as it was. */
struct engineio_answer {
    struct buf *out;
    struct slice origin;
    bool keep_alive;
    bool head_only; /* to a HEAD request: no body */
    uint64_t wall_ms;
};
/* 200 with a payload ("text/plain; charset=UTF-8"). */
int engineio_answer_payload(const struct engineio_answer *answer, struct slice payload);
/* 200 "ok" ("text/html"). */
int engineio_answer_ok(const struct engineio_answer *answer);
unsigned engineio_fault_status(enum engineio_fault fault);
/* 400 (403 for ENGINEIO_FORBIDDEN) with {"code":…,"message":…}. Not for ENGINEIO_FINE. */
int engineio_answer_fault(const struct engineio_answer *answer, enum engineio_fault fault);
/* 401, 413 or 503 with {"code":3,"message":…}; message is short plain ASCII without quotes. */
int engineio_answer_status(const struct engineio_answer *answer, unsigned status,
                           const char *message);
/* 204 to a CORS preflight (OPTIONS). Allows GET and POST, and the headers that are asked for where
 * they are a list of tokens of at most 512 bytes. Without an allowed origin: 204 without the CORS
 * headers. */
int engineio_answer_preflight(const struct engineio_answer *answer,
                              const struct http_request *request);
