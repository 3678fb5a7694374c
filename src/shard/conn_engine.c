/* conn_engine.c - Engine.IO on a connection: polling requests passed on to their session, and a
 * WebSocket that carries one. */
#include "ringroom/shard/conn.h"
#include "shard_core.h"
#include "ringroom/shard/errand.h"
#include "ringroom/shard/poller.h"

/* HTTP */

/* How the request that is being dealt with is to be answered. */
static struct engineio_answer how_to_answer(struct conn *conn)
{
    const struct http_request *request = http_request(conn->http);

    return (struct engineio_answer){.out = &conn->out,
                                    .origin = http_header(request, "Origin"),
                                    .keep_alive = request->keep_alive && !conn->shard->stopping,
                                    .head_only = request->method == HTTP_M_HEAD,
                                    .wall_ms = conn->shard->wall_ms};
}

static void answered(struct conn *conn, int error, bool keep_alive)
{
    if (error)
        conn_abort(conn);
    else
        conn_http_answered(conn, keep_alive);
}

static void answer_fault(struct conn *conn, enum engineio_fault fault)
{
    struct engineio_answer answer = how_to_answer(conn);

    if (!conn_may_answer(conn, engineio_fault_status(fault)))
        return;
    if (fault == ENGINEIO_FORBIDDEN)
        answer.origin = (struct slice){0};
    answered(conn, engineio_answer_fault(&answer, fault), answer.keep_alive);
}

static void answer_busy(struct conn *conn)
{
    struct engineio_answer answer = how_to_answer(conn);

    answer.keep_alive = false;
    answered(conn, engineio_answer_status(&answer, 503, "Unavailable"), false);
}

/* A token that is no good ends the handshake; one is not needed yet: CONNECT may bring it. */
static bool take_token(struct conn *conn, enum session_kind kind)
{
    struct engineio_answer answer = how_to_answer(conn);
    struct native_fault fault;

    if (kind != SESSION_CHAT || conn_take_token(conn, http_request(conn->http), &fault))
        return true;
    if (conn_may_answer(conn, 401))
        answered(conn, engineio_answer_status(&answer, 401, fault.message), answer.keep_alive);
    return false;
}

static void open_polling(struct conn *conn, enum session_kind kind)
{
    struct engineio_answer answer = how_to_answer(conn);
    struct poller *poller = conn->shard->stopping ? NULL : poller_new(conn->shard, kind);
    struct buf *text = shard_text(conn->shard);

    if (!poller) {
        answer_busy(conn);
        return;
    }
    identity_move(&poller->client.who, &conn->client.who);
    client_watch_token(&poller->client);
    if (session_open(conn->shard, poller->client.session, true, text) != 0) {
        poller_stop(poller);
        answer_busy(conn);
        return;
    }
    answered(conn, engineio_answer_payload(&answer, buf_slice(text)), answer.keep_alive);
}

/* The answer comes with the errand: until then nothing more is read of this connection. */
static void send_off(struct conn *conn, enum post_kind kind, struct slice body)
{
    struct shard *shard = conn->shard;
    struct errand *errand = errand_new(kind, &conn->client, conn->sid);

    if (!errand || buf_append(&errand->bytes, body.data, body.len) != 0) {
        if (errand)
            errand_free(errand);
        answer_busy(conn);
        return;
    }
    conn->client.waiting = true;
    conn->polling = kind == POST_POLL;
    wheel_cancel(&shard->wheel, &conn->timer);
    errand_send(shard, (uint32_t)errand_shard(shard, slice_make(conn->sid, SESSION_SID_BYTES)),
                errand);
}

/* Bytes come as base64 within text; a body of bytes is no payload, as an empty one. */
static bool is_text(const struct http_request *request)
{
    return !slice_is(http_header(request, "Content-Type"), "application/octet-stream");
}

static void use_session(struct conn *conn, const struct http_request *request,
                        const struct engineio_request *engine, enum engineio_fault fault)
{
    struct slice sid = slice_make(engine->sid, engine->sid_len);

    if (errand_shard(conn->shard, sid) < 0) {
        answer_fault(conn, ENGINEIO_SID_UNKNOWN);
        return;
    }
    memcpy(conn->sid, sid.data, SESSION_SID_BYTES);
    if (fault != ENGINEIO_FINE) /* counts only where the session is known */
        answer_fault(conn, fault);
    else if (engine->websocket)
        send_off(conn, POST_PROBE, (struct slice){0});
    else if (request->method == HTTP_M_GET)
        send_off(conn, POST_POLL, (struct slice){0});
    else if (request->method == HTTP_M_POST)
        send_off(conn, POST_BODY, is_text(request) ? request->body : (struct slice){0});
    else
        answer_fault(conn, ENGINEIO_BAD_REQUEST);
}

