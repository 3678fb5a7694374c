/* conn_input.c - bytes in: TLS opened, then HTTP or WebSocket, as far as the connection may go on.
 *
 * What may not be acted on yet (an answer is due first, or the peer does not read
 * what it is sent) is stashed; a large stash stops the receiving. */
#include "ringroom/shard/conn.h"
#include "shard_core.h"

static size_t waiting_bytes(const struct conn *conn)
{
    return conn->out.len + (conn->client.session ? conn->client.session->later.len : 0);
}

static bool is_blocked(const struct conn *conn)
{
    if (conn->phase >= CONN_CLOSING)
        return false;
    return conn->client.waiting || waiting_bytes(conn) > CONN_OUT_HIGH ||
           conn->client.letters >= CLIENT_LETTERS_MAX;
}

/* In one turn of the loop each connection gets so far; the rest waits for the next one, for others
 * have their turn between. What is cheap to send and needs no answer (pongs, events that nobody
 * knows) is bounded by nothing else. */
static bool has_had_its_turn(struct conn *conn)
{
    if (conn->turn_us != conn->shard->now_us) {
        conn->turn_us = conn->shard->now_us;
        conn->turn_frames = 0;
    }
    return conn->turn_frames >= CONN_TURN_FRAMES && conn->phase < CONN_CLOSING;
}

/* WebSocket */

static void close_frame_came(struct conn *conn, const struct ws_event *event)
{
    conn->close_received = true;
    conn->peer_done = true;
    if (conn->close_sent)
        conn_finish(conn);
    else
        conn_close(conn, event->code == WS_CODE_NONE ? 0 : event->code, "");
}

static void message_came(struct conn *conn, const struct ws_event *event)
{
    if (conn->phase == CONN_ECHO)
        conn_send_frame(conn, event->opcode, event->payload);
    else if (conn->phase == CONN_ENGINE || conn->phase == CONN_ENGINE_PROBE)
        conn_engine_message(conn, event);
    else if (event->opcode == WS_TEXT)
        conn_native_request(conn, event->payload);
    else
        conn_close(conn, WS_CODE_UNSUPPORTED, "binary messages are not spoken here");
}

static void ws_event(struct conn *conn, const struct ws_event *event)
{
    conn->heard_ms = conn->shard->now_ms;
    conn->turn_frames++;
    if (event->opcode == WS_CLOSE)
        close_frame_came(conn, event);
    else if (conn->phase == CONN_CLOSING)
        return; /* all but the peer's close frame is dropped by now */
    else if (event->opcode == WS_PING)
        conn_send_frame(conn, WS_PONG, event->payload);
    else if (event->opcode != WS_PONG)
        message_came(conn, event);
}

/* The connection waits, perhaps for long: what the last event lay in is given back. */
static void let_go(struct conn *conn)
{
    struct slice nothing = {0};
    struct ws_event none;

    ws_next(conn->ws, &nothing, &none);
}

static void ws_input(struct conn *conn, struct slice *in)
{
    struct ws_event event;

    while (conn->phase <= CONN_CLOSING && !conn->finishing && !is_blocked(conn) &&
           !has_had_its_turn(conn)) {
        switch (ws_next(conn->ws, in, &event)) {
        case WS_EVENT:
            ws_event(conn, &event);
            break;
        case WS_MORE:
            return;
        case WS_FAILED:
            if (conn->phase == CONN_CLOSING)
                conn_finish(conn);
            else
                conn_close(conn, conn->ws->code, ws_error(conn->ws));
            *in = (struct slice){0};
            return;
        case WS_NOMEM:
            if (conn->phase == CONN_CLOSING)
                conn_finish(conn);
            else
                conn_close(conn, WS_CODE_INTERNAL, "out of memory");
            return;
        }
    }
    let_go(conn);
    if (conn->phase >= CONN_CLOSING)
        *in = (struct slice){0};
}

