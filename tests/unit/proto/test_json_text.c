/* JSON as text, against naive twins: a writer byte by byte, a member list kept beside the text that
 * is made of it, and a validator of RFC 8259's grammar. */
#include "ringroom/proto/json_text.h"

#include "ringroom/base/mem.h"
#include "unit.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>

static uint64_t random_state;

static uint64_t below(uint64_t n)
{
    return unit_random(&random_state) % n;
}

/* Writing */

static struct buf out;

static void twin_string(struct buf *dst, struct slice text)
{
    buf_append_str(dst, "\"");
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\')
            buf_printf(dst, "\\%c", c);
        else if (c == '\n')
            buf_append_str(dst, "\\n");
        else if (c == '\t')
            buf_append_str(dst, "\\t");
        else if (c == '\r')
            buf_append_str(dst, "\\r");
        else if (c == '\b')
            buf_append_str(dst, "\\b");
        else if (c == '\f')
            buf_append_str(dst, "\\f");
        else if (c < 0x20)
            buf_printf(dst, "\\u%04x", c);
        else
            buf_append(dst, &c, 1);
    }
    buf_append_str(dst, "\"");
}

static bool written_as_twin(struct slice text)
{
    struct buf twin;

    buf_init(&out, 10000);
    buf_init(&twin, 10000);
    twin_string(&twin, text);
    bool same = json_put_string(&out, text) == 0 && slice_equal(buf_slice(&out), buf_slice(&twin));
    buf_deinit(&twin);
    buf_deinit(&out);
    return same;
}

static void test_json_text__strings_are_escaped_as_little_as_may_be(void)
{
    uint8_t all[256];

    random_state = unit_seed() | 1;
    CU_ASSERT(written_as_twin(slice_make(NULL, 0)));
    for (int i = 0; i < 256; i++) {
        all[i] = (uint8_t)i;
        CU_ASSERT(written_as_twin(slice_make(&all[i], 1)));
    }
    CU_ASSERT(written_as_twin(slice_make(all, 128)));
    for (unsigned round = 0; round < unit_rounds(2000); round++) {
        uint8_t text[60];
        size_t len = below(sizeof(text));
        for (size_t i = 0; i < len; i++)
            text[i] = (uint8_t)below(below(2) ? 40 : 128);
        CU_ASSERT(written_as_twin(slice_make(text, len)));
    }
}

/* Long runs are walked over in steps. */
static void test_json_text__any_byte_is_escaped_wherever_it_stands(void)
{
    static const uint8_t around[] = {' ', 'a', 0x7f, 0x80, 0xa2, 0xdc, 0xff};
    uint8_t text[20];

    for (size_t i = 0; i < array_len(around); i++) {
        for (unsigned c = 0; c < 256; c++) {
            for (size_t at = 0; at < sizeof(text); at++) {
                memset(text, around[i], sizeof(text));
                text[at] = (uint8_t)c;
                CU_ASSERT(written_as_twin(slice_make(text, sizeof(text))));
                text[sizeof(text) - 1 - at] = (uint8_t)(c + 1);
                CU_ASSERT(written_as_twin(slice_make(text, sizeof(text))));
            }
        }
    }
}

static void test_json_text__writing_stops_at_the_bound(void)
{
    struct slice text = slice_of("a\nb\001\"");

    for (size_t max = 0; max < 14; max++) {
        buf_init(&out, max);
        CU_ASSERT_EQUAL(json_put_string(&out, text), -ENOBUFS);
        buf_deinit(&out);
    }
    buf_init(&out, 14);
    CU_ASSERT_EQUAL(json_put_string(&out, text), 0);
    CU_ASSERT(slice_is(buf_slice(&out), "\"a\\nb\\u0001\\\"\""));
    buf_deinit(&out);
}

