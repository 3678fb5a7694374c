/* The steps (1) to (3) below are those of the proof in the header. */
#include "ringroom/sync/epoch.h"

#include "ringroom/base/check.h"
#include "ringroom/base/mem.h"
#include <errno.h>

int epoch_init(struct epoch *epoch, uint32_t readers_count)
{
    CHECK(readers_count > 0);
    epoch->readers = mem_zalloc_aligned(alignof(struct epoch_reader),
                                        readers_count * sizeof(struct epoch_reader));
    if (!epoch->readers)
        return -ENOMEM;
    epoch->readers_count = readers_count;
    atomic_init(&epoch->now, 1);
    for (uint32_t i = 0; i < readers_count; i++)
        atomic_init(&epoch->readers[i].seen, 0);
    return 0;
}

void epoch_deinit(struct epoch *epoch)
{
    mem_free(epoch->readers);
    epoch->readers = NULL;
    epoch->readers_count = 0;
}

static inline _Atomic uint64_t *seen_by(struct epoch *epoch, uint32_t reader)
{
    CHECK(reader < epoch->readers_count);
    return &epoch->readers[reader].seen;
}

void epoch_online(struct epoch *epoch, uint32_t reader)
{
    _Atomic uint64_t *seen = seen_by(epoch, reader);
    uint64_t now = atomic_load(&epoch->now);

    DCHECK(atomic_load_explicit(seen, memory_order_relaxed) == 0);
    /* (2): seq_cst, against the raise in epoch_retire() and the reads in safe_epoch(). */
    for (;;) {
        atomic_store(seen, now);
        uint64_t again = atomic_load(&epoch->now);
        if (again == now)
            return;
        now = again;
    }
}

void epoch_quiesce(struct epoch *epoch, uint32_t reader)
{
    _Atomic uint64_t *seen = seen_by(epoch, reader);
    /* (3): acquire pairs with the raise in epoch_retire(), release with safe_epoch(). Relaxed:
     * nobody else writes this word. */
    uint64_t now = atomic_load_explicit(&epoch->now, memory_order_acquire);
    uint64_t before = atomic_load_explicit(seen, memory_order_relaxed);

    DCHECK(before != 0);
    /* Nothing retired since: all that waits for this reader waits for a later raise, and the
     * cache line is left where the owners read it. */
    if (before != now)
        atomic_store_explicit(seen, now, memory_order_release);
}

void epoch_offline(struct epoch *epoch, uint32_t reader)
{
    /* Release pairs with safe_epoch(): this reader's reads are over. */
    atomic_store_explicit(seen_by(epoch, reader), 0, memory_order_release);
}

void epoch_bin_init(struct epoch_bin *bin, struct epoch *epoch)
{
    bin->epoch = epoch;
    bin->first = NULL;
    bin->end = &bin->first;
}

void epoch_retire(struct epoch_bin *bin, struct epoch_item *item, epoch_fn *done)
{
    /* (1): seq_cst, and a read-modify-write, so that a reader that has seen a later raise, be it
     * another owner's, has seen this one and the unlinking before it. */
    item->target = atomic_fetch_add(&bin->epoch->now, 1) + 1;
    item->done = done;
    item->next = NULL;
    *bin->end = item;
    bin->end = &item->next;
}

/* No reader is inside anything retired with this target or an earlier one. */
static uint64_t safe_epoch(struct epoch *epoch)
{
    /* Not past what has been raised by now: what a `done` retires is not covered by the reads
     * below, for they came before its unlinking. */
    uint64_t safe = atomic_load(&epoch->now);

    for (uint32_t i = 0; i < epoch->readers_count; i++) {
        uint64_t seen = atomic_load(&epoch->readers[i].seen);
        if (seen != 0 && seen < safe)
            safe = seen;
    }
    return safe;
}

/* Takes the oldest off and gives it back to its owner. */
static void finish_first(struct epoch_bin *bin)
{
    struct epoch_item *item = bin->first;

    bin->first = item->next;
    if (!bin->first)
        bin->end = &bin->first;
    item->done(item);
}

bool epoch_collect(struct epoch_bin *bin)
{
    if (!bin->first)
        return false;
    uint64_t safe = safe_epoch(bin->epoch);
    while (bin->first && bin->first->target <= safe)
        finish_first(bin);
    return bin->first != NULL;
}

void epoch_bin_drain(struct epoch_bin *bin)
{
    while (bin->first)
        finish_first(bin);
}
