/* room.h - one room as its owner shard sees it: who is in it, what was said, what is kept.
 *
 * Threads   the owner shard only, but for what other shards read while they have
 *           a seat here: name, epoch, closed, log and notices (log_read and the
 *           like); and projection, while they have a session here that reads it.
 * Ownership the directory owns rooms. A seat belongs to the shard that sits in
 *           it; it is lent to the room from its first session to its last.
 * Life      from the first join or message until the last session has left, the
 *           last message has expired, nobody is waited for (room_linger()) and
 *           nobody is banned or muted: room_settle() frees it then, with the users
 *           who are absent. What else may be done to it, and how it is closed:
 *           moderation.h.
 * Bound     users: those with a session, and ROOM_ABSENT_MAX. */
#pragma once

#include "ringroom/base/buf.h"
#include "ringroom/base/list.h"
#include "ringroom/base/table.h"
#include "ringroom/base/wheel.h"
#include "ringroom/room/log.h"
#include "ringroom/room/sanctions.h"

enum {
    ROOM_NAME_MAX = 128, /* bytes */
    ROOM_USER_NAME_MAX = 128,
    ROOM_UID_MAX = 128,
    ROOM_CID_MAX = 64,
    ROOM_EPOCH_BYTES = 12, /* base64url of 72 random bits */

    /* Users whose connection broke and who are still taken for members; beyond, the one that was
     * lost first is no member any more. So who joins and breaks with ever new uids leaves no more
     * of them than this in a room. */
    ROOM_ABSENT_MAX = 1024,

    /* Presence and typing: a log of their own, short-lived, never history. */
    ROOM_NOTICE_TTL_MS = 10000,
    ROOM_NOTICE_BYTES_MAX = 65536,
};

/* What a room has of its own, in place of what the rules say: for one life of it. */
struct room_own {
    bool ttl, ttl_from, max_messages, max_bytes; /* which fields of `retention` count */
    struct retention retention;
    uint32_t members_max; /* 0: no limit; ROOM_MEMBERS_BY_RULE: as everywhere */
};
#define ROOM_MEMBERS_BY_RULE UINT32_MAX

struct room;

/* One shard's place in a room: it has members there and wants to hear when the room advances. */
struct room_seat {
    struct list link;  /* owner: in room->seats while sessions > 0 */
    uint32_t sessions; /* owner */
    struct room *room; /* owner: while sessions > 0 */
    /* When the first news were that the shard has been sent word of. Set by the owner once `told`
     * is set and before word goes out, read by the shard before it clears `told`. */
    uint64_t news_us;
    uint16_t shard;
    /* True from the moment the owner has sent word that the room has advanced until the shard
     * begins to look. Set by the owner, cleared by the shard. */
    _Atomic bool told;
};

/* Someone who is in the room, with one connection or several; or absent: without any, since the
 * last one broke, and taken for a member until a moment that may bring it back. */
struct room_user {
    struct table_link link;
    struct list absent; /* in the room's list, exactly while absent */
    uint64_t until_ms;  /* while absent */
    uint32_t sessions;
    bool sent_away; /* was made to leave, and has not come since: is not waited for */
    uint8_t uid_len, name_len;
    char text[]; /* uid, then name */
};

struct directory;

struct room {
    struct table_link link; /* in the directory, by name */
    struct directory *directory;
    struct log log;
    struct log *notices; /* allocated with the first session, freed with the last */
    /* The messages in another form, a follower of `log`: made for the first session that reads it,
     * freed with the last. */
    struct log *projection;
    uint32_t projected; /* sessions that read it */
    struct timer sweep; /* set while something will expire or end, or a count is due */
    struct sanctions sanctions;
    struct list seats;
    struct table users;
    struct list absent; /* struct room_user.absent, lost first first */
    uint32_t absent_count;
    struct table cids;             /* struct room_cid; remembered as long as its message is kept */
    struct list cids_by_age;       /* oldest first */
    uint32_t sessions;             /* connections in the room */
    _Atomic uint32_t members_seen; /* room_members(), for other shards; may lag a little */
    struct retention retention;
    struct room_own own;
    uint64_t last_ts_ms; /* Unix time of the newest message: never goes back */
    uint64_t counted_ms; /* when the last count-only presence notice was sent */
    bool count_due;      /* presence changed since */
    uint64_t linger_ms;  /* not freed before this moment; 0 from when the sweep has seen it pass */
    _Atomic bool closed; /* from room_close() until the last session has left */
    char epoch[ROOM_EPOCH_BYTES];
    uint8_t name_len;
    char name[];
};

static inline struct slice room_name(const struct room *room)
{
    return slice_make(room->name, room->name_len);
}
static inline struct slice room_epoch(const struct room *room)
{
    return slice_make(room->epoch, ROOM_EPOCH_BYTES);
}
static inline struct slice room_user_uid(const struct room_user *user)
{
    return slice_make(user->text, user->uid_len);
}
static inline struct slice room_user_name(const struct room_user *user)
{
    return slice_make(user->text + user->uid_len, user->name_len);
}
/* Any shard with a seat. Its members are to leave, and nobody may come in. */
static inline bool room_is_closed(const struct room *room)
{
    /* Acquire: pairs with the release store of room_close(). */
    return atomic_load_explicit(&room->closed, memory_order_acquire);
}
/* 1 to ROOM_NAME_MAX bytes of UTF-8 without control characters. */
bool room_name_valid(struct slice name);

/* Members: a user with several sessions is one member, and so is one who is absent. */
static inline uint32_t room_members(const struct room *room)
{
    return room->users.count;
}

/* One more session of `uid` on that seat. 0 and *ret_came (it was no member before); or, with
 * nothing changed, -ENOMEM or -ESHUTDOWN (the room is closed). Who is banned, the caller looks up.
 * The name given last is the user's. */
