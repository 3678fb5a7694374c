/* Users whose connection broke: still members for a while, back in time or gone for good. Time is
 * passed in. */
#include "ringroom/room/directory.h"
#include "ringroom/room/moderation.h"

#include "unit.h"
#include <stdbool.h>
#include <string.h>

enum { USERS = 12, SEATS = 3 };

static uintptr_t watched; /* a block, or 0 */
static size_t watched_bytes, wiped_bytes;

static void note_wiped(uintptr_t block, size_t bytes)
{
    if (watched && watched == block && bytes >= watched_bytes)
        wiped_bytes = bytes;
}

#include "wipe_watch.h"

static struct world {
    struct epoch epoch;
    struct epoch_bin bin;
    _Atomic uint64_t bytes_used;
    struct wheel wheel;
    struct retention_rules rules;
    struct directory directory;
    struct room_seat seats[SEATS];
    uint64_t now_ms;
    char gone[USERS + 2][16]; /* uids that were told as gone, in order; the last ones */
    unsigned gone_count;
    uint32_t members_then; /* when the last of them was told */
} w;

static void note_gone(void *user, struct room *room, const struct room_user *gone)
{
    struct slice uid = room_user_uid(gone);

    snprintf(w.gone[w.gone_count++ % (USERS + 2)], 16, "%.*s", (int)uid.len,
             (const char *)uid.data);
    w.members_then = room_members(room);
}

