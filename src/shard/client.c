/* client.c - what a client asks of rooms, whatever its dialect and carrier. */
#include "ringroom/shard/client.h"
#include "shard_core.h"
#include "ringroom/base/check.h"
#include "ringroom/base/hash.h"
#include "ringroom/shard/session.h"
#include "ringroom/wire/ws.h"

const struct native_fault fault_no_memory = {"unavailable",
                                             "the server is out of memory for now; try again"};
const struct native_fault fault_not_joined = {"not_joined", "room: join it first"};
static const struct native_fault fault_may_not_write = {"forbidden",
                                                        "room: you may not write there"};
const struct native_fault fault_too_fast = {"rate_limited", "too many of these; slow down"};

/* Identity */

void client_init(struct client *client, struct shard *shard, const struct client_carrier *carrier)
{
    *client = (struct client){.carrier = carrier, .shard = shard};
    list_init(&client->members);
    list_init(&client->dirty);
    timer_init(&client->expiry, client_expiry_fired);
}

void client_deinit(struct client *client)
{
    CHECK(!timer_is_set(&client->expiry));
    identity_deinit(&client->who);
}

struct slice client_name(const struct client *client, const struct member *member)
{
    if (client->who.token && client->who.token->name.len)
        return client->who.token->name;
    if (member && member->name)
        return slice_of(member->name);
    return client->who.name ? slice_of(client->who.name) : (struct slice){0};
}

/* Who gave no name is shown by the uid, or by the socket's id. */
static struct slice shown_name(const struct client *client, const struct member *member)
{
    struct slice name = client_name(client, member);

    if (name.len)
        return name;
    return client->session ? slice_make(client->session->id, SESSION_ID_BYTES) : client_uid(client);
}

/* A token's name wins over one that comes with a message. */
static struct slice author_name(const struct client *client, const struct member *member,
                                struct slice given)
{
    bool fixed = client->who.token && client->who.token->name.len;

    return given.len && !fixed ? given : shown_name(client, member);
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

/* A name given with the first room is the client's, and holds in the rooms to come; one given
 * elsewhere is that room's alone. */
static bool take_name(struct client *client, struct member *member, struct slice name)
{
    if (slice_equal(shown_name(client, member), name))
        return true;
    char *copy = copy_name(name);
    if (!copy)
        return false;
    char **at = client->rooms == 1 && !member->name ? &client->who.name : &member->name;
    mem_free_wiped(*at);
    *at = copy;
    return true;
}

void client_say(struct client *client, int error)
{
    if (error)
        client->carrier->abort(client);
    else
        client->carrier->text(client, buf_slice(&client->shard->text));
}

/* Members */

struct member *client_find_member(struct client *client, struct slice room)
{
    list_each(link, &client->members)
    {
        struct member *member = container_of(link, struct member, in_client);
        if (slice_equal(view_name(member->view), room))
            return member;
    }
    return NULL;
}

static void unlink_member(struct member *member)
{
    list_remove(&member->in_view);
    list_remove(&member->in_client);
    list_remove(&member->dirty);
    member->client->rooms--;
    member->state = MEMBER_LEAVING;
}

static void leave_room(struct member *member, bool lost)
{
    struct client *client = member->client;
    bool settled = client->carrier->leaving(client, member);

    unlink_member(member);
    member->lost = lost;
    shard_leave(client->shard, member);
    if (!settled)
        client->carrier->abort(client);
}

static struct member *first_joined(const struct client *client)
{
    list_each(link, &client->members)
    {
        struct member *member = container_of(link, struct member, in_client);
        if (member->state == MEMBER_JOINED)
            return member;
    }
    return NULL;
}

void client_leave_all(struct client *client, bool lost)
{
    client->lost = lost;
    /* From the front each time: giving up within leaving leaves all rooms by itself. */
    for (struct member *member; (member = first_joined(client));)
        leave_room(member, client->lost);
}

bool client_is_lost(uint16_t code)
{
    return code != WS_CODE_UNAUTHORIZED && code != WS_CODE_RATE && code != WS_CODE_KICKED;
}

static void forget_member(struct member *member)
{
    unlink_member(member);
    member_free(member);
}

static struct member *member_new(struct client *client, struct slice room)
{
    struct member *member = mem_zalloc(sizeof(*member));

    if (!member)
        return NULL;
    member->view = view_get(client->shard, room);
    if (!member->view) {
        mem_free(member);
        return NULL;
    }
    member->client = client;
    list_init(&member->in_view);
    list_init(&member->dirty);
    list_append(&client->members, &member->in_client);
    client->rooms++;
    return member;
}

/* Asking */

/* The next request is acted on when this one is answered: so requests of one client take effect in
 * their order, on whichever shards their rooms live. */
static void ask_and_wait(struct client *client, uint32_t owner, struct ask *ask)
{
    client->waiting = true;
    shard_ask(client->shard, owner, ask);
}

/* An ask with what most of them carry; `more` is the bytes of further slices. */
static struct ask *ask_about(struct client *client, enum post_kind kind, struct slice id,
                             struct slice room, size_t more, struct native_fault *ret_fault)
{
    struct ask *ask = ask_new(kind, client, id.len + room.len + client->who.uid_len + more);

