/* The second form of a room's messages: with the first one it agrees in numbers, times and gaps,
 * whatever is said, deleted, dropped and expired meanwhile, and whoever comes to read it when. */
#include "ringroom/room/directory.h"
#include "ringroom/room/moderation.h"

#include "ringroom/base/mem.h"
#include "unit.h"
#include <errno.h>

enum {
    READERS = 3, /* of the epoch; reader 0 is the owner */
    SESSIONS = 5,
    SLICES = 8,
    ENTRY_MAX = 6000,
    STANDING_MAX = 1 << 15,
    MESSAGES_MAX = 4000,
};

/* An entry begins with this; what follows is derived from it. */
struct head {
    uint64_t number;
    uint32_t bytes;
};

/* A cursor on the projection, and what it has been given since its reader was quiescent. */
struct session {
    bool here, projected;
    struct log_cursor cursor;
    struct slice slices[SLICES];
    uint64_t numbers[SLICES];
    bool deleted[SLICES]; /* when it was given */
    unsigned slices_count;
};

/* An entry of either form whose bytes stand in memory. */
struct standing {
    uint64_t number;
    const uint8_t *at;
    size_t bytes;
    unsigned age; /* 0: the room's log; else which projection */
    bool deleted; /* stands there since the message was deleted */
};

static struct world {
    uint64_t random, now_ms, ttl_ms;
    enum ttl_from ttl_from;
    struct epoch epoch;
    struct epoch_bin bin;
    _Atomic uint64_t bytes_used;
    struct wheel wheel;
    struct retention_rules rules;
    struct directory directory;
    struct room *room;
    struct room_seat seat;
    struct session sessions[SESSIONS];
    uint64_t times[MESSAGES_MAX + 1]; /* of messages, by number */
    bool deleted[MESSAGES_MAX + 1];
    uint64_t first_ms;  /* of the first since the room was empty */
    unsigned age;       /* of the projection */
    unsigned projected; /* how often an entry was written in its other form */
    int project_error;
    struct standing standing[STANDING_MAX];
    size_t standing_count;
} w;

static uint64_t below(uint64_t n)
{
    return unit_random(&w.random) % n;
}

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

static void note_standing(uint64_t number, const uint8_t *at, size_t bytes, unsigned age)
{
    CU_ASSERT_FATAL(w.standing_count < STANDING_MAX);
    w.standing[w.standing_count++] = (struct standing){
        .number = number, .at = at, .bytes = bytes, .age = age, .deleted = w.deleted[number]};
}

/* Both forms of entry `number` */

static uint8_t byte_of(uint64_t number, size_t at)
{
    return (uint8_t)((number * 131 + at * 7 + (at >> 8)) | 1);
}

static uint32_t bytes_of(uint64_t number)
{
    uint64_t mixed = (number + 7) * 0x9e3779b97f4a7c15u >> 40;
    uint32_t most = mixed % 32 ? 200 : ENTRY_MAX - sizeof(struct head);

    return sizeof(struct head) + (uint32_t)(mixed / 32 % most);
}

static void fill(uint8_t *dst, uint64_t number)
{
    struct head head;

    memset(&head, 0, sizeof(head));
    head.number = number;
    head.bytes = bytes_of(number);
    memcpy(dst, &head, sizeof(head));
    for (size_t i = sizeof(head); i < head.bytes; i++)
        dst[i] = byte_of(number, i);
}

/* Longer by 1 to 5 bytes, and backwards. */
static struct slice other_form(struct slice entry)
{
    static uint8_t form[ENTRY_MAX + 8];
    struct head head;

    memcpy(&head, entry.data, sizeof(head));
    CU_ASSERT_FATAL(entry.len == head.bytes && entry.len <= ENTRY_MAX);
    size_t more = 1 + head.number % 5;
    memset(form, 'P', more);
    for (size_t i = 0; i < entry.len; i++)
        form[more + i] = entry.data[entry.len - 1 - i];
    return slice_make(form, more + entry.len);
}

static bool is_other_form(struct slice bytes, uint64_t number)
{
    uint8_t entry[ENTRY_MAX];

    fill(entry, number);
    return slice_equal(bytes, other_form(slice_make(entry, bytes_of(number))));
}

