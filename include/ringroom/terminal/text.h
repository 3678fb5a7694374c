/* text.h - text for a terminal: characters one by one, how wide they are, and what must not get
 * there.
 *
 * Whoever writes a message decides its bytes, and a terminal obeys some: escape
 * sequences, controls, marks that turn the direction of writing. text_safe() gives
 * each of them a harmless picture; nothing of others' reaches a terminal without it.
 *
 * Threads   any; widths are those of the process's locale (LC_CTYPE). */
#pragma once

#include "ringroom/base/buf.h"

enum {
    TEXT_CHARACTER_MAX = 4, /* bytes */
    TEXT_REPLACEMENT = 0xfffd,
    TEXT_MARKS_MAX = 4 /* that a character may have on it in text_put() */
};

/* Takes the first character off; text->len > 0. Bytes that are no UTF-8 are taken one by one, as
 * TEXT_REPLACEMENT. */
uint32_t text_take(struct slice *text);
/* Its UTF-8, which is valid where `character` is a Unicode scalar value; returns the bytes. */
size_t text_encode(char dst[TEXT_CHARACTER_MAX], uint32_t character);
/* What may be shown in its place: itself, or a picture of a control. */
uint32_t text_safe(uint32_t character);
/* Columns: 0 to 2. Of what the locale does not know: 1. */
unsigned text_width(uint32_t character);
unsigned text_columns(struct slice text);

/* Appends it in one line, safe; what goes beyond `columns_max` (0: no bound) is replaced by an
 * ellipsis. Then it has at most columns_max * (1 + TEXT_MARKS_MAX) * TEXT_CHARACTER_MAX bytes. 0,
 * -ENOBUFS, -ENOMEM. */
int text_put(struct buf *out, struct slice text, unsigned columns_max);
/* Appends valid JSON so that it is one line, safe, and means the same: characters that
 * text_safe() would replace are escaped. */
int text_put_json(struct buf *out, struct slice json);
