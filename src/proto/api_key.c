#include "ringroom/proto/api_key.h"
#include "ringroom/base/mem.h"

bool api_key_valid(struct slice key)
{
    for (size_t i = 0; i < key.len; i++)
        if (key.data[i] <= ' ' || key.data[i] > '~')
            return false;
    return key.len >= API_KEY_MIN && key.len <= API_KEY_MAX;
}

bool api_keys_have(const struct api_keys *keys, struct slice key)
{
    uint8_t digest[DIGEST_SHA256_BYTES];
    bool found = false;

    if (!api_key_valid(key) || digest_sha256(key, digest) != 0)
        return false;
    for (size_t i = 0; i < keys->count; i++)
        found |= digest_equal(keys->digests[i], digest);
    mem_wipe(digest, sizeof(digest));
    return found;
}
