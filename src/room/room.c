/* room.c - a room's members, positions and messages. directory.c makes and ends rooms. */
#include "ringroom/room/room.h"
#include "ringroom/base/check.h"
#include "ringroom/base/hash.h"
#include "ringroom/base/utf8.h"
#include "ringroom/room/directory.h"
#include "room_parts.h"

#include <errno.h>

bool room_name_valid(struct slice name)
{
    return name.len > 0 && name.len <= ROOM_NAME_MAX && utf8_printable(name);
}

/* Members */

static bool uid_matches(const struct table_link *link, const void *key)
{
    const struct room_user *user = container_of(link, struct room_user, link);

    return slice_equal(room_user_uid(user), *(const struct slice *)key);
}

struct room_user *room_find_user(const struct room *room, struct slice uid)
{
    struct table_link *link = table_find(&room->users, hash_bytes(uid), uid_matches, &uid);

    return link ? container_of(link, struct room_user, link) : NULL;
}

static bool user_is_absent(const struct room_user *user)
{
    return !list_empty(&user->absent);
}

static struct room_user *user_new(struct slice uid, struct slice name)
{
    CHECK(uid.len <= ROOM_UID_MAX && name.len <= ROOM_USER_NAME_MAX);
    struct room_user *user = mem_zalloc(sizeof(*user) + uid.len + name.len + 1);

    if (!user)
        return NULL;
    user->uid_len = (uint8_t)uid.len;
    user->name_len = (uint8_t)name.len;
    list_init(&user->absent);
    memcpy(user->text, uid.data, uid.len);
    if (name.len)
        memcpy(user->text + uid.len, name.data, name.len);
    return user;
}

int room_rename(struct room *room, struct slice uid, struct slice name)
{
    struct room_user *user = room_find_user(room, uid);

    if (!user)
        return -ENOENT;
    if (slice_equal(room_user_name(user), name))
        return 0;
    struct room_user *renamed = user_new(uid, name);
    if (!renamed)
        return -ENOMEM;
    renamed->sessions = user->sessions;
    renamed->sent_away = user->sent_away;
    renamed->until_ms = user->until_ms;
    if (user_is_absent(user)) /* takes its place in the order */
        list_append(&user->absent, &renamed->absent);
    list_remove(&user->absent);
    table_remove(&room->users, &user->link);
    mem_free_wiped(user);
    table_insert(&room->users, &renamed->link, hash_bytes(uid));
    return 0;
}

/* Passing events live in a log of their own, which only a room with members needs. */
static int open_notices(struct room *room)
{
    static const struct log_limits limits = {.ttl_ms = ROOM_NOTICE_TTL_MS,
                                             .ttl_from = TTL_FROM_MESSAGE,
                                             .messages_max = UINT32_MAX,
                                             .bytes_max = ROOM_NOTICE_BYTES_MAX};

    if (room->notices)
        return 0;
    room->notices = mem_alloc(sizeof(*room->notices));
    if (!room->notices)
        return -ENOMEM;
    log_init(room->notices, &room->directory->side_env, &limits);
    return 0;
}

static void close_notices(struct room *room)
{
    log_deinit(room->notices);
    mem_free(room->notices);
    room->notices = NULL;
    room->count_due = false;
}

static void publish_members(struct room *room)
{
    atomic_store_explicit(&room->members_seen, room_members(room), memory_order_relaxed);
}

static void no_longer_absent(struct room *room, struct room_user *user)
{
    if (!user_is_absent(user))
        return;
    list_remove(&user->absent);
    room->absent_count--;
}

/* No member any more. The caller frees it. */
static void take_out(struct room *room, struct room_user *user)
{
    no_longer_absent(room, user);
    table_remove(&room->users, &user->link);
    room->directory->members--;
    publish_members(room);
}

static void drop(struct room *room, struct room_user *user)
{
    take_out(room, user);
    mem_free_wiped(user);
}

int room_join(struct room *room, struct room_seat *seat, struct slice uid, struct slice name,
              bool *ret_came)
{
    int error = room_is_closed(room) ? -ESHUTDOWN : open_notices(room);
    struct room_user *user = room_find_user(room, uid);

    if (error)
        return error;
    if (user) {
        error = room_rename(room, uid, name);
        user = room_find_user(room, uid);
    } else if ((user = user_new(uid, name))) {
        table_insert(&room->users, &user->link, hash_bytes(uid));
    } else {
        error = -ENOMEM;
    }
    if (error) {
        if (!room->sessions)
            close_notices(room);
        return error;
    }
    *ret_came = user->sessions++ == 0 && !user_is_absent(user);
    room->directory->members += *ret_came;
    room->directory->sessions++;
    user->sent_away = false;
    no_longer_absent(room, user);
    publish_members(room);
    room->sessions++;
    if (seat->sessions++ == 0) {
        seat->room = room;
        list_append(&room->seats, &seat->link);
    }
    return 0;
}

