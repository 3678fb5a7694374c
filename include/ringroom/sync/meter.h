/* meter.h - what each of many addresses uses of the server: connections held, and token buckets.
 *
 * One table of fixed size, shared by all threads, without locks. An entry is found by a keyed
 * 64-bit hash of whoever holds the address (base/ip.h, base/hash.h), whose chance to meet another's
 * is taken for none. While an entry is held it stays whose it is. One that nobody holds keeps its
 * buckets until its place is needed: then the one that has used the least goes first. So memory
 * does not grow with the number of addresses seen, and a flood from many addresses crowds out its
 * own kind, not one whose bucket is empty.
 *
 * Threads   meter_new(), meter_free(): before the first and after the last shard. The rest: any.
 * Ownership an entry is the table's; from meter_hold() to meter_release() it may be used.
 * Bound     the entries asked for at the start. Where all that share a set are held: -ENOBUFS. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum meter_bucket {
    METER_CONNECTS, /* new connections */
    METER_FAULTS,   /* bad requests */
    METER_BUCKETS
};

struct meter;       /* the table */
struct meter_entry; /* one address's place in it */

/* For at least so many addresses, rounded up to a power of two. Memory is touched as it is used.
 * NULL: out of memory. */
struct meter *meter_new(size_t entries);
/* Takes NULL. */
void meter_free(struct meter *meter);

/* One connection more of that address, which has at most `max` (0: no limit). 0 and the entry,
 * which goes to meter_release(); -EUSERS: it has as many as it may; -ENOBUFS: its set is full of
 * held entries, and it goes unmetered. With twice as many entries as there can be connections that
 * takes bad luck that nobody can bring about, since the key of the hash is secret. *ret_entry is
 * NULL after an error. */
int meter_hold(struct meter *meter, uint64_t hash, uint32_t max, struct meter_entry **ret_entry);
/* Takes NULL. */
void meter_release(struct meter_entry *entry);
/* Of an entry that is held: is it that address's? */
bool meter_is(const struct meter_entry *entry, uint64_t hash);

/* A token bucket, by its arrival time (GCRA, the virtual scheduling of ITU-T I.371). */
struct meter_rate {
    uint32_t per_second; /* in the long run; 0: no limit; at most 10^9 */
    uint32_t burst;      /* at once, after a pause; at least 1 */
};
/* Takes one. False: it is empty, and has the next one in *ret_retry_us. */
bool meter_take(struct meter_entry *entry, enum meter_bucket bucket, const struct meter_rate *rate,
                uint64_t now_us, uint64_t *ret_retry_us);
/* The same without taking. */
bool meter_has(const struct meter_entry *entry, enum meter_bucket bucket,
               const struct meter_rate *rate, uint64_t now_us, uint64_t *ret_retry_us);
