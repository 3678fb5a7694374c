/* conn_api.c - the HTTP API on a connection: keys, calls, and answers coming home. conn_api_ask.c
 * makes of a call what is sent to a room's owner.
 *
 * One call at a time: nothing more is read of the connection until the answer is there, and no
 * time-out runs. */
#include "conn_api.h"
#include "ringroom/base/hash.h"
#include "ringroom/proto/api_key.h"
#include "ringroom/shard/api.h"
#include "shard_core.h"

/* How the request that is being dealt with is to be answered. */
static struct api_answer how_to_answer(struct conn *conn)
{
    const struct http_request *request = http_request(conn->http);

    return (struct api_answer){.out = &conn->out,
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

void conn_api_say(struct conn *conn, unsigned status, struct slice json)
{
    struct api_answer answer = how_to_answer(conn);

    answered(conn, api_answer(&answer, status, json), answer.keep_alive);
}

static void refuse_for(struct conn *conn, const struct native_fault *fault, const char *where,
                       const char *allow, uint64_t retry_ms)
{
    struct api_answer answer = how_to_answer(conn);

    answered(conn, api_answer_fault(&answer, fault, where, allow, retry_ms), answer.keep_alive);
}

void conn_api_refuse(struct conn *conn, const struct native_fault *fault, const char *where)
{
    refuse_for(conn, fault, where, NULL, 0);
}

static void say_allowed(struct conn *conn, const char *allow)
{
    struct api_answer answer = how_to_answer(conn);

    answered(conn, api_answer_allow(&answer, allow), answer.keep_alive);
}

/* Requests */

static bool has_key(const struct shard *shard, const struct http_request *request)
{
    const struct api_keys *keys = shard->settings->api_keys;

    return keys && api_keys_have(keys, conn_bearer(request));
}

size_t conn_api_body_bytes(void *user, const struct http_request *request)
{
    const struct shard *shard = user;

    return api_is_path(request->path) && has_key(shard, request) ? shard->settings->api_max_body
                                                                 : 0;
}

/* Who has no key is held to what an address may do wrong. */
static void refuse_stranger(struct conn *conn)
{
    static const struct native_fault off = {"not_found",
                                            "the HTTP API is off: the key api.keys names no key"};
    static const struct native_fault who = {"unauthorized",
                                            "this needs an API key, as Authorization: Bearer KEY"};
    bool on = conn->shard->settings->api_keys != NULL;

    if (conn_may_answer(conn, on ? 401 : 404))
        conn_api_refuse(conn, on ? &who : &off, NULL);
}

void conn_api_request(struct conn *conn)
{
    const struct http_request *request = http_request(conn->http);
    struct api_target target;
    struct native_fault fault;

    if (!has_key(conn->shard, request))
        refuse_stranger(conn);
    else if (!api_route(request, &target, &fault))
        refuse_for(conn, &fault, NULL, target.allow, 0);
    else if (target.call == API_OPTIONS)
        say_allowed(conn, target.allow);
    else
        conn_api_call(conn, &target);
}

/* Answers */

/* Where a page of a listing ends: the cursor of the next one. False: there are no more rooms. */
static bool list_goes_on(const struct shard *shard, const struct api_work *work,
                         struct api_cursor *ret_cursor)
{
    *ret_cursor = (struct api_cursor){.shard = work->shard, .from = work->walk.from};
    if (work->walk.done)
        *ret_cursor = (struct api_cursor){.shard = work->shard + 1};
    return ret_cursor->shard < shard->mesh->count;
}

static void say_list(struct conn *conn, struct ask *ask)
{
    struct api_cursor cursor;
    bool more = list_goes_on(conn->shard, ask->api, &cursor);
    struct buf text;

    buf_init(&text, conn_reply_max(conn->shard->settings) + CONN_OUT_HIGH);
    if (api_put_list(&text, buf_slice(&ask->reply), more ? &cursor : NULL) != 0)
        conn_api_refuse(conn, &fault_no_memory, NULL);
    else
        conn_api_say(conn, 200, buf_slice(&text));
    buf_deinit(&text);
}

static void say_disconnected(struct conn *conn, const struct ask *ask)
{
    struct buf *text = shard_text(conn->shard);

    if (api_put_disconnected(text, ask->api->disconnected) != 0)
        conn_api_refuse(conn, &fault_no_memory, NULL);
    else
        conn_api_say(conn, 200, buf_slice(text));
}

static void deliver(struct conn *conn, struct ask *ask)
{
    if (ask->fault.code)
        refuse_for(conn, &ask->fault, NULL, NULL, ask->retry_ms);
    else if (ask->post.kind == POST_LIST)
        say_list(conn, ask);
    else if (ask->post.kind == POST_DISCONNECT)
        say_disconnected(conn, ask);
    else
        conn_api_say(conn, ask->api->created ? 201 : 200, buf_slice(&ask->reply));
}

/* To the next shard, where there is one and the page has room and time left. */
static bool sent_on(struct conn *conn, struct ask *ask)
{
    struct shard *shard = conn->shard;
    struct api_work *work = ask->api;

    if (ask->fault.code || work->shard + 1 >= shard->mesh->count)
        return false;
    if (ask->post.kind == POST_LIST) {
        if (!work->walk.done || !work->left || !work->walk.steps || conn->phase != CONN_HTTP)
            return false;
        work->walk = (struct table_walk){.steps = work->walk.steps};
    } else if (ask->post.kind != POST_DISCONNECT) {
        return false;
    }
    work->shard++;
    ask->post.answered = false;
    shard_ask(shard, work->shard, ask);
    return true;
}

void conn_api_answer(struct conn *conn, struct ask *ask)
{
    if (sent_on(conn, ask))
        return;
    conn->client.waiting = conn->calling = false;
    if (conn->phase == CONN_HTTP)
        deliver(conn, ask);
    ask_free(ask);
}
