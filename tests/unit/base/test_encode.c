#include "ringroom/base/encode.h"

#include "unit.h"
#include <errno.h>

static void check_base64(const char *text, const char *expected)
{
    char out[64];
    size_t n = encode_base64(out, text, strlen(text));

    CU_ASSERT_EQUAL(n, ENCODE_BASE64_BYTES(strlen(text)));
    CU_ASSERT(slice_is(slice_make(out, n), expected));
}

/* RFC 4648 section 10. */
static void test_encode__base64_gives_the_rfc_vectors(void)
{
    check_base64("", "");
    check_base64("f", "Zg==");
    check_base64("fo", "Zm8=");
    check_base64("foo", "Zm9v");
    check_base64("foob", "Zm9vYg==");
    check_base64("fooba", "Zm9vYmE=");
    check_base64("foobar", "Zm9vYmFy");
}

/* The key of RFC 6455 section 1.3, where this encoding is used. */
static void test_encode__base64_gives_the_websocket_handshake_answer(void)
{
    static const uint8_t sha1[] = {0xb3, 0x7a, 0x4f, 0x2c, 0xc0, 0x62, 0x4f, 0x16, 0x90, 0xf6,
                                   0x46, 0x06, 0xcf, 0x38, 0x59, 0x45, 0xb2, 0xbe, 0xc4, 0xea};
    char out[ENCODE_BASE64_BYTES(sizeof(sha1))];
    size_t n = encode_base64(out, sha1, sizeof(sha1));

    CU_ASSERT(slice_is(slice_make(out, n), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

static void test_encode__base64url_uses_the_url_alphabet_without_padding(void)
{
    static const uint8_t bytes[] = {0xfb, 0xff, 0xfe, 0xff};
    char out[16];

    CU_ASSERT(slice_is(slice_make(out, encode_base64url(out, bytes, 4)), "-__-_w"));
    CU_ASSERT(slice_is(slice_make(out, encode_base64url(out, bytes, 3)), "-__-"));
    CU_ASSERT(slice_is(slice_make(out, encode_base64(out, bytes, 4)), "+//+/w=="));
    CU_ASSERT_EQUAL(encode_base64url(out, NULL, 0), 0);
}

static int value_of(char c)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = memchr(alphabet, c, 64);

    return at ? (int)(at - alphabet) : -1;
}

/* Bit i of base64url text. */
static int text_bit(const char *text, size_t i)
{
    return value_of(text[i / 6]) >> (5 - i % 6) & 1;
}

static void test_encode__base64url_holds_every_bit_in_order(void)
{
    uint64_t random = unit_seed();

    for (unsigned round = 0; round < unit_rounds(2000); round++) {
        uint8_t bytes[33];
        char out[44];
        size_t len = unit_random(&random) % sizeof(bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)unit_random(&random);
        size_t n = encode_base64url(out, bytes, len);
        CU_ASSERT_FATAL(n == (len * 8 + 5) / 6);
        for (size_t i = 0; i < n * 6; i++)
            CU_ASSERT(text_bit(out, i) == (i < len * 8 ? bytes[i / 8] >> (7 - i % 8) & 1 : 0));
    }
}

/* Decodes a copy of its own, so that a sanitizer sees a read or write beyond it. */
static ssize_t decode(const char *text, size_t len, char *dst)
{
    char *copy = malloc(len + 1), *out = malloc(DECODE_BASE64_BYTES(len));

    memcpy(copy + 1, text, len);
    ssize_t n = decode_base64(out, slice_make(copy + 1, len));
    if (n > 0)
        memcpy(dst, out, (size_t)n);
    free(copy);
    free(out);
    return n;
}

static bool decodes_to(const char *text, const char *expected)
{
    char out[64];
    ssize_t n = decode(text, strlen(text), out);

    return n >= 0 && slice_is(slice_make(out, (size_t)n), expected);
}

static bool undecodable(const char *text)
{
    char out[64];

    return decode(text, strlen(text), out) == -EINVAL;
}

static void test_encode__base64_is_read_with_padding_or_without(void)
{
    CU_ASSERT(decodes_to("", ""));
    CU_ASSERT(decodes_to("Zg==", "f") && decodes_to("Zg", "f"));
    CU_ASSERT(decodes_to("Zm8=", "fo") && decodes_to("Zm8", "fo"));
    CU_ASSERT(decodes_to("Zm9v", "foo"));
    CU_ASSERT(decodes_to("Zm9vYg==", "foob") && decodes_to("Zm9vYg", "foob"));
    CU_ASSERT(decodes_to("Zm9vYmE=", "fooba") && decodes_to("Zm9vYmE", "fooba"));
    CU_ASSERT(decodes_to("Zm9vYmFy", "foobar"));
    CU_ASSERT(decodes_to("+//+/w==", "\xfb\xff\xfe\xff"));
    CU_ASSERT(decodes_to("Zh==", "f") && decodes_to("Zm9", "fo")); /* bits left over */
    CU_ASSERT_EQUAL(decode_base64(NULL, slice_make(NULL, 0)), 0);
}

static void test_encode__what_is_not_base64_is_refused(void)
{
    static const char *const bad[] = {
        "Z",        "Zm9vY",      "=",      "==",       "===",      "====",   "Z===", "Zg=",
        "Zm8==",    "Zm9v=",      "Zm9v==", "Zm9v====", "Zg==Zg==", "Zg=v",   "Z=9v", "=m9v",
        "Zm8=Zm8=", "-__-_w",     "Zm9-",   "Zm9_",     "Zm 9v",    "Zm9v\n", " Zg=", "Zg==\n",
        "Zm9\x80",  "Zm\xc3\xa9", "Zm9.",   "Zm9,",     "Zm9\x7f",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT(undecodable(bad[i]));
}

static void test_encode__each_byte_is_in_the_alphabet_or_refused(void)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char out[8];

    for (int c = 0; c < 256; c++) {
        char text[] = {'A', 'A', 'A', (char)c};
        const char *at = memchr(alphabet, c, 64);
        ssize_t n = decode(text, 4, out);
        if (at)
            CU_ASSERT(n == 3 && out[0] == 0 && out[1] == 0 && out[2] == at - alphabet);
        if (!at)
            CU_ASSERT_EQUAL(n, c == '=' ? 2 : -EINVAL);
    }
}

static void test_encode__base64_reads_back_what_it_wrote(void)
{
    uint64_t random = unit_seed();

    for (unsigned round = 0; round < unit_rounds(2000); round++) {
        uint8_t bytes[50];
        char text[ENCODE_BASE64_BYTES(sizeof(bytes))], out[sizeof(bytes)];
        size_t len = unit_random(&random) % (sizeof(bytes) + 1);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)unit_random(&random);
        size_t n = encode_base64(text, bytes, len);
        CU_ASSERT_EQUAL_FATAL(decode(text, n, out), (ssize_t)len);
        CU_ASSERT(memcmp(out, bytes, len) == 0);
        while (n > 0 && text[n - 1] == '=')
            n--;
        CU_ASSERT_EQUAL(decode(text, n, out), (ssize_t)len);
    }
}

static bool decodes_url_to(const char *text, const char *expected, size_t len)
{
    char dst[64];
    char *copy = malloc(strlen(text) + 1); /* its own end is the buffer's, for the sanitizers */

    memcpy(copy, text, strlen(text));
    ssize_t n = decode_base64url(dst, slice_make(copy, strlen(text)));
    free(copy);
    return expected ? n == (ssize_t)len && memcmp(dst, expected, len) == 0 : n == -EINVAL;
}

static void test_encode__base64url_is_read_in_one_form_only(void)
{
    CU_ASSERT(decodes_url_to("", "", 0));
    CU_ASSERT(decodes_url_to("Zg", "f", 1));
    CU_ASSERT(decodes_url_to("Zm8", "fo", 2));
    CU_ASSERT(decodes_url_to("Zm9v", "foo", 3));
    CU_ASSERT(decodes_url_to("-_-_", "\xfb\xff\xbf", 3));
    CU_ASSERT(decodes_url_to("AA", "\0", 1));

    static const char *const bad[] = {"Z",   "Zm9vY", "Zg==", "Zm8=", "Zm9v=", "+/+/",   "Zh",
                                      "Zm9", "Z g",   "Zg\n", "\nZg", "Zm.v",  "Zm9\xff"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CU_ASSERT(decodes_url_to(bad[i], NULL, 0));
}

static void check_u64(uint64_t value)
{
    char out[ENCODE_U64_MAX], expected[32];
    size_t n = encode_u64(out, value);

    snprintf(expected, sizeof(expected), "%llu", (unsigned long long)value);
    CU_ASSERT(slice_is(slice_make(out, n), expected));
}

static void test_encode__numbers_are_written_as_printf_writes_them(void)
{
    uint64_t random = unit_seed();

    for (uint64_t power = 1;; power *= 10) {
        check_u64(power - 1);
        check_u64(power);
        check_u64(power + 1);
        if (power > UINT64_MAX / 10)
            break;
    }
    check_u64(UINT64_MAX);
    for (unsigned i = 0; i < unit_rounds(2000); i++)
        check_u64(unit_random(&random) >> unit_random(&random) % 64);
}

UNIT_MAIN("encode", UNIT_TEST(test_encode__base64_gives_the_rfc_vectors),
          UNIT_TEST(test_encode__base64_gives_the_websocket_handshake_answer),
          UNIT_TEST(test_encode__base64url_uses_the_url_alphabet_without_padding),
          UNIT_TEST(test_encode__base64url_holds_every_bit_in_order),
          UNIT_TEST(test_encode__base64_is_read_with_padding_or_without),
          UNIT_TEST(test_encode__what_is_not_base64_is_refused),
          UNIT_TEST(test_encode__each_byte_is_in_the_alphabet_or_refused),
          UNIT_TEST(test_encode__base64_reads_back_what_it_wrote),
          UNIT_TEST(test_encode__base64url_is_read_in_one_form_only),
          UNIT_TEST(test_encode__numbers_are_written_as_printf_writes_them))
