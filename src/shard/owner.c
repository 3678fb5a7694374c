/* owner.c - the owner's side of a room: asks answered, members told, the room advanced.
 *
 * Runs on the shard that the room's name hashes to, and touches only what that
 * shard owns, the ask in its hands, and the seats lent to its rooms. */
#include "shard_core.h"
#include "ringroom/base/check.h"
#include "ringroom/base/hash.h"
#include "ringroom/room/moderation.h"
#include "ringroom/shard/api.h"

#include <errno.h>

enum {
    LINGER_MS = 120000, /* how long an empty room waits for a member whose connection broke */
    NOTICE_BYTES_MAX = 2048,
};

const struct native_fault fault_closing = {"unavailable",
                                           "room: is being closed; try again in a moment"};
const struct native_fault fault_no_room = {"no_such_room", "room: there is no such room"};
static const struct native_fault kept_out = {"forbidden",
                                             "room: you were made to leave it for a while"};
static const struct native_fault muted = {"muted", "room: you may not write there for a while"};

/* Until its members' shards have heard of a ban, who is banned is still among them; and to read one
 * need not be a member. */
static bool is_kept_out(const struct shard *shard, const struct room *room, struct ask *ask)
{
    bool banned = room_is_banned(room, ask->uid, shard->now_ms, &ask->retry_ms);

    if (banned)
        ask->fault = kept_out;
    return banned;
}

static bool is_silent(const struct shard *shard, const struct room *room, struct ask *ask)
{
    bool silent = room_is_muted(room, ask->uid, shard->now_ms, &ask->retry_ms);

    if (silent)
        ask->fault = muted;
    return silent || is_kept_out(shard, room, ask);
}

void owner_advanced(struct shard *shard, struct room *room)
{
    list_each(link, &room->seats)
    {
        struct room_seat *seat = container_of(link, struct room_seat, link);
        struct view *view = container_of(seat, struct view, seat);

        if (seat->shard == shard->index)
            view_mark(view, shard->now_us);
        /* Acquire and release: pairs with the exchange in post.c. Whichever comes second sees what
         * the first one's thread did before: either the shard sees the new entry, or we see that
         * it has begun to look, and post again. */
        else if (!atomic_exchange_explicit(&seat->told, true, memory_order_acq_rel)) {
            seat->news_us = shard->now_us;
            shard_post(shard, seat->shard, &view->advanced);
        }
    }
}

/* A passing event, JSON in shard->text, to the members except one user (0: to all). */
static void notify(struct shard *shard, struct room *room, uint64_t except)
{
    uint8_t frame[WS_HEADER_MAX + NOTICE_BYTES_MAX];
    size_t header = ws_header(frame, WS_TEXT, shard->text.len);

    if (header + shard->text.len > sizeof(frame))
        return;
    memcpy(frame + header, shard->text.data, shard->text.len);
    if (room_notify(room, except, slice_make(frame, header + shard->text.len), shard->now_ms))
        owner_advanced(shard, room);
}

/* Someone came or went. In a crowd only the count is told, once a second. */
static void announce(struct shard *shard, struct room *room, struct slice uid, struct slice name,
                     bool on)
{
    uint32_t members = room_members(room);

    if (!room->sessions) /* nobody hears it */
        return;
    if (members > shard->settings->presence_max) {
        room->count_due = true;
        room_schedule(room);
        return;
    }
    if (native_member(shard_text(shard), room_name(room), uid, name, on, members) == 0)
        notify(shard, room, 0);
}

void owner_gone(void *user, struct room *room, const struct room_user *gone)
{
    announce(user, room, room_user_uid(gone), room_user_name(gone), false);
}

void owner_count_due(void *user, struct room *room, uint64_t now_ms)
{
    struct shard *shard = user;

    room->count_due = false;
    room->counted_ms = now_ms;
    if (native_member_count(shard_text(shard), room_name(room), room_members(room)) == 0)
        notify(shard, room, 0);
}

uint32_t owner_members_max(const struct shard *shard, const struct room *room)
{
    uint32_t own = room->own.members_max;

    return own == ROOM_MEMBERS_BY_RULE ? shard->settings->members_per_room : own;
}

static void describe(struct shard *shard, const struct room *room, struct native_joined *joined)
{
    joined->room = room_name(room);
    joined->epoch = room_epoch(room);
    joined->members = room_members(room);
    joined->retention = room->retention;
    joined->expires_in_s = room_expires_in_s(room, shard->now_ms);
}

