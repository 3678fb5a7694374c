/* Several messages at once, and limits that change: all of them or none, in both forms of the log,
 * whatever fails on the way. */
#include "ringroom/base/mem.h"
#include "ringroom/room/directory.h"
#include "unit.h"

#include <errno.h>

enum { READERS = 1, BATCH_MAX = 40 };

static struct world {
    struct epoch epoch;
    struct epoch_bin bin;
    _Atomic uint64_t bytes_used;
    struct wheel wheel;
    struct retention_rules rules;
    struct directory directory;
    struct room *room;
    uint64_t now_ms;
    unsigned fails_at; /* which call of write() or project() fails; 0: none */
    unsigned calls;
    size_t text_bytes;
    struct buf form;
} w;

static int count_call(void)
{
    return ++w.calls == w.fails_at ? -ENOBUFS : 0;
}

static int project(void *user, const struct room *room, struct slice entry, struct slice *ret_bytes)
{
    w.form.len = 0;
    *ret_bytes = slice_of("");
    int error = count_call();
    if (!error)
        error = buf_append_str(&w.form, "form of ");
    if (!error)
        error = buf_append(&w.form, entry.data, entry.len);
    *ret_bytes = buf_slice(&w.form);
    return error;
}

static int write_text(void *user, size_t index, uint64_t seq, uint64_t ts_ms, struct buf *out)
{
    int error = count_call();

    if (!error)
        error =
            buf_printf(out, "%llu at %llu ", (unsigned long long)seq, (unsigned long long)ts_ms);
    for (size_t i = 0; i < w.text_bytes && !error; i++)
        error = buf_append_str(out, "x");
    return error;
}

