/* meter.c - a table of sets of 16 entries, searched from the front.
 *
 * An entry's state is one word: the tag of whose it is (0: nobody's), and how often it is held. So
 * holding, releasing and taking over are one compare-and-swap each.
 *
 * Two threads may want an entry for the same new address at once, and must not both get one. So an
 * entry is taken over in two steps: first it is CLAIMED, then the claimer looks through the set
 * once more. Does it see its tag anywhere else, it lets go and begins again; else it makes the
 * entry known with a count of 1. Say two did so with one tag, by entries A and B. Each has first
 * written its claim and then read the other's entry, all sequentially consistent; the later of the
 * two claims was written before its claimer read the earlier one, and so must have seen it: a
 * claimed entry is touched by its claimer alone, and one that is held goes to nobody else. Hence
 * one tag has one entry.
 *
 * A claimer that is stopped between its two steps makes others that want the same new address look
 * again and again: they give up after CLAIM_TRIES, some tens of microseconds, rather than wait. */
#include "ringroom/sync/meter.h"

#include "ringroom/base/check.h"
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>

enum { SET_ENTRIES = 16, CLAIM_TRIES = 1000, COUNT_BITS = 24, CACHE_LINE_BYTES = 64 };

#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define CLAIMED    COUNT_MASK /* in place of a count */
#define NOBODY     UINT64_C(0)

struct meter_entry {
    _Atomic uint64_t state;                  /* tag above, count below */
    _Atomic uint64_t full_ns[METER_BUCKETS]; /* when the bucket is full again */
    uint64_t spare;                          /* two to a cache line */
};
static_assert(sizeof(struct meter_entry) == 32, "two to a cache line");

struct meter {
    size_t sets; /* a power of two */
    struct meter_entry *entries;
    void *block; /* the entries are in it, from a cache line's start */
};

struct meter *meter_new(size_t entries)
{
    struct meter *meter = mem_zalloc(sizeof(*meter));
    size_t sets = 1;

    while (sets * SET_ENTRIES < entries)
        sets *= 2;
    /* Zero bits are nobody's entry with full buckets; set here by hand, they would all be touched.
     */
    if (meter)
        meter->block =
            mem_zalloc(sets * SET_ENTRIES * sizeof(struct meter_entry) + CACHE_LINE_BYTES);
    if (!meter || !meter->block) {
        meter_free(meter);
        return NULL;
    }
    uintptr_t start = (uintptr_t)meter->block + CACHE_LINE_BYTES - 1;
    meter->entries = (struct meter_entry *)(start - start % CACHE_LINE_BYTES);
    meter->sets = sets;
    return meter;
}

void meter_free(struct meter *meter)
{
    if (!meter)
        return;
    mem_free(meter->block);
    mem_free(meter);
}

/* The low bits of a hash choose the set; the 40 high ones are the tag, in its place in a state. */
static uint64_t tag_of(uint64_t hash)
{
    uint64_t tag = hash & ~COUNT_MASK;

    return tag ? tag : COUNT_MASK + 1;
}

static bool is_tagged(uint64_t state, uint64_t tag)
{
    return (state & ~COUNT_MASK) == tag;
}

/* The entry with that tag, and its state, or NULL. */
static struct meter_entry *find(struct meter_entry *set, uint64_t tag,
                                const struct meter_entry *but_not, uint64_t *ret_state)
{
    for (size_t i = 0; i < SET_ENTRIES; i++) {
        /* seq_cst, behind the claim in take_over(). Acquire, which is in it, is not needed: what
         * goes with a state is read after the compare-and-swap that holds it. */
        uint64_t state = atomic_load(&set[i].state);
        if (is_tagged(state, tag) && &set[i] != but_not) {
            *ret_state = state;
            return &set[i];
        }
    }
    return NULL;
}

/* The entry that nobody holds and whose buckets are full first, and its state; or NULL. Relaxed: a
 * look, which the compare-and-swap of take_over() confirms as far as it matters. */
static struct meter_entry *find_idle(struct meter_entry *set, uint64_t *ret_state)
{
    struct meter_entry *idlest = NULL;
    uint64_t earliest = UINT64_MAX;

    for (size_t i = 0; i < SET_ENTRIES; i++) {
        uint64_t state = atomic_load_explicit(&set[i].state, memory_order_relaxed);
        uint64_t full = 0;
        if (state & COUNT_MASK)
            continue;
        for (size_t b = 0; b < METER_BUCKETS; b++) {
            uint64_t time = atomic_load_explicit(&set[i].full_ns[b], memory_order_relaxed);
            full = time > full ? time : full;
        }
        if (idlest && full >= earliest)
            continue;
        idlest = &set[i];
        earliest = full;
        *ret_state = state;
    }
    return idlest;
}

