/* render.h - events as lines of text.
 *
 * Whatever comes from others passes through text_safe(). A message's further lines
 * are indented, and so is what a terminal's width wraps: no message can look like
 * another one's line, or like ours, which begin with "--".
 *
 * Threads   its owner's.
 * Bound     of the latest RENDER_KNOWN_MAX messages it is remembered whose they are, to tell which
 *           one has been deleted. */
#pragma once

#include "ringroom/terminal/event.h"
#include "ringroom/terminal/text.h"

enum {
    RENDER_KNOWN_MAX = 256,
    RENDER_NAME_COLUMNS = 24, /* of a longer name the rest is left out */
    RENDER_NAME_BYTES = RENDER_NAME_COLUMNS * (1 + TEXT_MARKS_MAX) * TEXT_CHARACTER_MAX
};

struct render {
    bool colour;
    bool json;        /* events as they are, one a line */
    unsigned columns; /* of the terminal; 0: lines are not wrapped, and a message is one line */
    struct render_known {
        uint64_t seq, ts_ms;
        bool deleted; /* and told so */
        char name[RENDER_NAME_BYTES + 1];
    } known[RENDER_KNOWN_MAX]; /* by seq, modulo */
};

/* Appends the line, or lines, that an event is shown by; nothing for one that is not shown. `raw`
 * is its text. 0, -ENOBUFS, -ENOMEM. */
int render_event(struct render *render, const struct event *event, struct slice raw,
                 struct buf *out);
/* A line of ours: "-- " and the text, which may hold others' words. */
int render_notice(const struct render *render, struct buf *out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A user's name as it is shown, or the uid where that is empty. Returns dst. */
const char *render_name(char dst[RENDER_NAME_BYTES + 1], struct slice name, struct slice uid);
