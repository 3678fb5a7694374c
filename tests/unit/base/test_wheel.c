/* The wheel against a naive twin: an array of due times that is searched from end to end. */
#include "ringroom/base/wheel.h"

#include "unit.h"
#include <string.h>

enum { TIMERS = 120 };

#define DAY_MS 86400000ull
/* Due times at most this far ahead are kept exactly; further ones may come early. */
#define REACH_MS ((63ull * (1ull << 24) - 1) * WHEEL_TICK_MS)

struct subject {
    struct timer timer;
    bool set;             /* the twin's view, as are those below */
    bool far;             /* set further ahead than the wheel reaches */
    uint64_t due_ms;      /* as asked for */
    uint64_t expected_ms; /* the advance that reaches this time must fire it */
    unsigned fired_count;
};

static struct {
    struct wheel wheel;
    struct subject subjects[TIMERS];
    uint64_t now_ms;
    uint64_t random;
    bool meddling; /* timer functions set and cancel timers at random */
} world;

static void subject_set(struct subject *subject, uint64_t due_ms)
{
    uint64_t tick_ms = world.now_ms - world.now_ms % WHEEL_TICK_MS;
    uint64_t due_tick_ms = (due_ms / WHEEL_TICK_MS + (due_ms % WHEEL_TICK_MS != 0)) * WHEEL_TICK_MS;

    wheel_set(&world.wheel, &subject->timer, due_ms);
    subject->set = true;
    subject->due_ms = due_ms;
    subject->far = due_ms > world.now_ms + REACH_MS;
    /* What is due already comes with the next tick. */
    subject->expected_ms = due_tick_ms > tick_ms ? due_tick_ms : tick_ms + WHEEL_TICK_MS;
}

static void subject_cancel(struct subject *subject)
{
    wheel_cancel(&world.wheel, &subject->timer);
    subject->set = false;
}

/* Near and far in equal measure: a number of bits is drawn first. */
static uint64_t random_span_ms(void)
{
    return unit_random(&world.random) >> (63 - unit_random(&world.random) % 37);
}

static struct subject *random_subject(void)
{
    return &world.subjects[unit_random(&world.random) % TIMERS];
}

static uint64_t random_due_ms(void)
{
    if (unit_random(&world.random) % 8 == 0)
        return world.now_ms - world.now_ms % (random_span_ms() + 1); /* now, or long past */
    return world.now_ms + random_span_ms();
}

static void on_fire(struct timer *timer, uint64_t now_ms)
{
    struct subject *subject = container_of(timer, struct subject, timer);

    CU_ASSERT_FATAL(subject->set && !timer_is_set(timer));
    CU_ASSERT_FATAL(now_ms == world.now_ms);
    CU_ASSERT_FATAL(subject->due_ms <= now_ms || subject->far);
    subject->set = false;
    subject->fired_count++;
    if (subject->due_ms > now_ms)
        subject_set(subject, subject->due_ms);
    if (!world.meddling)
        return;
    if (unit_random(&world.random) % 4 == 0)
        subject_set(subject, random_due_ms());
    if (unit_random(&world.random) % 2 == 0)
        subject_set(random_subject(), random_due_ms());
    if (unit_random(&world.random) % 2 == 0)
        subject_cancel(random_subject());
}

static void world_init(uint64_t now_ms, bool meddling)
{
    memset(&world, 0, sizeof(world));
    world.now_ms = now_ms;
    world.meddling = meddling;
    wheel_init(&world.wheel, now_ms);
    for (int i = 0; i < TIMERS; i++)
        timer_init(&world.subjects[i].timer, on_fire);
}

static void advance_to(uint64_t now_ms)
{
    world.now_ms = now_ms;
    wheel_advance(&world.wheel, now_ms);
}

