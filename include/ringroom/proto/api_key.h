/* api_key.h - the keys that open the HTTP API. Of a key only its SHA-256 is kept.
 *
 * Threads   filled by one thread, then shared by all, unchanged.
 * Bound     API_KEYS_MAX. */
#pragma once

#include "ringroom/wire/digest.h"

enum {
    API_KEYS_MAX = 32,
    API_KEY_NAME_MAX = 64, /* bytes */
    API_KEY_MIN = 16,      /* bytes of a key: fewer could be guessed */
    API_KEY_MAX = 4096
};

struct api_keys {
    size_t count;
    uint8_t digests[API_KEYS_MAX][DIGEST_SHA256_BYTES];
};

/* What a header can carry as one word: API_KEY_MIN to API_KEY_MAX characters of ASCII, none of them
 * a blank. */
bool api_key_valid(struct slice key);
/* All of them are compared, each in constant time: how long it takes tells nothing but how many
 * there are. False without memory, too. */
bool api_keys_have(const struct api_keys *keys, struct slice key);