/* One more member would be too many. Who is absent keeps its place, and comes back to it. */
static bool is_full(const struct shard *shard, const struct room *room, struct slice uid)
{
    uint32_t members_max = owner_members_max(shard, room);

    return members_max && room_members(room) >= members_max && !room_find_user(room, uid);
}

/* A newcomer is told when the first place of someone absent may become free. */
static void refuse_full(struct shard *shard, const struct room *room, struct ask *ask)
{
    metrics_count(shard->metrics, METRIC_LIMITED_MEMBERS_PER_ROOM);
    ask->fault = (struct native_fault){"room_full", "room: is full"};
    if (room->absent_count && room_absent_ms(room) > shard->now_ms)
        ask->retry_ms = room_absent_ms(room) - shard->now_ms;
}

static void join(struct shard *shard, struct ask *ask)
{
    struct room *room = directory_open(&shard->directory, ask->room);
    struct room_position at;
    bool came;

    if (!room) {
        ask->fault = fault_no_memory;
        return;
    }
    if (is_kept_out(shard, room, ask)) /* and the room stays for as long */
        return;
    if (room_is_closed(room))
        ask->fault = fault_closing;
    else if (is_full(shard, room, ask->uid))
        refuse_full(shard, room, ask);
    else if (room_position(room, &ask->wish, shard->now_ms, &at) != 0)
        ask->fault = (struct native_fault){"bad_request",
                                           "since: seq lies beyond the room's newest message"};
    else if (ask->projected && room_project(room, shard->now_ms) != 0)
        ask->fault = fault_no_memory;
    else if (room_join(room, &ask->view->seat, ask->uid, ask->name, &came) != 0) {
        if (ask->projected)
            room_unproject(room);
        ask->fault = fault_no_memory;
    }
    if (ask->fault.code) {
        room_settle(room);
        return;
    }
    if (came)
        announce(shard, room, ask->uid, ask->name, true);
    describe(shard, room, &ask->joined);
    ask->joined.first = at.first;
    ask->joined.seq = at.seq;
    ask->joined.recovered = at.recovered;
    ask->cursor = at.cursor;
    ask->notices_cursor = log_end(room->notices);
    ask->owned = room;
}

static void state(struct shard *shard, struct ask *ask)
{
    struct room *room = ask->view->seat.room;

    if (ask->renames && room_rename(room, ask->uid, ask->name) == -ENOMEM) {
        ask->fault = fault_no_memory;
        return;
    }
    describe(shard, room, &ask->joined);
    ask->joined.seq = log_end(&room->log) - 1;
    ask->joined.first = ask->joined.seq + 1;
    ask->cursor = log_first(&room->log, shard->now_ms);
}

void owner_refuse_message(struct shard *shard, struct ask *ask, int error)
{
    ask->fault = fault_no_memory;
    if (error == -ENOSPC) {
        metrics_count(shard->metrics, METRIC_LIMITED_MEMORY);
        ask->fault.message = "the server keeps as many messages as it may; try again later";
    } else if (error == -ESHUTDOWN) {
        ask->fault = fault_closing;
    }
}

static void send_message(struct shard *shard, struct ask *ask)
{
    struct room *room = ask->view->seat.room;
    struct room_message message;

    if (ask->cid.len) {
        const struct room_cid *first = room_find_cid(room, ask->uid, ask->cid, shard->now_ms);
        if (first) {
            ask->seq = first->seq;
            ask->ts_ms = first->ts_ms;
            ask->dup = true;
            return;
        }
    }
    if (is_silent(shard, room, ask))
        return;
    int error = room_prepare(room, ask->uid, ask->cid, native_frame_bytes_max(ask->body.len),
                             shard->now_ms, shard->wall_ms, &message);
    if (!error) {
        ask->seq = message.slot.number;
        ask->ts_ms = message.ts_ms;
        size_t bytes = native_frame(message.slot.bytes, ask->seq, ask->ts_ms, ask->body);
        error = room_commit(room, &message, bytes, shard->now_ms);
    }
    if (error) {
        owner_refuse_message(shard, ask, error);
        return;
    }
    owner_advanced(shard, room);
}

static void typing(struct shard *shard, struct ask *ask)
{
    struct room *room = ask->view->seat.room;

    if (!is_silent(shard, room, ask) &&
        buf_append(shard_text(shard), ask->body.data, ask->body.len) == 0)
        notify(shard, room, ask->user);
}

