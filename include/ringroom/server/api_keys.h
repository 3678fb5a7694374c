/* api_keys.h - the keys that `api.keys` names, read from where they are and hashed.
 *
 * Threads   the main thread, before the shards start. */
#pragma once

#include "ringroom/server/config.h"

/* Fills *ret_keys. 0; -EINVAL with a line in ret_error that names the key, what is wrong with it
 * and what to do, never a secret; -ENOMEM. */
int api_keys_open(const struct config *config, struct api_keys *ret_keys, char *ret_error,
                  size_t error_bytes);
