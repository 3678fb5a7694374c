/* ask.h - a letter between shards: something asked of a room's owner, and its answer.
 *
 * An ask is made by the shard of the client that wants something, travels to
 * the owner of the room, is answered there in place, and comes home to be
 * delivered and freed: its maker is the one who frees it. Where owner and maker
 * are one shard it is answered on the spot.
 *
 * Bound     ASKS_MAX under way for a shard; beyond it requests are answered with
 *           `unavailable`. */
#pragma once

#include "ringroom/base/buf.h"
#include "ringroom/proto/native.h"
#include "ringroom/sync/inbox.h"

struct api_work;
struct client;
struct member;
struct view;

enum post_kind {
    POST_JOIN,    /* ask: become a member */
    POST_STATE,   /* ask: the room's present state; perhaps a new name */
    POST_SEND,    /* ask: append a message */
    POST_TYPING,  /* ask: tell the others */
    POST_HISTORY, /* ask */
    POST_MEMBERS, /* ask */
    POST_DELETE,  /* ask: wipe one message */
    POST_KICK,    /* ask: make a user leave, and keep it out for a while */
    POST_MUTE,    /* ask: refuse a user's messages for a while */
    POST_CLOSE,   /* ask: wipe all, and make everyone leave */

    /* Asks of the HTTP API alone: struct api_work. */
    POST_LOOK,       /* ask: a room's state */
    POST_PUT,        /* ask: set a room's limits, make it where there is none */
    POST_PUBLISH,    /* ask: append messages, all or none */
    POST_LIST,       /* ask of a shard: rooms that it owns */
    POST_DISCONNECT, /* ask of a shard: close what a user has there */

    POST_LEAVE,    /* a member's own letter: gone from the room */
    POST_EXPEL,    /* a verdict, from the owner: members are to leave */
    POST_ADVANCED, /* a view's own letter, from the owner: the room has something new */
    POST_STOP,     /* orders of the server */
    POST_CUT,
    POST_EXIT,
    POST_PULSE,
    POST_RELOAD,

    POST_POLL,    /* errand: a GET for packets */
    POST_BODY,    /* errand: a POST of packets */
    POST_PROBE,   /* errand: may a WebSocket try to take over? */
    POST_UNPROBE, /* errand: it has given up */
    POST_PROBED,  /* errand: it works, let a waiting poll go */
    POST_UPGRADE, /* errand: hand the session over */
    POST_RELEASE, /* errand: it stands on its new transport */
    POST_ABANDON, /* errand: a waiting poll's connection is gone */
    POST_FIND,    /* errand: a client comes back, from shard to shard until its session is found */
};

/* The head of every letter. */
struct post {
    struct letter letter;
    uint8_t kind;  /* enum post_kind */
    bool answered; /* on its way home */
    uint16_t from; /* the shard it comes home to */
};

enum { ASKS_MAX = 1 << 16 };

/* From a room's owner to another shard with members in it: these are to leave. Its maker frees it
 * when it comes home. */
struct verdict {
    struct post post;
    struct view *view;
    const char *reason; /* static text, as `closed` tells it */
    uint8_t uid_len;    /* 0: all of them */
    char uid[];
};

struct ask {
    struct post post;
    struct client *client; /* stays until the ask is home */

    /* The question. Slices point into bytes[]. */
    struct view *view;     /* of the asking shard; NULL where it has none of that room */
    struct member *member; /* join: to be made a member when the answer is yes; state: who asks */
    struct slice id, room, uid, name, cid, body, since_epoch;
    struct room_wish wish;     /* join */
    struct native_range range; /* history */
    bool moderator;            /* delete: may delete what others have written */
    uint64_t number;           /* delete */
    struct slice target;       /* kick, mute: a uid */
    uint64_t seconds;          /* kick, mute */
    uint64_t user;             /* typing: events that are not for this user */
    bool renames;              /* state: `name` is to be taken over */
    bool projected;            /* join: reads the room's projection */
    struct api_work *api;      /* what a call of the HTTP API asks; NULL: a client asks */

    /* The answer. */
    struct native_fault fault; /* code NULL: success */
    uint64_t retry_ms;         /* with the fault: when it may succeed; 0: not known */
    struct room *owned;        /* join: the owner's room, readable while a member */
    struct native_joined joined;
    uint64_t cursor, notices_cursor;
    uint64_t seq, ts_ms;
    bool dup;
    struct buf reply; /* history, members; what the HTTP API asks: ready JSON */

    uint32_t used, cap;
    uint8_t bytes[];
};

/* NULL where memory has run out. `bytes` for the slices that ask_put() will copy. */
struct ask *ask_new(enum post_kind kind, struct client *client, size_t bytes);
void ask_free(struct ask *ask); /* takes NULL */
/* Copies a slice into the ask. There must be room. */
struct slice ask_put(struct ask *ask, struct slice from);
