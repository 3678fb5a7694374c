/* conn_native.c - a client's requests in the native dialect, and the answers that come home. */
#include "ringroom/shard/conn.h"
#include "shard_core.h"
#include "ringroom/base/check.h"
#include "ringroom/base/hash.h"

#include <stdlib.h>

static const struct native_fault no_memory = {"unavailable",
                                              "the server is out of memory for now; try again"};
static const struct native_fault not_joined = {"not_joined", "room: join it first"};

/* Replies */

/* Sends what an encoder has left in shard->text. */
static void reply(struct conn *conn, int error)
{
    if (error)
        conn_abort(conn);
    else
        conn_send_frame(conn, WS_TEXT, buf_slice(&conn->shard->text));
}

static void reply_fault(struct conn *conn, struct slice id, const struct native_fault *fault,
                        uint64_t retry_ms)
{
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
    struct native_hello hello = {.sid = slice_make(conn->sid, CONN_SID_BYTES),
                                 .uid = conn_uid(conn),
                                 .ping_ms = (uint64_t)settings->ping_interval_s * 1000,
                                 .max_message = settings->max_message};

    reply(conn, native_hello(shard_text(conn->shard), &hello));
}

/* Members */

static struct member *find_member(struct conn *conn, struct slice room)
{
    list_each(link, &conn->members)
    {
        struct member *member = container_of(link, struct member, in_conn);
        if (slice_equal(view_name(member->view), room))
            return member;
    }
    return NULL;
}

static struct slice shown_name(const struct conn *conn, const struct member *member)
{
    if (member && member->name)
        return slice_of(member->name);
    return conn->name ? slice_of(conn->name) : conn_uid(conn);
}

static char *copy_name(struct slice name)
{
    char *copy = mem_alloc(name.len + 1);

    if (copy) {
        memcpy(copy, name.data, name.len);
        copy[name.len] = '\0';
    }
    return copy;
}

/* A name given with the first room is the connection's, and holds in the rooms to come; one given
 * elsewhere is that room's alone. */
static bool take_name(struct conn *conn, struct member *member, struct slice name)
{
    if (slice_equal(shown_name(conn, member), name))
        return true;
    char *copy = copy_name(name);
    if (!copy)
        return false;
    char **at = conn->rooms == 1 && !member->name ? &conn->name : &member->name;
    mem_free(*at);
    *at = copy;
    return true;
}

/* Of a frame sent in part, the rest goes to `out`, since the log's will not be read any more. */
static bool complete_cut(struct conn *conn, struct member *member)
{
    struct shard *shard = conn->shard;
    struct buf rest;
    struct log_read read;
    int error = 0;

    buf_init(&rest, LOG_ENTRY_MAX_BYTES + conn->out.len);
    while (member->messages.offset && !error) {
        if (log_read(&member->view->room->log, &member->messages, shard->now_ms, shard->plain, 1024,
                     true, &read) != LOG_BYTES)
            error = -1;
        else
            error = buf_append(&rest, shard->plain, read.bytes);
    }
    if (!error)
        error = buf_append(&rest, conn->out.data, conn->out.len);
    if (error) {
        buf_deinit(&rest);
        return false;
    }
    rest.max = conn->out.max > rest.len ? conn->out.max : rest.len + WS_CONTROL_MAX;
    buf_deinit(&conn->out);
    conn->out = rest;
    conn->cut = NULL;
    return true;
}

static void unlink_member(struct member *member)
{
    list_remove(&member->in_view);
    list_remove(&member->in_conn);
    list_remove(&member->dirty);
    member->conn->rooms--;
    member->state = MEMBER_LEAVING;
}

static void leave_room(struct member *member)
{
    struct conn *conn = member->conn;
    bool torn = conn->cut == member && !complete_cut(conn, member);

    unlink_member(member);
    shard_leave(conn->shard, member);
    if (torn)
        conn_abort(conn);
}

void conn_leave_all(struct conn *conn)
{
    /* Not from within the walk: giving up leaves all rooms by itself, and frees what the walk is
     * about to step on. */
    if (conn->cut && !complete_cut(conn, conn->cut)) {
        conn_abort(conn);
        return;
    }

    struct list *link = conn->members.next;

    while (link != &conn->members) {
        struct member *member = container_of(link, struct member, in_conn);
        link = link->next;
        if (member->state == MEMBER_JOINED)
            leave_room(member);
    }
}

static void forget_member(struct member *member)
{
    unlink_member(member);
    view_put(member->view);
    mem_free(member->name);
    mem_free(member);
}