static void history(struct shard *shard, struct ask *ask)
{
    const struct room *room = directory_find(&shard->directory, ask->room);

    if (!room)
        ask->fault = fault_no_room;
    else if (!is_kept_out(shard, room, ask) &&
             (ask->api ? api_put_history(&ask->reply, room, &ask->range, shard->now_ms)
                       : native_history(&ask->reply, ask->id, room, &ask->range, shard->now_ms)))
        ask->fault = fault_no_memory;
}

static void members(struct shard *shard, struct ask *ask)
{
    const struct room *room = directory_find(&shard->directory, ask->room);

    if (!room)
        ask->fault = fault_no_room;
    else if (!is_kept_out(shard, room, ask) &&
             (ask->api ? api_put_members(&ask->reply, room)
                       : native_members(&ask->reply, ask->id, room)))
        ask->fault = fault_no_memory;
}

/* What is done to a room against its members' will. */

static bool send_verdict(struct shard *shard, struct room_seat *seat, struct slice uid,
                         const char *reason)
{
    if (shard->stopping) /* they are being sent away, and it might not come home any more */
        return true;
    struct verdict *verdict = mem_alloc(sizeof(*verdict) + uid.len);
    if (!verdict)
        return false;
    *verdict = (struct verdict){.post = {.kind = POST_EXPEL, .from = (uint16_t)shard->index},
                                .view = container_of(seat, struct view, seat),
                                .reason = reason,
                                .uid_len = (uint8_t)uid.len};
    if (uid.len)
        memcpy(verdict->uid, uid.data, uid.len);
    shard->verdicts_count++;
    shard_post(shard, seat->shard, &verdict->post);
    return true;
}

/* Makes the members of that uid (empty: all of them) leave, on whichever shards they are. False
 * where memory has run out: some may not have been told. The room may be gone then. */
static bool expel(struct shard *shard, struct room *room, struct slice uid, const char *reason)
{
    struct view *ours = NULL;
    bool told = true;

    list_each(link, &room->seats)
    {
        struct room_seat *seat = container_of(link, struct room_seat, link);
        if (seat->shard == shard->index)
            ours = container_of(seat, struct view, seat);
        else if (!send_verdict(shard, seat, uid, reason))
            told = false;
    }
    /* Our own at once, for they leave and join on the spot: a letter would find the view gone, or
     * in it who has come since. */
    if (ours)
        shard_expel(ours, uid, reason);
    return told;
}

static int put_deleted_frame(struct buf *out, struct slice room, uint64_t seq)
{
    uint8_t header[WS_HEADER_MAX];
    struct buf text;
    int error;

    buf_init(&text, NOTICE_BYTES_MAX);
    error = native_deleted(&text, room, seq);
    size_t header_bytes = ws_header(header, WS_TEXT, text.len);
    if (!error)
        error = buf_append(out, header, header_bytes);
    if (!error)
        error = buf_append(out, text.data, text.len);
    buf_deinit(&text);
    return error;
}

static void delete_message(struct shard *shard, struct ask *ask)
{
    const struct native_fault none = {ask->api ? "not_found" : "bad_request",
                                      "seq: there is no such message"};
    static const struct native_fault not_yours = {
        "forbidden", "seq: it is another user's, and you may not moderate"};
    struct room *room = directory_find(&shard->directory, ask->room);
    struct buf frame;

    if (!room) {
        ask->fault = fault_no_room;
        return;
    }
    if (!ask->moderator && !room_is_author(room, ask->number, ask->uid)) {
        ask->fault = not_yours;
        return;
    }
    buf_init(&frame, NOTICE_BYTES_MAX + WS_HEADER_MAX);
    int error = put_deleted_frame(&frame, room_name(room), ask->number);
    if (!error)
        error = room_delete(room, ask->number, buf_slice(&frame), shard->now_ms);
    buf_deinit(&frame);
    if (error == -ENOENT)
        ask->fault = none;
    else if (error && error != -EALREADY)
        ask->fault = fault_no_memory;
    else if (!error && native_deleted(shard_text(shard), room_name(room), ask->number) == 0)
        notify(shard, room, 0);
}

/* The room, or NULL with the fault set. */
static struct room *room_to_moderate(struct shard *shard, struct ask *ask)
{
    struct room *room = directory_find(&shard->directory, ask->room);

    if (!room)
        ask->fault = fault_no_room;
    return room;
}

