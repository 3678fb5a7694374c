/* Events as lines: what is shown, and what never reaches a terminal. */
#include "ringroom/terminal/render.h"
#include "unit.h"
#include <locale.h>

/* The lines for an event, in `text`. */
static const char *shown(struct render *render, const char *json)
{
    static char text[65536];
    struct event event;
    struct buf out;

    buf_init(&out, sizeof(text) - 1);
    CU_ASSERT(event_parse(slice_of(json), &event));
    CU_ASSERT_EQUAL(render_event(render, &event, slice_of(json), &out), 0);
    snprintf(text, sizeof(text), "%.*s", (int)out.len, (const char *)out.data);
    event_deinit(&event);
    buf_deinit(&out);
    return text;
}

/* Said anew here, apart from text_safe(): no control, nothing that turns the direction. */
static bool harmless(uint32_t c)
{
    return c >= 0x20 && (c < 0x7f || c > 0x9f) && (c < 0x2028 || c > 0x202e) &&
           (c < 0x2066 || c > 0x2069) && c != 0x200e && c != 0x200f && c != 0x61c && c != 0xfeff;
}

#define MESSAGE(fields)                                                                            \
    "{\"ev\":\"message\",\"seq\":7,\"ts\":43440000,\"room\":\"r\",\"uid\":\"u1\"," fields "}"

static void test_render__a_message_is_one_plain_line(void)
{
    struct render render = {0};

    CU_ASSERT_STRING_EQUAL(shown(&render, MESSAGE("\"from\":\"ann\",\"text\":\"hi\"")),
                           "12:04 ann  hi\n");
    CU_ASSERT_STRING_EQUAL(shown(&render, MESSAGE("\"text\":\"hi\"")), "12:04 u1  hi\n");
    CU_ASSERT_STRING_EQUAL(shown(&render, MESSAGE("\"from\":\"ann\",\"text\":\"a\\nb\\r\\tc\"")),
                           "12:04 ann  a␊b␍␉c\n");
    CU_ASSERT_STRING_EQUAL(
        shown(&render, MESSAGE("\"from\":\"ann\",\"text\":\"hi\",\"data\":{\"a\":[1,\n2]}")),
        "12:04 ann  hi {\"a\":[1, 2]}\n");
    CU_ASSERT_STRING_EQUAL(shown(&render, MESSAGE("\"from\":\"ann\",\"data\":\"\x7f\x7f\x7f\"")),
                           "12:04 ann  \"\\u007f\\u007f\\u007f\"\n");
    CU_ASSERT_STRING_EQUAL(
        shown(&render, MESSAGE("\"from\":\"ann\",\"data\":123456789012345678901234567890")),
        "12:04 ann  123456789012345678901234567890\n");
}

static void test_render__others_cannot_command_the_terminal(void)
{
    static const char *const hostile[] = {
        MESSAGE("\"from\":\"\\u001b[31mann\",\"text\":\"\\u001b]0;title\\u0007\\u0000\\u007f\""),
        MESSAGE("\"from\":\"a\\u009b31m\",\"text\":\"\xc2\x9b"
                "31m \\u0090 \xc2\x85\""),
        MESSAGE("\"from\":\"a\\nb\",\"text\":\"\\u202e\\u2066 \\u2028 \\ufeff\\u200f\""),
        MESSAGE("\"from\":\"a\",\"data\":\"\xc2\x9b\x7f \\u001b[2J \xe2\x80\xae\""),
        MESSAGE("\"from\":\"a\",\"text\":\"\\r12:05 ben  forged\\n12:05 ben  forged\""),
        "{\"ev\":\"member\",\"uid\":\"u\",\"name\":\"\\u001b[2J\\n\",\"on\":true,\"count\":3}",
        "{\"ev\":\"members\",\"count\":1,\"members\":[{\"name\":\"\\u001b[2J\\u009b\"}]}",
    };

    for (unsigned columns = 0; columns <= 40; columns += 40) {
        for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
            struct render render = {.columns = columns};
            struct slice left = slice_of(shown(&render, hostile[i]));
            bool first = true;
            while (left.len) {
                uint32_t character = text_take(&left);
                if (character == '\n' && left.len) { /* a further row is indented */
                    CU_ASSERT(columns > 0 && left.len > 6 && memcmp(left.data, "      ", 6) == 0);
                } else if (character != '\n') {
                    CU_ASSERT(harmless(character));
                }
                first = false;
            }
            CU_ASSERT(!first);
        }
    }
}

static void test_render__json_is_one_safe_line_that_means_the_same(void)
{
    struct render render = {.json = true};

    CU_ASSERT_STRING_EQUAL(
        shown(&render, "{\"ev\":\"x\",\n\"data\":\"\xc2\x9bü\x7f\xe2\x80\xae\"}"),
        "{\"ev\":\"x\", \"data\":\"\\u009bü\\u007f\\u202e\"}\n");
}