/* What stands in the place of a deleted message: longer than many a message. */
static struct slice deleted_form(uint64_t number, bool other)
{
    static uint8_t form[150];

    memset(form, other ? 'd' : 'D', sizeof(form));
    memcpy(form, &number, sizeof(number));
    return slice_make(form, other ? 100 + number % 50 : number % 3 ? 20 : 140);
}

static bool is_present_form(struct slice bytes, uint64_t number)
{
    return w.deleted[number] ? slice_equal(bytes, deleted_form(number, true))
                             : is_other_form(bytes, number);
}

static int project_deleted(void *user, const struct room *room, uint64_t seq,
                           struct slice *ret_bytes)
{
    CU_ASSERT(user == &w && room == w.room);
    *ret_bytes = deleted_form(seq, true);
    return w.project_error;
}

static int project(void *user, const struct room *room, struct slice entry, struct slice *ret_bytes)
{
    CU_ASSERT(user == &w && room == w.room);
    if (w.project_error)
        return w.project_error;
    w.projected++;
    *ret_bytes = other_form(entry);
    return 0;
}

/* The world */

static void setup(uint64_t ttl_ms, enum ttl_from ttl_from, uint32_t messages_max, uint64_t window)
{
    uint64_t random = w.random;

    memset(&w, 0, sizeof(w));
    w.random = random;
    w.now_ms = 100000;
    w.ttl_ms = ttl_ms;
    w.ttl_from = ttl_from;
    CU_ASSERT_FATAL(epoch_init(&w.epoch, READERS) == 0);
    epoch_bin_init(&w.bin, &w.epoch);
    for (uint32_t i = 0; i < READERS; i++)
        epoch_online(&w.epoch, i);
    wheel_init(&w.wheel, w.now_ms);
    w.rules.defaults = (struct retention){.ttl_s = (uint32_t)(ttl_ms / 1000),
                                          .ttl_from = ttl_from,
                                          .max_messages = messages_max,
                                          .max_bytes = 1 << 20};
    struct log_env env = {.bin = &w.bin, .bytes_used = &w.bytes_used};
    directory_init(&w.directory, &w.wheel, &env, &w.rules, window);
    w.directory.project = project;
    w.directory.project_deleted = project_deleted;
    w.directory.user = &w;
    list_init(&w.seat.link);
    w.room = directory_open(&w.directory, slice_of("r"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.room);
}

static void join(const char *uid)
{
    bool came;

    CU_ASSERT_EQUAL(room_join(w.room, &w.seat, slice_of(uid), slice_of(uid), &came), 0);
}

/* A room with one member, who never leaves. */
static void setup_inhabited(uint64_t ttl_ms, enum ttl_from ttl_from, uint32_t messages_max,
                            uint64_t window)
{
    setup(ttl_ms, ttl_from, messages_max, window);
    join("host");
}

static void teardown(void)
{
    for (uint32_t i = 0; i < READERS; i++)
        epoch_offline(&w.epoch, i);
    directory_deinit(&w.directory);
    epoch_bin_drain(&w.bin);
    CU_ASSERT_EQUAL(atomic_load(&w.bytes_used), 0);
    CU_ASSERT(w.standing_count == 0 && w.wheel.count == 0);
    epoch_deinit(&w.epoch);
    w.standing_count = 0;
}

static void sweep(uint64_t ms)
{
    w.now_ms += ms;
    wheel_advance(&w.wheel, w.now_ms);
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

/* The entries of the projection from `from` on, to be found wiped later. */
static void note_projection(uint64_t from)
{
    struct log_cursor cursor;
    struct log_read gap;
    struct slice bytes;

    log_cursor_init(&cursor, from);
    while (log_next(w.room->projection, &cursor, w.now_ms, &bytes, &gap) == LOG_BYTES)
        note_standing(cursor.next - 1, bytes.data, bytes.len, w.age);
}

static int start_projecting(void)
{
    bool had = w.room->projection;
    int error = room_project(w.room, w.now_ms);

    if (!error && !had) {
        w.age++;
        note_projection(atomic_load(&w.room->projection->held));
    }
    return error;
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i])
            return false;
    return true;
}

