/* retention.h - how long a room keeps what was said, and which room keeps how long. */
#pragma once

#include "ringroom/base/slice.h"

/* From where a room's ttl counts. */
enum ttl_from {
    TTL_FROM_LAST_MESSAGE,  /* the whole history lives until ttl after its newest message */
    TTL_FROM_MESSAGE,       /* each message lives for ttl */
    TTL_FROM_FIRST_MESSAGE, /* all of it ends ttl after the first message */
};

enum {
    RETENTION_TTL_MIN_S = 1,
    RETENTION_TTL_MAX_S = 2592000,
    RETENTION_TTL_DEFAULT_S = 3600,
    RETENTION_MESSAGES_DEFAULT = 10000,
    RETENTION_BYTES_DEFAULT = 4 << 20,
};

struct retention {
    uint32_t ttl_s;
    enum ttl_from ttl_from;
    uint32_t max_messages; /* at least 1 */
    uint64_t max_bytes;    /* of wire bytes; at least one message is kept whatever its size */
};

/* The first rule whose pattern matches a room's name decides; without one, the defaults. */
struct retention_rule {
    char *match; /* '*' matches any run of characters */
    struct retention retention;
};

struct retention_rules {
    struct retention defaults;
    struct retention_rule *rules;
    size_t rules_count;
};

/* Any thread: rules do not change while they are in use. */
struct retention retention_for(const struct retention_rules *rules, struct slice room_name);
/* '*' matches any run of bytes, every other byte itself. Linear in space, never exponential. */
bool pattern_match(struct slice pattern, struct slice text);
/* "last_message", "message", "first_message". */
const char *ttl_from_name(enum ttl_from ttl_from);