static void test_render__long_text_is_wrapped_and_indented(void)
{
    struct render render = {.columns = 30};

    CU_ASSERT_STRING_EQUAL(
        shown(&render, MESSAGE("\"from\":\"ann\",\"text\":\"0123456789012345678901234567890\"")),
        "12:04 ann  0123456789012345678\n      901234567890\n");
    CU_ASSERT_STRING_EQUAL(
        shown(&render, MESSAGE("\"from\":\"ann\",\"text\":\"漢字漢字漢字漢字漢字漢\"")),
        "12:04 ann  漢字漢字漢字漢字漢\n      字漢\n");
    CU_ASSERT_STRING_EQUAL(shown(&render, MESSAGE("\"from\":\"ann\",\"text\":\"a\\nb\"")),
                           "12:04 ann  a\n      b\n");
}

static void test_render__a_long_name_is_cut(void)
{
    struct render render = {0};

    CU_ASSERT_STRING_EQUAL(
        shown(&render, MESSAGE("\"from\":\"a123456789b123456789c123456789\",\"text\":\"hi\"")),
        "12:04 a123456789b123456789c12…  hi\n");
    char name[4096] = "", json[8192];
    for (int i = 0; i < 30; i++) /* letters under towers of accents */
        strcat(name, "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81");
    snprintf(json, sizeof(json), MESSAGE("\"from\":\"%s\",\"text\":\"hi\""), name);
    const char *text = shown(&render, json);
    CU_ASSERT(strlen(text) < RENDER_NAME_BYTES + 20);
    CU_ASSERT(strstr(text, "…  hi\n") != NULL);
}

static void test_render__colours_are_stable_and_end(void)
{
    struct render render = {.colour = true};
    char first[256];

    snprintf(first, sizeof(first), "%s",
             shown(&render, MESSAGE("\"from\":\"ann\",\"text\":\"a\"")));
    CU_ASSERT_STRING_EQUAL(first, shown(&render, MESSAGE("\"from\":\"ann\",\"text\":\"a\"")));
    CU_ASSERT(strncmp(first, "\x1b[2m12:04\x1b[0m \x1b[", 15) == 0);
    CU_ASSERT(strstr(first, "mann\x1b[0m  a\n") != NULL);
}

static void test_render__what_is_deleted_is_told_once(void)
{
    struct render render = {0};
    static const char deleted[] = "{\"ev\":\"deleted\",\"room\":\"r\",\"seq\":7}";

    CU_ASSERT_STRING_EQUAL(shown(&render, deleted), "-- message 7 was deleted\n");
    CU_ASSERT_STRING_EQUAL(shown(&render, deleted), "");
    shown(&render, MESSAGE("\"from\":\"ann\",\"text\":\"secret\""));
    CU_ASSERT_STRING_EQUAL(shown(&render, deleted), "-- the message of 12:04 by ann was deleted\n");
    CU_ASSERT_STRING_EQUAL(shown(&render, deleted), "");
}

static void test_render__the_rest_is_told_in_few_words(void)
{
    struct render render = {0};

    CU_ASSERT_STRING_EQUAL(shown(&render, "{\"ev\":\"gap\",\"from\":2,\"to\":5}"),
                           "-- messages 2 to 5 can no longer be had\n");
    CU_ASSERT_STRING_EQUAL(
        shown(&render,
              "{\"ev\":\"member\",\"uid\":\"u\",\"name\":\"ben\",\"on\":false,\"count\":2}"),
        "-- ben left (2 here)\n");
    CU_ASSERT_STRING_EQUAL(shown(&render, "{\"ev\":\"member\",\"count\":250}"), "-- 250 here\n");
    CU_ASSERT_STRING_EQUAL(
        shown(&render,
              "{\"ev\":\"members\",\"count\":3,\"members\":[{\"name\":\"a\"},{\"name\":\"b\"}]}"),
        "-- 3 here: a, b, …\n");
    CU_ASSERT_STRING_EQUAL(shown(&render, "{\"ev\":\"typing\",\"uid\":\"u\",\"on\":true}"), "");
    CU_ASSERT_STRING_EQUAL(shown(&render, "{\"ev\":\"news of tomorrow\"}"), "");
}

static void test_render__what_is_no_event_is_none(void)
{
    static const char *const texts[] = {"",
                                        "hello",
                                        "[]",
                                        "{}",
                                        "{\"ev\":1}",
                                        "{\"ev\":\"ack\"",
                                        "{\"ev\":\"a\",\"ev\":\"b\"}",
                                        "\"\xff\""};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct event event;
        CU_ASSERT(!event_parse(slice_of(texts[i]), &event));
        event_deinit(&event);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        UNIT_TEST(test_render__a_message_is_one_plain_line),
        UNIT_TEST(test_render__others_cannot_command_the_terminal),
        UNIT_TEST(test_render__json_is_one_safe_line_that_means_the_same),
        UNIT_TEST(test_render__long_text_is_wrapped_and_indented),
        UNIT_TEST(test_render__a_long_name_is_cut),
        UNIT_TEST(test_render__colours_are_stable_and_end),
        UNIT_TEST(test_render__what_is_deleted_is_told_once),
        UNIT_TEST(test_render__the_rest_is_told_in_few_words),
        UNIT_TEST(test_render__what_is_no_event_is_none),
    };

    setenv("TZ", "UTC", 1);
    setlocale(LC_CTYPE, "C.UTF-8"); /* for the widths of characters */
    return unit_run("terminal/render", tests, sizeof(tests) / sizeof(tests[0]));
}
