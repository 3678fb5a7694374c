#include "ringroom/room/moderation.h"
#include "ringroom/base/check.h"
#include "ringroom/room/directory.h"
#include "room_parts.h"

#include <errno.h>

/* Deleting */

/* In the other form. */
static int deleted_projected(const struct room *room, uint64_t seq, struct log_replacement **ret)
{
    const struct directory *directory = room->directory;
    struct slice bytes;
    int error = directory->project_deleted(directory->user, room, seq, &bytes);

    if (error)
        return error;
    *ret = log_replacement_new(room->projection->env, bytes);
    return *ret ? 0 : -ENOMEM;
}

/* Of an entry that is there. */
static void put_in_place(struct log *log, uint64_t seq, struct log_replacement *by, uint64_t now_ms)
{
    int error = log_replace(log, seq, by, now_ms);

    CHECK(!error);
}

int room_delete(struct room *room, uint64_t seq, struct slice bytes, uint64_t now_ms)
{
    struct log_replacement *deleted, *projected = NULL;

    log_expire(&room->log, now_ms); /* so that what is held is alive */
    if (room->projection)
        log_follow(room->projection);
    if (!log_author(&room->log, seq))
        return -ENOENT;
    if (log_is_replaced(&room->log, seq))
        return -EALREADY;
    /* First: project_deleted may write where `bytes` lie. */
    deleted = log_replacement_new(room->log.env, bytes);
    if (!deleted)
        return -ENOMEM;
    int error = room->projection ? deleted_projected(room, seq, &projected) : 0;
    if (error) {
        log_replacement_free(deleted);
        return error;
    }
    put_in_place(&room->log, seq, deleted, now_ms);
    room->directory->deleted++;
    if (room->projection) {
        put_in_place(room->projection, seq, projected, now_ms);
        log_follow(room->projection); /* the limits may have dropped something */
    }
    room_forget_cids(room, atomic_load_explicit(&room->log.kept, memory_order_relaxed));
    room_schedule(room);
    return 0;
}

bool room_is_author(const struct room *room, uint64_t seq, struct slice uid)
{
    uint64_t author = log_author(&room->log, seq);

    return author && uid.len && author == (room_author_mark(uid, seq) | 1);
}

/* Bans and mutes */

static int sanction(struct room *room, enum sanction_kind kind, struct slice uid, uint64_t until_ms)
{
    int error = sanctions_set(&room->sanctions, kind, uid, until_ms);

    if (!error)
        room_schedule(room);
    return error;
}

int room_ban(struct room *room, struct slice uid, uint64_t until_ms)
{
    return sanction(room, SANCTION_BAN, uid, until_ms);
}

int room_mute(struct room *room, struct slice uid, uint64_t until_ms)
{
    return sanction(room, SANCTION_MUTE, uid, until_ms);
}

static bool is_in_force(const struct room *room, enum sanction_kind kind, struct slice uid,
                        uint64_t now_ms, uint64_t *ret_left_ms)
{
    uint64_t left_ms = sanctions_left_ms(&room->sanctions, kind, uid, now_ms);

    if (left_ms)
        *ret_left_ms = left_ms;
    return left_ms > 0;
}

bool room_is_banned(const struct room *room, struct slice uid, uint64_t now_ms,
                    uint64_t *ret_left_ms)
{
    return is_in_force(room, SANCTION_BAN, uid, now_ms, ret_left_ms);
}

bool room_is_muted(const struct room *room, struct slice uid, uint64_t now_ms,
                   uint64_t *ret_left_ms)
{
    return is_in_force(room, SANCTION_MUTE, uid, now_ms, ret_left_ms);
}

/* Closing */

void room_close(struct room *room)
{
    /* Before the bounds move, and release as they: who finds all gone finds it closed. */
    atomic_store_explicit(&room->closed, true, memory_order_release);
    log_clear(&room->log);
    if (room->projection)
        log_follow(room->projection);
    if (room->notices)
        log_clear(room->notices);
    room_forget_cids(room, UINT64_MAX);
    room_forget_absent(room);
    room->count_due = false;
    room->linger_ms = 0;
    room_schedule(room);
}