static struct room *setup(void)
{
    memset(&w, 0, sizeof(w));
    w.now_ms = 100000;
    CU_ASSERT_FATAL(epoch_init(&w.epoch, 1) == 0);
    epoch_bin_init(&w.bin, &w.epoch);
    wheel_init(&w.wheel, w.now_ms);
    w.rules.defaults = (struct retention){
        .ttl_s = 60, .ttl_from = TTL_FROM_MESSAGE, .max_messages = 100, .max_bytes = 1 << 20};
    struct log_env env = {.bin = &w.bin, .bytes_used = &w.bytes_used};
    directory_init(&w.directory, &w.wheel, &env, &w.rules, 0);
    w.directory.gone = note_gone;
    for (int i = 0; i < SEATS; i++)
        list_init(&w.seats[i].link);
    struct room *room = directory_open(&w.directory, slice_of("r"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(room);
    return room;
}

static void teardown(void)
{
    directory_deinit(&w.directory);
    epoch_bin_drain(&w.bin);
    CU_ASSERT_EQUAL(w.wheel.count, 0);
    CU_ASSERT_EQUAL(w.directory.members, 0);
    epoch_deinit(&w.epoch);
}

static bool join_at(struct room *room, int seat, const char *uid, const char *name)
{
    bool came = false;

    CU_ASSERT_EQUAL(room_join(room, &w.seats[seat], slice_of(uid), slice_of(name), &came), 0);
    return came;
}

static bool join(struct room *room, const char *uid)
{
    return join_at(room, 0, uid, uid);
}

static bool lose(struct room *room, const char *uid, uint64_t for_ms)
{
    return room_lose(room, &w.seats[0], slice_of(uid), w.now_ms + for_ms);
}

static void pass(uint64_t ms)
{
    w.now_ms += ms;
    wheel_advance(&w.wheel, w.now_ms);
    epoch_collect(&w.bin);
}

static bool is_member(const struct room *room, const char *uid)
{
    return room_find_user(room, slice_of(uid)) != NULL;
}

/* The list of those absent and the table agree, in the order of the moments. */
static void check(const struct room *room)
{
    uint32_t listed = 0, without = 0;
    uint64_t before = 0;

    list_each(link, &room->absent)
    {
        const struct room_user *user = container_of(link, struct room_user, absent);
        CU_ASSERT(user->sessions == 0 && !user->sent_away && user->until_ms >= before);
        CU_ASSERT(room_find_user(room, room_user_uid(user)) == user);
        before = user->until_ms;
        listed++;
    }
    for (struct table_link *link = table_next(&room->users, NULL); link;
         link = table_next(&room->users, link))
        without += container_of(link, struct room_user, link)->sessions == 0;
    CU_ASSERT(listed == room->absent_count && listed == without && listed <= ROOM_ABSENT_MAX);
    CU_ASSERT(atomic_load(&room->members_seen) == room_members(room));
    CU_ASSERT(w.directory.members == room_members(room) && w.directory.sessions == room->sessions);
    CU_ASSERT(!listed || timer_is_set(&room->sweep));
}

static void test_presence__who_is_lost_is_a_member_until_the_moment(void)
{
    struct room *room = setup();

    join(room, "ann");
    join(room, "bob");
    CU_ASSERT(!lose(room, "ann", 3000));
    CU_ASSERT(room_members(room) == 2 && room->sessions == 1 && room->absent_count == 1);
    CU_ASSERT(room_find_user(room, slice_of("ann"))->sessions == 0);
    check(room);
    pass(2990);
    CU_ASSERT(is_member(room, "ann") && w.gone_count == 0);
    pass(10 + WHEEL_TICK_MS);
    CU_ASSERT(!is_member(room, "ann") && w.gone_count == 1 && w.members_then == 1);
    CU_ASSERT_STRING_EQUAL(w.gone[0], "ann");
    CU_ASSERT(join(room, "ann"));
    check(room);
    teardown();
}

static void test_presence__who_is_back_in_time_has_not_come(void)
{
    struct room *room = setup();

    join(room, "ann");
    join(room, "bob");
    for (int i = 0; i < 5; i++) {
        lose(room, "ann", 3000);
        pass(2000);
        CU_ASSERT(!join_at(room, 1 + i % 2, "ann", i % 2 ? "Ann" : "Annabel"));
        check(room);
        CU_ASSERT(!room_lose(room, &w.seats[1 + i % 2], slice_of("ann"), w.now_ms + 3000));
        pass(2000);
        CU_ASSERT(!join(room, "ann"));
    }
    pass(10000);
    CU_ASSERT(w.gone_count == 0 && room_members(room) == 2 && !room->absent_count);
    teardown();
}

static void test_presence__only_the_last_session_makes_absent(void)
{
    struct room *room = setup();

    join(room, "ann");
    join_at(room, 1, "ann", "ann");
    CU_ASSERT(!lose(room, "ann", 3000) && room->absent_count == 0);
    CU_ASSERT(room_leave(room, &w.seats[1], slice_of("ann"))); /* this one has said so */
    CU_ASSERT(!is_member(room, "ann") && w.gone_count == 0);
    teardown();
}

static void test_presence__who_is_sent_away_is_not_waited_for(void)
{
    struct room *room = setup();

    join(room, "bob");
    join(room, "ann");
    lose(room, "ann", 3000);
    CU_ASSERT(!room_send_away(room, slice_of("ann"))); /* absent: told at once */
    CU_ASSERT(!is_member(room, "ann") && w.gone_count == 1 && w.members_then == 1);
    CU_ASSERT(!room_send_away(room, slice_of("ann")) && w.gone_count == 1);
    join(room, "ann");
    CU_ASSERT(room_send_away(room, slice_of("ann")) && is_member(room, "ann"));
    CU_ASSERT(lose(room, "ann", 3000)); /* broke just before it could be told */
    CU_ASSERT(!is_member(room, "ann") && w.gone_count == 1);
    join(room, "ann");
    room_send_away(room, slice_of("ann"));
    join(room, "ann"); /* came back: all as ever */
    CU_ASSERT(!lose(room, "ann", 3000) && !lose(room, "ann", 3000));
    CU_ASSERT(is_member(room, "ann"));
    check(room);
    teardown();
}

static void test_presence__a_closed_room_waits_for_nobody(void)
{
    struct room *room = setup();

    join(room, "ann");
    join(room, "bob");
    lose(room, "ann", 3000);
    room_close(room);
    CU_ASSERT(room_members(room) == 1 && room->absent_count == 0 && w.gone_count == 0);
    CU_ASSERT(lose(room, "bob", 3000) && room_members(room) == 0);
    CU_ASSERT(room_settle(room));
    teardown();
}

static void test_presence__who_is_absent_does_not_hold_the_room(void)
{
    struct room *room = setup();

    join(room, "ann");
    lose(room, "ann", 300000);
    CU_ASSERT(!room->notices && room_members(room) == 1);
    CU_ASSERT(room_settle(room) && w.directory.rooms.count == 0 && w.wheel.count == 0);

    room = directory_open(&w.directory, slice_of("r"));
    join(room, "ann");
    lose(room, "ann", 3000);
    room_linger(room, w.now_ms + 5000);
    CU_ASSERT(!room_settle(room));
    pass(3000 + WHEEL_TICK_MS);
    CU_ASSERT(w.directory.rooms.count == 1 && room_members(room) == 0 && w.gone_count == 1);
    pass(2000);
    CU_ASSERT(w.directory.rooms.count == 0);
    teardown();
}

static void test_presence__beyond_the_bound_the_first_lost_is_gone(void)
{
    struct room *room = setup();
    char uid[16];

    join(room, "bob");
    for (unsigned i = 0; i < 3 * ROOM_ABSENT_MAX; i++) {
        snprintf(uid, sizeof(uid), "u%u", i);
        join(room, uid);
        CU_ASSERT(!lose(room, uid, 3000));
        CU_ASSERT(room_members(room) <= ROOM_ABSENT_MAX + 1);
    }
    check(room);
    CU_ASSERT(w.gone_count == 2 * ROOM_ABSENT_MAX && room->absent_count == ROOM_ABSENT_MAX);
    CU_ASSERT(!is_member(room, "u0") && is_member(room, uid));
    pass(3000 + WHEEL_TICK_MS);
    CU_ASSERT(w.gone_count == 3 * ROOM_ABSENT_MAX && room_members(room) == 1);
    check(room);
    teardown();
}

static void test_presence__a_new_name_keeps_ones_place_in_the_order(void)
{
    struct room *room = setup();

    join(room, "dan"); /* holds the room */
    join(room, "ann");
    join(room, "bob");
    join(room, "cem");
    lose(room, "ann", 1000);
    lose(room, "bob", 2000);
    lose(room, "cem", 3000);
    CU_ASSERT_EQUAL(room_rename(room, slice_of("bob"), slice_of("Robert")), 0);
    check(room);
    pass(1000 + WHEEL_TICK_MS);
    CU_ASSERT(!is_member(room, "ann") && is_member(room, "bob"));
    CU_ASSERT(slice_is(room_user_name(room_find_user(room, slice_of("bob"))), "Robert"));
    pass(1000);
    CU_ASSERT(!is_member(room, "bob") && is_member(room, "cem"));
    teardown();
}

static void test_presence__nothing_of_a_user_is_left_when_it_is_gone(void)
{
    for (int way = 0; way < 5; way++) {
        struct room *room = setup();
        join(room, "bob");
        join(room, "ann");
        watched = (uintptr_t)room_find_user(room, slice_of("ann"));
        watched_bytes = sizeof(struct room_user) + 6;
        wiped_bytes = 0;
        if (way == 0)
            room_leave(room, &w.seats[0], slice_of("ann"));
        else if (way == 1)
            room_rename(room, slice_of("ann"), slice_of("other"));
        else
            lose(room, "ann", 3000);
        CU_ASSERT((wiped_bytes > 0) == (way < 2));
        if (way == 2)
            pass(3000 + WHEEL_TICK_MS);
        else if (way == 3)
            room_close(room);
        if (way == 4)
            teardown();
        CU_ASSERT(wiped_bytes > 0);
        watched = 0;
        if (way != 4)
            teardown();
    }
}

static void test_presence__a_shorter_grace_waits_behind_a_longer_one(void)
{
    struct room *room = setup();

    join(room, "dan");
    join(room, "ann");
    join(room, "bob");
    lose(room, "ann", 3000);
    lose(room, "bob", 1000);
    check(room);
    pass(1000 + WHEEL_TICK_MS);
    CU_ASSERT(is_member(room, "ann") && is_member(room, "bob"));
    pass(2000);
    CU_ASSERT(!is_member(room, "ann") && !is_member(room, "bob") && w.gone_count == 2);
    teardown();
}

/* The twin: of each user how many sessions it has on each seat, and until when it is waited for. */
struct twin {
    unsigned sessions[SEATS];
    uint64_t until_ms; /* 0: not absent */
    bool sent_away;
};

static unsigned sessions_of(const struct twin *twin)
{
    return twin->sessions[0] + twin->sessions[1] + twin->sessions[2];
}

static void test_presence__any_coming_and_breaking_agrees_with_a_naive_twin(void)
{
    static struct twin twins[USERS];
    uint64_t random = unit_seed() | 1;
    struct room *room = setup();
    unsigned gone = 0;

    join(room, "bob"); /* holds the room */
    for (unsigned step = 0; step < unit_rounds(20000); step++) {
        struct twin *twin = &twins[unit_random(&random) % USERS];
        unsigned seat = (unsigned)(unit_random(&random) % SEATS);
        unsigned had = sessions_of(twin);
        char uid[8], name[8];
        snprintf(uid, sizeof(uid), "u%u", (unsigned)(twin - twins));
        snprintf(name, sizeof(name), "n%u", (unsigned)(unit_random(&random) % 3));
        switch (unit_random(&random) % 6) {
        case 0:
        case 1:
            CU_ASSERT(join_at(room, (int)seat, uid, name) == (had == 0 && !twin->until_ms));
            twin->sessions[seat]++;
            twin->until_ms = 0;
            twin->sent_away = false;
            break;
        case 2:
        case 3: {
            bool lost = unit_random(&random) % 2;
            if (!twin->sessions[seat])
                break;
            twin->sessions[seat]--;
            bool told = lost ? room_lose(room, &w.seats[seat], slice_of(uid), w.now_ms + 3000)
                             : room_leave(room, &w.seats[seat], slice_of(uid));
            CU_ASSERT(told == (had == 1 && (!lost || twin->sent_away)));
            if (lost && had == 1 && !twin->sent_away)
                twin->until_ms = w.now_ms + 3000;
            if (had == 1)
                twin->sent_away = false;
            break;
        }
        case 4:
            if (unit_random(&random) % 8)
                break;
            CU_ASSERT(room_send_away(room, slice_of(uid)) == (had > 0));
            twin->sent_away = had > 0;
            gone += twin->until_ms != 0;
            twin->until_ms = 0;
            break;
        default:
            pass(unit_random(&random) % 1000);
            for (int i = 0; i < USERS; i++) { /* a timer fires a tick late at most */
                char one[8];
                snprintf(one, sizeof(one), "u%d", i);
                if (twins[i].until_ms && !is_member(room, one)) {
                    CU_ASSERT(twins[i].until_ms <= w.now_ms);
                    twins[i].until_ms = 0;
                    gone++;
                }
                CU_ASSERT(!twins[i].until_ms || twins[i].until_ms + WHEEL_TICK_MS > w.now_ms);
            }
        }
        unsigned members = 1;
        for (int i = 0; i < USERS; i++)
            members += sessions_of(&twins[i]) > 0 || twins[i].until_ms;
        CU_ASSERT(room_members(room) == members && w.gone_count == gone);
        check(room);
    }
    teardown();
}

UNIT_MAIN("room/presence", UNIT_TEST(test_presence__who_is_lost_is_a_member_until_the_moment),
          UNIT_TEST(test_presence__who_is_back_in_time_has_not_come),
          UNIT_TEST(test_presence__only_the_last_session_makes_absent),
          UNIT_TEST(test_presence__who_is_sent_away_is_not_waited_for),
          UNIT_TEST(test_presence__a_closed_room_waits_for_nobody),
          UNIT_TEST(test_presence__who_is_absent_does_not_hold_the_room),
          UNIT_TEST(test_presence__beyond_the_bound_the_first_lost_is_gone),
          UNIT_TEST(test_presence__a_new_name_keeps_ones_place_in_the_order),
          UNIT_TEST(test_presence__a_shorter_grace_waits_behind_a_longer_one),
          UNIT_TEST(test_presence__nothing_of_a_user_is_left_when_it_is_gone),
          UNIT_TEST(test_presence__any_coming_and_breaking_agrees_with_a_naive_twin))
