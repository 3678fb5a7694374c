/* event.h - finds what the bench needs in a server's native event, without parsing JSON.
 *
 * A quote inside a JSON string is escaped, so `"seq":` with bare quotes is always a key. The bench
 * sends only `text`, so no nested `data` can hold one either. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
    EVENT_MESSAGE,
    EVENT_JOINED,
    EVENT_LEFT,
    EVENT_ACK,
    EVENT_GAP,
    EVENT_ERROR,
    EVENT_CLOSED,
    EVENT_OTHER, /* hello, member, typing …: counted, not read */
};

enum event_kind event_kind(const char *json, size_t count);
/* key with its quotes and colon, as "\"seq\":". */
bool event_u64(const char *json, size_t count, const char *key, uint64_t *ret_value);

/* What every payload of the bench begins with, in fixed-width hexadecimal; filler follows. */
struct stamp {
    uint32_t sender;      /* the sender's connection */
    uint32_t number;      /* the sender's own count in this room, from 1 */
    uint64_t intended_ns; /* when the schedule wanted it sent, on the bench's clock */
};

enum { STAMP_CHARS = 32 };

void stamp_write(char to[STAMP_CHARS], const struct stamp *stamp);
/* The stamp at the start of the string behind key, which holds that string's quote too, as
 * "\"text\":\""; false if there is none. */
bool event_stamp(const char *json, size_t count, const char *key, struct stamp *ret_stamp);
