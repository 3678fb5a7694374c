/* table.h - an intrusive hash table, chained: the links live in its members.
 *
 * Ownership members are the caller's; the table holds pointers to them only.
 * Failure   inserting cannot fail: where the bucket array cannot grow, chains
 *           get longer. An empty table holds no memory.
 * Threads   none of its own: the owner's only. */
#pragma once

#include "ringroom/base/mem.h"
#include <stdbool.h>

struct table_link {
    struct table_link *next;
    uint64_t hash;
};

struct table {
    struct table_link **buckets; /* NULL until a second member comes */
    struct table_link *single;   /* the chain while there are no buckets */
    uint32_t count;              /* members */
    uint32_t mask;               /* buckets - 1 */
};

/* True where `link` is the member that `key` names. */
typedef bool table_match_fn(const struct table_link *link, const void *key);

void table_init(struct table *table);
/* Gives the bucket array back; members are left alone. */
void table_deinit(struct table *table);
void table_insert(struct table *table, struct table_link *link, uint64_t hash);
/* The member, or NULL. */
struct table_link *table_find(const struct table *table, uint64_t hash, table_match_fn *match,
                              const void *key);
/* `link` must be a member. */
void table_remove(struct table *table, struct table_link *link);
/* All members in no particular order: NULL begins; NULL ends. Between, the table must not change,
 * but that members in front of the next `after` may go. */
struct table_link *table_next(const struct table *table, const struct table_link *after);

/* A walk in pieces, between which the table may change. A member that is there from the first piece
 * to the last is given exactly once, and what comes or goes meanwhile at most once for each time
 * that it is put in.
 *
 * Why so. Members have an order that follows from their hashes alone: by the bits that choose a
 * bucket, the lowest one first. A bucket of a table of any size then is one stretch of that order,
 * and when the table grows the stretch is parted in two: none is passed over, none comes again.
 * Of two members with the same 64 bits of hash one is given. */
struct table_walk {
    uint64_t from;  /* all that comes before has been given */
    uint32_t steps; /* buckets and members that may yet be looked at */
    bool done;      /* there are no more */
};
/* The next member, or NULL: it is done, or out of steps, to go on from walk->from with new ones. */
struct table_link *table_walk(const struct table *table, struct table_walk *walk);
