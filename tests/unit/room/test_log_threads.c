/* The append log under threads: one appends, replaces, expires and limits; the others read, each at
 * its own pace, and must get every number once and in order, whole, or an exact gap in its place,
 * and never what had been replaced before they began to read. Time is a counter that the owner
 * moves. Every other reader reads a follower. Worth most under
 * ThreadSanitizer and AddressSanitizer. */
#include "ringroom/room/log.h"

#include "ringroom/base/mem.h"
#include "unit.h"
#include <pthread.h>
#include <sched.h>

enum {
    READERS = 4, /* beside the owner, which is reader 0 of the epoch */
    ENTRY_MAX = 5000,
    TTL_MS = 40,
    HELD = 4,     /* slices between two quiescent points */
    VERSIONS = 4, /* of an entry; 0 is what was appended */
};

/* An entry begins with this; each byte that follows is derived from its number and version. */
struct head {
    uint64_t number, time_ms;
    uint32_t bytes; /* of the whole entry */
    uint32_t version;
};

/* Of one number: when it was appended, and which replacement of all made version v; 0 while that
 * has not come. */
struct story {
    uint64_t time_ms; /* the owner's */
    _Atomic uint64_t began[VERSIONS];
};

static struct shared {
    struct epoch epoch;
    struct epoch_bin bin;
    _Atomic uint64_t bytes_used;
    struct log_env env;
    struct log log, follower;
    _Atomic uint64_t now_ms;
    _Atomic bool finished; /* no more will be appended */
    bool ttl_is_fixed;     /* each entry lives for TTL_MS, all through */
    uint64_t seed;
    unsigned entries;
    struct story *stories;         /* by number */
    _Atomic uint64_t replacements; /* that readers must know of */
} s;

struct reader {
    pthread_t thread;
    uint32_t index;
    const struct log *log; /* or its follower: the form differs in length */
    uint64_t random;
    struct log_cursor cursor;
    uint64_t expected; /* the next number */
    uint8_t part[ENTRY_MAX];
    size_t part_bytes; /* of an entry that came cut */
    uint64_t known;    /* replacements that had been done before it began to read */
    uint64_t read, missed, torn, replaced;
    const char *wrong; /* the first thing that was not as it should be */
};

static uint8_t byte_of(const struct head *head, uint32_t at)
{
    return (uint8_t)(head->number * 131 + head->version * 59 + at * 7 + (at >> 8));
}

static void fill(uint8_t *dst, uint32_t bytes, uint64_t number, uint32_t version)
{
    struct head head = {
        .number = number, .time_ms = s.stories[number].time_ms, .bytes = bytes, .version = version};

    memcpy(dst, &head, sizeof(head));
    for (uint32_t i = sizeof(head); i < bytes; i++)
        dst[i] = byte_of(&head, i);
}

static bool holds(struct slice entry, uint64_t number)
{
    struct head head;

    if (entry.len < sizeof(head))
        return false;
    memcpy(&head, entry.data, sizeof(head));
    if (head.number != number || head.bytes != entry.len)
        return false;
    for (uint32_t i = sizeof(head); i < head.bytes; i++)
        if (entry.data[i] != byte_of(&head, i))
            return false;
    return true;
}

static void expect(struct reader *r, bool right, const char *what)
{
    if (!right && !r->wrong)
        r->wrong = what;
}

/* The next version had not come when this one was asked for. */
static void check_version(struct reader *r, struct slice entry, uint64_t number)
{
    struct head head;

    memcpy(&head, entry.data, sizeof(head));
    r->replaced += head.version > 0;
    if (head.version + 1 >= VERSIONS)
        return;
    uint64_t next_began = atomic_load(&s.stories[number].began[head.version + 1]);
    expect(r, !next_began || next_began > r->known, "what is replaced is read no more");
}

/* Before each reading. */
static uint64_t begin_reading(struct reader *r)
{
    /* Acquire: pairs with the release store of publish_replacement(). */
    r->known = atomic_load_explicit(&s.replacements, memory_order_acquire);
    return atomic_load_explicit(&s.now_ms, memory_order_relaxed);
}