static void test_json_text__a_string_may_be_put_together_from_pieces(void)
{
    buf_init(&out, 100);
    CU_ASSERT(json_put_escaped(&out, slice_of("{\"a\":")) == 0);
    CU_ASSERT(json_put_escaped(&out, (struct slice){0}) == 0);
    CU_ASSERT(json_put_escaped(&out, slice_of("\"\\n\"\n}")) == 0);
    CU_ASSERT(slice_is(buf_slice(&out), "{\\\"a\\\":\\\"\\\\n\\\"\\n}"));
    buf_deinit(&out);
}

static void test_json_text__numbers_are_written_in_full(void)
{
    buf_init(&out, 100);
    CU_ASSERT(json_put_u64(&out, 0) == 0 && json_put_u64(&out, UINT64_MAX) == 0);
    CU_ASSERT(slice_is(buf_slice(&out), "018446744073709551615"));
    buf_deinit(&out);
}

/* Finding members: a text is made of a list of keys and raw values. */

enum { MEMBERS = 6 };

static const char *const keys[MEMBERS] = {"id", "i", "text", "data", "d", "jkmnoz"};

static void put_blanks(struct buf *dst)
{
    while (below(4) == 0)
        buf_append(dst, &" \t\n\r"[below(4)], 1);
}

/* Perhaps with some letters as escapes. */
static void put_key(struct buf *dst, const char *key)
{
    buf_append_str(dst, "\"");
    for (; *key; key++) {
        if (below(4))
            buf_append(dst, key, 1);
        else
            buf_printf(dst, below(2) ? "\\u%04x" : "\\u%04X", *key);
    }
    buf_append_str(dst, "\"");
}

static void put_value(struct buf *dst, int depth)
{
    static const char *const simple[] = {"null",     "true",         "-12.5e+30", "0",
                                         "\"\"",     "\"id\"",       "\"\\\"\"",  "\"}],{[:\"",
                                         "\"\\\\\"", "\"\\u0022,\"", "[]",        "{}"};
    uint64_t count = below(4);

    if (depth == 0 || below(2)) {
        buf_append_str(dst, simple[below(array_len(simple))]);
        return;
    }
    bool object = below(2);
    buf_append_str(dst, object ? "{" : "[");
    for (uint64_t i = 0; i < count; i++) {
        put_blanks(dst);
        if (i)
            buf_append_str(dst, ",");
        put_blanks(dst);
        if (object) {
            put_key(dst, keys[i]);
            put_blanks(dst);
            buf_append_str(dst, ":");
            put_blanks(dst);
        }
        put_value(dst, depth - 1);
    }
    put_blanks(dst);
    buf_append_str(dst, object ? "}" : "]");
}

struct member {
    bool present;
    size_t at, len; /* of its value, in the text */
};

static void put_object(struct buf *dst, struct member members[MEMBERS])
{
    bool first = true;

    put_blanks(dst);
    buf_append_str(dst, "{");
    for (uint64_t i = 0, start = below(MEMBERS); i < MEMBERS; i++) {
        struct member *member = &members[(start + i) % MEMBERS];
        *member = (struct member){.present = below(3) > 0};
        if (!member->present)
            continue;
        put_blanks(dst);
        if (!first)
            buf_append_str(dst, ",");
        first = false;
        put_blanks(dst);
        put_key(dst, keys[(start + i) % MEMBERS]);
        put_blanks(dst);
        buf_append_str(dst, ":");
        put_blanks(dst);
        member->at = dst->len;
        put_value(dst, 3);
        member->len = dst->len - member->at;
    }
    put_blanks(dst);
    buf_append_str(dst, "}");
    put_blanks(dst);
}

