/* room_batch.c - several messages at once: all that may fail comes before the first one is
 * published. */
#include "ringroom/base/check.h"
#include "ringroom/room/directory.h"
#include "room_parts.h"

#include <errno.h>

/* What is to be appended, in one form of the log: entries side by side. */
struct stage {
    struct buf bytes;
    size_t *ends; /* where each entry ends in `bytes` */
};

struct staging {
    struct room *room;
    const struct room_batch *batch;
    uint64_t first, ts_ms; /* the first number */
    size_t count;          /* to be stored so far */
    struct stage wire, projected;
};

static int stage_init(struct stage *stage, size_t count)
{
    buf_init(&stage->bytes, LOG_ENTRY_MAX_BYTES); /* as one entry, for log_reserve() */
    stage->ends = mem_alloc(count * sizeof(*stage->ends));
    return stage->ends ? 0 : -ENOMEM;
}

static void stage_deinit(struct stage *stage)
{
    buf_deinit(&stage->bytes);
    mem_free(stage->ends);
}

static struct slice stage_entry(const struct stage *stage, size_t index)
{
    size_t start = index ? stage->ends[index - 1] : 0;

    return slice_make(stage->bytes.data + start, stage->ends[index] - start);
}

static int stage_projected(struct staging *staging)
{
    const struct directory *directory = staging->room->directory;
    struct stage *projected = &staging->projected;
    struct slice form;
    int error = directory->project(directory->user, staging->room,
                                   stage_entry(&staging->wire, staging->count), &form);

    if (!error)
        error = buf_append(&projected->bytes, form.data, form.len);
    projected->ends[staging->count] = projected->bytes.len;
    return error;
}

/* A message that is not there yet; or one that is, as a dup. */
static int stage_message(struct staging *staging, size_t index, uint64_t now_ms)
{
    struct room_batch_message *message = &staging->batch->messages[index];
    struct room *room = staging->room;
    uint64_t seq = staging->first + staging->count;
    const struct room_cid *before =
        message->cid.len ? room_find_cid(room, message->uid, message->cid, now_ms) : NULL;

    message->dup = before != NULL;
    message->seq = before ? before->seq : seq;
    message->ts_ms = before ? before->ts_ms : staging->ts_ms;
    if (before)
        return 0;
    int error = staging->batch->write(staging->batch->user, index, seq, staging->ts_ms,
                                      &staging->wire.bytes);
    staging->wire.ends[staging->count] = staging->wire.bytes.len;
    if (!error && room->projection)
        error = stage_projected(staging);
    /* Already now, so that the next one with the same cid finds it. */
    if (!error && message->cid.len)
        error = room_remember_cid(room, message->uid, message->cid, seq, staging->ts_ms);
    if (!error)
        staging->count++;
    return error;
}

static int stage_all(struct staging *staging, uint64_t now_ms)
{
    struct room *room = staging->room;
    int error = 0;

    for (size_t i = 0; i < staging->batch->count && !error; i++)
        error = stage_message(staging, i, now_ms);
    if (!error && staging->count)
        error = log_reserve(&room->log, staging->wire.bytes.len, staging->count, now_ms);
    if (!error && staging->count && room->projection)
        error = log_reserve(room->projection, staging->projected.bytes.len, staging->count, now_ms);
    return error;
}

/* Where the next entry goes: it has been reserved. */
static struct log_slot put(struct log *log, struct slice bytes, uint64_t now_ms)
{
    struct log_slot slot;
    int error = log_prepare(log, bytes.len, now_ms, &slot);

    CHECK(!error);
    memcpy(slot.bytes, bytes.data, bytes.len);
    return slot;
}

/* The n-th of those that are to be stored. Both forms are put in place before either is published:
 * a follower that lags lets go of its last segment where its leader has dropped all before. */
static void publish_one(struct staging *staging, size_t n, uint64_t author, uint64_t now_ms)
{
    struct room *room = staging->room;
    struct log_slot wire = put(&room->log, stage_entry(&staging->wire, n), now_ms), projected;

    wire.author = author;
    if (room->projection)
        projected = put(room->projection, stage_entry(&staging->projected, n), now_ms);
    log_commit(&room->log, &wire, wire.cap, now_ms);
    if (room->projection)
        log_commit(room->projection, &projected, projected.cap, log_newest_ms(&room->log));
}

static void publish(struct staging *staging, uint64_t now_ms)
{
    struct room *room = staging->room;
    size_t n = 0;

    for (size_t i = 0; i < staging->batch->count; i++) {
        const struct room_batch_message *message = &staging->batch->messages[i];
        if (message->dup)
            continue;
        DCHECK(message->seq == log_end(&room->log));
        publish_one(staging, n++,
                    message->uid.len ? room_author_mark(message->uid, message->seq) : 0, now_ms);
    }
    room->last_ts_ms = staging->ts_ms;
    room_forget_cids(room, atomic_load_explicit(&room->log.kept, memory_order_relaxed));
    room_schedule(room);
}

int room_append_all(struct room *room, const struct room_batch *batch, uint64_t now_ms,
                    uint64_t wall_ms)
{
    struct staging staging = {.room = room,
                              .batch = batch,
                              .ts_ms = wall_ms > room->last_ts_ms ? wall_ms : room->last_ts_ms};

    if (room_is_closed(room))
        return -ESHUTDOWN;
    log_expire(&room->log, now_ms);
    if (room->projection)
        log_follow(room->projection);
    staging.first = log_end(&room->log);
    int error = stage_init(&staging.wire, batch->count);
    if (!error)
        error = stage_init(&staging.projected, room->projection ? batch->count : 1);
    if (!error)
        error = stage_all(&staging, now_ms);
    if (error)
        room_forget_cids_from(room, staging.first);
    else if (staging.count)
        publish(&staging, now_ms);
    stage_deinit(&staging.wire);
    stage_deinit(&staging.projected);
    return error;
}
