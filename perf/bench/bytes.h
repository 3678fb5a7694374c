/* bytes.h - a buffer that grows.
 *
 * Ownership the struct owns data; bytes_free() gives it back and leaves an empty buffer.
 * Bound     none of its own: callers hold the bench's bounds. Out of memory ends the program,
 *           since a load generator that lost bytes would report nonsense. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct bytes {
    uint8_t *data;
    size_t count;
    size_t room;
};

/* Makes place for more bytes behind the present ones and returns where they go. */
uint8_t *bytes_reserve(struct bytes *b, size_t more);
void bytes_append(struct bytes *b, const void *data, size_t count);
/* Drops count bytes from the front. */
void bytes_drop(struct bytes *b, size_t count);
void bytes_free(struct bytes *b);

/* calloc or the end of the program. */
void *must_calloc(size_t count, size_t size);
