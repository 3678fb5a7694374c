/* stream.c - a connected socket: its receive request, its send, its end. */
#include "ringroom/ring/stream.h"
#include "ring_core.h"
#include "ringroom/base/check.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* After a send as large as this the next one waits until the socket has room: who is that far
 * behind may have stalled, and then holds no buffer. Small sends are not worth the extra request.
 */
enum { POLL_ABOVE_BYTES = 4096 };

static struct io_uring_sqe *fixed_sqe(struct io_uring_sqe *sqe)
{
    sqe->flags |= IOSQE_FIXED_FILE;
    return sqe;
}

/* Closing */

/* When the last request is back, closes the socket; when that is through, tells the owner. */
static void go_on_closing(struct stream *stream)
{
    if (stream->receiving || stream->sending || stream->polling || stream->shutting ||
        stream->close_sent)
        return;
    struct io_uring_sqe *sqe = ring_sqe(stream->ring);
    io_uring_prep_close_direct(sqe, (unsigned)stream->slot);
    ring_bind(sqe, &stream->close);
    stream->close_sent = true;
}

static void close_done(struct ring_op *op, int res, uint32_t flags)
{
    struct stream *stream = container_of(op, struct stream, close);

    ring_file_freed(stream->ring, stream->slot);
    stream->slot = -1;
    stream->handler->on_closed(stream);
}

void stream_close(struct stream *stream)
{
    if (stream->closing)
        return;
    stream->closing = true;
    if (stream->receiving)
        ring_cancel(stream->ring, &stream->recv);
    if (stream->sending)
        ring_cancel(stream->ring, &stream->send);
    if (stream->polling)
        ring_cancel(stream->ring, &stream->poll);
    go_on_closing(stream);
}

static void shutdown_done(struct ring_op *op, int res, uint32_t flags)
{
    struct stream *stream = container_of(op, struct stream, shutdown);

    stream->shutting = false;
    if (stream->closing)
        go_on_closing(stream);
}

/* The kernel does it later, on a thread of its own, and looks the slot up only then: closing waits
 * for it, lest it shut down the slot's next socket. */
void stream_shutdown(struct stream *stream)
{
    struct io_uring_sqe *sqe = ring_sqe(stream->ring);

    CHECK(stream_idle(stream) && !stream->shutting);
    io_uring_prep_shutdown(sqe, stream->slot, SHUT_WR);
    ring_bind(fixed_sqe(sqe), &stream->shutdown);
    stream->shutting = true;
}

/* Receiving */

static void receive(struct stream *stream)
{
    struct io_uring_sqe *sqe = ring_sqe(stream->ring);

    io_uring_prep_recv_multishot(sqe, stream->slot, NULL, 0, 0);
    ring_bind(fixed_sqe(sqe), &stream->recv);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = RING_BUFFER_GROUP;
    stream->receiving = true;
}

static void receive_ended(struct stream *stream, int error)
{
    if (stream->ended)
        return;
    stream->ended = true;
    stream->handler->on_end(stream, error);
}

static void recv_done(struct ring_op *op, int res, uint32_t flags)
{
    struct stream *stream = container_of(op, struct stream, recv);
    struct ring *ring = stream->ring;

    if (!(flags & IORING_CQE_F_MORE))
        stream->receiving = false;
    if (res > 0)
        ring->stats.received_bytes += (uint64_t)res;
    if (res > 0 && !stream->closing)
        stream->handler->on_bytes(stream, slice_make(ring_buffer(ring, flags), (size_t)res));
    if (flags & IORING_CQE_F_BUFFER)
        ring_buffer_return(ring, flags, res > 0 ? (size_t)res : 0);
    if (res == -ENOBUFS)
        ring->stats.no_buffers++;
    if (stream->closing) {
        go_on_closing(stream);
        return;
    }
    if (stream->receiving)
        return;
    /* The request has ended: for good, or because buffers ran out, it was cancelled by a pause, or
     * the kernel's multishot came to its own end. */
    if (res == 0)
        receive_ended(stream, 0);
    else if (res < 0 && res != -ENOBUFS && res != -ECANCELED && res != -EINTR && res != -EAGAIN)
        receive_ended(stream, res);
    else if (!stream->paused)
        receive(stream);
}

