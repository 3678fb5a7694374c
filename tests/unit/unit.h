/* unit.h - the frame of every unit test program: one suite of named tests.
 *
 * A test program lists its tests and calls UNIT_MAIN. Random tests take their
 * seed from unit_seed(): it is printed, and SEED=<number> in the environment
 * replays a run. UNIT_LONG=1 asks for longer random runs (unit_rounds()). */
#pragma once

#include <CUnit/Basic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct unit_test {
    const char *name;
    void (*run)(void);
};

#define UNIT_TEST(fn) {#fn, fn}

static inline uint64_t unit_seed(void)
{
    const char *text = getenv("SEED");
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t)now.tv_nsec * 2654435761u + 1;
    printf(" (SEED=%llu) ", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

/* xorshift64*: good enough for choosing operations, and the same everywhere. */
static inline uint64_t unit_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

static inline unsigned unit_rounds(unsigned usual)
{
    return getenv("UNIT_LONG") ? usual * 20 : usual;
}

static inline int unit_run(const char *suite_name, const struct unit_test *tests, size_t count)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    CU_pSuite suite = CU_add_suite(suite_name, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        CU_add_test(suite, tests[i].name, tests[i].run);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed ? 1 : 0;
}

#define UNIT_MAIN(suite_name, ...)                                                                 \
    int main(void)                                                                                 \
    {                                                                                              \
        static const struct unit_test tests[] = {__VA_ARGS__};                                     \
        return unit_run(suite_name, tests, sizeof(tests) / sizeof(tests[0]));                      \
    }
