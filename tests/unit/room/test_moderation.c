/* Messages deleted, users banned and muted, rooms closed: on one thread, with two readers of the
 * epoch scheme. Time is passed in. */
#include "ringroom/room/moderation.h"

#include "ringroom/base/mem.h"
#include "ringroom/room/directory.h"
#include "unit.h"
#include <errno.h>

enum { READERS = 2, MESSAGE_BYTES = 60, STANDING_MAX = 256 };

#define DELETED       "deleted"
#define DELETED_OTHER "deleted in the other form"

struct standing {
    const uint8_t *at;
    size_t bytes;
};

static struct world {
    struct epoch epoch;
    struct epoch_bin bin;
    _Atomic uint64_t bytes_used;
    struct wheel wheel;
    struct retention_rules rules;
    struct directory directory;
    struct room *room;
    struct room_seat seat;
    uint64_t now_ms;
    int project_error;
    struct standing standing[STANDING_MAX]; /* messages, in either form, not yet wiped */
    size_t standing_count;
} w;

static void note_wiped(uintptr_t from, size_t bytes)
{
    for (size_t i = 0; i < w.standing_count;) {
        uintptr_t at = (uintptr_t)w.standing[i].at;
        if (at >= from && at + w.standing[i].bytes <= from + bytes)
            w.standing[i] = w.standing[--w.standing_count];
        else
            i++;
    }
}

#include "wipe_watch.h"

static void note_standing(const uint8_t *at, size_t bytes)
{
    CU_ASSERT_FATAL(w.standing_count < STANDING_MAX);
    w.standing[w.standing_count++] = (struct standing){.at = at, .bytes = bytes};
}

/* The other form is the message with a 'P' before it. */
static int project(void *user, const struct room *room, struct slice entry, struct slice *ret_bytes)
{
    static uint8_t form[1 + MESSAGE_BYTES];

    CU_ASSERT_FATAL(entry.len == MESSAGE_BYTES);
    form[0] = 'P';
    memcpy(form + 1, entry.data, entry.len);
    *ret_bytes = slice_make(form, sizeof(form));
    return w.project_error;
}

static int project_deleted(void *user, const struct room *room, uint64_t seq,
                           struct slice *ret_bytes)
{
    *ret_bytes = slice_of(DELETED_OTHER);
    return w.project_error;
}

