/* token.h - who a client is and what it may do: JSON Web Tokens (RFC 7519), verified and minted.
 *
 * Nothing of a token is believed before its signature holds. Which algorithm a
 * signature has is the key's to say; a header that says otherwise is refused.
 *
 * Threads   token_keys: filled by one thread, then shared by all, unchanged.
 *           A token: whoever has it.
 * Ownership a token is its receiver's, one block; token_free() wipes it.
 * Bound     TOKEN_TEXT_MAX and TOKEN_ROOMS_MAX for each token, TOKEN_KEYS_MAX keys. */
#pragma once

#include "ringroom/base/buf.h"
#include "ringroom/proto/native.h"
#include "ringroom/wire/signature.h"

enum {
    TOKEN_TEXT_MAX = 8192,
    TOKEN_ROOMS_MAX = 64, /* entries of `rooms` */
    TOKEN_PATTERN_MAX = 256,
    TOKEN_KID_MAX = 128,
    TOKEN_AUDIENCE_MAX = 256,
    TOKEN_KEYS_MAX = 32,
    TOKEN_LEEWAY_MS = 10000 /* that the clocks of two machines may be apart */
};

enum token_right { TOKEN_READ = 1, TOKEN_WRITE = 2, TOKEN_MODERATE = 4 };

/* An entry of `rooms`: these rights in every room whose name matches. */
struct token_rule {
    struct slice pattern; /* '*' matches any run of characters */
    unsigned rights;      /* of enum token_right */
};

struct token {
    struct slice sub;  /* 1 to ROOM_UID_MAX bytes, printable */
    struct slice name; /* empty: none given. At most ROOM_USER_NAME_MAX bytes, printable */
    uint64_t exp_ms;   /* by clock_wall_ms(): from here on it is worth nothing. Leeway included */
    size_t rules_count;
    size_t block_bytes;
    struct token_rule rules[]; /* the slices' text stands behind them */
};

/* Keys */

struct token_keys;

/* `audience`: what `aud` must hold; empty: not looked at. NULL without memory. */
struct token_keys *token_keys_new(struct slice audience);
void token_keys_free(struct token_keys *keys); /* takes NULL */
/* Adds a key made of `material` (signature_key_new()); `kid` may be empty. All is copied. 0;
 * -EINVAL with half a sentence in ret_error that goes on from the name of the key, or -ENOMEM. */
int token_keys_add(struct token_keys *keys, struct slice kid, enum signature_alg alg,
                   struct slice material, char *ret_error, size_t error_bytes);

/* Verifying */

/* Reads and verifies a token. True: token_free() it. False: *ret_fault says why, as an answer for
 * the client, with nothing of the token in it. */
bool token_parse(const struct token_keys *keys, struct slice text, uint64_t now_wall_ms,
                 struct token **ret_token, struct native_fault *ret_fault);
void token_free(struct token *token); /* takes NULL */
/* What it allows in the room of this name: all that any matching entry allows. */
unsigned token_rights(const struct token *token, struct slice room);
/* "read", "write", "moderate"; 0 where it is none of them. */
unsigned token_right_parse(struct slice name);

/* Minting */

struct token_grant {
    struct slice sub, name; /* name empty: none */
    uint64_t iat_s, exp_s;  /* Unix time */
    const struct token_rule *rules;
    size_t rules_count;
};

/* Appends a token signed with the key of that kid; an empty kid: with the first key that can sign.
 * `aud` is the keys' audience. 0; -EINVAL where the grant would not be taken by token_parse();
 * -ENOENT: no such key; -ENOKEY: it only verifies; -ENOBUFS: longer than TOKEN_TEXT_MAX or than
 * out may become; -ENOMEM. Out as before unless 0. */
int token_mint(const struct token_keys *keys, struct slice kid, const struct token_grant *grant,
               struct buf *out);