    if (!ask) {
        *ret_fault = fault_no_memory;
        return NULL;
    }
    ask->id = ask_put(ask, id);
    ask->room = ask_put(ask, room);
    ask->uid = ask_put(ask, client_uid(client));
    return ask;
}

static bool state_again(struct client *client, struct member *member,
                        const struct client_wish *wish, struct native_fault *ret_fault)
{
    bool renames = wish->name.len > 0;

    if (renames && !take_name(client, member, wish->name)) {
        *ret_fault = fault_no_memory;
        return false;
    }
    struct slice name = shown_name(client, member);
    struct ask *ask = ask_about(client, POST_STATE, wish->id, wish->room, name.len, ret_fault);
    if (!ask)
        return false;
    ask->name = ask_put(ask, name);
    ask->renames = renames;
    ask->view = member->view;
    ask->member = member;
    ask_and_wait(client, member->view->owner, ask);
    return true;
}

bool client_join(struct client *client, const struct client_wish *wish,
                 struct native_fault *ret_fault)
{
    static const struct native_fault may_not = {"forbidden", "room: you may not read it"};
    uint32_t rooms_max = client->shard->settings->rooms_per_connection;
    struct member *member = client_find_member(client, wish->room);

    if (!client_may(client, wish->room, TOKEN_READ)) {
        *ret_fault = may_not;
        return false;
    }
    if (member)
        return state_again(client, member, wish, ret_fault);
    if (rooms_max && client->rooms >= rooms_max) {
        metrics_count(client->shard->metrics, METRIC_LIMITED_ROOMS_PER_CONNECTION);
        *ret_fault = (struct native_fault){"too_many_rooms",
                                           "this connection is in as many rooms as it may"};
        return false;
    }
    member = member_new(client, wish->room);
    if (!member || (wish->name.len && !take_name(client, member, wish->name))) {
        if (member)
            forget_member(member);
        *ret_fault = fault_no_memory;
        return false;
    }
    struct slice name = shown_name(client, member);
    struct ask *ask = ask_about(client, POST_JOIN, wish->id, wish->room,
                                name.len + wish->at.since_epoch.len, ret_fault);
    if (!ask) {
        forget_member(member);
        return false;
    }
    ask->name = ask_put(ask, name);
    ask->wish = wish->at;
    ask->wish.since_epoch = ask_put(ask, wish->at.since_epoch);
    ask->projected = member->projected = client->session != NULL;
    ask->member = member;
    ask->view = member->view;
    ask_and_wait(client, member->view->owner, ask);
    return true;
}

struct member *client_joined(struct client *client, struct ask *ask, bool stays)
{
    struct member *member = ask->member;

    if (ask->fault.code) {
        forget_member(member);
        return NULL;
    }
    member->view->room = ask->owned;
    member->state = MEMBER_JOINED;
    list_append(&member->view->behind, &member->in_view);
    log_cursor_init(&member->messages, ask->cursor);
    member->notices = ask->notices_cursor;
    if (stays)
        return member;
    leave_room(member, client->lost);
    return NULL;
}

void client_stated(struct ask *ask)
{
    static const struct native_fault left = {"unavailable",
                                             "room: you were made to leave it just now; try again"};

    if (!ask->fault.code && ask->member->state != MEMBER_JOINED)
        ask->fault = left;
}

bool client_leave(struct client *client, struct slice room, struct native_fault *ret_fault)
{
    struct member *member = client_find_member(client, room);

    if (member) {
        leave_room(member, false);
        return true;
    }
    *ret_fault = fault_not_joined;
    return false;
}

/* The generic cell rate algorithm. */
bool client_within_rate(struct client *client, enum client_rate rate, uint64_t *ret_retry_ms)
{
    const struct settings *settings = client->shard->settings;
    bool requests = rate == CLIENT_REQUESTS;
    uint32_t per_second = requests ? settings->requests_per_second : settings->messages_per_second;
    uint32_t burst = requests ? settings->requests_burst : settings->burst;
    uint64_t *bucket_us = &client->full_us[rate], now_us = client->shard->now_us;

    if (per_second) {
        uint64_t each_us = 1000000 / per_second;
        uint64_t ahead_max_us = (burst - 1) * each_us;
        uint64_t full_us = *bucket_us > now_us ? *bucket_us : now_us;
        if (full_us - now_us > ahead_max_us) {
            metrics_count(client->shard->metrics, requests ? METRIC_LIMITED_REQUESTS_PER_SECOND
                                                           : METRIC_LIMITED_MESSAGES_PER_SECOND);
            *ret_retry_ms = (full_us - now_us - ahead_max_us + 999) / 1000;
            return false;
        }
        *bucket_us = full_us + each_us;
    }
    if (rate != CLIENT_TYPING)
        client->refusals = 0;
    return true;
}

void client_forget_rates(struct client *client)
{
    memset(client->full_us, 0, sizeof(client->full_us));
    client->refusals = 0;
}

void client_was_too_fast(struct client *client)
{
    if (++client->refusals >= CLIENT_REFUSALS_MAX)
        client->carrier->end(client, WS_CODE_RATE, "too many requests");
}

bool client_send(struct client *client, struct member *member, const struct client_message *message,
                 struct native_fault *ret_fault)
{
    struct buf *text = shard_text(client->shard);
    struct native_body body = {.room = view_name(member->view),
                               .from = author_name(client, member, message->from),
                               .uid = client_uid(client),
                               .text_raw = message->text_raw,
                               .data_raw = message->data_raw,
                               .cid = message->cid};

