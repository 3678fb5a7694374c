/* conn.c - a connection's life: accepted, kept alive, closed, freed. */
#include "ringroom/shard/conn.h"
#include "shard_core.h"
#include "ringroom/base/check.h"

#include <netinet/in.h>
#include <unistd.h>

enum {
    TIMER_GRAIN_MS = 1000,   /* pings of a second go out together: one wake-up, one submit */
    CONN_REFUSED_MAX = 256,  /* connections that are being told that they are not let in ... */
    CONN_REFUSED_SHARE = 16, /* ... but no more than one in so many of all */
};

static const enum metric open_gauges[] = {[LISTENER_TLS] = METRIC_CONNECTIONS_TLS,
                                          [LISTENER_PLAIN] = METRIC_CONNECTIONS_PLAIN,
                                          [LISTENER_METRICS] = METRIC_CONNECTIONS_METRICS};

static void set_timer(struct conn *conn, uint64_t in_ms)
{
    wheel_set(&conn->shard->wheel, &conn->timer, conn->shard->now_ms + in_ms);
}

/* Keeping alive: judged by what was received, never by what was sent. */
static void check_alive(struct conn *conn, uint64_t now_ms)
{
    uint64_t silent_ms = now_ms - conn->heard_ms;
    uint64_t ping_ms = (uint64_t)conn->ping_interval_s * 1000;

    if (silent_ms >= (uint64_t)conn->idle_timeout_s * 1000) {
        /* Its pongs may wait behind requests that are not read, since it does not read the replies.
         */
        if (conn->out.len > CONN_OUT_HIGH)
            conn_close(conn, WS_CODE_SLOW, "replies are not read");
        else
            conn_close(conn, WS_CODE_NO_PONG, "no pong");
        return;
    }
    uint64_t next_ms = ping_ms;
    if (silent_ms + TIMER_GRAIN_MS >= ping_ms)
        conn_send_frame(conn, WS_PING, (struct slice){0});
    else
        next_ms = ping_ms - silent_ms;
    if (conn->phase == CONN_DEAD)
        return;
    uint64_t due_ms = now_ms + next_ms;
    due_ms += TIMER_GRAIN_MS - due_ms % TIMER_GRAIN_MS;
    wheel_set(&conn->shard->wheel, &conn->timer, due_ms);
}

static void request_timed_out(struct conn *conn)
{
    bool late = !conn->asked || http_under_way(conn->http);

    metrics_count(conn->shard->metrics,
                  late ? METRIC_LIMITED_HANDSHAKE_TIMEOUT : METRIC_LIMITED_IDLE_TIMEOUT);
    if (!http_under_way(conn->http)) {
        if (conn->tls && !tls_established(conn->tls))
            conn_bad_request(conn, NULL);
        conn_finish(conn);
        return;
    }
    conn_answer_begins(conn);
    if (conn_may_answer(conn, 408)) {
        http_answer_error(&conn->out, 408, "timeout", "the request took too long", NULL, false,
                          false, conn->shard->wall_ms);
        conn_finish(conn);
    }
    conn_answer_ends(conn);
}

static void timer_fired(struct timer *timer, uint64_t now_ms)
{
    struct conn *conn = container_of(timer, struct conn, timer);

    switch (conn->phase) {
    case CONN_HTTP:
        request_timed_out(conn);
        break;
    case CONN_NATIVE:
    case CONN_ECHO:
        check_alive(conn, now_ms);
        break;
    case CONN_ENGINE:
        session_beat(&conn->client);
        break;
    case CONN_ENGINE_PROBE:
        metrics_count(conn->shard->metrics, METRIC_LIMITED_HANDSHAKE_TIMEOUT);
        conn_close(conn, WS_CODE_NORMAL, "no upgrade in time");
        break;
    default:
        conn_abort(conn);
    }
}

void conn_start_alive_checks(struct conn *conn)
{
    conn->heard_ms = conn->shard->now_ms;
    check_alive(conn, conn->shard->now_ms);
}

