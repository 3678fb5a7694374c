/* owner_api.c - what the HTTP API asks of a room's owner, and of each shard. owner.c answers what
 * it asks as clients do. */
#include "shard_core.h"
#include "ringroom/base/check.h"
#include "ringroom/shard/api.h"

#include <errno.h>

enum {
    PUBLISHED_BYTES_MAX = 96, /* of one message in the answer */
};

static void look(struct shard *shard, struct ask *ask)
{
    const struct room *room = directory_find(&shard->directory, ask->room);

    if (!room || room_is_closed(room))
        ask->fault = fault_no_room;
    else if (api_put_room(&ask->reply, room, owner_members_max(shard, room), shard->now_ms) != 0)
        ask->fault = fault_no_memory;
}

static void put(struct shard *shard, struct ask *ask)
{
    struct room *room = directory_find(&shard->directory, ask->room);

    ask->api->created = !room;
    if (!room)
        room = directory_open(&shard->directory, ask->room);
    if (!room) {
        ask->fault = fault_no_memory;
        return;
    }
    if (room_is_closed(room)) {
        ask->fault = fault_closing;
        return;
    }
    room_set_own(room, &ask->api->own, shard->now_ms);
    /* Were an empty room to go, what has been set would go with it. */
    room_linger(room, shard->now_ms + (uint64_t)room->retention.ttl_s * 1000);
    look(shard, ask);
}

static int write_message(void *user, size_t index, uint64_t seq, uint64_t ts_ms, struct buf *out)
{
    const struct ask *ask = user;
    struct slice body = ask->api->bodies[index];
    int error = buf_reserve(out, native_frame_bytes_max(body.len));

    if (!error)
        out->len += native_frame(out->data + out->len, seq, ts_ms, body);
    return error;
}

static void refuse(struct shard *shard, struct ask *ask, int error)
{
    if (error == -EMSGSIZE || error == -ENOBUFS)
        ask->fault = (struct native_fault){"too_large", "together the messages are too long"};
    else
        owner_refuse_message(shard, ask, error);
}

static void publish(struct shard *shard, struct ask *ask)
{
    struct api_work *work = ask->api;
    struct room_batch batch = {
        .messages = work->messages, .count = work->count, .write = write_message, .user = ask};
    struct room *room = directory_open(&shard->directory, ask->room);

    /* Place for the answer first: what has been stored must be told. */
    if (!room || buf_reserve(&ask->reply, 2 + work->count * PUBLISHED_BYTES_MAX) != 0) {
        ask->fault = fault_no_memory;
        if (room)
            room_settle(room);
        return;
    }
    int error = room_append_all(room, &batch, shard->now_ms, shard->wall_ms);
    shard->scratched = true;
    if (error) {
        refuse(shard, ask, error);
        room_settle(room);
        return;
    }
    error = api_put_published(&ask->reply, room, work->messages, work->count, work->array);
    CHECK(!error);
    owner_advanced(shard, room);
}

static bool begins_with(struct slice name, struct slice prefix)
{
    return name.len >= prefix.len &&
           (!prefix.len || memcmp(name.data, prefix.data, prefix.len) == 0);
}

static int add_to_list(const struct shard *shard, const struct room *room, struct buf *out)
{
    int error = out->len ? buf_append_str(out, ",") : 0;

    return error ? error : api_put_room(out, room, owner_members_max(shard, room), shard->now_ms);
}

static void list(struct shard *shard, struct ask *ask)
{
    struct api_work *work = ask->api;
    struct table_link *link;
    int error = 0;

    while (!error && work->left && (link = table_walk(&shard->directory.rooms, &work->walk))) {
        const struct room *room = container_of(link, struct room, link);
        if (room_is_closed(room) || !begins_with(room_name(room), work->prefix))
            continue;
        error = add_to_list(shard, room, &ask->reply);
        work->left--;
    }
    if (error)
        ask->fault = fault_no_memory;
}

void owner_answer_api(struct shard *shard, struct ask *ask)
{
    switch (ask->post.kind) {
    case POST_LOOK:
        look(shard, ask);
        break;
    case POST_PUT:
        put(shard, ask);
        break;
    case POST_PUBLISH:
        publish(shard, ask);
        break;
    case POST_LIST:
        list(shard, ask);
        break;
    case POST_DISCONNECT:
        ask->api->disconnected += shard_disconnect(shard, ask->target);
        break;
    default:
        CHECK(!"an ask that is not the API's");
    }
}
