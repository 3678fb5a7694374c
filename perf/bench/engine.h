/* engine.h - thousands of connections on one io_uring.
 *
 * Receiving is what a load generator spends its time on, so: multishot receives into provided
 * buffers, fixed files, completions run in batches when the thread waits.
 *
 * Threads   one.
 * Ownership the engine owns its connections and their sockets; a session given to engine_connect()
 *           stays the caller's. The kernel owns a connection's `flying` bytes while it sends.
 * Order     one turn: send what waits, submit and wait, take at most ENGINE_TURN_MAX completions.
 * Bound     connections_max, given at init; RLIMIT_NOFILE bounds the file table. */
#pragma once

#include "conn.h"
#include "target.h"

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

/* After so many completions a turn ends, so that sending is not late for receiving. */
enum { ENGINE_TURN_MAX = 1024 };
/* One source address has about 28,000 ports; a few are kept in reserve. */
enum { ENGINE_PER_SOURCE = 20000, ENGINE_SOURCES_MAX = 64 };

struct engine {
    struct io_uring ring;
    struct io_uring_buf_ring *lent; /* the kernel's list of receive buffers */
    uint8_t *lent_memory;
    struct conn *conns;
    uint32_t connections_max;
    uint32_t *dirty; /* connections with bytes waiting and none flying */
    uint32_t dirty_count;
    uint32_t *rearm; /* connections whose receive ended without end of stream */
    uint32_t rearm_count;
    uint64_t connects; /* ever begun; spreads source addresses */
    uint64_t idle_ns;  /* CPU time spun away with nothing to do: not load */
    unsigned source_base;
    enum proto proto;
    int stalled_rcvbuf; /* receive buffer of sockets opened while it is not 0 */
    bool spin;          /* never sleep: the server then pays no wake-ups of ours */
    const struct target *target;
    struct tls_client *tls;
    struct conn_events events;
};

struct engine_options {
    const struct target *target;
    enum proto proto;
    uint32_t connections_max;
    unsigned source_base; /* first source address is 127.0.0.(1 + source_base) */
    bool spin;
    bool keep_sessions;
};

/* 0 or -errno. */
int engine_init(struct engine *e, struct tls_client *tls, const struct engine_options *options,
                const struct conn_events *events);
void engine_deinit(struct engine *e);

/* Begins a connection in a free slot. 0 or -errno. */
int engine_connect(struct engine *e, uint32_t index, SSL_SESSION *resume);
/* In the connection's dialect. */
void engine_text(struct engine *e, struct conn *c, const char *text, size_t count);
/* The scenario's own close: closed() follows with 0. */
void engine_close(struct engine *e, struct conn *c);
/* A stalled reader: the receive is cancelled and none is armed until engine_resume(). */
void engine_stall(struct engine *e, struct conn *c);
void engine_resume(struct engine *e, struct conn *c);

/* One turn. Waits until deadline_ns at the latest; does not wait if that is past. */
void engine_turn(struct engine *e, uint64_t deadline_ns);