    if (!client_may(client, view_name(member->view), TOKEN_WRITE)) {
        *ret_fault = fault_may_not_write;
        return false;
    }
    *ret_fault = fault_no_memory;
    if (native_body(text, &body) != 0)
        return false;
    /* The encoded body lies in the shard's scratch, which a refusal would overwrite: not before it
     * has been copied. */
    struct ask *ask = ask_new(POST_SEND, client,
                              message->id.len + client->who.uid_len + message->cid.len + text->len);
    if (!ask)
        return false;
    ask->body = ask_put(ask, buf_slice(text));
    ask->id = ask_put(ask, message->id);
    ask->uid = ask_put(ask, client_uid(client));
    ask->cid = ask_put(ask, message->cid);
    ask->view = member->view;
    shard_ask(client->shard, member->view->owner, ask);
    return true;
}

bool client_typing(struct client *client, struct member *member, struct slice id, struct slice from,
                   bool on, struct native_fault *ret_fault)
{
    struct buf *text = shard_text(client->shard);
    struct ask *ask = NULL;

    if (!client_may(client, view_name(member->view), TOKEN_WRITE)) {
        *ret_fault = fault_may_not_write;
        return false;
    }
    if (!from.len)
        from = shown_name(client, member);
    if (native_typing(text, view_name(member->view), client_uid(client), from, on) == 0)
        ask = ask_new(POST_TYPING, client, id.len + client->who.uid_len + text->len);
    if (!ask) {
        *ret_fault = fault_no_memory;
        return false;
    }
    ask->body = ask_put(ask, buf_slice(text));
    ask->id = ask_put(ask, id);
    ask->uid = ask_put(ask, client_uid(client));
    ask->user = client->who.user;
    ask->view = member->view;
    shard_ask(client->shard, member->view->owner, ask);
    return true;
}

bool client_measure(struct client *client, const struct client_measure *measure,
                    struct native_fault *ret_fault)
{
    static const struct native_fault may_not = {"forbidden",
                                                "this needs a right that you do not have"};
    bool moderator = client_may(client, measure->room, TOKEN_MODERATE);

    /* What one has written oneself may be deleted: the owner knows the author. Not by who may not
     * read the room: the answer tells whether it is there. */
    if (!moderator &&
        (measure->kind != POST_DELETE || !client_may(client, measure->room, TOKEN_READ))) {
        *ret_fault = may_not;
        return false;
    }
    struct ask *ask = ask_about(client, measure->kind, measure->id, measure->room,
                                measure->target.len, ret_fault);
    if (!ask)
        return false;
    ask->target = ask_put(ask, measure->target);
    ask->moderator = moderator;
    ask->number = measure->number;
    ask->seconds = measure->seconds;
    ask_and_wait(client, mesh_owner(client->shard->mesh, hash_bytes(measure->room)), ask);
    return true;
}

void client_expel(struct member *member, const char *reason)
{
    struct client *client = member->client;
    struct slice name = view_name(member->view);
    char room[ROOM_NAME_MAX];

    memcpy(room, name.data, name.len); /* leaving may free the view, and writes to the scratch */
    name = slice_make(room, name.len);
    leave_room(member, false);
    struct buf *text = shard_text(client->shard);
    int error = client->session ? session_put_closed(text, name, reason)
                                : native_closed(text, name, reason);
    client_say(client, error);
}

bool client_look_up(struct client *client, enum post_kind kind, struct slice id, struct slice room,
                    const struct native_range *range, struct native_fault *ret_fault)
{
    if (!client_may(client, room, TOKEN_READ)) {
        *ret_fault = (struct native_fault){"forbidden", "room: you may not read it"};
        return false;
    }
    struct ask *ask = ask_about(client, kind, id, room, 0, ret_fault);
    if (!ask)
        return false;
    ask->range = *range;
    ask->reply.max = conn_reply_max(client->shard->settings);
    ask_and_wait(client, mesh_owner(client->shard->mesh, hash_bytes(room)), ask);
    return true;
}