/* Makes an idle entry that of `tag`, held once. False: others were quicker. */
static bool take_over(struct meter_entry *set, struct meter_entry *entry, uint64_t state,
                      uint64_t tag)
{
    uint64_t other;

    /* seq_cst, before the reads in find(): see the top. Acquire, which is in it, pairs with
     * meter_release(): the last holder's writes to the buckets are over. */
    if (!atomic_compare_exchange_strong(&entry->state, &state, tag | CLAIMED))
        return false;
    bool alone = !find(set, tag, entry, &other);
    for (size_t b = 0; b < METER_BUCKETS; b++)
        atomic_store_explicit(&entry->full_ns[b], 0, memory_order_relaxed);
    /* Release pairs with hold_known(): who holds the entry sees full buckets. */
    atomic_store_explicit(&entry->state, alone ? tag | 1 : NOBODY, memory_order_release);
    return alone;
}

/* One more holder of an entry that has its tag. 0, -EUSERS, -ENOBUFS; -EAGAIN: it is not, or not
 * yet, that tag's. */
static int hold_known(struct meter_entry *entry, uint64_t state, uint32_t max)
{
    uint64_t tag = state & ~COUNT_MASK;

    do {
        uint64_t count = state & COUNT_MASK;
        if (!is_tagged(state, tag) || count == CLAIMED)
            return -EAGAIN;
        if (max && count >= max)
            return -EUSERS;
        if (count + 1 == CLAIMED)
            return -ENOBUFS;
        /* Acquire pairs with the release that made the entry known, in take_over(). */
    } while (!atomic_compare_exchange_weak_explicit(&entry->state, &state, state + 1,
                                                    memory_order_acquire, memory_order_relaxed));
    return 0;
}

int meter_hold(struct meter *meter, uint64_t hash, uint32_t max, struct meter_entry **ret_entry)
{
    struct meter_entry *set = &meter->entries[(hash & (meter->sets - 1)) * SET_ENTRIES];
    uint64_t tag = tag_of(hash), state;

    *ret_entry = NULL;
    for (int tries = 0; tries < CLAIM_TRIES; tries++) {
        struct meter_entry *entry = find(set, tag, NULL, &state);
        int error = entry ? hold_known(entry, state, max) : -EAGAIN;
        if (!entry) {
            entry = find_idle(set, &state);
            error = !entry ? -ENOBUFS : take_over(set, entry, state, tag) ? 0 : -EAGAIN;
        }
        if (error == -EAGAIN)
            continue;
        *ret_entry = error ? NULL : entry;
        return error;
    }
    return -ENOBUFS;
}

void meter_release(struct meter_entry *entry)
{
    if (!entry)
        return;
    /* Release pairs with take_over(): this holder's writes to the buckets are over. */
    uint64_t state = atomic_fetch_sub_explicit(&entry->state, 1, memory_order_release);
    CHECK((state & COUNT_MASK) > 0 && (state & COUNT_MASK) != CLAIMED);
}

bool meter_is(const struct meter_entry *entry, uint64_t hash)
{
    /* Relaxed: the tag does not change while it is held. Another set may know another address by
     * this tag; that is as likely as two of one hash. */
    return is_tagged(atomic_load_explicit(&entry->state, memory_order_relaxed), tag_of(hash));
}

/* With one taken, the bucket is full again at *ret_full_ns. False: it is empty, and has the next
 * one in *ret_retry_us. */
static bool conforms(const struct meter_rate *rate, uint64_t full_ns, uint64_t now_us,
                     uint64_t *ret_full_ns, uint64_t *ret_retry_us)
{
    uint64_t now_ns = now_us * 1000;
    uint64_t each_ns = 1000000000 / rate->per_second;
    uint64_t next_ns = (full_ns > now_ns ? full_ns : now_ns) + each_ns;
    uint64_t latest_ns = now_ns + each_ns * rate->burst;

    if (next_ns > latest_ns) {
        *ret_retry_us = (next_ns - latest_ns + 999) / 1000;
        return false;
    }
    *ret_full_ns = next_ns;
    return true;
}

bool meter_take(struct meter_entry *entry, enum meter_bucket bucket, const struct meter_rate *rate,
                uint64_t now_us, uint64_t *ret_retry_us)
{
    if (!rate->per_second)
        return true;
    /* Relaxed: the word is all there is to it. */
    uint64_t full_ns = atomic_load_explicit(&entry->full_ns[bucket], memory_order_relaxed);
    uint64_t next_ns;
    do
        if (!conforms(rate, full_ns, now_us, &next_ns, ret_retry_us))
            return false;
    while (!atomic_compare_exchange_weak_explicit(&entry->full_ns[bucket], &full_ns, next_ns,
                                                  memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool meter_has(const struct meter_entry *entry, enum meter_bucket bucket,
               const struct meter_rate *rate, uint64_t now_us, uint64_t *ret_retry_us)
{
    uint64_t next_ns;

    if (!rate->per_second)
        return true;
    return conforms(rate, atomic_load_explicit(&entry->full_ns[bucket], memory_order_relaxed),
                    now_us, &next_ns, ret_retry_us);
}