static struct member *member_new(struct conn *conn, struct slice room)
{
    struct member *member = mem_zalloc(sizeof(*member));

    if (!member)
        return NULL;
    member->view = view_get(conn->shard, room);
    if (!member->view) {
        mem_free(member);
        return NULL;
    }
    member->conn = conn;
    list_init(&member->in_view);
    list_init(&member->dirty);
    list_append(&conn->members, &member->in_conn);
    conn->rooms++;
    return member;
}

/* Requests */

/* The next request is read when this one is answered: so requests of one connection take effect in
 * their order, on whichever shards their rooms live. */
static void ask_and_wait(struct conn *conn, uint32_t owner, struct ask *ask)
{
    conn->waiting = true;
    shard_ask(conn->shard, owner, ask);
}

static uint32_t owner_of(struct conn *conn, struct slice room)
{
    return mesh_owner(conn->shard->mesh, hash_bytes(room));
}

/* An ask with what most of them carry; `more` is the bytes of further slices. */
static struct ask *ask_about(struct conn *conn, enum post_kind kind, struct slice id,
                             struct slice room, size_t more)
{
    struct ask *ask = ask_new(kind, conn, id.len + room.len + CONN_UID_BYTES + more);

    if (!ask) {
        reply_fault(conn, id, &no_memory, 0);
        return NULL;
    }
    ask->id = ask_put(ask, id);
    ask->room = ask_put(ask, room);
    ask->uid = ask_put(ask, conn_uid(conn));
    return ask;
}

static void state_again(struct conn *conn, struct member *member,
                        const struct native_request *request)
{
    bool renames = request->name.len > 0;

    if (renames && !take_name(conn, member, request->name)) {
        reply_fault(conn, request->id, &no_memory, 0);
        return;
    }
    struct slice name = shown_name(conn, member);
    struct ask *ask = ask_about(conn, POST_STATE, request->id, request->room, name.len);
    if (!ask)
        return;
    ask->name = ask_put(ask, name);
    ask->renames = renames;
    ask->view = member->view;
    ask_and_wait(conn, member->view->owner, ask);
}

static void join(struct conn *conn, const struct native_request *request)
{
    static const struct native_fault too_many = {"too_many_rooms",
                                                 "this connection is in as many rooms as it may"};
    uint32_t rooms_max = conn->shard->settings->rooms_per_connection;
    struct member *member = find_member(conn, request->room);

    if (member) {
        state_again(conn, member, request);
        return;
    }
    if (rooms_max && conn->rooms >= rooms_max) {
        reply_fault(conn, request->id, &too_many, 0);
        return;
    }
    member = member_new(conn, request->room);
    if (!member || (request->name.len && !take_name(conn, member, request->name))) {
        if (member)
            forget_member(member);
        reply_fault(conn, request->id, &no_memory, 0);
        return;
    }
    struct slice name = shown_name(conn, member);
    struct ask *ask = ask_about(conn, POST_JOIN, request->id, request->room,
                                name.len + request->wish.since_epoch.len);
    if (!ask) {
        forget_member(member);
        return;
    }
    ask->name = ask_put(ask, name);
    ask->wish = request->wish;
    ask->wish.since_epoch = ask_put(ask, request->wish.since_epoch);
    ask->member = member;
    ask->view = member->view;
    ask_and_wait(conn, member->view->owner, ask);
}

static void leave(struct conn *conn, const struct native_request *request)
{
    struct member *member = find_member(conn, request->room);

    if (!member) {
        reply_fault(conn, request->id, &not_joined, 0);
        return;
    }
    leave_room(member);
    if (request->id.len && conn->phase == CONN_NATIVE)
        reply(conn, native_left(shard_text(conn->shard), request->id, request->room));
}

/* The generic cell rate algorithm: *bucket_us is when the bucket would be full again. True where
 * one more may pass; else *ret_retry_ms. */
static bool within_rate(const struct conn *conn, uint64_t *bucket_us, uint64_t *ret_retry_ms)
{
    const struct settings *settings = conn->shard->settings;
    uint64_t now_us = conn->shard->now_us;

    if (!settings->messages_per_second)
        return true;
    uint64_t each_us = 1000000 / settings->messages_per_second;
    uint64_t ahead_max_us = (settings->burst - 1) * each_us;
    uint64_t full_us = *bucket_us > now_us ? *bucket_us : now_us;
    if (full_us - now_us > ahead_max_us) {
        *ret_retry_ms = (full_us - now_us - ahead_max_us) / 1000 + 1;
        return false;
    }
    *bucket_us = full_us + each_us;
    return true;
}

