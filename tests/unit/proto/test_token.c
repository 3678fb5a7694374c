/* Tokens: verified as RFC 7515 and 7519 say, refused when anything is amiss, minted and read again.
 */
#include "ringroom/proto/token.h"
#include "keys.h"
#include "ringroom/base/encode.h"
#include "ringroom/base/mem.h"
#include "unit.h"
#include <errno.h>
#include <openssl/hmac.h>

#define NOW_S   1800000000ull
#define NOW_MS  (NOW_S * 1000)
#define SECRET  "0123456789abcdef0123456789abcdef"
#define SECRET2 "another secret of at least 32 by"

static char why[256];
static struct token *token;
static struct native_fault fault;

/* Keys and tokens of any content */

static void add(struct token_keys *keys, const char *kid, enum signature_alg alg,
                const char *material)
{
    CU_ASSERT_EQUAL_FATAL(
        token_keys_add(keys, slice_of(kid), alg, slice_of(material), why, sizeof(why)), 0);
}

static struct token_keys *keys_with(const char *kid, enum signature_alg alg, const char *material)
{
    struct token_keys *keys = token_keys_new(slice_of(""));

    CU_ASSERT_PTR_NOT_NULL_FATAL(keys);
    add(keys, kid, alg, material);
    return keys;
}

/* What signs like a key, whatever the token says. */
static struct signature_key *signer_of(enum signature_alg alg, const char *material)
{
    struct signature_key *key = NULL;

    CU_ASSERT_EQUAL_FATAL(signature_key_new(alg, slice_of(material), &key, why, sizeof(why)), 0);
    return key;
}

static size_t put_part(char *dst, const char *text)
{
    return encode_base64url(dst, text, strlen(text));
}

/* A token of these two texts; to be freed. */
static char *forge(const struct signature_key *key, const char *header, const char *claims)
{
    char *text = malloc(4 * (strlen(header) + strlen(claims)) + 2 * SIGNATURE_BYTES_MAX + 8);
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t len = put_part(text, header);

    text[len++] = '.';
    len += put_part(text + len, claims);
    ssize_t n = signature_sign(key, slice_make(text, len), signature);
    CU_ASSERT_FATAL(n > 0);
    text[len++] = '.';
    len += encode_base64url(text + len, signature, (size_t)n);
    text[len] = '\0';
    return text;
}

static void forget(void)
{
    token_free(token);
    token = NULL;
}

/* From memory of its own, so that a sanitizer sees a read beyond it. */
static bool parse_at(const struct token_keys *keys, const char *text, uint64_t now_ms)
{
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);

    forget();
    fault = (struct native_fault){0};
    memcpy(copy, text, len);
    bool taken = token_parse(keys, slice_make(copy, len), now_ms, &token, &fault);
    free(copy);
    CU_ASSERT(taken ? token != NULL : token == NULL && fault.code && fault.message);
    return taken;
}

static bool refused_for(const struct token_keys *keys, const char *text, const char *word)
{
    bool taken = parse_at(keys, text, NOW_MS);

    if (!taken && strcmp(fault.code, "unauthorized") == 0 && strstr(fault.message, word))
        return true;
    printf("\n    %s\n", taken ? "taken" : fault.message);
    return false;
}

#define HS_HEADER    "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define ROOMS        "\"rooms\":[{\"room\":\"*\",\"can\":[\"read\"]}]"
#define CLAIMS(more) "{\"sub\":\"ann\",\"exp\":1800000100," ROOMS more "}"

/* These claims, well signed. */
static bool claims_taken(const char *claims)
{
    struct token_keys *keys = keys_with("", SIGNATURE_HS256, SECRET);
    struct signature_key *key = signer_of(SIGNATURE_HS256, SECRET);
    char *text = forge(key, HS_HEADER, claims);
    bool taken = parse_at(keys, text, NOW_MS);

    free(text);
    signature_key_free(key);
    token_keys_free(keys);
    return taken;
}

static bool claims_refused(const char *claims, const char *word)
{
    bool taken = claims_taken(claims);

    if (!taken && strstr(fault.message, word))
        return true;
    printf("\n    %s: %s\n", claims, taken ? "taken" : fault.message);
    return false;
}

/* Signatures */

/* The RFC's tokens have a good signature and lack a `sub`: what is refused is the claims. */
static void test_token__the_rfc_vectors_verify(void)
{
    struct token_keys *keys = token_keys_new(slice_of(""));
    uint8_t secret[64];

    CU_ASSERT_EQUAL(decode_base64url(secret, slice_of(RFC_HS256_KEY)), 64);
    CU_ASSERT_EQUAL(token_keys_add(keys, slice_of(""), SIGNATURE_HS256, slice_make(secret, 64), why,
                                   sizeof(why)),
                    0);
    add(keys, "", SIGNATURE_RS256, RSA_PUBLIC_PEM);
    add(keys, "", SIGNATURE_ES256, EC_PUBLIC_PEM);
    static const char *const tokens[] = {RFC_HS256 "." RFC_HS256_SIGNATURE,
                                         RFC_RS256 "." RFC_RS256_SIGNATURE,
                                         RFC_ES256 "." RFC_ES256_SIGNATURE};
    for (size_t i = 0; i < array_len(tokens); i++) {
        CU_ASSERT(refused_for(keys, tokens[i], "expired"));
        CU_ASSERT(!parse_at(keys, tokens[i], UINT64_C(1300819380000)));
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.message, "sub"));
    }
    CU_ASSERT(refused_for(keys, RFC_HS256 "." RFC_ES256_SIGNATURE, "signature is wrong"));
    CU_ASSERT(refused_for(keys, RFC_RS256 "." RFC_HS256_SIGNATURE, "signature is wrong"));
    token_keys_free(keys);
}