static void test_json_text__a_member_is_found_with_its_own_bytes(void)
{
    struct member members[MEMBERS];

    random_state = unit_seed() | 1;
    for (unsigned round = 0; round < unit_rounds(3000); round++) {
        buf_init(&out, 100000);
        put_object(&out, members);
        uint8_t *exact = malloc(out.len); /* a sanitizer sees a read beyond it */
        memcpy(exact, out.data, out.len);
        struct slice text = slice_make(exact, out.len);
        for (int i = 0; i < MEMBERS; i++) {
            struct slice found = json_raw_member(text, keys[i]);
            CU_ASSERT_EQUAL(found.len, members[i].len);
            CU_ASSERT(!members[i].present || found.data == exact + members[i].at);
        }
        CU_ASSERT(json_raw_member(text, "dat").len == 0 && json_raw_member(text, "idss").len == 0);
        free(exact);
        buf_deinit(&out);
    }
}

static void test_json_text__only_the_key_itself_is_found(void)
{
    struct slice text =
        slice_of("{\"\\u0164\":1,\"i\\n\":2,\"\\\"id\\\"\":3,\"x\":{\"id\":4},\"\":5}");

    CU_ASSERT(json_raw_member(text, "id").len == 0 && json_raw_member(text, "i").len == 0);
    CU_ASSERT(json_raw_member(text, "d").len == 0);
    CU_ASSERT(slice_is(json_raw_member(text, ""), "5"));
    CU_ASSERT(json_raw_member(slice_of("{}"), "id").len == 0);
    CU_ASSERT(json_raw_member(slice_of(" { } "), "id").len == 0);
}

static void test_json_text__values_are_taken_in_turn(void)
{
    struct slice rest = json_raw_inside(slice_of(" [ 1,\"],\" , [ 2 ,{}] ,null\t] "));

    CU_ASSERT(slice_is(json_raw_take(&rest), "1") && slice_is(json_raw_take(&rest), "\"],\""));
    CU_ASSERT(slice_is(json_raw_take(&rest), "[ 2 ,{}]"));
    CU_ASSERT(slice_is(json_raw_take(&rest), "null") && slice_is(rest, "] "));
    CU_ASSERT(json_raw_take(&rest).len == 0 && slice_is(rest, "] "));
    rest = json_raw_inside(slice_of("{\"a\" : 1,\"b\":{}}"));
    CU_ASSERT(slice_is(json_raw_take(&rest), "\"a\"") && slice_is(json_raw_take(&rest), "1"));
    CU_ASSERT(slice_is(json_raw_take(&rest), "\"b\"") && slice_is(json_raw_take(&rest), "{}"));
    CU_ASSERT(json_raw_take(&rest).len == 0 && slice_is(rest, "}"));
    rest = json_raw_inside(slice_of("[]"));
    CU_ASSERT(json_raw_take(&rest).len == 0);
}

static void test_json_text__a_raw_string_is_compared_by_what_it_says(void)
{
    CU_ASSERT(json_raw_is(slice_of("\"join\""), "join"));
    CU_ASSERT(json_raw_is(slice_of("\"j\\u006fi\\u006E\""), "join"));
    CU_ASSERT(json_raw_is(slice_of("\"\""), ""));
    CU_ASSERT(!json_raw_is(slice_of("\"joi\""), "join") &&
              !json_raw_is(slice_of("\"joinn\""), "join"));
    CU_ASSERT(!json_raw_is(slice_of("\"join\\u0000\""), "join"));
    CU_ASSERT(!json_raw_is(slice_of("1"), "1") && !json_raw_is(slice_of("[\"1\"]"), "1"));
    CU_ASSERT(!json_raw_is((struct slice){0}, ""));
}

/* Taming numbers. The validator: each function moves *at behind what it takes, or says no. */

static bool valid_value(const char **at, int depth);

static void skip_blanks(const char **at)
{
    while (**at && strchr(" \t\n\r", **at))
        ++*at;
}

static bool valid_digits(const char **at)
{
    const char *start = *at;

    while (**at >= '0' && **at <= '9')
        ++*at;
    return *at > start;
}

