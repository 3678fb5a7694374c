/* Rooms in a directory, on one thread: members, positions, marks, notices, sweeps. Time is passed
 * in: to the calls and to the wheel alike. */
#include "ringroom/room/directory.h"

#include "ringroom/base/mem.h"
#include "unit.h"
#include <errno.h>
#include <malloc.h>

enum { MESSAGE_BYTES = 50, WINDOW = 100000 };

static struct world {
    struct epoch epoch;
    struct epoch_bin bin;
    _Atomic uint64_t bytes_used;
    struct wheel wheel;
    struct retention_rules rules;
    struct directory directory;
    struct room_seat seat;
    uint64_t now_ms, wall_ms;
    unsigned counts_due;
} w;

static void count_due(void *user, struct room *room, uint64_t now_ms)
{
    w.counts_due++;
    room->count_due = false;
    room->counted_ms = now_ms;
}

static void setup(uint32_t ttl_s, enum ttl_from ttl_from)
{
    memset(&w, 0, sizeof(w));
    w.now_ms = 100000;
    w.wall_ms = 1700000000000;
    CU_ASSERT_FATAL(epoch_init(&w.epoch, 1) == 0);
    epoch_bin_init(&w.bin, &w.epoch);
    wheel_init(&w.wheel, w.now_ms);
    w.rules.defaults = (struct retention){
        .ttl_s = ttl_s, .ttl_from = ttl_from, .max_messages = 100, .max_bytes = 1 << 20};
    struct log_env env = {.bin = &w.bin, .bytes_used = &w.bytes_used};
    directory_init(&w.directory, &w.wheel, &env, &w.rules, WINDOW);
    w.directory.count_due = count_due;
    list_init(&w.seat.link);
}

static void teardown(void)
{
    directory_deinit(&w.directory);
    epoch_bin_drain(&w.bin);
    CU_ASSERT_EQUAL(atomic_load(&w.bytes_used), 0);
    CU_ASSERT_EQUAL(w.wheel.count, 0);
    epoch_deinit(&w.epoch);
}

static struct room *open_room(const char *name)
{
    struct room *room = directory_open(&w.directory, slice_of(name));

    CU_ASSERT_PTR_NOT_NULL_FATAL(room);
    return room;
}

static struct room *find_room(const char *name)
{
    return directory_find(&w.directory, slice_of(name));
}

static bool join(struct room *room, const char *uid, const char *name)
{
    bool came = false;

    CU_ASSERT_EQUAL(room_join(room, &w.seat, slice_of(uid), slice_of(name), &came), 0);
    return came;
}

static int send_marked(struct room *room, const char *uid, const char *cid,
                       struct room_message *ret)
{
    int error =
        room_prepare(room, slice_of(uid), slice_of(cid), MESSAGE_BYTES, w.now_ms, w.wall_ms, ret);

    if (error)
        return error;
    memset(ret->slot.bytes, 'x', MESSAGE_BYTES);
    return room_commit(room, ret, MESSAGE_BYTES, w.now_ms);
}

static uint64_t say(struct room *room)
{
    struct room_message message;

    CU_ASSERT_EQUAL(send_marked(room, "u", "", &message), 0);
    return message.slot.number;
}

static void pass(uint64_t ms)
{
    w.now_ms += ms;
    w.wall_ms += ms;
    wheel_advance(&w.wheel, w.now_ms);
    epoch_collect(&w.bin);
}

static bool name_is(const struct room *room, const char *uid, const char *name)
{
    const struct room_user *user = room_find_user(room, slice_of(uid));

    return user && slice_is(room_user_name(user), name);
}

/* Members */

