/* cli_token.h - `ringroom token`: what was asked for on the command line, and the token made of it.
 * For cli.c alone. */
#pragma once

#include "ringroom/server/config.h"

/* What the command line says, as it stands there; borrowed. NULL: not given. */
struct cli_token {
    const char *sub, *name, *ttl, *kid;
    const char *rooms[TOKEN_ROOMS_MAX]; /* PATTERN:RIGHTS */
    size_t rooms_count;
};

/* Where the value of this option goes; NULL where it is none of ours, or --room. */
const char **cli_token_field(struct cli_token *wish, const char *option);

/* Appends the token to out. 0; -EINVAL with a line in ret_error that says what is wrong and what to
 * do, -ENOMEM. */
int cli_token_make(const struct cli_token *wish, const struct config *config, uint64_t now_s,
                   struct buf *out, char *ret_error, size_t error_bytes);
