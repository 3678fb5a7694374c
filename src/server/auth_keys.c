/* auth_keys.c - each key of the configuration: found, read, made, its text forgotten. */
#include "ringroom/server/auth_keys.h"
#include "ringroom/base/check.h"
#include "ringroom/server/key_file.h"

#include <errno.h>
#include <stdarg.h>

struct opening {
    const struct config_auth_key *key;
    size_t index;
    char *ret_error;
    size_t error_bytes;
};

/* "auth.keys[0].file: NAME: " or "auth.keys[0].secret: " and the rest. Returns -EINVAL. */
__attribute__((format(printf, 2, 3))) static int refuse(struct opening *opening, const char *format,
                                                        ...)
{
    const char *file = opening->key->file;
    char rest[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(rest, sizeof(rest), format, arguments);
    va_end(arguments);
    snprintf(opening->ret_error, opening->error_bytes, "auth.keys[%zu].%s: %s%s%s", opening->index,
             file ? "file" : "secret", file ? file : "", file ? ": " : "", rest);
    return -EINVAL;
}

static int add(struct opening *opening, struct token_keys *keys, struct slice material)
{
    const struct config_auth_key *key = opening->key;
    char why[256];
    int error = token_keys_add(keys, slice_of(key->kid ? key->kid : ""), key->alg, material, why,
                               sizeof(why));

    return error == -EINVAL ? refuse(opening, "%s", why) : error;
}

static int add_file(struct opening *opening, struct token_keys *keys)
{
    const struct config_auth_key *key = opening->key;
    size_t bytes = SIGNATURE_MATERIAL_MAX + 1; /* one more, to see that it is too long */
    char why[256];
    uint8_t *text = mem_alloc(bytes);
    size_t len;

    if (!text)
        return -ENOMEM;
    int error = key_file_read(key->file, text, bytes, &len, why, sizeof(why));
    if (error) {
        error = refuse(opening, "%s", why);
    } else {
        struct slice material = slice_make(text, len);
        error = add(opening, keys,
                    key->alg == SIGNATURE_HS256 ? key_file_without_line_break(material) : material);
    }
    mem_free_wiped(text);
    return error;
}

int auth_keys_open(const struct config *config, struct token_keys **ret_keys, char *ret_error,
                   size_t error_bytes)
{
    const char *audience = config->auth_audience ? config->auth_audience : "";
    struct opening opening = {.ret_error = ret_error, .error_bytes = error_bytes};
    int error = 0;

    if (config->auth_keys.count == 0) {
        *ret_keys = NULL;
        return 0;
    }
    struct token_keys *keys = token_keys_new(slice_of(audience));
    if (!keys)
        error = -ENOMEM;
    for (size_t i = 0; i < config->auth_keys.count && !error; i++) {
        opening.index = i;
        opening.key = &config->auth_keys.list[i];
        error = opening.key->file ? add_file(&opening, keys)
                                  : add(&opening, keys, slice_of(opening.key->secret));
    }
    if (error) {
        if (error == -ENOMEM)
            snprintf(ret_error, error_bytes, "out of memory while reading auth.keys");
        token_keys_free(keys);
        return error;
    }
    *ret_keys = keys;
    return 0;
}