static void test_room__a_user_with_several_sessions_is_one_member(void)
{
    setup(60, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    CU_ASSERT(join(room, "ann", "Ann"));
    CU_ASSERT(!join(room, "ann", "Ann"));
    CU_ASSERT(join(room, "bob", "Bob"));
    CU_ASSERT(room_members(room) == 2 && room->sessions == 3 && w.seat.sessions == 3);
    CU_ASSERT(atomic_load(&room->members_seen) == 2);
    CU_ASSERT(!room_leave(room, &w.seat, slice_of("ann")));
    CU_ASSERT(room_find_user(room, slice_of("ann"))->sessions == 1);
    CU_ASSERT(room_leave(room, &w.seat, slice_of("ann")));
    CU_ASSERT(!room_find_user(room, slice_of("ann")) && room_members(room) == 1);
    CU_ASSERT(atomic_load(&room->members_seen) == 1);
    CU_ASSERT(room_leave(room, &w.seat, slice_of("bob")));
    CU_ASSERT(room_members(room) == 0 && room->sessions == 0 && !room->notices);
    CU_ASSERT(room_settle(room) && !find_room("r"));
    teardown();
}

static void test_room__each_shard_has_one_seat_while_it_has_sessions(void)
{
    struct room_seat other = {.shard = 1};
    bool came;

    setup(60, TTL_FROM_LAST_MESSAGE);
    list_init(&other.link);
    struct room *room = open_room("r");
    join(room, "ann", "Ann");
    CU_ASSERT(room_join(room, &other, slice_of("ann"), slice_of("Ann"), &came) == 0 && !came);
    CU_ASSERT(room->seats.next == &w.seat.link && room->seats.prev == &other.link);
    CU_ASSERT(!room_leave(room, &w.seat, slice_of("ann")));
    CU_ASSERT(room->seats.next == &other.link && room->seats.prev == &other.link);
    CU_ASSERT(room_leave(room, &other, slice_of("ann")));
    CU_ASSERT(list_empty(&room->seats) && list_empty(&other.link));
    teardown();
}

static void test_room__the_name_given_last_is_the_users(void)
{
    setup(60, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    join(room, "ann", "Ann");
    join(room, "ann", "Annabel");
    CU_ASSERT(name_is(room, "ann", "Annabel"));
    CU_ASSERT(room_find_user(room, slice_of("ann"))->sessions == 2);
    CU_ASSERT_EQUAL(room_rename(room, slice_of("ann"), slice_of("")), 0);
    CU_ASSERT(name_is(room, "ann", ""));
    CU_ASSERT_EQUAL(room_rename(room, slice_of("ann"), slice_of("A")), 0);
    CU_ASSERT(name_is(room, "ann", "A"));
    CU_ASSERT_EQUAL(room_rename(room, slice_of("eve"), slice_of("E")), -ENOENT);
    CU_ASSERT(!room_leave(room, &w.seat, slice_of("ann")) && room_members(room) == 1);
    teardown();
}

/* Against a plain array of how many sessions each user has on each seat. */
static void test_room__any_coming_and_going_is_counted_right(void)
{
    enum { USERS = 20, SEATS = 3 };
    static struct room_seat seats[SEATS];
    unsigned sessions[USERS][SEATS] = {{0}}, names[USERS] = {0}, total = 0;
    uint64_t random = unit_seed() | 1;
    bool came;

    setup(60, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    for (int i = 0; i < SEATS; i++)
        list_init(&seats[i].link);
    for (unsigned step = 0; step < unit_rounds(20000); step++) {
        unsigned u = (unsigned)(unit_random(&random) % USERS);
        unsigned s = (unsigned)(unit_random(&random) % SEATS), all = 0, members = 0;
        char uid[8], name[16];
        snprintf(uid, sizeof(uid), "u%u", u);
        for (int i = 0; i < SEATS; i++)
            all += sessions[u][i];
        if (unit_random(&random) % 2 && total < 40) {
            names[u] = step;
            snprintf(name, sizeof(name), "%u", step);
            CU_ASSERT(room_join(room, &seats[s], slice_of(uid), slice_of(name), &came) == 0);
            CU_ASSERT(came == (all == 0));
            sessions[u][s]++;
            total++;
        } else if (sessions[u][s]) {
            CU_ASSERT(room_leave(room, &seats[s], slice_of(uid)) == (all == 1));
            sessions[u][s]--;
            total--;
        }
        all = 0;
        for (int i = 0; i < SEATS; i++) {
            all += sessions[u][i];
            unsigned here = 0;
            for (int j = 0; j < USERS; j++)
                here += sessions[j][i];
            CU_ASSERT(seats[i].sessions == here && list_empty(&seats[i].link) == (here == 0));
        }
        for (int j = 0; j < USERS; j++)
            members += sessions[j][0] + sessions[j][1] + sessions[j][2] > 0;
        snprintf(name, sizeof(name), "%u", names[u]);
        CU_ASSERT(room_members(room) == members && room->sessions == total);
        CU_ASSERT(all ? name_is(room, uid, name) : !room_find_user(room, slice_of(uid)));
        CU_ASSERT((room->notices != NULL) == (total > 0));
    }
    teardown();
}

static void test_room__names_are_1_to_128_bytes_without_control_characters(void)
{
    char longest[ROOM_NAME_MAX + 1];

    memset(longest, 'x', sizeof(longest));
    CU_ASSERT(!room_name_valid(slice_of("")));
    CU_ASSERT(room_name_valid(slice_of("a")));
    CU_ASSERT(room_name_valid(slice_make(longest, ROOM_NAME_MAX)));
    CU_ASSERT(!room_name_valid(slice_make(longest, ROOM_NAME_MAX + 1)));
    CU_ASSERT(!room_name_valid(slice_of("a\nb")) && !room_name_valid(slice_make("a\0b", 3)));
    CU_ASSERT(!room_name_valid(slice_of("\x7f")) && !room_name_valid(slice_of("\xc2\x9f")));
    CU_ASSERT(room_name_valid(slice_of("\xc2\xa0")) &&
              room_name_valid(slice_of("\xf0\x9f\x98\x80")));
    CU_ASSERT(!room_name_valid(slice_of("\xc3")));
}

/* Positions */

static struct room_position position(const struct room *room, const struct room_wish *wish)
{
    struct room_position at = {0};

    CU_ASSERT_EQUAL(room_position(room, wish, w.now_ms, &at), 0);
    return at;
}

static struct room_position since(const struct room *room, uint64_t seq)
{
    struct room_wish wish = {.has_since = true, .since_epoch = room_epoch(room), .since_seq = seq};

    return position(room, &wish);
}

static struct room_position newest(const struct room *room, uint64_t n)
{
    struct room_wish wish = {.has_history = true, .history = n};

    return position(room, &wish);
}

static bool at_is(struct room_position at, uint64_t cursor, uint64_t first, uint64_t seq,
                  bool recovered)
{
    return at.cursor == cursor && at.first == first && at.seq == seq && at.recovered == recovered;
}

static void test_room__a_join_without_a_wish_reads_the_whole_history(void)
{
    struct room_wish none = {0};

    setup(60, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    CU_ASSERT(at_is(position(room, &none), 1, 1, 0, false));
    for (int i = 0; i < 5; i++)
        say(room);
    CU_ASSERT(at_is(position(room, &none), 1, 1, 5, false));
    w.now_ms += 60000; /* expired, though no sweep has come by */
    CU_ASSERT(at_is(position(room, &none), 6, 6, 5, false));
    w.now_ms -= 60000;
    teardown();
}

static void test_room__the_newest_n_are_read_where_asked(void)
{
    setup(60, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    CU_ASSERT(at_is(newest(room, 0), 1, 1, 0, false));
    CU_ASSERT(at_is(newest(room, 3), 1, 1, 0, false));
    for (int i = 0; i < 5; i++)
        say(room);
    CU_ASSERT(at_is(newest(room, 0), 6, 6, 5, false));
    CU_ASSERT(at_is(newest(room, 1), 5, 5, 5, false));
    CU_ASSERT(at_is(newest(room, 5), 1, 1, 5, false));
    CU_ASSERT(at_is(newest(room, 6), 1, 1, 5, false));
    CU_ASSERT(at_is(newest(room, UINT64_MAX), 1, 1, 5, false));
    teardown();
}

static void test_room__who_comes_back_goes_on_where_it_was(void)
{
    struct room_wish wish = {.has_since = true, .since_seq = 6};
    struct room_position at;

    setup(60, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    for (int i = 0; i < 5; i++)
        say(room);
    CU_ASSERT(at_is(since(room, 0), 1, 1, 5, true));
    CU_ASSERT(at_is(since(room, 3), 4, 4, 5, true));
    CU_ASSERT(at_is(since(room, 5), 6, 6, 5, true));
    wish.since_epoch = room_epoch(room);
    CU_ASSERT_EQUAL(room_position(room, &wish, w.now_ms, &at), -EINVAL);
    wish.since_seq = UINT64_MAX;
    CU_ASSERT_EQUAL(room_position(room, &wish, w.now_ms, &at), -EINVAL);
    teardown();
}

static void test_room__another_epoch_gets_the_whole_history_and_is_not_recovered(void)
{
    struct room_wish wish = {.has_since = true,
                             .since_epoch = slice_of("............"),
                             .since_seq = 1000,
                             .has_history = true,
                             .history = 1};

    setup(60, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    for (int i = 0; i < 5; i++)
        say(room);
    CU_ASSERT(at_is(position(room, &wish), 1, 1, 5, false));
    teardown();
}

/* Beyond the history, within the window: as if it had never left. */
static void test_room__who_comes_back_may_read_beyond_the_history(void)
{
    struct room_wish none = {0};

    setup(60, TTL_FROM_LAST_MESSAGE);
    w.rules.defaults.max_messages = 10;
    struct room *room = open_room("r");
    for (int i = 0; i < 50; i++)
        say(room);
    CU_ASSERT(at_is(position(room, &none), 41, 41, 50, false));
    CU_ASSERT(at_is(since(room, 5), 6, 6, 50, true));
    for (int i = 0; i < 3000; i++) /* more than the window holds */
        say(room);
    uint64_t held = atomic_load(&room->log.held);
    CU_ASSERT(held > 6);
    CU_ASSERT(at_is(since(room, 5), 6, held, 3050, false));
    CU_ASSERT(at_is(since(room, held - 1), held, held, 3050, true));
    teardown();
}

static void test_room__a_position_knows_what_has_expired_before_the_sweep(void)
{
    setup(10, TTL_FROM_MESSAGE);
    struct room *room = open_room("r");
    say(room);
    w.now_ms += 5000;
    say(room);
    w.now_ms += 5000;
    CU_ASSERT(at_is(since(room, 1), 2, 2, 2, true));
    CU_ASSERT(at_is(since(room, 0), 1, 2, 2, false));
    w.now_ms += 5000;
    CU_ASSERT(at_is(since(room, 2), 3, 3, 2, true));
    CU_ASSERT(at_is(since(room, 1), 2, 3, 2, false));
    teardown();
}

/* What limits have dropped expires too, and first. */
static void test_room__a_position_knows_what_has_expired_beyond_the_history(void)
{
    setup(10, TTL_FROM_MESSAGE);
    w.rules.defaults.max_messages = 1;
    struct room *room = open_room("r");
    say(room);
    w.now_ms += 5000;
    say(room);
    say(room);
    CU_ASSERT(at_is(since(room, 0), 1, 1, 3, true));
    w.now_ms += 5000;
    CU_ASSERT(at_is(since(room, 1), 2, 2, 3, true));
    CU_ASSERT(at_is(since(room, 0), 1, 2, 3, false));
    teardown();
}

static void test_room__expires_in_is_rounded_up(void)
{
    setup(60, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    CU_ASSERT_EQUAL(room_expires_in_s(room, w.now_ms), 0);
    say(room);
    CU_ASSERT_EQUAL(room_expires_in_s(room, w.now_ms), 60);
    CU_ASSERT_EQUAL(room_expires_in_s(room, w.now_ms + 1), 60);
    CU_ASSERT_EQUAL(room_expires_in_s(room, w.now_ms + 1000), 59);
    CU_ASSERT_EQUAL(room_expires_in_s(room, w.now_ms + 59999), 1);
    CU_ASSERT_EQUAL(room_expires_in_s(room, w.now_ms + 60000), 0);
    teardown();
}

/* Marks */

static uint64_t found(struct room *room, const char *uid, const char *cid)
{
    const struct room_cid *mark = room_find_cid(room, slice_of(uid), slice_of(cid), w.now_ms);

    return mark ? mark->seq : 0;
}

static void test_room__a_mark_is_found_while_its_message_is_kept(void)
{
    struct room_message message;

    setup(60, TTL_FROM_LAST_MESSAGE);
    w.rules.defaults.max_messages = 3;
    struct room *room = open_room("r");
    CU_ASSERT_EQUAL(found(room, "ann", "c1"), 0);
    CU_ASSERT_EQUAL(send_marked(room, "ann", "c1", &message), 0);
    CU_ASSERT(message.slot.number == 1 && !message.mark);
    CU_ASSERT_EQUAL(found(room, "ann", "c1"), 1);
    CU_ASSERT_EQUAL(room_find_cid(room, slice_of("ann"), slice_of("c1"), w.now_ms)->ts_ms,
                    message.ts_ms);
    /* Another user's, another one, and the same bytes cut elsewhere. */
    CU_ASSERT(!found(room, "bob", "c1") && !found(room, "ann", "c2"));
    CU_ASSERT(!found(room, "annc", "1") && !found(room, "an", "nc1"));
    say(room);
    say(room);
    CU_ASSERT_EQUAL(found(room, "ann", "c1"), 1);
    say(room); /* over the limit: the first has gone */
    CU_ASSERT_EQUAL(found(room, "ann", "c1"), 0);
    CU_ASSERT(room->cids.count == 0 && list_empty(&room->cids_by_age));
    CU_ASSERT_EQUAL(send_marked(room, "ann", "c1", &message), 0);
    CU_ASSERT_EQUAL(found(room, "ann", "c1"), 5);
    teardown();
}

static void test_room__a_mark_can_be_used_again_after_its_message_has_expired(void)
{
    struct room_message message;

    setup(10, TTL_FROM_MESSAGE);
    struct room *room = open_room("r");
    CU_ASSERT_EQUAL(send_marked(room, "ann", "c0", &message), 0);
    CU_ASSERT_EQUAL(send_marked(room, "ann", "c1", &message), 0);
    w.now_ms += 5000;
    CU_ASSERT_EQUAL(send_marked(room, "ann", "c2", &message), 0);
    w.now_ms += 5000; /* no sweep */
    CU_ASSERT(found(room, "ann", "c1") == 0 && found(room, "ann", "c2") == 3);
    CU_ASSERT_EQUAL(send_marked(room, "ann", "c1", &message), 0);
    CU_ASSERT(found(room, "ann", "c1") == 4 && room->cids.count == 2);
    pass(5016);
    CU_ASSERT(found(room, "ann", "c2") == 0 && room->cids.count == 1);
    pass(5000);
    CU_ASSERT_PTR_NULL(find_room("r"));
    teardown();
}

static void test_room__the_same_mark_twice_is_the_newer_messages(void)
{
    struct room_message message;

    setup(60, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    for (uint64_t seq = 1; seq <= 3; seq++) {
        CU_ASSERT_EQUAL(send_marked(room, "ann", "c", &message), 0);
        CU_ASSERT(found(room, "ann", "c") == seq && room->cids.count == 1);
    }
    teardown();
}

static void test_room__a_mark_of_a_cancelled_message_is_not_remembered(void)
{
    struct room_message message;

    setup(10, TTL_FROM_MESSAGE);
    struct room *room = open_room("r");
    CU_ASSERT_EQUAL(
        room_prepare(room, slice_of("ann"), slice_of("c"), 10, w.now_ms, w.wall_ms, &message), 0);
    room_cancel(room, &message);
    CU_ASSERT(found(room, "ann", "c") == 0 && log_end(&room->log) == 1);
    CU_ASSERT(room_settle(room));
    teardown();
}

/* Each remembered mark once, oldest first. */
static bool marks_are_in_order(struct room *room)
{
    uint64_t seq = 0;
    uint32_t count = 0;

    list_each(link, &room->cids_by_age)
    {
        const struct room_cid *mark = container_of(link, struct room_cid, by_age);
        if (mark->seq <= seq)
            return false;
        seq = mark->seq;
        count++;
    }
    return count == room->cids.count;
}

/* Against an array of who marked what. */
static void test_room__marks_agree_with_a_naive_twin(void)
{
    enum { MARKS = 30 };
    uint64_t seq_of[MARKS] = {0}, random = unit_seed() | 1;

    setup(2, TTL_FROM_MESSAGE);
    w.rules.defaults.max_messages = 20;
    struct room *room = open_room("r");
    join(room, "ann", "Ann");
    for (unsigned step = 0; step < unit_rounds(5000); step++) {
        struct room_message message;
        unsigned mark = (unsigned)(unit_random(&random) % MARKS);
        char cid[8];
        snprintf(cid, sizeof(cid), "%u", mark);
        if (unit_random(&random) % 8 == 0)
            say(room);
        else if (!found(room, "ann", cid)) {
            CU_ASSERT_EQUAL(send_marked(room, "ann", cid, &message), 0);
            seq_of[mark] = message.slot.number;
        }
        if (unit_random(&random) % 2)
            w.now_ms += unit_random(&random) % 300;
        if (unit_random(&random) % 3 == 0)
            pass(0);
        uint64_t first = log_first(&room->log, w.now_ms);
        for (unsigned i = 0; i < MARKS; i++) {
            snprintf(cid, sizeof(cid), "%u", i);
            CU_ASSERT_EQUAL(found(room, "ann", cid), seq_of[i] >= first ? seq_of[i] : 0);
        }
        CU_ASSERT(room->cids.count <= 21);
        CU_ASSERT(marks_are_in_order(room));
    }
    teardown();
}

/* Messages */

static void test_room__the_time_of_messages_never_goes_back(void)
{
    struct room_message message;

    setup(60, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    CU_ASSERT_EQUAL(send_marked(room, "u", "", &message), 0);
    uint64_t first = message.ts_ms;
    CU_ASSERT_EQUAL(first, w.wall_ms);
    w.wall_ms -= 5000;
    CU_ASSERT_EQUAL(send_marked(room, "u", "", &message), 0);
    CU_ASSERT_EQUAL(message.ts_ms, first);
    w.wall_ms += 6000;
    CU_ASSERT_EQUAL(send_marked(room, "u", "", &message), 0);
    CU_ASSERT_EQUAL(message.ts_ms, first + 1000);
    teardown();
}

/* Life */

static void test_room__an_empty_room_is_gone_and_comes_back_with_another_epoch(void)
{
    char epoch[ROOM_EPOCH_BYTES];

    setup(60, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    CU_ASSERT_PTR_EQUAL(open_room("r"), room);
    memcpy(epoch, room->epoch, sizeof(epoch));
    join(room, "ann", "Ann");
    say(room);
    CU_ASSERT(!room_settle(room));
    room_leave(room, &w.seat, slice_of("ann"));
    CU_ASSERT(!room_settle(room)); /* its message lives on */
    pass(59000);
    CU_ASSERT_PTR_EQUAL(find_room("r"), room);
    pass(1016);
    CU_ASSERT_PTR_NULL(find_room("r"));
    CU_ASSERT(w.directory.rooms.count == 0 && w.wheel.count == 0);
    CU_ASSERT_EQUAL(atomic_load(&w.bytes_used), 0);
    room = open_room("r");
    CU_ASSERT(memcmp(epoch, room->epoch, sizeof(epoch)) != 0);
    CU_ASSERT_EQUAL(say(room), 1);
    teardown();
}

static void test_room__a_lingering_room_keeps_its_epoch_through_a_short_break(void)
{
    char epoch[ROOM_EPOCH_BYTES];

    setup(60, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    memcpy(epoch, room->epoch, sizeof(epoch));
    join(room, "ann", "Ann");
    room_leave(room, &w.seat, slice_of("ann"));
    room_linger(room, w.now_ms + 5000);
    CU_ASSERT(!room_settle(room));
    pass(4000);
    CU_ASSERT(find_room("r") == room && memcmp(epoch, room->epoch, sizeof(epoch)) == 0);
    room_linger(room, w.now_ms + 500); /* no sooner for that */
    pass(900);
    CU_ASSERT(!room_settle(room));
    pass(100 + WHEEL_TICK_MS);
    CU_ASSERT(!find_room("r") && w.wheel.count == 0);
    teardown();
}

/* Neither holds the other up, nor does a member who came back. */
static void test_room__a_room_lingers_beside_what_else_it_waits_for(void)
{
    setup(2, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    say(room);
    room_linger(room, w.now_ms + 5000);
    pass(2000 + WHEEL_TICK_MS);
    CU_ASSERT(find_room("r") == room && log_is_empty(&room->log));
    pass(3000);
    CU_ASSERT_PTR_NULL(find_room("r"));

    room = open_room("r");
    room_linger(room, w.now_ms + 1000);
    say(room);
    pass(1000 + WHEEL_TICK_MS);
    CU_ASSERT(find_room("r") == room && !room->linger_ms);
    pass(1000);
    CU_ASSERT_PTR_NULL(find_room("r"));

    room = open_room("r");
    room_linger(room, w.now_ms + 1000);
    join(room, "ann", "Ann");
    pass(1000 + WHEEL_TICK_MS);
    CU_ASSERT(find_room("r") == room && w.wheel.count == 0);
    room_leave(room, &w.seat, slice_of("ann"));
    CU_ASSERT(room_settle(room));
    teardown();
}

static void test_room__with_members_a_room_goes_on_counting_after_all_has_expired(void)
{
    setup(1, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    join(room, "ann", "Ann");
    say(room);
    say(room);
    pass(1016);
    CU_ASSERT(find_room("r") == room && log_is_empty(&room->log));
    CU_ASSERT_EQUAL(atomic_load(&w.bytes_used), 0);
    CU_ASSERT_EQUAL(say(room), 3);
    room_leave(room, &w.seat, slice_of("ann"));
    pass(1016);
    CU_ASSERT_PTR_NULL(find_room("r"));
    teardown();
}

static void test_room__rules_by_name_decide_what_is_kept(void)
{
    static char match[] = "game-*";
    struct retention_rule rule = {.match = match,
                                  .retention = {.ttl_s = 5, .max_messages = 2, .max_bytes = 1000}};

    setup(60, TTL_FROM_LAST_MESSAGE);
    w.rules.rules = &rule;
    w.rules.rules_count = 1;
    CU_ASSERT_EQUAL(open_room("game-1")->log.limits.ttl_ms, 5000);
    CU_ASSERT_EQUAL(open_room("game-1")->retention.max_messages, 2);
    CU_ASSERT_EQUAL(open_room("chess")->log.limits.ttl_ms, 60000);
    CU_ASSERT_EQUAL(open_room("chess")->log.limits.window_bytes, WINDOW);
    teardown();
}

/* Sweeps */

/* For each way of counting: what has expired is out of memory within a second, notices or not. */
static void test_room__other_rules_hold_for_rooms_that_exist(void)
{
    struct retention_rules shorter;

    setup(60, TTL_FROM_MESSAGE);
    struct room *room = open_room("joined"), *empty = open_room("empty");
    join(room, "ann", "Ann");
    for (int i = 0; i < 5; i++)
        say(room);
    say(empty);
    pass(5000);
    shorter = w.rules;
    shorter.defaults.max_messages = 2;
    directory_reload(&w.directory, &shorter, WINDOW, 0, w.now_ms);
    CU_ASSERT_EQUAL(log_first(&room->log, w.now_ms), 4);
    CU_ASSERT_EQUAL(room->retention.max_messages, 2);
    CU_ASSERT_EQUAL(say(room), 6);
    CU_ASSERT_EQUAL(log_first(&room->log, w.now_ms), 5);
    w.rules.defaults.ttl_s = 3; /* what was said before is over, and nobody is in the other room */
    directory_reload(&w.directory, &w.rules, WINDOW, 0, w.now_ms);
    CU_ASSERT_EQUAL(log_first(&room->log, w.now_ms), 6);
    pass(100);
    CU_ASSERT_PTR_NULL(find_room("empty"));
    CU_ASSERT_PTR_EQUAL(find_room("joined"), room);
    room_leave(room, &w.seat, slice_of("ann"));
    teardown();
}

static void test_room__the_sweep_comes_in_time(void)
{
    for (int with_notice = 0; with_notice < 2; with_notice++) {
        for (int from = TTL_FROM_LAST_MESSAGE; from <= TTL_FROM_FIRST_MESSAGE; from++) {
            setup(2, (enum ttl_from)from);
            struct room *room = open_room("r");
            join(room, "ann", "Ann");
            if (with_notice)
                CU_ASSERT(room_notify(room, 0, slice_of("came"), w.now_ms));
            pass(100);
            say(room);
            pass(2000 + WHEEL_TICK_MS);
            CU_ASSERT(log_is_empty(&room->log));
            teardown();
        }
    }
}

static void test_room__a_due_count_does_not_hold_the_sweep_back(void)
{
    setup(1, TTL_FROM_MESSAGE);
    struct room *room = open_room("r");
    join(room, "ann", "Ann");
    room->counted_ms = w.now_ms;
    room->count_due = true;
    room_schedule(room);
    say(room);
    pass(1016);
    CU_ASSERT(w.counts_due == 1 && log_is_empty(&room->log) && !room->count_due);
    teardown();
}

static void test_room__counts_are_told_once_a_second(void)
{
    setup(60, TTL_FROM_MESSAGE);
    struct room *room = open_room("r");
    join(room, "ann", "Ann");
    room->counted_ms = w.now_ms;
    for (int i = 0; i < 50; i++) {
        room->count_due = true;
        room_schedule(room);
        pass(100);
    }
    CU_ASSERT(w.counts_due >= 4 && w.counts_due <= 5);
    teardown();
}

static void test_room__a_sweep_for_something_else_does_not_tell_the_count_early(void)
{
    setup(1, TTL_FROM_MESSAGE);
    struct room *room = open_room("r");
    join(room, "ann", "Ann");
    say(room);
    pass(500);
    room->counted_ms = w.now_ms;
    room->count_due = true;
    room_schedule(room);
    pass(516);
    CU_ASSERT(log_is_empty(&room->log) && w.counts_due == 0);
    pass(500);
    CU_ASSERT_EQUAL(w.counts_due, 1);
    teardown();
}

static void test_room__each_message_goes_when_its_own_time_is_up(void)
{
    setup(10, TTL_FROM_MESSAGE);
    struct room *room = open_room("r");
    for (int i = 0; i < 10; i++) {
        say(room);
        pass(1000);
    }
    for (uint64_t i = 1; i <= 9; i++) {
        pass(16);
        CU_ASSERT_EQUAL(atomic_load(&room->log.kept), i + 1);
        CU_ASSERT_EQUAL(atomic_load(&room->log.held), i + 1);
        pass(984);
    }
    pass(16);
    CU_ASSERT_PTR_NULL(find_room("r"));
    teardown();
}

/* Notices */

static void test_room__notices_pass_by_and_are_no_history(void)
{
    struct log_cursor cursor;
    struct slice bytes;
    struct log_read read;
    uint64_t except;

    setup(60, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("r");
    CU_ASSERT(!room_notify(room, 7, slice_of("nobody is here"), w.now_ms));
    join(room, "ann", "Ann");
    log_cursor_init(&cursor, log_end(room->notices));
    CU_ASSERT(room_notify(room, 7, slice_of("wire"), w.now_ms));
    CU_ASSERT(log_next(room->notices, &cursor, w.now_ms, &bytes, &read) == LOG_BYTES);
    memcpy(&except, bytes.data, ROOM_NOTICE_HEAD);
    CU_ASSERT(except == 7 && slice_is(slice_from(bytes, ROOM_NOTICE_HEAD), "wire"));
    CU_ASSERT(log_end(&room->log) == 1);
    pass(ROOM_NOTICE_TTL_MS + WHEEL_TICK_MS);
    CU_ASSERT(log_is_empty(room->notices) && w.wheel.count == 0);
    CU_ASSERT_EQUAL(atomic_load(&w.bytes_used), 0);
    for (int i = 0; i < 1000; i++)
        CU_ASSERT(room_notify(room, 0, slice_make(room, 200), w.now_ms));
    CU_ASSERT(log_kept_bytes(room->notices) <= ROOM_NOTICE_BYTES_MAX);
    room_leave(room, &w.seat, slice_of("ann"));
    epoch_collect(&w.bin);
    CU_ASSERT_EQUAL(atomic_load(&w.bytes_used), 0);
    CU_ASSERT(room_settle(room));
    teardown();
}

/* Memory */

static void test_room__an_empty_room_and_a_member_cost_little(void)
{
    enum { USERS = 1000 };

    setup(60, TTL_FROM_LAST_MESSAGE);
    struct room *room = open_room("a-room-with-a-usual-name");
    size_t room_bytes = malloc_usable_size(room) + sizeof(size_t);
    for (int i = 0; i < USERS; i++) {
        char uid[24], name[32];
        snprintf(uid, sizeof(uid), "user-%08d", i);
        snprintf(name, sizeof(name), "Name of user %d", i);
        join(room, uid, name);
    }
    size_t users_bytes = (room->users.mask + 1) * sizeof(struct table_link *);
    for (const struct table_link *link = NULL; (link = table_next(&room->users, link));)
        users_bytes +=
            malloc_usable_size(container_of(link, struct room_user, link)) + sizeof(size_t);
    printf(" (room %zu bytes, with members %zu more for notices, a member %zu) ", room_bytes,
           malloc_usable_size(room->notices) + sizeof(size_t), users_bytes / USERS);
    CU_ASSERT(room_bytes < 1024);
    CU_ASSERT(users_bytes / USERS < 200);
    teardown();
}

/* Failing allocations */

#ifdef RINGROOM_DCHECK
static bool nothing_changed(struct room *room, unsigned members, unsigned sessions)
{
    return room_members(room) == members && room->sessions == sessions &&
           w.seat.sessions == sessions && list_empty(&w.seat.link) == (sessions == 0) &&
           (room->notices != NULL) == (sessions > 0);
}

static void fail_each_join(void)
{
    bool came = false;

    for (long n = 0, error = -ENOMEM; error; n++) {
        CU_ASSERT_FATAL(n < 10);
        setup(60, TTL_FROM_LAST_MESSAGE);
        mem_fail_after(n);
        struct room *room = directory_open(&w.directory, slice_of("r"));
        error = room ? room_join(room, &w.seat, slice_of("ann"), slice_of("Ann"), &came) : -ENOMEM;
        mem_fail_after(-1);
        CU_ASSERT(error == 0 || error == -ENOMEM);
        if (error && room) {
            CU_ASSERT(nothing_changed(room, 0, 0) && room_settle(room));
            room = NULL;
        }
        room = open_room("r");
        CU_ASSERT(join(room, "ann", "Ann") == (error != 0));
        teardown();
    }
}

static void fail_each_rejoin(void)
{
    bool came;

    for (long n = 0, error = -ENOMEM; error; n++) {
        CU_ASSERT_FATAL(n < 10);
        setup(60, TTL_FROM_LAST_MESSAGE);
        struct room *room = open_room("r");
        join(room, "ann", "Ann");
        mem_fail_after(n);
        error = room_join(room, &w.seat, slice_of("ann"), slice_of("Annabel"), &came);
        mem_fail_after(-1);
        CU_ASSERT(error ? nothing_changed(room, 1, 1) && name_is(room, "ann", "Ann")
                        : !came && name_is(room, "ann", "Annabel"));
        teardown();
    }
}

static void fail_each_send(void)
{
    struct room_message message;

    for (long n = 0, error = -ENOMEM; error; n++) {
        CU_ASSERT_FATAL(n < 10);
        setup(60, TTL_FROM_LAST_MESSAGE);
        struct room *room = open_room("r");
        mem_fail_after(n);
        error = send_marked(room, "ann", "c", &message);
        mem_fail_after(-1);
        CU_ASSERT(error == 0 || error == -ENOMEM);
        if (error) {
            CU_ASSERT(log_end(&room->log) == 1 && !found(room, "ann", "c"));
            CU_ASSERT_EQUAL(send_marked(room, "ann", "c", &message), 0);
        }
        CU_ASSERT(message.slot.number == 1 && found(room, "ann", "c") == 1);
        teardown();
    }
}

static void fail_each_notice(void)
{
    bool sent = false;

    for (long n = 0; !sent; n++) {
        CU_ASSERT_FATAL(n < 10);
        setup(60, TTL_FROM_LAST_MESSAGE);
        struct room *room = open_room("r");
        join(room, "ann", "Ann");
        mem_fail_after(n);
        sent = room_notify(room, 0, slice_of("x"), w.now_ms);
        mem_fail_after(-1);
        CU_ASSERT_EQUAL(log_end(room->notices), sent ? 2 : 1);
        teardown();
    }
}
#endif

static void test_room__any_failed_allocation_changes_nothing(void)
{
#ifdef RINGROOM_DCHECK
    fail_each_join();
    fail_each_rejoin();
    fail_each_send();
    fail_each_notice();
#endif
}

UNIT_MAIN("room/room", UNIT_TEST(test_room__a_user_with_several_sessions_is_one_member),
          UNIT_TEST(test_room__each_shard_has_one_seat_while_it_has_sessions),
          UNIT_TEST(test_room__the_name_given_last_is_the_users),
          UNIT_TEST(test_room__any_coming_and_going_is_counted_right),
          UNIT_TEST(test_room__names_are_1_to_128_bytes_without_control_characters),
          UNIT_TEST(test_room__a_join_without_a_wish_reads_the_whole_history),
          UNIT_TEST(test_room__the_newest_n_are_read_where_asked),
          UNIT_TEST(test_room__who_comes_back_goes_on_where_it_was),
          UNIT_TEST(test_room__another_epoch_gets_the_whole_history_and_is_not_recovered),
          UNIT_TEST(test_room__who_comes_back_may_read_beyond_the_history),
          UNIT_TEST(test_room__a_position_knows_what_has_expired_before_the_sweep),
          UNIT_TEST(test_room__a_position_knows_what_has_expired_beyond_the_history),
          UNIT_TEST(test_room__expires_in_is_rounded_up),
          UNIT_TEST(test_room__a_mark_is_found_while_its_message_is_kept),
          UNIT_TEST(test_room__a_mark_can_be_used_again_after_its_message_has_expired),
          UNIT_TEST(test_room__the_same_mark_twice_is_the_newer_messages),
          UNIT_TEST(test_room__a_mark_of_a_cancelled_message_is_not_remembered),
          UNIT_TEST(test_room__marks_agree_with_a_naive_twin),
          UNIT_TEST(test_room__the_time_of_messages_never_goes_back),
          UNIT_TEST(test_room__an_empty_room_is_gone_and_comes_back_with_another_epoch),
          UNIT_TEST(test_room__a_lingering_room_keeps_its_epoch_through_a_short_break),
          UNIT_TEST(test_room__a_room_lingers_beside_what_else_it_waits_for),
          UNIT_TEST(test_room__with_members_a_room_goes_on_counting_after_all_has_expired),
          UNIT_TEST(test_room__rules_by_name_decide_what_is_kept),
          UNIT_TEST(test_room__other_rules_hold_for_rooms_that_exist),
          UNIT_TEST(test_room__the_sweep_comes_in_time),
          UNIT_TEST(test_room__a_due_count_does_not_hold_the_sweep_back),
          UNIT_TEST(test_room__counts_are_told_once_a_second),
          UNIT_TEST(test_room__a_sweep_for_something_else_does_not_tell_the_count_early),
          UNIT_TEST(test_room__each_message_goes_when_its_own_time_is_up),
          UNIT_TEST(test_room__notices_pass_by_and_are_no_history),
          UNIT_TEST(test_room__an_empty_room_and_a_member_cost_little),
          UNIT_TEST(test_room__any_failed_allocation_changes_nothing))