static int say_marked(const char *cid)
{
    uint64_t number = log_end(&w.room->log);
    uint32_t bytes = bytes_of(number);
    bool was_empty = log_oldest(&w.room->log, w.now_ms) == number;
    struct room_message message;
    int error = room_prepare(w.room, slice_of("u"), slice_of(cid), bytes + 10, w.now_ms,
                             w.now_ms + 1700000000000, &message);

    if (error)
        return error;
    CU_ASSERT_FATAL(message.slot.number == number && number <= MESSAGES_MAX);
    fill(message.slot.bytes, number);
    uint8_t *at = message.slot.bytes;
    error = room_commit(w.room, &message, bytes, w.now_ms);
    if (error) {
        CU_ASSERT(!message.mark && all_zero(at, bytes));
        return error;
    }
    w.times[number] = w.now_ms;
    if (was_empty)
        w.first_ms = w.now_ms;
    note_standing(number, at, bytes, 0);
    if (w.room->projection)
        note_projection(number);
    return 0;
}

static int say(void)
{
    return say_marked("");
}

/* By the rule alone, whatever the logs believe. */
static bool has_expired(uint64_t number)
{
    switch (w.ttl_from) {
    case TTL_FROM_LAST_MESSAGE:
        return w.times[log_end(&w.room->log) - 1] + w.ttl_ms <= w.now_ms;
    case TTL_FROM_MESSAGE:
        return w.times[number] + w.ttl_ms <= w.now_ms;
    case TTL_FROM_FIRST_MESSAGE:
        return w.first_ms + w.ttl_ms <= w.now_ms;
    }
    return true;
}

/* Invariants */

/* The next number that the log yields, with its bytes, behind what is gone; its end where none. */
static uint64_t next_there(const struct log *log, struct log_cursor *cursor, struct slice *ret)
{
    struct log_read read;
    enum log_result result = LOG_GAP;

    while (result == LOG_GAP)
        result = log_next(log, cursor, w.now_ms, ret, &read);
    return result == LOG_BYTES ? cursor->next - 1 : log_end(log);
}

/* From there on both forms have the same numbers and times, miss the same, and are what they must
 * be. Returns how many there are. */
static unsigned same_from(uint64_t from)
{
    struct log_cursor one, other;
    struct slice bytes, form;
    unsigned count = 0;

    log_cursor_init(&one, from);
    log_cursor_init(&other, from);
    for (;; count++) {
        uint64_t number = next_there(&w.room->log, &one, &bytes);
        CU_ASSERT_EQUAL(next_there(w.room->projection, &other, &form), number);
        if (number == log_end(&w.room->log))
            return count;
        CU_ASSERT(!has_expired(number) && is_present_form(form, number));
        CU_ASSERT(!w.deleted[number] || slice_equal(bytes, deleted_form(number, false)));
        CU_ASSERT_EQUAL(log_cursor_time_ms(&one), w.times[number]);
        CU_ASSERT_EQUAL(log_cursor_time_ms(&other), w.times[number]);
    }
}

static void check_world(void)
{
    const struct room *room = w.room;
    const struct log *log = &room->log, *projection = room->projection;
    unsigned projected = 0;

    for (int i = 0; i < SESSIONS; i++)
        projected += w.sessions[i].projected;
    CU_ASSERT(room->projected == projected && (projection != NULL) == (projected > 0));
    if (!projection)
        return;
    CU_ASSERT_EQUAL(log_end(projection), log_end(log));
    CU_ASSERT_EQUAL(atomic_load(&projection->held), atomic_load(&log->held));
    CU_ASSERT_EQUAL(atomic_load(&projection->dead_ms), atomic_load(&log->dead_ms));
    CU_ASSERT_EQUAL(atomic_load(&projection->entry_ttl_ms), atomic_load(&log->entry_ttl_ms));
    CU_ASSERT(log_expiry_ms(projection) >= log_expiry_ms(log));
    CU_ASSERT_EQUAL(log_oldest(projection, w.now_ms), log_oldest(log, w.now_ms));
    same_from(1 + below(log_end(log)));
}

