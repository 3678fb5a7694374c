/* conn_api_ask.c - a call of the HTTP API made into an ask. */
#include "conn_api.h"
#include "ringroom/base/check.h"
#include "ringroom/base/hash.h"
#include "ringroom/shard/api.h"
#include "shard_core.h"

#include <errno.h>
#include <stdio.h>

/* An ask about the path's room or user; `bytes` and `extra` for what else it and its work hold.
 * NULL where memory has run out, and the request has been told so. */
static struct ask *ask_for(struct conn *conn, enum post_kind kind, const struct api_target *target,
                           size_t bytes, size_t extra)
{
    struct api_work *work = mem_zalloc(sizeof(*work) + extra);
    struct ask *ask =
        work ? ask_new(kind, &conn->client, target->room_len + (size_t)target->uid_len + bytes)
             : NULL;

    if (!ask) {
        mem_free(work);
        conn_api_refuse(conn, &fault_no_memory, NULL);
        return NULL;
    }
    ask->api = work;
    ask->room = ask_put(ask, slice_make(target->room, target->room_len));
    ask->target = ask_put(ask, slice_make(target->uid, target->uid_len));
    ask->moderator = true;
    ask->reply.max = conn_reply_max(conn->shard->settings);
    return ask;
}

static void send_to(struct conn *conn, uint32_t shard, struct ask *ask)
{
    conn->client.waiting = conn->calling = true;
    wheel_cancel(&conn->shard->wheel, &conn->timer);
    shard_ask(conn->shard, shard, ask);
}

/* To the room's owner. */
static void send_off(struct conn *conn, struct ask *ask)
{
    send_to(conn, mesh_owner(conn->shard->mesh, hash_bytes(ask->room)), ask);
}

/* The body as a tree. False: refused. Deinit where true. */
static bool load_body(struct conn *conn, struct api_body *ret_body)
{
    static const struct native_fault no_json = {"unsupported_media_type",
                                                "Content-Type: must be application/json"};
    const struct http_request *request = http_request(conn->http);
    struct native_fault fault = no_json;

    if (api_is_json(request) && api_body_load(request->body, ret_body, &fault))
        return true;
    conn_api_refuse(conn, &fault, NULL);
    return false;
}

/* Publishing */

/* The bodies of all messages as the room's log will have them, end to end. */
static int encode(const struct api_target *target, const struct api_messages *messages,
                  struct buf *out, size_t *ends)
{
    int error = 0;

    for (size_t i = 0; i < messages->count && !error; i++) {
        const struct api_message *message = &messages->list[i];
        struct native_body body = {.room = slice_make(target->room, target->room_len),
                                   .from = message->from,
                                   .uid = message->uid,
                                   .text_raw = message->text_raw,
                                   .data_raw = message->data_raw,
                                   .cid = message->cid};
        error = native_body(out, &body);
        ends[i] = out->len;
    }
    return error;
}

static size_t bytes_of_names(const struct api_messages *messages)
{
    size_t bytes = 0;

    for (size_t i = 0; i < messages->count; i++)
        bytes += messages->list[i].uid.len + messages->list[i].cid.len;
    return bytes;
}

static void fill(struct ask *ask, const struct api_messages *messages, struct slice bodies,
                 const size_t *ends)
{
    struct api_work *work = ask->api;

    work->array = messages->array;
    work->count = messages->count;
    work->messages = (struct room_batch_message *)(work + 1);
    work->bodies = (struct slice *)(work->messages + work->count);
    bodies = ask_put(ask, bodies);
    for (size_t i = 0; i < work->count; i++) {
        size_t start = i ? ends[i - 1] : 0;
        work->bodies[i] = slice_make(bodies.data + start, ends[i] - start);
        work->messages[i].uid = ask_put(ask, messages->list[i].uid);
        work->messages[i].cid = ask_put(ask, messages->list[i].cid);
    }
}

static void publish_messages(struct conn *conn, const struct api_target *target,
                             const struct api_messages *messages, size_t body_bytes)
{
    size_t ends[API_MESSAGES_MAX];
    struct buf bodies;

    /* Raw JSON goes on as it is, other text gets no longer than it was; the room's name comes to
     * each message, escaped, and the keys. */
    buf_init(&bodies, body_bytes + messages->count * (2 * (size_t)ROOM_NAME_MAX + 256));
    int error = encode(target, messages, &bodies, ends);
    struct ask *ask = NULL;
    if (error)
        conn_api_refuse(conn, &fault_no_memory, NULL);
    else
        ask = ask_for(conn, POST_PUBLISH, target, bodies.len + bytes_of_names(messages),
                      messages->count * (sizeof(struct slice) + sizeof(struct room_batch_message)));
    if (ask) {
        fill(ask, messages, buf_slice(&bodies), ends);
        buf_release(&bodies);
        send_off(conn, ask);
    }
    buf_deinit(&bodies);
}

static void publish(struct conn *conn, const struct api_target *target)
{
    struct api_messages messages;
    struct api_body body;
    struct native_fault fault;
    char where[32] = "";

    if (!load_body(conn, &body))
        return;
    if (api_parse_messages(&body, conn->shard->settings->max_message, &messages, &fault)) {
        publish_messages(conn, target, &messages, body.text.len);
    } else {
        if (messages.wrong != SIZE_MAX)
            snprintf(where, sizeof(where), "[%zu] ", messages.wrong);
        conn_api_refuse(conn, &fault, where);
    }
    api_messages_deinit(&messages);
    api_body_deinit(&body);
}

/* Rooms */

static void ask_room(struct conn *conn, const struct api_target *target, enum post_kind kind)
{
    struct ask *ask = ask_for(conn, kind, target, 0, 0);

    if (!ask)
        return;
    ask->number = target->seq;
    send_off(conn, ask);
}

