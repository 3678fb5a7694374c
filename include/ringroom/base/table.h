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
/* All members in no particular order: NULL begins; NULL ends. The table must not change between. */
struct table_link *table_next(const struct table *table, const struct table_link *after);
