/* session_history.c - `joined` written piece by piece, straight from the room's log. */
#include "ringroom/shard/session.h"
#include "shard_core.h"

enum {
    PIECE_BYTES = 8192,
    NOTICE_BYTES = 1024, /* of an event with no more than a room's name in it */
};

int session_history_begin(struct member *member, struct buf *text)
{
    struct session *session = member->client->session;

    session->streaming = member;
    session->streamed = false;
    return socketio_joined_head(text, view_name(member->view));
}

int session_history_end(struct session *session, struct buf *text)
{
    struct member *member = session->streaming;
    uint64_t next = member->history_end;

    session->streaming = NULL;
    member->history_end = 0;
    log_cursor_init(&member->messages, next); /* of the projection from here on */
    session_sent_history(member);
    return socketio_joined_tail(text, room_epoch(member->view->room), next - 1, member->serial);
}

int session_history_next(struct session *session, struct buf *text, struct log_read *ret_gap)
{
    struct member *member = session->streaming;
    const struct room *room = member->view->room;
    uint64_t now_ms = member->client->shard->now_ms;
    struct slice entry;
    struct log_read read;
    int error = 0;

    *ret_gap = (struct log_read){0};
    while (!error && text->len < PIECE_BYTES) {
        if (member->messages.next >= member->history_end)
            return session_history_end(session, text);
        enum log_result result = log_next(&room->log, &member->messages, now_ms, &entry, &read);
        if (result == LOG_GAP) {
            *ret_gap = read;
            if (read.to >= member->history_end) /* the rest is told by what follows `joined` */
                ret_gap->to = member->history_end - 1;
            return error;
        }
        if (result == LOG_NOTHING)
            return session_history_end(session, text);
        if (!native_is_message(entry)) /* deleted */
            continue;
        if (session->streamed)
            error = buf_append(text, ",", 1);
        session->streamed = true;
        size_t before_bytes = text->len;
        if (!error)
            error = socketio_put_entry(text, entry);
        if (!error)
            client_delivers(member->client, 1, text->len - before_bytes);
    }
    return error;
}

/* What the native dialect has for it, said in this one. */
static int put_as_event(struct buf *text, struct buf *native)
{
    uint8_t frame[WS_HEADER_MAX + NOTICE_BYTES];
    size_t header = ws_header(frame, WS_TEXT, native->len);

    memcpy(frame + header, native->data, native->len);
    return socketio_notice(text, slice_make(frame, header + native->len));
}

int session_put_closed(struct buf *text, struct slice room, const char *reason)
{
    struct buf native;
    int error;

    buf_init(&native, NOTICE_BYTES);
    error = native_closed(&native, room, reason);
    if (!error)
        error = put_as_event(text, &native);
    buf_deinit(&native);
    return error;
}

int session_put_expiring(struct buf *text, uint64_t in_ms)
{
    struct buf native;
    int error;

    buf_init(&native, NOTICE_BYTES);
    error = native_expiring(&native, in_ms);
    if (!error)
        error = put_as_event(text, &native);
    buf_deinit(&native);
    return error;
}

int session_put_count(struct buf *text, const struct room *room)
{
    uint32_t members = atomic_load_explicit(&room->members_seen, memory_order_relaxed);
    struct buf native;
    int error;

    buf_init(&native, NOTICE_BYTES);
    error = native_member_count(&native, room_name(room), members);
    if (!error)
        error = put_as_event(text, &native);
    buf_deinit(&native);
    return error;
}
