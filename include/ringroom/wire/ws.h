/* ws.h - the WebSocket protocol, server side (RFC 6455): bytes in, messages out; no sockets.
 *
 * Frames are parsed by wslay's frame layer. Its context holds a 4 KiB buffer, so
 * a connection borrows one from its shard's pool only while a frame is cut
 * between two reads; an idle connection holds none.
 *
 * Threads   its connection's shard only, as the pool.
 * Bound     message_bytes_max: a longer message fails with 1009 as soon as its
 *           length is known. fragments_max likewise. A single-piece message is
 *           handed out where it lies; others are gathered in a buffer that is
 *           given back after the message.
 * Failure   fails fast: at the first bad byte, header bit or UTF-8 byte. */
#pragma once

#include "ringroom/base/buf.h"
#include "ringroom/base/utf8.h"
#include "ringroom/wire/http.h"

enum {
    WS_HEADER_MAX = 10,   /* of a server's frame: never masked */
    WS_CONTROL_MAX = 125, /* payload of a control frame */
    WS_KEY_BYTES = 24,     /* 16 bytes in base64 */
    WS_ACCEPT_BYTES = 28,
};

enum ws_opcode {
    WS_CONTINUATION = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10
};

enum ws_code { /* RFC 6455 section 7.4, and ours from 4000 on */
               WS_CODE_NORMAL = 1000,
               WS_CODE_GOING_AWAY = 1001,
               WS_CODE_PROTOCOL = 1002,
               WS_CODE_UNSUPPORTED = 1003,
               WS_CODE_NONE = 1005, /* never on the wire: a close frame without a code */
               WS_CODE_BAD_DATA = 1007,
               WS_CODE_TOO_BIG = 1009,
               WS_CODE_INTERNAL = 1011,
               WS_CODE_RESTARTING = 1012,
               WS_CODE_UNAUTHORIZED = 4001,
               WS_CODE_FORBIDDEN = 4003,
               WS_CODE_SLOW = 4008,
               WS_CODE_RATE = 4009,
               WS_CODE_KICKED = 4010,
               WS_CODE_NO_PONG = 4011,
};

/* Idle wslay contexts of one shard. */
struct ws_pool;
struct ws_pool *ws_pool_new(void);       /* NULL where memory has run out */
void ws_pool_free(struct ws_pool *pool); /* after all its parsers; takes NULL */

struct ws_limits {
    size_t message_bytes_max;
    uint32_t fragments_max;
};

struct ws_frame_reader; /* a borrowed context */

struct ws {
    struct ws_pool *pool;
    const struct ws_limits *limits; /* outlives the parser */
    struct ws_frame_reader *reader; /* borrowed from the first byte of a frame to its last */
    struct buf message;             /* what has come of a message in several pieces */
    struct utf8 utf8;
    uint8_t opcode;     /* of the message under way; 0 between messages */
    uint8_t fault;      /* after WS_FAILED or WS_NOMEM: which, for ws_error() */
    uint16_t code;      /* after WS_FAILED: the close code to send */
    uint32_t fragments; /* of the message under way */
};

enum ws_result {
    WS_MORE,   /* everything was taken, no event */
    WS_EVENT,  /* *ret_event; call again for what follows */
    WS_FAILED, /* ws->code; ws_error(): the connection is to be closed with it */
    WS_NOMEM,  /* this connection must go: 1011 */
};

struct ws_event {
    enum ws_opcode opcode; /* WS_TEXT, WS_BINARY: a whole message; WS_CLOSE, WS_PING, WS_PONG */
    struct slice payload; /* unmasked, UTF-8 checked where text; of a close: the reason. Valid until
                           * the next call */
    uint16_t code;        /* of a close: what the peer sent, WS_CODE_NONE without one */
};

void ws_init(struct ws *ws, struct ws_pool *pool, const struct ws_limits *limits);
void ws_deinit(struct ws *ws);
/* Takes bytes from the front of *in (moved past them) up to the next event, and none beyond it.
 * Call until WS_MORE: only then is what the last event lay in given back. After WS_FAILED or
 * WS_NOMEM nothing more is taken. What follows a close frame is for the caller to drop. */
enum ws_result ws_next(struct ws *ws, struct slice *in, struct ws_event *ret_event);
/* A few plain words on what was wrong, for a close reason (at most 123 bytes). */
const char *ws_error(const struct ws *ws);

/* The header of an unmasked, final frame. Returns its bytes: 2, 4 or 10. */
size_t ws_header(uint8_t dst[WS_HEADER_MAX], enum ws_opcode opcode, uint64_t payload_bytes);
/* The same of a frame that others follow (last: false) or that ends what others began
 * (WS_CONTINUATION). */
size_t ws_fragment_header(uint8_t dst[WS_HEADER_MAX], enum ws_opcode opcode, uint64_t payload_bytes,
                          bool last);
/* The payload within a frame of ours. */
struct slice ws_frame_payload(struct slice frame);
/* A whole close frame (code 0: without payload; the reason is cut at a character to fit).
 * Returns its bytes, at most 2 + WS_CONTROL_MAX. */
size_t ws_close_frame(uint8_t dst[2 + WS_CONTROL_MAX], uint16_t code, const char *reason);

/* What an upgrade request deserves: 101, or the status of the refusal (400, 405, 426) with a plain
 * sentence in *ret_why. */
unsigned ws_upgrade_status(const struct http_request *request, const char **ret_why);
/* Sec-WebSocket-Accept of a checked request. No NUL. */
void ws_accept(const struct http_request *request, char dst[WS_ACCEPT_BYTES]);
/* The same for a key of WS_KEY_BYTES. */
void ws_accept_key(struct slice key, char dst[WS_ACCEPT_BYTES]);
