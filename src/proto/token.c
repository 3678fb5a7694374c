/* token.c - the keys, and tokens read: split, verified, then their claims looked at. */
#include "ringroom/proto/token.h"
#include "request.h"
#include "ringroom/base/check.h"
#include "ringroom/base/encode.h"
#include "token_parts.h"

#include <errno.h>
#include <stdio.h>

const char *const token_right_names[TOKEN_RIGHTS] = {"read", "write", "moderate"};

/* Keys */

struct token_keys *token_keys_new(struct slice audience)
{
    struct token_keys *keys = mem_zalloc(sizeof(*keys) + audience.len);

    if (!keys)
        return NULL;
    if (audience.len)
        memcpy(keys + 1, audience.data, audience.len);
    keys->audience = slice_make(keys + 1, audience.len);
    return keys;
}

void token_keys_free(struct token_keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->count; i++)
        signature_key_free(keys->list[i].key);
    mem_free(keys);
}

int token_keys_add(struct token_keys *keys, struct slice kid, enum signature_alg alg,
                   struct slice material, char *ret_error, size_t error_bytes)
{
    const char *wrong = NULL;

    if (keys->count == TOKEN_KEYS_MAX)
        wrong = "is one too many";
    else if (!token_text_valid(kid, TOKEN_KID_MAX))
        wrong = "must have a kid of at most 128 bytes without control characters";
    for (size_t i = 0; i < keys->count && kid.len && !wrong; i++)
        if (slice_equal(token_key_kid(&keys->list[i]), kid))
            wrong = "must have a kid that no other key has";
    if (wrong) {
        snprintf(ret_error, error_bytes, "%s", wrong);
        return -EINVAL;
    }
    struct token_key *made = &keys->list[keys->count];
    int error = signature_key_new(alg, material, &made->key, ret_error, error_bytes);
    if (error)
        return error;
    if (kid.len)
        memcpy(made->kid, kid.data, kid.len);
    made->kid_len = kid.len;
    keys->count++;
    return 0;
}

/* The signature */

/* Without quotes: the message goes into the body of an HTTP answer as it is. */
static bool refuse(struct native_fault *fault, const char *message)
{
    *fault = (struct native_fault){"unauthorized", message};
    return false;
}

static bool out_of_memory(struct native_fault *fault)
{
    *fault = (struct native_fault){"unavailable", "the token cannot be verified now: try again"};
    return false;
}

/* HEADER.CLAIMS.SIGNATURE, each still base64url. */
struct parts {
    struct slice header, claims, signature;
    struct slice signed_text; /* header and claims with their dot */
};

static bool split(struct slice text, struct parts *parts)
{
    const uint8_t *first = text.len ? memchr(text.data, '.', text.len) : NULL;
    const uint8_t *last = text.len ? memrchr(text.data, '.', text.len) : NULL;

    if (!first || first == last)
        return false;
    parts->header = slice_make(text.data, (size_t)(first - text.data));
    parts->claims = slice_make(first + 1, (size_t)(last - first - 1));
    parts->signed_text = slice_make(text.data, (size_t)(last - text.data));
    parts->signature = slice_from(text, parts->signed_text.len + 1);
    return true; /* a third dot is no base64url */
}