static void open_room(void)
{
    w.room = directory_open(&w.directory, slice_of("r"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.room);
}

static void setup(uint32_t ttl_s, enum ttl_from ttl_from)
{
    memset(&w, 0, sizeof(w));
    w.now_ms = 100000;
    CU_ASSERT_FATAL(epoch_init(&w.epoch, READERS) == 0);
    epoch_bin_init(&w.bin, &w.epoch);
    for (uint32_t i = 0; i < READERS; i++)
        epoch_online(&w.epoch, i);
    wheel_init(&w.wheel, w.now_ms);
    w.rules.defaults = (struct retention){
        .ttl_s = ttl_s, .ttl_from = ttl_from, .max_messages = 100, .max_bytes = 1 << 20};
    struct log_env env = {.bin = &w.bin, .bytes_used = &w.bytes_used};
    directory_init(&w.directory, &w.wheel, &env, &w.rules, 100000);
    w.directory.project = project;
    w.directory.project_deleted = project_deleted;
    list_init(&w.seat.link);
    open_room();
}

static void teardown(void)
{
    for (uint32_t i = 0; i < READERS; i++)
        epoch_offline(&w.epoch, i);
    directory_deinit(&w.directory);
    epoch_bin_drain(&w.bin);
    CU_ASSERT(atomic_load(&w.bytes_used) == 0 && w.wheel.count == 0 && w.standing_count == 0);
    epoch_deinit(&w.epoch);
}

static void reclaim(void)
{
    for (int rounds = 0; rounds < 3; rounds++) {
        for (uint32_t i = 0; i < READERS; i++)
            epoch_quiesce(&w.epoch, i);
        epoch_collect(&w.bin);
    }
    CU_ASSERT_PTR_NULL(w.bin.first);
}

static void pass(uint64_t ms)
{
    w.now_ms += ms;
    wheel_advance(&w.wheel, w.now_ms);
}

static struct room *find_room(void)
{
    return directory_find(&w.directory, slice_of("r"));
}

static int join(const char *uid)
{
    bool came;

    return room_join(w.room, &w.seat, slice_of(uid), slice_of(uid), &came);
}

static void leave(const char *uid)
{
    room_leave(w.room, &w.seat, slice_of(uid));
}

/* The number, or an error. */
static int64_t say(const char *uid, const char *cid)
{
    struct room_message message;
    int error = room_prepare(w.room, slice_of(uid), slice_of(cid), MESSAGE_BYTES, w.now_ms,
                             w.now_ms, &message);

    if (error)
        return error;
    memset(message.slot.bytes, 'a' + (int)message.slot.number % 26, MESSAGE_BYTES);
    note_standing(message.slot.bytes, MESSAGE_BYTES);
    error = room_commit(w.room, &message, MESSAGE_BYTES, w.now_ms);
    return error ? error : (int64_t)message.slot.number;
}

static struct slice entry_of(const struct log *log, uint64_t number)
{
    struct log_cursor cursor;
    struct log_read gap;
    struct slice bytes = {0};

    log_cursor_init(&cursor, number);
    if (log_next(log, &cursor, w.now_ms, &bytes, &gap) != LOG_BYTES || cursor.next != number + 1)
        bytes = slice_make(NULL, 0);
    return bytes;
}

static int delete_message(uint64_t seq)
{
    return room_delete(w.room, seq, slice_of(DELETED), w.now_ms);
}

static bool is_author(const char *uid, uint64_t seq)
{
    return room_is_author(w.room, seq, slice_of(uid));
}

/* Deleting */

static bool is_intact(uint64_t seq)
{
    struct slice bytes = entry_of(&w.room->log, seq);

    return bytes.len == MESSAGE_BYTES && bytes.data[0] == 'a' + (int)seq % 26;
}

static void test_moderation__a_deleted_message_is_told_in_its_place_in_both_forms(void)
{
    setup(60, TTL_FROM_LAST_MESSAGE);
    join("ann");
    CU_ASSERT_EQUAL(room_project(w.room, w.now_ms), 0);
    for (int i = 1; i <= 3; i++)
        CU_ASSERT_EQUAL(say("ann", ""), i);
    note_standing(entry_of(w.room->projection, 2).data, 1 + MESSAGE_BYTES);
    CU_ASSERT(w.standing_count == 4 && delete_message(2) == 0);
    CU_ASSERT(slice_is(entry_of(&w.room->log, 2), DELETED));
    CU_ASSERT(slice_is(entry_of(w.room->projection, 2), DELETED_OTHER));
    CU_ASSERT(is_intact(1) && is_intact(3) && log_end(&w.room->log) == 4);
    CU_ASSERT_EQUAL(entry_of(w.room->projection, 3).len, 1 + MESSAGE_BYTES);
    CU_ASSERT_EQUAL(w.standing_count, 4); /* a reader may be inside */
    reclaim();
    CU_ASSERT_EQUAL(w.standing_count, 2); /* messages 1 and 3 */
    teardown();
}

static void test_moderation__what_is_deleted_gone_or_not_there_is_told_apart(void)
{
    setup(10, TTL_FROM_MESSAGE);
    say("ann", "");
    w.now_ms += 5000;
    say("ann", "");
    CU_ASSERT(delete_message(0) == -ENOENT && delete_message(3) == -ENOENT);
    CU_ASSERT(delete_message(1) == 0 && delete_message(1) == -EALREADY);
    w.now_ms += 5000; /* no sweep has come by */
    CU_ASSERT(delete_message(1) == -ENOENT && delete_message(2) == 0);
    pass(5000 + WHEEL_TICK_MS);
    CU_ASSERT_PTR_NULL(find_room());
    reclaim();
    CU_ASSERT(w.standing_count == 0 && atomic_load(&w.bytes_used) == 0);
    teardown();
}

static void test_moderation__a_projection_made_later_knows_what_was_deleted(void)
{
    setup(60, TTL_FROM_LAST_MESSAGE);
    join("ann");
    for (int i = 1; i <= 3; i++)
        say("ann", "");
    CU_ASSERT(delete_message(2) == 0 && room_project(w.room, w.now_ms) == 0);
    CU_ASSERT(slice_is(entry_of(w.room->projection, 2), DELETED_OTHER));
    CU_ASSERT(entry_of(w.room->projection, 1).len == 1 + MESSAGE_BYTES);
    CU_ASSERT_EQUAL(delete_message(2), -EALREADY);
    CU_ASSERT_EQUAL(delete_message(3), 0);
    CU_ASSERT(slice_is(entry_of(w.room->projection, 3), DELETED_OTHER));
    teardown();
}

static void test_moderation__who_wrote_a_message_is_known_while_it_is_there(void)
{
    setup(60, TTL_FROM_LAST_MESSAGE);
    say("ann", "");
    say("bob", "");
    say("", "");
    CU_ASSERT(is_author("ann", 1) && is_author("bob", 2));
    CU_ASSERT(!is_author("bob", 1) && !is_author("ann", 2) && !is_author("an", 1));
    CU_ASSERT(!is_author("", 1) && !is_author("", 3) && !is_author("ann", 3));
    CU_ASSERT(!is_author("ann", 0) && !is_author("ann", 4));
    CU_ASSERT(delete_message(1) == 0 && is_author("ann", 1) && !is_author("bob", 1));
    room_close(w.room);
    CU_ASSERT(!is_author("ann", 1));
    teardown();
}

/* Else a client that had no answer would bring the message back. */
static void test_moderation__a_retry_does_not_bring_a_deleted_message_back(void)
{
    setup(60, TTL_FROM_LAST_MESSAGE);
    CU_ASSERT(say("ann", "c1") == 1 && delete_message(1) == 0);
    const struct room_cid *mark = room_find_cid(w.room, slice_of("ann"), slice_of("c1"), w.now_ms);
    CU_ASSERT(mark && mark->seq == 1);
    teardown();
}

static void test_moderation__deleting_is_possible_where_no_message_has_room(void)
{
    setup(60, TTL_FROM_LAST_MESSAGE);
    w.directory.env.bytes_max = 2000;
    while (say("ann", "") > 0)
        ;
    CU_ASSERT(say("ann", "") == -ENOSPC && delete_message(1) == 0);
    CU_ASSERT(slice_is(entry_of(&w.room->log, 1), DELETED));
    teardown();
}

static void test_moderation__a_failed_deletion_changes_nothing(void)
{
    setup(60, TTL_FROM_LAST_MESSAGE);
    join("ann");
    CU_ASSERT(say("ann", "") == 1 && room_project(w.room, w.now_ms) == 0);
    w.project_error = -ENOBUFS;
    CU_ASSERT(delete_message(1) == -ENOBUFS && is_intact(1));
    w.project_error = 0;
#ifdef RINGROOM_DCHECK
    uint64_t used = atomic_load(&w.bytes_used);
    for (long n = 0; n < 2; n++) {
        mem_fail_after(n);
        CU_ASSERT(delete_message(1) == -ENOMEM && is_intact(1));
        CU_ASSERT_EQUAL(entry_of(w.room->projection, 1).len, 1 + MESSAGE_BYTES);
        CU_ASSERT_EQUAL(atomic_load(&w.bytes_used), used);
    }
    mem_fail_after(-1);
#endif
    CU_ASSERT_EQUAL(delete_message(1), 0);
    teardown();
}

/* Bans and mutes */

static void test_moderation__bans_and_mutes_are_two_things_and_end_by_themselves(void)
{
    uint64_t left_ms = 0;

    setup(60, TTL_FROM_LAST_MESSAGE);
    CU_ASSERT_EQUAL(room_ban(w.room, slice_of("bob"), w.now_ms + 5000), 0);
    CU_ASSERT_EQUAL(room_mute(w.room, slice_of("ann"), w.now_ms + 3000), 0);
    CU_ASSERT(room_is_banned(w.room, slice_of("bob"), w.now_ms, &left_ms) && left_ms == 5000);
    CU_ASSERT(!room_is_muted(w.room, slice_of("bob"), w.now_ms, &left_ms) && left_ms == 5000);
    CU_ASSERT(room_is_muted(w.room, slice_of("ann"), w.now_ms, &left_ms) && left_ms == 3000);
    CU_ASSERT(!room_is_banned(w.room, slice_of("ann"), w.now_ms, &left_ms));
    pass(4000);
    CU_ASSERT(!room_is_muted(w.room, slice_of("ann"), w.now_ms, &left_ms));
    CU_ASSERT(room_is_banned(w.room, slice_of("bob"), w.now_ms, &left_ms) && left_ms == 1000);
    CU_ASSERT_EQUAL(w.room->sanctions.by_uid.count, 1);
    teardown();
}

static void test_moderation__an_emptied_room_forgets_no_ban(void)
{
    char epoch[ROOM_EPOCH_BYTES];
    uint64_t left_ms;

    setup(1, TTL_FROM_LAST_MESSAGE);
    memcpy(epoch, w.room->epoch, sizeof(epoch));
    join("bob");
    say("bob", "");
    CU_ASSERT_EQUAL(room_ban(w.room, slice_of("bob"), w.now_ms + 5000), 0);
    leave("bob");
    CU_ASSERT(!room_settle(w.room));
    pass(4000);
    CU_ASSERT(log_is_empty(&w.room->log) && find_room() == w.room);
    CU_ASSERT(memcmp(epoch, w.room->epoch, sizeof(epoch)) == 0);
    CU_ASSERT(room_is_banned(w.room, slice_of("bob"), w.now_ms, &left_ms));
    pass(1000 + WHEEL_TICK_MS);
    CU_ASSERT_PTR_NULL(find_room());
    teardown();
}

static void test_moderation__a_room_goes_when_the_last_ban_is_lifted(void)
{
    setup(1, TTL_FROM_LAST_MESSAGE);
    CU_ASSERT_EQUAL(room_ban(w.room, slice_of("bob"), UINT64_MAX), 0);
    pass(100000);
    CU_ASSERT(!room_settle(w.room) && w.wheel.count == 0);
    CU_ASSERT_EQUAL(room_ban(w.room, slice_of("bob"), 0), 0);
    CU_ASSERT(room_settle(w.room) && !find_room());
    teardown();
}

/* Closing */

static void test_moderation__closing_wipes_all_that_the_room_held(void)
{
    setup(60, TTL_FROM_LAST_MESSAGE);
    join("ann");
    CU_ASSERT_EQUAL(room_project(w.room, w.now_ms), 0);
    for (int i = 0; i < 20; i++)
        say("ann", i % 2 ? "c" : "");
    delete_message(7);
    note_standing(entry_of(w.room->projection, 5).data, 1 + MESSAGE_BYTES);
    note_standing(entry_of(&w.room->log, 7).data, strlen(DELETED));
    CU_ASSERT(room_notify(w.room, 0, slice_of("typing"), w.now_ms));
    note_standing(entry_of(w.room->notices, 1).data, ROOM_NOTICE_HEAD + 6);
    struct slice held = entry_of(&w.room->log, 3);

    room_close(w.room);
    CU_ASSERT(room_is_closed(w.room) && log_is_empty(&w.room->log));
    CU_ASSERT(log_is_empty(w.room->projection) && log_is_empty(w.room->notices));
    CU_ASSERT(w.room->cids.count == 0 && w.wheel.count == 0);
    CU_ASSERT(held.data[0] == 'a' + 3); /* a reader may be inside */
    reclaim();
    CU_ASSERT(w.standing_count == 0 && atomic_load(&w.bytes_used) == 0);
    teardown();
}

static void test_moderation__a_closed_room_takes_nobody_and_nothing_in(void)
{
    struct room *closed;

    setup(60, TTL_FROM_LAST_MESSAGE);
    join("ann");
    join("bob");
    say("ann", "");
    CU_ASSERT(room_project(w.room, w.now_ms) == 0);
    closed = w.room;
    room_close(w.room);
    room_close(w.room);
    CU_ASSERT(join("eve") == -ESHUTDOWN && room_members(w.room) == 2);
    CU_ASSERT(say("ann", "") == -ESHUTDOWN && log_end(&w.room->log) == 2);
    CU_ASSERT(!room_notify(w.room, 0, slice_of("typing"), w.now_ms));
    CU_ASSERT_EQUAL(delete_message(1), -ENOENT);
    leave("ann");
    CU_ASSERT(!room_settle(w.room));
    open_room(); /* one name is one room */
    CU_ASSERT(w.room == closed && join("eve") == -ESHUTDOWN);
    room_unproject(w.room);
    leave("bob");
    room_linger(w.room, w.now_ms + 60000); /* nobody can find it again */
    CU_ASSERT(room_settle(w.room) && !find_room());
    teardown();
}

static void test_moderation__the_next_life_has_another_epoch(void)
{
    char epoch[ROOM_EPOCH_BYTES];

    setup(60, TTL_FROM_LAST_MESSAGE);
    say("ann", "");
    memcpy(epoch, w.room->epoch, sizeof(epoch));
    room_linger(w.room, w.now_ms + 60000);
    room_close(w.room);
    CU_ASSERT(memcmp(epoch, w.room->epoch, sizeof(epoch)) == 0);
    CU_ASSERT(room_settle(w.room) && !find_room()); /* nobody was in */
    open_room();
    CU_ASSERT(!room_is_closed(w.room) && memcmp(epoch, w.room->epoch, sizeof(epoch)) != 0);
    CU_ASSERT_EQUAL(say("ann", ""), 1);
    teardown();
}

/* Whoever closes a room to wipe a flood does not let the flooder in again. */
static void test_moderation__a_ban_outlives_the_closing(void)
{
    char epoch[ROOM_EPOCH_BYTES];
    uint64_t left_ms;

    setup(1, TTL_FROM_LAST_MESSAGE);
    memcpy(epoch, w.room->epoch, sizeof(epoch));
    join("ann");
    say("bob", "");
    CU_ASSERT_EQUAL(room_ban(w.room, slice_of("bob"), w.now_ms + 5000), 0);
    room_close(w.room);
    CU_ASSERT(!room_settle(w.room) && memcmp(epoch, w.room->epoch, sizeof(epoch)) == 0);
    leave("ann");
    CU_ASSERT(!room_settle(w.room) && find_room() == w.room && !room_is_closed(w.room));
    CU_ASSERT(memcmp(epoch, w.room->epoch, sizeof(epoch)) != 0);
    CU_ASSERT(room_is_banned(w.room, slice_of("bob"), w.now_ms, &left_ms) && left_ms == 5000);
    CU_ASSERT(join("ann") == 0 && say("ann", "") == 1);
    leave("ann");
    pass(5000 + WHEEL_TICK_MS);
    CU_ASSERT_PTR_NULL(find_room());
    teardown();
}

/* So that its shard says `closed` and not `gap`. */
static void test_moderation__who_was_within_a_message_is_torn(void)
{
    struct log_cursor cursor;
    struct log_read read;
    uint8_t dst[10];

    setup(60, TTL_FROM_LAST_MESSAGE);
    join("ann");
    say("ann", "");
    log_cursor_init(&cursor, 1);
    CU_ASSERT(log_read(&w.room->log, &cursor, w.now_ms, dst, 10, true, &read) == LOG_BYTES);
    room_close(w.room);
    CU_ASSERT(log_read(&w.room->log, &cursor, w.now_ms, dst, 10, true, &read) == LOG_TORN);
    CU_ASSERT(room_is_closed(w.room));
    teardown();
}

UNIT_MAIN("room/moderation",
          UNIT_TEST(test_moderation__a_deleted_message_is_told_in_its_place_in_both_forms),
          UNIT_TEST(test_moderation__what_is_deleted_gone_or_not_there_is_told_apart),
          UNIT_TEST(test_moderation__a_projection_made_later_knows_what_was_deleted),
          UNIT_TEST(test_moderation__who_wrote_a_message_is_known_while_it_is_there),
          UNIT_TEST(test_moderation__a_retry_does_not_bring_a_deleted_message_back),
          UNIT_TEST(test_moderation__deleting_is_possible_where_no_message_has_room),
          UNIT_TEST(test_moderation__a_failed_deletion_changes_nothing),
          UNIT_TEST(test_moderation__bans_and_mutes_are_two_things_and_end_by_themselves),
          UNIT_TEST(test_moderation__an_emptied_room_forgets_no_ban),
          UNIT_TEST(test_moderation__a_room_goes_when_the_last_ban_is_lifted),
          UNIT_TEST(test_moderation__closing_wipes_all_that_the_room_held),
          UNIT_TEST(test_moderation__a_closed_room_takes_nobody_and_nothing_in),
          UNIT_TEST(test_moderation__the_next_life_has_another_epoch),
          UNIT_TEST(test_moderation__a_ban_outlives_the_closing),
          UNIT_TEST(test_moderation__who_was_within_a_message_is_torn))
