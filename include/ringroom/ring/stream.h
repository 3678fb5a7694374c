/* stream.h - a connected socket on a ring: bytes come, one send at a time goes.
 *
 * Receiving is one multishot request from a pool of buffers that all streams
 * share, so an idle stream holds none. At most one send is under way.
 *
 * Threads   the ring's.
 * Ownership the stream lives in its owner's memory, from stream_open() until
 *           on_closed() has run. on_bytes' slice is lent for the call.
 * Order     stream_close(): mark, cancel, wait for the last completion, close,
 *           on_closed(). After stream_close() only on_closed() is called. No
 *           handler may free the stream; after on_closed() its owner may. */
#pragma once

#include "ringroom/base/slice.h"
#include "ringroom/ring/ring.h"
#include "ringroom/ring/send_buffer.h"

struct stream;

struct stream_handler {
    void (*on_bytes)(struct stream *stream, struct slice bytes);
    /* No more bytes will come: the peer has finished (0), or a negative errno. */
    void (*on_end)(struct stream *stream, int error);
    /* Nothing is under way any more and the socket takes bytes (0), or sending failed for good. */
    void (*on_writable)(struct stream *stream, int error);
    void (*on_closed)(struct stream *stream);
};

struct stream {
    struct ring *ring;
    const struct stream_handler *handler;
    struct ring_op recv, send, poll, shutdown, close;
    struct send_buffer *sending; /* from stream_send() until its last byte is taken */
    uint64_t send_turn;          /* when it was prepared */
    int32_t slot;                /* in the ring's file table; -1 once closed */
    bool receiving;              /* true exactly while the receive request is under way */
    bool paused;                 /* no new bytes are wanted */
    bool polling;                /* true exactly while waiting for room in the socket */
    bool shutting;               /* true exactly while the shutdown is under way */
    bool slow;                   /* the last send did not go through at once, or was large */
    bool ended;                  /* on_end() has been called */
    bool closing;                /* stream_close() has been called */
    bool close_sent;             /* true from the close request on */
};

/* Takes over the socket `fd` (the descriptor is closed: the ring's file table holds it) and starts
 * receiving. 0; -ENFILE where the table is full, or another negative errno: fd is then closed. */
int stream_open(struct stream *stream, struct ring *ring, int fd,
                const struct stream_handler *handler);

/* Nothing is under way: stream_send() may be called. */
static inline bool stream_idle(const struct stream *stream)
{
    return !stream->sending && !stream->polling && !stream->closing;
}
/* Where the peer reads slowly, waits for room first, holding no buffer: true, and on_writable()
 * will follow. Ask before preparing bytes to send. */
bool stream_wait_writable(struct stream *stream);
/* Sends all of the buffer and gives it back to the pool; then on_writable(). */
void stream_send(struct stream *stream, struct send_buffer *buffer);

/* Stops receiving, so that the peer is slowed down by TCP. Bytes already on their way still come.
 */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);
/* No more will be sent; the peer sees the end. Once, while idle. Costs a hand-over to one of the
 * kernel's own threads: where the peer has nothing more to say, stream_close() alone will do. */
void stream_shutdown(struct stream *stream);
void stream_close(struct stream *stream);

struct send_pool *stream_pool(struct stream *stream);
