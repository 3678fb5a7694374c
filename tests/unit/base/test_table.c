#include "ringroom/base/table.h"

#include "unit.h"

enum { KEYS = 600 };

struct entry {
    uint64_t key;
    bool member; /* the naive twin: who should be in the table */
    bool met;    /* during a walk */
    struct table_link link;
};

static struct entry *entry_of(const struct table_link *link)
{
    return (struct entry *)((uintptr_t)link - offsetof(struct entry, link));
}

static bool key_matches(const struct table_link *link, const void *key)
{
    return entry_of(link)->key == *(const uint64_t *)key;
}

typedef uint64_t hash_fn(uint64_t key);

static uint64_t hash_spread(uint64_t key)
{
    return (key + 1) * 0xd6e8feb86659fd93u;
}

static uint64_t hash_all_alike(uint64_t key)
{
    return 42;
}

static uint64_t hash_of_few_values(uint64_t key)
{
    return key % 7;
}

static struct entry *find(const struct table *table, uint64_t key, hash_fn *hash)
{
    struct table_link *link = table_find(table, hash(key), key_matches, &key);

    return link ? entry_of(link) : NULL;
}

static void check_walk(const struct table *table, struct entry *entries)
{
    uint32_t count = 0, members = 0;

    for (int i = 0; i < KEYS; i++) {
        entries[i].met = false;
        members += entries[i].member;
    }
    for (struct table_link *link = table_next(table, NULL); link; link = table_next(table, link)) {
        struct entry *entry = entry_of(link);
        CU_ASSERT_FATAL(entry->member && !entry->met);
        entry->met = true;
        count++;
    }
    CU_ASSERT_FATAL(count == members && table->count == members);
}

/* What the header promises of memory and growth. */
static void check_shape(const struct table *table)
{
    CU_ASSERT_FATAL(table->count > 0 || table->buckets == NULL);
    CU_ASSERT_FATAL(!table->buckets || table->single == NULL);
    CU_ASSERT_FATAL(!table->buckets || ((table->mask + 1) & table->mask) == 0);
}

static void run_model(hash_fn *hash, unsigned rounds, uint64_t *random)
{
    static struct entry entries[KEYS];
    struct table table;

    table_init(&table);
    for (int i = 0; i < KEYS; i++)
        entries[i] = (struct entry){.key = (uint64_t)i};
    for (unsigned round = 0; round < rounds; round++) {
        /* Tides: the table fills, and runs empty, over and over. */
        bool filling = round / 1500 % 2 == 0;
        struct entry *entry = &entries[unit_random(random) % KEYS];
        CU_ASSERT_FATAL(find(&table, entry->key, hash) == (entry->member ? entry : NULL));
        if (entry->member && (!filling || unit_random(random) % 4 == 0)) {
            table_remove(&table, &entry->link);
            entry->member = false;
        } else if (!entry->member && (filling || unit_random(random) % 8 == 0)) {
            table_insert(&table, &entry->link, hash(entry->key));
            entry->member = true;
        }
        check_shape(&table);
        if (round % 50 == 0)
            check_walk(&table, entries);
    }
    table_deinit(&table);
}

static void test_table__any_operations_keep_it_equal_to_a_plain_array(void)
{
    uint64_t random = unit_seed();

    run_model(hash_spread, unit_rounds(20000), &random);
}

static void test_table__colliding_hashes_do_not_confuse_it(void)
{
    uint64_t random = unit_seed();

    run_model(hash_all_alike, unit_rounds(3000), &random);
    run_model(hash_of_few_values, unit_rounds(6000), &random);
}

static void test_table__it_holds_no_memory_until_a_second_member_comes(void)
{
    struct table table;
    struct entry a = {.key = 1}, b = {.key = 2};

    table_init(&table);
    CU_ASSERT_PTR_NULL(table_next(&table, NULL));
    CU_ASSERT_PTR_NULL(find(&table, 1, hash_spread));
    table_insert(&table, &a.link, hash_spread(1));
    CU_ASSERT_PTR_NULL(table.buckets);
    CU_ASSERT_PTR_EQUAL(find(&table, 1, hash_spread), &a);
    table_insert(&table, &b.link, hash_spread(2));
    CU_ASSERT_PTR_NOT_NULL(table.buckets);
    CU_ASSERT_PTR_EQUAL(find(&table, 1, hash_spread), &a);
    table_remove(&table, &a.link);
    table_remove(&table, &b.link);
    CU_ASSERT_PTR_NULL(table.buckets);
}

static uint64_t hash_with_fixed_low_bits(uint64_t key)
{
    return hash_spread(key) << 8 | 0x2a;
}

static uint64_t hash_with_fixed_high_bits(uint64_t key)
{
    return hash_spread(key) >> 8 | 0x2aull << 56;
}

