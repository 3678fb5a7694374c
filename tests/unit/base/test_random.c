#include "ringroom/base/random.h"

#include "unit.h"
#include <stdbool.h>
#include <string.h>

static void test_random__every_byte_is_filled(void)
{
    enum { BYTES = 1000, DRAWS = 20 }; /* a byte that is drawn is zero 20 times once in 2^160 */
    static uint8_t bytes[BYTES + 1];
    bool filled[BYTES] = {false};

    for (int draw = 0; draw < DRAWS; draw++) {
        memset(bytes, 0, sizeof(bytes));
        random_bytes(bytes, BYTES);
        for (int i = 0; i < BYTES; i++)
            filled[i] |= bytes[i] != 0;
        CU_ASSERT_EQUAL(bytes[BYTES], 0);
    }
    for (int i = 0; i < BYTES; i++)
        CU_ASSERT(filled[i]);
}

static void test_random__no_two_draws_are_alike(void)
{
    uint64_t draws[64];

    for (int i = 0; i < 64; i++) {
        draws[i] = random_u64();
        for (int j = 0; j < i; j++)
            CU_ASSERT(draws[i] != draws[j]);
    }
}

static void test_random__no_bytes_may_be_asked_for(void)
{
    uint8_t byte = 7;

    random_bytes(&byte, 0);
    CU_ASSERT_EQUAL(byte, 7);
}

UNIT_MAIN("random", UNIT_TEST(test_random__every_byte_is_filled),
          UNIT_TEST(test_random__no_two_draws_are_alike),
          UNIT_TEST(test_random__no_bytes_may_be_asked_for))
