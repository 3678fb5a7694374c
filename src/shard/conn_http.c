/* conn_http.c - the HTTP life of a connection: pages answered, and the upgrade to WebSocket. */
#include "ringroom/proto/api.h"
#include "ringroom/proto/pages.h"
#include "ringroom/shard/conn.h"
#include "shard_core.h"

#include <strings.h>

enum { ECHO_OUT_MAX = 4 * SHARD_ECHO_BYTES_MAX };

static void refuse(struct conn *conn, unsigned status, const char *code, const char *message,
                   const char *extra)
{
    if (!conn_may_answer(conn, status))
        return;
    if (http_answer_error(&conn->out, status, code, message, extra, false, false,
                          conn->shard->wall_ms) != 0)
        conn_abort(conn);
    else
        conn_finish(conn);
}

bool conn_origin_allowed(const struct conn *conn, const struct http_request *request)
{
    const struct settings *settings = conn->shard->settings;
    struct slice origin = http_header(request, "Origin");
    struct slice host = http_header(request, "Host");

    if (!origin.data)
        return true;
    if (!settings->origins_count) {
        const uint8_t *slashes = memmem(origin.data, origin.len, "://", 3);
        if (!slashes)
            return false;
        struct slice authority = slice_from(origin, (size_t)(slashes - origin.data) + 3);
        return authority.len == host.len &&
               strncasecmp((const char *)authority.data, (const char *)host.data, host.len) == 0;
    }
    for (size_t i = 0; i < settings->origins_count; i++)
        if (pattern_match(slice_of(settings->origins[i]), origin))
            return true;
    return false;
}

static const char protocol[] = "ringroom.v1";

/* Among what the client offers, spelled as we spell it: it compares the answer byte by byte. */
static bool offers_protocol(const struct http_request *request)
{
    for (size_t i = 0; i < request->headers_count; i++) {
        struct slice value = request->headers[i].value;
        if (memmem(value.data, value.len, protocol, strlen(protocol)) &&
            http_header_lists(request, "Sec-WebSocket-Protocol", protocol))
            return true;
    }
    return false;
}

static int answer_upgrade(struct conn *conn, const struct http_request *request, const char *chosen)
{
    struct buf *out = &conn->out;
    char accept[WS_ACCEPT_BYTES + 1] = "";

    ws_accept(request, accept);
    int error = http_answer_begin(out, 101, conn->shard->wall_ms);
    if (!error)
        error = http_answer_header(out, "Upgrade", "websocket");
    if (!error)
        error = http_answer_header(out, "Connection", "Upgrade");
    if (!error)
        error = http_answer_header(out, "Sec-WebSocket-Accept", accept);
    if (!error && chosen)
        error = http_answer_header(out, "Sec-WebSocket-Protocol", chosen);
    return error ? error : http_answer_end(out, (struct slice){0}, true, false);
}

/* A client that comes back names its session, as /ws?session=SID: a retry's `cid` then counts as
 * the same user's. What is no sid is passed over, since a browser could not tell a refusal from an
 * outage: the hello says which sid is in force. */
static void take_session(struct conn *conn, const struct http_request *request)
{
    char sid[IDENTITY_SECRET_BYTES + 1];
    int len = http_query(request, "session", sid, sizeof(sid));

    conn_take_sid(conn, slice_make(sid, len > 0 ? (size_t)len : 0));
}

bool conn_upgradable(const struct conn *conn, const struct http_request *request)
{
    const char *why = "";

    return ws_upgrade_status(request, &why) == 101;
}

bool conn_become_websocket(struct conn *conn, const struct ws_limits *limits, const char *chosen)
{
    struct ws *ws = mem_alloc(sizeof(*ws));

    if (!ws || answer_upgrade(conn, http_request(conn->http), chosen) != 0) {
        mem_free(ws);
        return false;
    }
    ws_init(ws, conn->shard->ws_pool, limits);
    conn->ws = ws;
    http_free(conn->http);
    conn->http = NULL;
    conn_proxy_end(conn);
    return true;
}

static void become_native(struct conn *conn, const struct http_request *request)
{
    const char *chosen = offers_protocol(request) ? protocol : NULL;
    struct native_fault fault;

    if (!conn_take_token(conn, request, &fault)) {
        refuse(conn, 401, "unauthorized", fault.message, "WWW-Authenticate: Bearer\r\n");
        return;
    }
    take_session(conn, request);
    if (!conn_become_websocket(conn, &conn->shard->native_limits, chosen)) {
        conn_abort(conn);
        return;
    }
    conn_enter(conn, CONN_NATIVE);
    client_watch_token(&conn->client);
    conn_native_hello(conn);
}

static void become_echo(struct conn *conn)
{
    if (!conn_become_websocket(conn, &conn->shard->echo_limits, NULL)) {
        conn_abort(conn);
        return;
    }
    conn_enter(conn, CONN_ECHO);
    conn->out.max = ECHO_OUT_MAX;
}