/* What failing must leave as it was. */
struct seen {
    uint64_t end, held, kept, dead_ms, other_end, other_held, other_dead_ms, last_ts_ms;
    const struct log *projection;
    uint32_t projected, marks;
};

static struct seen look(void)
{
    const struct room *room = w.room;
    const struct log *other = room->projection;
    struct seen seen;

    memset(&seen, 0, sizeof(seen));
    seen.end = log_end(&room->log);
    seen.held = atomic_load(&room->log.held);
    seen.kept = atomic_load(&room->log.kept);
    seen.dead_ms = atomic_load(&room->log.dead_ms);
    seen.last_ts_ms = room->last_ts_ms;
    seen.marks = room->cids.count;
    seen.projected = room->projected;
    seen.projection = other;
    if (!other)
        return seen;
    seen.other_end = log_end(other);
    seen.other_held = atomic_load(&other->held);
    seen.other_dead_ms = atomic_load(&other->dead_ms);
    return seen;
}

static bool is_unchanged(const struct seen *before)
{
    struct seen now = look();

    return memcmp(&now, before, sizeof(now)) == 0;
}

/* Steps */

static void expire(void)
{
    log_expire(&w.room->log, w.now_ms);
    if (w.room->projection)
        log_follow(w.room->projection);
}

/* Arms a failure, or none. */
static void maybe_fail(void)
{
    static const int errors[] = {-ENOMEM, -ENOBUFS};

    if (below(10) == 0)
        mem_fail_after((long)below(5));
    else if (below(20) == 0)
        w.project_error = errors[below(2)];
    else if (below(20) == 0)
        w.directory.env.bytes_max = 1 + atomic_load(&w.bytes_used) + below(1000);
}

static void fail_no_more(void)
{
    mem_fail_after(-1);
    w.project_error = 0;
    w.directory.env.bytes_max = 0;
}

static void step_say(void)
{
    char cid[8];

    if (log_end(&w.room->log) > MESSAGES_MAX)
        return;
    expire();
    struct seen before = look();
    snprintf(cid, sizeof(cid), "%u", (unsigned)below(10));
    maybe_fail();
    int error = say_marked(below(2) ? cid : "");
    fail_no_more();
    if (error)
        CU_ASSERT(is_unchanged(&before))
    else
        CU_ASSERT(log_end(&w.room->log) == before.end + 1);
}

/* After a pause, and with no sweep between. */
static void step_say_at_once(void)
{
    if (log_end(&w.room->log) > MESSAGES_MAX)
        return;
    maybe_fail();
    say();
    fail_no_more();
}

static void note_entry(const struct log *log, uint64_t number, unsigned age)
{
    struct log_cursor cursor;
    struct log_read gap;
    struct slice bytes;

    log_cursor_init(&cursor, number);
    /* Limits may have dropped it, for what took its place was longer. */
    if (log_next(log, &cursor, w.now_ms, &bytes, &gap) == LOG_BYTES)
        note_standing(number, bytes.data, bytes.len, age);
}

static void step_delete(void)
{
    uint64_t end = log_end(&w.room->log), back = below(30), number = end > back ? end - back : 0;
    bool there = number && number >= log_oldest(&w.room->log, w.now_ms) && number < end;

    expire();
    struct seen before = look();
    maybe_fail();
    int error = room_delete(w.room, number, deleted_form(number, false), w.now_ms);
    fail_no_more();
    if (error) {
        CU_ASSERT(is_unchanged(&before) && (error == -ENOENT) == !there);
        CU_ASSERT((error == -EALREADY) == (there && w.deleted[number]));
        return;
    }
    CU_ASSERT(there && !w.deleted[number]);
    w.deleted[number] = true;
    note_entry(&w.room->log, number, 0);
    if (w.room->projection)
        note_entry(w.room->projection, number, w.age);
}

static struct session *some_session(void)
{
    return &w.sessions[below(SESSIONS)];
}

static void step_come(void)
{
    struct session *session = some_session();

    if (!session->here)
        join("guest");
    session->here = true;
    if (session->projected)
        return;
    bool expired = below(2); /* else the room has it to do */
    if (expired)
        expire();
    struct seen before = look();
    maybe_fail();
    int error = start_projecting();
    fail_no_more();
    if (error) {
        CU_ASSERT(!expired || is_unchanged(&before));
        return;
    }
    CU_ASSERT_EQUAL(w.room->projected, before.projected + 1);
    session->projected = true;
    log_cursor_init(&session->cursor, 1 + below(log_end(&w.room->log)));
    session->slices_count = 0;
}