void stream_pause(struct stream *stream)
{
    if (stream->paused || stream->closing)
        return;
    stream->paused = true;
    if (stream->receiving)
        ring_cancel(stream->ring, &stream->recv);
}

void stream_resume(struct stream *stream)
{
    if (!stream->paused || stream->closing)
        return;
    stream->paused = false;
    /* Where the cancelled request is still under way, its completion starts the next one. */
    if (!stream->receiving && !stream->ended)
        receive(stream);
}

/* Sending */

static void submit_send(struct stream *stream)
{
    struct send_buffer *buffer = stream->sending;
    struct io_uring_sqe *sqe = ring_sqe(stream->ring);

    io_uring_prep_send(sqe, stream->slot, buffer->data + buffer->sent, buffer->len - buffer->sent,
                       MSG_NOSIGNAL);
    ring_bind(fixed_sqe(sqe), &stream->send);
}

/* What is left moves to a buffer of its own size: a peer that stalls holds no more than that. */
static void shrink_rest(struct stream *stream)
{
    struct send_buffer *old = stream->sending;
    uint32_t rest = old->len - old->sent;

    if (rest > old->cap / 2)
        return;
    struct send_buffer *small = send_buffer_get(&stream->ring->send_pool, rest);
    if (!small)
        return;
    memcpy(small->data, old->data + old->sent, rest);
    small->len = rest;
    send_buffer_put(&stream->ring->send_pool, old);
    stream->sending = small;
}

static void send_finished(struct stream *stream, int error)
{
    send_buffer_put(&stream->ring->send_pool, stream->sending);
    stream->sending = NULL;
    if (stream->closing)
        go_on_closing(stream);
    else
        stream->handler->on_writable(stream, error);
}

static void send_done(struct ring_op *op, int res, uint32_t flags)
{
    struct stream *stream = container_of(op, struct stream, send);
    struct send_buffer *buffer = stream->sending;
    /* Prepared in one turn, a send that goes through at once completes in the next. */
    bool late = stream->ring->turn > stream->send_turn + 1;

    if (res > 0) {
        buffer->sent += (uint32_t)res;
        stream->ring->stats.sent_bytes += (uint64_t)res;
    } else if (res < 0 && res != -EINTR && res != -EAGAIN) {
        send_finished(stream, res);
        return;
    }
    if (late || buffer->sent < buffer->len)
        stream->ring->stats.late_sends++;
    stream->slow = late || buffer->sent < buffer->len || buffer->len > POLL_ABOVE_BYTES;
    if (buffer->sent == buffer->len || stream->closing) {
        send_finished(stream, 0);
        return;
    }
    shrink_rest(stream);
    submit_send(stream);
}

void stream_send(struct stream *stream, struct send_buffer *buffer)
{
    CHECK(stream_idle(stream) && buffer->len > 0);
    stream->sending = buffer;
    stream->send_turn = stream->ring->turn;
    submit_send(stream);
}

static void poll_done(struct ring_op *op, int res, uint32_t flags)
{
    struct stream *stream = container_of(op, struct stream, poll);

    stream->polling = false;
    stream->slow = false;
    if (stream->closing)
        go_on_closing(stream);
    else
        stream->handler->on_writable(stream, res < 0 ? res : 0);
}

bool stream_wait_writable(struct stream *stream)
{
    if (!stream->slow)
        return false;
    struct io_uring_sqe *sqe = ring_sqe(stream->ring);
    io_uring_prep_poll_add(sqe, stream->slot, POLLOUT);
    ring_bind(fixed_sqe(sqe), &stream->poll);
    stream->polling = true;
    return true;
}

/* Opening */

int stream_open(struct stream *stream, struct ring *ring, int fd,
                const struct stream_handler *handler)
{
    int32_t slot = ring_file_install(ring, fd);

    if (slot < 0)
        return slot;
    *stream = (struct stream){.ring = ring,
                              .handler = handler,
                              .recv.done = recv_done,
                              .send.done = send_done,
                              .poll.done = poll_done,
                              .shutdown.done = shutdown_done,
                              .close.done = close_done,
                              .slot = slot};
    receive(stream);
    return 0;
}

struct send_pool *stream_pool(struct stream *stream)
{
    return &stream->ring->send_pool;
}
