/* dialect.h - what the scenarios say and hear, in either of the forms that a server may speak.
 *
 * Native: one JSON object a message. Socket.IO: events on the default namespace, here without the
 * Engine.IO digit in front, which conn.h adds and takes off. The text that a message carries is the
 * same in both, byte for byte.
 *
 * Threads   none of its own: pure functions over the caller's memory. */
#pragma once

#include "event.h"

enum dialect { DIALECT_NATIVE, DIALECT_SOCKETIO };
enum { DIALECT_COUNT = 2 };

/* How the members of a crowd are spread over the dialects. */
enum proto { PROTO_NATIVE, PROTO_SOCKETIO, PROTO_MIXED };

/* Of the connection at that index: every other one of a mixed crowd speaks Socket.IO, so that each
 * room has both. */
enum dialect dialect_of(enum proto proto, uint32_t index);

/* A message to be sent: the stamp, and filler up to text_bytes. Room and name need no escaping. */
struct post {
    const char *room;
    const char *name; /* Socket.IO only: a native member has said it when joining */
    struct stamp stamp;
    size_t text_bytes;
    bool ack;
};

/* Bytes of a request beside its text, room and name at most 31 bytes each. */
enum { DIALECT_AROUND_MAX = 200 };

/* Both write to `to`, DIALECT_AROUND_MAX and the text's bytes long, and return how many they wrote.
 * history: all that the room has kept is asked for. Socket.IO always gets that. */
size_t dialect_join(enum dialect d, char *to, const char *room, const char *name, bool history);
size_t dialect_send(enum dialect d, char *to, const struct post *post);

enum event_kind dialect_kind(enum dialect d, const char *text, size_t count);
/* Of an EVENT_MESSAGE. False: it has no number or no stamp. */
bool dialect_message(enum dialect d, const char *text, size_t count, uint64_t *ret_seq,
                     struct stamp *ret_stamp);

/* Of an EVENT_JOINED. */
struct joined {
    uint64_t first; /* the number of the oldest message that the room has kept for us; seq + 1 if
                     * none */
    uint64_t seq;   /* the room's newest */
    /* Where the kept messages stand in the event itself; empty where they come as messages. */
    const char *kept;
    size_t kept_bytes;
};
/* False: it has no position, or its first kept message has no number. */
bool dialect_joined(enum dialect d, const char *text, size_t count, struct joined *ret_joined);
/* Takes the next kept message off the front; ret_seq 0: it has no number or no stamp. False: there
 * is none left. */
bool dialect_kept_next(struct joined *joined, uint64_t *ret_seq, struct stamp *ret_stamp);
