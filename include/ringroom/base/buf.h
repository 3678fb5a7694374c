/* buf.h - a growable run of bytes with a bound.
 *
 * Ownership the buffer owns its memory; data is valid until the next call that
 *           appends, reserves or frees. What it gives back is wiped first.
 * Bound     `max` bytes, given at init; growing past it is -ENOBUFS. */
#pragma once

#include "ringroom/base/slice.h"

struct buf {
    uint8_t *data;
    size_t len;     /* bytes in use */
    size_t cap;     /* bytes that fit at data */
    size_t max;     /* bytes it may ever hold */
    size_t skipped; /* bytes of the allocation before data: consumed, not yet used again */
};

/* Allocates nothing. */
void buf_init(struct buf *buf, size_t max);
void buf_deinit(struct buf *buf);

/* Makes room for `more` further bytes. 0, -ENOBUFS past max, -ENOMEM; unchanged on failure. */
int buf_reserve(struct buf *buf, size_t more);
/* Reserves and copies. Same errors. */
int buf_append(struct buf *buf, const void *data, size_t len);
int buf_append_str(struct buf *buf, const char *text);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first `n` bytes (n <= len); memory is kept. Moves nothing: consuming a buffer piece by
 * piece costs O(1) a piece. */
void buf_consume(struct buf *buf, size_t n);
/* Empties it and gives the memory back. */
void buf_release(struct buf *buf);

static inline struct slice buf_slice(const struct buf *buf)
{
    return slice_make(buf->data, buf->len);
}
