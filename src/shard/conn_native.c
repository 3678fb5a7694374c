/* conn_native.c - a client's requests in the native dialect, and the answers that come home. */
#include "ringroom/shard/conn.h"
#include "shard_core.h"

/* Replies */

/* Sends what an encoder has left in the shard's scratch. */
static void reply(struct conn *conn, int error)
{
    client_say(&conn->client, error);
}

static void reply_fault(struct conn *conn, struct slice id, const struct native_fault *fault,
                        uint64_t retry_ms)
{
    metrics_count_by(conn->shard->metrics, METRIC_ERROR_BAD_JSON, fault->code);
    reply(conn, native_error(shard_text(conn->shard), id, fault, retry_ms));
}

static void reply_done(struct conn *conn, struct slice id)
{
    if (id.len)
        reply(conn, native_done(shard_text(conn->shard), id));
}

void conn_native_hello(struct conn *conn)
{
    const struct settings *settings = conn->shard->settings;
    struct native_hello hello = {.sid = slice_make(conn->sid, IDENTITY_SECRET_BYTES),
                                 .uid = client_uid(&conn->client),
                                 .ping_ms = (uint64_t)conn->ping_interval_s * 1000,
                                 .max_message = settings->max_message};

    reply(conn, native_hello(shard_text(conn->shard), &hello));
}

/* Requests */

static void join(struct conn *conn, const struct native_request *request)
{
    struct client_wish wish = {
        .id = request->id, .room = request->room, .name = request->name, .at = request->wish};
    struct native_fault fault;

    if (!client_join(&conn->client, &wish, &fault))
        reply_fault(conn, request->id, &fault, 0);
}

static void leave(struct conn *conn, const struct native_request *request)
{
    struct native_fault fault;

    if (!client_leave(&conn->client, request->room, &fault))
        reply_fault(conn, request->id, &fault, 0);
    else if (request->id.len && conn->phase == CONN_NATIVE)
        reply(conn, native_left(shard_text(conn->shard), request->id, request->room));
}

/* A member of the room who is not too fast, or NULL with the refusal sent. */
static struct member *speaker(struct conn *conn, const struct native_request *request,
                              enum client_rate rate)
{
    struct client *client = &conn->client;
    struct member *member = client_find_member(client, request->room);
    uint64_t retry_ms;

    if (!member) {
        reply_fault(conn, request->id, &fault_not_joined, 0);
        return NULL;
    }
    if (client_within_rate(client, rate, &retry_ms))
        return member;
    reply_fault(conn, request->id, &fault_too_fast, retry_ms);
    if (rate == CLIENT_SENDS)
        client_was_too_fast(client);
    return NULL;
}

static void send_message(struct conn *conn, const struct native_request *request)
{
    struct member *member = speaker(conn, request, CLIENT_SENDS);
    struct client_message message = {.id = request->id,
                                     .text_raw = request->text_raw,
                                     .data_raw = request->data_raw,
                                     .cid = request->cid};
    struct native_fault fault;

    if (!member)
        return;
    if (!client_send(&conn->client, member, &message, &fault))
        reply_fault(conn, request->id, &fault, 0);
}

static void typing(struct conn *conn, const struct native_request *request)
{
    struct member *member = speaker(conn, request, CLIENT_TYPING);
    struct native_fault fault;

    if (member &&
        !client_typing(&conn->client, member, request->id, (struct slice){0}, request->on, &fault))
        reply_fault(conn, request->id, &fault, 0);
}

static void look_up(struct conn *conn, const struct native_request *request, enum post_kind kind)
{
    struct native_fault fault;

    if (!client_look_up(&conn->client, kind, request->id, request->room, &request->range, &fault))
        reply_fault(conn, request->id, &fault, 0);
}

static void measure(struct conn *conn, const struct native_request *request, enum post_kind kind)
{
    struct client_measure wanted = {.kind = kind,
                                    .id = request->id,
                                    .room = request->room,
                                    .number = request->seq,
                                    .target = request->uid,
                                    .seconds = request->seconds};
    struct native_fault fault;

    if (!client_measure(&conn->client, &wanted, &fault))
        reply_fault(conn, request->id, &fault, 0);
}

