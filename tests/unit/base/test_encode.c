#include "ringroom/base/encode.h"

#include "unit.h"

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
          UNIT_TEST(test_encode__numbers_are_written_as_printf_writes_them))