static const struct {
    enum signature_alg alg;
    const char *private, *public;
} pairs[] = {{SIGNATURE_HS256, SECRET, SECRET},
             {SIGNATURE_RS256, RSA_PRIVATE_PEM, RSA_PUBLIC_PEM},
             {SIGNATURE_ES256, EC_PRIVATE_PEM, EC_PUBLIC_PEM}};

static void header_of(enum signature_alg alg, char text[64])
{
    snprintf(text, 64, "{\"alg\":\"%s\"}", signature_alg_name(alg));
}

static void test_token__no_byte_can_be_changed_added_or_left_out(void)
{
    static const char others[] = "AQgw_-.=";

    for (size_t i = 0; i < array_len(pairs); i++) {
        struct token_keys *keys = keys_with("", pairs[i].alg, pairs[i].public);
        struct signature_key *key = signer_of(pairs[i].alg, pairs[i].private);
        char header[64];
        header_of(pairs[i].alg, header);
        char *text = forge(key, header, CLAIMS("")), *copy = malloc(strlen(text) + 2);

        CU_ASSERT(parse_at(keys, text, NOW_MS));
        for (size_t at = 0; text[at]; at++) {
            for (const char *other = others; *other; other++) {
                strcpy(copy, text);
                copy[at] = *other;
                CU_ASSERT(*other == text[at] || !parse_at(keys, copy, NOW_MS));
            }
            snprintf(copy, strlen(text) + 2, "%.*s%s", (int)at, text, text + at + 1);
            CU_ASSERT(!parse_at(keys, copy, NOW_MS));
            snprintf(copy, strlen(text) + 2, "%.*sA%s", (int)at, text, text + at);
            CU_ASSERT(!parse_at(keys, copy, NOW_MS));
        }
        snprintf(copy, strlen(text) + 2, "%s=", text);
        CU_ASSERT(!parse_at(keys, copy, NOW_MS));
        free(copy);
        free(text);
        signature_key_free(key);
        token_keys_free(keys);
    }
    forget();
}

static void test_token__none_is_no_algorithm(void)
{
    struct token_keys *keys = keys_with("", SIGNATURE_HS256, SECRET);
    struct signature_key *key = signer_of(SIGNATURE_HS256, SECRET);
    static const char *const headers[] = {"{\"alg\":\"none\"}",
                                          "{\"alg\":\"None\"}",
                                          "{\"alg\":\"NONE\"}",
                                          "{\"alg\":\"\"}",
                                          "{\"alg\":null}",
                                          "{\"alg\":[\"HS256\"]}",
                                          "{\"typ\":\"JWT\"}",
                                          "{\"alg\":\"hs256\"}",
                                          "{\"alg\":\"HS512\"}",
                                          "{\"alg\":\"PS256\"}",
                                          "{\"alg\":\"HS256\\u0000\"}"};

    for (size_t i = 0; i < array_len(headers); i++) {
        char *text = forge(key, headers[i], CLAIMS(""));
        CU_ASSERT(refused_for(keys, text, "alg must be"));
        strrchr(text, '.')[1] = '\0';
        CU_ASSERT(!parse_at(keys, text, NOW_MS));
        *strrchr(text, '.') = '\0';
        CU_ASSERT(refused_for(keys, text, "header.claims.signature"));
        free(text);
    }
    char *text = forge(key, HS_HEADER, CLAIMS(""));
    strrchr(text, '.')[1] = '\0';
    CU_ASSERT(refused_for(keys, text, "signature"));
    free(text);
    signature_key_free(key);
    token_keys_free(keys);
}

/* The classic forgery: an HMAC keyed with the public key's PEM, which all may know. */
static void test_token__the_key_decides_the_algorithm(void)
{
    struct token_keys *keys = keys_with("", SIGNATURE_RS256, RSA_PUBLIC_PEM);
    struct token_keys *both = keys_with("", SIGNATURE_RS256, RSA_PUBLIC_PEM);
    char text[1024];
    size_t len = put_part(text, HS_HEADER);
    unsigned mac_bytes;
    uint8_t mac[32];

    add(both, "", SIGNATURE_HS256, SECRET);
    text[len++] = '.';
    len += put_part(text + len, CLAIMS(""));
    CU_ASSERT_PTR_NOT_NULL(HMAC(EVP_sha256(), RSA_PUBLIC_PEM, strlen(RSA_PUBLIC_PEM),
                                (const uint8_t *)text, len, mac, &mac_bytes));
    text[len++] = '.';
    len += encode_base64url(text + len, mac, sizeof(mac));
    text[len] = '\0';
    CU_ASSERT(refused_for(keys, text, "alg is not that of the key"));
    CU_ASSERT(refused_for(both, text, "signature is wrong"));

    struct signature_key *ec = signer_of(SIGNATURE_ES256, EC_PRIVATE_PEM);
    char *forged = forge(ec, "{\"alg\":\"ES256\"}", CLAIMS(""));
    CU_ASSERT(refused_for(keys, forged, "alg is not that of the key"));
    free(forged);
    forged = forge(ec, "{\"alg\":\"RS256\"}", CLAIMS(""));
    CU_ASSERT(refused_for(keys, forged, "signature is wrong"));
    free(forged);
    signature_key_free(ec);
    token_keys_free(keys);
    token_keys_free(both);
}

