/* Which room keeps how long: patterns and rules. */
#include "ringroom/room/retention.h"
#include "unit.h"

static bool match(const char *pattern, const char *text)
{
    return pattern_match(slice_of(pattern), slice_of(text));
}

static void test_retention__a_star_matches_any_run(void)
{
    CU_ASSERT(match("*", ""));
    CU_ASSERT(match("*", "anything"));
    CU_ASSERT(match("game-*", "game-"));
    CU_ASSERT(match("game-*", "game-42"));
    CU_ASSERT(match("*-game", "my-game"));
    CU_ASSERT(match("a*b*c", "a-b-b-c"));
    CU_ASSERT(match("a**c", "ac"));
    CU_ASSERT(match("*ab", "aab"));
    CU_ASSERT(!match("game-*", "gam"));
    CU_ASSERT(!match("*-game", "my-game-2"));
    CU_ASSERT(!match("a*b*c", "a-c-b"));
}

static void test_retention__without_a_star_only_the_same_bytes_match(void)
{
    CU_ASSERT(match("", ""));
    CU_ASSERT(match("room", "room"));
    CU_ASSERT(!match("", "a"));
    CU_ASSERT(!match("room", "roo"));
    CU_ASSERT(!match("room", "rooms"));
    CU_ASSERT(!match("room", "Room"));
    CU_ASSERT(!match("r?om", "room"));
}

static void test_retention__a_null_byte_in_a_name_is_a_byte_like_any_other(void)
{
    CU_ASSERT(pattern_match(slice_of("a*c"), slice_make("a\0c", 3)));
    CU_ASSERT(!pattern_match(slice_of("a"), slice_make("a\0", 2)));
}

/* The definition, as slow as it is plain. */
static bool naive(const char *pattern, size_t pattern_len, const char *text, size_t text_len)
{
    if (pattern_len == 0)
        return text_len == 0;
    if (*pattern != '*')
        return text_len > 0 && *pattern == *text &&
               naive(pattern + 1, pattern_len - 1, text + 1, text_len - 1);
    for (size_t taken = 0; taken <= text_len; taken++) {
        if (naive(pattern + 1, pattern_len - 1, text + taken, text_len - taken))
            return true;
    }
    return false;
}

static size_t random_text(uint64_t *random, const char *letters, size_t count, char text[12])
{
    size_t len = unit_random(random) % 11;

    for (size_t i = 0; i < len; i++)
        text[i] = letters[unit_random(random) % count];
    return len;
}

static void test_retention__matching_agrees_with_the_naive_definition(void)
{
    uint64_t random = unit_seed();
    unsigned matched = 0, rounds = unit_rounds(200000);

    for (unsigned i = 0; i < rounds; i++) {
        char pattern[12], text[12];
        size_t pattern_len = random_text(&random, "ab*", 3, pattern);
        size_t text_len = random_text(&random, "ab", 2, text);
        bool expected = naive(pattern, pattern_len, text, text_len);

        matched += expected;
        if (pattern_match(slice_make(pattern, pattern_len), slice_make(text, text_len)) == expected)
            continue;
        printf("\n    \"%.*s\" and \"%.*s\"\n", (int)pattern_len, pattern, (int)text_len, text);
        CU_FAIL("differs from the naive definition");
        return;
    }
    CU_ASSERT(matched > rounds / 100 && matched < rounds);
}

static void test_retention__many_stars_against_a_long_text_take_no_exponential_time(void)
{
    static char pattern[256], text[65536];

    for (size_t i = 0; i < sizeof(pattern); i += 2)
        memcpy(pattern + i, "*a", 2);
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = 'b';
    /* Done at all is the test: the naive definition would not end in this century. */
    CU_ASSERT(!pattern_match(slice_make(pattern, sizeof(pattern)), slice_make(text, sizeof(text))));
}

static void test_retention__the_first_rule_that_matches_decides(void)
{
    char all_games[] = "game-*", one_game[] = "game-1", help[] = "help";
    struct retention_rule rules[] = {
        {.match = all_games, .retention.ttl_s = 1},
        {.match = one_game, .retention.ttl_s = 2},
        {.match = help, .retention.ttl_s = 3},
    };
    struct retention_rules all = {.defaults.ttl_s = 4, .rules = rules, .rules_count = 3};

    CU_ASSERT_EQUAL(retention_for(&all, slice_of("game-1")).ttl_s, 1);
    CU_ASSERT_EQUAL(retention_for(&all, slice_of("help")).ttl_s, 3);
    CU_ASSERT_EQUAL(retention_for(&all, slice_of("helper")).ttl_s, 4);
    all.rules_count = 0;
    CU_ASSERT_EQUAL(retention_for(&all, slice_of("game-1")).ttl_s, 4);
}

static void test_retention__every_ttl_from_has_its_name(void)
{
    CU_ASSERT_STRING_EQUAL(ttl_from_name(TTL_FROM_LAST_MESSAGE), "last_message");
    CU_ASSERT_STRING_EQUAL(ttl_from_name(TTL_FROM_MESSAGE), "message");
    CU_ASSERT_STRING_EQUAL(ttl_from_name(TTL_FROM_FIRST_MESSAGE), "first_message");
}

UNIT_MAIN("room.retention", UNIT_TEST(test_retention__a_star_matches_any_run),
          UNIT_TEST(test_retention__without_a_star_only_the_same_bytes_match),
          UNIT_TEST(test_retention__a_null_byte_in_a_name_is_a_byte_like_any_other),
          UNIT_TEST(test_retention__matching_agrees_with_the_naive_definition),
          UNIT_TEST(test_retention__many_stars_against_a_long_text_take_no_exponential_time),
          UNIT_TEST(test_retention__the_first_rule_that_matches_decides),
          UNIT_TEST(test_retention__every_ttl_from_has_its_name))
