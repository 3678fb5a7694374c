/* log_segment.h - one link of an append log's chain, shared by its parts (log.c, log_read.c,
 * log_replace.c).
 */
#pragma once

#include "ringroom/room/log.h"

#include <assert.h>

struct log_entry {
    uint32_t end;      /* offset behind its last byte; it starts where the one before ends */
    uint32_t after_ms; /* its time, from the segment's base_ms on; never falls within a log */
    /* Odd: the author's mark, and the entry's bytes are those in the segment. Even: a pointer to
     * the struct log_replacement that stands in their place, and has the mark. */
    _Atomic uint64_t origin;
};
static_assert(sizeof(struct log_entry) == 16, "every message pays for it");

struct log_segment {
    struct epoch_item retired; /* on its way to being freed */
    struct epoch_item wiping;  /* on its way to losing its dead prefix */
    _Atomic(struct log_segment *) next;
    struct log_env *env;
    uint64_t first;     /* its first entry's number; never changes once linked */
    uint64_t base_ms;   /* its first entry's time; never changes once linked */
    uint32_t size;      /* bytes of data[] */
    uint32_t used;      /* owner: bytes written at the front */
    uint32_t count;     /* owner: entries written at the back; readers go by the log's `end` */
    uint32_t wiped;     /* owner: data[0, wiped) holds zeros */
    uint32_t wipe_to;   /* owner: the wipe under way ends here */
    uint32_t wipe_goal; /* owner: everything below is dead */
    uint32_t forgotten; /* owner: replacements of entries below this index are on their way out */
    bool wipe_pending;  /* owner: true exactly while `wiping` is in the bin */
    bool unlinked;      /* owner: from when `retired` is in the bin */
    /* From when an entry was first replaced. Set by the owner before that one's `origin`. */
    _Atomic bool replaced;
    /* Wire bytes from the front; entries from the back, the first one last. */
    alignas(16) uint8_t data[];
};

/* Bytes that stand in an entry's place. Readers find it by the entry; it goes when the entry does,
 * or when another one takes its place. */
struct log_replacement {
    struct epoch_item retired; /* on its way to being freed */
    struct epoch_item wiping;  /* of an entry's first one: on its way to wiping the entry's bytes */
    struct log_env *env;
    struct log_segment *segment;
    uint64_t author;  /* owner: the entry's `origin` before */
    uint32_t index;   /* in the segment */
    uint32_t version; /* 1 for an entry's first one */
    uint32_t len;
    uint8_t bytes[];
};

static inline struct log_entry *segment_entry(const struct log_segment *segment, uint32_t index)
{
    /* data and size are multiples of 16, so entries are aligned. */
    const uint8_t *end = segment->data + segment->size;

    return (struct log_entry *)(uintptr_t)end - 1 - index;
}

static inline uint32_t segment_entry_start(const struct log_segment *segment, uint32_t index)
{
    return index ? segment_entry(segment, index - 1)->end : 0;
}

/* As appended. */
static inline struct slice segment_entry_bytes(const struct log_segment *segment, uint32_t index)
{
    uint32_t start = segment_entry_start(segment, index);

    return slice_make(segment->data + start, segment_entry(segment, index)->end - start);
}

static inline uint64_t segment_entry_ms(const struct log_segment *segment, uint32_t index)
{
    return segment->base_ms + segment_entry(segment, index)->after_ms;
}

static inline bool origin_is_author(uint64_t origin)
{
    return origin & 1;
}

/* What stands in the entry's place, or NULL. Acquire pairs with the release store of
 * segment_replace(): who sees the pointer sees what is behind it. */
static inline struct log_replacement *segment_replacement(const struct log_segment *segment,
                                                          uint32_t index)
{
    uint64_t origin =
        atomic_load_explicit(&segment_entry(segment, index)->origin, memory_order_acquire);

    return origin_is_author(origin) ? NULL : (struct log_replacement *)(uintptr_t)origin;
}

/* Entries of it have been replaced. Relaxed suffices: a reader that has been quiescent since, or is
 * the owner, sees it; any other one may still read the old bytes. */
static inline bool segment_has_replaced(const struct log_segment *segment)
{
    return atomic_load_explicit(&segment->replaced, memory_order_relaxed);
}

void segment_wipe_prefix(struct log_segment *segment, uint32_t goal);
/* Owner, log_replace.c. Puts it in the entry's place, for good or until the next one. */
void segment_replace(struct log_segment *segment, uint32_t index, struct log_replacement *by);
/* Owner. Entries below that index are dead, and readers know: lets go of their replacements. */
void segment_forget_replaced(struct log_segment *segment, uint32_t index);
/* No reader is inside any more. Frees the replacements that are left. */
void segment_free_replaced(struct log_segment *segment);
