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

static const char *best_of(const char *wanted, const char *const *offered)
{
    struct nearest nearest = nearest_to(wanted);

    for (; *offered; offered++)
        nearest_offer(&nearest, *offered);
    return nearest.best ? nearest.best : "";
}

static void test_nearest__distant_words_are_not_offered(void)
{
    const char *const commands[] = {"serve", "check", NULL};

    CU_ASSERT_STRING_EQUAL(best_of("help", commands), "");
    CU_ASSERT_STRING_EQUAL(best_of("start", commands), "");
    CU_ASSERT_STRING_EQUAL(best_of("", commands), "");
    CU_ASSERT_STRING_EQUAL(best_of("x", commands), "");
    CU_ASSERT_STRING_EQUAL(best_of("sever", commands), "serve");
    CU_ASSERT_STRING_EQUAL(best_of("chekc", commands), "check");
    /* A third of the longer one, rounded. */
    CU_ASSERT_STRING_EQUAL(best_of("abc", (const char *const[]){"xbc", NULL}), "xbc");
    CU_ASSERT_STRING_EQUAL(best_of("abc", (const char *const[]){"xyc", NULL}), "");
    CU_ASSERT_STRING_EQUAL(best_of("abcdef", (const char *const[]){"xycdef", NULL}), "xycdef");
    CU_ASSERT_STRING_EQUAL(best_of("abcdef", (const char *const[]){"xyzdef", NULL}), "");
}

static void test_nearest__what_begins_alike_is_near(void)
{
    CU_ASSERT_STRING_EQUAL(best_of("certificate", (const char *const[]){"cert", NULL}), "cert");
    CU_ASSERT_STRING_EQUAL(best_of("ver", (const char *const[]){"version", NULL}), "version");
    CU_ASSERT_STRING_EQUAL(best_of("ve", (const char *const[]){"version", NULL}), "");
}

static void test_nearest__a_part_may_stand_for_the_whole(void)
{
    struct nearest nearest = nearest_to("cerd");

    nearest_offer_part(&nearest, "key", "tls.key");
    CU_ASSERT_PTR_NULL(nearest.best);
    nearest_offer_part(&nearest, "cert", "tls.cert");
    CU_ASSERT_STRING_EQUAL(nearest.best, "tls.cert");
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
          UNIT_TEST(test_nearest__distant_words_are_not_offered),
          UNIT_TEST(test_nearest__what_begins_alike_is_near),
          UNIT_TEST(test_nearest__a_part_may_stand_for_the_whole),
          UNIT_TEST(test_nearest__of_long_names_only_the_front_counts))