static bool header_taken(const struct token_keys *keys, const char *secret, const char *header)
{
    struct signature_key *key = signer_of(SIGNATURE_HS256, secret);
    char *text = forge(key, header, CLAIMS(""));
    bool taken = parse_at(keys, text, NOW_MS);

    free(text);
    signature_key_free(key);
    return taken;
}

static void test_token__a_kid_selects_its_key(void)
{
    struct token_keys *keys = keys_with("one", SIGNATURE_HS256, SECRET);

    CU_ASSERT(!header_taken(keys, SECRET, HS_HEADER)); /* no key without a kid */
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.message, "no key without one"));
    add(keys, "", SIGNATURE_HS256, SECRET2);
    add(keys, "", SIGNATURE_HS256, SECRET2 "!");
    add(keys, "two", SIGNATURE_HS256, SECRET2 "?");

    CU_ASSERT(header_taken(keys, SECRET, "{\"alg\":\"HS256\",\"kid\":\"one\"}"));
    CU_ASSERT(header_taken(keys, SECRET2 "?", "{\"alg\":\"HS256\",\"kid\":\"two\"}"));
    CU_ASSERT(header_taken(keys, SECRET2, HS_HEADER));
    CU_ASSERT(header_taken(keys, SECRET2 "!", HS_HEADER)); /* all without a kid are tried */
    CU_ASSERT(!header_taken(keys, SECRET, HS_HEADER));
    CU_ASSERT(!header_taken(keys, SECRET2, "{\"alg\":\"HS256\",\"kid\":\"one\"}"));
    CU_ASSERT(!header_taken(keys, SECRET, "{\"alg\":\"HS256\",\"kid\":\"two\"}"));

    static const char *const unknown[] = {"\"three\"", "\"on\"", "\"onee\"", "\"\"",
                                          "\"one\\u0000\""};
    for (size_t i = 0; i < array_len(unknown); i++) {
        char header[64];
        snprintf(header, sizeof(header), "{\"alg\":\"HS256\",\"kid\":%s}", unknown[i]);
        CU_ASSERT(!header_taken(keys, SECRET2, header));
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.message, "names no key"));
    }
    CU_ASSERT(!header_taken(keys, SECRET2, "{\"alg\":\"HS256\",\"kid\":null}"));
    CU_ASSERT(!header_taken(keys, SECRET2, "{\"alg\":\"HS256\",\"kid\":1}"));
    token_keys_free(keys);
    forget();
}

