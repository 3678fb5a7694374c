#include "ringroom/sync/epoch.h"

#include "ringroom/base/mem.h"
#include "unit.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>

static unsigned done_count;
static struct epoch_item *last_done;

static void count_done(struct epoch_item *item)
{
    done_count++;
    last_done = item;
}

static void setup(struct epoch *epoch, struct epoch_bin *bin, uint32_t readers_count)
{
    CU_ASSERT_FATAL(epoch_init(epoch, readers_count) == 0);
    epoch_bin_init(bin, epoch);
    done_count = 0;
    last_done = NULL;
}

static void test_epoch__without_readers_inside_all_comes_back_at_once(void)
{
    struct epoch epoch;
    struct epoch_bin bin;
    struct epoch_item items[3];

    setup(&epoch, &bin, 4);
    CU_ASSERT(!epoch_collect(&bin));
    for (int i = 0; i < 3; i++)
        epoch_retire(&bin, &items[i], count_done);
    CU_ASSERT(!epoch_collect(&bin));
    CU_ASSERT_EQUAL(done_count, 3);
    CU_ASSERT_PTR_EQUAL(last_done, &items[2]);
    epoch_deinit(&epoch);
}

static void test_epoch__it_waits_for_every_reader_that_was_inside(void)
{
    struct epoch epoch;
    struct epoch_bin bin;
    struct epoch_item item;

    setup(&epoch, &bin, 3);
    for (uint32_t i = 0; i < 3; i++)
        epoch_online(&epoch, i);
    epoch_retire(&bin, &item, count_done);
    CU_ASSERT(epoch_collect(&bin));
    epoch_quiesce(&epoch, 0);
    CU_ASSERT(epoch_collect(&bin));
    epoch_offline(&epoch, 1);
    CU_ASSERT(epoch_collect(&bin));
    CU_ASSERT_EQUAL(done_count, 0);
    epoch_quiesce(&epoch, 2);
    CU_ASSERT(!epoch_collect(&bin));
    CU_ASSERT_EQUAL(done_count, 1);
    epoch_deinit(&epoch);
}

static void test_epoch__a_reader_that_comes_later_is_not_waited_for(void)
{
    struct epoch epoch;
    struct epoch_bin bin;
    struct epoch_item item;

    setup(&epoch, &bin, 2);
    epoch_retire(&bin, &item, count_done);
    epoch_online(&epoch, 0);
    CU_ASSERT(!epoch_collect(&bin));
    CU_ASSERT_EQUAL(done_count, 1);
    epoch_deinit(&epoch);
}

static void test_epoch__older_objects_come_back_while_younger_ones_wait(void)
{
    struct epoch epoch;
    struct epoch_bin bin;
    struct epoch_item items[2];

    setup(&epoch, &bin, 1);
    epoch_online(&epoch, 0);
    epoch_retire(&bin, &items[0], count_done);
    epoch_quiesce(&epoch, 0);
    epoch_retire(&bin, &items[1], count_done);
    CU_ASSERT(epoch_collect(&bin));
    CU_ASSERT_EQUAL(done_count, 1);
    CU_ASSERT_PTR_EQUAL(last_done, &items[0]);
    epoch_quiesce(&epoch, 0);
    epoch_quiesce(&epoch, 0); /* as often as one likes */
    CU_ASSERT(!epoch_collect(&bin));
    CU_ASSERT_PTR_EQUAL(last_done, &items[1]);
    epoch_deinit(&epoch);
}

static void test_epoch__every_owner_has_a_bin_of_its_own(void)
{
    struct epoch epoch;
    struct epoch_bin a, b;
    struct epoch_item items[2];

    setup(&epoch, &a, 1);
    epoch_bin_init(&b, &epoch);
    epoch_online(&epoch, 0);
    epoch_retire(&a, &items[0], count_done);
    epoch_retire(&b, &items[1], count_done);
    epoch_quiesce(&epoch, 0);
    CU_ASSERT(!epoch_collect(&b));
    CU_ASSERT_EQUAL(done_count, 1);
    CU_ASSERT_PTR_EQUAL(last_done, &items[1]);
    CU_ASSERT(!epoch_collect(&a));
    CU_ASSERT_EQUAL(done_count, 2);
    epoch_deinit(&epoch);
}

