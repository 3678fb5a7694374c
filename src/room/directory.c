/* directory.c - rooms by name, and the birth and death of a room. */
#include "ringroom/room/directory.h"
#include "ringroom/base/check.h"
#include "ringroom/base/encode.h"
#include "ringroom/base/hash.h"
#include "ringroom/base/random.h"
#include "room_parts.h"

#include <stdatomic.h>

enum { COUNT_EVERY_MS = 1000 };

void directory_init(struct directory *directory, struct wheel *wheel, const struct log_env *env,
                    const struct retention_rules *rules, uint64_t delivery_window)
{
    *directory = (struct directory){.wheel = wheel,
                                    .env = *env,
                                    .side_env = *env,
                                    .rules = rules,
                                    .delivery_window = delivery_window};
    table_init(&directory->rooms);
}

static bool name_matches(const struct table_link *link, const void *key)
{
    const struct room *room = container_of(link, struct room, link);

    return slice_equal(room_name(room), *(const struct slice *)key);
}

struct room *directory_find(const struct directory *directory, struct slice name)
{
    struct table_link *link = table_find(&directory->rooms, hash_bytes(name), name_matches, &name);

    return link ? container_of(link, struct room, link) : NULL;
}

static void sweep(struct timer *timer, uint64_t now_ms)
{
    struct room *room = container_of(timer, struct room, sweep);
    struct directory *directory = room->directory;

    log_expire(&room->log, now_ms);
    if (room->projection)
        log_follow(room->projection);
    if (room->notices)
        log_expire(room->notices, now_ms);
    room_forget_cids(room, log_first(&room->log, now_ms));
    room_end_absences(room, now_ms);
    if (room->count_due && now_ms >= room->counted_ms + COUNT_EVERY_MS && directory->count_due)
        directory->count_due(directory->user, room, now_ms);
    if (room->linger_ms <= now_ms)
        room->linger_ms = 0;
    if (room->sanctions.next_ms <= now_ms)
        sanctions_expire(&room->sanctions, now_ms);
    if (!room_settle(room))
        room_schedule(room);
}

void room_schedule(struct room *room)
{
    uint64_t due = log_expiry_ms(&room->log);

    if (room->notices && log_expiry_ms(room->notices) < due)
        due = log_expiry_ms(room->notices);
    if (room->count_due && room->counted_ms + COUNT_EVERY_MS < due)
        due = room->counted_ms + COUNT_EVERY_MS;
    if (room->linger_ms && room->linger_ms < due)
        due = room->linger_ms;
    if (room->sanctions.next_ms < due)
        due = room->sanctions.next_ms;
    if (room_absent_ms(room) < due)
        due = room_absent_ms(room);
    if (due == UINT64_MAX)
        wheel_cancel(room->directory->wheel, &room->sweep);
    else
        wheel_set(room->directory->wheel, &room->sweep, due);
}

static void new_epoch(char epoch[ROOM_EPOCH_BYTES])
{
    uint8_t bits[ROOM_EPOCH_BYTES / 4 * 3];

    random_bytes(bits, sizeof(bits));
    encode_base64url(epoch, bits, sizeof(bits));
}

/* The rules', and what the room has of its own in their place. */
static struct retention retention_of(const struct room *room)
{
    struct retention retention = retention_for(room->directory->rules, room_name(room));
    const struct room_own *own = &room->own;

    if (own->ttl)
        retention.ttl_s = own->retention.ttl_s;
    if (own->ttl_from)
        retention.ttl_from = own->retention.ttl_from;
    if (own->max_messages)
        retention.max_messages = own->retention.max_messages;
    if (own->max_bytes)
        retention.max_bytes = own->retention.max_bytes;
    return retention;
}

static struct log_limits limits_of(const struct room *room)
{
    return (struct log_limits){.ttl_ms = (uint64_t)room->retention.ttl_s * 1000,
                               .ttl_from = room->retention.ttl_from,
                               .messages_max = room->retention.max_messages,
                               .bytes_max = room->retention.max_bytes,
                               .window_bytes = room->directory->delivery_window};
}

/* An empty log, numbered from 1, under a new epoch. */
static void begin_life(struct room *room)
{
    room->own = (struct room_own){.members_max = ROOM_MEMBERS_BY_RULE};
    room->retention = retention_of(room);
    struct log_limits limits = limits_of(room);
    log_init(&room->log, &room->directory->env, &limits);
    new_epoch(room->epoch);
    atomic_init(&room->closed, false);
}