static void test_token__headers_with_more_in_them(void)
{
    struct token_keys *keys = keys_with("", SIGNATURE_HS256, SECRET);

    CU_ASSERT(
        header_taken(keys, SECRET, "{\"x5u\":\"http://evil\",\"alg\":\"HS256\",\"n\":1e999}"));
    CU_ASSERT(!header_taken(keys, SECRET, "{\"alg\":\"HS256\",\"crit\":[]}"));
    CU_ASSERT(!header_taken(keys, SECRET, "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.message, "crit"));
    CU_ASSERT(!header_taken(keys, SECRET, "{\"alg\":\"none\",\"alg\":\"HS256\"}"));
    CU_ASSERT(!header_taken(keys, SECRET,
                            "{\"alg\":\"HS256\"} "
                            "x"));
    CU_ASSERT(!header_taken(keys, SECRET, "[\"HS256\"]"));
    CU_ASSERT(!header_taken(keys, SECRET, ""));
    token_keys_free(keys);
    forget();
}

static void test_token__what_is_no_token_is_refused(void)
{
    struct token_keys *keys = keys_with("", SIGNATURE_HS256, SECRET);
    static const char *const texts[] = {
        "",         ".",   "..",       "...",         "a.b.c",
        "Bearer x", "a.b", "e30.e30.", "e30.e30.e30", "e30.e30.e30.e30.e30",
        ".e30.e30"};

    for (size_t i = 0; i < array_len(texts); i++)
        CU_ASSERT(refused_for(keys, texts[i], "token: "));
    struct slice nothing = {0};
    CU_ASSERT(!token_parse(keys, nothing, NOW_MS, &token, &fault));
    token_keys_free(keys);
}

/* Claims */

static void test_token__its_times_are_kept(void)
{
    struct token_keys *keys = keys_with("", SIGNATURE_HS256, SECRET);
    struct signature_key *key = signer_of(SIGNATURE_HS256, SECRET);
    char *text =
        forge(key, HS_HEADER, "{\"sub\":\"a\",\"exp\":1800000100,\"nbf\":1800000000," ROOMS "}");
    uint64_t exp_ms = 1800000100000, nbf_ms = 1800000000000;

    CU_ASSERT(parse_at(keys, text, exp_ms) && token->exp_ms == exp_ms + TOKEN_LEEWAY_MS);
    CU_ASSERT(parse_at(keys, text, exp_ms + TOKEN_LEEWAY_MS - 1));
    CU_ASSERT(!parse_at(keys, text, exp_ms + TOKEN_LEEWAY_MS));
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.message, "expired"));
    CU_ASSERT(!parse_at(keys, text, UINT64_MAX - TOKEN_LEEWAY_MS));
    CU_ASSERT(parse_at(keys, text, nbf_ms - TOKEN_LEEWAY_MS));
    CU_ASSERT(!parse_at(keys, text, nbf_ms - TOKEN_LEEWAY_MS - 1));
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.message, "not valid yet"));
    free(text);
    signature_key_free(key);
    token_keys_free(keys);

    CU_ASSERT(claims_taken("{\"sub\":\"a\",\"exp\":1800000000.5,\"iat\":\"x\"," ROOMS "}"));
    CU_ASSERT_EQUAL(token->exp_ms, 1800000000500 + TOKEN_LEEWAY_MS);
    CU_ASSERT(claims_taken("{\"sub\":\"a\",\"exp\":100000000000," ROOMS "}"));
    CU_ASSERT(claims_refused("{\"sub\":\"a\"," ROOMS "}", "exp is missing"));
    CU_ASSERT(claims_refused("{\"sub\":\"a\",\"exp\":0," ROOMS "}", "expired"));
    static const char *const wrong[] = {"null",
                                        "\"1800000100\"",
                                        "-1",
                                        "true",
                                        "1800000100000",
                                        "1e999",
                                        "123456789012345678901234567890"};
    for (size_t i = 0; i < array_len(wrong); i++) {
        char claims[256];
        snprintf(claims, sizeof(claims), "{\"sub\":\"a\",\"exp\":%s," ROOMS "}", wrong[i]);
        CU_ASSERT(claims_refused(claims, "exp must be"));
        snprintf(claims, sizeof(claims), "{\"sub\":\"a\",\"exp\":1800000100,\"nbf\":%s," ROOMS "}",
                 wrong[i]);
        CU_ASSERT(claims_refused(claims, "nbf must be"));
    }
    forget();
}

static void test_token__the_user_is_printable_and_short(void)
{
    char claims[1024], sub[ROOM_UID_MAX + 2];

    CU_ASSERT(claims_taken(
        "{\"sub\":\"\\u00e9\",\"name\":\"Ann \\ud83d\\ude00\",\"exp\":1800000100," ROOMS "}"));
    CU_ASSERT(slice_is(token->sub, "\xc3\xa9") && slice_is(token->name, "Ann \xf0\x9f\x98\x80"));
    CU_ASSERT(claims_taken(CLAIMS(",\"name\":\"\"")) && token->name.len == 0);
    CU_ASSERT(claims_taken(CLAIMS("")) && token->name.len == 0 && slice_is(token->sub, "ann"));
    for (size_t over = 0; over <= 1; over++) {
        memset(sub, 'x', ROOM_UID_MAX + over);
        sub[ROOM_UID_MAX + over] = '\0';
        snprintf(claims, sizeof(claims), "{\"sub\":\"%s\",\"exp\":1800000100," ROOMS "}", sub);
        CU_ASSERT(over ? claims_refused(claims, "sub") : claims_taken(claims));
        snprintf(claims, sizeof(claims), CLAIMS(",\"name\":\"%s\""), sub);
        CU_ASSERT(over ? claims_refused(claims, "name") : claims_taken(claims));
    }
    CU_ASSERT(claims_refused("{\"exp\":1800000100," ROOMS "}", "sub"));
    static const char *const wrong[] = {"null",         "1",        "[\"a\"]",
                                        "\"a\\u0000\"", "\"a\\n\"", "\"\\u0085\""};
    for (size_t i = 0; i < array_len(wrong); i++) {
        snprintf(claims, sizeof(claims), "{\"sub\":%s,\"exp\":1800000100," ROOMS "}", wrong[i]);
        CU_ASSERT(claims_refused(claims, "sub"));
        snprintf(claims, sizeof(claims), CLAIMS(",\"name\":%s"), wrong[i]);
        CU_ASSERT(claims_refused(claims, "name"));
    }
    CU_ASSERT(claims_refused("{\"sub\":\"\",\"exp\":1800000100," ROOMS "}", "sub"));
    CU_ASSERT(claims_refused(CLAIMS(",\"sub\":\"bob\""), "claims are not a JSON object"));
    CU_ASSERT(claims_refused("[]", "claims are not"));
    CU_ASSERT(claims_refused("", "claims are not"));
    CU_ASSERT(claims_refused("{\"sub\":\"\xff\"}", "claims are not"));
    forget();
}