/* One session less. The user, who may have others. */
static struct room_user *one_less(struct room *room, struct room_seat *seat, struct slice uid)
{
    struct room_user *user = room_find_user(room, uid);

    CHECK(user && user->sessions > 0 && seat->sessions > 0 && room->sessions > 0);
    if (--seat->sessions == 0) {
        seat->room = NULL;
        list_remove(&seat->link);
    }
    CHECK(room->projected < room->sessions); /* or this one still reads it */
    room->directory->sessions--;
    if (--room->sessions == 0)
        close_notices(room); /* no shard has a seat, so none reads it */
    user->sessions--;
    return user;
}

bool room_leave(struct room *room, struct room_seat *seat, struct slice uid)
{
    struct room_user *user = one_less(room, seat, uid);

    if (user->sessions)
        return false;
    drop(room, user);
    return true;
}

/* Absent users */

static void end_absence(struct room *room, struct room_user *user)
{
    const struct directory *directory = room->directory;

    take_out(room, user);
    if (directory->gone)
        directory->gone(directory->user, room, user);
    mem_free_wiped(user);
}

static struct room_user *first_absent(const struct room *room)
{
    return container_of(room->absent.next, struct room_user, absent);
}

static struct room_user *last_absent(const struct room *room)
{
    return container_of(room->absent.prev, struct room_user, absent);
}

uint64_t room_absent_ms(const struct room *room)
{
    return room->absent_count ? first_absent(room)->until_ms : UINT64_MAX;
}

void room_end_absences(struct room *room, uint64_t now_ms)
{
    while (room_absent_ms(room) <= now_ms)
        end_absence(room, first_absent(room));
}

void room_forget_absent(struct room *room)
{
    while (room->absent_count)
        drop(room, first_absent(room));
}

bool room_lose(struct room *room, struct room_seat *seat, struct slice uid, uint64_t until_ms)
{
    struct room_user *user = one_less(room, seat, uid);

    if (user->sessions)
        return false;
    if (user->sent_away || room_is_closed(room)) {
        drop(room, user);
        return true;
    }
    if (room->absent_count >= ROOM_ABSENT_MAX)
        end_absence(room, first_absent(room));
    /* The list stays in order though the grace may have become shorter. */
    user->until_ms = room->absent_count && last_absent(room)->until_ms > until_ms
                         ? last_absent(room)->until_ms
                         : until_ms;
    list_append(&room->absent, &user->absent);
    room->absent_count++;
    room_schedule(room);
    return false;
}

bool room_send_away(struct room *room, struct slice uid)
{
    struct room_user *user = room_find_user(room, uid);

    if (!user)
        return false;
    if (user_is_absent(user)) {
        end_absence(room, user);
        return false;
    }
    user->sent_away = true;
    return true;
}

/* The projection */

/* Puts bytes where the projection's next entry goes, unpublished: the slot's `cap` bytes. */
static int put_projected(struct log *projection, struct slice bytes, uint64_t time_ms,
                         struct log_slot *ret_slot)
{
    int error = log_prepare(projection, bytes.len, time_ms, ret_slot);

    if (!error)
        memcpy(ret_slot->bytes, bytes.data, bytes.len);
    return error;
}

/* The other form of the entry that the cursor has just given. */
static int project_one(const struct room *room, const struct log_cursor *cursor, struct slice entry,
                       struct slice *ret_bytes)
{
    const struct directory *directory = room->directory;

    return log_cursor_is_replaced(cursor)
               ? directory->project_deleted(directory->user, room, cursor->next - 1, ret_bytes)
               : directory->project(directory->user, room, entry, ret_bytes);
}

static int project_all(const struct room *room, struct log *projection, uint64_t now_ms)
{
    struct log_cursor cursor;
    struct log_slot slot;
    struct log_read gap;
    struct slice entry, bytes;
    int error = 0;

    log_cursor_init(&cursor, log_end(projection));
    while (!error && log_next(&room->log, &cursor, now_ms, &entry, &gap) == LOG_BYTES) {
        uint64_t time_ms = log_cursor_time_ms(&cursor);
        error = project_one(room, &cursor, entry, &bytes);
        if (!error)
            error = put_projected(projection, bytes, time_ms, &slot);
        if (!error)
            log_commit(projection, &slot, slot.cap, time_ms);
    }
    return error;
}