static bool same_retention(const struct retention *a, const struct retention *b)
{
    return a->ttl_s == b->ttl_s && a->ttl_from == b->ttl_from &&
           a->max_messages == b->max_messages && a->max_bytes == b->max_bytes;
}

/* The sweep frees the room where nothing is left of it, which must not happen under our walk. */
static void reload_room(struct room *room, bool same_window, uint64_t now_ms)
{
    struct retention retention = retention_of(room);

    if (same_window && same_retention(&retention, &room->retention))
        return;
    room->retention = retention;
    struct log_limits limits = limits_of(room);
    log_set_limits(&room->log, &limits, now_ms);
    wheel_set(room->directory->wheel, &room->sweep, now_ms);
}

void directory_reload(struct directory *directory, const struct retention_rules *rules,
                      uint64_t delivery_window, uint64_t bytes_max, uint64_t now_ms)
{
    bool same_window = delivery_window == directory->delivery_window;

    directory->rules = rules;
    directory->delivery_window = delivery_window;
    directory->env.bytes_max = directory->side_env.bytes_max = bytes_max;
    for (struct table_link *link = NULL; (link = table_next(&directory->rooms, link));)
        reload_room(container_of(link, struct room, link), same_window, now_ms);
}

void room_set_own(struct room *room, const struct room_own *own, uint64_t now_ms)
{
    room->own = *own;
    room->retention = retention_of(room);
    struct log_limits limits = limits_of(room);
    log_set_limits(&room->log, &limits, now_ms);
    if (room->projection)
        log_follow(room->projection);
    room_forget_cids(room, log_first(&room->log, now_ms));
    room_schedule(room);
}

struct room *directory_open(struct directory *directory, struct slice name)
{
    struct room *room = directory_find(directory, name);

    if (room)
        return room;
    CHECK(name.len > 0 && name.len <= ROOM_NAME_MAX);
    room = mem_zalloc(sizeof(*room) + name.len);
    if (!room)
        return NULL;
    room->directory = directory;
    timer_init(&room->sweep, sweep);
    list_init(&room->seats);
    table_init(&room->users);
    list_init(&room->absent);
    table_init(&room->cids);
    list_init(&room->cids_by_age);
    sanctions_init(&room->sanctions);
    room->name_len = (uint8_t)name.len;
    memcpy(room->name, name.data, name.len);
    begin_life(room);
    table_insert(&directory->rooms, &room->link, hash_bytes(name));
    return room;
}

static void free_users(struct room *room)
{
    struct table_link *next;

    room->directory->members -= room->users.count;
    for (struct table_link *link = table_next(&room->users, NULL); link; link = next) {
        next = table_next(&room->users, link);
        mem_free_wiped(container_of(link, struct room_user, link));
    }
    table_deinit(&room->users);
}

static void room_free(struct room *room)
{
    table_remove(&room->directory->rooms, &room->link);
    wheel_cancel(room->directory->wheel, &room->sweep);
    if (room->notices) {
        log_deinit(room->notices);
        mem_free(room->notices);
    }
    if (room->projection) {
        log_deinit(room->projection);
        mem_free(room->projection);
    }
    log_deinit(&room->log);
    room_forget_cids(room, UINT64_MAX);
    table_deinit(&room->cids);
    sanctions_deinit(&room->sanctions);
    free_users(room);
    mem_free_wiped(room);
}

void room_linger(struct room *room, uint64_t until_ms)
{
    if (room_is_closed(room))
        return;
    if (until_ms > room->linger_ms)
        room->linger_ms = until_ms;
    room_schedule(room);
}

bool room_settle(struct room *room)
{
    if (room->sessions || !log_is_empty(&room->log) || room->linger_ms)
        return false;
    if (!sanctions_none(&room->sanctions)) {
        if (room_is_closed(room)) { /* no shard has a seat, so none reads log or epoch */
            log_deinit(&room->log);
            begin_life(room);
        }
        return false;
    }
    room_free(room);
    return true;
}

void directory_deinit(struct directory *directory)
{
    struct table_link *next;

    /* Each is found before the one in front of it goes: to begin anew each time would cost the
     * square of their number. */
    for (struct table_link *link = table_next(&directory->rooms, NULL); link; link = next) {
        next = table_next(&directory->rooms, link);
        room_free(container_of(link, struct room, link));
    }
    table_deinit(&directory->rooms);
}
