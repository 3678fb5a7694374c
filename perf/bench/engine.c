#include "engine.h"

#include "clock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LENT_BUFFERS = 1024, LENT_BYTES = 16384, LENT_GROUP = 0 };
enum { SQ_ENTRIES = 1024, CQ_ENTRIES = 16384 };

/* The low byte of a request's user data; the connection's index stands above it. */
enum op { OP_CONNECT, OP_RECEIVE, OP_SEND, OP_SHUTDOWN, OP_CANCEL };

static uint64_t tag_of(const struct conn *c, enum op op)
{
    return (uint64_t)c->index << 8 | op;
}

/* A request of c on its fixed file; the kernel owns c until it completes. */
static struct io_uring_sqe *begin(struct engine *e, struct conn *c, enum op op)
{
    struct io_uring_sqe *sqe;
    while (!(sqe = io_uring_get_sqe(&e->ring)))
        io_uring_submit(&e->ring);
    c->kernel_owns++;
    return sqe;
}

static void finish(struct io_uring_sqe *sqe, const struct conn *c, enum op op)
{
    /* After the prep call, which clears both. */
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, tag_of(c, op));
}

static void arm_receive(struct engine *e, struct conn *c)
{
    struct io_uring_sqe *sqe = begin(e, c, OP_RECEIVE);
    io_uring_prep_recv_multishot(sqe, (int)c->index, NULL, 0, 0);
    finish(sqe, c, OP_RECEIVE);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = LENT_GROUP;
    c->receiving = true;
}

static void mark_dirty(struct engine *e, struct conn *c)
{
    if (c->dirty || c->sending || !c->waiting.count || c->state == CONN_CLOSING)
        return;
    c->dirty = true;
    e->dirty[e->dirty_count++] = c->index;
}

static void send_flying(struct engine *e, struct conn *c)
{
    struct io_uring_sqe *sqe = begin(e, c, OP_SEND);
    io_uring_prep_send(sqe, (int)c->index, c->flying.data + c->flying_sent,
                       c->flying.count - c->flying_sent, MSG_NOSIGNAL);
    finish(sqe, c, OP_SEND);
    c->sending = true;
}

static void send_dirty(struct engine *e)
{
    for (uint32_t i = 0; i < e->dirty_count; i++) {
        struct conn *c = &e->conns[e->dirty[i]];
        c->dirty = false;
        if (c->sending || !c->waiting.count || c->state == CONN_CLOSING)
            continue;
        struct bytes emptied = c->flying;
        c->flying = c->waiting;
        c->waiting = emptied;
        c->flying_sent = 0;
        send_flying(e, c);
    }
    e->dirty_count = 0;
}

static void rearm_receives(struct engine *e)
{
    uint32_t count = e->rearm_count;
    e->rearm_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct conn *c = &e->conns[e->rearm[i]];
        if (c->reading && !c->receiving && c->state != CONN_CLOSING && c->state != CONN_FREE)
            arm_receive(e, c);
    }
}

/* Marked as closing; freed when the kernel has let go of it. */
static void close_for(struct engine *e, struct conn *c, int error)
{
    if (c->state == CONN_CLOSING || c->state == CONN_FREE)
        return;
    c->state = CONN_CLOSING;
    struct io_uring_sqe *sqe = begin(e, c, OP_SHUTDOWN);
    io_uring_prep_shutdown(sqe, (int)c->index, SHUT_RDWR);
    finish(sqe, c, OP_SHUTDOWN);
    e->events.closed(e->events.scenario, c, error);
}

void engine_close(struct engine *e, struct conn *c)
{
    close_for(e, c, 0);
}

static void reap(struct engine *e, struct conn *c)
{
    if (c->state != CONN_CLOSING || c->kernel_owns)
        return;
    /* By a register call, since a direct close could race with the slot's next use. */
    int none = -1;
    io_uring_register_files_update(&e->ring, c->index, &none, 1);
    bool listed = c->dirty;
    conn_deinit(c);
    c->dirty = listed;
}

static void on_connect(struct engine *e, struct conn *c, int result)
{
    SSL_SESSION *resume = c->tls.session;
    c->tls.session = NULL;
    if (result == 0 && c->state == CONN_CONNECTING)
        result = conn_start(c, e->target->secure ? e->tls : NULL, resume,
                            e->target->requests[c->dialect]);
    SSL_SESSION_free(resume);
    if (result < 0) {
        close_for(e, c, result);
        return;
    }
    c->reading = true;
    arm_receive(e, c);
    mark_dirty(e, c);
}

