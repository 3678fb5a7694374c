#include "ringroom/sync/meter.h"

#include "ringroom/base/mem.h"
#include "unit.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum { SET = 16 /* entries that share a place, by the hash's low bits */ };

/* Hashes of one set in any table, and of different holders. */
static uint64_t hash_number(uint64_t n)
{
    return (n + 1) << 40;
}

static struct meter *new_meter(size_t entries)
{
    struct meter *meter = meter_new(entries);

    CU_ASSERT_PTR_NOT_NULL_FATAL(meter);
    return meter;
}

static struct meter_entry *hold(struct meter *meter, uint64_t hash)
{
    struct meter_entry *entry;

    CU_ASSERT_EQUAL_FATAL(meter_hold(meter, hash, 0, &entry), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    return entry;
}

static void test_meter__holds_as_many_as_it_may_for_each(void)
{
    struct meter *meter = new_meter(64);
    struct meter_entry *entries[3], *other, *more;

    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(meter_hold(meter, hash_number(1), 3, &entries[i]), 0);
    CU_ASSERT(entries[0] == entries[1] && entries[1] == entries[2]);
    CU_ASSERT_EQUAL(meter_hold(meter, hash_number(1), 3, &more), -EUSERS);
    CU_ASSERT_PTR_NULL(more);
    CU_ASSERT_EQUAL(meter_hold(meter, hash_number(2), 3, &other), 0);
    CU_ASSERT(other != entries[0]);
    CU_ASSERT(meter_is(other, hash_number(2)) && !meter_is(other, hash_number(1)));
    meter_release(entries[0]);
    CU_ASSERT_EQUAL(meter_hold(meter, hash_number(1), 3, &entries[0]), 0);
    CU_ASSERT_EQUAL(meter_hold(meter, hash_number(1), 3, &more), -EUSERS);
    for (int i = 0; i < 3; i++)
        meter_release(entries[i]);
    meter_release(other);
    meter_release(NULL);
    meter_free(meter);
}

static void test_meter__zero_is_no_limit(void)
{
    struct meter *meter = new_meter(1);
    struct meter_rate none = {0};
    struct meter_entry *entry = NULL;
    uint64_t retry_us;

    for (int i = 0; i < 100000; i++)
        entry = hold(meter, 0); /* a hash of zero bits is as good as any */
    for (int i = 0; i < 1000; i++)
        CU_ASSERT(meter_take(entry, METER_CONNECTS, &none, 5, &retry_us));
    CU_ASSERT(meter_has(entry, METER_CONNECTS, &none, 5, &retry_us));
    meter_free(meter);
}

static void test_meter__a_bucket_gives_its_burst_and_then_its_rate(void)
{
    struct meter *meter = new_meter(1);
    struct meter_entry *entry = hold(meter, hash_number(1));
    struct meter_rate rate = {.per_second = 10, .burst = 5};
    uint64_t now_us = 1000000, retry_us = 0;

    for (int i = 0; i < 5; i++) {
        CU_ASSERT(meter_has(entry, METER_FAULTS, &rate, now_us, &retry_us));
        CU_ASSERT(meter_take(entry, METER_FAULTS, &rate, now_us, &retry_us));
    }
    CU_ASSERT_FALSE(meter_has(entry, METER_FAULTS, &rate, now_us, &retry_us));
    CU_ASSERT_EQUAL(retry_us, 100000);
    CU_ASSERT_FALSE(meter_take(entry, METER_FAULTS, &rate, now_us + 40000, &retry_us));
    CU_ASSERT_EQUAL(retry_us, 60000);
    CU_ASSERT(meter_take(entry, METER_CONNECTS, &rate, now_us, &retry_us)); /* another bucket */
    now_us += 40000 + retry_us;
    CU_ASSERT(meter_take(entry, METER_FAULTS, &rate, now_us, &retry_us));
    CU_ASSERT_FALSE(meter_take(entry, METER_FAULTS, &rate, now_us, &retry_us));
    now_us += 60000000; /* long after: full, and not more than that */
    for (int i = 0; i < 5; i++)
        CU_ASSERT(meter_take(entry, METER_FAULTS, &rate, now_us, &retry_us));
    CU_ASSERT_FALSE(meter_take(entry, METER_FAULTS, &rate, now_us, &retry_us));
    meter_release(entry);
    meter_free(meter);
}

static void empty_bucket(struct meter_entry *entry, const struct meter_rate *rate, uint64_t now_us)
{
    uint64_t retry_us;

    while (meter_take(entry, METER_CONNECTS, rate, now_us, &retry_us))
        ;
}

static void test_meter__remembers_who_has_let_go(void)
{
    struct meter *meter = new_meter(SET);
    struct meter_entry *entry = hold(meter, hash_number(1));
    struct meter_rate rate = {.per_second = 1, .burst = 3};
    uint64_t retry_us;

    empty_bucket(entry, &rate, 1000);
    meter_release(entry);
    for (uint64_t n = 2; n < 2 + SET - 1; n++)
        meter_release(hold(meter, hash_number(n)));
    entry = hold(meter, hash_number(1));
    CU_ASSERT_FALSE(meter_has(entry, METER_CONNECTS, &rate, 1000, &retry_us));
    meter_release(entry);
    meter_free(meter);
}

/* Each newcomer of a flood takes one; whose bucket is empty stays known, since it is full last. */
static void test_meter__a_flood_of_others_does_not_make_it_forget(void)
{
    struct meter *meter = new_meter(SET);
    struct meter_rate rate = {.per_second = 1, .burst = 3};
    struct meter_entry *entry = hold(meter, hash_number(0)), *held = hold(meter, hash_number(1));
    uint64_t retry_us;

    empty_bucket(entry, &rate, 1000);
    meter_release(entry);
    for (uint64_t n = 2; n < 10000; n++) {
        struct meter_entry *newcomer = hold(meter, hash_number(n));
        CU_ASSERT(newcomer != held && newcomer != entry);
        for (int i = 0; i < 2; i++)
            CU_ASSERT(meter_take(newcomer, METER_CONNECTS, &rate, 1000, &retry_us));
        meter_release(newcomer);
    }
    CU_ASSERT(hold(meter, hash_number(0)) == entry);
    CU_ASSERT_FALSE(meter_has(entry, METER_CONNECTS, &rate, 1000, &retry_us));
    meter_free(meter);
}

static void test_meter__is_full_only_where_all_are_held(void)
{
    struct meter *meter = new_meter(SET);
    struct meter_entry *entries[SET], *more;

    for (uint64_t n = 0; n < SET; n++)
        entries[n] = hold(meter, hash_number(n));
    CU_ASSERT_EQUAL(meter_hold(meter, hash_number(SET), 1, &more), -ENOBUFS);
    CU_ASSERT_PTR_NULL(more);
    CU_ASSERT_EQUAL(meter_hold(meter, hash_number(3), 2, &more), 0); /* known, so no matter */
    CU_ASSERT(more == entries[3]);
    meter_release(more);
    meter_release(entries[7]);
    CU_ASSERT_EQUAL(meter_hold(meter, hash_number(SET), 1, &more), 0);
    CU_ASSERT(more == entries[7]);
    CU_ASSERT_EQUAL(meter_hold(meter, hash_number(7), 1, &entries[7]), -ENOBUFS);
    meter_free(meter);
}

static void test_meter__has_room_for_what_was_asked(void)
{
    struct meter *meter = new_meter(2 * 4096);
    struct meter_entry *entry;
    uint64_t random = unit_seed();
    unsigned unmetered = 0;

    for (int i = 0; i < 4096; i++)
        unmetered += meter_hold(meter, unit_random(&random), 1, &entry) != 0;
    CU_ASSERT(unmetered < 40); /* about 10 are to be expected */
    meter_free(meter);
}

static void test_meter__without_memory_there_is_none(void)
{
#ifdef RINGROOM_DCHECK
    for (long n = 0; n < 2; n++) {
        mem_fail_after(n);
        CU_ASSERT_PTR_NULL(meter_new(100));
    }
    mem_fail_after(-1);
#endif
    meter_free(NULL);
}

/* The naive twin: who holds how many, and when which bucket is full again. */
enum { TWINS = SET, STEPS = 20000 };

struct twin {
    uint32_t count;
    uint64_t full_us[METER_BUCKETS];
    struct meter_entry *entry; /* while it is held */
};

static bool twin_has(const struct twin *twin, enum meter_bucket bucket,
                     const struct meter_rate *rate, uint64_t now_us)
{
    uint64_t each_us = 1000000 / rate->per_second;
    uint64_t from = twin->full_us[bucket] > now_us ? twin->full_us[bucket] : now_us;

    return from + each_us <= now_us + each_us * rate->burst;
}

static void twin_take(struct twin *twin, enum meter_bucket bucket, const struct meter_rate *rate,
                      uint64_t now_us)
{
    uint64_t from = twin->full_us[bucket] > now_us ? twin->full_us[bucket] : now_us;

    twin->full_us[bucket] = from + 1000000 / rate->per_second;
}

static void step(struct meter *meter, struct twin *twins, uint64_t *random, uint64_t now_us)
{
    static const struct meter_rate rates[METER_BUCKETS] = {{50, 20}, {1000, 3}};
    uint64_t n = unit_random(random) % TWINS, retry_us = 0;
    enum meter_bucket bucket = unit_random(random) % METER_BUCKETS;
    struct twin *twin = &twins[n];
    struct meter_entry *entry;

    switch (unit_random(random) % 4) {
    case 0: {
        int error = meter_hold(meter, hash_number(n), 5, &entry);
        CU_ASSERT_EQUAL_FATAL(error, twin->count < 5 ? 0 : -EUSERS);
        CU_ASSERT_FATAL(error || !twin->count || entry == twin->entry);
        if (!error) {
            twin->entry = entry;
            twin->count++;
        }
        break;
    }
    case 1:
        if (twin->count && twin->count--)
            meter_release(twin->entry);
        break;
    default: {
        bool has = twin_has(twin, bucket, &rates[bucket], now_us);
        if (!twin->count)
            break;
        CU_ASSERT_EQUAL_FATAL(meter_has(twin->entry, bucket, &rates[bucket], now_us, &retry_us),
                              has);
        CU_ASSERT_EQUAL_FATAL(meter_take(twin->entry, bucket, &rates[bucket], now_us, &retry_us),
                              has);
        if (has)
            twin_take(twin, bucket, &rates[bucket], now_us);
        else
            CU_ASSERT_FATAL(twin_has(twin, bucket, &rates[bucket], now_us + retry_us) &&
                            !twin_has(twin, bucket, &rates[bucket], now_us + retry_us - 1));
    }
    }
}

static void test_meter__does_what_a_naive_one_does(void)
{
    uint64_t random = unit_seed(), now_us = 1;

    for (unsigned round = 0; round < unit_rounds(5); round++) {
        struct meter *meter = new_meter(SET);
        struct twin twins[TWINS] = {0};
        for (unsigned i = 0; i < STEPS; i++) {
            step(meter, twins, &random, now_us);
            now_us += unit_random(&random) % 1000;
        }
        meter_free(meter);
    }
}

/* Threads */

enum { THREADS = 4, MAX = 2 };

struct arena {
    struct meter *meter;
    atomic_uint turn, arrived; /* a barrier that spins: all begin a round within nanoseconds */
    unsigned rounds;
    atomic_uint held;     /* in this round, of its one hash */
    atomic_uint takes;    /* in this round */
    atomic_uint mistakes; /* more than may be, or fewer */
};

/* Others may have been stopped while they claimed: then it is worth another try. */
static int hold_at_last(struct meter *meter, uint64_t hash, uint32_t max,
                        struct meter_entry **ret_entry)
{
    int error;