static void free_projection(struct log *projection)
{
    log_deinit(projection);
    mem_free(projection);
}

int room_project(struct room *room, uint64_t now_ms)
{
    if (!room->projection) {
        struct log *projection = mem_alloc(sizeof(*projection));
        if (!projection)
            return -ENOMEM;
        /* Now all that is held is alive: the walk finds no gap. */
        log_expire(&room->log, now_ms);
        log_init_follower(projection, &room->directory->side_env, &room->log);
        int error = project_all(room, projection, now_ms);
        if (error) {
            free_projection(projection);
            return error;
        }
        DCHECK(log_end(projection) == log_end(&room->log));
        room->projection = projection;
    }
    room->projected++;
    return 0;
}

void room_unproject(struct room *room)
{
    CHECK(room->projected > 0);
    if (--room->projected > 0)
        return;
    free_projection(room->projection);
    room->projection = NULL;
}

/* Positions */

int room_position(const struct room *room, const struct room_wish *wish, uint64_t now_ms,
                  struct room_position *ret)
{
    uint64_t end = log_end(&room->log);
    uint64_t kept = log_first(&room->log, now_ms);
    struct room_position at = {.cursor = kept, .first = kept, .seq = end - 1};

    if (wish->has_since && slice_equal(wish->since_epoch, room_epoch(room))) {
        if (wish->since_seq >= end)
            return -EINVAL;
        /* A cursor that comes back may read beyond the history, as if it had never left. What it
         * can no longer have is told by the gap that its first read finds. */
        uint64_t oldest = log_oldest(&room->log, now_ms);
        at.cursor = wish->since_seq + 1;
        at.first = at.cursor > oldest ? at.cursor : oldest;
        at.recovered = at.first == at.cursor;
    } else if (!wish->has_since && wish->has_history && end - kept > wish->history) {
        at.cursor = at.first = end - wish->history;
    }
    *ret = at;
    return 0;
}

uint64_t room_expires_in_s(const struct room *room, uint64_t now_ms)
{
    uint64_t dead_ms = atomic_load_explicit(&room->log.dead_ms, memory_order_relaxed);

    if (log_is_empty(&room->log) || dead_ms <= now_ms)
        return 0;
    return (dead_ms - now_ms + 999) / 1000;
}

/* Messages */

/* Two independent hashes of (uid, cid): chance alone can't make two marks meet. */
static void cid_hashes(struct slice uid, struct slice cid, uint64_t *ret_hash, uint64_t *ret_check)
{
    uint8_t text[2 + ROOM_UID_MAX + ROOM_CID_MAX];
    size_t len = 2;

    text[1] = (uint8_t)uid.len;
    if (uid.len)
        memcpy(text + len, uid.data, uid.len);
    len += uid.len;
    memcpy(text + len, cid.data, cid.len);
    len += cid.len;
    text[0] = 1;
    *ret_hash = hash_bytes(slice_make(text, len));
    text[0] = 2;
    *ret_check = hash_bytes(slice_make(text, len));
    mem_wipe(text, len);
}

uint64_t room_author_mark(struct slice uid, uint64_t seq)
{
    uint8_t text[1 + sizeof(seq) + ROOM_UID_MAX];

    CHECK(uid.len <= ROOM_UID_MAX);
    text[0] = 3;
    memcpy(text + 1, &seq, sizeof(seq));
    memcpy(text + 1 + sizeof(seq), uid.data, uid.len);
    return hash_bytes(slice_make(text, 1 + sizeof(seq) + uid.len));
}

static bool cid_matches(const struct table_link *link, const void *key)
{
    return container_of(link, struct room_cid, link)->check == *(const uint64_t *)key;
}

const struct room_cid *room_find_cid(struct room *room, struct slice uid, struct slice cid,
                                     uint64_t now_ms)
{
    uint64_t hash, check;

    if (!room->cids.count)
        return NULL;
    cid_hashes(uid, cid, &hash, &check);
    struct table_link *link = table_find(&room->cids, hash, cid_matches, &check);
    const struct room_cid *found = link ? container_of(link, struct room_cid, link) : NULL;
    return found && found->seq >= log_first(&room->log, now_ms) ? found : NULL;
}

static void forget_cid(struct room *room, struct room_cid *old)
{
    list_remove(&old->by_age);
    table_remove(&room->cids, &old->link);
    mem_free(old);
}

