/* log.h - a room's append log: its history, its delivery queue and its order, in one.
 *
 * Entries are wire bytes, written once, numbered 1, 2, 3 ... A reader is a cursor.
 * The log is a chain of segments; a segment holds bytes contiguous from its front
 * and an index of its entries from its back, in one allocation. Segments start
 * small and grow; a log without entries holds none.
 *
 *   numbers:   1 ........ held ........ kept ........ end
 *              gone       for cursors   history       next to be given
 *
 * What the limits drop from history (below `kept`) stays readable to cursors
 * within the delivery window (down to `held`). Time is absolute: what has expired
 * is below `held` at once, and nothing expired is read even before the sweep.
 *
 * An entry can be replaced: other bytes, of any length, stand in its place, under its
 * number and its time. A reader that comes later finds those only; the old ones are
 * wiped when no reader can be inside.
 *
 * A follower holds another form of its leader's entries: the same numbers, the same
 * times. It has no limits and no time to live of its own; what the leader drops, it
 * drops. The same code reads both.
 *
 * Threads   the owner shard: everything. Any shard, while it passes quiescent
 *           points (epoch.h) and the log cannot go (its room has a member there):
 *           log_read(), log_next(), log_end(); its cursors are its own.
 * Order     one release store of `end` publishes an entry; a reader's acquire
 *           load of `end` pairs with it.
 * Ownership unlinked segments pass to the epoch bin, which wipes and frees them
 *           when no reader can be inside. A dead prefix of the oldest segment is
 *           wiped the same way, in place; and so is an entry that was replaced.
 * Bound     history: limits; beyond it: the window plus one segment; a follower:
 *           as many entries as its leader, plus one segment; all logs of the
 *           process together: log_env.bytes_max, but for replacements: at most
 *           one an entry, and an entry counts for the longer of the two. */
#pragma once

#include "ringroom/room/retention.h"
#include "ringroom/sync/epoch.h"

enum {
    LOG_SEGMENT_FIRST_BYTES = 256, /* data of a log's first segment; each next one doubles ... */
    LOG_SEGMENT_MAX_BYTES = 65536, /* ... up to this, or to what one entry needs */
    LOG_ENTRY_MAX_BYTES = 32 << 20,
};

/* What has become of the entries of all logs that share them. */
struct log_counts {
    uint64_t appended, appended_bytes;
    uint64_t kept;                      /* are in a history now; what has expired, until swept */
    uint64_t trimmed, expired, cleared; /* left it: by its limits, by time, all at once */
    uint64_t wiped_bytes;               /* were overwritten, and their memory given back */
};

/* What logs of one owner shard share. */
struct log_env {
    struct epoch_bin *bin;
    _Atomic uint64_t *bytes_used; /* by all logs of the process */
    uint64_t bytes_max;       /* 0 = no limit. Shards look, then add: all at once they may pass it
                               * by one segment each */
    struct log_counts counts; /* the owner's */
};

struct log_limits {
    uint64_t ttl_ms;
    enum ttl_from ttl_from;
    uint64_t messages_max;
    uint64_t bytes_max;
    uint64_t window_bytes; /* readable to cursors beyond the two above */
};

struct log_segment;

/* A place in the log, owner's view: an entry by number and where it lies. */
struct log_place {
    uint64_t number;
    struct log_segment *segment; /* holds `number`, or is the last one where number == end; NULL
                                  * in an empty log */
};

struct log {
    /* Read by every shard. */
    _Atomic uint64_t end;               /* all below are published */
    _Atomic uint64_t held;              /* the oldest that a cursor may read */
    _Atomic uint64_t kept;              /* the oldest of the history */
    _Atomic uint64_t dead_ms;           /* from this moment on all of it has expired */
    _Atomic uint64_t entry_ttl_ms;      /* each entry's own time to live; 0 = all end together */
    _Atomic(struct log_segment *) head; /* the oldest segment, or NULL */

    /* The owner's. */
    struct log_segment *tail;
    struct log_segment *spare; /* allocated by log_prepare(), not linked yet */
    struct log_env *env;
    const struct log *leader;    /* of a follower; else NULL */
    struct log_place kept_at;    /* number == kept */
    struct log_place held_at;    /* number == held */
    struct log_place unwiped_at; /* the oldest entry whose bytes still stand in memory */
    uint64_t kept_bytes;         /* in [kept, end) */
    uint64_t window_bytes;       /* in [held, kept) */
    uint64_t newest_ms,
        first_ms;             /* times of the newest entry, and of the first since it was empty */
    struct log_limits limits; /* none in a follower */
};

void log_init(struct log *log, struct log_env *env, const struct log_limits *limits);
/* An empty log whose next number is the leader's `held`, and which shall get each entry from there
 * on. The leader outlives it. In a follower `kept` is `held`: where history begins, the leader
 * knows. */
void log_init_follower(struct log *log, struct log_env *env, const struct log *leader);
/* No shard may read it any more. Segments are wiped and freed through the bin. */
void log_deinit(struct log *log);
void log_set_limits(struct log *log, const struct log_limits *limits, uint64_t now_ms);
/* Owner. Drops and wipes what the leader has dropped, and takes over when the rest expires. After
 * whatever drops, expires or limits the leader's entries. */
void log_follow(struct log *log);

/* Where the next entry is to be written. */
struct log_slot {
    uint64_t number;
    uint64_t author; /* 0; the caller's mark of who wrote it, for log_author(): the lowest bit is
                      * lost */
    uint8_t *bytes;
    size_t cap;
};