    while ((error = meter_hold(meter, hash, max, ret_entry)) == -ENOBUFS)
        sched_yield();
    return error;
}

/* All threads have come here, and none has gone on. The last one checks what all have done. */
static void meet(struct arena *arena, void (*check)(struct arena *arena))
{
    unsigned turn = atomic_load(&arena->turn);

    if (atomic_fetch_add(&arena->arrived, 1) + 1 == THREADS) {
        if (check)
            check(arena);
        atomic_store(&arena->arrived, 0);
        atomic_fetch_add(&arena->turn, 1);
        return;
    }
    while (atomic_load(&arena->turn) == turn)
        sched_yield();
}

static void check_round(struct arena *arena)
{
    if (atomic_load(&arena->held) != MAX || atomic_load(&arena->takes) != 1)
        atomic_fetch_add(&arena->mistakes, 1);
    atomic_store(&arena->held, 0);
    atomic_store(&arena->takes, 0);
}

/* All want the same address, which nobody knows yet: MAX of them get it, and in the one entry that
 * there is, one of them a bucket's only token. */
static void *be_new_together(void *arg)
{
    static const struct meter_rate once = {.per_second = 1, .burst = 1};
    struct arena *arena = arg;
    struct meter_entry *entry;
    uint64_t retry_us;

    for (unsigned round = 0; round < arena->rounds; round++) {
        meet(arena, NULL);
        int error = hold_at_last(arena->meter, hash_number(round), MAX, &entry);
        if (!error)
            atomic_fetch_add(&arena->held, 1);
        if (!error && meter_take(entry, METER_FAULTS, &once, round, &retry_us))
            atomic_fetch_add(&arena->takes, 1);
        meet(arena, check_round);
        meter_release(entry);
    }
    return NULL;
}

static void test_meter__threads_agree_on_one_entry_for_a_newcomer(void)
{
    struct arena arena = {.meter = new_meter(SET), .rounds = unit_rounds(3000)};
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, be_new_together, &arena), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(atomic_load(&arena.mistakes), 0);
    meter_free(arena.meter);
}