/* Every timer lies where the wheel's comment says, and the bitmaps are true. */
static void check_wheel(const struct wheel *wheel)
{
    uint32_t count = 0;

    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        unsigned shift = level * WHEEL_BITS;
        for (unsigned i = 0; i < WHEEL_SLOTS; i++) {
            const struct list *slot = &wheel->slots[level][i];
            CU_ASSERT_FATAL(!list_empty(slot) == (wheel->occupied[level] >> i & 1));
            CU_ASSERT_FATAL(list_empty(slot) || i != (wheel->tick >> shift & 63));
            for (struct list *link = slot->next; link != slot; link = link->next, count++) {
                const struct timer *timer = container_of(link, struct timer, link);
                uint64_t slots_ahead = (timer->due_tick >> shift) - (wheel->tick >> shift);
                CU_ASSERT_FATAL((timer->due_tick >> shift & 63) == i);
                CU_ASSERT_FATAL(slots_ahead > 0 && slots_ahead < WHEEL_SLOTS);
            }
        }
    }
    CU_ASSERT_FATAL(count == wheel->count);
}

/* After an advance: nobody who should have fired is left, and the wait is short enough. */
static void check_twin(void)
{
    uint64_t earliest_ms = UINT64_MAX;
    uint32_t count = 0;

    for (int i = 0; i < TIMERS; i++) {
        const struct subject *subject = &world.subjects[i];
        CU_ASSERT_FATAL(timer_is_set(&subject->timer) == subject->set);
        if (!subject->set)
            continue;
        count++;
        CU_ASSERT_FATAL(subject->expected_ms > world.now_ms);
        if (subject->expected_ms < earliest_ms)
            earliest_ms = subject->expected_ms;
    }
    CU_ASSERT_FATAL(world.wheel.count == count);
    uint64_t wait_ms = wheel_wait_ms(&world.wheel, world.now_ms);
    CU_ASSERT_FATAL(count > 0 ? wait_ms <= earliest_ms - world.now_ms : wait_ms == UINT64_MAX);
}

static void run_model(uint64_t start_ms, unsigned rounds, bool meddling, uint64_t *random)
{
    world_init(start_ms, meddling);
    world.random = *random;
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t pick = unit_random(&world.random) % 10;
        if (pick < 5)
            subject_set(random_subject(), random_due_ms());
        else if (pick < 6)
            subject_cancel(random_subject());
        else if (pick < 9)
            advance_to(world.now_ms + random_span_ms() % (1 + random_span_ms()));
        else if (world.wheel.count > 0)
            advance_to(world.now_ms + wheel_wait_ms(&world.wheel, world.now_ms));
        check_wheel(&world.wheel);
        if (pick >= 6)
            check_twin();
    }
    *random = world.random;
}

static void test_wheel__any_operations_fire_what_a_naive_search_finds_due(void)
{
    uint64_t random = unit_seed();

    for (int i = 0; i < 4; i++)
        run_model(unit_random(&random) % (400 * DAY_MS), unit_rounds(3000), false, &random);
}

static void test_wheel__timer_functions_may_set_and_cancel_any_timer(void)
{
    uint64_t random = unit_seed();

    for (int i = 0; i < 4; i++)
        run_model(unit_random(&random) % (400 * DAY_MS), unit_rounds(3000), true, &random);
}

static void test_wheel__a_timer_never_fires_early_and_at_most_one_tick_late(void)
{
    static const uint64_t spans_ms[] = {0,    1,     15,    16,      17,     1023,        1024,
                                        1025, 65535, 65536, 3600000, DAY_MS, DAY_MS * 30, REACH_MS};

    for (uint64_t start_ms = 5000; start_ms < 5000 + WHEEL_TICK_MS; start_ms++) {
        for (size_t i = 0; i < array_len(spans_ms); i++) {
            world_init(start_ms, false);
            struct subject *subject = &world.subjects[0];
            uint64_t due_ms = start_ms + spans_ms[i];
            subject_set(subject, due_ms);
            if (due_ms > start_ms)
                advance_to(due_ms - 1);
            CU_ASSERT_EQUAL(subject->fired_count, 0);
            advance_to(due_ms + WHEEL_TICK_MS);
            CU_ASSERT_EQUAL(subject->fired_count, 1);
        }
    }
}

