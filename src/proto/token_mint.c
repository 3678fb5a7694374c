/* token_mint.c - tokens made: header and claims as JSON, in base64url, signed. */
#include "json_writer.h"
#include "ringroom/base/encode.h"
#include "ringroom/proto/token.h"
#include "token_parts.h"

#include <errno.h>

/* Of the longest claims: their text grows at most twofold as JSON (json_put_escaped()). */
enum { JSON_MAX = 1024 + TOKEN_ROOMS_MAX * (2 * TOKEN_PATTERN_MAX + 64) };

static bool grant_valid(const struct token_grant *grant)
{
    if (!token_sub_valid(grant->sub) || !token_text_valid(grant->name, ROOM_USER_NAME_MAX) ||
        grant->exp_s > TOKEN_TIME_MAX_S || grant->rules_count > TOKEN_ROOMS_MAX)
        return false;
    for (size_t i = 0; i < grant->rules_count; i++)
        if (!token_pattern_valid(grant->rules[i].pattern) || grant->rules[i].rights >> TOKEN_RIGHTS)
            return false;
    return true;
}

/* 0 and the key, -ENOENT, -ENOKEY. */
static int choose_key(const struct token_keys *keys, struct slice kid,
                      const struct token_key **ret_key)
{
    int error = -ENOENT;

    for (size_t i = 0; i < keys->count; i++) {
        const struct token_key *key = &keys->list[i];

        if (kid.len && !slice_equal(token_key_kid(key), kid))
            continue;
        error = -ENOKEY;
        if (signature_key_signs(key->key)) {
            *ret_key = key;
            return 0;
        }
    }
    return error;
}

static int put_header(struct buf *out, const struct token_key *key)
{
    struct writer w = writer_of(out);

    put(&w, "{\"alg\":\"");
    put(&w, signature_alg_name(signature_key_alg(key->key)));
    put(&w, "\",\"typ\":\"JWT\"");
    if (key->kid_len)
        put_string(&w, ",\"kid\":", token_key_kid(key));
    put(&w, "}");
    return writer_finish(&w);
}

static void put_rule(struct writer *w, const struct token_rule *rule)
{
    const char *lead = "";

    put_string(w, "{\"room\":", rule->pattern);
    put(w, ",\"can\":[");
    for (unsigned i = 0; i < TOKEN_RIGHTS; i++) {
        if (!(rule->rights & 1u << i))
            continue;
        put(w, lead);
        put_string(w, "", slice_of(token_right_names[i]));
        lead = ",";
    }
    put(w, "]}");
}

static int put_claims(struct buf *out, const struct token_grant *grant, struct slice audience)
{
    struct writer w = writer_of(out);

    put_string(&w, "{\"sub\":", grant->sub);
    if (grant->name.len)
        put_string(&w, ",\"name\":", grant->name);
    if (audience.len)
        put_string(&w, ",\"aud\":", audience);
    put_u64(&w, ",\"iat\":", grant->iat_s);
    put_u64(&w, ",\"exp\":", grant->exp_s);
    put(&w, ",\"rooms\":[");
    for (size_t i = 0; i < grant->rules_count; i++) {
        put(&w, i ? "," : "");
        put_rule(&w, &grant->rules[i]);
    }
    put(&w, "]}");
    return writer_finish(&w);
}

static int put_base64url(struct buf *out, struct slice bytes)
{
    int error = buf_reserve(out, ENCODE_BASE64_BYTES(bytes.len));

    if (!error)
        out->len += encode_base64url((char *)out->data + out->len, bytes.data, bytes.len);
    return error;
}

/* Header and claims with their dot, through `json`. */
static int put_signed_text(struct buf *out, struct buf *json, const struct token_key *key,
                           const struct token_grant *grant, struct slice audience)
{
    int error = put_header(json, key);

    if (!error)
        error = put_base64url(out, buf_slice(json));
    if (!error)
        error = buf_append_str(out, ".");
    if (error)
        return error;
    buf_consume(json, json->len);
    error = put_claims(json, grant, audience);
    return error ? error : put_base64url(out, buf_slice(json));
}

static int put_signature(struct buf *out, size_t start, const struct token_key *key)
{
    uint8_t signature[SIGNATURE_BYTES_MAX];
    ssize_t n = signature_sign(key->key, slice_from(buf_slice(out), start), signature);

    if (n < 0)
        return (int)n;
    int error = buf_append_str(out, ".");
    return error ? error : put_base64url(out, slice_make(signature, (size_t)n));
}

int token_mint(const struct token_keys *keys, struct slice kid, const struct token_grant *grant,
               struct buf *out)
{
    const struct token_key *key = NULL;
    size_t start = out->len;
    struct buf json;

    if (!grant_valid(grant))
        return -EINVAL;
    int error = choose_key(keys, kid, &key);
    if (error)
        return error;
    buf_init(&json, JSON_MAX);
    error = put_signed_text(out, &json, key, grant, keys->audience);
    if (!error)
        error = put_signature(out, start, key);
    if (!error && out->len - start > TOKEN_TEXT_MAX)
        error = -ENOBUFS;
    buf_deinit(&json);
    if (error)
        out->len = start;
    return error;
}
