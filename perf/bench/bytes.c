#include "bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (!memory) {
        fputs("ringroom-bench: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

void *must_calloc(size_t count, size_t size)
{
    return must(calloc(count ? count : 1, size));
}

uint8_t *bytes_reserve(struct bytes *b, size_t more)
{
    if (b->room - b->count < more) {
        size_t room = b->room ? b->room * 2 : 256;
        while (room - b->count < more)
            room *= 2;
        b->data = must(realloc(b->data, room));
        b->room = room;
    }
    return b->data + b->count;
}

void bytes_append(struct bytes *b, const void *data, size_t count)
{
    memcpy(bytes_reserve(b, count), data, count);
    b->count += count;
}

void bytes_drop(struct bytes *b, size_t count)
{
    if (count < b->count)
        memmove(b->data, b->data + count, b->count - count);
    b->count -= count;
}

void bytes_free(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}
