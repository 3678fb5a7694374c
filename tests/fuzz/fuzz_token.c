/* Tokens from arbitrary bytes: as the token's own text; as header and claims that a good key then
 * signs, so that what lies behind the signature is reached too; and as keys. What is taken must
 * hold what token.h promises. */
#include "ringroom/base/check.h"
#include "ringroom/base/encode.h"
#include "ringroom/base/utf8.h"
#include "ringroom/proto/token.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char secret[] = "0123456789abcdef0123456789abcdef";
static const uint64_t NOW_MS = UINT64_C(1800000000000);

static struct token_keys *some_keys(struct slice audience)
{
    struct token_keys *keys = token_keys_new(audience);
    char why[256];

    CHECK(keys);
    CHECK(token_keys_add(keys, slice_of(""), SIGNATURE_HS256, slice_of(secret), why, sizeof(why)) ==
          0);
    CHECK(token_keys_add(keys, slice_of("k"), SIGNATURE_HS256, slice_of(secret), why,
                         sizeof(why)) == 0);
    return keys;
}

static void check_taken(const struct token *token)
{
    CHECK(token->sub.len >= 1 && token->sub.len <= ROOM_UID_MAX && utf8_printable(token->sub));
    CHECK(token->name.len <= ROOM_USER_NAME_MAX && utf8_printable(token->name));
    CHECK(token->exp_ms > NOW_MS && token->rules_count <= TOKEN_ROOMS_MAX);
    unsigned all = 0;
    for (size_t i = 0; i < token->rules_count; i++) {
        struct slice pattern = token->rules[i].pattern;
        CHECK(pattern.len >= 1 && pattern.len <= TOKEN_PATTERN_MAX && utf8_printable(pattern));
        CHECK(token->rules[i].rights <= (TOKEN_READ | TOKEN_WRITE | TOKEN_MODERATE));
        /* A pattern matches itself. */
        CHECK((token_rights(token, pattern) & token->rules[i].rights) == token->rules[i].rights);
        all |= token->rules[i].rights;
    }
    CHECK((token_rights(token, slice_of("room")) & ~all) == 0);
}

/* Minted anew, it says the same, unless that is too long. */
static void check_again(const struct token_keys *keys, const struct token *token)
{
    struct token_grant grant = {.sub = token->sub,
                                .name = token->name,
                                .exp_s = NOW_MS / 1000 + 60,
                                .rules = token->rules,
                                .rules_count = token->rules_count};
    struct native_fault fault;
    struct token *again;
    struct buf out;

    buf_init(&out, TOKEN_TEXT_MAX);
    if (token_mint(keys, slice_of(""), &grant, &out) == 0) {
        CHECK(token_parse(keys, buf_slice(&out), NOW_MS, &again, &fault));
        CHECK(slice_equal(again->sub, token->sub) && slice_equal(again->name, token->name));
        CHECK(again->rules_count == token->rules_count);
        for (size_t i = 0; i < again->rules_count; i++)
            CHECK(slice_equal(again->rules[i].pattern, token->rules[i].pattern) &&
                  again->rules[i].rights == token->rules[i].rights);
        token_free(again);
    }
    buf_deinit(&out);
}

static bool parse(const struct token_keys *keys, struct slice text)
{
    struct native_fault fault = {0};
    struct token *token;
    bool taken = token_parse(keys, text, NOW_MS, &token, &fault);

    if (taken) {
        check_taken(token);
        check_again(keys, token);
        token_free(token);
    } else {
        CHECK(fault.code && fault.message);
    }
    return taken;
}

/* Up to the first line feed the header, behind it the claims. */
static void parse_signed(const struct token_keys *keys, struct slice text)
{
    const uint8_t *line = text.len ? memchr(text.data, '\n', text.len) : NULL;
    struct slice header =
        line ? slice_make(text.data, (size_t)(line - text.data)) : slice_of("{\"alg\":\"HS256\"}");
    struct slice claims = line ? slice_from(text, header.len + 1) : text;
    char *made = malloc(ENCODE_BASE64_BYTES(header.len) + ENCODE_BASE64_BYTES(claims.len) + 64);
    size_t len = encode_base64url(made, header.data, header.len);
    struct signature_key *key;
    uint8_t mac[SIGNATURE_BYTES_MAX];
    char why[256];

    CHECK(signature_key_new(SIGNATURE_HS256, slice_of(secret), &key, why, sizeof(why)) == 0);
    made[len++] = '.';
    len += encode_base64url(made + len, claims.data, claims.len);
    CHECK(signature_sign(key, slice_make(made, len), mac) == 32);
    made[len++] = '.';
    len += encode_base64url(made + len, mac, 32);
    parse(keys, slice_make(made, len));
    signature_key_free(key);
    free(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct token_keys *keys = some_keys(slice_of("")), *strict = some_keys(slice_of("chat"));
    uint8_t *copy = malloc(size ? size : 1); /* so that a sanitizer sees a read beyond it */
    struct slice text = slice_make(copy, size);
    char why[256] = "";

    if (size)
        memcpy(copy, data, size);
    CHECK(!parse(keys, text) || size > 60);
    parse_signed(keys, text);
    parse_signed(strict, text);
    for (enum signature_alg alg = SIGNATURE_HS256; alg <= SIGNATURE_ES256; alg++)
        if (token_keys_add(strict, slice_of("x"), alg, text, why, sizeof(why)) == 0)
            break;
    free(copy);
    token_keys_free(keys);
    token_keys_free(strict);
    return 0;
}
