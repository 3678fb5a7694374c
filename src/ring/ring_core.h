/* ring_core.h - what the objects on a ring share with it: the queue, the file table, the buffers.
 */
#pragma once

#include "ringroom/ring/ring.h"
#include "ringroom/ring/send_buffer.h"

#include <liburing.h>

enum {
    RING_SQ_ENTRIES = 1024,
    RING_CQ_ENTRIES = 8192,
    RING_BUFFER_GROUP = 1,
};

struct ring_completion {
    struct ring_op *op;
    int res;
    uint32_t flags;
};

struct ring {
    struct io_uring uring;
    struct ring_completion *completions; /* copied out, being run */
    uint32_t completions_count;
    uint64_t turn;

    int32_t *free_slots; /* of the file table: a stack */
    uint32_t free_slots_count;

    struct io_uring_buf_ring *buffers;
    uint8_t *buffer_memory;
    size_t buffers_bytes; /* of the ring itself */
    uint32_t buffers_count, buffer_bytes;

    struct send_pool send_pool;
    struct ring_stats stats;
};

/* A free submission entry, holding anything: the caller prepares it, then ring_bind().
 * Submits early where the queue is full; never NULL. */
struct io_uring_sqe *ring_sqe(struct ring *ring);
/* The completion will run op->done; NULL: nobody wants to know. */
void ring_bind(struct io_uring_sqe *sqe, struct ring_op *op);

/* Cancels the request of that op; its own completion still comes. */
void ring_cancel(struct ring *ring, struct ring_op *op);

/* The received bytes of a completion that names a buffer. */
uint8_t *ring_buffer(struct ring *ring, uint32_t flags);
/* Gives it back, the `used` bytes in it wiped. */
void ring_buffer_return(struct ring *ring, uint32_t flags, size_t used);

/* Puts the socket into the file table and closes the descriptor. A slot or a negative errno. */
int32_t ring_file_install(struct ring *ring, int fd);
void ring_file_freed(struct ring *ring, int32_t slot);