static void test_token__the_audience_must_be_ours_where_we_have_one(void)
{
    struct token_keys *keys = token_keys_new(slice_of("chat"));
    struct signature_key *key = signer_of(SIGNATURE_HS256, SECRET);
    static const struct {
        const char *aud;
        bool taken;
    } all[] = {{"\"chat\"", true},      {"[\"x\",\"chat\"]", true}, {"\"chat \"", false},
               {"[]", false},           {"[\"x\"]", false},         {"null", false},
               {"[[\"chat\"]]", false}, {"{\"chat\":1}", false},    {"\"cha\"", false}};

    add(keys, "", SIGNATURE_HS256, SECRET);
    for (size_t i = 0; i < array_len(all); i++) {
        char claims[256];
        snprintf(claims, sizeof(claims), CLAIMS(",\"aud\":%s"), all[i].aud);
        char *text = forge(key, HS_HEADER, claims);
        CU_ASSERT(all[i].taken ? parse_at(keys, text, NOW_MS) : refused_for(keys, text, "aud"));
        free(text);
        CU_ASSERT(claims_taken(claims)); /* by keys without an audience */
    }
    char *text = forge(key, HS_HEADER, CLAIMS(""));
    CU_ASSERT(refused_for(keys, text, "aud"));
    free(text);
    signature_key_free(key);
    token_keys_free(keys);
    forget();
}

/* Others' */

/* Made by npm's jose 6.2.3: kid k, sub ann, name Ann, nbf 1700000000, exp 1800000100. */
#define JOSE_HS256                                                                                 \
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.eyJuYW1lIjoiQW5uIiwicm9vbXMiO"             \
    "lt7InJvb20iOiJnYW1lLSoiLCJjYW4iOlsicmVhZCIsIndyaXRlIl19XSwic3ViIjoiYW5uIiwiYXVkI"             \
    "jpbIm90aGVyIiwiY2hhdCJdLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTgwMDAwMDEwMCwiaWF0IjoxN"             \
    "zAwMDAwMDAwfQ.EnufL-IVkNo1LrT0Gqt9bvlDsW3sG1gv6qxNzA5Ift4"
#define JOSE_RS256                                                                                 \
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.eyJuYW1lIjoiQW5uIiwicm9vbXMiO"             \
    "lt7InJvb20iOiJnYW1lLSoiLCJjYW4iOlsicmVhZCIsIndyaXRlIl19XSwic3ViIjoiYW5uIiwiYXVkI"             \
    "jpbIm90aGVyIiwiY2hhdCJdLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTgwMDAwMDEwMCwiaWF0IjoxN"             \
    "zAwMDAwMDAwfQ.C-X45TUW59K7mhGKxvI0rVLbytIZI60QfoVx6h7JKyMxCXzS2KSvwNdekePdQB1Tws"             \
    "mNN7Cz_e2oUzio2wfG_B1cWXfsjvzTSxWM5BriI-89zdBqZqF_r_ZLkis5dlUnv-YtyAjVW_hhcf1j1a"             \
    "uB5jK6YiPutTRvR3fmCMLVM5YtSLZOJny6S6Gdrd7fWQrnk4hzVcepugQbgkQoafEflSbjYSQWd7AAFt"             \
    "_Q571hO5VRgTgmFeM01quY9MNSPcrdhDMUTTBBJNPnsW6683LaUMSukZGzUgL_ULU2NzW6jE0UcQKcY7"             \
    "C5gxbgWegjZ4uFMW-FX7J80PtPtpuPl0QcWA"
#define JOSE_ES256                                                                                 \
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.eyJuYW1lIjoiQW5uIiwicm9vbXMiO"             \
    "lt7InJvb20iOiJnYW1lLSoiLCJjYW4iOlsicmVhZCIsIndyaXRlIl19XSwic3ViIjoiYW5uIiwiYXVkI"             \
    "jpbIm90aGVyIiwiY2hhdCJdLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTgwMDAwMDEwMCwiaWF0IjoxN"             \
    "zAwMDAwMDAwfQ.809ICCK1RxQnqKyZId-yPYRoDrKs_Bb4BP5gyvT9yeMYs10pHp9wdWyKZzbH6JE0y7"             \
    "bhMlaBrE6mQZTEzJtlow"

static void test_token__tokens_of_another_library_are_taken(void)
{
    static const char *const tokens[] = {JOSE_HS256, JOSE_RS256, JOSE_ES256};

    for (size_t i = 0; i < array_len(tokens); i++) {
        struct token_keys *keys = token_keys_new(slice_of("chat"));
        add(keys, "k", pairs[i].alg, pairs[i].public);
        CU_ASSERT_FATAL(parse_at(keys, tokens[i], NOW_MS));
        CU_ASSERT(slice_is(token->sub, "ann") && slice_is(token->name, "Ann"));
        CU_ASSERT_EQUAL(token->exp_ms, 1800000100000 + TOKEN_LEEWAY_MS);
        CU_ASSERT_EQUAL(token_rights(token, slice_of("game-1")), TOKEN_READ | TOKEN_WRITE);
        token_keys_free(keys);
    }
    forget();
}

/* Rights */

static unsigned rights_in(const char *room)
{
    return token_rights(token, slice_of(room));
}

#define ROOM_CLAIMS(rooms) "{\"sub\":\"ann\",\"exp\":1800000100,\"rooms\":" rooms "}"

