/* auth_keys.c - each key of the configuration: found, read, made, its text forgotten. */
#include "ringroom/server/auth_keys.h"
#include "ringroom/base/check.h"
#include "ringroom/base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

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

/* Where the key's file is. 0 or -EINVAL. */
static int find_file(struct opening *opening, char path[PATH_MAX])
{
    const char *name = opening->key->file, *directory = secure_getenv("CREDENTIALS_DIRECTORY");
    size_t prefix_len = strlen(AUTH_KEYS_CREDENTIAL);
    int len;

    if (strncmp(name, AUTH_KEYS_CREDENTIAL, prefix_len) != 0) {
        len = snprintf(path, PATH_MAX, "%s", name);
    } else if (!directory) {
        return refuse(opening,
                      "the environment variable CREDENTIALS_DIRECTORY is not set: systemd "
                      "sets it for a unit with a line LoadCredential=%s:/path/to/the/key",
                      name + prefix_len);
    } else {
        len = snprintf(path, PATH_MAX, "%s/%s", directory, name + prefix_len);
    }
    return len < PATH_MAX ? 0 : refuse(opening, "the name is too long");
}

/* At most `bytes`. Returns how many, or -errno. */
static ssize_t read_whole(const char *path, uint8_t *dst, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -errno : 0, used = 0;

    while (fd >= 0 && (size_t)used < bytes) {
        got = read(fd, dst + used, bytes - (size_t)used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            got = got < 0 ? -errno : 0;
            break;
        }
        used += got;
    }
    if (fd >= 0)
        close(fd);
    return got < 0 ? got : used;
}

/* A secret that was written with an editor or by `echo` has a line break behind it that nobody
 * means. One of random bytes keeps all of them. */
static struct slice without_line_break(struct slice secret)
{
    struct slice line = secret;

    if (line.len && line.data[line.len - 1] == '\n')
        line.len--;
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    return utf8_printable(line) ? line : secret;
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
    char path[PATH_MAX];
    int error = find_file(opening, path);

    if (error)
        return error;
    size_t bytes = SIGNATURE_MATERIAL_MAX + 1; /* one more, to see that it is too long */
    uint8_t *text = mem_alloc(bytes);
    if (!text)
        return -ENOMEM;
    ssize_t got = read_whole(path, text, bytes);
    if (got < 0) {
        error = refuse(opening, "cannot read it: %s", strerror((int)-got));
    } else {
        struct slice material = slice_make(text, (size_t)got);
        error = add(opening, keys,
                    opening->key->alg == SIGNATURE_HS256 ? without_line_break(material) : material);
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
