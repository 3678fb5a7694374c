/* session_packet.c - packets in: Engine.IO's own, then Socket.IO's, and coming back after a break.
 */
#include "ringroom/shard/session.h"
#include "shard_core.h"
#include "ringroom/base/encode.h"
#include "ringroom/base/random.h"
#include "ringroom/shard/errand.h"

/* What the reference parser throws on, and what is out of place, ends the session. */
static void broken(struct client *client)
{
    client->carrier->end(client, WS_CODE_NORMAL, "invalid packet");
}

static size_t message_max(const struct client *client)
{
    return client->session->kind == SESSION_CHAT
               ? client->shard->settings->max_message
               : session_payload_max(client->shard, SESSION_CONFORMANCE);
}

static bool *connected_flag(struct session *session, struct slice nsp)
{
    if (slice_is(nsp, "/"))
        return &session->connected;
    if (session->kind == SESSION_CONFORMANCE && slice_is(nsp, "/custom"))
        return &session->connected_more;
    return NULL;
}

/* The conformance server: says everything back. */

static void say_back(struct client *client, const struct socketio_packet *packet)
{
    const struct session_assembly *binary = client->session->assembly;
    struct buf *text = shard_text(client->shard);
    struct slice name, args;

    socketio_split(packet->data, &name, &args);
    if (slice_is(name, "\"message\""))
        client_say(client, socketio_put_event(text, packet->nsp, packet->attachments,
                                              "message-back", args));
    else if (slice_is(name, "\"message-with-ack\"") && packet->has_id)
        client_say(client,
                   socketio_put_ack(text, packet->nsp, packet->id, packet->attachments, args));
    else
        return;
    for (uint32_t i = 0; client->session && i < packet->attachments; i++) {
        size_t start = i ? binary->ends[i - 1] : 0;
        client->carrier->binary(client,
                                slice_make(binary->bytes.data + start, binary->ends[i] - start));
    }
}

/* CONNECT */

static void new_id(struct session *session)
{
    uint8_t bits[SESSION_ID_BYTES / 4 * 3];

    random_bytes(bits, sizeof(bits));
    encode_base64url(session->id, bits, sizeof(bits));
}

static void confirm_connect(struct client *client, struct slice nsp)
{
    struct session *session = client->session;
    struct slice pid = slice_make(session->pid, session->recoverable ? SESSION_SID_BYTES : 0);

    session->connect_ms = 0;
    *connected_flag(session, nsp) = true;
    client_say(client, socketio_connected(shard_text(client->shard), nsp,
                                          slice_make(session->id, SESSION_ID_BYTES), pid));
}

static bool recovery_is_on(const struct client *client)
{
    const struct settings *settings = client->shard->settings;

    return client->session->kind == SESSION_CHAT && settings->recovery_s &&
           session_recoverable_max(client->shard);
}

/* As a newcomer. */
static void connect_anew(struct client *client)
{
    struct session *session = client->session;

    new_id(session);
    session_new_sid(client->shard, session->pid);
    if (!client->who
             .uid_len) /* else it is known by it already to rooms that it has just left again */
        identity_derive(&client->who, session->pid);
    if (recovery_is_on(client))
        session_enlist(client->shard, session);
    confirm_connect(client, slice_of("/"));
}

static void connect_test(struct client *client, const struct socketio_packet *packet)
{
    struct slice auth = packet->data.len ? packet->data : slice_of("{}");
    struct buf *text = shard_text(client->shard);

    new_id(client->session);
    confirm_connect(client, packet->nsp);
    text->len = 0;
    if (client->session && (socketio_put_event(text, packet->nsp, 0, "auth", auth) != 0 ||
                            !session_send_later(client, buf_slice(text))))
        client->carrier->abort(client);
}

/* Only for one that has been in no room yet: letters on their way to rooms that it has just left
 * tell its uid. */