static void test_token__rights_are_the_union_of_what_matches(void)
{
    CU_ASSERT(claims_taken(ROOM_CLAIMS(
        "[{\"room\":\"game-*\",\"can\":[\"read\"]},{\"room\":\"game-1\",\"can\":[\"write\"]},"
        "{\"room\":\"*-1\",\"can\":[\"moderate\",\"moderate\"],\"x\":1},"
        "{\"room\":\"quiet\",\"can\":[]}]")));
    CU_ASSERT_EQUAL(rights_in("game-1"), TOKEN_READ | TOKEN_WRITE | TOKEN_MODERATE);
    CU_ASSERT_EQUAL(rights_in("game-2"), TOKEN_READ);
    CU_ASSERT_EQUAL(rights_in("game-"), TOKEN_READ);
    CU_ASSERT_EQUAL(rights_in("game"), 0);
    CU_ASSERT_EQUAL(rights_in("lobby-1"), TOKEN_MODERATE);
    CU_ASSERT_EQUAL(rights_in("quiet"), 0);
    CU_ASSERT_EQUAL(rights_in("Game-1 "), 0);
    CU_ASSERT_EQUAL(rights_in("xgame-2"), 0);
    CU_ASSERT_EQUAL(rights_in(""), 0);

    CU_ASSERT(claims_taken(ROOM_CLAIMS("[{\"room\":\"*\",\"can\":[\"read\",\"write\"]}]")));
    CU_ASSERT_EQUAL(rights_in("any"), TOKEN_READ | TOKEN_WRITE);
    CU_ASSERT(claims_taken(ROOM_CLAIMS("[]")));
    CU_ASSERT_EQUAL(rights_in("any"), 0);
    forget();
}

static void test_token__rooms_are_judged(void)
{
    CU_ASSERT(claims_refused("{\"sub\":\"ann\",\"exp\":1800000100}", "rooms must be a list"));
    CU_ASSERT(claims_refused(ROOM_CLAIMS("{}"), "rooms must be a list"));
    CU_ASSERT(claims_refused(ROOM_CLAIMS("[\"game\"]"), "room must be"));
    CU_ASSERT(claims_refused(ROOM_CLAIMS("[{\"can\":[\"read\"]}]"), "room must be"));
    CU_ASSERT(claims_refused(ROOM_CLAIMS("[{\"room\":\"\",\"can\":[]}]"), "room must be"));
    CU_ASSERT(claims_refused(ROOM_CLAIMS("[{\"room\":\"a\\u0000*\",\"can\":[]}]"), "room must be"));
    CU_ASSERT(claims_refused(ROOM_CLAIMS("[{\"room\":\"a\"}]"), "can must be"));
    CU_ASSERT(claims_refused(ROOM_CLAIMS("[{\"room\":\"a\",\"can\":\"read\"}]"), "can must be"));
    CU_ASSERT(claims_refused(ROOM_CLAIMS("[{\"room\":\"a\",\"can\":[\"Read\"]}]"), "can must be"));
    CU_ASSERT(claims_refused(ROOM_CLAIMS("[{\"room\":\"a\",\"can\":[1]}]"), "can must be"));
    CU_ASSERT(claims_refused(ROOM_CLAIMS("[{\"room\":\"a\",\"can\":[\"\"]}]"), "can must be"));
}

static void test_token__bounds_are_kept(void)
{
    static char claims[3 * TOKEN_TEXT_MAX];
    char pattern[TOKEN_PATTERN_MAX + 2];

    for (size_t n = TOKEN_ROOMS_MAX; n <= TOKEN_ROOMS_MAX + 1; n++) {
        char *end = stpcpy(claims, "{\"sub\":\"ann\",\"exp\":1800000100,\"rooms\":[");
        for (size_t i = 0; i < n; i++)
            end += sprintf(end, "%s{\"room\":\"r%zu\",\"can\":[\"read\"]}", i ? "," : "", i);
        strcpy(end, "]}");
        CU_ASSERT(n == TOKEN_ROOMS_MAX ? claims_taken(claims) : claims_refused(claims, "64"));
    }
    for (size_t over = 0; over <= 1; over++) {
        memset(pattern, '*', TOKEN_PATTERN_MAX + over);
        pattern[TOKEN_PATTERN_MAX + over] = '\0';
        snprintf(claims, sizeof(claims), ROOM_CLAIMS("[{\"room\":\"%s\",\"can\":[]}]"), pattern);
        CU_ASSERT(over ? claims_refused(claims, "256") : claims_taken(claims));
    }
    /* By the last byte of the whole text. */
    struct token_keys *keys = keys_with("", SIGNATURE_HS256, SECRET);
    struct signature_key *key = signer_of(SIGNATURE_HS256, SECRET);
    size_t longest = 0;
    for (size_t filler = 5900; filler < 6100; filler++) {
        snprintf(claims, sizeof(claims), CLAIMS(",\"x\":\"%0*d\""), (int)filler, 0);
        char *text = forge(key, HS_HEADER, claims);
        bool fits = strlen(text) <= TOKEN_TEXT_MAX;
        longest = fits ? strlen(text) : longest;
        CU_ASSERT(fits ? parse_at(keys, text, NOW_MS) : refused_for(keys, text, "8192"));
        free(text);
    }
    CU_ASSERT(longest >= TOKEN_TEXT_MAX - 1);
    signature_key_free(key);
    token_keys_free(keys);
    forget();
}

/* Keys */

