/* key_file.h - a key's text, read from where the configuration says.
 *
 * Threads   the main thread, before the shards start. */
#pragma once

#include "ringroom/base/slice.h"

/* A file name that begins so names a file in $CREDENTIALS_DIRECTORY, where systemd puts what a
 * unit's LoadCredential= asks for. */
#define KEY_FILE_CREDENTIAL "credential:"

/* Reads at most `bytes` bytes of the file of that name, as the configuration writes it, to `dst`.
 * 0; -EINVAL with half a sentence in ret_error that goes on from the name ("cannot read it: …"). */
int key_file_read(const char *name, uint8_t *dst, size_t bytes, size_t *ret_len, char *ret_error,
                  size_t error_bytes);
/* A secret that was written with an editor or by `echo` has a line break behind it that nobody
 * means. One of random bytes keeps all of them. */
struct slice key_file_without_line_break(struct slice secret);