static void take_gap(struct reader *r, const struct log_read *read)
{
    expect(r, read->from == r->expected && read->to >= read->from,
           "a gap begins where reading was");
    r->missed += read->to - read->from + 1;
    r->expected = read->to + 1;
}

/* Bytes in the order of the log: whole entries, perhaps cut at either end. */
static void take_bytes(struct reader *r, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
    while (len && !r->wrong) {
        size_t n = sizeof(r->part) - r->part_bytes < len ? sizeof(r->part) - r->part_bytes : len;
        size_t before = r->part_bytes;
        struct head head = {0};
        memcpy(r->part + before, bytes, n);
        memcpy(&head, r->part, sizeof(head));
        if (before + n < sizeof(head) || before + n < head.bytes) {
            r->part_bytes += n;
            return;
        }
        expect(r, head.bytes > before, "a length is right");
        expect(r, holds(slice_make(r->part, head.bytes), r->expected), "an entry is whole");
        if (!r->wrong)
            check_version(r, slice_make(r->part, head.bytes), r->expected);
        /* Of one cut, the first part was read before. */
        if (s.ttl_is_fixed && !before)
            expect(r, head.time_ms + TTL_MS > now_ms, "nothing expired is read");
        bytes += head.bytes - before;
        len -= head.bytes - before;
        r->part_bytes = 0;
        r->expected++;
        r->read++;
    }
}

/* False at the end of the log. */
static bool read_some(struct reader *r)
{
    uint8_t dst[3 * ENTRY_MAX / 2];
    size_t cap = 1 + unit_random(&r->random) % (unit_random(&r->random) % 2 ? 60 : sizeof(dst));
    bool cut = unit_random(&r->random) % 2;
    uint64_t now_ms = begin_reading(r);
    struct log_read read;

    switch (log_read(r->log, &r->cursor, now_ms, dst, cap, cut, &read)) {
    case LOG_NOTHING:
        return false;
    case LOG_BYTES:
        take_bytes(r, dst, read.bytes, now_ms);
        expect(r, (r->part_bytes != 0) == (r->cursor.offset != 0), "the cursor knows of a cut");
        break;
    case LOG_FULL:
        expect(r, !cut && !r->part_bytes, "only what must not be cut is refused");
        break;
    case LOG_TORN:
        expect(r, r->part_bytes != 0, "only what was cut is torn");
        r->torn++;
        r->part_bytes = 0;
        take_gap(r, &read);
        break;
    case LOG_GAP:
        expect(r, r->part_bytes == 0, "what was cut is torn");
        take_gap(r, &read);
        break;
    }
    return true;
}

/* In place: whatever the owner does, the bytes stand until this thread is quiescent. */
static bool look_at_some(struct reader *r)
{
    struct slice held[HELD];
    uint64_t numbers[HELD], now_ms = begin_reading(r);
    unsigned count = 0;
    struct log_read read;
    enum log_result result = LOG_BYTES;

    if (r->part_bytes) /* a cursor within an entry goes on with log_read() */
        return read_some(r);
    while (count < HELD && result == LOG_BYTES) {
        result = log_next(r->log, &r->cursor, now_ms, &held[count], &read);
        if (result != LOG_BYTES)
            break;
        numbers[count++] = r->expected++;
        r->read++;
    }
    if (result == LOG_GAP)
        take_gap(r, &read);
    if (unit_random(&r->random) % 2)
        sched_yield();
    for (unsigned i = 0; i < count; i++) {
        expect(r, holds(held[i], numbers[i]), "a slice stands until the quiescent point");
        if (!r->wrong)
            check_version(r, held[i], numbers[i]);
    }
    return result != LOG_NOTHING;
}