/* Events of the stream */

static void ended(struct stream *stream, int error)
{
    struct conn *conn = container_of(stream, struct conn, stream);
    bool answering = conn->phase == CONN_HTTP || conn->phase == CONN_CLOSING;

    /* A client may end its side and still read the answer. */
    if (error == 0 && conn->calling)
        conn->peer_done = true;
    else if (error == 0 && answering && (conn->out.len || conn->sealed.len || conn->stream.sending))
        conn_finish(conn);
    else
        conn_abort(conn);
}

static void writable(struct stream *stream, int error)
{
    struct conn *conn = container_of(stream, struct conn, stream);

    if (error)
        conn_abort(conn);
    else
        conn_writable(conn);
}

static void bury(struct conn *conn)
{
    metrics_uncount(conn->shard->metrics, open_gauges[conn->listener]);
    conn->shard->scrapers_count -= conn->listener == LISTENER_METRICS;
    list_remove(&conn->link);
    list_append(&conn->shard->dead, &conn->link);
}

static void closed(struct stream *stream)
{
    struct conn *conn = container_of(stream, struct conn, stream);

    if (!conn->client.letters)
        bury(conn);
}

static const struct stream_handler handler = {
    .on_bytes = conn_bytes, .on_end = ended, .on_writable = writable, .on_closed = closed};

/* As a carrier */

static void letter_home(struct client *client)
{
    struct conn *conn = conn_of(client);

    if (conn->stream.slot >= 0)
        conn_unblock(conn);
    else if (!client->letters)
        bury(conn);
}

static void answer(struct client *client, struct ask *ask)
{
    struct conn *conn = conn_of(client);

    if (client->session) {
        session_answer(client, ask);
    } else if (ask->api) {
        conn_answer_begins(conn);
        conn_api_answer(conn, ask);
        conn_answer_ends(conn);
    } else {
        conn_native_answer(conn, ask);
    }
}

static void news(struct client *client)
{
    struct conn *conn = conn_of(client);

    if (stream_idle(&conn->stream))
        conn_want_flush(conn);
}

static bool leaving(struct client *client, struct member *member)
{
    struct conn *conn = conn_of(client);

    if (client->session && client->session->streaming == member && !conn_end_history(conn))
        return false;
    return conn->cut != member || conn_complete_cut(conn);
}

static void drop(struct client *client)
{
    conn_abort(conn_of(client));
}

static void go_on(struct client *client)
{
    conn_unblock(conn_of(client));
}

static void text(struct client *client, struct slice packet)
{
    conn_send_frame(conn_of(client), WS_TEXT, packet);
}

static void binary(struct client *client, struct slice data)
{
    conn_send_frame(conn_of(client), WS_BINARY, data);
}

static void end(struct client *client, uint16_t code, const char *reason)
{
    conn_close(conn_of(client), code == WS_CODE_NONE ? 0 : code, reason);
}

static void bad_request(struct client *client)
{
    conn_bad_request(conn_of(client), NULL);
}

static void beat_at(struct client *client, uint64_t due_ms)
{
    wheel_set(&client->shard->wheel, &conn_of(client)->timer, due_ms);
}

static const struct client_carrier carrier = {.answer = answer,
                                              .letter_home = letter_home,
                                              .news = news,
                                              .leaving = leaving,
                                              .abort = drop,
                                              .go_on = go_on,
                                              .bad_request = bad_request,
                                              .text = text,
                                              .binary = binary,
                                              .end = end,
                                              .beat_at = beat_at};

/* Opening */