static bool valid_number(const char **at)
{
    if (**at == '-')
        ++*at;
    if (**at == '0')
        ++*at;
    else if (!valid_digits(at))
        return false;
    if (**at == '.') {
        ++*at;
        if (!valid_digits(at))
            return false;
    }
    if (**at == 'e' || **at == 'E') {
        ++*at;
        if (**at == '+' || **at == '-')
            ++*at;
        return valid_digits(at);
    }
    return true;
}

static bool valid_string(const char **at)
{
    if (*(*at)++ != '"')
        return false;
    for (; **at != '"'; ++*at)
        if (!**at || (**at == '\\' && !strchr("\"\\/bfnrt", *++*at)))
            return false;
    ++*at;
    return true;
}

static bool valid_list(const char **at, char close, int depth)
{
    ++*at;
    skip_blanks(at);
    if (**at == close)
        return ++*at;
    for (;; ++*at) {
        skip_blanks(at);
        if (close == '}') {
            if (!valid_string(at))
                return false;
            skip_blanks(at);
            if (*(*at)++ != ':')
                return false;
        }
        if (!valid_value(at, depth + 1))
            return false;
        skip_blanks(at);
        if (**at == close)
            return ++*at;
        if (**at != ',')
            return false;
    }
}

static bool valid_value(const char **at, int depth)
{
    static const char *const words[] = {"null", "true", "false"};

    skip_blanks(at);
    for (size_t i = 0; i < array_len(words); i++) {
        if (strncmp(*at, words[i], strlen(words[i])) == 0) {
            *at += strlen(words[i]);
            return true;
        }
    }
    if (**at == '"')
        return valid_string(at);
    if (**at == '[' || **at == '{')
        return valid_list(at, **at == '[' ? ']' : '}', depth);
    return valid_number(at);
}

static bool valid(const char *text)
{
    if (!valid_value(&text, 0))
        return false;
    skip_blanks(&text);
    return !*text;
}

/* Any run of the characters that numbers are made of, long runs of digits among them. */
static void put_number_like(struct buf *dst)
{
    for (uint64_t pieces = 1 + below(4); pieces; pieces--) {
        if (below(2)) {
            buf_append(dst, &"-+.eE0"[below(6)], 1);
            continue;
        }
        for (uint64_t n = 1 + below(below(3) ? 3 : 400), zeros = below(2); n; n--)
            buf_append(dst, &"0123456789"[zeros ? 0 : below(10)], 1);
    }
}

static void put_number(struct buf *dst)
{
    if (below(2))
        buf_append_str(dst, "-");
    for (uint64_t n = 1 + below(400), i = 0; i < n; i++)
        buf_append(dst, &"1234567890"[below(i ? 10 : 9)], 1);
    if (below(2)) {
        buf_append_str(dst, ".");
        for (uint64_t n = 1 + below(400); n; n--)
            buf_append(dst, &"0123456789"[below(10)], 1);
    }
    if (below(2))
        buf_printf(dst, "%c%s%s%llu", "eE"[below(2)],
                   below(2)   ? "+"
                   : below(2) ? "-"
                              : "",
                   below(2) ? "" : "000", (unsigned long long)below(below(2) ? 3000 : 20));
}