static void put(struct conn *conn, const struct api_target *target)
{
    struct room_own own = {.members_max = ROOM_MEMBERS_BY_RULE};
    struct native_fault fault;
    struct api_body body = {0};
    struct ask *ask = NULL;

    /* Without a body: all by the rules. */
    if (http_request(conn->http)->body.len && !load_body(conn, &body))
        return;
    if (body.json && !api_parse_limits(&body, &own, &fault))
        conn_api_refuse(conn, &fault, NULL);
    else
        ask = ask_for(conn, POST_PUT, target, 0, 0);
    api_body_deinit(&body);
    if (!ask)
        return;
    ask->api->own = own;
    send_off(conn, ask);
}

static void history(struct conn *conn, const struct api_target *target)
{
    struct native_range range;
    struct native_fault fault;

    if (!api_parse_history(http_request(conn->http), &range, &fault)) {
        conn_api_refuse(conn, &fault, NULL);
        return;
    }
    struct ask *ask = ask_for(conn, POST_HISTORY, target, 0, 0);
    if (!ask)
        return;
    ask->range = range;
    send_off(conn, ask);
}

static void list(struct conn *conn, const struct api_target *target)
{
    static const struct native_fault wrong = {
        "bad_request", "cursor: is none that this server has given since it started"};
    struct api_list list;
    struct native_fault fault = wrong;

    if (!api_parse_list(http_request(conn->http), &list, &fault) ||
        list.cursor.shard >= conn->shard->mesh->count) {
        conn_api_refuse(conn, &fault, NULL);
        return;
    }
    struct ask *ask = ask_for(conn, POST_LIST, target, list.prefix_len, 0);
    if (!ask)
        return;
    struct api_work *work = ask->api;
    work->prefix = ask_put(ask, slice_make(list.prefix, list.prefix_len));
    work->shard = list.cursor.shard;
    work->walk = (struct table_walk){.from = list.cursor.from, .steps = API_WALK_STEPS_MAX};
    work->left = list.limit;
    send_to(conn, work->shard, ask);
}

/* Users */

static void sanction(struct conn *conn, const struct api_target *target, enum post_kind kind)
{
    struct native_fault fault;
    struct api_body body;
    struct slice uid;
    uint64_t seconds;
    struct ask *ask = NULL;

    if (!load_body(conn, &body))
        return;
    if (!api_parse_sanction(&body, kind == POST_MUTE, &uid, &seconds, &fault))
        conn_api_refuse(conn, &fault, NULL);
    else
        ask = ask_for(conn, kind, target, uid.len, 0);
    if (ask) {
        ask->target = ask_put(ask, uid);
        ask->seconds = seconds;
    }
    api_body_deinit(&body);
    if (ask)
        send_off(conn, ask);
}

static void disconnect(struct conn *conn, const struct api_target *target)
{
    struct ask *ask = ask_for(conn, POST_DISCONNECT, target, 0, 0);

    if (ask)
        send_to(conn, 0, ask);
}

static void say_token(struct conn *conn, struct token_grant *grant, uint64_t ttl_s)
{
    static const struct native_fault no_key = {"forbidden",
                                               "auth.keys: has no key to sign tokens with"};
    static const struct native_fault too_long = {
        "bad_request", "rooms: the token would have more than 8192 bytes; use patterns"};
    const struct token_keys *keys = conn->shard->settings->token_keys;
    struct buf token, text;

    grant->iat_s = conn->shard->wall_ms / 1000;
    grant->exp_s = grant->iat_s + ttl_s;
    buf_init(&token, TOKEN_TEXT_MAX);
    buf_init(&text, TOKEN_TEXT_MAX + 128);
    int error = keys ? token_mint(keys, (struct slice){0}, grant, &token) : -ENOKEY;
    if (!error)
        error = api_put_token(&text, buf_slice(&token), grant->exp_s);
    if (!error)
        conn_api_say(conn, 200, buf_slice(&text));
    else
        conn_api_refuse(conn,
                        error == -ENOBUFS                      ? &too_long
                        : error == -ENOKEY || error == -ENOENT ? &no_key
                                                               : &fault_no_memory,
                        NULL);
    buf_deinit(&token);
    buf_deinit(&text);
}

static void mint(struct conn *conn)
{
    struct token_rule rules[TOKEN_ROOMS_MAX];
    struct token_grant grant;
    struct native_fault fault;
    struct api_body body;
    uint64_t ttl_s;

    if (!load_body(conn, &body))
        return;
    if (api_parse_token(&body, rules, &grant, &ttl_s, &fault))
        say_token(conn, &grant, ttl_s);
    else
        conn_api_refuse(conn, &fault, NULL);
    api_body_deinit(&body);
}

void conn_api_call(struct conn *conn, const struct api_target *target)
{
    switch (target->call) {
    case API_LIST:
        list(conn, target);
        break;
    case API_STATE:
        ask_room(conn, target, POST_LOOK);
        break;
    case API_PUT:
        put(conn, target);
        break;
    case API_CLOSE:
        ask_room(conn, target, POST_CLOSE);
        break;
    case API_PUBLISH:
        publish(conn, target);
        break;
    case API_HISTORY:
        history(conn, target);
        break;
    case API_DELETE:
        ask_room(conn, target, POST_DELETE);
        break;
    case API_MEMBERS:
        ask_room(conn, target, POST_MEMBERS);
        break;
    case API_KICK:
        sanction(conn, target, POST_KICK);
        break;
    case API_MUTE:
        sanction(conn, target, POST_MUTE);
        break;
    case API_DISCONNECT:
        disconnect(conn, target);
        break;
    case API_TOKEN:
        mint(conn);
        break;
    case API_OPTIONS:
        CHECK(!"answered before");
    }
}