/* As a loop does that sleeps as long as the wheel says. */
static void test_wheel__following_its_waits_brings_a_timer_in_few_steps(void)
{
    uint64_t random = unit_seed();

    for (unsigned round = 0; round < unit_rounds(5000); round++) {
        world_init(unit_random(&random) % (900 * DAY_MS), false);
        world.random = unit_random(&random);
        struct subject *subject = &world.subjects[0];
        uint64_t due_ms = world.now_ms + random_span_ms() % REACH_MS;
        subject_set(subject, due_ms);
        int steps = 0;
        for (; subject->fired_count == 0 && steps < 100; steps++)
            advance_to(world.now_ms + wheel_wait_ms(&world.wheel, world.now_ms));
        CU_ASSERT_FATAL(steps <= WHEEL_LEVELS);
        CU_ASSERT_FATAL(world.now_ms >= due_ms && world.now_ms <= due_ms + WHEEL_TICK_MS);
    }
}

/* Near the end of the top level's round the same distances must still be reached. */
static void test_wheel__the_end_of_a_round_is_no_end_of_its_reach(void)
{
    const uint64_t round_ms = (1ull << 30) * WHEEL_TICK_MS;

    for (uint64_t before_ms = 1; before_ms < DAY_MS; before_ms *= 3) {
        world_init(round_ms - before_ms, false);
        subject_set(&world.subjects[0], round_ms + 1000);
        subject_set(&world.subjects[1], world.now_ms + REACH_MS);
        check_wheel(&world.wheel);
        advance_to(round_ms + 999);
        CU_ASSERT_EQUAL(world.subjects[0].fired_count, 0);
        advance_to(round_ms + 999 + WHEEL_TICK_MS);
        CU_ASSERT_EQUAL(world.subjects[0].fired_count, 1);
        advance_to(world.subjects[1].due_ms - 1);
        CU_ASSERT_EQUAL(world.subjects[1].fired_count, 0);
        advance_to(world.subjects[1].due_ms + WHEEL_TICK_MS);
        CU_ASSERT_EQUAL(world.subjects[1].fired_count, 1);
    }
}

static void test_wheel__what_lies_beyond_its_reach_comes_early_to_be_set_again(void)
{
    world_init(12345, false);
    struct subject *subject = &world.subjects[0];
    subject_set(subject, UINT64_MAX);
    advance_to(12345 + REACH_MS);
    CU_ASSERT_EQUAL(subject->fired_count, 0);
    advance_to(12345 + REACH_MS + 200 * DAY_MS);
    CU_ASSERT_EQUAL(subject->fired_count, 1);
    CU_ASSERT(timer_is_set(&subject->timer)); /* on_fire() set it again */
}

/* Ticks one by one would take minutes here. */
static void test_wheel__a_long_idle_time_is_crossed_at_once(void)
{
    world_init(0, false);
    for (int i = 0; i < 1000; i++) {
        subject_set(&world.subjects[0], world.now_ms + 100 * DAY_MS);
        advance_to(world.now_ms + 99 * DAY_MS);
        CU_ASSERT_EQUAL(world.subjects[0].fired_count, (unsigned)i);
        advance_to(world.now_ms + DAY_MS);
        CU_ASSERT_EQUAL(world.subjects[0].fired_count, (unsigned)i + 1);
        advance_to(world.now_ms + 1000 * DAY_MS);
    }
}

