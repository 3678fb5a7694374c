#include "ringroom/base/clock.h"

#include "unit.h"

static void test_clock__monotonic_time_never_goes_back(void)
{
    uint64_t last = clock_mono_ns();

    for (int i = 0; i < 10000; i++) {
        uint64_t now = clock_mono_ns();
        CU_ASSERT_FATAL(now >= last);
        last = now;
    }
}

static void test_clock__milliseconds_and_nanoseconds_are_one_clock(void)
{
    uint64_t before = clock_mono_ns();
    uint64_t ms = clock_mono_ms();
    uint64_t after = clock_mono_ns();

    CU_ASSERT(ms >= before / 1000000 && ms <= after / 1000000);
}

static void test_clock__wall_time_is_unix_time_in_milliseconds(void)
{
    struct timespec before, after;

    clock_gettime(CLOCK_REALTIME, &before);
    uint64_t ms = clock_wall_ms();
    clock_gettime(CLOCK_REALTIME, &after);
    CU_ASSERT(ms / 1000 >= (uint64_t)before.tv_sec && ms / 1000 <= (uint64_t)after.tv_sec);
}

UNIT_MAIN("clock", UNIT_TEST(test_clock__monotonic_time_never_goes_back),
          UNIT_TEST(test_clock__milliseconds_and_nanoseconds_are_one_clock),
          UNIT_TEST(test_clock__wall_time_is_unix_time_in_milliseconds))
