/* poller_output.c - rooms' news gathered into the payload of a poll. */
#include "ringroom/shard/poller.h"
#include "shard_core.h"

enum {
    HEAVY_MAX = 64 << 20, /* bytes of long payloads that clients of a shard may be busy receiving */
};

static bool put_notices(struct poller *poller, struct member *member, struct buf *payload)
{
    struct shard *shard = poller->client.shard;
    const struct room *room = member->view->room;
    struct log_cursor cursor;
    struct slice notice;
    struct log_read read;
    uint64_t except;

    log_cursor_init(&cursor, member->notices);
    for (;;) {
        enum log_result result = log_next(room->notices, &cursor, shard->now_ms, &notice, &read);
        if (result == LOG_NOTHING)
            return true;
        struct buf *text = shard_text(shard);
        int error = 0;
        if (result != LOG_BYTES) {
            error = session_put_count(text, room);
        } else {
            memcpy(&except, notice.data, ROOM_NOTICE_HEAD);
            if (except != poller->client.who.user)
                error = socketio_notice(text, slice_from(notice, ROOM_NOTICE_HEAD));
        }
        if (error || (text->len && engineio_put(payload, buf_slice(text)) != 0))
            return false;
        member->notices = cursor.next;
    }
}

static bool put_gap(struct poller *poller, const struct room *room, const struct log_read *gap,
                    struct buf *to)
{
    struct buf *text = shard_text(poller->client.shard);

    if (room_is_closed(room)) /* all is gone, as it will hear in a moment */
        return true;
    client_missed(&poller->client, gap);
    return socketio_gap(text, room_name(room), room_epoch(room), gap->from, gap->to) == 0 &&
           engineio_put(to, buf_slice(text)) == 0;
}

/* `joined`, whole; what is missing of it is told by the next poll. */
static bool put_history(struct poller *poller, struct member *member, struct buf *payload)
{
    struct session *session = poller->client.session;
    const struct room *room = member->view->room;
    struct buf *text = shard_text(poller->client.shard);
    struct log_read gap;

    if (session_history_begin(member, text) != 0 || engineio_put(payload, buf_slice(text)) != 0)
        return false;
    while (session->streaming) {
        if (session_history_next(session, shard_text(poller->client.shard), &gap) != 0 ||
            buf_append(payload, text->data, text->len) != 0)
            return false;
        if (gap.to && !put_gap(poller, room, &gap, &poller->out))
            return false;
    }
    return true;
}

static bool put_messages(struct poller *poller, struct member *member, struct buf *payload)
{
    struct shard *shard = poller->client.shard;
    const struct room *room = member->view->room;
    struct slice frame;
    struct log_read read;

    while (payload->len < POLL_FULL) {
        enum log_result result =
            log_next(room->projection, &member->messages, shard->now_ms, &frame, &read);
        if (result == LOG_NOTHING)
            break;
        bool fits = result == LOG_BYTES ? engineio_put(payload, ws_frame_payload(frame)) == 0
                                        : put_gap(poller, room, &read, payload);
        if (!fits)
            return false;
        if (result == LOG_BYTES)
            client_delivers(&poller->client, 1, ws_frame_payload(frame).len);
    }
    session_sent(member);
    return true;
}

static bool put_room(struct poller *poller, struct member *member, struct buf *payload)
{
    if (!put_notices(poller, member, payload))
        return false;
    if (member->history_end && !put_history(poller, member, payload))
        return false;
    return put_messages(poller, member, payload);
}

bool poller_gather(struct poller *poller, struct buf *payload)
{
    struct shard *shard = poller->client.shard;
    struct list *dirty = &poller->client.dirty;

    while (!list_empty(dirty) && payload->len < POLL_FULL) {
        struct member *member = container_of(list_pop(dirty), struct member, dirty);
        const struct log *log = member->view->room->projection;
        if (member->history_end && shard->heavy_bytes > HEAVY_MAX) {
            list_append(dirty, &member->dirty);
            poller->postponed = true;
            break;
        }
        if (!put_room(poller, member, payload))
            return false;
        if (member->messages.next >= log_end(log))
            view_caught_up(member);
        else
            list_append(dirty, &member->dirty);
    }
    return true;
}
