/* token_parts.h - what reading and minting tokens share. Inside proto only. */
#pragma once

#include "ringroom/proto/token.h"
#include "ringroom/base/utf8.h"

#include <jansson.h>

struct token_key {
    struct signature_key *key;
    size_t kid_len; /* 0: without one */
    char kid[TOKEN_KID_MAX];
};

struct token_keys {
    struct slice audience; /* points to the end of this block */
    size_t count;
    struct token_key list[TOKEN_KEYS_MAX];
};

static inline struct slice token_key_kid(const struct token_key *key)
{
    return slice_make(key->kid, key->kid_len);
}

/* Seconds: the year 5138. What is larger counts milliseconds by mistake. */
static const uint64_t TOKEN_TIME_MAX_S = UINT64_C(100000000000);

/* By enum token_right: the n-th bit. */
enum { TOKEN_RIGHTS = 3 };
extern const char *const token_right_names[TOKEN_RIGHTS];

static inline bool token_text_valid(struct slice text, size_t bytes_max)
{
    return text.len <= bytes_max && utf8_printable(text);
}

static inline bool token_sub_valid(struct slice sub)
{
    return sub.len > 0 && token_text_valid(sub, ROOM_UID_MAX);
}

static inline bool token_pattern_valid(struct slice pattern)
{
    return pattern.len > 0 && token_text_valid(pattern, TOKEN_PATTERN_MAX);
}

/* What every refusal begins with. */
#define TOKEN_REFUSAL "token: "
/* `sub` and `name` of an object of claims, as slices of the tree. */
bool token_parse_user(const json_t *claims, struct token *ret_head, struct native_fault *fault);
/* `rooms`. rules has room for TOKEN_ROOMS_MAX; the patterns stay the tree's. */
bool token_parse_rooms(const json_t *claims, struct token_rule *rules, size_t *ret_count,
                       struct native_fault *fault);