static void become_websocket(struct conn *conn, const struct http_request *request, bool native)
{
    if (native)
        become_native(conn, request);
    else
        become_echo(conn);
    if (conn->phase != CONN_NATIVE && conn->phase != CONN_ECHO)
        return;
    conn_start_alive_checks(conn);
    conn_want_flush(conn);
}

static void upgrade(struct conn *conn, const struct http_request *request, bool native)
{
    const char *why = "";
    unsigned status = ws_upgrade_status(request, &why);

    if (conn->shard->stopping)
        refuse(conn, 503, "unavailable", "the server is stopping; try again", NULL);
    else if (status == 426)
        refuse(conn, status, "upgrade_required", why,
               "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
    else if (status == 405)
        refuse(conn, status, "method_not_allowed", why, "Allow: GET\r\n");
    else if (status != 101)
        refuse(conn, status, "bad_request", why, NULL);
    else if (native && !conn_origin_allowed(conn, request))
        refuse(conn, 403, "forbidden", "this Origin may not connect; see the key origins", NULL);
    else
        become_websocket(conn, request, native);
}

void conn_http_answered(struct conn *conn, bool keep_alive)
{
    struct shard *shard = conn->shard;

    /* What the peer has asked before it ended its side may wait in the stash. */
    if (!keep_alive || (conn->peer_done && !conn->stash.len)) {
        conn->peer_done = true;
        conn_finish(conn);
        return;
    }
    http_next(conn->http);
    if (conn->proxy) { /* it is nobody's until the next one has come, and another's then perhaps */
        conn_leave_address(conn);
        client_forget_rates(&conn->client);
    }
    wheel_set(&shard->wheel, &conn->timer, shard->now_ms + (uint64_t)conn->idle_timeout_s * 1000);
    conn_want_flush(conn);
}

static void answer_page(struct conn *conn, const struct http_request *request)
{
    struct shard *shard = conn->shard;
    bool keep_alive = request->keep_alive && !shard->stopping;
    size_t before = conn->out.len;
    int status = pages_answer(&conn->out, request, keep_alive, !shard->stopping, shard->wall_ms);
    struct conn_refusal refusal;

    if (status < 0) {
        conn_abort(conn);
    } else if (conn_status_is_bad((unsigned)status) && !conn_bad_request(conn, &refusal)) {
        conn->out.len = before; /* another answer takes its place */
        conn_answer_refused(conn, &refusal);
    } else {
        conn_http_answered(conn, keep_alive);
    }
}

/* On a proxy's connection each request may be another client's. False: it has been answered. */
static bool take_address(struct conn *conn, const struct http_request *request)
{
    struct conn_refusal refusal;
    struct ip client;

    if (!conn->proxy)
        return true;
    if (!conn_proxy_client(conn, request, &client)) {
        refuse(conn, 400, "bad_request",
               "X-Forwarded-For must list IP addresses, with or without a port", NULL);
        return false;
    }
    if (conn_set_address(conn, &client, request->upgrade, &refusal))
        return true;
    conn_answer_refused(conn, &refusal);
    return false;
}

static void handle(struct conn *conn, const struct http_request *request)
{
    bool conformance = conn->shard->settings->conformance;

    conn->asked = true;
    if (!take_address(conn, request) || conn_metrics_request(conn, request))
        return;
    if (slice_is(request->path, "/ws"))
        upgrade(conn, request, true);
    else if (slice_is(request->path, "/socket.io/"))
        conn_engine_request(conn, conformance ? SESSION_CONFORMANCE : SESSION_CHAT);
    else if (conformance && slice_is(request->path, "/engine.io/"))
        conn_engine_request(conn, SESSION_ECHO);
    else if (api_is_path(request->path) && !slice_is(request->path, "/v1/openapi.json"))
        conn_api_request(conn);
    else if (conformance && slice_is(request->path, "/echo"))
        upgrade(conn, request, false);
    else
        answer_page(conn, request);
}

/* A request that has begun must be whole in time, however slowly its bytes drip. */
static void start_deadline(struct conn *conn, bool was_under_way)
{
    struct shard *shard = conn->shard;

    if (!was_under_way && http_under_way(conn->http))
        wheel_set(&shard->wheel, &conn->timer,
                  shard->now_ms + (uint64_t)shard->settings->handshake_timeout_s * 1000);
}

void conn_http_input(struct conn *conn, struct slice *in)
{
    bool was_under_way = http_under_way(conn->http);
    size_t used = 0;
    enum http_result result = http_feed(conn->http, *in, &used);

    *in = slice_from(*in, used);
    conn_answer_begins(conn);
    switch (result) {
    case HTTP_REQUEST:
        handle(conn, http_request(conn->http));
        conn_answer_ends(conn);
        break;
    case HTTP_FAILED:
        refuse(conn, http_error_status(conn->http), "bad_request", http_error_text(conn->http),
               NULL);
        conn_answer_ends(conn);
        break;
    case HTTP_MORE:
        start_deadline(conn, was_under_way);
        if (http_wants_continue(conn->http)) {
            if (buf_append_str(&conn->out, HTTP_CONTINUE) != 0)
                conn_abort(conn);
            conn_want_flush(conn);
        }
    }
}