/* Its shard has looked up since it read, or has not: the bytes stand until it does. */
static void step_go(struct session *session)
{
    if (session->projected)
        room_unproject(w.room);
    session->projected = false;
    if (session->here && below(2)) {
        room_leave(w.room, &w.seat, slice_of("guest"));
        session->here = false;
    }
}

static void check_gap(uint64_t from, const struct log_read *read)
{
    CU_ASSERT(read->from == from && read->to >= from);
    CU_ASSERT(read->to < log_oldest(&w.room->log, w.now_ms));
}

static void step_next(void)
{
    struct session *session = some_session();
    uint64_t from = session->cursor.next;
    struct log_read read;
    struct slice bytes;

    if (!session->projected || session->slices_count == SLICES)
        return;
    switch (log_next(w.room->projection, &session->cursor, w.now_ms, &bytes, &read)) {
    case LOG_BYTES:
        CU_ASSERT(!has_expired(from) && is_present_form(bytes, from));
        session->slices[session->slices_count] = bytes;
        session->deleted[session->slices_count] = w.deleted[from];
        session->numbers[session->slices_count++] = from;
        break;
    case LOG_GAP:
        check_gap(from, &read);
        break;
    default:
        CU_ASSERT_EQUAL(from, log_end(&w.room->log));
    }
}

static void step_read(void)
{
    static uint8_t dst[3 * ENTRY_MAX];
    struct session *session = some_session();
    uint64_t from = session->cursor.next;
    struct log_read read;

    if (!session->projected)
        return;
    size_t cap = 1 + below(sizeof(dst));
    enum log_result result =
        log_read(w.room->projection, &session->cursor, w.now_ms, dst, cap, false, &read);
    if (result == LOG_GAP)
        check_gap(from, &read);
    if (result != LOG_BYTES)
        return;
    size_t done = 0;
    for (uint64_t number = from; number < session->cursor.next; number++) {
        size_t bytes =
            w.deleted[number] ? deleted_form(number, true).len : bytes_of(number) + 1 + number % 5;
        CU_ASSERT(!has_expired(number) && is_present_form(slice_make(dst + done, bytes), number));
        done += bytes;
    }
    CU_ASSERT_EQUAL(done, read.bytes);
}

/* Session i is of reader i % READERS. What log_next() gave is still as it was. */
static void step_quiesce(uint32_t reader)
{
    for (uint32_t i = reader; i < SESSIONS; i += READERS) {
        struct session *session = &w.sessions[i];
        for (unsigned j = 0; j < session->slices_count; j++)
            CU_ASSERT(session->deleted[j]
                          ? slice_equal(session->slices[j], deleted_form(session->numbers[j], true))
                          : is_other_form(session->slices[j], session->numbers[j]));
        session->slices_count = 0;
    }
    epoch_quiesce(&w.epoch, reader);
}

/* Of what has expired nothing stands; of the other form nothing that the room does not hold. */
static void step_reclaim(void)
{
    expire();
    for (uint32_t i = 0; i < READERS; i++)
        step_quiesce(i);
    reclaim();
    for (size_t i = 0; i < w.standing_count; i++) {
        const struct standing *standing = &w.standing[i];
        CU_ASSERT(w.ttl_from != TTL_FROM_MESSAGE || !has_expired(standing->number));
        CU_ASSERT(!log_is_empty(&w.room->log));
        CU_ASSERT(standing->deleted == w.deleted[standing->number]);
        if (standing->age)
            CU_ASSERT(w.room->projection && standing->age == w.age &&
                      standing->number >= atomic_load(&w.room->log.held));
    }
}

static void step_clear(void)
{
    log_clear(&w.room->log);
    if (w.room->projection)
        log_follow(w.room->projection);
}

