/* session_chat.c - the chat over Socket.IO: what clients emit, and the answers that come home. */
#include "ringroom/shard/session.h"
#include "shard_core.h"

/* An ask carries the acknowledgement that is wanted as its id. */
static struct slice id_of(const struct socketio_packet *packet)
{
    return packet->has_id ? slice_make(&packet->id, sizeof(packet->id)) : (struct slice){0};
}

static void refuse(struct client *client, struct slice id, const char *event,
                   const struct native_fault *fault, uint64_t retry_ms)
{
    struct buf *text = shard_text(client->shard);
    uint64_t number;

    metrics_count_by(client->shard->metrics, METRIC_ERROR_BAD_JSON, fault->code);
    if (id.len) {
        memcpy(&number, id.data, sizeof(number));
        client_say(client, socketio_ack_fault(text, number, fault, retry_ms));
    } else {
        client_say(client, socketio_error(text, slice_of(event), fault, retry_ms));
    }
}

static void acknowledge(struct client *client, struct slice id, uint64_t seq, uint64_t ts_ms,
                        bool dup)
{
    uint64_t number;

    if (!id.len)
        return;
    memcpy(&number, id.data, sizeof(number));
    client_say(client, socketio_ack(shard_text(client->shard), number, seq, ts_ms, dup));
}

/* Emitted */

/* False: the refusal has been sent, and perhaps the client away. */
static bool is_within_rate(struct client *client, enum client_rate rate, struct slice id,
                           const char *event)
{
    uint64_t retry_ms;

    if (client_within_rate(client, rate, &retry_ms))
        return true;
    refuse(client, id, event, &fault_too_fast, retry_ms);
    if (client->session)
        client_was_too_fast(client);
    return false;
}

static void join(struct client *client, struct slice id, const struct socketio_event *event)
{
    struct client_wish wish = {.id = id, .room = event->room, .name = event->name};
    struct native_fault fault;

    if (is_within_rate(client, CLIENT_REQUESTS, id, "\"join\"") &&
        !client_join(client, &wish, &fault))
        refuse(client, id, "\"join\"", &fault, 0);
}

static void leave(struct client *client, struct slice id, const struct socketio_event *event)
{
    struct native_fault fault;

    if (!client_leave(client, event->room, &fault))
        refuse(client, id, "\"leave\"", &fault, 0);
    else if (client->session)
        acknowledge(client, id, 0, 0, false);
}

static void send_message(struct client *client, struct slice id, const struct socketio_event *event)
{
    struct member *member = client_find_member(client, event->room);
    struct client_message message = {.id = id,
                                     .from = event->name,
                                     .text_raw = event->text_raw,
                                     .data_raw = event->data_raw,
                                     .cid = event->cid};
    struct native_fault fault = fault_not_joined;

    if (!member) {
        refuse(client, id, "\"message\"", &fault, 0);
        return;
    }
    if (is_within_rate(client, CLIENT_SENDS, id, "\"message\"") &&
        !client_send(client, member, &message, &fault))
        refuse(client, id, "\"message\"", &fault, 0);
}

void session_chat_event(struct client *client, const struct socketio_packet *packet)
{
    struct slice id = id_of(packet);
    struct socketio_event event;
    struct native_fault fault;
    struct slice name, args;
    char quoted[64];

    if (!socketio_event(packet, &event, &fault)) {
        socketio_split(packet->data, &name, &args);
        size_t len = name.len < sizeof(quoted) ? name.len : 0;
        memcpy(quoted, name.data, len);
        quoted[len] = '\0';
        refuse(client, id, quoted, &fault, 0);
    } else if (event.kind == SOCKETIO_JOIN) {
        join(client, id, &event);
    } else if (event.kind == SOCKETIO_MESSAGE) {
        send_message(client, id, &event);
    } else if (event.kind == SOCKETIO_LEAVE) {
        leave(client, id, &event);
    }
    socketio_event_deinit(&event);
}

/* Answers */

/* `joined` with what is kept below that number. */
static void owe_history(struct client *client, struct member *member, uint64_t start, uint64_t end)
{
    log_cursor_init(&member->messages, start);
    member->history_end = end;
    list_remove(&member->dirty);
    list_append(&client->dirty, &member->dirty);
    client->carrier->news(client);
}

static void joined(struct client *client, struct ask *ask)
{
    struct session *session = client->session;
    struct member *member = client_joined(client, ask, session && session->connected);

    if (!session)
        return;
    if (!member) {
        if (ask->fault.code)
            refuse(client, ask->id, "\"join\"", &ask->fault, ask->retry_ms);
        return;
    }
    member->serial = session_next_serial(session);
    acknowledge(client, ask->id, 0, 0, false);
    if (client->session)
        owe_history(client, member, ask->cursor, ask->joined.seq + 1);
}

/* Joined once more: the history once more, unless it is still on its way. It ends where the member
 * was, so that what has not come as an event yet still does: stock clients that are told to try
 * again repeat a join whose answer was lost. */
static void joined_again(struct client *client, struct ask *ask)
{
    struct member *member = ask->member;

    client_stated(ask);
    if (ask->fault.code) {
        refuse(client, ask->id, "\"join\"", &ask->fault, ask->retry_ms);
        return;
    }
    acknowledge(client, ask->id, 0, 0, false);
    if (!client->session || member->state != MEMBER_JOINED || member->history_end)
        return;
    if (!client->carrier->leaving(client, member)) {
        client->carrier->abort(client);
        return;
    }
    list_remove(&member->in_view);
    list_append(&member->view->behind, &member->in_view);
    member->serial = session_next_serial(client->session);
    member->confirmed = 0;
    owe_history(client, member, ask->cursor, member->messages.next);
}

void session_answer(struct client *client, struct ask *ask)
{
    struct session *session = client->session;
    bool here = session && session->connected;

    if (session && session->resuming) {
        session_rejoined(client, ask);
        ask_free(ask);
        return;
    }
    if (ask->post.kind != POST_SEND && ask->post.kind != POST_TYPING)
        client->waiting = false;
    if (ask->post.kind == POST_JOIN)
        joined(client, ask);
    else if (here && ask->post.kind == POST_STATE)
        joined_again(client, ask);
    else if (here && ask->fault.code)
        refuse(client, ask->id, "\"message\"", &ask->fault, ask->retry_ms);
    else if (here)
        acknowledge(client, ask->id, ask->seq, ask->ts_ms, ask->dup);
    ask_free(ask);
}