static void *reader_run(void *arg)
{
    struct reader *r = arg;
    bool last = false;

    epoch_online(&s.epoch, r->index);
    while (!r->wrong) {
        /* Asked before reading: what the last reading finds is then all there is. */
        bool finished = atomic_load(&s.finished);
        bool more = unit_random(&r->random) % 3 ? read_some(r) : look_at_some(r);
        if (!more && finished && last)
            break;
        last = !more && finished;
        if (unit_random(&r->random) % (1u << r->index) == 0)
            epoch_quiesce(&s.epoch, r->index);
        if (!more || unit_random(&r->random) % 16 < r->index) {
            epoch_offline(&s.epoch, r->index);
            sched_yield();
            epoch_online(&s.epoch, r->index);
        }
    }
    epoch_offline(&s.epoch, r->index);
    return NULL;
}

static void limit_anew(uint64_t *random, uint64_t now_ms)
{
    static const uint64_t messages[] = {1, 20, 1000}, bytes[] = {1, 5000, 1 << 20},
                          window[] = {0, 1000, 30000};
    struct log_limits limits = {.ttl_ms = TTL_MS,
                                .ttl_from = TTL_FROM_MESSAGE,
                                .messages_max = messages[unit_random(random) % 3],
                                .bytes_max = bytes[unit_random(random) % 3],
                                .window_bytes = window[unit_random(random) % 3]};

    if (!s.ttl_is_fixed) {
        limits.ttl_from = (enum ttl_from)(unit_random(random) % 3);
        limits.ttl_ms = 1 + unit_random(random) % 100;
    }
    log_set_limits(&s.log, &limits, now_ms);
    log_follow(&s.follower);
}

static uint32_t some_size(uint64_t *random)
{
    uint64_t choice = unit_random(random) % 64;

    return (uint32_t)(sizeof(struct head) +
                      unit_random(random) % (choice ? 200 : ENTRY_MAX - sizeof(struct head)));
}

static void append_one(uint64_t *random, uint64_t now_ms)
{
    uint32_t bytes = some_size(random), followed = some_size(random);
    struct log_slot slot, follower_slot;

    CU_ASSERT_FATAL(log_prepare(&s.log, bytes, now_ms, &slot) == 0);
    s.stories[slot.number].time_ms = now_ms;
    fill(slot.bytes, bytes, slot.number, 0);
    CU_ASSERT_FATAL(log_prepare(&s.follower, followed, now_ms, &follower_slot) == 0);
    fill(follower_slot.bytes, followed, slot.number, 0);
    log_commit(&s.log, &slot, bytes, now_ms);
    log_commit(&s.follower, &follower_slot, followed, log_newest_ms(&s.log));
}

static struct log_replacement *some_replacement(uint64_t *random, uint64_t number, uint32_t version)
{
    uint8_t bytes[ENTRY_MAX];
    uint32_t len = some_size(random);

    fill(bytes, len, number, version);
    return log_replacement_new(&s.env, slice_make(bytes, len));
}

static void publish_replacement(uint64_t number, uint32_t version)
{
    uint64_t began = atomic_load_explicit(&s.replacements, memory_order_relaxed) + 1;

    atomic_store(&s.stories[number].began[version], began);
    /* Release: pairs with begin_reading(). */
    atomic_store_explicit(&s.replacements, began, memory_order_release);
}

static void replace_some(uint64_t *random, uint64_t now_ms)
{
    uint64_t back = 1 + unit_random(random) % 60, end = log_end(&s.log);
    uint64_t number = end > back ? end - back : 1;
    uint32_t version = 1;

    while (version < VERSIONS && atomic_load(&s.stories[number].began[version]))
        version++;
    if (version == VERSIONS)
        return;
    struct log_replacement *by = some_replacement(random, number, version);
    if (log_replace(&s.log, number, by, now_ms) != 0) {
        log_replacement_free(by);
        return;
    }
    by = some_replacement(random, number, version);
    CU_ASSERT_FATAL(log_replace(&s.follower, number, by, now_ms) == 0);
    log_follow(&s.follower);
    publish_replacement(number, version);
}