static void step(void)
{
    uint64_t choice = below(1000);

    if (choice < 300)
        step_say();
    else if (choice < 335)
        step_say_at_once();
    else if (choice < 370)
        step_delete();
    else if (choice < 450)
        w.now_ms += below(1 + w.ttl_ms / (1 + below(40)));
    else if (choice < 550)
        sweep(below(1 + w.ttl_ms / (1 + below(40))));
    else if (choice < 600)
        step_come();
    else if (choice < 630)
        step_go(some_session());
    else if (choice < 640)
        for (int i = 0; i < SESSIONS; i++)
            step_go(&w.sessions[i]);
    else if (choice < 760)
        step_next();
    else if (choice < 880)
        step_read();
    else if (choice < 940)
        step_quiesce((uint32_t)below(READERS));
    else if (choice < 970)
        epoch_collect(&w.bin);
    else if (choice < 990)
        step_reclaim();
    else if (choice < 993)
        step_clear();
}

static void test_room_projection__any_operations_keep_both_forms_the_same(void)
{
    static const uint32_t messages[] = {1, 5, 40, 1000};
    static const uint64_t window[] = {0, 500, 20000};
    uint64_t seed = unit_seed();

    for (unsigned round = 0; round < unit_rounds(60); round++) {
        w.random = (seed + round) | 1;
        setup_inhabited(2000, (enum ttl_from)below(3), messages[below(4)], window[below(3)]);
        for (unsigned i = 0; i < 1000; i++) {
            step();
            check_world();
            if (CU_get_number_of_failure_records()) { /* the first failure says most */
                printf("seed %llu, step %u ", (unsigned long long)(seed + round), i);
                CU_FAIL_FATAL("the two forms disagree");
            }
        }
        step_reclaim();
        teardown();
    }
}

/* Told step by step */

