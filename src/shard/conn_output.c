/* conn_output.c - bytes out: what waits is gathered, sealed as one record, sent as one send.
 *
 * Order: the rest of a frame sent in part; `out` (replies, control frames); then
 * news of the rooms in turn, straight from their logs. There is no queue of
 * messages: a connection that is slow finds them in the log later, or a gap. */
#include "ringroom/shard/conn.h"
#include "shard_core.h"
#include "ringroom/base/check.h"

void conn_want_flush(struct conn *conn)
{
    if (conn->phase != CONN_DEAD && list_empty(&conn->ready))
        list_append(&conn->shard->ready, &conn->ready);
}

/* A message is being sent in fragments. */
static bool is_streaming(const struct conn *conn)
{
    return conn->client.session && conn->client.session->streaming;
}

void conn_send_frame(struct conn *conn, enum ws_opcode opcode, struct slice payload)
{
    uint8_t header[WS_HEADER_MAX];
    size_t header_bytes = ws_header(header, opcode, payload.len);

    if (conn->phase == CONN_DEAD || conn->close_sent)
        return;
    /* Among the fragments of a message only control frames may come. */
    bool waits = is_streaming(conn) && opcode < WS_CLOSE;
    struct buf *to = waits ? &conn->client.session->later : &conn->out;
    if (buf_append(to, header, header_bytes) != 0 ||
        buf_append(to, payload.data, payload.len) != 0) {
        conn_abort(conn);
        return;
    }
    conn_want_flush(conn);
}

void conn_send_gap(struct conn *conn, struct member *member, const struct log_read *gap)
{
    struct shard *shard = conn->shard;

    if (room_is_closed(member->view->room)) /* all is gone, as it will hear in a moment */
        return;
    client_missed(&conn->client, gap);
    struct slice room = view_name(member->view), epoch = room_epoch(member->view->room);
    struct buf *text = shard_text(shard);
    int error = conn->client.session ? socketio_gap(text, room, epoch, gap->from, gap->to)
                                     : native_gap(text, room, epoch, gap->from, gap->to);

    if (!error)
        conn_send_frame(conn, WS_TEXT, buf_slice(&shard->text));
}

/* The messages in the form that the member reads. */
static const struct log *log_of(const struct member *member)
{
    return member->projected ? member->view->room->projection : &member->view->room->log;
}

/* Of a frame sent in part, the rest goes to `out`, since the log's will not be read any more. */
bool conn_complete_cut(struct conn *conn)
{
    struct shard *shard = conn->shard;
    struct member *member = conn->cut;
    struct buf rest;
    struct log_read read;
    int error = 0;

    buf_init(&rest, LOG_ENTRY_MAX_BYTES + conn->out.len);
    while (member->messages.offset && !error) {
        if (log_read(log_of(member), &member->messages, shard->now_ms, shard->plain, 1024, true,
                     &read) != LOG_BYTES)
            error = -1;
        else
            error = buf_append(&rest, shard->plain, read.bytes);
    }
    size_t bytes = rest.len;
    if (!error)
        error = buf_append(&rest, conn->out.data, conn->out.len);
    if (error) {
        buf_deinit(&rest);
        return false;
    }
    client_delivers(&conn->client, 1, bytes);
    rest.max = conn->out.max > rest.len ? conn->out.max : rest.len + WS_CONTROL_MAX;
    buf_deinit(&conn->out);
    conn->out = rest;
    conn->cut = NULL;
    if (conn->client.session)
        session_sent(member);
    return true;
}

/* Gathering */

/* A run of bytes being filled. */
struct gather {
    uint8_t *data;
    size_t len, cap;
};

static size_t space(const struct gather *g)
{
    return g->cap - g->len;
}

/* The rest of a frame of which a part has been sent. False where it can't be had any more. */
static bool gather_cut(struct conn *conn, struct gather *g)
{
    struct member *member = conn->cut;
    uint64_t before = member->messages.next;
    struct log_read read;

    if (log_read(log_of(member), &member->messages, conn->shard->now_ms, g->data, g->cap, true,
                 &read) != LOG_BYTES)
        return false;
    g->len = read.bytes;
    client_delivers(&conn->client, member->messages.next - before, read.bytes);
    if (member->messages.offset == 0) {
        conn->cut = NULL;
        if (conn->client.session)
            session_sent(member);
    }
    return true;
}

static void gather_out(struct conn *conn, struct gather *g)
{
    size_t n = conn->out.len < space(g) ? conn->out.len : space(g);

    if (!n)
        return;
    memcpy(g->data + g->len, conn->out.data, n);
    g->len += n;
    if (n == conn->out.len)
        buf_release(&conn->out);
    else
        buf_consume(&conn->out, n);
    if (conn->out.len <= CONN_OUT_HIGH)
        conn_unblock(conn);
}

