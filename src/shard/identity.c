/* identity.c - made from a secret or a token, passed on, wiped. */
#include "ringroom/shard/identity.h"
#include "ringroom/base/encode.h"
#include "ringroom/base/hash.h"
#include "ringroom/base/random.h"

#include <errno.h>

void identity_deinit(struct identity *who)
{
    token_free(who->token);
    mem_free_wiped(who->name);
    mem_free_wiped(who->sub);
    *who = (struct identity){0};
}

void identity_move(struct identity *to, struct identity *from)
{
    *to = *from;
    *from = (struct identity){0};
}

int identity_pass_on(struct identity *to, struct identity *from)
{
    char *sub = NULL;

    if (from->sub && !(sub = mem_alloc(from->uid_len)))
        return -ENOMEM;
    if (sub)
        memcpy(sub, from->sub, from->uid_len);
    *to = *from;
    to->sub = sub;
    from->name = NULL;
    from->token = NULL;
    return 0;
}

void identity_new_secret(char secret[IDENTITY_SECRET_BYTES])
{
    uint8_t bits[16];

    random_bytes(bits, sizeof(bits));
    encode_base64url(secret, bits, sizeof(bits));
}

void identity_derive(struct identity *who, const char *secret)
{
    who->user = hash_bytes(slice_make(secret, IDENTITY_SECRET_BYTES));
    encode_base64url(who->uid, &who->user, IDENTITY_UID_BYTES / 4 * 3);
    who->uid_len = IDENTITY_UID_BYTES;
}

int identity_take_token(struct identity *who, struct token *token)
{
    if (who->uid_len && !slice_equal(identity_uid(who), token->sub))
        return -EPERM;
    if (!who->sub) {
        char *sub = mem_alloc(token->sub.len);
        if (!sub)
            return -ENOMEM;
        memcpy(sub, token->sub.data, token->sub.len);
        who->sub = sub;
        who->uid_len = (uint8_t)token->sub.len;
        who->user = hash_bytes(token->sub);
    }
    token_free(who->token);
    who->token = token;
    return 0;
}