static bool is_base64url(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

void conn_take_sid(struct conn *conn, struct slice sid)
{
    bool open = conn->shard->settings->auth_mode == AUTH_OPEN;

    identity_new_secret(conn->sid);
    if (open)
        identity_derive(&conn->client.who, conn->sid);
    if (!open || sid.len != IDENTITY_SECRET_BYTES)
        return;
    for (size_t i = 0; i < sid.len; i++)
        if (!is_base64url((char)sid.data[i]))
            return;
    memcpy(conn->sid, sid.data, sid.len);
    identity_derive(&conn->client.who, conn->sid);
}

static struct conn *conn_new(struct shard *shard, enum listener_kind listener)
{
    struct conn *conn = mem_zalloc(sizeof(*conn));

    if (!conn)
        return NULL;
    conn->shard = shard;
    conn->listener = (uint8_t)listener;
    conn->ping_interval_s = shard->settings->ping_interval_s;
    conn->idle_timeout_s = shard->settings->idle_timeout_s;
    client_init(&conn->client, shard, &carrier);
    timer_init(&conn->timer, timer_fired);
    list_init(&conn->link);
    list_init(&conn->ready);
    list_init(&conn->unblocked);
    buf_init(&conn->out, 2 * CONN_OUT_HIGH + conn_reply_max(shard->settings));
    buf_init(&conn->sealed, 4 * TLS_HANDSHAKE_OUT_MAX);
    buf_init(&conn->stash, (size_t)2 * SHARD_RECV_BUFFERS * SHARD_RECV_BUFFER_BYTES);
    conn->http = http_new(&shard->http_limits);
    if (!conn->http) {
        conn_free(conn);
        return NULL;
    }
    return conn;
}

/* Takes over fd. */
static bool open_stream(struct conn *conn, int fd)
{
    struct shard *shard = conn->shard;

    if (stream_open(&conn->stream, shard->ring, fd, &handler) != 0)
        return false;
    list_append(&shard->conns, &conn->link);
    shard->conns_count++;
    shard->scrapers_count += conn->listener == LISTENER_METRICS;
    metrics_count(shard->metrics, open_gauges[conn->listener]);
    set_timer(conn, (uint64_t)shard->settings->handshake_timeout_s * 1000);
    return true;
}

/* How many connections may be taken up by telling clients that they are not let in. */
static uint32_t refused_max(const struct settings *settings)
{
    uint32_t share = 1 + settings->connections_max / CONN_REFUSED_SHARE;

    return share < CONN_REFUSED_MAX ? share : CONN_REFUSED_MAX;
}

/* Whoever speaks no TLS can be told why he is not let in. That takes a connection for a moment:
 * only a few at a time, so that those who are refused take no place from others. */
static bool can_tell(const struct shard *shard)
{
    return shard->refused_count < refused_max(shard->settings);
}

static void tell_refused(struct conn *conn, const struct conn_refusal *refusal)
{
    conn->shard->refused_count++;
    conn->refused = true;
    conn_answer_begins(conn);
    conn_answer_refused(conn, refusal);
    conn_answer_ends(conn);
}

static bool refuse(struct conn *conn, int fd, const struct conn_refusal *refusal)
{
    if (!can_tell(conn->shard)) {
        close(fd);
        return false;
    }
    if (!open_stream(conn, fd))
        return false;
    tell_refused(conn, refusal);
    return true;
}

void conn_refuse(struct conn *conn, const struct conn_refusal *refusal)
{
    if (conn->tls || !can_tell(conn->shard))
        conn_abort(conn);
    else
        tell_refused(conn, refusal);
}

/* A connection of TLS that is not let in is closed before its handshake costs anything. True: the
 * connection is the shard's. Scrapers are not metered. */
static bool welcome(struct conn *conn, int fd)
{
    bool tls = conn->listener == LISTENER_TLS;
    union {
        struct sockaddr any;
        struct sockaddr_in6 v6;
    } peer;
    socklen_t bytes = sizeof(peer);
    struct conn_refusal refusal;
    struct ip ip;

    if (conn->listener == LISTENER_METRICS)
        return open_stream(conn, fd);
    if (getpeername(fd, &peer.any, &bytes) != 0 || !ip_from_sockaddr(&peer.any, &ip)) {
        close(fd); /* it has gone */
        return false;
    }
    bool proxied = conn_proxy_is_trusted(conn->shard, &ip);
    bool let_in = proxied || conn_set_address(conn, &ip, true, &refusal);
    if (!let_in && !tls)
        return refuse(conn, fd, &refusal);
    if (let_in && tls)
        conn->tls = tls_new(conn->shard->tls);
    if (!let_in || (tls && !conn->tls) || (proxied && !conn_proxy_begin(conn, &ip))) {
        close(fd);
        return false;
    }
    return open_stream(conn, fd);
}

/* However many clients there are, they can be counted. */
static bool is_full(const struct shard *shard, enum listener_kind listener)
{
    if (listener == LISTENER_METRICS)
        return shard->scrapers_count >= SHARD_SCRAPERS_MAX;
    return shard->conns_count - shard->scrapers_count >= shard->settings->connections_max;
}

void conn_accept(struct shard *shard, int fd, enum listener_kind listener)
{
    static const enum metric accepted[] = {[LISTENER_TLS] = METRIC_ACCEPTED_TLS,
                                           [LISTENER_PLAIN] = METRIC_ACCEPTED_PLAIN,
                                           [LISTENER_METRICS] = METRIC_ACCEPTED_METRICS};

    bool full = is_full(shard, listener);
    struct conn *conn = full ? NULL : conn_new(shard, listener);

    metrics_count(shard->metrics, accepted[listener]);
    if (full && listener != LISTENER_METRICS)
        metrics_count(shard->metrics, METRIC_LIMITED_CONNECTIONS);
    if (conn && welcome(conn, fd))
        return;
    metrics_count(shard->metrics, METRIC_REFUSED);
    if (conn)
        conn_free(conn);
    else
        close(fd);
}

/* Phases */

/* The gauge that a phase belongs to; METRICS_COUNT: none. */
static enum metric gauge_of(uint8_t phase)
{
    if (phase == CONN_NATIVE)
        return METRIC_CLIENTS_NATIVE;
    return phase == CONN_ENGINE ? METRIC_CLIENTS_SOCKETIO : METRICS_COUNT;
}

void conn_enter(struct conn *conn, enum conn_phase phase)
{
    enum metric from = gauge_of(conn->phase), to = gauge_of((uint8_t)phase);

    conn->phase = (uint8_t)phase;
    if (from != METRICS_COUNT)
        metrics_uncount(conn->shard->metrics, from);
    if (to != METRICS_COUNT)
        metrics_count(conn->shard->metrics, to);
}

/* Closing */

static void tell_session(struct conn *conn)
{
    if (conn->polling)
        conn_engine_tell(conn, POST_ABANDON);
    else if (conn->phase == CONN_ENGINE_PROBE)
        conn_engine_tell(conn, POST_UNPROBE);
    conn->polling = false;
}

void conn_abort(struct conn *conn)
{
    if (conn->phase == CONN_DEAD)
        return;
    bool lost = conn->phase < CONN_CLOSING || conn->client.lost;
    if (conn->ws && conn->phase < CONN_CLOSING)
        metrics_count(conn->shard->metrics, METRIC_CLOSED_BROKEN);
    conn->cut = NULL;
    tell_session(conn);
    conn_enter(conn, CONN_DEAD);
    session_lost(&conn->client);
    client_leave_all(&conn->client, lost);
    wheel_cancel(&conn->shard->wheel, &conn->client.expiry);
    wheel_cancel(&conn->shard->wheel, &conn->timer);
    list_remove(&conn->ready);
    list_remove(&conn->unblocked);
    conn_leave_address(conn);
    stream_close(&conn->stream);
}

/* A `joined` that is being sent in fragments is left as it is: a close frame may come among them,
 * and the client then knows that it did not get the message. */
static void start_closing(struct conn *conn, bool lost)
{
    if (conn->cut && !conn_complete_cut(conn)) {
        conn_abort(conn);
        return;
    }
    tell_session(conn);
    session_lost(&conn->client);
    client_leave_all(&conn->client, lost);
    wheel_cancel(&conn->shard->wheel, &conn->client.expiry);
    if (conn->phase == CONN_DEAD) /* leaving found it beyond help */
        return;
    conn_enter(conn, CONN_CLOSING);
    /* What lies in the stash is not acted on any more, so what follows it can't be understood. (It
     * is not given back here: the caller may be walking over it.) */
    if (conn->stash.len)
        conn->finishing = true;
    set_timer(conn, CONN_CLOSE_MS);
    stream_resume(&conn->stream);
}

/* A native client says goodbye by its close frame: without a code, or with that of a normal end.
 * With any other it comes back perhaps, as a page that is loaded anew. A Socket.IO client says it
 * by a packet, before. */
static bool says_goodbye(const struct conn *conn, uint16_t code)
{
    return conn->close_received && !conn->client.session && (code == 0 || code == WS_CODE_NORMAL);
}

void conn_close(struct conn *conn, uint16_t code, const char *reason)
{
    uint8_t frame[2 + WS_CONTROL_MAX];

    if (conn->phase == CONN_HTTP || conn->phase >= CONN_CLOSING)
        return;
    if (conn_code_is_bad(code) && !conn->close_received)
        conn_bad_request(conn, NULL);
    start_closing(conn, client_is_lost(code) && !says_goodbye(conn, code));
    if (conn->phase == CONN_DEAD)
        return;
    if (conn->close_received || !code) /* a session that the client has closed has no code */
        metrics_count(conn->shard->metrics, METRIC_CLOSED_BY_CLIENT);
    else
        metrics_count_close(conn->shard->metrics, code);
    size_t bytes = ws_close_frame(frame, code, reason);
    if (buf_append(&conn->out, frame, bytes) != 0) {
        conn_abort(conn);
        return;
    }
    conn->close_sent = true;
    /* After a breach of protocol nothing the peer says can be understood. */
    bool broken = code == WS_CODE_PROTOCOL || code == WS_CODE_BAD_DATA || code == WS_CODE_TOO_BIG ||
                  code == WS_CODE_INTERNAL;
    if (broken || conn->close_received)
        conn_finish(conn);
    else
        conn_want_flush(conn);
}

void conn_finish(struct conn *conn)
{
    if (conn->phase >= CONN_LINGER)
        return;
    if (conn->phase != CONN_CLOSING)
        start_closing(conn, true);
    if (conn->phase == CONN_DEAD)
        return;
    conn->finishing = true;
    conn_want_flush(conn);
}

void conn_linger(struct conn *conn)
{
    conn_enter(conn, CONN_LINGER);
    /* Closing with bytes unread would make the kernel reset the connection, and the peer lose our
     * last words. Where the peer has said all, there are none. */
    if (conn->stream.ended || conn->peer_done) {
        conn_abort(conn);
        return;
    }
    stream_shutdown(&conn->stream);
    set_timer(conn, CONN_LINGER_MS);
}

void conn_stop(struct conn *conn, uint64_t after_ms)
{
    struct shard *shard = conn->shard;

    conn->stopping = true;
    if (conn->phase == CONN_NATIVE) {
        if (native_reconnect(shard_text(shard), after_ms) == 0)
            conn_send_frame(conn, WS_TEXT, buf_slice(&shard->text));
        conn_close(conn, WS_CODE_RESTARTING, "restarting");
    } else if (conn->phase == CONN_HTTP) {
        if (!conn->client.waiting) /* else the answer is its last */
            conn_finish(conn);
    } else {
        conn_close(conn, WS_CODE_RESTARTING, "restarting");
    }
}

void conn_free(struct conn *conn)
{
    CHECK(!timer_is_set(&conn->timer));
    conn_leave_address(conn);
    conn->shard->refused_count -= conn->refused;
    conn_proxy_end(conn);
    tls_free(conn->tls);
    http_free(conn->http);
    if (conn->ws)
        ws_deinit(conn->ws);
    mem_free(conn->ws);
    buf_deinit(&conn->out);
    buf_deinit(&conn->sealed);
    buf_deinit(&conn->stash);
    client_deinit(&conn->client);
    mem_free_wiped(conn); /* its sid is a secret */
}