/* Passing events were missed: the count at least is set right. */
static void send_count(struct conn *conn, const struct room *room)
{
    uint32_t members = atomic_load_explicit(&room->members_seen, memory_order_relaxed);
    struct buf *text = shard_text(conn->shard);
    int error = conn->client.session ? session_put_count(text, room)
                                     : native_member_count(text, room_name(room), members);

    if (!error)
        conn_send_frame(conn, WS_TEXT, buf_slice(&conn->shard->text));
}

/* One passing event, in the client's dialect. False where it does not fit. */
static bool gather_notice(struct conn *conn, struct slice notice, struct gather *g)
{
    uint8_t header[WS_HEADER_MAX];
    size_t header_bytes = 0;

    if (conn->client.session) {
        struct buf *text = shard_text(conn->shard);
        if (socketio_notice(text, notice) != 0) /* memory; the count will be right again later */
            return true;
        notice = buf_slice(text);
        header_bytes = ws_header(header, WS_TEXT, notice.len);
    }
    if (header_bytes + notice.len > space(g))
        return false;
    memcpy(g->data + g->len, header, header_bytes);
    memcpy(g->data + g->len + header_bytes, notice.data, notice.len);
    g->len += header_bytes + notice.len;
    return true;
}

/* Presence and typing: true where all has been taken. */
static bool gather_notices(struct conn *conn, struct member *member, struct gather *g)
{
    const struct room *room = member->view->room;
    struct log_cursor cursor;
    struct slice notice;
    struct log_read read;
    uint64_t except;

    log_cursor_init(&cursor, member->notices);
    for (;;) {
        enum log_result result =
            log_next(room->notices, &cursor, conn->shard->now_ms, &notice, &read);
        if (result == LOG_NOTHING)
            return true;
        if (result == LOG_BYTES) {
            memcpy(&except, notice.data, ROOM_NOTICE_HEAD);
            notice = slice_from(notice, ROOM_NOTICE_HEAD);
            if (except != conn->client.who.user && !gather_notice(conn, notice, g))
                return false;
        } else {
            send_count(conn, room);
            if (conn->phase == CONN_DEAD) /* and the member with it */
                return false;
        }
        member->notices = cursor.next;
    }
}

/* Messages: true where all has been taken. */
static bool gather_messages(struct conn *conn, struct member *member, struct gather *g)
{
    uint64_t before = member->messages.next;
    struct log_read read;

    switch (log_read(log_of(member), &member->messages, conn->shard->now_ms, g->data + g->len,
                     space(g), g->len == 0, &read)) {
    case LOG_NOTHING:
        return true;
    case LOG_BYTES:
        g->len += read.bytes;
        client_delivers(&conn->client, member->messages.next - before, read.bytes);
        if (member->messages.offset)
            conn->cut = member;
        else if (conn->client.session)
            session_sent(member);
        return false; /* look again: the log may have more */
    case LOG_GAP:
        conn_send_gap(conn, member, &read);
        return false;
    default: /* full */
        return false;
    }
}

/* `joined`, with a history of any length, as fragments of one message: a few in `out` at a time. */

/* What lies in shard->text. False: memory has run out. */
static bool put_fragment(struct conn *conn, enum ws_opcode opcode, bool last)
{
    const struct buf *text = &conn->shard->text;
    uint8_t header[WS_HEADER_MAX];
    size_t header_bytes = ws_fragment_header(header, opcode, text->len, last);

    return buf_append(&conn->out, header, header_bytes) == 0 &&
           buf_append(&conn->out, text->data, text->len) == 0;
}

/* What had to wait for the last fragment. */
static bool append_later(struct conn *conn)
{
    struct buf *later = &conn->client.session->later;

    if (buf_append(&conn->out, later->data, later->len) != 0)
        return false;
    buf_release(later);
    return true;
}

static void fill_history(struct conn *conn)
{
    struct session *session = conn->client.session;

    while (is_streaming(conn) && conn->out.len < sizeof(conn->shard->plain)) {
        struct member *member = session->streaming;
        struct log_read gap;
        if (session_history_next(session, shard_text(conn->shard), &gap) != 0 ||
            !put_fragment(conn, WS_CONTINUATION, !session->streaming)) {
            conn_abort(conn);
            return;
        }
        if (gap.to)
            conn_send_gap(conn, member, &gap); /* waits for the last fragment */
        if (conn->phase != CONN_DEAD && !session->streaming && !append_later(conn))
            conn_abort(conn);
    }
}

bool conn_end_history(struct conn *conn)
{
    return session_history_end(conn->client.session, shard_text(conn->shard)) == 0 &&
           put_fragment(conn, WS_CONTINUATION, true) && append_later(conn);
}

