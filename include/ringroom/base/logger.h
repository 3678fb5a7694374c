/* logger.h - lines for whoever runs the server, on standard error.
 *
 * Only `shard` and `server` log, and each event once. One line an event, as
 * text or as JSON. Room names, user names and messages are never logged.
 *
 * Threads any; one write(2) a line, never longer than a pipe takes whole, so
 *         lines never mix.
 * Bound   a message of more than 639 bytes is cut. */
#pragma once

#include <stdbool.h>

enum logger_level { LOGGER_ERROR, LOGGER_WARN, LOGGER_INFO, LOGGER_DEBUG };

/* Once, before any thread starts. The default is info, as text. */
void logger_init(enum logger_level level, bool json);
/* Any time. */
void logger_change(enum logger_level level, bool json);
bool logger_enabled(enum logger_level level);
void logger_write(enum logger_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