static void test_token__keys_are_judged(void)
{
    struct token_keys *keys = keys_with("one", SIGNATURE_HS256, SECRET);
    char kid[TOKEN_KID_MAX + 2];

    CU_ASSERT_EQUAL(
        token_keys_add(keys, slice_of("one"), SIGNATURE_HS256, slice_of(SECRET2), why, sizeof(why)),
        -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "no other key has"));
    memset(kid, 'k', sizeof(kid));
    kid[TOKEN_KID_MAX + 1] = '\0';
    CU_ASSERT_EQUAL(
        token_keys_add(keys, slice_of(kid), SIGNATURE_HS256, slice_of(SECRET2), why, sizeof(why)),
        -EINVAL);
    CU_ASSERT_EQUAL(
        token_keys_add(keys, slice_of("k"), SIGNATURE_HS256, slice_of("short"), why, sizeof(why)),
        -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "at least 32 bytes"));
    kid[TOKEN_KID_MAX] = '\0';
    add(keys, kid, SIGNATURE_HS256, SECRET2);
    for (size_t i = 2; i < TOKEN_KEYS_MAX; i++)
        add(keys, "", SIGNATURE_HS256, SECRET);
    CU_ASSERT_EQUAL(
        token_keys_add(keys, slice_of(""), SIGNATURE_HS256, slice_of(SECRET), why, sizeof(why)),
        -EINVAL);
    token_keys_free(keys);
}

/* Minting */

static const struct token_rule mint_rules[] = {
    {{(const uint8_t *)"game-\"*\"", 8}, TOKEN_READ | TOKEN_WRITE},
    {{(const uint8_t *)"a\\b", 3}, TOKEN_MODERATE},
    {{(const uint8_t *)"none", 4}, 0}};

static struct token_grant grant_for(const char *sub, const char *name)
{
    return (struct token_grant){.sub = slice_of(sub),
                                .name = slice_of(name),
                                .iat_s = NOW_S,
                                .exp_s = NOW_S + 60,
                                .rules = mint_rules,
                                .rules_count = array_len(mint_rules)};
}

static char *mint(const struct token_keys *keys, const char *kid, const struct token_grant *grant)
{
    struct buf out;

    buf_init(&out, 2 * TOKEN_TEXT_MAX);
    CU_ASSERT_EQUAL(buf_append_str(&out, "before "), 0);
    CU_ASSERT_EQUAL_FATAL(token_mint(keys, slice_of(kid), grant, &out), 0);
    char *text = strndup((const char *)out.data + 7, out.len - 7);
    buf_deinit(&out);
    return text;
}

static int mint_fails(const struct token_keys *keys, const char *kid,
                      const struct token_grant *grant)
{
    struct buf out;

    buf_init(&out, 2 * TOKEN_TEXT_MAX);
    int error = token_mint(keys, slice_of(kid), grant, &out);
    CU_ASSERT_EQUAL(out.len, 0);
    buf_deinit(&out);
    return error;
}

static void test_token__what_is_minted_is_taken(void)
{
    for (size_t i = 0; i < array_len(pairs); i++) {
        for (int with_kid = 0; with_kid <= 1; with_kid++) {
            struct token_keys *minter = token_keys_new(slice_of("a\"b"));
            struct token_keys *keys = token_keys_new(slice_of("a\"b"));
            struct token_grant grant = grant_for("ann\"\\", "Ann \xf0\x9f\x98\x80");

            add(minter, with_kid ? "k\"1" : "", pairs[i].alg, pairs[i].private);
            add(keys, with_kid ? "k\"1" : "", pairs[i].alg, pairs[i].public);
            char *text = mint(minter, with_kid ? "k\"1" : "", &grant);
            CU_ASSERT_FATAL(parse_at(keys, text, NOW_MS));
            CU_ASSERT(slice_equal(token->sub, grant.sub) && slice_equal(token->name, grant.name));
            CU_ASSERT_EQUAL(token->exp_ms, NOW_MS + 60000 + TOKEN_LEEWAY_MS);
            CU_ASSERT_EQUAL(token->rules_count, array_len(mint_rules));
            CU_ASSERT_EQUAL(rights_in("game-\"7\""), TOKEN_READ | TOKEN_WRITE);
            CU_ASSERT_EQUAL(rights_in("a\\b"), TOKEN_MODERATE);
            CU_ASSERT_EQUAL(rights_in("none"), 0);
            free(text);
            token_keys_free(keys);
            token_keys_free(minter);
        }
    }
    forget();
}

static void test_token__the_first_key_that_can_signs(void)
{
    struct token_keys *keys = keys_with("public", SIGNATURE_RS256, RSA_PUBLIC_PEM);
    struct token_grant grant = grant_for("ann", "");

    CU_ASSERT_EQUAL(mint_fails(keys, "", &grant), -ENOKEY);
    add(keys, "first", SIGNATURE_HS256, SECRET);
    add(keys, "second", SIGNATURE_HS256, SECRET2);
    char *text = mint(keys, "", &grant), *second = mint(keys, "second", &grant);
    CU_ASSERT(parse_at(keys, text, NOW_MS) && parse_at(keys, second, NOW_MS));
    CU_ASSERT(strcmp(text, second) != 0);
    char *again = mint(keys, "first", &grant);
    CU_ASSERT_STRING_EQUAL(text, again);
    CU_ASSERT_EQUAL(mint_fails(keys, "public", &grant), -ENOKEY);
    CU_ASSERT_EQUAL(mint_fails(keys, "third", &grant), -ENOENT);
    free(text);
    free(second);
    free(again);
    token_keys_free(keys);
    forget();
}