static void open_websocket(struct conn *conn, enum session_kind kind)
{
    struct shard *shard = conn->shard;
    struct session *session = session_new(shard, kind);
    struct buf *text = shard_text(shard);

    if (!session || session_open(shard, session, false, text) != 0 ||
        !conn_become_websocket(conn, &shard->engine_limits, NULL)) {
        session_free(shard, session);
        conn_abort(conn);
        return;
    }
    conn_enter(conn, CONN_ENGINE);
    conn->out.max = session_out_max(shard, kind);
    conn_send_frame(conn, WS_TEXT, buf_slice(text));
    if (conn->phase == CONN_DEAD) {
        session_free(shard, session);
        return;
    }
    if (kind == SESSION_CHAT)
        client_watch_token(&conn->client);
    session_make_known(shard, session);
    session_attach(session, &conn->client);
}

void conn_engine_request(struct conn *conn, enum session_kind kind)
{
    const struct http_request *request = http_request(conn->http);
    struct engineio_request engine;

    if (!conn_origin_allowed(conn, request)) {
        answer_fault(conn, ENGINEIO_FORBIDDEN);
        return;
    }
    if (request->method == HTTP_M_OPTIONS) {
        struct engineio_answer answer = how_to_answer(conn);
        answered(conn, engineio_answer_preflight(&answer, request), answer.keep_alive);
        return;
    }
    enum engineio_fault fault = engineio_check(request, &engine);
    if (fault == ENGINEIO_FINE && engine.websocket && !conn_upgradable(conn, request))
        fault = ENGINEIO_BAD_REQUEST;
    if (engine.has_sid && fault != ENGINEIO_TRANSPORT_UNKNOWN)
        use_session(conn, request, &engine, fault);
    else if (fault != ENGINEIO_FINE)
        answer_fault(conn, fault);
    else if (!take_token(conn, kind))
        return;
    else if (engine.websocket && conn->shard->stopping)
        answer_busy(conn);
    else if (engine.websocket)
        open_websocket(conn, kind);
    else
        open_polling(conn, kind);
}

/* Errands home */

static void polled(struct conn *conn, const struct errand *errand)
{
    struct engineio_answer answer = how_to_answer(conn);

    /* A whole history may be longer than a reply is otherwise. */
    if (conn->out.max < conn->out.len + errand->bytes.len + CONN_OUT_HIGH)
        conn->out.max = conn->out.len + errand->bytes.len + CONN_OUT_HIGH;
    answered(conn, engineio_answer_payload(&answer, buf_slice(&errand->bytes)), answer.keep_alive);
}

static void posted(struct conn *conn)
{
    struct engineio_answer answer = how_to_answer(conn);

    answered(conn, engineio_answer_ok(&answer), answer.keep_alive);
}

/* The session that it was for is on another shard, but the address is known here. */
static void account_for(struct conn *conn, const struct errand *errand)
{
    for (uint8_t i = 0; i < errand->faults; i++)
        conn_bad_request(conn, NULL);
}

/* Two at a time can't take a session over: the second is let in and closed, as by the reference. */
static void probe_allowed(struct conn *conn, bool taken)
{
    struct shard *shard = conn->shard;

    if (!conn_become_websocket(conn, &shard->engine_limits, NULL)) {
        if (!taken)
            conn_engine_tell(conn, POST_UNPROBE);
        conn_abort(conn);
        return;
    }
    conn_enter(conn, taken ? CONN_ENGINE : CONN_ENGINE_PROBE);
    if (taken) {
        conn_close(conn, WS_CODE_NORMAL, "the session is on another WebSocket");
        return;
    }
    wheel_set(&shard->wheel, &conn->timer,
              shard->now_ms + (uint64_t)shard->settings->handshake_timeout_s * 1000);
    conn_want_flush(conn);
}

static void http_errand_home(struct conn *conn, const struct errand *errand)
{
    conn->polling = false;
    account_for(conn, errand);
    if (errand->outcome == ERRAND_UNKNOWN)
        answer_fault(conn, ENGINEIO_SID_UNKNOWN);
    else if (errand->outcome == ERRAND_BAD)
        answer_fault(conn, ENGINEIO_BAD_REQUEST);
    else if (errand->outcome == ERRAND_BUSY)
        answer_busy(conn);
    else if (errand->post.kind == POST_POLL)
        polled(conn, errand);
    else if (errand->post.kind == POST_BODY)
        posted(conn);
    else
        probe_allowed(conn, errand->outcome == ERRAND_TAKEN);
}

/* Packets that no poll has fetched. */
static void send_leftovers(struct conn *conn, struct slice payload)
{
    struct engineio_packet packet;
    struct buf decoded;

    buf_init(&decoded, payload.len);
    while (payload.len && conn->phase == CONN_ENGINE) {
        const uint8_t *start = payload.data;
        if (engineio_next(&payload, &decoded, &packet) != ENGINEIO_PACKET)
            break;
        if (packet.binary)
            conn_send_frame(conn, WS_BINARY, packet.data);
        else
            conn_send_frame(conn, WS_TEXT, slice_make(start, packet.data.len + 1));
    }
    buf_deinit(&decoded);
}