static bool look_for_session(struct client *client, const struct socketio_auth *auth)
{
    struct shard *shard = client->shard;
    int at = errand_shard(shard, auth->pid);
    struct errand *errand;

    if (at < 0 || client->session->serial || !recovery_is_on(client))
        return false;
    errand = errand_new(POST_FIND, client, (const char *)auth->pid.data);
    if (!errand || buf_append(&errand->bytes, auth->offset.data, auth->offset.len) != 0) {
        if (errand)
            errand_free(errand);
        return false;
    }
    /* With a token, nobody ends another user's session by knowing its pid. */
    errand->user = client->who.token ? client->who.user : 0;
    client->waiting = true;
    errand_send(shard, (uint32_t)at, errand);
    return true;
}

static const struct native_fault too_many_tokens = {
    "rate_limited", "rate_limited: too many tokens; try again in a moment"};

/* False: the reason is in *ret_fault. */
static bool take_token(struct client *client, struct slice text, struct native_fault *ret_fault)
{
    uint64_t retry_ms;

    if (client_within_rate(client, CLIENT_REQUESTS, &retry_ms))
        return client_take_token(client, text, ret_fault);
    *ret_fault = too_many_tokens;
    return false;
}

/* Where tokens are asked for: by CONNECT's payload, or by the handshake before. */
static bool authenticate(struct client *client, const struct socketio_auth *auth)
{
    struct native_fault fault = {"unauthorized", "unauthorized: a token is needed, as auth.token"};
    bool good = client->who.token != NULL;

    if (client->shard->settings->auth_mode != AUTH_TOKEN)
        return true;
    if (auth->token.len)
        good = take_token(client, auth->token, &fault);
    if (!client->session)
        return false;
    if (good) {
        client_watch_token(client);
        return true;
    }
    client_say(client,
               socketio_connect_error(shard_text(client->shard), slice_of("/"), fault.message));
    if (auth->token.len && client->session)
        client_bad_token(client, &fault);
    if (client->session && fault.code == too_many_tokens.code)
        client_was_too_fast(client);
    return false;
}

static void connect_packet(struct client *client, const struct socketio_packet *packet)
{
    static const char why[] = "Invalid namespace";
    const bool *connected = connected_flag(client->session, packet->nsp);
    char scratch[SOCKETIO_AUTH_BYTES];
    struct socketio_auth auth;

    if (!connected) {
        client_say(client, socketio_connect_error(shard_text(client->shard), packet->nsp, why));
    } else if (*connected) {
        broken(client);
    } else if (client->session->kind == SESSION_CONFORMANCE) {
        connect_test(client, packet);
    } else {
        socketio_auth(packet->data, scratch, &auth);
        if (!authenticate(client, &auth))
            return;
        if (!look_for_session(client, &auth))
            connect_anew(client);
    }
}

/* Back after a break */

/* Takes over what the older session was, on the present transport. */
static void become(struct session *session, struct session *older)
{
    struct client *client = session->client;

    memcpy(session->pid, older->pid, sizeof(session->pid));
    memcpy(session->id, older->id, sizeof(session->id));
    session->kept = older->kept;
    session->kept_count = older->kept_count;
    session->serial = older->serial;
    older->kept = NULL;
    /* By its offset it has all before `next`. */
    for (uint32_t i = 0; i < session->kept_count; i++)
        session->kept[i].confirmed = session->kept[i].next;
    if (client->who.token) {              /* fresher than the one before */
        mem_free_wiped(client->who.name); /* given to a room that was not joined then */
        client->who.name = older->who.name;
        older->who.name = NULL;
    } else {
        session_settle(older, client);
    }
    session_enlist(client->shard, session);
}

/* A token must be the same user's as the session. */
static bool same_user(const struct client *client, const struct session *older)
{
    return !client->who.token || slice_equal(client_uid(client), identity_uid(&older->who));
}