/* Owner. Room for an entry of at most `bytes` bytes. 0, -ENOMEM, -ENOSPC (bytes_max of all logs is
 * reached), -EMSGSIZE. Nothing changes for readers until log_commit(); a slot that is not
 * committed is simply forgotten. Expires first what has expired by now_ms. */
int log_prepare(struct log *log, size_t bytes, uint64_t now_ms, struct log_slot *ret_slot);
/* Owner. Place for the next `entries` entries, together of at most `bytes` bytes: as long as time
 * stands still, log_prepare() of them can't fail. Errors as there; -EMSGSIZE where all together are
 * too long for one. */
int log_reserve(struct log *log, size_t bytes, size_t entries, uint64_t now_ms);
/* Owner. Publishes the slot's first `bytes` bytes (at least 1), then applies the limits. now_ms as
 * given to log_prepare(); in a follower the time of the leader's entry of that number, which comes
 * first. */
void log_commit(struct log *log, const struct log_slot *slot, size_t bytes, uint64_t now_ms);
/* Owner. Drops and wipes what has expired. */
void log_expire(struct log *log, uint64_t now_ms);
/* Owner. Drops all entries at once; numbers go on. */
void log_clear(struct log *log);

/* Bytes that are to stand in an entry's place. */
struct log_replacement;
/* Owner. A copy of 1 to LOG_ENTRY_MAX_BYTES bytes; NULL where memory has run out. Counts among all
 * logs but is not refused at their bound: what must go can go. */
struct log_replacement *log_replacement_new(struct log_env *env, struct slice bytes);
/* Owner. One that was not used. Takes NULL. */
void log_replacement_free(struct log_replacement *replacement);
/* Owner. From here on readers find these bytes in the entry's place: this shard at once, any other
 * one from its quiescent point on at the latest. A cursor that has read a part of the old ones is
 * torn. May be done again. Then applies the limits. 0 and the replacement is the log's; or -ENOENT
 * where the entry is dropped, expired or not there yet, and it is the caller's still. */
int log_replace(struct log *log, uint64_t number, struct log_replacement *by, uint64_t now_ms);
/* Owner. An entry that a cursor may read, and that has been replaced. */
bool log_is_replaced(const struct log *log, uint64_t number);
/* Owner. The slot's `author` with the lowest bit set, replaced or not; 0 where a cursor may not
 * read the entry. */
uint64_t log_author(const struct log *log, uint64_t number);

/* Owner. When log_expire() next has something to do; UINT64_MAX where the log is empty. */
uint64_t log_expiry_ms(const struct log *log);
static inline bool log_is_empty(const struct log *log)
{
    return atomic_load_explicit(&log->head, memory_order_relaxed) == NULL;
}

/* The next number to be given. */
static inline uint64_t log_end(const struct log *log)
{
    return atomic_load_explicit(&log->end, memory_order_acquire);
}
/* The oldest number of the history at now_ms; log_end() where there is none. Owner. */
uint64_t log_first(const struct log *log, uint64_t now_ms);
/* Owner. The oldest number that a cursor may read at now_ms, history or not; log_end() where none.
 */
uint64_t log_oldest(const struct log *log, uint64_t now_ms);
/* Owner. The time of the entry appended last. */
static inline uint64_t log_newest_ms(const struct log *log)
{
    return log->newest_ms;
}
/* Owner. The history's size at the last append or expiry. */
static inline uint64_t log_kept_bytes(const struct log *log)
{
    return log->kept_bytes;
}

/* One reader's place. `segment` is a hint, checked before use. */
struct log_cursor {
    uint64_t next;               /* the number to be read next */
    struct log_segment *segment; /* where it was last */
    uint64_t segment_first;      /* that segment's first number */
    uint32_t offset;  /* bytes of entry `next` already read: it was longer than the room */
    uint32_t version; /* of those, or of the entry that log_next() gave last: how often it had been
                       * replaced */
};

static inline void log_cursor_init(struct log_cursor *cursor, uint64_t next)
{
    *cursor = (struct log_cursor){.next = next};
}

enum log_result {
    LOG_NOTHING, /* the cursor is at the end */
    LOG_BYTES,   /* ret->bytes bytes were copied */
    LOG_FULL,    /* the next entry does not fit into `cap`, and more has been asked not to be cut */
    LOG_GAP,     /* entries from ret->from to ret->to are gone; the cursor stands behind them */
    LOG_TORN /* as LOG_GAP, and the entry of which a part was read is among them, or was replaced */
};

struct log_read {
    size_t bytes;
    uint64_t from, to;
};

/* Any shard. Copies entries from the cursor on to dst: as many whole ones as fit; or, where `cut`
 * is set and not even the first one fits, that one's next `cap` bytes. Of an entry that was cut,
 * first the rest. */
enum log_result log_read(const struct log *log, struct log_cursor *cursor, uint64_t now_ms,
                         uint8_t *dst, size_t cap, bool cut, struct log_read *ret);

/* Any shard. The bytes of the entry at the cursor, in place, valid until this shard's next
 * quiescent point, and moves on. Not for a cursor that has cut an entry. LOG_BYTES, LOG_NOTHING or
 * LOG_GAP (ret_bytes is not written). */
enum log_result log_next(const struct log *log, struct log_cursor *cursor, uint64_t now_ms,
                         struct slice *ret_bytes, struct log_read *ret);

/* Any shard. The time of the entry that log_next() gave last by this cursor; as long as its bytes
 * are valid. */
uint64_t log_cursor_time_ms(const struct log_cursor *cursor);
/* Any shard. The entry that log_next() gave last by this cursor stood in another one's place. */
static inline bool log_cursor_is_replaced(const struct log_cursor *cursor)
{
    return cursor->version > 0;
}