/* A member of the room who is not too fast, or NULL with the refusal sent. */
static struct member *speaker(struct conn *conn, const struct native_request *request,
                              uint64_t *bucket_us)
{
    static const struct native_fault too_fast = {"rate_limited", "too many of these; slow down"};
    struct member *member = find_member(conn, request->room);
    uint64_t retry_ms;

    if (!member) {
        reply_fault(conn, request->id, &not_joined, 0);
        return NULL;
    }
    if (within_rate(conn, bucket_us, &retry_ms))
        return member;
    reply_fault(conn, request->id, &too_fast, retry_ms);
    if (request->op == NATIVE_SEND && ++conn->refusals >= CONN_REFUSALS_MAX)
        conn_close(conn, WS_CODE_RATE, "too many messages");
    return NULL;
}

static void send_message(struct conn *conn, const struct native_request *request)
{
    struct member *member = speaker(conn, request, &conn->sends_us);
    struct buf *text = shard_text(conn->shard);

    if (!member)
        return;
    conn->refusals = 0;
    struct native_body body = {.room = request->room,
                               .from = shown_name(conn, member),
                               .uid = conn_uid(conn),
                               .text_raw = request->text_raw,
                               .data_raw = request->data_raw,
                               .cid = request->cid};
    if (native_body(text, &body) != 0) {
        reply_fault(conn, request->id, &no_memory, 0);
        return;
    }
    /* The encoded body lies in the shard's scratch, which a refusal would overwrite: not before it
     * has been copied. */
    struct ask *ask =
        ask_new(POST_SEND, conn, request->id.len + CONN_UID_BYTES + request->cid.len + text->len);
    if (!ask) {
        reply_fault(conn, request->id, &no_memory, 0);
        return;
    }
    ask->body = ask_put(ask, buf_slice(text));
    ask->id = ask_put(ask, request->id);
    ask->uid = ask_put(ask, conn_uid(conn));
    ask->cid = ask_put(ask, request->cid);
    ask->view = member->view;
    shard_ask(conn->shard, member->view->owner, ask);
}

static void typing(struct conn *conn, const struct native_request *request)
{
    struct member *member = speaker(conn, request, &conn->typing_us);
    struct buf *text = shard_text(conn->shard);

    if (!member)
        return;
    struct ask *ask = NULL;
    if (native_typing(text, request->room, conn_uid(conn), shown_name(conn, member), request->on) ==
        0)
        ask = ask_new(POST_TYPING, conn, request->id.len + text->len);
    if (!ask) {
        reply_fault(conn, request->id, &no_memory, 0);
        return;
    }
    ask->body = ask_put(ask, buf_slice(text));
    ask->id = ask_put(ask, request->id);
    ask->user = conn->user;
    ask->view = member->view;
    shard_ask(conn->shard, member->view->owner, ask);
}

static void look_up(struct conn *conn, const struct native_request *request, enum post_kind kind)
{
    struct ask *ask = ask_about(conn, kind, request->id, request->room, 0);

    if (!ask)
        return;
    ask->range = request->range;
    ask->reply.max = conn_reply_max(conn->shard->settings);
    ask_and_wait(conn, owner_of(conn, request->room), ask);
}

static void act(struct conn *conn, const struct native_request *request)
{
    static const struct native_fault forbidden = {"forbidden",
                                                  "this needs a right that you do not have"};

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
    default:
        reply_fault(conn, request->id, &forbidden, 0);
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
    struct member *member = ask->member;

    member->view->room = ask->owned;
    member->state = MEMBER_JOINED;
    list_append(&member->view->behind, &member->in_view);
    log_cursor_init(&member->messages, ask->cursor);
    member->notices = ask->notices_cursor;
    if (conn->phase != CONN_NATIVE) { /* it has gone meanwhile */
        leave_room(member);
        return;
    }
    reply(conn, native_joined(shard_text(conn->shard), ask->id, &ask->joined));
    if (conn->phase == CONN_NATIVE) {
        list_append(&conn->dirty, &member->dirty);
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
        conn->waiting = false;
    if (ask->post.kind == POST_JOIN && !ask->fault.code)
        joined(conn, ask);
    else if (ask->post.kind == POST_JOIN)
        forget_member(ask->member);
    if (here && ask->fault.code)
        reply_fault(conn, ask->id, &ask->fault, 0);
    else if (here && ask->post.kind != POST_JOIN)
        deliver_answer(conn, ask);
    ask_free(ask);
}
