/* identity.h - who a client is, and by what right: what stays the same when its carrier changes.
 *
 * In open mode the uid follows from a secret of the client's; with tokens it is
 * the token's `sub`. Constant from the client's first join on.
 *
 * Ownership the client's; a session's while it is between two clients. */
#pragma once

#include "ringroom/base/mem.h"
#include "ringroom/proto/token.h"

enum {
    IDENTITY_SECRET_BYTES = 22, /* base64url of 128 bits: known to its client alone */
    IDENTITY_UID_BYTES = 8,     /* of an open mode's uid: base64url of 48 bits */
};

struct identity {
    char *name;          /* as given last; NULL: none */
    struct token *token; /* NULL: none */
    char *sub;           /* the uid where a token gave it; NULL: `uid` */
    uint64_t user;       /* the uid as a number */
    uint8_t uid_len;     /* 0: nobody yet */
    char uid[IDENTITY_UID_BYTES];
};

static inline struct slice identity_uid(const struct identity *who)
{
    return slice_make(who->sub ? who->sub : who->uid, who->uid_len);
}

void identity_deinit(struct identity *who);
/* Leaves `from` empty. `to` must be. */
void identity_move(struct identity *to, struct identity *from);
/* The same, but for the uid, which `from` keeps: what it has asked of rooms may be on its way. 0,
 * -ENOMEM (nothing has changed). */
int identity_pass_on(struct identity *to, struct identity *from);
/* Makes up a secret. */
void identity_new_secret(char secret[IDENTITY_SECRET_BYTES]);
/* The uid follows from the secret by a keyed hash: who knows it is the same user again; nobody can
 * go back from the uid. */
void identity_derive(struct identity *who, const char *secret);
/* The first token, or a fresh one of the same user. Takes it over. 0, -EPERM (another user's:
 * untouched), -ENOMEM (untouched). */
int identity_take_token(struct identity *who, struct token *token);
