/* ring.h - one thread's io_uring: submit, wait, run what has completed.
 *
 * Requests are made by the objects they belong to (stream.h, listener.h); each
 * object holds a struct ring_op per request, which is how a completion finds it.
 *
 * Threads   a ring belongs to the thread that made it (SINGLE_ISSUER); only
 *           ring_wake() of another thread's ring touches two.
 * Ownership while a request is under way, its ring_op and what it names are the
 *           kernel's: they must stay until the completion has run. A completion
 *           never frees the object it runs for; its owner does, later.
 * Bound     the submission queue is submitted early when full; completions that
 *           do not fit the queue are kept by the kernel. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;
struct ring_op;

/* A completion: res and flags are the kernel's. */
typedef void ring_op_fn(struct ring_op *op, int res, uint32_t flags);
struct ring_op {
    ring_op_fn *done;
};

struct ring_config {
    uint32_t files_max;    /* connected sockets at a time */
    uint32_t recv_buffers; /* a power of two; shared by all streams */
    uint32_t recv_buffer_bytes;
};

/* 0, or a negative errno with a plain sentence in ret_why: what the kernel lacks or forbids, and
 * what to do. */
int ring_new(const struct ring_config *config, struct ring **ret_ring, char *ret_why,
             size_t why_bytes);
/* All its streams and listeners have closed. Takes NULL. */
void ring_free(struct ring *ring);

/* What another ring needs to wake this one. */
int ring_fd(const struct ring *ring);

/* Submits what has been prepared; where `timeout_ms` is not 0, waits until something completes or
 * so much time has passed (UINT64_MAX: no limit). Then copies the completions out. */
void ring_wait(struct ring *ring, uint64_t timeout_ms);
/* Runs the completions that the last wait brought. */
void ring_run(struct ring *ring);
/* Ends the wait of the ring with that descriptor. Goes out with this ring's next submission. */
void ring_wake(struct ring *ring, int other_fd);
/* The same at once, from a thread without a ring of its own: it makes one for the moment. */
int ring_wake_once(int other_fd);

/* Overwrites what sent messages have left in idle buffers. */
void ring_wipe_idle(struct ring *ring);

struct ring_stats {
    uint64_t turns, submitted, completed;
    uint64_t no_buffers; /* receive requests that found no buffer */
    uint64_t late_sends; /* that the socket did not take whole, at once */
    uint64_t overflows;  /* turns that found more completions than the queue holds */
    uint64_t received_bytes, sent_bytes;
};
const struct ring_stats *ring_stats(const struct ring *ring);
