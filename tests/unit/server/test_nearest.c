/* What someone probably meant. */
#include "ringroom/server/nearest.h"
#include "unit.h"
#include <string.h>

static void test_nearest__distances_count_edits_and_swaps(void)
{
    CU_ASSERT_EQUAL(nearest_distance("", ""), 0);
    CU_ASSERT_EQUAL(nearest_distance("", "abc"), 3);
    CU_ASSERT_EQUAL(nearest_distance("listen", "listen"), 0);
    CU_ASSERT_EQUAL(nearest_distance("lisen", "listen"), 1);
    CU_ASSERT_EQUAL(nearest_distance("lisetn", "listen"), 1);
    CU_ASSERT_EQUAL(nearest_distance("kitten", "sitting"), 3);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The definition, by recursion. */
static size_t naive(const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (a_len == 0 || b_len == 0)
        return a_len + b_len;
    size_t best = naive(a, a_len - 1, b, b_len - 1) + (a[a_len - 1] != b[b_len - 1]);
    best = least(best, naive(a, a_len - 1, b, b_len) + 1);
    best = least(best, naive(a, a_len, b, b_len - 1) + 1);
    if (a_len > 1 && b_len > 1 && a[a_len - 1] == b[b_len - 2] && a[a_len - 2] == b[b_len - 1])
        best = least(best, naive(a, a_len - 2, b, b_len - 2) + 1);
    return best;
}

static void test_nearest__distances_agree_with_the_naive_definition(void)
{
    uint64_t random = unit_seed();
    unsigned rounds = unit_rounds(3000);

    for (unsigned i = 0; i < rounds; i++) {
        char words[2][8] = {"", ""};

        for (int word = 0; word < 2; word++) {
            size_t len = unit_random(&random) % 7;
            for (size_t j = 0; j < len; j++)
                words[word][j] = (char)('a' + unit_random(&random) % 3);
        }
        if (nearest_distance(words[0], words[1]) ==
            naive(words[0], strlen(words[0]), words[1], strlen(words[1])))
            continue;
        printf("\n    %s and %s\n", words[0], words[1]);
        CU_FAIL("differs from the naive definition");
        return;
    }
}

static void test_nearest__the_first_of_equals_is_kept(void)
{
    struct nearest nearest = nearest_to("bat");

    CU_ASSERT_PTR_NULL(nearest.best);
    nearest_offer(&nearest, "house");
    nearest_offer(&nearest, "cat");
    nearest_offer(&nearest, "rat");
    CU_ASSERT_STRING_EQUAL(nearest.best, "cat");
    CU_ASSERT_EQUAL(nearest.distance, 1);
}

static void test_nearest__of_long_names_only_the_front_counts(void)
{
    char a[3 * NEAREST_NAME_MAX], b[3 * NEAREST_NAME_MAX];

    memset(a, 'a', sizeof(a));
    memset(b, 'a', sizeof(b));
    a[sizeof(a) - 1] = b[sizeof(b) - 1] = '\0';
    b[NEAREST_NAME_MAX] = 'b';
    CU_ASSERT_EQUAL(nearest_distance(a, b), 0);
    b[NEAREST_NAME_MAX - 1] = 'b';
    CU_ASSERT_EQUAL(nearest_distance(a, b), 1);
    CU_ASSERT_EQUAL(nearest_distance(a, ""), NEAREST_NAME_MAX);
}

UNIT_MAIN("server.nearest", UNIT_TEST(test_nearest__distances_count_edits_and_swaps),
          UNIT_TEST(test_nearest__distances_agree_with_the_naive_definition),
          UNIT_TEST(test_nearest__the_first_of_equals_is_kept),
          UNIT_TEST(test_nearest__of_long_names_only_the_front_counts))