static void start_history(struct conn *conn, struct member *member)
{
    if (session_history_begin(member, shard_text(conn->shard)) == 0 &&
        put_fragment(conn, WS_TEXT, false))
        fill_history(conn);
    else
        conn_abort(conn);
}

/* One room with news. False where the record is full, or something must go before it. */
static bool gather_room(struct conn *conn, struct member *member, struct gather *g)
{
    size_t before;

    if (!gather_notices(conn, member, g))
        return false;
    if (member->history_end) {
        start_history(conn, member);
        return false;
    }
    do {
        before = g->len;
        if (gather_messages(conn, member, g))
            return true;
    } while (g->len > before && space(g) && !conn->cut);
    return false;
}

static void gather_rooms(struct conn *conn, struct gather *g)
{
    while (!list_empty(&conn->client.dirty) && space(g) && !conn->cut && !conn->out.len &&
           !is_streaming(conn)) {
        struct list *link = list_pop(&conn->client.dirty);
        struct member *member = container_of(link, struct member, dirty);

        if (gather_room(conn, member, g)) {
            view_caught_up(member);
            continue;
        }
        if (conn->phase == CONN_DEAD) /* and the member with it */
            return;
        list_append(&conn->client.dirty, link); /* the other rooms first, next time */
        if (!conn->out.len)
            return;
        gather_out(conn, g); /* a gap, told before what follows it */
    }
}

/* Sending */

static bool has_more(const struct conn *conn)
{
    return conn->cut || conn->out.len || !list_empty(&conn->client.dirty);
}

void conn_writable(struct conn *conn)
{
    if (has_more(conn) || conn->sealed.len || conn->finishing)
        conn_want_flush(conn);
}

static void send_bytes(struct conn *conn, struct slice plain)
{
    bool seal = conn->tls != NULL;
    struct send_buffer *buffer =
        send_buffer_get(stream_pool(&conn->stream), plain.len + (seal ? TLS_SEAL_OVERHEAD : 0));

    conn->shard->scratched = true;
    if (!buffer) {
        conn_abort(conn);
        return;
    }
    if (seal) {
        struct tls_out out = {.data = buffer->data, .cap = buffer->cap};
        if (tls_seal(conn->tls, plain, &out) != 0) {
            send_buffer_put(stream_pool(&conn->stream), buffer);
            conn_abort(conn);
            return;
        }
        buffer->len = (uint32_t)out.len;
    } else {
        memcpy(buffer->data, plain.data, plain.len);
        buffer->len = (uint32_t)plain.len;
    }
    stream_send(&conn->stream, buffer);
}

static void send_sealed(struct conn *conn)
{
    struct send_buffer *buffer = send_buffer_get(stream_pool(&conn->stream), conn->sealed.len);

    if (!buffer) {
        conn_abort(conn);
        return;
    }
    memcpy(buffer->data, conn->sealed.data, conn->sealed.len);
    buffer->len = (uint32_t)conn->sealed.len;
    buf_release(&conn->sealed);
    stream_send(&conn->stream, buffer);
}

/* Nothing is left to say: close_notify, then the end of this side. */
static void end_side(struct conn *conn)
{
    struct shard *shard = conn->shard;

    if (conn->tls && !conn->shut) {
        struct tls_out out = {.data = shard->handshake, .cap = sizeof(shard->handshake)};
        tls_shutdown(conn->tls, &out);
        conn->shut = true;
        if (out.len && buf_append(&conn->sealed, out.data, out.len) == 0) {
            send_sealed(conn);
            return;
        }
    }
    conn_linger(conn);
}

void conn_flush(struct conn *conn)
{
    struct gather g = {.data = conn->shard->plain, .cap = sizeof(conn->shard->plain)};

    if (conn->phase >= CONN_LINGER || !stream_idle(&conn->stream))
        return;
    if (conn->sealed.len) {
        send_sealed(conn);
        return;
    }
    bool mute = conn->shut || (conn->tls && !tls_established(conn->tls));
    if (mute || !has_more(conn)) {
        if (conn->finishing)
            end_side(conn);
        return;
    }
    /* A peer that reads slowly: gather when it takes bytes again, for then there is more. */
    if (stream_wait_writable(&conn->stream))
        return;
    if (conn->cut && !gather_cut(conn, &g)) {
        conn_abort(conn); /* its frame can't be completed; it comes back and is told the gap */
        return;
    }
    if (!conn->cut) {
        fill_history(conn);
        if (conn->phase == CONN_DEAD)
            return;
        gather_out(conn, &g);
        gather_rooms(conn, &g);
    }
    if (conn->phase == CONN_DEAD)
        return;
    if (g.len)
        send_bytes(conn, slice_make(g.data, g.len));
    else if (has_more(conn))
        conn_want_flush(conn);
    else if (conn->finishing)
        end_side(conn);
}
