#include "ringroom/base/table.h"

#include "ringroom/base/check.h"

#define TABLE_BUCKETS_MIN 4u
#define TABLE_BUCKETS_MAX (1u << 31)

/* The members of one shard's table may share low or high bits of their hashes, as those choose
 * the shard. So the bucket is taken from the middle of a product, where all bits below and beside
 * have a say (Knuth's multiplicative hashing, 2^64 divided by the golden ratio). */
static inline uint64_t mixed(uint64_t hash)
{
    return (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u;
}

static inline uint32_t bucket_of(const struct table *table, uint64_t hash)
{
    return (uint32_t)(mixed(hash) >> 32) & table->mask;
}

static inline struct table_link *chain_first(const struct table *table, uint64_t hash)
{
    return table->buckets ? table->buckets[bucket_of(table, hash)] : table->single;
}

static inline struct table_link **chain(struct table *table, uint64_t hash)
{
    return table->buckets ? &table->buckets[bucket_of(table, hash)] : &table->single;
}

static void push(struct table *table, struct table_link *link)
{
    struct table_link **first = chain(table, link->hash);

    link->next = *first;
    *first = link;
}

/* Doubles the buckets; where there is no memory, all stays as it is. */
static void grow(struct table *table)
{
    struct table old = *table;

    if (old.buckets && old.mask + 1 >= TABLE_BUCKETS_MAX)
        return;
    uint32_t buckets_count = old.buckets ? (old.mask + 1) * 2 : TABLE_BUCKETS_MIN;
    struct table_link **buckets = mem_zalloc(buckets_count * sizeof(struct table_link *));
    if (!buckets)
        return;

    table->buckets = buckets;
    table->mask = buckets_count - 1;
    table->single = NULL;
    for (struct table_link *link = table_next(&old, NULL), *next; link; link = next) {
        next = table_next(&old, link); /* before push() writes link->next */
        push(table, link);
    }
    mem_free(old.buckets);
}

void table_init(struct table *table)
{
    *table = (struct table){0};
}

void table_deinit(struct table *table)
{
    mem_free(table->buckets);
    table_init(table);
}

void table_insert(struct table *table, struct table_link *link, uint64_t hash)
{
    uint32_t room = table->buckets ? table->mask + 1 : 1;

    CHECK(table->count < UINT32_MAX);
    if (table->count >= room)
        grow(table);
    link->hash = hash;
    push(table, link);
    table->count++;
}

struct table_link *table_find(const struct table *table, uint64_t hash, table_match_fn *match,
                              const void *key)
{
    for (struct table_link *link = chain_first(table, hash); link; link = link->next) {
        if (link->hash == hash && match(link, key))
            return link;
    }
    return NULL;
}

void table_remove(struct table *table, struct table_link *link)
{
    struct table_link **at = chain(table, link->hash);

    while (*at && *at != link)
        at = &(*at)->next;
    CHECK(*at == link);
    *at = link->next;
    link->next = NULL;
    if (--table->count == 0)
        table_deinit(table);
}

struct table_link *table_next(const struct table *table, const struct table_link *after)
{
    if (after && after->next)
        return after->next;
    if (!table->buckets)
        return after ? NULL : table->single;
    for (uint64_t i = after ? (uint64_t)bucket_of(table, after->hash) + 1 : 0; i <= table->mask;
         i++) {
        if (table->buckets[i])
            return table->buckets[i];
    }
    return NULL;
}

/* Walking in pieces */

static uint32_t reversed(uint32_t bits)
{
    bits = (bits >> 1 & 0x55555555u) | (bits & 0x55555555u) << 1;
    bits = (bits >> 2 & 0x33333333u) | (bits & 0x33333333u) << 2;
    bits = (bits >> 4 & 0x0f0f0f0fu) | (bits & 0x0f0f0f0fu) << 4;
    return __builtin_bswap32(bits);
}

/* Different for different hashes: each step can be undone. */
static uint64_t order_of(const struct table_link *link)
{
    uint64_t mix = mixed(link->hash);

    return (uint64_t)reversed((uint32_t)(mix >> 32)) << 32 | (uint32_t)mix;
}

/* Of the bucket in which `from` lies, the member that comes first from there on. */
static struct table_link *first_in_bucket(const struct table *table, struct table_walk *walk)
{
    struct table_link *first = NULL, *link = table->single;

    if (table->buckets)
        link = table->buckets[reversed((uint32_t)(walk->from >> 32)) & table->mask];
    walk->steps--;
    for (; link; link = link->next) {
        if (walk->steps)
            walk->steps--;
        if (order_of(link) >= walk->from && (!first || order_of(link) < order_of(first)))
            first = link;
    }
    return first;
}

/* To where the next bucket's stretch begins. */
static void skip_bucket(const struct table *table, struct table_walk *walk)
{
    uint64_t buckets = (uint64_t)table->mask + 1;                    /* a power of two */
    uint64_t stretch = buckets > 1 ? (UINT64_MAX / buckets) + 1 : 0; /* 2^64 / buckets */

    walk->from = stretch ? (walk->from & ~(stretch - 1)) + stretch : 0;
    walk->done = walk->from == 0;
}

struct table_link *table_walk(const struct table *table, struct table_walk *walk)
{
    while (walk->steps && !walk->done) {
        struct table_link *link = first_in_bucket(table, walk);
        if (link) {
            walk->from = order_of(link) + 1;
            walk->done = walk->from == 0;
            return link;
        }
        skip_bucket(table, walk);
    }
    return NULL;
}
