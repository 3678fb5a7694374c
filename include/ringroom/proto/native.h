/* native.h - the native dialect: one JSON object a WebSocket text message (docs/protocol.md).
 *
 * Requests are decoded, events and replies encoded; nothing is decided here.
 *
 * Threads   none of its own: pure functions over the caller's memory. */
#pragma once

#include "ringroom/base/buf.h"
#include "ringroom/room/room.h"

enum {
    NATIVE_ID_MAX = 6 * 64 + 2, /* raw JSON text of an id: a string of 64 bytes, each escaped */
    NATIVE_HISTORY_LIMIT = 50,  /* messages of one history reply, unless asked otherwise */
    NATIVE_HISTORY_LIMIT_MAX = 1000,
    NATIVE_HISTORY_BYTES_MAX = 256 << 10, /* of one history reply; `more` tells of the rest */
    NATIVE_SANCTION_MAX_S = 2592000,      /* of a kick or a mute */
    NATIVE_TOKEN_MAX = 8192,              /* bytes of a token */
    NATIVE_MEMBERS_MAX = 1000,            /* listed in one members reply; `count` is always whole */
};

enum native_op {
    NATIVE_JOIN,
    NATIVE_LEAVE,
    NATIVE_SEND,
    NATIVE_HISTORY,
    NATIVE_MEMBERS,
    NATIVE_TYPING,
    NATIVE_DELETE,
    NATIVE_KICK,
    NATIVE_MUTE,
    NATIVE_CLOSE,
    NATIVE_AUTH,
    NATIVE_PING,
};

/* Why a request is refused: a code of the protocol and plain words. Both are static text. */
struct native_fault {
    const char *code;
    const char *message;
};

struct native_range {
    bool has_before, has_after;
    uint64_t before, after;
    uint32_t limit;
};

/* Slices point into the message's text or into `json`: valid until native_request_deinit(). */
struct native_request {
    enum native_op op;
    struct slice id; /* raw JSON, as it came; empty: no reply is wanted */
    struct slice room;
    struct slice name;
    struct room_wish wish; /* join */
    struct slice text_raw; /* send: raw JSON values, empty where absent */
    struct slice data_raw;
    struct slice cid;
    struct native_range range; /* history */
    bool on;                   /* typing */
    uint64_t seq;              /* delete */
    struct slice uid;          /* kick, mute */
    uint64_t seconds;          /* kick, mute; 0 for a kick without a ban, or to lift one */
    struct slice token;        /* auth */
    void *json;                /* the parsed tree */
};

/* Makes the JSON parser wipe what it frees. Once, before the first parse. */
void native_init(void);
/* False: *ret_fault says why; request->id is set where it could be read. Deinit in either case. */
bool native_parse(struct slice text, struct native_request *request,
                  struct native_fault *ret_fault);
void native_request_deinit(struct native_request *request);

/* Events and replies: appended to out as JSON. 0, -ENOBUFS, -ENOMEM: out as before. `re` is a raw
 * id or empty. */

struct native_hello {
    struct slice sid, uid; /* uid empty: null, nobody yet */
    uint64_t ping_ms, max_message;
};
int native_hello(struct buf *out, const struct native_hello *hello);

struct native_joined {
    struct slice room, epoch;
    uint64_t first, seq, members, expires_in_s;
    bool recovered;
    struct retention retention;
};
int native_joined(struct buf *out, struct slice re, const struct native_joined *joined);
int native_left(struct buf *out, struct slice re, struct slice room);
int native_ack(struct buf *out, struct slice re, struct slice room, uint64_t seq, uint64_t ts_ms,
               bool dup);
int native_done(struct buf *out, struct slice re);
int native_pong(struct buf *out, struct slice re);
int native_error(struct buf *out, struct slice re, const struct native_fault *fault,
                 uint64_t retry_ms);
int native_member(struct buf *out, struct slice room, struct slice uid, struct slice name, bool on,
                  uint64_t count);
int native_member_count(struct buf *out, struct slice room, uint64_t count);
int native_typing(struct buf *out, struct slice room, struct slice uid, struct slice from, bool on);
int native_gap(struct buf *out, struct slice room, struct slice epoch, uint64_t from, uint64_t to);
int native_deleted(struct buf *out, struct slice room, uint64_t seq);
int native_closed(struct buf *out, struct slice room, const char *reason);
int native_expiring(struct buf *out, uint64_t in_ms);
int native_reconnect(struct buf *out, uint64_t after_ms);

/* Owner shard: replies made from a room. */
int native_history(struct buf *out, struct slice re, const struct room *room,
                   const struct native_range *range, uint64_t now_ms);
int native_members(struct buf *out, struct slice re, const struct room *room);

/* A message is encoded in two steps: its body on the sender's shard, before its number is known;
 * the frame around it by the room's owner, straight into the log. */

struct native_body {
    struct slice room, from, uid;
    struct slice text_raw, data_raw, cid; /* empty where absent */
};
int native_body(struct buf *out, const struct native_body *body);
/* The most bytes that a frame around such a body takes. */
size_t native_frame_bytes_max(size_t body_bytes);
/* The WebSocket frame of a `message` event. Returns its bytes. */
size_t native_frame(uint8_t *dst, uint64_t seq, uint64_t ts_ms, struct slice body);
/* Of an entry of the log: a message, not what stands for a deleted one. */
bool native_is_message(struct slice entry);
/* The JSON within an unmasked, final frame. */
struct slice native_payload(struct slice frame);
