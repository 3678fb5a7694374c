#include "ringroom/base/utf8.h"

#include "unit.h"

/* The naive twin: decodes one whole character by the bit patterns and then asks whether it was
 * the shortest form of an allowed code point. Returns its length, or 0. */
static size_t naive_character(const uint8_t *data, size_t len, uint32_t *ret_code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = data[0] < 0x80             ? 1
               : (data[0] & 0xe0) == 0xc0 ? 2
               : (data[0] & 0xf0) == 0xe0 ? 3
               : (data[0] & 0xf8) == 0xf0 ? 4
                                          : 0;
    if (n == 0 || n > len)
        return 0;
    uint32_t code = n == 1 ? data[0] : data[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((data[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (data[i] & 0x3f);
    }
    if (code < smallest[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *ret_code = code;
    return n;
}

/* How many bytes whole valid characters take at the front. */
static size_t naive_prefix(const uint8_t *data, size_t len, bool *ret_controls)
{
    size_t at = 0;

    *ret_controls = false;
    while (at < len) {
        uint32_t code = 0;
        size_t n = naive_character(data + at, len - at, &code);
        if (n == 0)
            break;
        if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
            *ret_controls = true;
        at += n;
    }
    return at;
}

static const uint8_t edges[] = {0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf};

/* Some valid text begins with these bytes: the last, cut character can be completed. */
static bool naive_viable(const uint8_t *data, size_t len)
{
    bool controls;
    size_t whole = naive_prefix(data, len, &controls);
    size_t cut = len - whole;
    uint8_t tail[4] = {0};
    uint32_t code;

    if (cut == 0)
        return true;
    if (cut > 3)
        return false;
    memcpy(tail, data + whole, cut);
    for (unsigned pick = 0; pick < 6 * 6 * 6; pick++) {
        const unsigned picks[] = {pick % 6, pick / 6 % 6, pick / 36};
        for (size_t i = cut; i < 4; i++)
            tail[i] = edges[picks[i - cut]];
        if (naive_character(tail, 4, &code) > cut)
            return true;
    }
    return false;
}

static bool feed_bytes(struct utf8 *utf8, const uint8_t *data, size_t from, size_t to)
{
    return utf8_feed(utf8, slice_make(data + from, to - from));
}

/* All of it at once against the twin. */
static void check_whole(const uint8_t *data, size_t len)
{
    bool controls;
    bool valid = naive_prefix(data, len, &controls) == len;

    CU_ASSERT_FATAL(utf8_valid(slice_make(data, len)) == valid);
    CU_ASSERT_FATAL(utf8_printable(slice_make(data, len)) == (valid && !controls));
}

/* Every way to cut it in three. */
static void check_splits(const uint8_t *data, size_t len)
{
    struct utf8 at_once = {0};
    bool ok = feed_bytes(&at_once, data, 0, len);

    for (size_t i = 0; i <= len; i++) {
        for (size_t j = i; j <= len; j++) {
            struct utf8 utf8 = {0};
            bool pieces = feed_bytes(&utf8, data, 0, i) && feed_bytes(&utf8, data, i, j) &&
                          feed_bytes(&utf8, data, j, len);
            CU_ASSERT_FATAL(pieces == ok);
            CU_ASSERT_FATAL(!ok || utf8_complete(&utf8) == utf8_complete(&at_once));
        }
    }
}

static void test_utf8__all_one_and_two_byte_texts_are_judged_right(void)
{
    uint8_t text[2];

    for (unsigned i = 0; i < 256 * 256; i++) {
        text[0] = (uint8_t)(i >> 8);
        text[1] = (uint8_t)i;
        check_whole(text, 1);
        check_whole(text, 2);
    }
}

static void test_utf8__long_characters_are_judged_right_at_every_edge(void)
{
    static const uint8_t tails[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    uint8_t text[4];

    for (unsigned i = 0; i < 32 * 256 * 10 * 10; i++) {
        text[0] = (uint8_t)(0xe0 + i % 32);
        text[1] = (uint8_t)(i / 32 % 256);
        text[2] = tails[i / (32 * 256) % 10];
        text[3] = tails[i / (32 * 256 * 10)];
        check_whole(text, 3);
        check_whole(text, 4);
    }
}

static const char *const samples[] = {
    "",
    "plain text of more than eight bytes",
    "gr\xc3\xbc\xc3\x9f",
    "\xe2\x82\xac\xe2\x82\xac",
    "a\xf0\x9f\x98\x80z12345678\xf0\x9f\x98\x80",
    "\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf",
    "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
    "\xf4\x90\x80\x80",
    "12345678\xed\xa0\x80",
    "cut \xe2\x82",
    "\xc0\x80",
    "12345\x80",
    "\xff",
};

static void test_utf8__samples_give_the_same_answer_however_they_are_cut(void)
{
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        const uint8_t *data = (const uint8_t *)samples[i];
        check_whole(data, strlen(samples[i]));
        check_splits(data, strlen(samples[i]));
    }
}

/* Random text: mostly samples in a row, then some bytes spoilt. */
static size_t random_text(uint8_t *data, size_t max, uint64_t *random)
{
    size_t len = 0;

    for (int i = 0; i < 4; i++) {
        const char *sample = samples[unit_random(random) % 7];
        if (strlen(sample) > max - len)
            break;
        memcpy(data + len, sample, strlen(sample));
        len += strlen(sample);
    }
    for (uint64_t spoilt = unit_random(random) % 3; len > 0 && spoilt > 0; spoilt--)
        data[unit_random(random) % len] = (uint8_t)unit_random(random);
    return len;
}

static void test_utf8__random_texts_are_judged_right_however_they_are_cut(void)
{
    uint64_t random = unit_seed();
    uint8_t data[64];

    for (unsigned round = 0; round < unit_rounds(300); round++) {
        size_t len = random_text(data, sizeof(data), &random);
        check_whole(data, len);
        check_splits(data, len);
    }
}

static void test_utf8__it_fails_at_the_first_byte_that_no_text_could_have(void)
{
    uint64_t random = unit_seed();
    uint8_t data[64];

    for (unsigned round = 0; round < unit_rounds(300); round++) {
        size_t len = random_text(data, sizeof(data), &random);
        struct utf8 utf8 = {0};
        for (size_t i = 0; i < len; i++) {
            bool viable = naive_viable(data, i + 1);
            CU_ASSERT_FATAL(feed_bytes(&utf8, data, i, i + 1) == viable);
            if (!viable)
                break;
        }
    }
}

static void test_utf8__a_bad_byte_is_found_at_every_offset_of_a_long_text(void)
{
    uint8_t data[80];

    for (size_t start = 0; start < 8; start++) {
        for (size_t bad = start; bad < sizeof(data); bad++) {
            memset(data, 'x', sizeof(data));
            CU_ASSERT(utf8_valid(slice_make(data + start, sizeof(data) - start)));
            data[bad] = 0x80;
            CU_ASSERT(!utf8_valid(slice_make(data + start, sizeof(data) - start)));
            CU_ASSERT(utf8_valid(slice_make(data + start, bad - start)));
        }
    }
}

static void test_utf8__control_characters_are_valid_but_not_printable(void)
{
    CU_ASSERT(utf8_printable(slice_of("caf\xc3\xa9 \xc2\xa0 \xf0\x9f\x98\x80")));
    CU_ASSERT(utf8_printable(slice_make(NULL, 0)));
    CU_ASSERT(utf8_valid(slice_of("\x7f")) && !utf8_printable(slice_of("\x7f")));
    CU_ASSERT(utf8_valid(slice_of("\xc2\x9f")) && !utf8_printable(slice_of("\xc2\x9f")));
    CU_ASSERT(utf8_valid(slice_make("\0", 1)) && !utf8_printable(slice_make("\0", 1)));
    CU_ASSERT(!utf8_printable(slice_of("\xc2")));
}

UNIT_MAIN("utf8", UNIT_TEST(test_utf8__all_one_and_two_byte_texts_are_judged_right),
          UNIT_TEST(test_utf8__long_characters_are_judged_right_at_every_edge),
          UNIT_TEST(test_utf8__samples_give_the_same_answer_however_they_are_cut),
          UNIT_TEST(test_utf8__random_texts_are_judged_right_however_they_are_cut),
          UNIT_TEST(test_utf8__it_fails_at_the_first_byte_that_no_text_could_have),
          UNIT_TEST(test_utf8__a_bad_byte_is_found_at_every_offset_of_a_long_text),
          UNIT_TEST(test_utf8__control_characters_are_valid_but_not_printable))
