/* Keys in, a line out. */
#include "ringroom/terminal/line.h"
#include "unit.h"
#include <locale.h>

/* Types all of it; the last event. */
static enum line_event type(struct line *line, const char *keys)
{
    enum line_event event = LINE_NOTHING;

    for (; *keys; keys++)
        event = line_key(line, (uint8_t)*keys);
    return event;
}

/* After these keys the line is `text`, with the cursor `behind` bytes in front of its end. */
static bool gives(const char *keys, const char *text, size_t behind)
{
    struct line line;

    line_init(&line);
    type(&line, keys);
    bool good = slice_is(buf_slice(&line.text), text) && line.cursor == line.text.len - behind;
    if (!good)
        printf("\n    %.*s, cursor %zu\n", (int)line.text.len, (const char *)line.text.data,
               line.cursor);
    line_deinit(&line);
    return good;
}

static void test_line__text_is_typed_and_taken_back(void)
{
    CU_ASSERT(gives("hello", "hello", 0));
    CU_ASSERT(gives("hel\x7f\x7fi", "hi", 0));
    CU_ASSERT(gives("\x7f\x08", "", 0));
    CU_ASSERT(gives("one two\x17three", "one three", 0));
    CU_ASSERT(gives("one two  \x17", "one ", 0));
    CU_ASSERT(gives("one\x15two", "two", 0));
    CU_ASSERT(gives("a\tb", "a b", 0));
}

static void test_line__the_cursor_moves(void)
{
    CU_ASSERT(gives("ac\x1b[Db", "abc", 1));
    CU_ASSERT(gives("ac\x1bOD\x1bODb", "bac", 2));
    CU_ASSERT(gives("bc\x1b[Ha", "abc", 2));
    CU_ASSERT(gives("bc\x01"
                    "a\x05"
                    "d",
                    "abcd", 0));
    CU_ASSERT(gives("abc\x1b[1~\x1b[3~", "bc", 2));
    CU_ASSERT(gives("abc\x02\x02\x0b", "a", 0));
    CU_ASSERT(gives("abc\x02\x15", "c", 1));
    CU_ASSERT(gives("abc\x01\x04", "bc", 2));
}

static void test_line__characters_are_whole(void)
{
    CU_ASSERT(gives("aüb\x7f\x7f", "a", 0));
    CU_ASSERT(gives("漢字\x7f", "漢", 0));
    CU_ASSERT(gives("漢字\x1b[D\x1b[D\x06x", "漢x字", 3));
    CU_ASSERT(gives("ae\xcc\x81\x7f", "a", 0)); /* an accent goes with its letter */
    CU_ASSERT(gives("ae\xcc\x81\x1b[D", "ae\xcc\x81", 3));
    CU_ASSERT(gives("\xf0\x9f\x98\x80\x7f", "", 0));
}

static void test_line__broken_text_is_dropped(void)
{
    CU_ASSERT(gives("a\xff\x80"
                    "b",
                    "ab", 0));
    CU_ASSERT(gives("a\xc3"
                    "b",
                    "ab", 0));
    CU_ASSERT(gives("a\xe6\xbc"
                    "ü",
                    "aü", 0));
    CU_ASSERT(gives("a\xed\xa0\x80"
                    "b",
                    "ab", 0)); /* a surrogate */
    CU_ASSERT(gives("a\xc2\x9b"
                    "31mb",
                    "a31mb", 0)); /* U+009B, which begins a sequence */
}

static void test_line__unknown_sequences_do_nothing(void)
{
    CU_ASSERT(gives("a\x1b[A\x1b[1;5C\x1b[200~b\x1b[201~", "ab", 0));
    CU_ASSERT(gives("a\x1bxb", "ab", 0));
    CU_ASSERT(gives("a\x1b[99999999999999999999999999999~b", "ab", 0));
}

static void test_line__ends_and_commands_are_told(void)
{
    struct line line;

    line_init(&line);
    CU_ASSERT_EQUAL(type(&line, "\x04"), LINE_END);
    CU_ASSERT_EQUAL(type(&line, "a"), LINE_EDITED);
    CU_ASSERT_EQUAL(type(&line, "\x04"), LINE_NOTHING);
    CU_ASSERT_EQUAL(type(&line, "\x0c"), LINE_REDRAW);
    CU_ASSERT_EQUAL(type(&line, "\x1b[D"), LINE_EDITED);
    CU_ASSERT_EQUAL(type(&line, "\x1b[D"), LINE_NOTHING);
    CU_ASSERT_EQUAL(type(&line, "\r"), LINE_DONE);
    line_clear(&line);
    CU_ASSERT_EQUAL(line.text.len, 0);
    CU_ASSERT_EQUAL(type(&line, "\x7f"), LINE_NOTHING);
    line_deinit(&line);
}

static void test_line__is_bounded(void)
{
    struct line line;

    line_init(&line);
    for (int i = 0; i < LINE_BYTES_MAX; i++)
        CU_ASSERT_EQUAL_FATAL(type(&line, "a"), LINE_EDITED);
    CU_ASSERT_EQUAL(type(&line, "b"), LINE_NOTHING);
    CU_ASSERT_EQUAL(line.text.len, LINE_BYTES_MAX);
    line_deinit(&line);
}

/* Whatever is typed, the line is whole text and the cursor stands between two characters. */
static void test_line__any_keys_leave_whole_text(void)
{
    static const uint8_t keys[] = {1,    2,    4,    5,    6,    8,    11,   12,   21,
                                   23,   27,   127,  '[',  'O',  'C',  'D',  '~',  '3',
                                   'a',  ' ',  0xc3, 0xbc, 0xe6, 0xbc, 0xa2, 0xcc, 0x81,
                                   0xf0, 0x9f, 0x98, 0x80, 0xc2, 0x9b};
    uint64_t random = unit_seed();
    struct line line;

    line_init(&line);
    for (unsigned i = 0; i < unit_rounds(20000); i++) {
        line_key(&line, keys[unit_random(&random) % sizeof(keys)]);
        CU_ASSERT_FATAL(utf8_printable(buf_slice(&line.text)));
        CU_ASSERT_FATAL(line.cursor <= line.text.len);
        CU_ASSERT_FATAL(line.cursor == line.text.len ||
                        (line.text.data[line.cursor] & 0xc0) != 0x80);
    }
    line_deinit(&line);
}

int main(void)
{
    static const struct unit_test tests[] = {
        UNIT_TEST(test_line__text_is_typed_and_taken_back),
        UNIT_TEST(test_line__the_cursor_moves),
        UNIT_TEST(test_line__characters_are_whole),
        UNIT_TEST(test_line__broken_text_is_dropped),
        UNIT_TEST(test_line__unknown_sequences_do_nothing),
        UNIT_TEST(test_line__ends_and_commands_are_told),
        UNIT_TEST(test_line__is_bounded),
        UNIT_TEST(test_line__any_keys_leave_whole_text),
    };

    setlocale(LC_CTYPE, "C.UTF-8"); /* for the widths of characters */
    return unit_run("terminal/line", tests, sizeof(tests) / sizeof(tests[0]));
}