void session_found(struct client *client, struct errand *errand)
{
    struct shard *shard = client->shard;
    struct session *session = client->session, *older = errand->session;

    client->waiting = false;
    if (!session) { /* it is gone again */
        if (older)
            session_shelve(shard, older);
    } else if (!older) {
        connect_anew(client);
    } else if (!same_user(client, older) || !session_resolve(older, buf_slice(&errand->bytes))) {
        session_free(shard, older);
        connect_anew(client);
    } else {
        become(session, older);
        session_free(shard, older);
        session_rejoin(client);
    }
    errand_free(errand);
    if (client->session && !client->waiting)
        client->carrier->go_on(client);
}

static struct session_room *kept_named(const struct session *session, struct slice name)
{
    for (uint32_t i = 0; i < session->kept_count; i++)
        if (slice_equal(slice_make(session->kept[i].text, session->kept[i].room_len), name))
            return &session->kept[i];
    return NULL;
}

/* All rooms have answered. What was missed follows the answer to CONNECT: a client that is cut off
 * in between keeps what it was sent before that answer, but not how far it came, and would get it
 * twice. */
static void complete(struct client *client)
{
    struct session *session = client->session;
    bool moved = session->moving;

    mem_free_wiped(session->kept);
    session->kept = NULL;
    session->kept_count = 0;
    session_release(client->shard, session);
    client->waiting = false;
    if (moved && session->resume_failed) {
        session_unlist(client->shard, session);
        client->carrier->end(client, WS_CODE_INTERNAL, "out of memory");
        return;
    }
    if (session->resume_failed) {
        session->resume_failed = false;
        session_unlist(client->shard, session);
        client_leave_all(client, true); /* it will probably join them again */
        if (client->session)
            connect_anew(client);
    } else if (!moved) {
        confirm_connect(client, slice_of("/"));
    }
    if (!client->session)
        return;
    list_each(link, &client->members)
    {
        struct member *member = container_of(link, struct member, in_client);
        if (member->state == MEMBER_JOINED)
            list_append(&client->dirty, &member->dirty);
    }
    client->carrier->news(client);
    client->carrier->go_on(client);
}

static void one_less(struct client *client)
{
    if (--client->session->resuming == 0)
        complete(client);
    else
        client->waiting = true;
}

/* Not for want of something. */
static bool is_refusal(const struct native_fault *fault)
{
    return strcmp(fault->code, "forbidden") == 0;
}

static void tell_kicked(struct client *client, struct slice room)
{
    client_say(client, session_put_closed(shard_text(client->shard), room, "kicked"));
}

void session_rejoined(struct client *client, struct ask *ask)
{
    struct session *session = client->session;
    struct member *member = client_joined(client, ask, true);
    const struct session_room *kept = kept_named(session, ask->room);

    if (member) {
        member->serial = kept->serial;
        member->confirmed = kept->next ? kept->confirmed : 0;
        if (!kept->next)
            member->history_end =
                session->moving && kept->history_end ? kept->history_end : ask->joined.seq + 1;
    }
    /* On a move nothing was promised: what has gone meanwhile is told as a gap, and of a room that
     * it has been kept out of meanwhile it hears as others do. */
    if (!member && session->moving && is_refusal(&ask->fault))
        tell_kicked(client, ask->room);
    else if (!member || (kept->next && !ask->joined.recovered && !session->moving))
        session->resume_failed = true;
    if (client->session == session)
        one_less(client);
}

void session_rejoin(struct client *client)
{
    struct session *session = client->session;

    session->resuming = 1;
    session->resume_failed = false;
    for (uint32_t i = 0; i < session->kept_count; i++) {
        const struct session_room *kept = &session->kept[i];
        struct client_wish wish = {.room = slice_make(kept->text, kept->room_len),
                                   .name = slice_make(kept->text + kept->room_len, kept->name_len)};
        struct native_fault fault;
        if (kept->next)
            wish.at = (struct room_wish){.has_since = true,
                                         .since_epoch = slice_make(kept->epoch, ROOM_EPOCH_BYTES),
                                         .since_seq = kept->next - 1};
        session->resuming++;
        if (!client_join(client, &wish, &fault)) {
            session->resume_failed = true;
            session->resuming--;
        }
    }
    one_less(client);
}

