/* socketio.h - finds what the bench needs in a server's Socket.IO event, without parsing JSON.
 *
 * `chatMessage` is JSON within a JSON string, so its keys stand there with escaped quotes, and no
 * key of the event itself can be taken for one. Entries of `chatHistory` are flat objects, and
 * nothing that the bench says holds a brace. The rest as in event.h. */
#pragma once

#include "dialect.h"

enum event_kind socketio_kind(const char *packet, size_t count);
bool socketio_message(const char *packet, size_t count, uint64_t *ret_seq, struct stamp *ret_stamp);
bool socketio_joined(const char *packet, size_t count, struct joined *ret_joined);
