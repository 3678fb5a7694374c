#include "ringroom/base/hash.h"

#include "unit.h"

/* The bytes 0, 1, 2, … of that length, at an odd address. */
static struct slice counting(size_t len)
{
    static uint8_t bytes[257];

    for (size_t i = 0; i < len; i++)
        bytes[i + 1] = (uint8_t)i;
    return slice_make(bytes + 1, len);
}

/* As computed by another implementation (CPython's, whose key is zero when hash randomisation
 * is off). */
static void test_hash__known_answers_under_the_zero_key(void)
{
    static const struct hash_key key = {0, 0};

    CU_ASSERT_EQUAL(hash_keyed(&key, slice_of("a")), 0x407448d2b89b1813u);
    CU_ASSERT_EQUAL(hash_keyed(&key, slice_of("ringroom")), 0x3cd116c05b5b2707u);
    CU_ASSERT_EQUAL(hash_keyed(&key, counting(7)), 0x2f098ab0c751325au);
    CU_ASSERT_EQUAL(hash_keyed(&key, counting(15)), 0xf30eb725bb91c9eau);
    CU_ASSERT_EQUAL(hash_keyed(&key, counting(16)), 0x8972188433a5c5b7u);
    CU_ASSERT_EQUAL(hash_keyed(&key, counting(63)), 0x385d3e39e5f37359u);
    CU_ASSERT_EQUAL(hash_keyed(&key, counting(256)), 0x31ae646afba70308u);
}

/* The first of SipHash-1-3's published vectors: key 00 01 … 0f, no bytes. */
static void test_hash__known_answer_for_nothing_under_the_counting_key(void)
{
    static const struct hash_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

    CU_ASSERT_EQUAL(hash_keyed(&key, slice_make(NULL, 0)), 0xabac0158050fc4dcu);
}

static void test_hash__every_byte_and_the_length_count(void)
{
    uint8_t bytes[40] = {0};
    uint64_t seen[41 + 40];
    size_t count = 0;

    for (size_t len = 0; len <= sizeof(bytes); len++)
        seen[count++] = hash_bytes(slice_make(bytes, len));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] ^= 1;
        seen[count++] = hash_bytes(slice_make(bytes, sizeof(bytes)));
        bytes[i] ^= 1;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++)
            CU_ASSERT(seen[i] != seen[j]);
    }
}

static void test_hash__a_process_draws_its_own_key(void)
{
    hash_init();
    uint64_t before = hash_bytes(slice_of("lobby"));
    CU_ASSERT_EQUAL(hash_bytes(slice_of("lobby")), before);
    hash_init();
    CU_ASSERT(hash_bytes(slice_of("lobby")) != before);
}

UNIT_MAIN("hash", UNIT_TEST(test_hash__known_answers_under_the_zero_key),
          UNIT_TEST(test_hash__known_answer_for_nothing_under_the_counting_key),
          UNIT_TEST(test_hash__every_byte_and_the_length_count),
          UNIT_TEST(test_hash__a_process_draws_its_own_key))
