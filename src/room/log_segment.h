/* log_segment.h - one link of an append log's chain, shared by its two halves (log.c, log_read.c).
 */
#pragma once

#include "ringroom/room/log.h"

struct log_entry {
    uint32_t end;     /* offset behind its last byte; it starts where the one before ends */
    uint32_t unused;  /* keeps the size in sight */
    uint64_t time_ms; /* monotonic; never falls within a log */
};

struct log_segment {
    struct epoch_item retired; /* on its way to being freed */
    struct epoch_item wiping;  /* on its way to losing its dead prefix */
    _Atomic(struct log_segment *) next;
    struct log_env *env;
    uint64_t first;     /* its first entry's number; never changes once linked */
    uint32_t size;      /* bytes of data[] */
    uint32_t used;      /* owner: bytes written at the front */
    uint32_t count;     /* owner: entries written at the back; readers go by the log's `end` */
    uint32_t wiped;     /* owner: data[0, wiped) holds zeros */
    uint32_t wipe_to;   /* owner: the wipe under way ends here */
    uint32_t wipe_goal; /* owner: everything below is dead */
    bool wipe_pending;  /* owner: true exactly while `wiping` is in the bin */
    bool unlinked;      /* owner: from when `retired` is in the bin */
    /* Wire bytes from the front; entries from the back, the first one last. */
    alignas(16) uint8_t data[];
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

static inline uint32_t segment_entry_bytes(const struct log_segment *segment, uint32_t index)
{
    return segment_entry(segment, index)->end - segment_entry_start(segment, index);
}

void segment_wipe_prefix(struct log_segment *segment, uint32_t goal);