enum { CROWD = 24 /* addresses, more than a set has places */ };

struct crowd {
    struct meter *meter;
    atomic_uint held[CROWD]; /* counted after holding and before releasing */
    atomic_uint mistakes;
    unsigned steps;
    uint64_t seed;
};

struct mover {
    pthread_t thread;
    struct crowd *crowd;
    uint64_t random;
    struct meter_entry *entries[CROWD]; /* at most one of each */
};

static void let_go(struct mover *mover, uint64_t n)
{
    atomic_fetch_sub(&mover->crowd->held[n], 1);
    meter_release(mover->entries[n]);
    mover->entries[n] = NULL;
}

/* Holds and lets go of any address, so that entries change hands all the time. */
static void *move_about(void *arg)
{
    struct mover *mover = arg;
    struct crowd *crowd = mover->crowd;

    for (unsigned i = 0; i < crowd->steps; i++) {
        uint64_t n = unit_random(&mover->random) % CROWD;
        if (mover->entries[n])
            let_go(mover, n);
        else if (meter_hold(crowd->meter, hash_number(n), MAX, &mover->entries[n]) == 0 &&
                 atomic_fetch_add(&crowd->held[n], 1) >= MAX)
            atomic_fetch_add(&crowd->mistakes, 1);
    }
    for (uint64_t n = 0; n < CROWD; n++)
        if (mover->entries[n])
            let_go(mover, n);
    return NULL;
}

