/* line.h - a line being typed: keys in, text and cursor out. Draws nothing.
 *
 * Threads   its owner's.
 * Ownership the line's memory; line->text is valid until the next call. It is always whole
 *           UTF-8 without control characters.
 * Bound     LINE_BYTES_MAX; what is typed beyond it is dropped. */
#pragma once

#include "ringroom/base/buf.h"
#include "ringroom/base/utf8.h"

enum { LINE_BYTES_MAX = 16384, LINE_SEQUENCE_MAX = 16 };

enum line_event {
    LINE_NOTHING, /* nothing that shows */
    LINE_EDITED,
    LINE_DONE,  /* return: take line->text, then line_clear() */
    LINE_END,   /* ctrl-d on an empty line */
    LINE_REDRAW /* ctrl-l */
};

struct line {
    struct buf text;
    size_t cursor; /* bytes in front of it */

    /* The key under way */
    struct utf8 utf8;
    char character[4];
    uint8_t character_bytes;
    enum { LINE_PLAIN, LINE_ESCAPE, LINE_CSI, LINE_SS3 } state;
    char parameters[LINE_SEQUENCE_MAX]; /* of a CSI sequence */
    uint8_t parameters_len;
};

void line_init(struct line *line);
void line_deinit(struct line *line);
enum line_event line_key(struct line *line, uint8_t byte);
void line_clear(struct line *line);
