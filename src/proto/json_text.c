/* json_text.c - writing JSON, and walking over JSON, most of it after a parser has found it valid.
 */
#include "ringroom/proto/json_text.h"
#include "ringroom/base/encode.h"

#include <endian.h>

static const char hex[] = "0123456789abcdef";

/* The escape of a byte that may not stand in a string as it is; its length. */
static size_t escape(uint8_t c, char dst[6])
{
    static const char short_names[] = "\b\f\n\r\t\"\\";
    static const char short_letters[] = "bfnrt\"\\";
    const char *at = c ? strchr(short_names, c) : NULL;

    dst[0] = '\\';
    if (at) {
        dst[1] = short_letters[at - short_names];
        return 2;
    }
    memcpy(dst + 1, "u00", 3);
    dst[4] = hex[c >> 4];
    dst[5] = hex[c & 15];
    return 6;
}

static bool stands_as_it_is(uint8_t c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* The top bit of each byte that is less than `bound` (at most 128); above the lowest such byte
 * others may be marked by mistake. */
static uint64_t bytes_below(uint64_t bytes, uint64_t bound)
{
    return (bytes - EACH_BYTE(bound)) & ~bytes & EACH_BYTE(0x80);
}

/* How many bytes at the front stand as they are. Messages are mostly such bytes, and are walked
 * over once for each room or reader: eight at a time. */
static size_t plain_run(struct slice text)
{
    size_t at = 0;

    for (; text.len - at >= 8; at += 8) {
        uint64_t bytes;
        memcpy(&bytes, text.data + at, 8);
        bytes = le64toh(bytes);
        uint64_t marks = bytes_below(bytes, 0x20) | bytes_below(bytes ^ EACH_BYTE('"'), 1) |
                         bytes_below(bytes ^ EACH_BYTE('\\'), 1);
        if (marks)
            return at + (size_t)__builtin_ctzll(marks) / 8;
    }
    while (at < text.len && stands_as_it_is(text.data[at]))
        at++;
    return at;
}

int json_put_escaped(struct buf *out, struct slice text)
{
    char escaped[6];
    int error = 0;

    while (!error && text.len) {
        size_t run = plain_run(text);
        if (run)
            error = buf_append(out, text.data, run);
        text = slice_from(text, run);
        if (!error && text.len) {
            error = buf_append(out, escaped, escape(text.data[0], escaped));
            text = slice_from(text, 1);
        }
    }
    return error;
}

int json_put_string(struct buf *out, struct slice text)
{
    int error = buf_append(out, "\"", 1);

    if (!error)
        error = json_put_escaped(out, text);
    return error ? error : buf_append(out, "\"", 1);
}

int json_put_u64(struct buf *out, uint64_t value)
{
    char digits[ENCODE_U64_MAX];

    return buf_append(out, digits, encode_u64(digits, value));
}

/* Walking: `text` is valid JSON, so every loop ends at a delimiter. */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_blanks(struct slice text, size_t at)
{
    while (at < text.len && is_blank(text.data[at]))
        at++;
    return at;
}

/* From the opening quote to behind the closing one. */
static size_t skip_string(struct slice text, size_t at)
{
    for (at++; at < text.len; at++) {
        at += plain_run(slice_from(text, at));
        if (at < text.len && text.data[at] == '"')
            break;
        if (at < text.len && text.data[at] == '\\')
            at++;
    }
    return at + 1;
}

static size_t skip_value(struct slice text, size_t at)
{
    size_t depth = 0;

    while (at < text.len) {
        uint8_t c = text.data[at];
        if (c == '"') {
            at = skip_string(text, at);
            if (!depth)
                return at;
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        else if (depth && (c == '}' || c == ']')) {
            if (--depth == 0)
                return at + 1;
        } else if (!depth && (c == ',' || c == '}' || c == ']' || is_blank(c)))
            return at;
        at++;
    }
    return at;
}

static int hex_value(uint8_t c)
{
    const char *at = c ? strchr(hex, c | 0x20) : NULL;

    return at ? (int)(at - hex) : -1;
}

/* The next character of a raw key, if it is one that a name of ours may have; else 0. */
static uint8_t key_character(struct slice *raw)
{
    uint8_t c = raw->data[0];

    if (c != '\\') {
        *raw = slice_from(*raw, 1);
        return c;
    }
    if (raw->len < 6 || raw->data[1] != 'u' || raw->data[2] != '0' || raw->data[3] != '0')
        return 0;
    c = (uint8_t)(hex_value(raw->data[4]) * 16 + hex_value(raw->data[5]));
    *raw = slice_from(*raw, 6);
    return c;
}

static bool key_is(struct slice raw, const char *key)
{
    for (; *key && raw.len; key++)
        if (key_character(&raw) != (uint8_t)*key)
            return false;
    return !*key && !raw.len;
}

bool json_raw_is(struct slice raw, const char *text)
{
    return raw.len >= 2 && raw.data[0] == '"' &&
           key_is(slice_make(raw.data + 1, raw.len - 2), text);
}

struct slice json_raw_inside(struct slice text)
{
    size_t at = skip_blanks(text, 0);

    return slice_from(text, at < text.len ? at + 1 : at);
}

struct slice json_raw_take(struct slice *text)
{
    size_t at = skip_blanks(*text, 0), end = skip_value(*text, at);
    struct slice value = slice_make(text->data + at, end - at);

    if (end == at || end > text->len)
        return (struct slice){0}; /* at the closing bracket */
    end = skip_blanks(*text, end);
    if (end < text->len && (text->data[end] == ',' || text->data[end] == ':'))
        end++;
    *text = slice_from(*text, end);
    return value;
}

struct slice json_raw_member(struct slice text, const char *key)
{
    struct slice rest = json_raw_inside(text), name;

    while ((name = json_raw_take(&rest)).len) {
        struct slice value = json_raw_take(&rest);
        if (json_raw_is(name, key))
            return value;
    }
    return (struct slice){0};
}

bool json_values_within(struct slice text, size_t max)
{
    size_t values = 1;

    for (size_t at = 0; at < text.len && values <= max;) {
        uint8_t c = text.data[at];
        values += c == ',' || c == '[' || c == '{';
        at = c == '"' ? skip_string(text, at) : at + 1;
    }
    return values <= max;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* True where the digits at `at` are an exponent's. */
static bool in_exponent(struct slice text, size_t at)
{
    if (at && (text.data[at - 1] == '+' || text.data[at - 1] == '-'))
        at--;
    return at && (text.data[at - 1] == 'e' || text.data[at - 1] == 'E');
}

/* A double reaches to about 1e308: with at most TAME_DIGITS digits and an exponent of at most
 * TAME_EXPONENT every number fits, and what was beyond 2^53 stays so. */
enum { TAME_DIGITS = 100, TAME_EXPONENT = 200 };

static int put_exponent(struct buf *out, struct slice digits)
{
    unsigned value = 0;

    for (size_t i = 0; i < digits.len && value <= TAME_EXPONENT; i++)
        value = value * 10 + (digits.data[i] - '0');
    return buf_printf(out, "%u", value < TAME_EXPONENT ? value : TAME_EXPONENT);
}

int json_tame_numbers(struct buf *out, struct slice text)
{
    int error = 0;

    for (size_t at = 0, end; at < text.len && !error; at = end) {
        end = at + 1;
        if (text.data[at] == '"') {
            end = skip_string(text, at);
            if (end > text.len)
                end = text.len;
        } else if (is_digit(text.data[at])) {
            while (end < text.len && is_digit(text.data[end]))
                end++;
            if (in_exponent(text, at)) {
                error = put_exponent(out, slice_make(text.data + at, end - at));
                continue;
            }
            if (end - at > TAME_DIGITS) {
                error = buf_append(out, text.data + at, TAME_DIGITS);
                continue;
            }
        }
        error = buf_append(out, text.data + at, end - at);
    }
    return error;
}