static void take_token(struct conn *conn, const struct native_request *request)
{
    struct native_fault fault;

    if (!client_take_token(&conn->client, request->token, &fault)) {
        reply_fault(conn, request->id, &fault, 0);
        client_bad_token(&conn->client, &fault);
        return;
    }
    if (conn->phase != CONN_NATIVE) /* leaving what it may no longer read was too much */
        return;
    client_watch_token(&conn->client);
    reply_done(conn, request->id);
}

/* Those that make work for others, and are counted together. Who leaves makes less of it; a ping
 * costs no more than its answer. */
static bool is_counted(enum native_op op)
{
    return op != NATIVE_SEND && op != NATIVE_TYPING && op != NATIVE_LEAVE && op != NATIVE_PING;
}

static void act(struct conn *conn, const struct native_request *request)
{
    static const struct native_fault who = {"unauthorized", "send your token first, by `auth`"};
    uint64_t retry_ms;

    if (!conn->client.who.uid_len && request->op != NATIVE_AUTH && request->op != NATIVE_PING) {
        reply_fault(conn, request->id, &who, 0);
        return;
    }
    if (is_counted(request->op) && !client_within_rate(&conn->client, CLIENT_REQUESTS, &retry_ms)) {
        reply_fault(conn, request->id, &fault_too_fast, retry_ms);
        client_was_too_fast(&conn->client);
        return;
    }
    switch (request->op) {
    case NATIVE_JOIN:
        join(conn, request);
        break;
    case NATIVE_LEAVE:
        leave(conn, request);
        break;
    case NATIVE_SEND:
        send_message(conn, request);
        break;
    case NATIVE_HISTORY:
        look_up(conn, request, POST_HISTORY);
        break;
    case NATIVE_MEMBERS:
        look_up(conn, request, POST_MEMBERS);
        break;
    case NATIVE_TYPING:
        typing(conn, request);
        break;
    case NATIVE_PING:
        reply(conn, native_pong(shard_text(conn->shard), request->id));
        break;
    case NATIVE_DELETE:
        measure(conn, request, POST_DELETE);
        break;
    case NATIVE_KICK:
        measure(conn, request, POST_KICK);
        break;
    case NATIVE_MUTE:
        measure(conn, request, POST_MUTE);
        break;
    case NATIVE_CLOSE:
        measure(conn, request, POST_CLOSE);
        break;
    case NATIVE_AUTH:
        take_token(conn, request);
        break;
    }
}

void conn_native_request(struct conn *conn, struct slice text)
{
    struct native_request request;
    struct native_fault fault;

    if (native_parse(text, &request, &fault))
        act(conn, &request);
    else
        reply_fault(conn, request.id, &fault, 0);
    native_request_deinit(&request);
}

/* Answers */

static void joined(struct conn *conn, struct ask *ask)
{
    struct member *member = client_joined(&conn->client, ask, conn->phase == CONN_NATIVE);

    if (!member)
        return;
    reply(conn, native_joined(shard_text(conn->shard), ask->id, &ask->joined));
    if (conn->phase == CONN_NATIVE) {
        list_append(&conn->client.dirty, &member->dirty);
        conn_want_flush(conn);
    }
}

static void deliver_answer(struct conn *conn, struct ask *ask)
{
    struct buf *text = shard_text(conn->shard);

    switch (ask->post.kind) {
    case POST_STATE:
        reply(conn, native_joined(text, ask->id, &ask->joined));
        break;
    case POST_SEND:
        if (ask->id.len)
            reply(conn,
                  native_ack(text, ask->id, view_name(ask->view), ask->seq, ask->ts_ms, ask->dup));
        break;
    case POST_TYPING:
    case POST_DELETE:
    case POST_KICK:
    case POST_MUTE:
    case POST_CLOSE:
        reply_done(conn, ask->id);
        break;
    default:
        conn_send_frame(conn, WS_TEXT, buf_slice(&ask->reply));
    }
}

void conn_native_answer(struct conn *conn, struct ask *ask)
{
    bool here = conn->phase == CONN_NATIVE;

    if (ask->post.kind != POST_SEND && ask->post.kind != POST_TYPING)
        conn->client.waiting = false;
    if (ask->post.kind == POST_JOIN)
        joined(conn, ask);
    else if (ask->post.kind == POST_STATE)
        client_stated(ask);
    if (here && ask->fault.code)
        reply_fault(conn, ask->id, &ask->fault, ask->retry_ms);
    else if (here && ask->post.kind != POST_JOIN)
        deliver_answer(conn, ask);
    ask_free(ask);
}