static void test_room_projection__it_is_made_once_whoever_reads_it(void)
{
    setup_inhabited(60000, TTL_FROM_LAST_MESSAGE, 100, 0);
    join("ann");
    join("bob");
    for (int i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(say(), 0);
    CU_ASSERT(w.projected == 0 && !w.room->projection);
    CU_ASSERT(start_projecting() == 0 && w.projected == 10);
    CU_ASSERT(start_projecting() == 0 && w.projected == 10);
    CU_ASSERT(say() == 0 && w.projected == 11);
    CU_ASSERT_EQUAL(same_from(1), 11);
    room_unproject(w.room);
    CU_ASSERT_PTR_NOT_NULL(w.room->projection);
    room_unproject(w.room);
    CU_ASSERT_PTR_NULL(w.room->projection);
    CU_ASSERT(say() == 0 && w.projected == 11);
    reclaim();
    for (size_t i = 0; i < w.standing_count; i++)
        CU_ASSERT_EQUAL(w.standing[i].age, 0);
    teardown();
}

/* What limits have dropped from the history is there for cursors, in both. */
static void test_room_projection__it_holds_what_cursors_may_read_beyond_the_history(void)
{
    setup_inhabited(60000, TTL_FROM_LAST_MESSAGE, 3, 1 << 20);
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(say(), 0);
    CU_ASSERT(start_projecting() == 0 && same_from(1) == 20);
    CU_ASSERT(say() == 0 && same_from(1) == 21);
    teardown();
}

/* Whatever has expired is not in it, though no sweep has come by. */
static void test_room_projection__it_is_made_of_what_is_alive(void)
{
    setup_inhabited(2000, TTL_FROM_MESSAGE, 100, 0);
    CU_ASSERT_EQUAL(say(), 0);
    w.now_ms += 1000;
    CU_ASSERT_EQUAL(say(), 0);
    w.now_ms += 1000;
    CU_ASSERT(start_projecting() == 0 && w.projected == 1 && same_from(1) == 1);
    room_unproject(w.room);
    w.now_ms += 1000;
    CU_ASSERT(start_projecting() == 0 && w.projected == 1 && same_from(1) == 0);
    CU_ASSERT_EQUAL(log_end(w.room->projection), 3);
    CU_ASSERT(say() == 0 && same_from(1) == 1);
    teardown();
}

/* The first message counts, though it has gone before the projection was made. */
static void test_room_projection__it_ends_with_a_message_that_it_never_held(void)
{
    setup_inhabited(2000, TTL_FROM_FIRST_MESSAGE, 1, 0);
    CU_ASSERT_EQUAL(say(), 0);
    sweep(1500);
    CU_ASSERT_EQUAL(say(), 0);
    CU_ASSERT(start_projecting() == 0 && same_from(1) == 1);
    sweep(100);
    CU_ASSERT_EQUAL(say(), 0);
    w.now_ms += 399;
    CU_ASSERT_EQUAL(same_from(1), 1);
    w.now_ms += 1;
    CU_ASSERT_EQUAL(same_from(1), 0);
    sweep(WHEEL_TICK_MS);
    CU_ASSERT(log_is_empty(w.room->projection) && log_is_empty(&w.room->log));
    reclaim();
    CU_ASSERT(w.standing_count == 0 && atomic_load(&w.bytes_used) == 0);
    CU_ASSERT(say() == 0 && same_from(1) == 1);
    teardown();
}

/* For each way of counting the sweep, set for the room's log, empties both. */
static void test_room_projection__the_sweep_takes_both(void)
{
    for (int from = TTL_FROM_LAST_MESSAGE; from <= TTL_FROM_FIRST_MESSAGE; from++) {
        setup_inhabited(2000, (enum ttl_from)from, 100, 0);
        CU_ASSERT_EQUAL(start_projecting(), 0);
        CU_ASSERT_EQUAL(say(), 0);
        CU_ASSERT_EQUAL(say(), 0);
        CU_ASSERT_EQUAL(same_from(1), 2);
        sweep(2000 + WHEEL_TICK_MS);
        CU_ASSERT(log_is_empty(w.room->projection) && log_is_empty(&w.room->log));
        CU_ASSERT_EQUAL(w.wheel.count, 0);
        reclaim();
        CU_ASSERT(w.standing_count == 0 && atomic_load(&w.bytes_used) == 0);
        teardown();
    }
}

/* One clock that stands still or goes back is not two. */
static void test_room_projection__times_are_those_of_the_log_even_if_the_clock_goes_back(void)
{
    setup_inhabited(2000, TTL_FROM_MESSAGE, 100, 0);
    CU_ASSERT_EQUAL(say(), 0);
    sweep(2000 + WHEEL_TICK_MS);
    CU_ASSERT_EQUAL(start_projecting(), 0);
    w.now_ms -= 2100;
    CU_ASSERT_EQUAL(say(), 0);
    w.times[2] = w.now_ms + 2100 - 2000 - WHEEL_TICK_MS;
    CU_ASSERT_EQUAL(same_from(1), 1);
    teardown();
}

static void test_room_projection__a_room_that_goes_takes_it_along(void)
{
    setup(60000, TTL_FROM_LAST_MESSAGE, 100, 0);
    join("ann");
    CU_ASSERT_EQUAL(say(), 0);
    CU_ASSERT_EQUAL(start_projecting(), 0);
    teardown(); /* the directory goes while it is read */

    setup(2000, TTL_FROM_LAST_MESSAGE, 100, 0);
    join("ann");
    CU_ASSERT_EQUAL(start_projecting(), 0);
    CU_ASSERT_EQUAL(say(), 0);
    room_unproject(w.room);
    room_leave(w.room, &w.seat, slice_of("ann"));
    sweep(2000 + WHEEL_TICK_MS);
    CU_ASSERT_EQUAL(w.directory.rooms.count, 0);
    teardown();
}

/* Failing */

#ifdef RINGROOM_DCHECK
static void fail_each_allocation_of_project(void)
{
    for (long n = 0, error = -ENOMEM; error; n++) {
        CU_ASSERT_FATAL(n < 100);
        setup_inhabited(60000, TTL_FROM_LAST_MESSAGE, 100, 0);
        for (int i = 0; i < 60; i++)
            CU_ASSERT_EQUAL(say(), 0);
        struct seen before = look();
        mem_fail_after(n);
        error = start_projecting();
        mem_fail_after(-1);
        CU_ASSERT(error == 0 || error == -ENOMEM);
        CU_ASSERT(error == 0 || is_unchanged(&before));
        if (error)
            CU_ASSERT_EQUAL(start_projecting(), 0);
        CU_ASSERT_EQUAL(same_from(1), 60);
        teardown();
    }
}

/* A message for which one log has room and the other one not. */
static void fail_each_allocation_of_say(void)
{
    unsigned failed = 0;

    setup_inhabited(60000, TTL_FROM_LAST_MESSAGE, 1000, 0);
    CU_ASSERT_EQUAL(start_projecting(), 0);
    for (int i = 0; i < 300; i++) {
        for (long n = 0, error = -ENOMEM; error; n++) {
            struct seen before = look();
            mem_fail_after(n);
            error = say_marked(i % 2 ? "c" : "");
            mem_fail_after(-1);
            CU_ASSERT(error == 0 || error == -ENOMEM);
            CU_ASSERT(error == 0 || is_unchanged(&before));
            failed += error != 0;
        }
    }
    CU_ASSERT(failed > 150 && same_from(1) == 300);
    teardown();
}
#endif

static void test_room_projection__any_failed_allocation_changes_nothing(void)
{
#ifdef RINGROOM_DCHECK
    fail_each_allocation_of_project();
    fail_each_allocation_of_say();
#endif
}

/* Of all logs together. */
static void set_bytes_max(uint64_t bytes)
{
    directory_reload(&w.directory, &w.rules, w.directory.delivery_window, bytes, w.now_ms);
}

static void test_room_projection__it_counts_among_all_logs_together(void)
{
    setup_inhabited(60000, TTL_FROM_LAST_MESSAGE, 1000, 0);
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(say(), 0);
    set_bytes_max(atomic_load(&w.bytes_used) + 2000);
    struct seen before = look();
    CU_ASSERT(start_projecting() == -ENOSPC && is_unchanged(&before));
    reclaim();
    CU_ASSERT_EQUAL(atomic_load(&w.bytes_used) + 2000, w.directory.env.bytes_max);
    set_bytes_max(w.directory.env.bytes_max * 10);
    CU_ASSERT(start_projecting() == 0 && same_from(1) == 100);

    set_bytes_max(atomic_load(&w.bytes_used));
    int error;
    do {
        before = look();
        error = say_marked("c");
    } while (!error);
    CU_ASSERT(error == -ENOSPC && is_unchanged(&before));
    same_from(1);
    teardown();
}

static void test_room_projection__what_cannot_be_written_in_the_other_form_is_not_said(void)
{
    setup_inhabited(60000, TTL_FROM_LAST_MESSAGE, 1000, 0);
    CU_ASSERT_EQUAL(say(), 0);
    w.project_error = -ENOBUFS;
    struct seen before = look();
    CU_ASSERT(start_projecting() == -ENOBUFS && is_unchanged(&before));
    CU_ASSERT_EQUAL(say(), 0); /* nobody reads the other form */
    w.project_error = 0;
    CU_ASSERT(start_projecting() == 0 && same_from(1) == 2);
    w.project_error = -ENOBUFS;
    before = look();
    CU_ASSERT(say_marked("c") == -ENOBUFS && is_unchanged(&before));
    w.project_error = 0;
    CU_ASSERT(say_marked("c") == 0 && same_from(1) == 3);
    teardown();
}

UNIT_MAIN("room/room_projection",
          UNIT_TEST(test_room_projection__any_operations_keep_both_forms_the_same),
          UNIT_TEST(test_room_projection__it_is_made_once_whoever_reads_it),
          UNIT_TEST(test_room_projection__it_holds_what_cursors_may_read_beyond_the_history),
          UNIT_TEST(test_room_projection__it_is_made_of_what_is_alive),
          UNIT_TEST(test_room_projection__it_ends_with_a_message_that_it_never_held),
          UNIT_TEST(test_room_projection__the_sweep_takes_both),
          UNIT_TEST(test_room_projection__times_are_those_of_the_log_even_if_the_clock_goes_back),
          UNIT_TEST(test_room_projection__a_room_that_goes_takes_it_along),
          UNIT_TEST(test_room_projection__any_failed_allocation_changes_nothing),
          UNIT_TEST(test_room_projection__it_counts_among_all_logs_together),
          UNIT_TEST(test_room_projection__what_cannot_be_written_in_the_other_form_is_not_said))
