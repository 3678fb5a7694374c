/* epoch.h - when is no reader left inside? Quiescent-state based reclamation.
 *
 * Each shard is a reader. Once a turn, holding no pointer into shared data, it
 * passes a quiescent point; a shard that sleeps is quiescent all along. What an
 * owner has unlinked is handed to epoch_retire() and comes back, on the owner's
 * own thread, when every reader has passed a quiescent point since.
 *
 * Threads   epoch_online/quiesce/offline(i): reader i only. A struct epoch_bin:
 *           its owner only; any number of bins, one a shard.
 * Ownership a retired object is the bin's until its function is called, which
 *           then owns it again (wipes it, frees it).
 * Bound     the bin allocates nothing: links live in the retired objects.
 *
 * Why it holds. (1) The owner unlinks, then raises `now` (seq_cst), then reads
 * each reader's word. (2) A reader coming online stores its word, then reads
 * `now` again until both agree, all seq_cst. If the owner's read missed that
 * store, then in the single total order the raise comes before the reader's last
 * read of `now`, which therefore sees it, and with it the unlinking. (3) A reader
 * that is online only moves its word forward to a value of `now` that it has
 * read with acquire, holding no pointers: having seen the raise it sees the
 * unlinking; and its release store hands its finished reads to the owner. No
 * fences stand alone, so ThreadSanitizer can follow.
 * Reference T. Hart et al., "Performance of memory reclamation for lockless
 * synchronization", 2007 (QSBR). */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct epoch_reader {
    alignas(64) _Atomic uint64_t seen; /* 0 while offline */
};

struct epoch {
    alignas(64) _Atomic uint64_t now; /* starts at 1 */
    uint32_t readers_count;
    struct epoch_reader *readers;
};

struct epoch_item;
typedef void epoch_fn(struct epoch_item *item);
struct epoch_item {
    struct epoch_item *next;
    uint64_t target; /* every reader must have seen this, or be offline */
    epoch_fn *done;
};

/* One owner's retired objects, oldest first. */
struct epoch_bin {
    struct epoch *epoch;
    struct epoch_item *first, **end;
};

int epoch_init(struct epoch *epoch, uint32_t readers_count); /* 0, -ENOMEM; all offline */
void epoch_deinit(struct epoch *epoch);

void epoch_online(struct epoch *epoch, uint32_t reader);
void epoch_quiesce(struct epoch *epoch, uint32_t reader); /* while online */
void epoch_offline(struct epoch *epoch, uint32_t reader);

void epoch_bin_init(struct epoch_bin *bin, struct epoch *epoch);
void epoch_retire(struct epoch_bin *bin, struct epoch_item *item, epoch_fn *done);
/* Calls `done` of each object whose readers are gone. True where some still wait. The caller's own
 * reader counts: pass its quiescent point first. */
bool epoch_collect(struct epoch_bin *bin);
/* Calls every `done` at once: only when all readers have stopped for good. */
void epoch_bin_drain(struct epoch_bin *bin);