static void give_back(struct engine *e, unsigned buffer)
{
    io_uring_buf_ring_add(e->lent, e->lent_memory + (size_t)buffer * LENT_BYTES, LENT_BYTES,
                          (unsigned short)buffer, io_uring_buf_ring_mask(LENT_BUFFERS), 0);
    io_uring_buf_ring_advance(e->lent, 1);
}

static void on_receive(struct engine *e, struct conn *c, int result, unsigned flags)
{
    int error = result == 0 ? -ECONNRESET : 0;
    if (flags & IORING_CQE_F_BUFFER) {
        unsigned buffer = flags >> IORING_CQE_BUFFER_SHIFT;
        if (result > 0)
            error = conn_receive(c, &e->events, e->target->requests[c->dialect],
                                 e->lent_memory + (size_t)buffer * LENT_BYTES, (size_t)result);
        give_back(e, buffer);
        mark_dirty(e, c);
    } else if (result < 0 && result != -ENOBUFS && result != -ECANCELED) {
        error = result;
    }
    if (!(flags & IORING_CQE_F_MORE)) {
        c->receiving = false;
        e->rearm[e->rearm_count++] = c->index;
    }
    if (error < 0)
        close_for(e, c, error);
}

static void on_send(struct engine *e, struct conn *c, int result)
{
    c->sending = false;
    if (result < 0) {
        close_for(e, c, result);
        return;
    }
    c->flying_sent += (size_t)result;
    if (c->flying_sent < c->flying.count && c->state != CONN_CLOSING) {
        send_flying(e, c);
        return;
    }
    c->flying.count = 0;
    mark_dirty(e, c);
}

static void on_completion(struct engine *e, const struct io_uring_cqe *cqe)
{
    struct conn *c = &e->conns[cqe->user_data >> 8];
    enum op op = cqe->user_data & 0xff;
    if (!(cqe->flags & IORING_CQE_F_MORE))
        c->kernel_owns--;
    switch (op) {
    case OP_CONNECT:
        on_connect(e, c, cqe->res);
        break;
    case OP_RECEIVE:
        on_receive(e, c, cqe->res, cqe->flags);
        break;
    case OP_SEND:
        on_send(e, c, cqe->res);
        break;
    case OP_SHUTDOWN:
    case OP_CANCEL:
        break;
    }
    reap(e, c);
}

static void submit_and_wait(struct engine *e, uint64_t deadline_ns)
{
    uint64_t now = now_ns();
    if (e->spin || deadline_ns <= now) {
        io_uring_submit_and_get_events(&e->ring);
        return;
    }
    struct io_uring_cqe *cqe;
    uint64_t left = deadline_ns - now;
    struct __kernel_timespec timeout = {.tv_sec = (int64_t)(left / NS_PER_S),
                                        .tv_nsec = (int64_t)(left % NS_PER_S)};
    io_uring_submit_and_wait_timeout(&e->ring, &cqe, 1, &timeout, NULL);
}

void engine_turn(struct engine *e, uint64_t deadline_ns)
{
    struct io_uring_cqe *cqes[256];
    unsigned count, total = 0;
    uint64_t begun_ns = e->spin ? own_cpu_ns() : 0;
    bool idle = e->spin && !e->dirty_count && !e->rearm_count;
    rearm_receives(e);
    send_dirty(e);
    submit_and_wait(e, deadline_ns);
    while (total < ENGINE_TURN_MAX &&
           (count = io_uring_peek_batch_cqe(&e->ring, cqes, sizeof cqes / sizeof cqes[0]))) {
        for (unsigned i = 0; i < count; i++)
            on_completion(e, cqes[i]);
        io_uring_cq_advance(&e->ring, count);
        total += count;
    }
    if (idle && !total)
        e->idle_ns += own_cpu_ns() - begun_ns;
}

void engine_text(struct engine *e, struct conn *c, const char *text, size_t count)
{
    if (c->state != CONN_OPEN)
        return;
    conn_text(c, text, count);
    mark_dirty(e, c);
}

void engine_stall(struct engine *e, struct conn *c)
{
    c->reading = false;
    if (!c->receiving)
        return;
    struct io_uring_sqe *sqe = begin(e, c, OP_CANCEL);
    io_uring_prep_cancel64(sqe, tag_of(c, OP_RECEIVE), 0);
    io_uring_sqe_set_data64(sqe, tag_of(c, OP_CANCEL));
}

