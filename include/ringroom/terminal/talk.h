/* talk.h - a conversation in one room, over connections that come and go: what to ask, what to
 * show.
 *
 * It speaks the native protocol (docs/protocol.md) and touches no socket: events go in, requests
 * come out of `out`, each a line of JSON.
 *
 *     Nothing missed  it comes back with `since`.
 *     Nothing twice   what has been shown is not shown again; what is said keeps its `cid`, and the
 *                     connection its session, until it is stored.
 *     In order        one message is under way at a time.
 *
 * Threads   its owner's. Times are monotonic milliseconds.
 * Ownership what was wished is borrowed; messages that wait are copied, and wiped when stored.
 * Bound     TALK_WAITING_MAX messages wait; each must fit what the server takes. */
#pragma once

#include "ringroom/base/buf.h"
#include "ringroom/base/list.h"
#include "ringroom/terminal/event.h"

enum {
    TALK_WAITING_MAX = 64,
    TALK_SID_MAX = 64, /* bytes, as the next two: of longer ones nothing is kept */
    TALK_UID_MAX = 128,
    TALK_EPOCH_MAX = 64,
    TALK_CID_BYTES = 16,
    TALK_TRIES_MAX = 10, /* of a message that the server has no room for at present */
    TALK_TROUBLE_BYTES = 512
};

struct talk_wish {
    const char *room;
    const char *name; /* NULL: none */
    uint64_t history; /* the newest so many; UINT64_MAX: all */
};

struct talk {
    struct talk_wish wish;
    struct buf out; /* requests, each with a newline behind it; the owner takes them */

    /* On the present connection. Ids are those of the request that an answer is awaited to, or 0.
     */
    bool greeted; /* `hello` has come */
    bool joined;  /* in the room */
    uint64_t joining_id, saying_id, auth_id;
    uint64_t join_at_ms, say_at_ms; /* when to try again; 0: not put off */
    uint64_t horizon;               /* the newest number at the join: up to it all is history */

    /* Across connections. */
    char sid[TALK_SID_MAX + 1], uid[TALK_UID_MAX + 1], epoch[TALK_EPOCH_MAX + 1];
    bool again, anew; /* at the latest join: not the first; and the room had begun anew meanwhile */
    uint64_t seq;     /* with the epoch: all up to here has been shown, or is known to be gone */
    uint64_t stored;  /* the newest number of a message of ours */
    uint64_t last_id;
    uint64_t max_message; /* bytes of a request; 0 before the first greeting */
    uint64_t typed_ms;    /* when `typing` was last told; 0: it was taken back */
    struct list waiting;  /* messages not stored yet, the oldest first */
    size_t waiting_count;
    unsigned tries;   /* of the oldest one, that the server had no room for */
    unsigned refused; /* messages that are said to be impossible; trouble tells of the latest */
    bool over;        /* the room is closed to us for good; trouble tells why */
    char trouble[TALK_TROUBLE_BYTES]; /* what the user should know; the owner empties it */
};

void talk_init(struct talk *talk, const struct talk_wish *wish);
void talk_deinit(struct talk *talk);

/* The connection is gone: what was under way on it will be asked again on the next. */
void talk_lost(struct talk *talk);
/* Takes an event. True where it is to be shown. */
bool talk_receive(struct talk *talk, const struct event *event, uint64_t now_ms);
/* Does what was put off and is due. */
void talk_turn(struct talk *talk, uint64_t now_ms);
/* When talk_turn() is due; UINT64_MAX: never. */
uint64_t talk_due_ms(const struct talk *talk);

/* Says something, now or as soon as possible. 0, -ENOBUFS (too many wait), -EILSEQ (not UTF-8),
 * -ENOMEM. */
int talk_say(struct talk *talk, struct slice text);
/* Tells the others that we type, not too often. */
void talk_typing(struct talk *talk, bool on, uint64_t now_ms);
void talk_ask_members(struct talk *talk);
/* Hands over a fresh token. */
void talk_auth(struct talk *talk, struct slice token);

/* All of the history has been shown, and all that was said has been stored and shown. */
bool talk_settled(const struct talk *talk);