static void test_meter__threads_never_hold_more_than_may_be(void)
{
    struct crowd crowd = {.meter = new_meter(SET), .steps = unit_rounds(50000)};
    struct mover movers[THREADS] = {0};
    uint64_t random = unit_seed();
    struct meter_entry *entry;

    for (int i = 0; i < THREADS; i++) {
        movers[i].crowd = &crowd;
        movers[i].random = unit_random(&random) | 1;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&movers[i].thread, NULL, move_about, &movers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(movers[i].thread, NULL);
    CU_ASSERT_EQUAL(atomic_load(&crowd.mistakes), 0);
    for (uint64_t n = 0; n < SET; n++) /* all are let go of */
        CU_ASSERT_EQUAL(meter_hold(crowd.meter, hash_number(n + CROWD), 1, &entry), 0);
    meter_free(crowd.meter);
}

UNIT_MAIN("meter", UNIT_TEST(test_meter__holds_as_many_as_it_may_for_each),
          UNIT_TEST(test_meter__zero_is_no_limit),
          UNIT_TEST(test_meter__a_bucket_gives_its_burst_and_then_its_rate),
          UNIT_TEST(test_meter__remembers_who_has_let_go),
          UNIT_TEST(test_meter__a_flood_of_others_does_not_make_it_forget),
          UNIT_TEST(test_meter__is_full_only_where_all_are_held),
          UNIT_TEST(test_meter__has_room_for_what_was_asked),
          UNIT_TEST(test_meter__without_memory_there_is_none),
          UNIT_TEST(test_meter__does_what_a_naive_one_does),
          UNIT_TEST(test_meter__threads_agree_on_one_entry_for_a_newcomer),
          UNIT_TEST(test_meter__threads_never_hold_more_than_may_be))
