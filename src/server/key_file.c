#include "ringroom/server/key_file.h"
#include "ringroom/base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct complaint {
    char *text;
    size_t bytes;
};

/* Returns -EINVAL. */
__attribute__((format(printf, 2, 3))) static int complain(const struct complaint *complaint,
                                                          const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(complaint->text, complaint->bytes, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

/* Where the file is. 0 or -EINVAL. */
static int find_file(const char *name, char path[PATH_MAX], const struct complaint *complaint)
{
    const char *directory = secure_getenv("CREDENTIALS_DIRECTORY");
    size_t prefix_len = strlen(KEY_FILE_CREDENTIAL);
    int len;

    if (strncmp(name, KEY_FILE_CREDENTIAL, prefix_len) != 0) {
        len = snprintf(path, PATH_MAX, "%s", name);
    } else if (!directory) {
        return complain(complaint,
                        "the environment variable CREDENTIALS_DIRECTORY is not set: systemd "
                        "sets it for a unit with a line LoadCredential=%s:/path/to/the/key",
                        name + prefix_len);
    } else {
        len = snprintf(path, PATH_MAX, "%s/%s", directory, name + prefix_len);
    }
    return len < PATH_MAX ? 0 : complain(complaint, "the name is too long");
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

int key_file_read(const char *name, uint8_t *dst, size_t bytes, size_t *ret_len, char *ret_error,
                  size_t error_bytes)
{
    struct complaint complaint = {.text = ret_error, .bytes = error_bytes};
    char path[PATH_MAX];
    int error = find_file(name, path, &complaint);

    if (error)
        return error;
    ssize_t got = read_whole(path, dst, bytes);
    if (got < 0)
        return complain(&complaint, "cannot read it: %s", strerror((int)-got));
    *ret_len = (size_t)got;
    return 0;
}

struct slice key_file_without_line_break(struct slice secret)
{
    struct slice line = secret;

    if (line.len && line.data[line.len - 1] == '\n')
        line.len--;
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    return utf8_printable(line) ? line : secret;
}