void room_forget_cids(struct room *room, uint64_t below_seq)
{
    list_each(link, &room->cids_by_age)
    {
        struct room_cid *cid = container_of(link, struct room_cid, by_age);
        if (cid->seq >= below_seq)
            break;
        forget_cid(room, cid);
    }
}

void room_forget_cids_from(struct room *room, uint64_t seq)
{
    while (!list_empty(&room->cids_by_age)) {
        struct room_cid *newest = container_of(room->cids_by_age.prev, struct room_cid, by_age);
        if (newest->seq < seq)
            break;
        forget_cid(room, newest);
    }
}

static int mark_new(struct room *room, struct slice uid, struct slice cid,
                    struct room_cid **ret_mark)
{
    struct room_cid *mark = mem_zalloc(sizeof(*mark));

    if (!mark)
        return -ENOMEM;
    cid_hashes(uid, cid, &mark->link.hash, &mark->check);
    *ret_mark = mark;
    return 0;
}

/* The mark's message is stored, or about to be. */
static void remember_cid(struct room *room, struct room_cid *mark, uint64_t seq, uint64_t ts_ms)
{
    struct table_link *old = table_find(&room->cids, mark->link.hash, cid_matches, &mark->check);

    if (old) /* its message has expired: the cid can be used again */
        forget_cid(room, container_of(old, struct room_cid, link));
    mark->seq = seq;
    mark->ts_ms = ts_ms;
    table_insert(&room->cids, &mark->link, mark->link.hash);
    list_append(&room->cids_by_age, &mark->by_age);
}

int room_remember_cid(struct room *room, struct slice uid, struct slice cid, uint64_t seq,
                      uint64_t ts_ms)
{
    struct room_cid *mark;
    int error = mark_new(room, uid, cid, &mark);

    if (!error)
        remember_cid(room, mark, seq, ts_ms);
    return error;
}

int room_prepare(struct room *room, struct slice uid, struct slice cid, size_t bytes,
                 uint64_t now_ms, uint64_t wall_ms, struct room_message *ret_message)
{
    struct room_message message = {.ts_ms =
                                       wall_ms > room->last_ts_ms ? wall_ms : room->last_ts_ms};
    if (room_is_closed(room))
        return -ESHUTDOWN;
    int error = log_prepare(&room->log, bytes, now_ms, &message.slot);

    if (room->projection) /* that may have expired something */
        log_follow(room->projection);
    if (!error && cid.len)
        error = mark_new(room, uid, cid, &message.mark);
    if (error)
        return error;
    if (uid.len)
        message.slot.author = room_author_mark(uid, message.slot.number);
    *ret_message = message;
    return 0;
}

void room_cancel(struct room *room, struct room_message *message)
{
    mem_wipe(message->slot.bytes, message->slot.cap);
    mem_free(message->mark);
    message->mark = NULL;
}

int room_commit(struct room *room, struct room_message *message, size_t bytes, uint64_t now_ms)
{
    struct log_slot projected;

    if (room->projection) {
        const struct directory *directory = room->directory;
        struct slice entry = slice_make(message->slot.bytes, bytes), form;
        int error = directory->project(directory->user, room, entry, &form);
        if (!error)
            error = put_projected(room->projection, form, now_ms, &projected);
        if (error) {
            room_cancel(room, message);
            return error;
        }
    }
    log_commit(&room->log, &message->slot, bytes, now_ms);
    if (room->projection)
        log_commit(room->projection, &projected, projected.cap, log_newest_ms(&room->log));
    room->last_ts_ms = message->ts_ms;
    if (message->mark) {
        remember_cid(room, message->mark, message->slot.number, message->ts_ms);
        message->mark = NULL;
    }
    room_forget_cids(room, atomic_load_explicit(&room->log.kept, memory_order_relaxed));
    room_schedule(room);
    return 0;
}

bool room_notify(struct room *room, uint64_t except, struct slice wire, uint64_t now_ms)
{
    struct log_slot slot;

    if (!room->notices || room_is_closed(room) ||
        log_prepare(room->notices, ROOM_NOTICE_HEAD + wire.len, now_ms, &slot) != 0)
        return false;
    memcpy(slot.bytes, &except, ROOM_NOTICE_HEAD);
    memcpy(slot.bytes + ROOM_NOTICE_HEAD, wire.data, wire.len);
    log_commit(room->notices, &slot, ROOM_NOTICE_HEAD + wire.len, now_ms);
    room_schedule(room);
    return true;
}