void engine_resume(struct engine *e, struct conn *c)
{
    c->reading = true;
    if (!c->receiving && c->state != CONN_CLOSING && c->state != CONN_FREE)
        arm_receive(e, c);
}

/* Binds to one of 127.0.0.x: each gives about 28,000 ports to the same destination. */
static int bind_source(const struct engine *e, int fd)
{
    unsigned source = (unsigned)(e->connects / ENGINE_PER_SOURCE) % ENGINE_SOURCES_MAX;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + e->source_base + source)};
    if ((ntohl(e->target->address.sin_addr.s_addr) >> 24) != 127)
        return 0;
    return bind(fd, (struct sockaddr *)&from, sizeof from) < 0 ? -errno : 0;
}

static int open_socket(struct engine *e)
{
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (e->stalled_rcvbuf)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &e->stalled_rcvbuf, sizeof e->stalled_rcvbuf);
    int result = bind_source(e, fd);
    if (result < 0) {
        close(fd);
        return result;
    }
    return fd;
}

int engine_connect(struct engine *e, uint32_t index, SSL_SESSION *resume)
{
    struct conn *c = &e->conns[index];
    if (index >= e->connections_max || c->state != CONN_FREE)
        return -EINVAL;
    int fd = open_socket(e);
    if (fd < 0)
        return fd;
    e->connects++;
    int result = io_uring_register_files_update(&e->ring, index, &fd, 1);
    close(fd); /* the file table holds it; so RLIMIT_NOFILE counts none of our connections */
    if (result < 0)
        return result;
    c->state = CONN_CONNECTING;
    c->dialect = dialect_of(e->proto, index);
    if (resume && SSL_SESSION_up_ref(resume))
        c->tls.session = resume; /* kept there until TLS starts */
    struct io_uring_sqe *sqe = begin(e, c, OP_CONNECT);
    io_uring_prep_connect(sqe, (int)index, (const struct sockaddr *)&e->target->address,
                          sizeof e->target->address);
    finish(sqe, c, OP_CONNECT);
    return 0;
}

static int lend_buffers(struct engine *e)
{
    size_t list_bytes = LENT_BUFFERS * sizeof(struct io_uring_buf);
    void *memory = mmap(NULL, list_bytes + (size_t)LENT_BUFFERS * LENT_BYTES,
                        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    e->lent = memory;
    e->lent_memory = (uint8_t *)memory + list_bytes;
    struct io_uring_buf_reg reg = {
        .ring_addr = (uintptr_t)memory, .ring_entries = LENT_BUFFERS, .bgid = LENT_GROUP};
    int result = io_uring_register_buf_ring(&e->ring, &reg, 0);
    if (result < 0)
        return result;
    for (unsigned i = 0; i < LENT_BUFFERS; i++)
        give_back(e, i);
    return 0;
}

static int open_ring(struct engine *e)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                         IORING_SETUP_CQSIZE,
                                .cq_entries = CQ_ENTRIES};
    int result = io_uring_queue_init_params(SQ_ENTRIES, &e->ring, &p);
    if (result < 0)
        return result;
    io_uring_register_ring_fd(&e->ring);
    result = io_uring_register_files_sparse(&e->ring, e->connections_max);
    return result < 0 ? result : lend_buffers(e);
}

int engine_init(struct engine *e, struct tls_client *tls, const struct engine_options *options,
                const struct conn_events *events)
{
    *e = (struct engine){.connections_max = options->connections_max,
                         .source_base = options->source_base,
                         .proto = options->proto,
                         .spin = options->spin,
                         .target = options->target,
                         .tls = tls,
                         .events = *events};
    e->conns = must_calloc(e->connections_max, sizeof *e->conns);
    e->dirty = must_calloc(e->connections_max, sizeof *e->dirty);
    e->rearm = must_calloc((size_t)e->connections_max * 2, sizeof *e->rearm);
    for (uint32_t i = 0; i < e->connections_max; i++)
        e->conns[i].index = i;
    int result = tls_client_init(tls, options->keep_sessions);
    return result < 0 ? result : open_ring(e);
}

void engine_deinit(struct engine *e)
{
    io_uring_queue_exit(&e->ring);
    for (uint32_t i = 0; i < e->connections_max; i++)
        conn_deinit(&e->conns[i]);
    free(e->conns);
    free(e->dirty);
    free(e->rearm);
    tls_client_deinit(e->tls);
    munmap(e->lent, LENT_BUFFERS * (sizeof(struct io_uring_buf) + (size_t)LENT_BYTES));
}
