/* socketio.h - Socket.IO 5: packets decoded, chat events understood, chat events written.
 *
 * Text written here is a whole Engine.IO message packet: it begins with '4'.
 * https://github.com/socketio/socket.io-protocol
 *
 * Threads   none of its own: pure functions over the caller's memory. */
#pragma once

#include "ringroom/proto/native.h"

enum socketio_type {
    SOCKETIO_CONNECT,
    SOCKETIO_DISCONNECT,
    SOCKETIO_EVENT,
    SOCKETIO_ACK,
    SOCKETIO_CONNECT_ERROR, /* never from a client */
    SOCKETIO_BINARY_EVENT,
    SOCKETIO_BINARY_ACK,
};

enum {
    SOCKETIO_ATTACHMENTS_MAX = 10,
    SOCKETIO_NAMESPACE_MAX = 128, /* bytes; longer ones are a bad packet */
    SOCKETIO_AUTH_BYTES = 128,
};

/* Slices point into the text. */
struct socketio_packet {
    enum socketio_type type;
    struct slice nsp; /* "/" where the text names none; a query behind it is cut off */
    bool has_id;
    uint64_t id; /* at most 2^53-1 */
    uint32_t attachments;
    struct slice data; /* raw JSON, checked: valid, no doubled keys, of the shape its type asks for
                        * (parser's rules: CONNECT an object or nothing, DISCONNECT nothing, EVENT a
                        * non-empty array that begins with a string that is no reserved name, or a
                        * number; ACK an array) */
};

/* `text` is a message packet's data, without the '4'. False: the connection is to be closed.
 *
 * Takes what the reference parser takes, but for what no client writes: a blank, a sign or nothing
 * where a digit belongs; an id above 2^53-1; an EVENT or ACK without data; CONNECT_ERROR; control
 * characters in a namespace; in JSON doubled keys, lone surrogates, keys with U+0000 and nesting
 * beyond jansson's bound. */
bool socketio_parse(struct slice text, struct socketio_packet *ret_packet);

/* Every placeholder in a binary packet's data stands for one of its attachments. False: the
 * connection is to be closed. */
bool socketio_placeholders_fit(const struct socketio_packet *packet);

/* CONNECT's payload: what a client comes back with. Slices are decoded into `scratch`; empty where
 * absent. */
struct socketio_auth {
    struct slice pid;    /* at most 64 bytes, else taken as absent */
    struct slice offset; /* likewise */
    struct slice token;  /* as it stands in the text; empty where it is written with escapes */
};
void socketio_auth(struct slice data, char scratch[SOCKETIO_AUTH_BYTES],
                   struct socketio_auth *ret_auth);

/* The chat's events. */
enum socketio_event_kind {
    SOCKETIO_JOIN,
    SOCKETIO_MESSAGE,
    SOCKETIO_LEAVE,
    SOCKETIO_OTHER /* an event that nobody listens to */
};
struct socketio_event {
    enum socketio_event_kind kind;
    struct slice room;     /* join, leave: also where it is the whole argument */
    struct slice name;     /* as ROOM_USER_NAME_MAX and utf8_printable allow; empty where absent */
    struct slice text_raw; /* message: raw JSON, where it is a string ... */
    struct slice data_raw; /* ... and where it is any other value; binary attachments are refused */
    struct slice cid;      /* message: as in the native dialect, optional */
    void *json;
};
/* Of an EVENT or BINARY_EVENT. False: *ret_fault in plain words that name the field. Deinit in
 * either case. */
bool socketio_event(const struct socketio_packet *packet, struct socketio_event *event,
                    struct native_fault *ret_fault);
void socketio_event_deinit(struct socketio_event *event);
/* The event's name as raw JSON ("\"join\"") and its further arguments, raw, without brackets: for
 * echoes and errors. */
void socketio_split(struct slice data, struct slice *ret_name, struct slice *ret_args);

/* Written: appended to out. 0, -ENOBUFS, -ENOMEM: out as before. A namespace is "/" or as parsed,
 * never empty. */

/* `pid` empty: no recovery. */
int socketio_connected(struct buf *out, struct slice nsp, struct slice sid, struct slice pid);
int socketio_connect_error(struct buf *out, struct slice nsp, const char *message);
int socketio_disconnect(struct buf *out, struct slice nsp);
/* An event of raw arguments (`args` may be empty), binary where attachments > 0 follow it. */
int socketio_put_event(struct buf *out, struct slice nsp, uint32_t attachments, const char *name,
                       struct slice args);
/* An acknowledgement of raw arguments. */
int socketio_put_ack(struct buf *out, struct slice nsp, uint64_t id, uint32_t attachments,
                     struct slice args);
/* {ok:true, seq, ts}, with dup:true where it was stored before; {ok:true} for seq 0. */
int socketio_ack(struct buf *out, uint64_t id, uint64_t seq, uint64_t ts_ms, bool dup);
/* {ok:false, error: code, message, retry_ms?}. */
int socketio_ack_fault(struct buf *out, uint64_t id, const struct native_fault *fault,
                       uint64_t retry_ms);
/* The event `error` {event, code, message, retry_ms?}, for one who asked for no acknowledgement.
 * `event_raw` as from socketio_split(). */
int socketio_error(struct buf *out, struct slice event_raw, const struct native_fault *fault,
                   uint64_t retry_ms);
/* The event `gap` {room, epoch, from, to}. */
int socketio_gap(struct buf *out, struct slice room, struct slice epoch, uint64_t from,
                 uint64_t to);

/* A position that a client hands back after a break: epoch and number. It is the last argument of
 * `message` and `joined`, where stock clients look for it. */
enum { SOCKETIO_OFFSET_MAX = ROOM_EPOCH_BYTES + 1 + 20 };
/* No NUL. */
size_t socketio_offset(char dst[SOCKETIO_OFFSET_MAX], struct slice epoch, uint64_t seq);
/* False for what has been written nowhere here: any string may come back. The mark is that of a
 * `joined`, else 0. */
bool socketio_offset_parse(struct slice offset, struct slice *ret_epoch, uint64_t *ret_seq,
                           uint64_t *ret_mark);

/* From the native form, which is what the log keeps. */

/* The `message` event as a whole WebSocket text frame: ["message",{"room","chatMessage"},offset].
 * chatMessage is the JSON text of socketio_put_entry(). `native` is an entry of the log:
 * native_frame() around a native_body(). Takes at most 2 * native.len + SOCKETIO_PROJECT_EXTRA
 * bytes, and for a moment up to 8 more than it leaves. */
enum { SOCKETIO_PROJECT_EXTRA = 512 };
int socketio_project(struct buf *out, struct slice native, struct slice room, struct slice epoch);
/* `joined` in three parts, so that it can be sent as fragments: head, any number of entries with
 * commas between them (the caller's), tail. */
int socketio_joined_head(struct buf *out, struct slice room);
/* {"username","message","seq","ts","uid"}; and "data" beside "message" where the message has text
 * and data. */
int socketio_put_entry(struct buf *out, struct slice native);
/* The mark tells it from a message of that number. */
int socketio_joined_tail(struct buf *out, struct slice epoch, uint64_t seq, uint64_t mark);
/* A passing event (member, typing): ["member",{…}] with the fields of the native event but `ev`.
 * `native` is the WebSocket frame around what native_member() and the like have written without
 * `re`. Text, no frame. */
int socketio_notice(struct buf *out, struct slice native);
