#include "ringroom/base/encode.h"

#include <errno.h>

static const char alphabet_standard[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Without padding. Returns the bytes written. */
static size_t encode_with(const char *alphabet, char *dst, const uint8_t *src, size_t len)
{
    char *out = dst;
    uint32_t bits = 0; /* read, not yet written: the lowest bits_count */
    unsigned bits_count = 0;

    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | src[i];
        bits_count += 8;
        for (; bits_count >= 6; bits_count -= 6)
            *out++ = alphabet[bits >> (bits_count - 6) & 63];
    }
    if (bits_count > 0)
        *out++ = alphabet[bits << (6 - bits_count) & 63];
    return (size_t)(out - dst);
}

size_t encode_base64(char *dst, const void *src, size_t len)
{
    size_t n = encode_with(alphabet_standard, dst, src, len);

    while (n % 4 != 0)
        dst[n++] = '=';
    return n;
}

size_t encode_base64url(char *dst, const void *src, size_t len)
{
    return encode_with(alphabet_url, dst, src, len);
}

/* What a character stands for, or -1. `c62` and `c63` are the alphabet's last two. */
static int value_of(uint8_t c, char c62, char c63)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == c62 ? 62 : c == c63 ? 63 : -1;
}

/* Of text without padding. *ret_rest: the bits behind the last byte. */
static ssize_t decode_with(char c62, char c63, uint8_t *dst, struct slice text, uint32_t *ret_rest)
{
    uint8_t *out = dst;
    uint32_t bits = 0; /* read, not yet written: the lowest bits_count */
    unsigned bits_count = 0;

    if (text.len % 4 == 1)
        return -EINVAL;
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.data[i], c62, c63);
        if (value < 0)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)value;
        bits_count += 6;
        if (bits_count >= 8) {
            bits_count -= 8;
            *out++ = (uint8_t)(bits >> bits_count);
        }
    }
    *ret_rest = bits & ((1u << bits_count) - 1);
    return out - dst;
}

/* Without its padding, which stands in text of whole groups of four only. */
static struct slice unpadded(struct slice text)
{
    if (text.len == 0 || text.len % 4 != 0)
        return text;
    for (unsigned i = 0; i < 2 && text.data[text.len - 1] == '='; i++)
        text.len--;
    return text;
}

ssize_t decode_base64(void *dst, struct slice text)
{
    uint32_t rest;

    return decode_with('+', '/', dst, unpadded(text), &rest);
}

ssize_t decode_base64url(void *dst, struct slice text)
{
    uint32_t rest = 0;
    ssize_t n = decode_with('-', '_', dst, text, &rest);

    return rest ? -EINVAL : n;
}

size_t encode_u64(char *dst, uint64_t value)
{
    char digits[ENCODE_U64_MAX]; /* filled from the end */
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(dst, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}
