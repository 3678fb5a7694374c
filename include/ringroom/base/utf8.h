/* utf8.h - UTF-8 checked piece by piece, failing at the first bad byte (RFC 3629). */
#pragma once

#include "ringroom/base/slice.h"

/* Where a check stands between two pieces; zeroed = at the start of a character. */
struct utf8 {
    uint8_t needed; /* continuation bytes still to come */
    uint8_t low;    /* the next byte must lie in [low, high] */
    uint8_t high;
};

/* False at the first byte that no valid UTF-8 text could have there. */
bool utf8_feed(struct utf8 *utf8, struct slice piece);
/* True where no character is cut. */
static inline bool utf8_complete(const struct utf8 *utf8)
{
    return utf8->needed == 0;
}
/* The whole of `text` is valid UTF-8. */
bool utf8_valid(struct slice text);
/* It also holds no control character (U+0000 to U+001F, U+007F to U+009F). */
bool utf8_printable(struct slice text);