/* Socket.IO packets */

static void disconnect_packet(struct client *client, const struct socketio_packet *packet)
{
    struct session *session = client->session;

    *connected_flag(session, packet->nsp) = false;
    if (session->kind != SESSION_CHAT)
        return;
    session_unlist(client->shard, session);
    client_leave_all(client, false);
}

static void act_on(struct client *client, const struct socketio_packet *packet)
{
    const bool *connected = connected_flag(client->session, packet->nsp);

    if (packet->type == SOCKETIO_CONNECT) {
        connect_packet(client, packet);
        return;
    }
    if (!connected || !*connected) {
        broken(client);
        return;
    }
    switch (packet->type) {
    case SOCKETIO_DISCONNECT:
        disconnect_packet(client, packet);
        break;
    case SOCKETIO_EVENT:
    case SOCKETIO_BINARY_EVENT:
        if (client->session->kind == SESSION_CHAT)
            session_chat_event(client, packet);
        else if (slice_is(packet->nsp, "/"))
            say_back(client, packet);
        break;
    default: /* acknowledgements: none was asked for */
        break;
    }
}

/* Binary packets wait for their attachments. */

static bool start_assembly(struct client *client, struct slice text, uint32_t attachments)
{
    struct session_assembly *assembly = mem_zalloc(sizeof(*assembly));

    if (!assembly)
        return false;
    buf_init(&assembly->text, text.len);
    buf_init(&assembly->bytes, message_max(client));
    assembly->expected = attachments;
    client->session->assembly = assembly;
    return buf_append(&assembly->text, text.data, text.len) == 0;
}

static void attachment(struct client *client, struct slice data)
{
    struct session *session = client->session;
    struct session_assembly *assembly = session->assembly;
    struct socketio_packet packet;

    if (!assembly || buf_append(&assembly->bytes, data.data, data.len) != 0) {
        broken(client);
        return;
    }
    assembly->ends[assembly->count++] = assembly->bytes.len;
    if (assembly->count < assembly->expected)
        return;
    if (socketio_parse(buf_slice(&assembly->text), &packet) && socketio_placeholders_fit(&packet))
        act_on(client, &packet);
    else
        broken(client);
    if (client->session == session)
        session_drop_assembly(session);
}

static void message(struct client *client, struct slice text)
{
    struct socketio_packet packet;

    if (client->session->assembly || !socketio_parse(text, &packet))
        broken(client);
    else if (!packet.attachments)
        act_on(client, &packet);
    else if (!start_assembly(client, text, packet.attachments))
        client->carrier->abort(client);
}

/* Engine.IO packets */

static void echo(struct client *client, const struct engineio_packet *packet)
{
    struct buf *text = shard_text(client->shard);

    if (packet->binary) {
        client->carrier->binary(client, packet->data);
        return;
    }
    client_say(client, buf_append(text, "4", 1)
                           ? -1
                           : buf_append(text, packet->data.data, packet->data.len));
}

void session_packet(struct client *client, const struct engineio_packet *packet)
{
    switch (packet->type) {
    case ENGINEIO_PONG:
        session_pong(client);
        break;
    case ENGINEIO_CLOSE:
        client->carrier->end(client, WS_CODE_NONE, "");
        break;
    case ENGINEIO_PING: /* is the server's to send */
        broken(client);
        break;
    case ENGINEIO_MESSAGE:
        if (packet->data.len > message_max(client))
            client->carrier->end(client, WS_CODE_TOO_BIG, "the message is too large");
        else if (client->session->kind == SESSION_ECHO)
            echo(client, packet);
        else if (packet->binary)
            attachment(client, packet->data);
        else
            message(client, packet->data);
        break;
    default: /* of no meaning here, and harmless */
        break;
    }
}