static void owner_run(void)
{
    uint64_t random = s.seed, now_ms = 1000;

    epoch_online(&s.epoch, 0);
    for (unsigned i = 0; i < s.entries; i++) {
        append_one(&random, now_ms);
        if (unit_random(&random) % 8 == 0)
            now_ms += unit_random(&random) % (unit_random(&random) % 64 ? 8 : 3 * TTL_MS);
        atomic_store_explicit(&s.now_ms, now_ms, memory_order_relaxed);
        if (unit_random(&random) % 16 == 0)
            log_expire(&s.log, now_ms);
        log_follow(&s.follower);
        if (unit_random(&random) % 256 == 0)
            limit_anew(&random, now_ms);
        if (!s.ttl_is_fixed && unit_random(&random) % 1024 == 0)
            log_clear(&s.log);
        log_follow(&s.follower);
        while (unit_random(&random) % 3 == 0)
            replace_some(&random, now_ms);
        if (unit_random(&random) % 4 == 0) {
            epoch_quiesce(&s.epoch, 0);
            epoch_collect(&s.bin);
        }
        if (unit_random(&random) % 32 == 0)
            sched_yield();
    }
    epoch_offline(&s.epoch, 0);
    atomic_store(&s.finished, true);
}

static void setup(bool ttl_is_fixed)
{
    static const struct log_limits limits = {.ttl_ms = TTL_MS,
                                             .ttl_from = TTL_FROM_MESSAGE,
                                             .messages_max = 50,
                                             .bytes_max = 20000,
                                             .window_bytes = 10000};

    memset(&s, 0, sizeof(s));
    s.ttl_is_fixed = ttl_is_fixed;
    s.seed = unit_seed() | 1;
    s.entries = unit_rounds(50000);
    s.stories = mem_zalloc((s.entries + 1) * sizeof(*s.stories));
    CU_ASSERT_PTR_NOT_NULL_FATAL(s.stories);
    CU_ASSERT_FATAL(epoch_init(&s.epoch, READERS + 1) == 0);
    epoch_bin_init(&s.bin, &s.epoch);
    s.env = (struct log_env){.bin = &s.bin, .bytes_used = &s.bytes_used};
    log_init(&s.log, &s.env, &limits);
    log_init_follower(&s.follower, &s.env, &s.log);
}

static void run(bool ttl_is_fixed)
{
    static struct reader readers[READERS];
    uint64_t read = 0, missed = 0, torn = 0, replaced = 0;

    setup(ttl_is_fixed);
    memset(readers, 0, sizeof(readers));
    for (uint32_t i = 0; i < READERS; i++) {
        struct reader *r = &readers[i];
        r->index = i + 1;
        r->log = i % 2 ? &s.follower : &s.log;
        r->random = s.seed + i * 2;
        r->expected = 1;
        log_cursor_init(&r->cursor, 1);
        CU_ASSERT_FATAL(pthread_create(&r->thread, NULL, reader_run, r) == 0);
    }
    owner_run();
    for (uint32_t i = 0; i < READERS; i++) {
        struct reader *r = &readers[i];
        pthread_join(r->thread, NULL);
        if (r->wrong)
            printf("reader %u at %llu: not so: %s ", i, (unsigned long long)r->expected, r->wrong);
        CU_ASSERT(!r->wrong && r->expected == s.entries + 1 && !r->part_bytes);
        CU_ASSERT_EQUAL(r->read + r->missed, s.entries);
        read += r->read;
        missed += r->missed;
        torn += r->torn;
        replaced += r->replaced;
    }
    printf("(%llu read, %llu of them replaced, %llu missed, %llu torn) ", (unsigned long long)read,
           (unsigned long long)replaced, (unsigned long long)missed, (unsigned long long)torn);
    CU_ASSERT(replaced > 0);
    log_deinit(&s.follower);
    log_deinit(&s.log);
    epoch_bin_drain(&s.bin);
    CU_ASSERT_EQUAL(atomic_load(&s.bytes_used), 0);
    epoch_deinit(&s.epoch);
    mem_free(s.stories);
}

static void test_log_threads__each_reader_gets_every_number_once_or_its_gap(void)
{
    run(true);
}

static void test_log_threads__limits_may_change_under_the_readers(void)
{
    run(false);
}

UNIT_MAIN("room/log_threads",
          UNIT_TEST(test_log_threads__each_reader_gets_every_number_once_or_its_gap),
          UNIT_TEST(test_log_threads__limits_may_change_under_the_readers))