/* The session is here, or not to be had. True where the errand is kept. */
static bool handed_over(struct conn *conn, struct errand *errand)
{
    struct session *session = errand->session;
    bool here = conn->phase == CONN_ENGINE_PROBE;

    conn->client.waiting = false;
    if (!session && errand->outcome == ERRAND_BUSY)
        conn_close(conn, WS_CODE_RESTARTING, "restarting");
    else if (!session)
        conn_close(conn, WS_CODE_NORMAL, "no such session");
    if (!session)
        return false;
    session->release = errand;
    session->release_shard =
        (uint32_t)errand_shard(conn->shard, slice_make(errand->sid, SESSION_SID_BYTES));
    session->moving = true;
    errand->session = NULL;
    errand->client = NULL;
    errand->post.kind = POST_RELEASE;
    if (!here) {
        session_shelve(conn->shard, session);
        return true;
    }
    struct buf leftovers = errand->bytes;
    buf_init(&errand->bytes, 0);
    conn_enter(conn, CONN_ENGINE);
    conn->out.max = session_out_max(conn->shard, session->kind);
    session_settle(session, &conn->client);
    if (session->recoverable)
        session_enlist(conn->shard, session);
    session_attach(session, &conn->client);
    client_watch_token(&conn->client);
    send_leftovers(conn, buf_slice(&leftovers));
    buf_deinit(&leftovers);
    if (conn->client.session)
        session_rejoin(&conn->client);
    return true;
}

void conn_engine_home(struct conn *conn, struct errand *errand)
{
    bool kept = false;

    if (errand->post.kind == POST_UPGRADE) {
        kept = handed_over(conn, errand);
    } else if (conn->phase == CONN_HTTP) {
        conn->client.waiting = false;
        conn_answer_begins(conn);
        http_errand_home(conn, errand);
        conn_answer_ends(conn);
    } else if (errand->post.kind == POST_PROBE && errand->outcome == ERRAND_DONE) {
        conn_engine_tell(conn, POST_UNPROBE); /* it went while it was waiting */
    }
    if (!kept)
        errand_free(errand);
}

void conn_engine_tell(struct conn *conn, enum post_kind kind)
{
    struct shard *shard = conn->shard;
    struct errand *errand = errand_new(kind, NULL, conn->sid);

    if (errand) /* else the session ends for want of a pong, or is not upgraded */
        errand_send(shard, (uint32_t)errand_shard(shard, slice_make(conn->sid, SESSION_SID_BYTES)),
                    errand);
}

/* WebSocket */

/* An errand that nobody waits for, or that the connection waits for. */
static void probe_errand(struct conn *conn, enum post_kind kind)
{
    struct shard *shard = conn->shard;
    bool waits = kind == POST_UPGRADE;
    struct errand *errand = errand_new(kind, waits ? &conn->client : NULL, conn->sid);

    if (!errand) {
        conn_close(conn, WS_CODE_INTERNAL, "out of memory");
        return;
    }
    conn->client.waiting = waits;
    errand_send(shard, (uint32_t)errand_shard(shard, slice_make(conn->sid, SESSION_SID_BYTES)),
                errand);
}

static void probe_packet(struct conn *conn, struct slice text)
{
    if (slice_is(text, "2probe")) {
        conn_send_frame(conn, WS_TEXT, slice_of("3probe"));
        probe_errand(conn, POST_PROBED);
    } else if (slice_is(text, "5")) {
        wheel_cancel(&conn->shard->wheel, &conn->timer);
        probe_errand(conn, POST_UPGRADE);
    } else {
        conn_close(conn, WS_CODE_NORMAL, "not a probe");
    }
}

static void text_came(struct conn *conn, struct slice text)
{
    struct engineio_packet packet;
    struct buf decoded;
    bool good;

    buf_init(&decoded, text.len);
    if (text.len && text.data[0] == 'b') /* a client that writes bytes as base64 everywhere */
        good = engineio_next(&text, &decoded, &packet) == ENGINEIO_PACKET;
    else
        good = engineio_parse(text, &packet);
    if (good)
        session_packet(&conn->client, &packet);
    else
        conn_close(conn, WS_CODE_NORMAL, "not a packet");
    buf_deinit(&decoded);
}

void conn_engine_message(struct conn *conn, const struct ws_event *event)
{
    struct engineio_packet packet = {.type = ENGINEIO_MESSAGE, .binary = true};

    if (conn->phase == CONN_ENGINE_PROBE)
        probe_packet(conn, event->opcode == WS_TEXT ? event->payload : (struct slice){0});
    else if (event->opcode == WS_TEXT)
        text_came(conn, event->payload);
    else {
        packet.data = event->payload;
        session_packet(&conn->client, &packet);
    }
}