static void setup(uint64_t memory_max, uint64_t messages_max, uint64_t window)
{
    struct log_env env = {.bin = &w.bin, .bytes_used = &w.bytes_used, .bytes_max = memory_max};

    memset(&w, 0, sizeof(w));
    w.now_ms = 1000;
    w.text_bytes = 50;
    buf_init(&w.form, 1 << 20);
    CU_ASSERT_EQUAL_FATAL(epoch_init(&w.epoch, READERS), 0);
    epoch_bin_init(&w.bin, &w.epoch);
    epoch_online(&w.epoch, 0);
    wheel_init(&w.wheel, w.now_ms);
    w.rules.defaults = (struct retention){.ttl_s = 60,
                                          .ttl_from = TTL_FROM_LAST_MESSAGE,
                                          .max_messages = (uint32_t)messages_max,
                                          .max_bytes = 1 << 20};
    directory_init(&w.directory, &w.wheel, &env, &w.rules, window);
    w.directory.project = project;
    w.room = directory_open(&w.directory, slice_of("room"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.room);
}

static void teardown(void)
{
    directory_deinit(&w.directory);
    epoch_offline(&w.epoch, 0);
    epoch_bin_drain(&w.bin);
    epoch_deinit(&w.epoch);
    buf_deinit(&w.form);
    CU_ASSERT_EQUAL(atomic_load(&w.bytes_used), 0);
}

static int append(struct room_batch_message *messages, size_t count)
{
    struct room_batch batch = {.messages = messages, .count = count, .write = write_text};

    return room_append_all(w.room, &batch, w.now_ms, w.now_ms + 7);
}

static int append_plain(size_t count)
{
    struct room_batch_message messages[BATCH_MAX] = {0};

    return append(messages, count);
}

static uint64_t end(void)
{
    return log_end(&w.room->log);
}

/* Every entry that a cursor may read is there, in its form. */
static void check_log(const struct log *log, const char *lead)
{
    struct log_cursor cursor;
    struct log_read gap;
    struct slice entry;
    char wanted[64];

    log_cursor_init(&cursor, log_oldest(&w.room->log, w.now_ms));
    while (log_next(log, &cursor, w.now_ms, &entry, &gap) == LOG_BYTES) {
        int len = snprintf(wanted, sizeof(wanted), "%s%llu at ", lead,
                           (unsigned long long)cursor.next - 1);
        CU_ASSERT_FATAL(entry.len > (size_t)len);
        CU_ASSERT_EQUAL(memcmp(entry.data, wanted, (size_t)len), 0);
    }
    CU_ASSERT_EQUAL(cursor.next, end());
}

static void test_room_batch__numbers_stand_side_by_side(void)
{
    struct room_batch_message messages[BATCH_MAX] = {0};

    setup(0, 1000, 0);
    CU_ASSERT_EQUAL_FATAL(append(messages, BATCH_MAX), 0);
    for (size_t i = 0; i < BATCH_MAX; i++) {
        CU_ASSERT_EQUAL(messages[i].seq, i + 1);
        CU_ASSERT_EQUAL(messages[i].ts_ms, w.now_ms + 7);
        CU_ASSERT(!messages[i].dup);
    }
    check_log(&w.room->log, "");
    teardown();
}

static void test_room_batch__a_cid_counts_once_within_a_batch_and_between_them(void)
{
    struct room_batch_message messages[4] = {{.uid = slice_of("ada"), .cid = slice_of("1")},
                                             {.uid = slice_of("ben"), .cid = slice_of("1")},
                                             {.uid = slice_of("ada"), .cid = slice_of("1")},
                                             {.uid = slice_of(""), .cid = slice_of("1")}};
    static const uint64_t seqs[] = {1, 2, 1, 3};

    setup(0, 1000, 0);
    for (unsigned round = 0; round < 2; round++) {
        CU_ASSERT_EQUAL_FATAL(append(messages, 4), 0);
        for (size_t i = 0; i < 4; i++) {
            CU_ASSERT_EQUAL(messages[i].seq, seqs[i]);
            CU_ASSERT_EQUAL(messages[i].dup, round > 0 || i == 2);
        }
        CU_ASSERT_EQUAL(end(), 4);
        CU_ASSERT(w.room->cids.count == 3);
    }
    teardown();
}

/* Fails at the n-th call or allocation for each n, until nothing fails any more. */
static void fail_at_each(bool projected, bool allocations)
{
    struct room_batch_message messages[5] = {{.cid = slice_of("a")},
                                             {.cid = slice_of("b")},
                                             {.cid = slice_of("c")},
                                             {.cid = slice_of("a")},
                                             {.uid = slice_of("ada")}};
    int error = -1;

    setup(0, 1000, 0);
    for (unsigned i = 0; i < 5; i++)
        messages[i].uid = slice_of(i == 4 ? "ada" : "");
    w.text_bytes = 3000; /* so that a segment is needed */
    CU_ASSERT_EQUAL_FATAL(append_plain(2), 0);
    if (projected)
        CU_ASSERT_EQUAL_FATAL(room_project(w.room, w.now_ms), 0);
    for (unsigned n = 1; error; n++) {
        CU_ASSERT_FATAL(n < 100);
        w.calls = 0;
        w.fails_at = allocations ? 0 : n;
        mem_fail_after(allocations ? (long)n - 1 : -1);
        error = append(messages, 5);
        mem_fail_after(-1);
        if (!error)
            break;
        CU_ASSERT_EQUAL(end(), 3);
        CU_ASSERT(w.room->cids.count == 0 && list_empty(&w.room->cids_by_age));
        check_log(&w.room->log, "");
        if (projected)
            check_log(w.room->projection, "form of ");
    }
    CU_ASSERT_EQUAL(end(), 7);
    check_log(&w.room->log, "");
    if (projected) {
        check_log(w.room->projection, "form of ");
        room_unproject(w.room);
    }
    teardown();
}

static void test_room_batch__what_fails_leaves_nothing_behind(void)
{
    fail_at_each(false, false);
    fail_at_each(true, false);
#ifdef RINGROOM_DCHECK
    fail_at_each(false, true);
    fail_at_each(true, true);
#endif
}

static void test_room_batch__at_the_bound_of_memory_none_is_stored(void)
{
    setup(16384, 1000, 0);
    w.text_bytes = 2000;
    CU_ASSERT_EQUAL(append_plain(20), -ENOSPC);
    CU_ASSERT_EQUAL(end(), 1);
    CU_ASSERT_EQUAL(append_plain(4), 0);
    CU_ASSERT_EQUAL(append_plain(20), -ENOSPC);
    CU_ASSERT_EQUAL(end(), 5);
    check_log(&w.room->log, "");
    teardown();
}

/* Limits drop what stands before while the batch is still being published. */
static void test_room_batch__a_batch_larger_than_the_limits_keeps_the_newest(void)
{
    setup(0, 3, 0);
    CU_ASSERT_EQUAL_FATAL(room_project(w.room, w.now_ms), 0);
    for (unsigned round = 0; round < 30; round++) {
        w.text_bytes = 40 + 97 * round;
        CU_ASSERT_EQUAL_FATAL(append_plain(1 + round % BATCH_MAX), 0);
        CU_ASSERT(end() - log_first(&w.room->log, w.now_ms) <= 3);
        check_log(&w.room->log, "");
        check_log(w.room->projection, "form of ");
    }
    struct room_own own = {.max_messages = true, .retention = {.max_messages = 1}};
    room_set_own(w.room, &own, w.now_ms);
    for (unsigned round = 0; round < 30; round++) {
        CU_ASSERT_EQUAL_FATAL(append_plain(1 + round % 7), 0);
        check_log(w.room->projection, "form of ");
    }
    room_unproject(w.room);
    teardown();
}

static void test_room_own__shorter_limits_take_hold_at_once(void)
{
    struct room_own own = {
        .max_messages = true, .retention = {.max_messages = 4}, .members_max = 7};

    setup(0, 1000, 0);
    CU_ASSERT_EQUAL_FATAL(append_plain(10), 0);
    CU_ASSERT_EQUAL_FATAL(room_project(w.room, w.now_ms), 0);
    room_set_own(w.room, &own, w.now_ms);
    CU_ASSERT_EQUAL(log_first(&w.room->log, w.now_ms), 7);
    CU_ASSERT_EQUAL(w.room->own.members_max, 7);
    check_log(w.room->projection, "form of ");
    w.now_ms += 2000;
    own.ttl = true;
    own.retention.ttl_s = 1;
    room_set_own(w.room, &own, w.now_ms);
    CU_ASSERT_EQUAL(log_first(&w.room->log, w.now_ms), end());
    CU_ASSERT(log_is_empty(&w.room->log) && log_is_empty(w.room->projection));
    room_unproject(w.room);
    teardown();
}

static void test_room_own__longer_limits_keep_what_is_there(void)
{
    struct room_own own = {.ttl = true, .retention = {.ttl_s = 600}};

    setup(0, 1000, 0);
    CU_ASSERT_EQUAL_FATAL(append_plain(2), 0);
    room_set_own(w.room, &own, w.now_ms);
    w.now_ms += 120000;
    wheel_advance(&w.wheel, w.now_ms);
    CU_ASSERT_EQUAL(log_first(&w.room->log, w.now_ms), 1);
    w.now_ms += 480000;
    CU_ASSERT_EQUAL(log_first(&w.room->log, w.now_ms), 3);
    w.now_ms += 1000;                  /* the wheel may be late by that */
    wheel_advance(&w.wheel, w.now_ms); /* the sweep was set anew: the room is gone */
    CU_ASSERT_PTR_NULL(directory_find(&w.directory, slice_of("room")));
    teardown();
}

static void test_room_own__it_ends_with_the_rooms_life(void)
{
    struct room_own own = {.ttl = true, .retention = {.ttl_s = 5}, .members_max = 3};

    setup(0, 1000, 0);
    room_set_own(w.room, &own, w.now_ms);
    room_linger(w.room, w.now_ms + 5000);
    CU_ASSERT(!room_settle(w.room));
    w.now_ms += 6000;
    wheel_advance(&w.wheel, w.now_ms);
    CU_ASSERT_PTR_NULL(directory_find(&w.directory, slice_of("room")));
    w.room = directory_open(&w.directory, slice_of("room"));
    CU_ASSERT_EQUAL(w.room->retention.ttl_s, 60);
    CU_ASSERT_EQUAL(w.room->own.members_max, ROOM_MEMBERS_BY_RULE);
    teardown();
}

static void test_room_own__other_rules_change_only_what_it_has_not(void)
{
    struct room_own own = {.ttl = true, .retention = {.ttl_s = 5}};
    struct retention_rules rules;

    setup(0, 1000, 0);
    rules = w.rules;
    room_set_own(w.room, &own, w.now_ms);
    rules.defaults.ttl_s = 77;
    rules.defaults.max_messages = 3;
    CU_ASSERT_EQUAL_FATAL(append_plain(10), 0);
    directory_reload(&w.directory, &rules, 0, 0, w.now_ms);
    CU_ASSERT_EQUAL(w.room->retention.ttl_s, 5);
    CU_ASSERT_EQUAL(w.room->retention.max_messages, 3);
    CU_ASSERT_EQUAL(log_first(&w.room->log, w.now_ms), 8);
    own.ttl = false;
    room_set_own(w.room, &own, w.now_ms);
    CU_ASSERT_EQUAL(w.room->retention.ttl_s, 77);
    teardown();
}

UNIT_MAIN("room batch", UNIT_TEST(test_room_batch__numbers_stand_side_by_side),
          UNIT_TEST(test_room_batch__a_cid_counts_once_within_a_batch_and_between_them),
          UNIT_TEST(test_room_batch__what_fails_leaves_nothing_behind),
          UNIT_TEST(test_room_batch__at_the_bound_of_memory_none_is_stored),
          UNIT_TEST(test_room_batch__a_batch_larger_than_the_limits_keeps_the_newest),
          UNIT_TEST(test_room_own__shorter_limits_take_hold_at_once),
          UNIT_TEST(test_room_own__longer_limits_keep_what_is_there),
          UNIT_TEST(test_room_own__it_ends_with_the_rooms_life),
          UNIT_TEST(test_room_own__other_rules_change_only_what_it_has_not))