static bool tamed_is_valid(struct slice text)
{
    struct buf tame;
    json_error_t error;

    buf_init(&tame, text.len);
    CU_ASSERT_EQUAL_FATAL(json_tame_numbers(&tame, text), 0);
    json_t *json = json_loadb((const char *)tame.data, tame.len,
                              JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
    buf_deinit(&tame);
    CU_ASSERT(json || json_error_code(&error) != json_error_numeric_overflow);
    json_decref(json);
    return json != NULL;
}

static void test_json_text__tamed_text_is_valid_exactly_where_it_was(void)
{
    unsigned good = 0;

    random_state = unit_seed() | 1;
    for (unsigned round = 0; round < unit_rounds(6000); round++) {
        buf_init(&out, 100000);
        buf_append_str(&out, "[\"1e999\", ");
        if (below(2))
            put_number(&out);
        else
            put_number_like(&out);
        buf_append_str(&out, " ,{\"k99999999999999999999\":");
        if (below(2))
            put_number(&out);
        else
            put_value(&out, 2);
        buf_append_str(&out, "}]");
        if (below(4) == 0) /* a byte gone wrong */
            out.data[below(out.len)] = (uint8_t) "0]\",e{-"[below(7)];
        buf_append(&out, "", 1);
        struct slice text = slice_make(out.data, out.len - 1);
        /* The validator knows no \u: none where a key may have been written with it. */
        if (!strstr((const char *)out.data, "\\u")) {
            bool right = valid((const char *)out.data);
            CU_ASSERT(tamed_is_valid(text) == right);
            good += right;
        }
        buf_deinit(&out);
    }
    CU_ASSERT(good > 100);
}

/* So that a number which a field may not have is not taken for one that it may have. */
static void test_json_text__whole_numbers_beyond_2_to_the_53_stay_beyond(void)
{
    const double most = 9007199254740992.0;

    random_state = unit_seed() | 1;
    for (unsigned round = 0; round < unit_rounds(3000); round++) {
        char number[500], tame[500];
        size_t len = 0, digits = 1 + below(400);
        number[len++] = (char)('1' + below(9));
        while (len < digits)
            number[len++] = (char)('0' + below(10));
        number[len] = '\0';
        if (below(2))
            sprintf(number + len, "e%llu", (unsigned long long)below(900));
        buf_init(&out, strlen(number));
        CU_ASSERT_EQUAL(json_tame_numbers(&out, slice_of(number)), 0);
        memcpy(tame, out.data, out.len);
        tame[out.len] = '\0';
        buf_deinit(&out);
        double before = strtod(number, NULL), after = strtod(tame, NULL);
        CU_ASSERT(before > most ? after > most : after == before);
        CU_ASSERT(isfinite(after));
    }
}

static void test_json_text__values_are_counted_before_they_are_parsed(void)
{
    static const struct {
        const char *text;
        size_t values;
    } all[] = {
        {"1", 1},       {"\"a,[{\"", 1},    {"\"\\\",[{\"", 1},
        {"[1,2,3]", 4}, {"[[1],[2,3]]", 6}, {"{\"a\":1,\"b\":{\"c\":[]}}", 5},
        {"", 1},        {"\"", 1},          {"\"\\", 1},
        {",,,", 4},     {"[\"a,", 2},
    };

    for (size_t i = 0; i < array_len(all); i++) {
        size_t len = strlen(all[i].text);
        char *text =
            malloc(len ? len : 1); /* of its own, so that a sanitizer sees a read beyond it */
        memcpy(text, all[i].text, len);
        CU_ASSERT(json_values_within(slice_make(text, len), all[i].values));
        CU_ASSERT(!json_values_within(slice_make(text, len), all[i].values - 1));
        free(text);
    }
}

UNIT_MAIN("proto/json_text", UNIT_TEST(test_json_text__strings_are_escaped_as_little_as_may_be),
          UNIT_TEST(test_json_text__any_byte_is_escaped_wherever_it_stands),
          UNIT_TEST(test_json_text__writing_stops_at_the_bound),
          UNIT_TEST(test_json_text__a_string_may_be_put_together_from_pieces),
          UNIT_TEST(test_json_text__numbers_are_written_in_full),
          UNIT_TEST(test_json_text__a_member_is_found_with_its_own_bytes),
          UNIT_TEST(test_json_text__only_the_key_itself_is_found),
          UNIT_TEST(test_json_text__values_are_taken_in_turn),
          UNIT_TEST(test_json_text__a_raw_string_is_compared_by_what_it_says),
          UNIT_TEST(test_json_text__tamed_text_is_valid_exactly_where_it_was),
          UNIT_TEST(test_json_text__whole_numbers_beyond_2_to_the_53_stay_beyond),
          UNIT_TEST(test_json_text__values_are_counted_before_they_are_parsed))