int room_join(struct room *room, struct room_seat *seat, struct slice uid, struct slice name,
              bool *ret_came);
/* One session less, which does not read the projection any more. True where it was the user's last
 * one. The room stands even if nothing holds it any more: call room_settle() when done with it. */
bool room_leave(struct room *room, struct room_seat *seat, struct slice uid);
/* The same of a session that did not say so. Where it was the user's last one it is absent until
 * `until_ms`, or as long as who was lost before it, and then no member any more, which the
 * directory tells. True where it is not waited for, since it was made to leave or all were. */
bool room_lose(struct room *room, struct room_seat *seat, struct slice uid, uint64_t until_ms);
/* The user is made to leave: told as gone at once where it is absent, and not waited for when its
 * sessions go. True where it has any. */
bool room_send_away(struct room *room, struct slice uid);
/* When the first of those absent will be no member any more; UINT64_MAX where none is. */
uint64_t room_absent_ms(const struct room *room);
/* One more session reads the projection. The first one has it made of all that cursors may still
 * read. 0, or as log_prepare() and room_project_fn, with nothing changed. */
int room_project(struct room *room, uint64_t now_ms);
/* One less. No shard reads it any more where this was the last. */
void room_unproject(struct room *room);
/* 0, -ENOMEM, -ENOENT. */
int room_rename(struct room *room, struct slice uid, struct slice name);
struct room_user *room_find_user(const struct room *room, struct slice uid);

/* From where a session reads. */
struct room_position {
    uint64_t cursor; /* where its cursor starts */
    uint64_t first;  /* the oldest number it will get; seq + 1 where none */
    uint64_t seq;    /* the newest number */
    bool recovered;
};

struct room_wish {
    bool has_since, has_history;
    struct slice since_epoch;
    uint64_t since_seq;
    uint64_t history; /* newest N */
};

/* 0, or -EINVAL where `since` lies beyond the newest message. */
int room_position(const struct room *room, const struct room_wish *wish, uint64_t now_ms,
                  struct room_position *ret_position);

/* Seconds until everything in the room has expired, rounded up; 0 where it is empty. */
uint64_t room_expires_in_s(const struct room *room, uint64_t now_ms);

/* The sender's own mark of a message, so that a retry is not stored twice. */
struct room_cid {
    struct table_link link;
    struct list by_age;
    uint64_t check; /* a second, independent hash: 128 bits identify uid and cid */
    uint64_t seq, ts_ms;
};

/* The kept message that this user marked so, or NULL. */
const struct room_cid *room_find_cid(struct room *room, struct slice uid, struct slice cid,
                                     uint64_t now_ms);

/* Forgets the marks of messages below that number. */
void room_forget_cids(struct room *room, uint64_t below_seq);

/* A message on its way into the log. */
struct room_message {
    struct log_slot slot; /* number = seq */
    uint64_t ts_ms;       /* Unix time, never below the one before */
    struct room_cid *mark;
};

/* Room for `bytes` wire bytes; `cid` may be empty, and so may `uid`, where nobody is the author.
 * Errors as log_prepare(), or -ESHUTDOWN (the room is closed). Either commit or cancel follows,
 * before anything else is done to the room. */
int room_prepare(struct room *room, struct slice uid, struct slice cid, size_t bytes,
                 uint64_t now_ms, uint64_t wall_ms, struct room_message *ret_message);
/* Publishes the slot's first `bytes` bytes, in both forms where someone reads the other one. 0; or,
 * where that one finds no place, as room_project(): the message is cancelled, and readers see no
 * change. */
int room_commit(struct room *room, struct room_message *message, size_t bytes, uint64_t now_ms);
/* What was written is wiped. */
void room_cancel(struct room *room, struct room_message *message);

/* Several messages at once, in order, one number after the other: all of them, or none.
 * room_batch.c. */
struct room_batch_message {
    struct slice uid; /* empty: nobody is the author */
    struct slice cid; /* empty: none */
    /* The result. */
    uint64_t seq, ts_ms;
    bool dup; /* this user has said it before under that cid: it is not stored again */
};
struct room_batch {
    struct room_batch_message *messages;
    size_t count;
    /* Appends a message's wire form to `out`. Called once for each that is to be stored, in order.
     * 0, -ENOMEM, -ENOBUFS. */
    int (*write)(void *user, size_t index, uint64_t seq, uint64_t ts_ms, struct buf *out);
    void *user;
};
/* 0; or, with nothing stored and nothing seen by any reader, as room_prepare() and room_commit().
 */
int room_append_all(struct room *room, const struct room_batch *batch, uint64_t now_ms,
                    uint64_t wall_ms);

/* In place of what it had of its own before; it holds for what is kept already, too. directory.c.
 */
void room_set_own(struct room *room, const struct room_own *own, uint64_t now_ms);

/* A passing event for the members of the moment: an entry of the notices' log that starts with the
 * 8 bytes of `except`, the user it is not for (0: for all), then wire bytes. False where it had to
 * be dropped. */
enum { ROOM_NOTICE_HEAD = 8 };
bool room_notify(struct room *room, uint64_t except, struct slice wire, uint64_t now_ms);

/* Sets the sweep for the next expiry. After every append. */
void room_schedule(struct room *room);
/* Keeps the room, and with it its epoch, until that moment at least, so that its only member finds
 * it again after a short break. The sweep comes by then and settles it. Never shortens an earlier
 * one. Nothing where the room is closed. */
void room_linger(struct room *room, uint64_t until_ms);
/* Frees the room where nobody is in it, nothing is kept, nobody is banned or muted and it does not
 * linger; a closed one that must stay opens again, with a new epoch. True where it is gone. */
bool room_settle(struct room *room);