static struct epoch_bin *chained_bin;
static struct epoch_item chained_item;

static void retire_another(struct epoch_item *item)
{
    count_done(item);
    epoch_retire(chained_bin, &chained_item, count_done);
}

static void test_epoch__what_is_retired_while_collecting_waits_its_turn(void)
{
    struct epoch epoch;
    struct epoch_bin bin;
    struct epoch_item item;

    setup(&epoch, &bin, 1);
    chained_bin = &bin;
    epoch_retire(&bin, &item, retire_another);
    CU_ASSERT(epoch_collect(&bin));
    CU_ASSERT_EQUAL(done_count, 1);
    CU_ASSERT(!epoch_collect(&bin));
    CU_ASSERT_EQUAL(done_count, 2);
    epoch_deinit(&epoch);
}

static void test_epoch__draining_gives_all_back(void)
{
    struct epoch epoch;
    struct epoch_bin bin;
    struct epoch_item items[3];

    setup(&epoch, &bin, 1);
    epoch_online(&epoch, 0);
    for (int i = 0; i < 3; i++)
        epoch_retire(&bin, &items[i], count_done);
    CU_ASSERT(epoch_collect(&bin));
    epoch_bin_drain(&bin);
    CU_ASSERT_EQUAL(done_count, 3);
    CU_ASSERT(!epoch_collect(&bin));
    epoch_deinit(&epoch);
}

static void test_epoch__readers_keep_to_their_own_cache_lines(void)
{
    struct epoch epoch;

    CU_ASSERT_FATAL(epoch_init(&epoch, 3) == 0);
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL((uintptr_t)&epoch.readers[i] % 64, 0);
    epoch_deinit(&epoch);
}

static void test_epoch__without_memory_it_says_so(void)
{
#ifdef RINGROOM_DCHECK
    struct epoch epoch = {.readers = NULL};

    mem_fail_after(0);
    CU_ASSERT_EQUAL(epoch_init(&epoch, 2), -ENOMEM);
    epoch_deinit(&epoch);
#endif
}

/* Concurrency. Each of some shards owns a shared pointer, swaps it, retires and at last poisons
 * the old objects; and each reads everybody's pointers all the time. */

enum { SHARDS = 4, WORDS = 8, POISON = 0xdead };

struct object {
    struct epoch_item item;
    struct object *next_free;
    struct shard *owner;
    uint64_t words[WORDS]; /* all alike while it lives */
};

struct shard {
    _Alignas(64) _Atomic(struct object *) published;
    struct epoch *epoch;
    struct epoch_bin bin;
    pthread_t thread;
    uint32_t index;
    unsigned turns;
    uint64_t random;
    struct object *free; /* poisoned ones, used again */
    unsigned retired, returned, bad_sights;
};

static struct shard shards[SHARDS];
static atomic_uint shards_running;

static void poison(struct epoch_item *item)
{
    struct object *object = container_of(item, struct object, item);

    for (int i = 0; i < WORDS; i++)
        object->words[i] = POISON;
    object->owner->returned++;
    object->next_free = object->owner->free;
    object->owner->free = object;
}

static struct object *object_new(struct shard *shard)
{
    struct object *object = shard->free;
    uint64_t word = unit_random(&shard->random) | 1ull << 63; /* never POISON */

    if (object)
        shard->free = object->next_free;
    else
        object = mem_zalloc(sizeof(*object));
    if (!object)
        abort();
    object->owner = shard;
    for (int i = 0; i < WORDS; i++)
        object->words[i] = word;
    return object;
}

static void swap(struct shard *shard)
{
    struct object *fresh = object_new(shard);
    /* Release pairs with the acquire in look(). */
    struct object *old = atomic_exchange_explicit(&shard->published, fresh, memory_order_acq_rel);

    epoch_retire(&shard->bin, &old->item, poison);
    shard->retired++;
}