static void test_token__what_would_not_be_taken_is_not_minted(void)
{
    struct token_keys *keys = keys_with("", SIGNATURE_HS256, SECRET);
    struct token_rule rules[TOKEN_ROOMS_MAX + 1];
    char pattern[TOKEN_PATTERN_MAX + 1];
    struct token_grant grant = grant_for("", "");

    CU_ASSERT_EQUAL(mint_fails(keys, "", &grant), -EINVAL);
    grant = grant_for("a\n", "");
    CU_ASSERT_EQUAL(mint_fails(keys, "", &grant), -EINVAL);
    grant = grant_for("a", "\xff");
    CU_ASSERT_EQUAL(mint_fails(keys, "", &grant), -EINVAL);
    grant = grant_for("a", "");
    grant.exp_s = NOW_MS;
    CU_ASSERT_EQUAL(mint_fails(keys, "", &grant), -EINVAL);
    memset(pattern, '"', sizeof(pattern));
    for (size_t i = 0; i < array_len(rules); i++)
        rules[i] = (struct token_rule){slice_make(pattern, TOKEN_PATTERN_MAX), TOKEN_READ};
    grant = grant_for("a", "");
    grant.rules = rules;
    grant.rules_count = array_len(rules);
    CU_ASSERT_EQUAL(mint_fails(keys, "", &grant), -EINVAL);
    grant.rules_count = TOKEN_ROOMS_MAX;
    CU_ASSERT_EQUAL(mint_fails(keys, "", &grant), -ENOBUFS);
    grant.rules_count = 8;
    char *text = mint(keys, "", &grant);
    CU_ASSERT(parse_at(keys, text, NOW_MS));
    free(text);
    rules[0].rights = 8;
    CU_ASSERT_EQUAL(mint_fails(keys, "", &grant), -EINVAL);
    rules[0] = (struct token_rule){slice_make(pattern, 0), TOKEN_READ};
    CU_ASSERT_EQUAL(mint_fails(keys, "", &grant), -EINVAL);
    token_keys_free(keys);
    forget();
}

/* Memory */

#ifdef RINGROOM_DCHECK
static void test_token__any_failing_allocation_is_one_refusal(void)
{
    struct token_grant grant = grant_for("ann", "Ann");
    bool whole = false;

    for (long n = 0; !whole && n < 1000; n++) {
        struct token_keys *keys = token_keys_new(slice_of("chat"));
        struct buf out;
        CU_ASSERT_PTR_NOT_NULL_FATAL(keys);

        mem_fail_after(n);
        buf_init(&out, TOKEN_TEXT_MAX);
        int error = token_keys_add(keys, slice_of("k"), SIGNATURE_HS256, slice_of(SECRET), why,
                                   sizeof(why));
        if (!error)
            error = token_mint(keys, slice_of(""), &grant, &out);
        forget();
        if (!error && !token_parse(keys, buf_slice(&out), NOW_MS, &token, &fault))
            error = -ENOMEM;
        mem_fail_after(-1);
        CU_ASSERT(error == 0 || error == -ENOMEM);
        whole = error == 0;
        buf_deinit(&out);
        token_keys_free(keys);
    }
    CU_ASSERT(whole);
    mem_fail_after(0);
    CU_ASSERT_PTR_NULL(token_keys_new(slice_of("chat")));
    mem_fail_after(-1);
    forget();
}
#else
static void test_token__any_failing_allocation_is_one_refusal(void)
{
}
#endif

int main(void)
{
    static const struct unit_test tests[] = {
        UNIT_TEST(test_token__the_rfc_vectors_verify),
        UNIT_TEST(test_token__no_byte_can_be_changed_added_or_left_out),
        UNIT_TEST(test_token__none_is_no_algorithm),
        UNIT_TEST(test_token__the_key_decides_the_algorithm),
        UNIT_TEST(test_token__a_kid_selects_its_key),
        UNIT_TEST(test_token__headers_with_more_in_them),
        UNIT_TEST(test_token__what_is_no_token_is_refused),
        UNIT_TEST(test_token__its_times_are_kept),
        UNIT_TEST(test_token__the_user_is_printable_and_short),
        UNIT_TEST(test_token__the_audience_must_be_ours_where_we_have_one),
        UNIT_TEST(test_token__tokens_of_another_library_are_taken),
        UNIT_TEST(test_token__rights_are_the_union_of_what_matches),
        UNIT_TEST(test_token__rooms_are_judged),
        UNIT_TEST(test_token__bounds_are_kept),
        UNIT_TEST(test_token__keys_are_judged),
        UNIT_TEST(test_token__what_is_minted_is_taken),
        UNIT_TEST(test_token__the_first_key_that_can_signs),
        UNIT_TEST(test_token__what_would_not_be_taken_is_not_minted),
        UNIT_TEST(test_token__any_failing_allocation_is_one_refusal),
    };

    native_init();
    return unit_run("token", tests, array_len(tests));
}