/* NULL where it is not an object without doubled keys. */
static json_t *decode_object(struct slice text)
{
    uint8_t bytes[DECODE_BASE64_BYTES(TOKEN_TEXT_MAX)];
    ssize_t n = decode_base64url(bytes, text);
    json_t *json = n > 0 ? request_load(slice_make(bytes, (size_t)n)) : NULL;

    if (n > 0)
        mem_wipe(bytes, (size_t)n);
    if (!json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* A kid selects its key; without one there are the keys without one. */
static bool is_candidate(const struct token_key *key, const json_t *kid)
{
    return kid ? key->kid_len && slice_equal(token_key_kid(key), request_string(kid))
               : !key->kid_len;
}

static bool check_signature(const struct token_keys *keys, const struct parts *parts,
                            enum signature_alg alg, const json_t *kid, struct native_fault *fault)
{
    uint8_t bytes[DECODE_BASE64_BYTES(TOKEN_TEXT_MAX)];
    ssize_t n = decode_base64url(bytes, parts->signature);
    bool known = false, fitting = false;

    if (n <= 0)
        return refuse(fault, "token: its signature is not base64url");
    for (size_t i = 0; i < keys->count; i++) {
        const struct token_key *key = &keys->list[i];

        if (!is_candidate(key, kid))
            continue;
        known = true;
        if (signature_key_alg(key->key) != alg)
            continue;
        fitting = true;
        int error = signature_verify(key->key, parts->signed_text, slice_make(bytes, (size_t)n));
        if (error == 0)
            return true;
        if (error == -ENOMEM)
            return out_of_memory(fault);
    }
    return refuse(fault, fitting ? "token: its signature is wrong"
                         : known ? "token: its alg is not that of the key"
                         : kid   ? "token: its kid names no key of this server"
                                 : "token: it has no kid, and this server has no key without one");
}

static bool check_header(const struct token_keys *keys, const struct parts *parts,
                         const json_t *header, struct native_fault *fault)
{
    const json_t *alg_name = json_object_get(header, "alg"), *kid = json_object_get(header, "kid");
    enum signature_alg alg;

    if (!json_is_string(alg_name) || !signature_alg_parse(request_string(alg_name), &alg))
        return refuse(fault, "token: its alg must be HS256, RS256 or ES256");
    if (json_object_get(header, "crit")) /* extensions that must be understood: we know none */
        return refuse(fault, "token: its header has a crit, which is not supported");
    if (kid && !json_is_string(kid))
        return refuse(fault, "token: its kid must be a string");
    return check_signature(keys, parts, alg, kid, fault);
}

/* Claims */

/* Of a NumericDate. False where it is none. */
static bool time_ms(const json_t *value, uint64_t *ret_ms)
{
    double seconds = json_number_value(value);

    if (!json_is_number(value) || !(seconds >= 0 && seconds <= (double)TOKEN_TIME_MAX_S))
        return false;
    *ret_ms = (uint64_t)(seconds * 1000);
    return true;
}

static bool check_times(const json_t *claims, uint64_t now_ms, struct token *ret_head,
                        struct native_fault *fault)
{
    const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");
    uint64_t exp_ms, nbf_ms = 0;

    if (!exp)
        return refuse(fault, "token: exp is missing, for every token must expire");
    if (!time_ms(exp, &exp_ms))
        return refuse(fault, "token: exp must be a number of seconds since 1970");
    if (nbf && !time_ms(nbf, &nbf_ms))
        return refuse(fault, "token: nbf must be a number of seconds since 1970");
    if (now_ms >= exp_ms + TOKEN_LEEWAY_MS)
        return refuse(fault, "token: it has expired");
    if (now_ms + TOKEN_LEEWAY_MS < nbf_ms)
        return refuse(fault, "token: it is not valid yet");
    ret_head->exp_ms = exp_ms + TOKEN_LEEWAY_MS;
    return true;
}

static bool check_audience(const json_t *claims, struct slice audience, struct native_fault *fault)
{
    const json_t *aud = json_object_get(claims, "aud"), *member;
    size_t i;

    if (!audience.len || (json_is_string(aud) && slice_equal(request_string(aud), audience)))
        return true;
    json_array_foreach(aud, i, member)
    {
        if (json_is_string(member) && slice_equal(request_string(member), audience))
            return true;
    }
    return refuse(fault, "token: its aud is not that of this server");
}

bool token_parse_user(const json_t *claims, struct token *ret_head, struct native_fault *fault)
{
    const json_t *sub = json_object_get(claims, "sub"), *name = json_object_get(claims, "name");

    if (!json_is_string(sub) || !token_sub_valid(request_string(sub)))
        return refuse(fault, "token: sub must be a string of 1 to 128 bytes without control "
                             "characters");
    if (name &&
        (!json_is_string(name) || !token_text_valid(request_string(name), ROOM_USER_NAME_MAX)))
        return refuse(fault, "token: name must be a string of at most 128 bytes without control "
                             "characters");
    ret_head->sub = request_string(sub);
    ret_head->name = request_string(name);
    return true;
}

/* Rooms */

unsigned token_right_parse(struct slice name)
{
    for (unsigned i = 0; i < TOKEN_RIGHTS; i++)
        if (slice_is(name, token_right_names[i]))
            return 1u << i;
    return 0;
}

static bool parse_can(const json_t *can, unsigned *ret_rights)
{
    const json_t *member;
    unsigned rights = 0;
    size_t i;

    json_array_foreach(can, i, member)
    {
        unsigned right = token_right_parse(request_string(member));
        if (!right)
            return false;
        rights |= right;
    }
    *ret_rights = rights;
    return json_is_array(can);
}

bool token_parse_rooms(const json_t *claims, struct token_rule *rules, size_t *ret_count,
                       struct native_fault *fault)
{
    const json_t *rooms = json_object_get(claims, "rooms"), *entry;
    size_t i;

    if (!json_is_array(rooms))
        return refuse(fault, "token: rooms must be a list of objects with room and can");
    if (json_array_size(rooms) > TOKEN_ROOMS_MAX)
        return refuse(fault, "token: rooms may have at most 64 entries; use patterns");
    json_array_foreach(rooms, i, entry)
    {
        const json_t *pattern = json_object_get(entry, "room");

        if (!json_is_string(pattern) || !token_pattern_valid(request_string(pattern)))
            return refuse(fault, "token: in rooms, room must be a name or pattern of 1 to 256 "
                                 "bytes without control characters");
        if (!parse_can(json_object_get(entry, "can"), &rules[i].rights))
            return refuse(fault, "token: in rooms, can must be a list of read, write, moderate");
        rules[i].pattern = request_string(pattern);
    }
    *ret_count = json_array_size(rooms);
    return true;
}

/* The token */

/* Copies `text` to *end and moves that on. */
static struct slice place(uint8_t **end, struct slice text)
{
    uint8_t *start = *end;

    if (text.len)
        memcpy(start, text.data, text.len);
    *end += text.len;
    return slice_make(start, text.len);
}

/* One block: the head, the rules, all their text. NULL without memory. */
static struct token *assemble(const struct token *head, const struct token_rule *rules,
                              size_t count)
{
    size_t front = sizeof(struct token) + count * sizeof(*rules);
    size_t bytes = front + head->sub.len + head->name.len;

    for (size_t i = 0; i < count; i++)
        bytes += rules[i].pattern.len;
    struct token *token = mem_zalloc(bytes);
    if (!token)
        return NULL;
    uint8_t *end = (uint8_t *)token + front;
    token->exp_ms = head->exp_ms;
    token->sub = place(&end, head->sub);
    token->name = place(&end, head->name);
    token->rules_count = count;
    token->block_bytes = bytes;
    for (size_t i = 0; i < count; i++)
        token->rules[i] = (struct token_rule){place(&end, rules[i].pattern), rules[i].rights};
    DCHECK(end == (uint8_t *)token + bytes);
    return token;
}

static bool parse_claims(const json_t *claims, struct slice audience, uint64_t now_ms,
                         struct token **ret_token, struct native_fault *fault)
{
    struct token_rule rules[TOKEN_ROOMS_MAX];
    struct token head = {0};
    size_t count;

    if (!check_times(claims, now_ms, &head, fault) || !check_audience(claims, audience, fault) ||
        !token_parse_user(claims, &head, fault) || !token_parse_rooms(claims, rules, &count, fault))
        return false;
    struct token *token = assemble(&head, rules, count);
    if (!token)
        return out_of_memory(fault);
    *ret_token = token;
    return true;
}

bool token_parse(const struct token_keys *keys, struct slice text, uint64_t now_wall_ms,
                 struct token **ret_token, struct native_fault *ret_fault)
{
    struct parts parts;

    if (text.len > TOKEN_TEXT_MAX)
        return refuse(ret_fault, "token: it may have at most 8192 bytes");
    if (!split(text, &parts))
        return refuse(ret_fault, "token: it must be a JSON Web Token, header.claims.signature");
    json_t *header = decode_object(parts.header);
    if (!header)
        return refuse(ret_fault, "token: its header is not a JSON object in base64url");
    bool good = check_header(keys, &parts, header, ret_fault);
    json_decref(header);
    if (!good)
        return false;
    json_t *claims = decode_object(parts.claims);
    if (!claims)
        return refuse(ret_fault, "token: its claims are not a JSON object in base64url");
    good = parse_claims(claims, keys->audience, now_wall_ms, ret_token, ret_fault);
    json_decref(claims);
    return good;
}

void token_free(struct token *token)
{
    mem_free_wiped(token);
}

unsigned token_rights(const struct token *token, struct slice room)
{
    unsigned rights = 0;

    for (size_t i = 0; i < token->rules_count; i++) {
        const struct token_rule *rule = &token->rules[i];
        if ((rule->rights & ~rights) && pattern_match(rule->pattern, room))
            rights |= rule->rights;
    }
    return rights;
}