/* Reads one object twice over, with a pause in which others may do their worst. */
static void look(struct shard *shard, struct shard *other)
{
    const struct object *object = atomic_load_explicit(&other->published, memory_order_acquire);
    uint64_t word = object->words[0];

    if (unit_random(&shard->random) % 16 == 0)
        sched_yield();
    for (int i = 0; i < WORDS; i++)
        shard->bad_sights += object->words[i] != word || word == POISON;
}

static void turn(struct shard *shard)
{
    for (uint64_t looks = unit_random(&shard->random) % 4; looks > 0; looks--)
        look(shard, &shards[unit_random(&shard->random) % SHARDS]);
    if (unit_random(&shard->random) % 2 == 0)
        swap(shard);
    epoch_quiesce(shard->epoch, shard->index);
    epoch_collect(&shard->bin);
    if (unit_random(&shard->random) % 8 == 0) {
        epoch_offline(shard->epoch, shard->index);
        for (uint64_t naps = unit_random(&shard->random) % 3; naps > 0; naps--)
            sched_yield();
        epoch_online(shard->epoch, shard->index);
    }
}

static void *run_shard(void *arg)
{
    struct shard *shard = arg;

    epoch_online(shard->epoch, shard->index);
    for (unsigned i = 0; i < shard->turns; i++)
        turn(shard);
    epoch_offline(shard->epoch, shard->index);
    atomic_fetch_sub(&shards_running, 1);
    while (atomic_load(&shards_running) > 0) /* the others still read what this one published */
        sched_yield();
    while (epoch_collect(&shard->bin))
        sched_yield();
    return NULL;
}

static void shard_init(struct shard *shard, uint32_t index, struct epoch *epoch, uint64_t random)
{
    *shard = (struct shard){.index = index, .epoch = epoch, .random = random};
    shard->turns = unit_rounds(20000);
    epoch_bin_init(&shard->bin, epoch);
    atomic_store(&shard->published, object_new(shard));
}

static void shard_deinit(struct shard *shard)
{
    mem_free(atomic_load(&shard->published));
    for (struct object *object = shard->free, *next; object; object = next) {
        next = object->next_free;
        mem_free(object);
    }
}

static void test_epoch__no_reader_ever_sees_what_has_been_taken_back(void)
{
    uint64_t random = unit_seed();
    struct epoch epoch;

    CU_ASSERT_FATAL(epoch_init(&epoch, SHARDS) == 0);
    atomic_store(&shards_running, SHARDS);
    for (uint32_t i = 0; i < SHARDS; i++)
        shard_init(&shards[i], i, &epoch, unit_random(&random));
    for (uint32_t i = 0; i < SHARDS; i++)
        CU_ASSERT_FATAL(pthread_create(&shards[i].thread, NULL, run_shard, &shards[i]) == 0);
    for (uint32_t i = 0; i < SHARDS; i++)
        pthread_join(shards[i].thread, NULL);
    for (uint32_t i = 0; i < SHARDS; i++) {
        CU_ASSERT_EQUAL(shards[i].bad_sights, 0);
        CU_ASSERT(shards[i].retired > 0);
        CU_ASSERT_EQUAL(shards[i].returned, shards[i].retired);
        shard_deinit(&shards[i]);
    }
    epoch_deinit(&epoch);
}

UNIT_MAIN("epoch", UNIT_TEST(test_epoch__without_readers_inside_all_comes_back_at_once),
          UNIT_TEST(test_epoch__it_waits_for_every_reader_that_was_inside),
          UNIT_TEST(test_epoch__a_reader_that_comes_later_is_not_waited_for),
          UNIT_TEST(test_epoch__older_objects_come_back_while_younger_ones_wait),
          UNIT_TEST(test_epoch__every_owner_has_a_bin_of_its_own),
          UNIT_TEST(test_epoch__what_is_retired_while_collecting_waits_its_turn),
          UNIT_TEST(test_epoch__draining_gives_all_back),
          UNIT_TEST(test_epoch__readers_keep_to_their_own_cache_lines),
          UNIT_TEST(test_epoch__without_memory_it_says_so),
          UNIT_TEST(test_epoch__no_reader_ever_sees_what_has_been_taken_back))
