#include "ringroom/base/mem.h"

#include "unit.h"
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static bool all_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

static void test_mem__zalloc_gives_zeros(void)
{
    for (size_t bytes = 1; bytes < 5000; bytes = bytes * 3 + 1) {
        uint8_t *block = mem_zalloc(bytes);
        CU_ASSERT_FATAL(block != NULL);
        CU_ASSERT(all_zero(block, bytes));
        memset(block, 0xff, bytes); /* for the allocator to hand out again */
        mem_free(block);
    }
}

static void test_mem__aligned_blocks_are_aligned_and_zero(void)
{
    for (size_t alignment = 16; alignment <= 4096; alignment *= 2) {
        uint8_t *block = mem_zalloc_aligned(alignment, alignment * 3);
        CU_ASSERT_FATAL(block != NULL);
        CU_ASSERT_EQUAL((uintptr_t)block % alignment, 0);
        CU_ASSERT(all_zero(block, alignment * 3));
        memset(block, 0xff, alignment * 3);
        mem_free(block);
    }
}

static void test_mem__realloc_keeps_what_was_there(void)
{
    char *block = mem_alloc(8);

    CU_ASSERT_FATAL(block != NULL);
    memcpy(block, "ringroom", 8);
    block = mem_realloc(block, 100000);
    CU_ASSERT_FATAL(block != NULL);
    CU_ASSERT(memcmp(block, "ringroom", 8) == 0);
    mem_free(block);
    mem_free(NULL);
}

static void test_mem__wipe_overwrites(void)
{
    uint8_t secret[64];

    memset(secret, 0x5a, sizeof(secret));
    mem_wipe(secret + 1, sizeof(secret) - 2);
    CU_ASSERT(all_zero(secret + 1, sizeof(secret) - 2));
    CU_ASSERT(secret[0] == 0x5a && secret[63] == 0x5a);
}

#ifdef RINGROOM_DCHECK

static void test_mem__the_nth_allocation_fails_once(void)
{
    for (long n = 0; n < 8; n++) {
        mem_fail_after(n);
        for (long i = 0; i < 12; i++) {
            void *block = mem_alloc(1);
            CU_ASSERT_EQUAL(block == NULL, i == n);
            mem_free(block);
        }
    }
    mem_fail_after(-1);
}

static void test_mem__every_kind_of_allocation_can_fail(void)
{
    mem_fail_after(0);
    CU_ASSERT_PTR_NULL(mem_alloc(1));
    mem_fail_after(0);
    CU_ASSERT_PTR_NULL(mem_zalloc(1));
    mem_fail_after(0);
    CU_ASSERT_PTR_NULL(mem_zalloc_aligned(64, 64));
    char *old = mem_alloc(1);
    CU_ASSERT_FATAL(old != NULL);
    mem_fail_after(0);
    CU_ASSERT_PTR_NULL(mem_realloc(old, 2));
    *old = 'x'; /* still ours */
    mem_free(old);
}

static void test_mem__a_negative_number_switches_failing_off(void)
{
    mem_fail_after(1);
    mem_fail_after(-1);
    for (int i = 0; i < 4; i++) {
        void *block = mem_alloc(1);
        CU_ASSERT_PTR_NOT_NULL(block);
        mem_free(block);
    }
}

static void *allocate_one(void *ret_block)
{
    *(void **)ret_block = mem_alloc(1);
    return NULL;
}

static void test_mem__failing_concerns_the_calling_thread_only(void)
{
    pthread_t thread;
    void *block = NULL;

    mem_fail_after(0);
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, allocate_one, &block) == 0);
    pthread_join(thread, NULL);
    CU_ASSERT_PTR_NOT_NULL(block);
    mem_free(block);
    CU_ASSERT_PTR_NULL(mem_alloc(1));
}

UNIT_MAIN("mem", UNIT_TEST(test_mem__zalloc_gives_zeros),
          UNIT_TEST(test_mem__aligned_blocks_are_aligned_and_zero),
          UNIT_TEST(test_mem__realloc_keeps_what_was_there), UNIT_TEST(test_mem__wipe_overwrites),
          UNIT_TEST(test_mem__the_nth_allocation_fails_once),
          UNIT_TEST(test_mem__every_kind_of_allocation_can_fail),
          UNIT_TEST(test_mem__a_negative_number_switches_failing_off),
          UNIT_TEST(test_mem__failing_concerns_the_calling_thread_only))

#else

static void test_mem__failing_has_no_effect_in_release_builds(void)
{
    mem_fail_after(0);
    void *block = mem_alloc(1);
    CU_ASSERT_PTR_NOT_NULL(block);
    mem_free(block);
}

UNIT_MAIN("mem", UNIT_TEST(test_mem__zalloc_gives_zeros),
          UNIT_TEST(test_mem__aligned_blocks_are_aligned_and_zero),
          UNIT_TEST(test_mem__realloc_keeps_what_was_there), UNIT_TEST(test_mem__wipe_overwrites),
          UNIT_TEST(test_mem__failing_has_no_effect_in_release_builds))

#endif