static void test_wheel__a_cancelled_timer_causes_no_waking(void)
{
    world_init(777, false);
    for (uint64_t span_ms = 1; span_ms < REACH_MS; span_ms *= 2) {
        subject_set(&world.subjects[0], world.now_ms + span_ms);
        subject_set(&world.subjects[0], world.now_ms + span_ms / 2); /* moved */
        subject_cancel(&world.subjects[0]);
        subject_cancel(&world.subjects[0]); /* twice is harmless */
        CU_ASSERT_EQUAL(wheel_wait_ms(&world.wheel, world.now_ms), UINT64_MAX);
        check_wheel(&world.wheel);
    }
}

static void test_wheel__time_that_stands_or_goes_back_changes_nothing(void)
{
    world_init(1000000, false);
    subject_set(&world.subjects[0], 1000000);
    wheel_advance(&world.wheel, 1000000);
    wheel_advance(&world.wheel, 5);
    CU_ASSERT_EQUAL(world.subjects[0].fired_count, 0);
    advance_to(1000000 + WHEEL_TICK_MS);
    CU_ASSERT_EQUAL(world.subjects[0].fired_count, 1);
}

static unsigned again_count;

static void on_fire_set_again_at_once(struct timer *timer, uint64_t now_ms)
{
    again_count++;
    wheel_set(&world.wheel, timer, now_ms);
}

static void test_wheel__a_timer_that_sets_itself_for_now_fires_once_an_advance(void)
{
    struct timer timer;

    world_init(0, false);
    again_count = 0;
    timer_init(&timer, on_fire_set_again_at_once);
    wheel_set(&world.wheel, &timer, 0);
    for (unsigned i = 1; i <= 5; i++) {
        advance_to(i * 60000);
        CU_ASSERT_EQUAL(again_count, i);
    }
    wheel_cancel(&world.wheel, &timer);
}

static struct timer *victim, *moved;

static void on_fire_disturb_neighbours(struct timer *timer, uint64_t now_ms)
{
    wheel_cancel(&world.wheel, victim);
    wheel_set(&world.wheel, moved, now_ms + 1000);
}

static void test_wheel__a_timer_due_in_the_same_slot_can_be_cancelled_or_moved(void)
{
    struct timer first;

    world_init(0, false);
    timer_init(&first, on_fire_disturb_neighbours);
    victim = &world.subjects[0].timer;
    moved = &world.subjects[1].timer;
    wheel_set(&world.wheel, &first, 160);
    subject_set(&world.subjects[0], 160);
    subject_set(&world.subjects[1], 160);
    advance_to(320);
    CU_ASSERT(!timer_is_set(victim) && timer_is_set(moved));
    CU_ASSERT_EQUAL(world.subjects[0].fired_count + world.subjects[1].fired_count, 0);
    check_wheel(&world.wheel);
    advance_to(320 + 1000 + WHEEL_TICK_MS);
    CU_ASSERT_EQUAL(world.subjects[1].fired_count, 1);
    CU_ASSERT_EQUAL(world.wheel.count, 0);
}

UNIT_MAIN("wheel", UNIT_TEST(test_wheel__any_operations_fire_what_a_naive_search_finds_due),
          UNIT_TEST(test_wheel__timer_functions_may_set_and_cancel_any_timer),
          UNIT_TEST(test_wheel__a_timer_never_fires_early_and_at_most_one_tick_late),
          UNIT_TEST(test_wheel__following_its_waits_brings_a_timer_in_few_steps),
          UNIT_TEST(test_wheel__the_end_of_a_round_is_no_end_of_its_reach),
          UNIT_TEST(test_wheel__what_lies_beyond_its_reach_comes_early_to_be_set_again),
          UNIT_TEST(test_wheel__a_long_idle_time_is_crossed_at_once),
          UNIT_TEST(test_wheel__a_cancelled_timer_causes_no_waking),
          UNIT_TEST(test_wheel__time_that_stands_or_goes_back_changes_nothing),
          UNIT_TEST(test_wheel__a_timer_that_sets_itself_for_now_fires_once_an_advance),
          UNIT_TEST(test_wheel__a_timer_due_in_the_same_slot_can_be_cancelled_or_moved))