static void check_spread(hash_fn *hash)
{
    enum { MEMBERS = 4096 };
    static struct entry entries[MEMBERS];
    struct table table;
    uint32_t used = 0;

    table_init(&table);
    for (uint64_t i = 0; i < MEMBERS; i++)
        table_insert(&table, &entries[i].link, hash(i));
    CU_ASSERT_EQUAL(table.mask + 1, MEMBERS);
    for (uint32_t i = 0; i <= table.mask; i++)
        used += table.buckets[i] != NULL;
    CU_ASSERT(used > MEMBERS * 55 / 100); /* 63 in 100 where all is chance */
    table_deinit(&table);
}

/* A shard's rooms all have hashes that name this shard. */
static void test_table__bits_that_all_members_share_do_not_lengthen_chains(void)
{
    check_spread(hash_spread);
    check_spread(hash_with_fixed_low_bits);
    check_spread(hash_with_fixed_high_bits);
}

static void test_table__without_memory_chains_get_longer_and_nothing_is_lost(void)
{
#ifdef RINGROOM_DCHECK
    static struct entry entries[KEYS];
    struct table table;

    for (uint64_t failing = 0; failing < 300; failing += 7) {
        table_init(&table);
        for (uint64_t i = 0; i < KEYS; i++) {
            entries[i] = (struct entry){.key = i, .member = true};
            bool fails = i >= failing && i < failing + 200;
            struct table_link **buckets = table.buckets;
            mem_fail_after(fails ? 0 : -1);
            table_insert(&table, &entries[i].link, hash_spread(i));
            CU_ASSERT(!fails || table.buckets == buckets); /* what it had it keeps */
        }
        mem_fail_after(-1);
        check_walk(&table, entries);
        CU_ASSERT(table.mask + 1 >= KEYS); /* it caught up */
        for (uint64_t i = 0; i < KEYS; i++)
            CU_ASSERT(find(&table, i, hash_spread) == &entries[i]);
        table_deinit(&table);
    }
#endif
}

/* A walk in pieces of few steps, while members come and go between them. */
static void walk_in_pieces(hash_fn *hash, uint64_t *random)
{
    enum { STAY = 300, PASS = 1200 };
    static struct entry stay[STAY], pass[PASS];
    struct table_walk walk = {0};
    unsigned seen[STAY] = {0};
    struct table table;

    table_init(&table);
    for (uint64_t i = 0; i < STAY; i++) {
        stay[i] = (struct entry){.key = i};
        table_insert(&table, &stay[i].link, hash(i));
    }
    for (uint64_t i = 0; i < PASS; i++)
        pass[i] = (struct entry){.key = STAY + i};
    for (unsigned pieces = 0; !walk.done; pieces++) {
        struct table_link *link;
        CU_ASSERT_FATAL(pieces < 100000);
        walk.steps = 1 + (uint32_t)(unit_random(random) % 8);
        while ((link = table_walk(&table, &walk))) {
            struct entry *entry = container_of(link, struct entry, link);
            if (entry->key < STAY)
                seen[entry->key]++;
        }
        CU_ASSERT_FATAL(walk.done || !walk.steps);
        for (unsigned i = 0; i < 20; i++) {
            struct entry *entry = &pass[unit_random(random) % PASS];
            if (entry->member)
                table_remove(&table, &entry->link);
            else
                table_insert(&table, &entry->link, hash(entry->key));
            entry->member = !entry->member;
        }
    }
    for (unsigned i = 0; i < STAY; i++)
        CU_ASSERT_EQUAL(seen[i], 1);
    table_deinit(&table);
}

static void test_table__a_walk_in_pieces_gives_each_member_that_stays_once(void)
{
    uint64_t random = unit_seed();

    for (unsigned round = 0; round < unit_rounds(20); round++) {
        walk_in_pieces(hash_spread, &random);
        walk_in_pieces(hash_with_fixed_low_bits, &random);
        walk_in_pieces(hash_with_fixed_high_bits, &random);
    }
}

static void test_table__a_walk_of_few_members_ends(void)
{
    struct table_walk walk = {.steps = 3};
    struct entry a = {.key = 1};
    struct table table;

    table_init(&table);
    CU_ASSERT_PTR_NULL(table_walk(&table, &walk));
    CU_ASSERT(walk.done);
    table_insert(&table, &a.link, hash_spread(1));
    walk = (struct table_walk){.steps = 3};
    CU_ASSERT_PTR_EQUAL(table_walk(&table, &walk), &a.link);
    CU_ASSERT_PTR_NULL(table_walk(&table, &walk));
    CU_ASSERT(walk.done);
    table_remove(&table, &a.link);
}

UNIT_MAIN("table", UNIT_TEST(test_table__any_operations_keep_it_equal_to_a_plain_array),
          UNIT_TEST(test_table__colliding_hashes_do_not_confuse_it),
          UNIT_TEST(test_table__it_holds_no_memory_until_a_second_member_comes),
          UNIT_TEST(test_table__bits_that_all_members_share_do_not_lengthen_chains),
          UNIT_TEST(test_table__without_memory_chains_get_longer_and_nothing_is_lost),
          UNIT_TEST(test_table__a_walk_in_pieces_gives_each_member_that_stays_once),
          UNIT_TEST(test_table__a_walk_of_few_members_ends))
