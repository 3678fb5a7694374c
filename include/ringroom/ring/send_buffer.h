/* send_buffer.h - memory for bytes on their way to the kernel, in a few sizes, reused.
 *
 * A stream that waits for a slow peer holds one buffer, of about the size of what
 * is left to send.
 *
 * Threads   the pool's shard only.
 * Ownership from send_buffer_get() the caller's; stream_send() takes it over.
 * Bound     idle buffers kept for reuse: a fixed number of each size. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SEND_BUFFER_CLASSES = 6 };

struct send_buffer {
    struct send_buffer *next; /* in the pool */
    uint32_t class_index;
    uint32_t cap;       /* bytes of data[] */
    uint32_t len, sent; /* bytes filled; bytes the kernel has taken */
    uint32_t unwiped;   /* bytes at the front that earlier uses have filled */
    uint8_t data[];
};

struct send_pool {
    struct send_buffer *idle[SEND_BUFFER_CLASSES];
    uint32_t idle_count[SEND_BUFFER_CLASSES];
};

void send_pool_init(struct send_pool *pool);
void send_pool_deinit(struct send_pool *pool);
/* At least `bytes` of room; NULL where memory has run out. Larger than the largest size is made to
 * measure and not kept. */
struct send_buffer *send_buffer_get(struct send_pool *pool, size_t bytes);
/* Overwrites what idle buffers still hold. */
void send_pool_wipe(struct send_pool *pool);
void send_buffer_put(struct send_pool *pool, struct send_buffer *buffer); /* takes NULL */
