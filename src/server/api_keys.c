/* api_keys.c - each key of the configuration: found, read, hashed, its text forgotten. */
#include "ringroom/server/api_keys.h"
#include "ringroom/base/check.h"
#include "ringroom/server/key_file.h"

#include <errno.h>

static int hash_file(const struct config_api_key *key, uint8_t digest[DIGEST_SHA256_BYTES],
                     char *ret_why, size_t why_bytes)
{
    uint8_t text[API_KEY_MAX + 3]; /* a line break behind it, and one more to see that it is long */
    size_t len;
    int error = key_file_read(key->file, text, sizeof(text), &len, ret_why, why_bytes);

    if (error)
        return error;
    struct slice secret = key_file_without_line_break(slice_make(text, len));
    if (!api_key_valid(secret)) {
        snprintf(ret_why, why_bytes,
                 "must hold a key of %d to %d printable ASCII characters without blanks",
                 API_KEY_MIN, API_KEY_MAX);
        error = -EINVAL;
    } else {
        error = digest_sha256(secret, digest);
    }
    mem_wipe(text, sizeof(text));
    return error;
}

int api_keys_open(const struct config *config, struct api_keys *ret_keys, char *ret_error,
                  size_t error_bytes)
{
    struct api_keys keys = {.count = config->api_keys.count};

    for (size_t i = 0; i < keys.count; i++) {
        const struct config_api_key *key = &config->api_keys.list[i];
        char why[256];
        int error = 0;

        if (key->file)
            error = hash_file(key, keys.digests[i], why, sizeof(why));
        else if (key->key)
            error = digest_sha256(slice_of(key->key), keys.digests[i]);
        else
            memcpy(keys.digests[i], key->digest, DIGEST_SHA256_BYTES);
        if (error == -EINVAL)
            snprintf(ret_error, error_bytes, "api.keys[%zu].file: %s: %s", i, key->file, why);
        else if (error)
            snprintf(ret_error, error_bytes, "out of memory while reading api.keys");
        if (error)
            return error;
    }
    *ret_keys = keys;
    return 0;
}