static void sanction(struct shard *shard, struct ask *ask)
{
    static const struct native_fault full = {"unavailable",
                                             "room: as many users are kept out of it or muted as "
                                             "may be"};
    struct room *room = room_to_moderate(shard, ask);
    uint64_t until_ms = ask->seconds ? shard->now_ms + ask->seconds * 1000 : 0;

    if (!room)
        return;
    bool kicks = ask->post.kind == POST_KICK;
    int error =
        kicks ? room_ban(room, ask->target, until_ms) : room_mute(room, ask->target, until_ms);
    if (error)
        ask->fault = error == -ENOSPC ? full : fault_no_memory;
    if (room_settle(room) || error || !kicks || !room_send_away(room, ask->target))
        return;
    if (!expel(shard, room, ask->target, "kicked"))
        ask->fault = fault_no_memory;
}

static void close_room(struct shard *shard, struct ask *ask)
{
    struct room *room = room_to_moderate(shard, ask);

    if (!room)
        return;
    room_close(room);
    if (!room_settle(room) && !expel(shard, room, (struct slice){0}, "closed"))
        ask->fault = fault_no_memory;
}

int owner_project_deleted(void *user, const struct room *room, uint64_t seq,
                          struct slice *ret_bytes)
{
    struct shard *shard = user;
    struct buf native;
    struct buf *text = shard_text(shard);
    uint8_t header[WS_HEADER_MAX];

    buf_init(&native, NOTICE_BYTES_MAX + WS_HEADER_MAX);
    int error = put_deleted_frame(&native, room_name(room), seq);
    if (!error)
        error = socketio_notice(text, buf_slice(&native));
    buf_deinit(&native);
    size_t header_bytes = ws_header(header, WS_TEXT, text->len);
    if (!error)
        error = buf_reserve(text, header_bytes);
    if (!error) { /* the packet makes way for the header of its frame */
        memmove(text->data + header_bytes, text->data, text->len);
        memcpy(text->data, header, header_bytes);
        text->len += header_bytes;
    }
    *ret_bytes = buf_slice(text);
    return error;
}

int owner_project(void *user, const struct room *room, struct slice entry, struct slice *ret_bytes)
{
    struct shard *shard = user;
    int error = socketio_project(shard_text(shard), entry, room_name(room), room_epoch(room));

    *ret_bytes = buf_slice(&shard->text);
    return error;
}

void owner_answer(struct shard *shard, struct ask *ask)
{
    switch (ask->post.kind) {
    case POST_JOIN:
        join(shard, ask);
        break;
    case POST_STATE:
        state(shard, ask);
        break;
    case POST_SEND:
        send_message(shard, ask);
        break;
    case POST_TYPING:
        typing(shard, ask);
        break;
    case POST_HISTORY:
        history(shard, ask);
        break;
    case POST_MEMBERS:
        members(shard, ask);
        break;
    case POST_DELETE:
        delete_message(shard, ask);
        break;
    case POST_KICK:
    case POST_MUTE:
        sanction(shard, ask);
        break;
    case POST_CLOSE:
        close_room(shard, ask);
        break;
    case POST_LOOK:
    case POST_PUT:
    case POST_PUBLISH:
    case POST_LIST:
    case POST_DISCONNECT:
        owner_answer_api(shard, ask);
        break;
    default:
        CHECK(!"a letter that is no ask");
    }
}

/* True where the user is no member any more. */
static bool leave_or_lose(struct shard *shard, struct room *room, struct member *member)
{
    struct room_seat *seat = &member->view->seat;
    struct slice uid = client_uid(member->client);
    uint64_t grace_ms = (uint64_t)shard->settings->presence_grace_s * 1000;

    if (member->lost && grace_ms)
        return room_lose(room, seat, uid, shard->now_ms + grace_ms);
    return room_leave(room, seat, uid);
}

void owner_leave(struct shard *shard, struct member *member)
{
    struct room *room = member->view->seat.room;
    struct slice uid = client_uid(member->client);
    const struct room_user *user = room_find_user(room, uid);
    char name[ROOM_USER_NAME_MAX];
    struct slice kept = slice_make(name, user ? user->name_len : 0);

    if (user)
        memcpy(name, room_user_name(user).data, kept.len);
    if (member->projected)
        room_unproject(room);
    if (member->lingers)
        room_linger(room, shard->now_ms + LINGER_MS);
    if (leave_or_lose(shard, room, member))
        announce(shard, room, uid, kept, false);
    mem_wipe(name, sizeof(name));
    room_settle(room);
}