/* All of it, as far as may be acted on now; the rest stays in *in. */
static void act(struct conn *conn, struct slice *in)
{
    while (conn->phase == CONN_HTTP && in->len && !is_blocked(conn))
        conn_http_input(conn, in);
    if (conn->ws)
        ws_input(conn, in);
    if (conn->phase >= CONN_CLOSING)
        *in = (struct slice){0};
}

static void stash(struct conn *conn, struct slice rest)
{
    if (!rest.len)
        return;
    if (buf_append(&conn->stash, rest.data, rest.len) != 0) {
        conn_abort(conn);
        return;
    }
    if (conn->stash.len > CONN_STASH_HIGH)
        stream_pause(&conn->stream);
}

static bool plain_came(void *user, struct slice plain)
{
    struct conn *conn = user;

    if (conn->phase >= CONN_LINGER)
        return false;
    if (!conn->stash.len)
        act(conn, &plain);
    if (conn->phase < CONN_LINGER)
        stash(conn, plain);
    if (!is_blocked(conn)) /* it has had its turn */
        conn_unblock(conn);
    return conn->phase < CONN_LINGER;
}

void conn_unblock(struct conn *conn)
{
    if (conn->phase < CONN_CLOSING && conn->stash.len && list_empty(&conn->unblocked))
        list_append(&conn->shard->unblocked, &conn->unblocked);
}

void conn_go_on(struct conn *conn)
{
    struct slice in = buf_slice(&conn->stash);

    if (conn->phase >= CONN_CLOSING || is_blocked(conn))
        return;
    act(conn, &in);
    if (conn->phase < CONN_CLOSING && in.len) {
        buf_consume(&conn->stash, conn->stash.len - in.len);
        if (!is_blocked(conn))
            conn_unblock(conn);
        return;
    }
    buf_release(&conn->stash);
    if (conn->peer_done && conn->phase == CONN_HTTP && !conn->calling)
        conn_finish(conn);
    else
        stream_resume(&conn->stream);
}

/* TLS */

/* It was not established before. */
static void count_handshake(struct conn *conn, enum tls_status status)
{
    struct metrics *metrics = conn->shard->metrics;

    if (tls_established(conn->tls))
        metrics_count(metrics, tls_resumed(conn->tls) ? METRIC_TLS_RESUMED : METRIC_TLS_FULL);
    else if (status != TLS_OPEN)
        metrics_count(metrics, METRIC_TLS_FAILED);
}

static void sealed_came(struct conn *conn, struct slice sealed)
{
    struct shard *shard = conn->shard;
    struct tls_out out = {.data = shard->handshake, .cap = sizeof(shard->handshake)};
    bool was_established = tls_established(conn->tls);
    enum tls_status status = tls_open(conn->tls, sealed, &out, plain_came, conn);

    if (!was_established)
        count_handshake(conn, status);
    if (conn->phase == CONN_DEAD)
        return;
    if (out.len) {
        if (buf_append(&conn->sealed, out.data, out.len) != 0) {
            conn_abort(conn);
            return;
        }
        conn_want_flush(conn);
    }
    if (status == TLS_FAILED) {
        conn_bad_request(conn, NULL);
        conn->shut = true; /* the alert was the last thing that could be said */
        conn->out.len = 0;
        conn_finish(conn);
    } else if (status == TLS_CLOSED) {
        if (conn->phase == CONN_LINGER)
            conn_abort(conn);
        else if (conn->calling)
            conn->peer_done = true;
        else
            conn_finish(conn);
    }
}

void conn_bytes(struct stream *stream, struct slice bytes)
{
    struct conn *conn = container_of(stream, struct conn, stream);

    conn->shard->scratched = true;
    if (!conn_proxy_header(conn, &bytes))
        return;
    if (conn->tls && !conn->shut)
        sealed_came(conn, bytes);
    else if (!conn->tls)
        plain_came(conn, bytes);
}
