/* screen.h - the lowest rows of a terminal: a line being typed, and above it a word on the state;
 * what is said scrolls above both.
 *
 * Nothing is written here: bytes are appended to `out`, for one write a turn.
 *
 * Threads   its owner's. */
#pragma once

#include "ringroom/base/buf.h"
#include "ringroom/terminal/line.h"

struct screen {
    unsigned columns; /* of the terminal */
    bool colour;
    bool drawn;              /* true while the rows stand there */
    unsigned status_columns; /* of the rows as they stand; 0: there is no status row */
    unsigned cursor_column;  /* of the row of the line */
};

/* Takes the rows away, so that text may be appended. 0, -ENOBUFS, -ENOMEM. */
int screen_clear(struct screen *screen, struct buf *out);
/* Puts them there, the cursor where the line's is. `prompt` and `status` are cut to fit. */
int screen_draw(struct screen *screen, struct slice prompt, const struct line *line,
                struct slice status, struct buf *out);
/* The terminal has another size now. What stands there may have been wrapped anew by it. */
void screen_resize(struct screen *screen, unsigned columns);
