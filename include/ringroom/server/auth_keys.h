/* auth_keys.h - the keys that `auth.keys` names, read from where they are.
 *
 * Threads   the main thread, before the shards start.
 * Ownership what is made is the caller's, token_keys_free() it. */
#pragma once

#include "ringroom/server/config.h"

/* 0, *ret_keys NULL where no keys are configured; -EINVAL with a line in ret_error that names the
 * key, what is wrong with it and what to do, never a secret; -ENOMEM. */
int auth_keys_open(const struct config *config, struct token_keys **ret_keys, char *ret_error,
                   size_t error_bytes);
