/* The append log against a naive twin that keeps every entry ever appended, on one thread: reading
 * is spread over several readers of the epoch scheme, each holding slices until it is quiescent. */
#include "ringroom/room/log.h"
#include "../../../src/room/log_segment.h"

#include "ringroom/base/mem.h"
#include "unit.h"
#include <errno.h>

enum {
    READERS = 4, /* reader 0 is the owner */
    CURSORS = 6,
    SLICES = 8, /* held by a reader between two quiescent points */
    ENTRY_MAX = 100000,
    ENTRIES_MAX = 4000, /* of one run */
    SHIFTS = 4096,
    STANDING_MAX = 8 * ENTRIES_MAX,
};

/* Version v of entry n holds pattern[shift(n, v)...]: no byte of it is zero. */
static uint8_t pattern[ENTRY_MAX + SHIFTS];

static const uint8_t *expected_version(uint64_t number, uint32_t version)
{
    return pattern + (number * 7919 + version * 1009) % SHIFTS;
}

static const uint8_t *expected(uint64_t number)
{
    return expected_version(number, 0);
}

static void fill_pattern(void)
{
    uint64_t state = 42;

    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(unit_random(&state) % 255 + 1);
}

/* The twin */

struct entry {
    uint64_t time_ms;
    uint32_t bytes;    /* as appended, which are ... */
    const uint8_t *at; /* ... here in the log, until they are ... */
    bool wiped;
    uint32_t version;     /* how often it has been replaced, and by how many ... */
    uint32_t other_bytes; /* ... bytes the last time */
    uint32_t followed_bytes, followed_version, followed_other_bytes; /* the same of the follower */
};

struct twin {
    uint64_t end, kept, held;
    uint64_t expired; /* all below have been found expired by the owner */
    uint64_t first_ms;
    struct log_limits limits;
    struct entry entries[ENTRIES_MAX + 1]; /* by number */
};

static struct twin twin;

/* A follower's entry, or what has replaced one in either log, whose bytes stand in memory.
 * Followers come and go: each has an age; the log's own is 0. */
struct standing {
    uint64_t number;
    unsigned age;
    uint32_t version;
    const uint8_t *at;
    size_t bytes;
};

static struct standing standing[STANDING_MAX];
static size_t standing_count;

/* All of the twin's entries below this have expired by now_ms, by the limits in force. */
static uint64_t twin_expired(uint64_t now_ms)
{
    uint64_t ttl = twin.limits.ttl_ms, number = twin.held;

    if (twin.held == twin.end)
        return twin.end;
    switch (twin.limits.ttl_from) {
    case TTL_FROM_LAST_MESSAGE:
        return twin.entries[twin.end - 1].time_ms + ttl <= now_ms ? twin.end : twin.held;
    case TTL_FROM_FIRST_MESSAGE:
        return twin.first_ms + ttl <= now_ms ? twin.end : twin.held;
    case TTL_FROM_MESSAGE:
        while (number < twin.end && twin.entries[number].time_ms + ttl <= now_ms)
            number++;
    }
    return number;
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void twin_expire(uint64_t now_ms)
{
    uint64_t expired = twin_expired(now_ms);

    if (expired > twin.held)
        twin.expired = expired;
    /* By its own time an entry may expire that limits had dropped before. */
    if (twin.limits.ttl_from == TTL_FROM_MESSAGE)
        while (twin.expired < twin.held &&
               twin.entries[twin.expired].time_ms + twin.limits.ttl_ms <= now_ms)
            twin.expired++;
    twin.held = greater(twin.held, expired);
    twin.kept = greater(twin.kept, expired);
}

/* What a cursor gets of it now. */
static struct slice present(uint64_t number)
{
    const struct entry *entry = &twin.entries[number];

    return slice_make(expected_version(number, entry->version),
                      entry->version ? entry->other_bytes : entry->bytes);
}

static uint64_t twin_bytes(uint64_t from, uint64_t to)
{
    uint64_t sum = 0;

    for (uint64_t number = from; number < to; number++)
        sum += greater(twin.entries[number].bytes, twin.entries[number].other_bytes);
    return sum;
}

static void twin_apply_limits(void)
{
    while (twin.kept + 1 < twin.end && (twin.end - twin.kept > twin.limits.messages_max ||
                                        twin_bytes(twin.kept, twin.end) > twin.limits.bytes_max))
        twin.kept++;
    while (twin_bytes(twin.held, twin.kept) > twin.limits.window_bytes)
        twin.held++;
}

static void twin_append(const struct log_slot *slot, size_t bytes, uint64_t now_ms)
{
    if (twin.held == twin.end)
        twin.first_ms = now_ms;
    twin.entries[twin.end++] =
        (struct entry){.time_ms = now_ms, .bytes = (uint32_t)bytes, .at = slot->bytes};
    twin_apply_limits();
}

/* Notes which entries' memory has been wiped. */
static void note_wiped(uintptr_t block, size_t bytes)
{
    for (uint64_t number = 1; number < twin.end; number++) {
        struct entry *entry = &twin.entries[number];
        uintptr_t at = (uintptr_t)entry->at;
        if (!entry->wiped && at >= block && at + entry->bytes <= block + bytes)
            entry->wiped = true;
    }
    for (size_t i = 0; i < standing_count;) {
        uintptr_t at = (uintptr_t)standing[i].at;
        if (at >= block && at + standing[i].bytes <= block + bytes)
            standing[i] = standing[--standing_count];
        else
            i++;
    }
}

#include "wipe_watch.h"

/* The world of one run */

struct held_slice {
    struct slice bytes;
    uint64_t number;
    uint32_t version;
};

struct reader {
    struct held_slice slices[SLICES];
    unsigned slices_count;
};

struct world {
    uint64_t random, now_ms;
    struct epoch epoch;
    struct epoch_bin bin;
    _Atomic uint64_t bytes_used;
    struct log_env env;
    struct log log;
    bool followed;
    struct log follower;
    unsigned age; /* of the follower */
    struct reader readers[READERS];
    struct log_cursor cursors[CURSORS]; /* cursor i belongs to reader i % READERS */
};

static uint64_t below(struct world *w, uint64_t n)
{
    return unit_random(&w->random) % n;
}

static size_t some_size(struct world *w)
{
    size_t most[] = {1, 30, 30, 200, 200, 200, 2000, 9000};
    unsigned choice = (unsigned)below(w, 60);

    return 1 + below(w, choice < array_len(most) * 7 ? most[choice / 7] : ENTRY_MAX);
}

static struct log_limits some_limits(struct world *w)
{
    uint64_t messages[] = {1, 2, 5, 30, 1000}, bytes[] = {1, 100, 3000, 40000, 1 << 20},
             window[] = {0, 0, 50, 2000, 100000};

    return (struct log_limits){.ttl_ms = 1 + below(w, below(w, 2) ? 200 : 2000),
                               .ttl_from = (enum ttl_from)below(w, 3),
                               .messages_max = messages[below(w, 5)],
                               .bytes_max = bytes[below(w, 5)],
                               .window_bytes = window[below(w, 5)]};
}

static void world_init(struct world *w, uint64_t seed)
{
    *w = (struct world){.random = seed | 1, .now_ms = seed % 5000};
    CU_ASSERT_FATAL(epoch_init(&w->epoch, READERS) == 0);
    epoch_bin_init(&w->bin, &w->epoch);
    w->env = (struct log_env){.bin = &w->bin, .bytes_used = &w->bytes_used};
    twin = (struct twin){.end = 1, .kept = 1, .held = 1, .expired = 1, .limits = some_limits(w)};
    log_init(&w->log, &w->env, &twin.limits);
    for (uint32_t i = 0; i < READERS; i++)
        epoch_online(&w->epoch, i);
    for (int i = 0; i < CURSORS; i++)
        log_cursor_init(&w->cursors[i], 1);
}

static void world_deinit(struct world *w)
{
    for (uint32_t i = 0; i < READERS; i++)
        epoch_offline(&w->epoch, i);
    if (w->followed)
        log_deinit(&w->follower);
    log_deinit(&w->log);
    epoch_bin_drain(&w->bin);
    CU_ASSERT_EQUAL(atomic_load(&w->bytes_used), 0);
    CU_ASSERT_EQUAL(w->env.counts.kept, 0);
    CU_ASSERT_EQUAL(w->env.counts.wiped_bytes, w->env.counts.appended_bytes);
    for (uint64_t number = 1; number < twin.end; number++)
        CU_ASSERT(twin.entries[number].wiped);
    CU_ASSERT_EQUAL(standing_count, 0);
    epoch_deinit(&w->epoch);
    twin.end = 1; /* no wipe is noted any more */
}

/* The invariants of the log's insides */

static bool place_is_right(const struct log *log, const struct log_place *place, uint64_t number)
{
    const struct log_segment *segment = place->segment;

    if (place->number != number)
        return false;
    if (log_is_empty(log))
        return !segment;
    return segment && segment->first <= number &&
           (number < segment->first + segment->count ||
            (segment == log->tail && number == segment->first + segment->count));
}

static bool segment_is_right(const struct log_segment *segment)
{
    uint32_t before = 0;

    for (uint32_t i = 0; i < segment->count; i++) {
        if (segment_entry(segment, i)->end <= before)
            return false;
        before = segment_entry(segment, i)->end;
    }
    return segment->count > 0 && segment->used == before &&
           segment->used + segment->count * sizeof(struct log_entry) <= segment->size &&
           segment->wiped <= segment->wipe_goal && segment->wipe_goal <= segment->used;
}

static uint64_t replacements_footprint(const struct log_segment *segment)
{
    uint64_t bytes = 0;

    for (uint32_t i = segment->forgotten; i < segment->count; i++) {
        const struct log_replacement *by = segment_replacement(segment, i);
        CU_ASSERT(!by || (segment->replaced && by->segment == segment && by->index == i));
        if (by)
            bytes += sizeof(*by) + by->len;
    }
    return bytes;
}

/* Walks the chain; returns the bytes it takes. */
static uint64_t check_chain(const struct log *log)
{
    const struct log_segment *segment = atomic_load(&log->head), *last = NULL;
    uint64_t number = segment ? segment->first : twin.end, bytes = 0;

    if (segment) /* wholly dead segments have been unlinked */
        CU_ASSERT(segment->first + segment->count > twin.held);
    for (; segment; segment = atomic_load(&segment->next)) {
        CU_ASSERT(segment->first == number && segment_is_right(segment));
        number += segment->count;
        bytes += sizeof(*segment) + segment->size + replacements_footprint(segment);
        last = segment;
    }
    CU_ASSERT(number == twin.end && log->tail == last);
    return bytes + (log->spare ? sizeof(*log->spare) + log->spare->size : 0);
}

static void check_follower(const struct world *w)
{
    const struct log *log = &w->follower;
    uint64_t expiry = log_expiry_ms(log), bytes = 0;

    CU_ASSERT(log_end(log) == twin.end);
    CU_ASSERT(atomic_load(&log->held) == twin.held && atomic_load(&log->kept) == twin.held);
    CU_ASSERT_EQUAL(atomic_load(&log->dead_ms), atomic_load(&w->log.dead_ms));
    CU_ASSERT_EQUAL(atomic_load(&log->entry_ttl_ms), atomic_load(&w->log.entry_ttl_ms));
    CU_ASSERT_EQUAL(log_first(log, w->now_ms), log_oldest(&w->log, w->now_ms));
    CU_ASSERT_EQUAL(log_oldest(log, w->now_ms), log_oldest(&w->log, w->now_ms));
    CU_ASSERT(log_is_empty(log) == log_is_empty(&w->log));
    if (log_is_empty(log))
        CU_ASSERT_EQUAL(expiry, UINT64_MAX)
    else if (twin.limits.ttl_from == TTL_FROM_MESSAGE)
        CU_ASSERT_EQUAL(expiry, twin.entries[twin.held].time_ms + twin.limits.ttl_ms)
    else
        CU_ASSERT_EQUAL(expiry, log_expiry_ms(&w->log));
    CU_ASSERT(place_is_right(log, &log->kept_at, twin.held));
    CU_ASSERT(place_is_right(log, &log->held_at, twin.held));
    CU_ASSERT(place_is_right(log, &log->unwiped_at, twin.held));
    for (uint64_t number = twin.held; number < twin.end; number++)
        bytes +=
            greater(twin.entries[number].followed_bytes, twin.entries[number].followed_other_bytes);
    CU_ASSERT(log_kept_bytes(log) == bytes && log->window_bytes == 0);
}

/* What a cursor may read stands in memory. */
static void check_standing(const struct world *w)
{
    uint64_t replaced = 0, stand = 0, followed_stand = 0;

    for (size_t i = 0; i < standing_count; i++) {
        const struct entry *entry = &twin.entries[standing[i].number];
        if (standing[i].number < twin.held)
            continue;
        if (standing[i].age == 0)
            stand += standing[i].version == entry->version;
        else if (w->followed && standing[i].age == w->age)
            followed_stand += standing[i].version == entry->followed_version;
    }
    for (uint64_t number = twin.held; number < twin.end; number++) {
        replaced += twin.entries[number].version > 0;
        CU_ASSERT(!twin.entries[number].wiped || twin.entries[number].version);
    }
    CU_ASSERT_EQUAL(stand, replaced);
    CU_ASSERT_EQUAL(followed_stand, w->followed ? twin.end - twin.held : 0);
}

static uint64_t author_of(uint64_t number)
{
    return number * 0x9e3779b97f4a7c15u;
}

static void check_author(const struct world *w, uint64_t number)
{
    bool held = number >= twin.held && number < twin.end;

    CU_ASSERT_EQUAL(log_author(&w->log, number), held ? author_of(number) | 1 : 0);
    CU_ASSERT_EQUAL(log_is_replaced(&w->log, number), held && twin.entries[number].version);
    if (w->followed)
        CU_ASSERT_EQUAL(log_author(&w->follower, number), held);
}

static uint64_t check_chains(const struct world *w)
{
    return check_chain(&w->log) + (w->followed ? check_chain(&w->follower) : 0);
}

static uint64_t kept_count(const struct log *log)
{
    return atomic_load(&log->end) - atomic_load(&log->kept);
}

/* Every entry that was appended is in a history, or has left it for one reason. */
static void check_counts(const struct world *w)
{
    const struct log_counts *counts = &w->env.counts;

    CU_ASSERT_EQUAL(counts->kept,
                    kept_count(&w->log) + (w->followed ? kept_count(&w->follower) : 0));
    CU_ASSERT_EQUAL(counts->appended,
                    counts->kept + counts->trimmed + counts->expired + counts->cleared);
}

static void check_world(struct world *w)
{
    check_counts(w);
    const struct log *log = &w->log;
    uint64_t first = greater(twin.kept, twin_expired(w->now_ms));

    CU_ASSERT_EQUAL(log_end(log), twin.end);
    CU_ASSERT_EQUAL(atomic_load(&log->kept), twin.kept);
    CU_ASSERT_EQUAL(atomic_load(&log->held), twin.held);
    CU_ASSERT_EQUAL(log_first(log, w->now_ms), first);
    CU_ASSERT_EQUAL(log_kept_bytes(log), twin_bytes(twin.kept, twin.end));
    CU_ASSERT_EQUAL(log->window_bytes, twin_bytes(twin.held, twin.kept));
    CU_ASSERT(place_is_right(log, &log->kept_at, twin.kept));
    CU_ASSERT(place_is_right(log, &log->held_at, twin.held));
    CU_ASSERT(place_is_right(log, &log->unwiped_at, log->unwiped_at.number));
    CU_ASSERT(log->unwiped_at.number <= twin.held);
    CU_ASSERT(log_is_empty(log) == (twin.held == twin.end));
    CU_ASSERT(check_chains(w) <= atomic_load(&w->bytes_used));
    if (w->followed)
        check_follower(w);
    check_standing(w);
    check_author(w, below(w, twin.end + 1));
}

/* The follower: its entry n is entry n of the log, a byte at a time backwards, and n % 3 bytes. */

static size_t follower_bytes(uint64_t number)
{
    return present(number).len + number % 3;
}

static void write_follower_entry(uint8_t *dst, uint64_t number)
{
    struct slice entry = present(number);

    memset(dst, 'F', number % 3);
    for (size_t i = 0; i < entry.len; i++)
        dst[number % 3 + i] = entry.data[entry.len - 1 - i];
}

static bool is_follower_entry(struct slice bytes, uint64_t number)
{
    static uint8_t entry[ENTRY_MAX + 2];

    write_follower_entry(entry, number);
    return slice_equal(bytes, slice_make(entry, follower_bytes(number)));
}

static void note_standing(uint64_t number, unsigned age, uint32_t version, struct slice bytes)
{
    CU_ASSERT_FATAL(standing_count < STANDING_MAX);
    standing[standing_count++] = (struct standing){
        .number = number, .age = age, .version = version, .at = bytes.data, .bytes = bytes.len};
}

/* Entry `number` of the log, which has it, into the follower. */
static void follow_entry(struct world *w, const struct log_slot *slot, uint64_t number)
{
    struct entry *entry = &twin.entries[number];
    size_t bytes = follower_bytes(number);

    CU_ASSERT(slot->number == number && slot->cap >= bytes);
    write_follower_entry(slot->bytes, number);
    entry->followed_bytes = (uint32_t)bytes;
    entry->followed_version = entry->followed_other_bytes = 0;
    note_standing(number, w->age, 0, slice_make(slot->bytes, bytes));
    log_commit(&w->follower, slot, bytes, entry->time_ms);
}

static void step_begin_following(struct world *w)
{
    struct log_cursor cursor;
    struct log_slot slot;
    struct log_read read;
    struct slice bytes;
    int error = 0;

    if (w->followed)
        return;
    log_expire(&w->log, w->now_ms);
    twin_expire(w->now_ms);
    w->age++;
    log_init_follower(&w->follower, &w->env, &w->log);
    CU_ASSERT_EQUAL(log_end(&w->follower), twin.held);
    if (below(w, 4) == 0)
        mem_fail_after((long)below(w, 8));
    log_cursor_init(&cursor, log_end(&w->follower));
    while (!error && log_next(&w->log, &cursor, w->now_ms, &bytes, &read) == LOG_BYTES) {
        uint64_t number = cursor.next - 1;
        CU_ASSERT_EQUAL(log_cursor_time_ms(&cursor), twin.entries[number].time_ms);
        error = log_prepare(&w->follower, follower_bytes(number), w->now_ms, &slot);
        if (!error)
            follow_entry(w, &slot, number);
    }
    mem_fail_after(-1);
    w->followed = !error;
    if (error)
        log_deinit(&w->follower); /* half built */
}

static void step_end_following(struct world *w)
{
    if (w->followed)
        log_deinit(&w->follower);
    w->followed = false;
}

/* The next number that the log yields, with its bytes, behind what is gone; the end where none. */
static uint64_t next_there(const struct world *w, const struct log *log, struct log_cursor *cursor,
                           struct slice *ret_bytes)
{
    struct log_read read;
    enum log_result result = LOG_GAP;

    while (result == LOG_GAP)
        result = log_next(log, cursor, w->now_ms, ret_bytes, &read);
    return result == LOG_BYTES ? cursor->next - 1 : twin.end;
}

/* From any number on, both give the same numbers and miss the same. */
static void step_read_both(struct world *w)
{
    struct log_cursor one, other;
    struct slice bytes, followed;
    uint64_t from = 1 + below(w, twin.end), number;

    if (!w->followed)
        return;
    log_cursor_init(&one, from);
    log_cursor_init(&other, from);
    do {
        number = next_there(w, &w->log, &one, &bytes);
        CU_ASSERT_EQUAL(next_there(w, &w->follower, &other, &followed), number);
        if (number < twin.end) {
            CU_ASSERT(number >= twin_expired(w->now_ms) && is_follower_entry(followed, number));
            CU_ASSERT_EQUAL(log_cursor_time_ms(&other), log_cursor_time_ms(&one));
        }
    } while (number < twin.end);
}

/* Steps */

static void step_append(struct world *w)
{
    size_t bytes = some_size(w), spare = below(w, 3) ? 0 : below(w, 300);
    struct log_slot slot, followed;

    if (twin.end > ENTRIES_MAX)
        return;
    if (below(w, 20) == 0)
        mem_fail_after((long)below(w, 3));
    int error = log_prepare(&w->log, bytes + spare, w->now_ms, &slot);
    if (!error && w->followed)
        error = log_prepare(&w->follower, bytes + 2, w->now_ms, &followed);
    mem_fail_after(-1);
    twin_expire(w->now_ms);
    if (error) {
        CU_ASSERT(error == -ENOMEM);
        return;
    }
    CU_ASSERT(slot.number == twin.end && slot.cap == bytes + spare);
    memcpy(slot.bytes, expected(slot.number), bytes);
    slot.author = author_of(slot.number);
    if (below(w, 10) == 0) /* a slot that is not committed is forgotten */
        return;
    log_commit(&w->log, &slot, bytes, w->now_ms);
    twin_append(&slot, bytes, w->now_ms);
    if (w->followed)
        follow_entry(w, &followed, slot.number);
}

/* The first number that a cursor may still read. */
static uint64_t visible(const struct world *w)
{
    return greater(twin.held, twin_expired(w->now_ms));
}

/* Returns 0 and the twin knows of it, or -ENOENT, or -ENOMEM with nothing changed. */
static int replace(struct world *w, uint64_t number, uint32_t bytes)
{
    struct entry *entry = &twin.entries[number];
    const uint8_t *data = expected_version(number, entry->version + 1);
    struct log_replacement *by = log_replacement_new(&w->env, slice_make(data, bytes));
    int error = by ? log_replace(&w->log, number, by, w->now_ms) : -ENOMEM;

    if (error) {
        log_replacement_free(by);
        return error;
    }
    entry->version++;
    entry->other_bytes = bytes;
    note_standing(number, 0, entry->version, slice_make(by->bytes, bytes));
    twin_apply_limits();
    return 0;
}

static void replace_followed(struct world *w, uint64_t number)
{
    static uint8_t form[ENTRY_MAX + 2];
    struct entry *entry = &twin.entries[number];

    write_follower_entry(form, number);
    struct log_replacement *by =
        log_replacement_new(&w->env, slice_make(form, follower_bytes(number)));
    CU_ASSERT_PTR_NOT_NULL_FATAL(by);
    CU_ASSERT_EQUAL(log_replace(&w->follower, number, by, w->now_ms), 0);
    entry->followed_version++;
    entry->followed_other_bytes = by->len;
    note_standing(number, w->age, entry->followed_version, slice_make(by->bytes, by->len));
}

static void step_replace(struct world *w)
{
    uint64_t number =
        below(w, 3) ? visible(w) + below(w, twin.end - visible(w) + 1) : below(w, twin.end + 1);
    bool there = number >= visible(w) && number < twin.end;

    if (number > ENTRIES_MAX)
        return;
    if (below(w, 10) == 0)
        mem_fail_after(0);
    int error = replace(w, number, (uint32_t)some_size(w));
    mem_fail_after(-1);
    CU_ASSERT(error == -ENOMEM || error == (there ? 0 : -ENOENT));
    if (!error && w->followed)
        replace_followed(w, number);
}

static void check_gap(const struct world *w, const struct log_cursor *before,
                      const struct log_cursor *after, enum log_result result,
                      const struct log_read *read)
{
    CU_ASSERT(result == (before->offset ? LOG_TORN : LOG_GAP));
    CU_ASSERT_EQUAL(read->from, before->next);
    CU_ASSERT(read->to >= read->from && read->to < visible(w));
    if (twin.limits.ttl_from != TTL_FROM_MESSAGE)
        CU_ASSERT_EQUAL(read->to, visible(w) - 1);
    CU_ASSERT(after->next == read->to + 1 && after->offset == 0);
}

/* Moves *at over whole entries that fit into cap, comparing as it goes. Returns their bytes. */
static size_t match_whole(const uint8_t *got, size_t cap, struct log_cursor *at)
{
    size_t done = 0;

    while (at->next < twin.end && present(at->next).len - at->offset <= cap - done) {
        size_t bytes = present(at->next).len - at->offset;
        CU_ASSERT(memcmp(got + done, present(at->next).data + at->offset, bytes) == 0);
        done += bytes;
        at->next++;
        at->offset = 0;
    }
    return done;
}

static void step_read(struct world *w)
{
    static uint8_t dst[2 * ENTRY_MAX];
    struct log_cursor *cursor = &w->cursors[below(w, CURSORS)], before = *cursor;
    size_t caps[] = {1 + below(w, 40), 1 + below(w, 1000), 1 + below(w, 16640),
                     1 + below(w, sizeof(dst))};
    size_t cap = caps[below(w, 4)];
    bool cut = below(w, 2);
    struct log_read read;

    memset(dst, 0, cap);
    enum log_result result = log_read(&w->log, cursor, w->now_ms, dst, cap, cut, &read);
    if (before.next >= twin.end) {
        CU_ASSERT(result == LOG_NOTHING && cursor->next == before.next);
        return;
    }
    if (before.next < visible(w)) {
        check_gap(w, &before, cursor, result, &read);
        return;
    }
    if (before.offset && before.version != twin.entries[before.next].version) {
        CU_ASSERT(result == LOG_TORN && read.from == before.next && read.to == before.next);
        CU_ASSERT(cursor->next == before.next + 1 && cursor->offset == 0);
        return;
    }
    size_t bytes = match_whole(dst, cap, &before);
    if (!bytes && !cut && !before.offset) {
        CU_ASSERT(result == LOG_FULL && cursor->next == before.next && !cursor->offset);
        return;
    }
    if (!bytes) {
        CU_ASSERT(memcmp(dst, present(before.next).data + before.offset, cap) == 0);
        bytes = cap;
        before.offset += (uint32_t)cap;
    }
    CU_ASSERT(result == LOG_BYTES && read.bytes == bytes);
    CU_ASSERT(cursor->next == before.next && cursor->offset == before.offset);
}

static void step_next(struct world *w)
{
    unsigned index = (unsigned)below(w, CURSORS);
    struct reader *reader = &w->readers[index % READERS];
    struct log_cursor *cursor = &w->cursors[index], before = *cursor;
    struct slice bytes;
    struct log_read read;

    if (cursor->offset || reader->slices_count == SLICES)
        return;
    enum log_result result = log_next(&w->log, cursor, w->now_ms, &bytes, &read);
    if (before.next >= twin.end) {
        CU_ASSERT(result == LOG_NOTHING);
    } else if (before.next < visible(w)) {
        check_gap(w, &before, cursor, result, &read);
    } else {
        CU_ASSERT(result == LOG_BYTES && cursor->next == before.next + 1);
        CU_ASSERT_EQUAL(bytes.len, present(before.next).len);
        uint32_t version = twin.entries[before.next].version;
        CU_ASSERT_EQUAL(log_cursor_is_replaced(cursor), version > 0);
        reader->slices[reader->slices_count++] =
            (struct held_slice){.bytes = bytes, .number = before.next, .version = version};
    }
}

/* What log_next() gave is still as it was, whatever the owner did meanwhile. */
static void step_quiesce(struct world *w, uint32_t index)
{
    struct reader *reader = &w->readers[index];

    for (unsigned i = 0; i < reader->slices_count; i++) {
        const struct held_slice *held = &reader->slices[i];
        CU_ASSERT(memcmp(held->bytes.data, expected_version(held->number, held->version),
                         held->bytes.len) == 0);
    }
    reader->slices_count = 0;
    if (below(w, 4) == 0) {
        epoch_offline(&w->epoch, index);
        epoch_online(&w->epoch, index);
    } else {
        epoch_quiesce(&w->epoch, index);
    }
}

static void step_expire(struct world *w)
{
    log_expire(&w->log, w->now_ms);
    twin_expire(w->now_ms);
    CU_ASSERT(log_expiry_ms(&w->log) > w->now_ms);
    CU_ASSERT((log_expiry_ms(&w->log) == UINT64_MAX) == (twin.held == twin.end));
}

/* Where every reader has looked up, all that has expired is wiped, and what is not in the chain is
 * free. */
static void step_settle(struct world *w)
{
    step_expire(w);
    if (w->followed)
        log_follow(&w->follower);
    for (int rounds = 0; rounds < 3; rounds++) {
        for (uint32_t i = 0; i < READERS; i++)
            step_quiesce(w, i);
        epoch_collect(&w->bin);
    }
    CU_ASSERT(!w->bin.first);
    for (uint64_t number = 1; number < twin.expired; number++)
        CU_ASSERT(twin.entries[number].wiped);
    for (uint64_t number = twin.held; number < twin.end; number++)
        CU_ASSERT(twin.entries[number].wiped == (twin.entries[number].version > 0));
    for (size_t i = 0; i < standing_count; i++) {
        const struct entry *entry = &twin.entries[standing[i].number];
        if (standing[i].age == 0)
            CU_ASSERT(standing[i].number >= twin.expired && standing[i].version == entry->version)
        else
            CU_ASSERT(w->followed && standing[i].age == w->age && standing[i].number >= twin.held &&
                      standing[i].version == entry->followed_version);
    }
    CU_ASSERT_EQUAL(check_chains(w), atomic_load(&w->bytes_used));
}

static void step_limits(struct world *w)
{
    struct log_limits limits = some_limits(w);

    twin_expire(w->now_ms);
    twin.limits = limits;
    twin_expire(w->now_ms);
    twin_apply_limits();
    log_set_limits(&w->log, &limits, w->now_ms);
}

static void step_clear(struct world *w)
{
    log_clear(&w->log);
    twin.held = twin.kept = twin.expired = twin.end;
}

static void step(struct world *w)
{
    uint64_t choice = below(w, 1000);

    if (choice < 350)
        step_append(w);
    else if (choice < 600)
        step_read(w);
    else if (choice < 700)
        step_next(w);
    else if (choice < 800)
        w->now_ms += below(w, 1 + twin.limits.ttl_ms / (1 + below(w, 20)));
    else if (choice < 870)
        step_quiesce(w, (uint32_t)below(w, READERS));
    else if (choice < 920)
        epoch_collect(&w->bin);
    else if (choice < 970)
        step_expire(w);
    else if (choice < 980)
        log_cursor_init(&w->cursors[below(w, CURSORS)], 1 + below(w, twin.end));
    else if (choice < 990)
        step_settle(w);
    else if (choice < 996)
        step_limits(w);
    else if (choice < 997)
        step_clear(w);
    if (below(w, 8) == 0)
        step_replace(w);
    if (w->followed)
        log_follow(&w->follower);

    choice = below(w, 1000);
    if (choice < 10)
        step_begin_following(w);
    else if (choice < 13)
        step_end_following(w);
    else if (choice < 30)
        step_read_both(w);
    else if (choice < 40 && w->followed) { /* expired by itself, a moment before its leader */
        log_expire(&w->follower, w->now_ms);
        step_expire(w);
        log_follow(&w->follower);
    }
}

static void test_log__any_operations_agree_with_the_naive_twin(void)
{
    uint64_t seed = unit_seed();
    unsigned rounds = unit_rounds(60);

    for (unsigned round = 0; round < rounds; round++) {
        static struct world w;
        world_init(&w, seed + round);
        for (unsigned i = 0; i < 1500; i++) {
            step(&w);
            check_world(&w);
            if (CU_get_number_of_failure_records()) { /* the first failure says most */
                printf("seed %llu, step %u ", (unsigned long long)(seed + round), i);
                CU_FAIL_FATAL("the log and its twin disagree");
            }
        }
        step_settle(&w);
        world_deinit(&w);
    }
}

/* One log, one reader beside the owner, for what is told step by step */

static const struct log_limits per_message = {
    .ttl_ms = 100, .ttl_from = TTL_FROM_MESSAGE, .messages_max = 1000, .bytes_max = 1 << 20};
static const struct log_limits from_last = {
    .ttl_ms = 100, .ttl_from = TTL_FROM_LAST_MESSAGE, .messages_max = 1000, .bytes_max = 1 << 20};

static void plain_world(struct world *w, const struct log_limits *limits)
{
    world_init(w, 7);
    w->now_ms = 1000;
    twin.limits = *limits;
    log_set_limits(&w->log, limits, 0);
}

static int append(struct world *w, size_t bytes)
{
    struct log_slot slot;
    int error = log_prepare(&w->log, bytes, w->now_ms, &slot);

    if (error)
        return error;
    memcpy(slot.bytes, expected(slot.number), bytes);
    slot.author = author_of(slot.number);
    log_commit(&w->log, &slot, bytes, w->now_ms);
    twin_expire(w->now_ms);
    twin_append(&slot, bytes, w->now_ms);
    return 0;
}

static void quiesce_all(struct world *w)
{
    for (uint32_t i = 0; i < READERS; i++)
        epoch_quiesce(&w->epoch, i);
}

/* While a reader is inside, a prefix dies, then more of it, then the whole segment. */
static void test_log__a_segment_that_dies_while_a_wipe_is_owed_is_freed_after_it(void)
{
    static struct world w;

    plain_world(&w, &per_message);
    for (int i = 0; i < 3; i++, w.now_ms += 10)
        CU_ASSERT(append(&w, 20) == 0);
    log_expire(&w.log, 1100);
    log_expire(&w.log, 1110);
    log_expire(&w.log, 1120);
    CU_ASSERT(log_is_empty(&w.log));
    for (int i = 0; i < 3; i++) {
        quiesce_all(&w);
        epoch_collect(&w.bin);
    }
    CU_ASSERT_EQUAL(atomic_load(&w.bytes_used), 0);
    world_deinit(&w);
}

static void test_log__a_reader_inside_keeps_what_has_expired_in_memory(void)
{
    static struct world w;
    struct log_cursor cursor;
    struct slice bytes;
    struct log_read read;

    plain_world(&w, &from_last);
    CU_ASSERT(append(&w, 50) == 0);
    log_cursor_init(&cursor, 1);
    CU_ASSERT(log_next(&w.log, &cursor, 1099, &bytes, &read) == LOG_BYTES);
    log_expire(&w.log, 1100);
    epoch_quiesce(&w.epoch, 0);
    epoch_collect(&w.bin);
    CU_ASSERT(!twin.entries[1].wiped && memcmp(bytes.data, expected(1), 50) == 0);
    quiesce_all(&w);
    epoch_collect(&w.bin);
    CU_ASSERT(twin.entries[1].wiped);
    world_deinit(&w);
}

static void test_log__nothing_expired_is_read_without_a_sweep(void)
{
    static const enum ttl_from all[] = {TTL_FROM_LAST_MESSAGE, TTL_FROM_MESSAGE,
                                        TTL_FROM_FIRST_MESSAGE};

    for (size_t i = 0; i < array_len(all); i++) {
        static struct world w;
        struct log_limits limits = per_message;
        struct log_cursor cursor;
        struct log_read read;
        uint8_t dst[64];

        limits.ttl_from = all[i];
        plain_world(&w, &limits);
        CU_ASSERT(append(&w, 8) == 0);
        log_cursor_init(&cursor, 1);
        CU_ASSERT(log_read(&w.log, &cursor, 1100, dst, sizeof(dst), true, &read) == LOG_GAP);
        CU_ASSERT(read.from == 1 && read.to == 1);
        log_cursor_init(&cursor, 1);
        CU_ASSERT(log_read(&w.log, &cursor, 1099, dst, sizeof(dst), true, &read) == LOG_BYTES);
        CU_ASSERT(log_first(&w.log, 1099) == 1 && log_first(&w.log, 1100) == 2);
        world_deinit(&w);
    }
}

/* Whoever has read the old bytes in this turn still has them; nobody gets them any more. */
static void test_log__a_replaced_entry_is_read_no_more_and_wiped_when_nobody_is_inside(void)
{
    static struct world w;
    struct log_cursor cursor, other;
    struct slice bytes;
    struct log_read read;
    uint8_t dst[256];

    plain_world(&w, &from_last);
    for (int i = 0; i < 3; i++)
        CU_ASSERT(append(&w, 50) == 0);
    log_cursor_init(&cursor, 2);
    CU_ASSERT(log_next(&w.log, &cursor, w.now_ms, &bytes, &read) == LOG_BYTES);
    CU_ASSERT(!log_cursor_is_replaced(&cursor) && replace(&w, 2, 9) == 0);
    CU_ASSERT(memcmp(bytes.data, expected(2), 50) == 0);
    epoch_quiesce(&w.epoch, 0);
    epoch_collect(&w.bin);
    CU_ASSERT(!twin.entries[2].wiped && memcmp(bytes.data, expected(2), 50) == 0);

    log_cursor_init(&other, 1);
    CU_ASSERT(log_read(&w.log, &other, w.now_ms, dst, sizeof(dst), true, &read) == LOG_BYTES);
    CU_ASSERT(read.bytes == 109 && other.next == 4 && memcmp(dst, expected(1), 50) == 0);
    CU_ASSERT(memcmp(dst + 50, expected_version(2, 1), 9) == 0);
    CU_ASSERT(memcmp(dst + 59, expected(3), 50) == 0);
    log_cursor_init(&other, 2);
    CU_ASSERT(log_next(&w.log, &other, w.now_ms, &bytes, &read) == LOG_BYTES);
    CU_ASSERT(bytes.len == 9 && log_cursor_is_replaced(&other));
    CU_ASSERT(log_cursor_time_ms(&other) == w.now_ms && log_kept_bytes(&w.log) == 150);

    quiesce_all(&w);
    epoch_collect(&w.bin);
    CU_ASSERT(twin.entries[2].wiped && !twin.entries[1].wiped && !twin.entries[3].wiped);
    world_deinit(&w);
}

/* The old bytes' rest is gone, be they the entry's own or what had replaced them. */
static void test_log__a_cursor_within_an_entry_is_torn_when_it_is_replaced(void)
{
    static struct world w;
    struct log_cursor cursor;
    struct log_read read;
    uint8_t dst[100];

    plain_world(&w, &from_last);
    CU_ASSERT(append(&w, 90) == 0 && append(&w, 20) == 0);
    for (int version = 0; version < 3; version++) {
        log_cursor_init(&cursor, 1);
        CU_ASSERT(log_read(&w.log, &cursor, w.now_ms, dst, 10, true, &read) == LOG_BYTES);
        CU_ASSERT(cursor.next == 1 && cursor.offset == 10);
        CU_ASSERT_EQUAL(replace(&w, 1, 90), 0);
        quiesce_all(&w);
        epoch_collect(&w.bin);
        CU_ASSERT(log_read(&w.log, &cursor, w.now_ms, dst, 100, true, &read) == LOG_TORN);
        CU_ASSERT(read.from == 1 && read.to == 1 && cursor.next == 2 && !cursor.offset);
        CU_ASSERT(log_read(&w.log, &cursor, w.now_ms, dst, 100, true, &read) == LOG_BYTES);
        CU_ASSERT(read.bytes == 20 && memcmp(dst, expected(2), 20) == 0);
    }
    world_deinit(&w);
}

static void test_log__what_is_dropped_expired_or_not_there_cannot_be_replaced(void)
{
    static struct world w;

    plain_world(&w, &per_message);
    CU_ASSERT(replace(&w, 0, 5) == -ENOENT && replace(&w, 1, 5) == -ENOENT);
    CU_ASSERT(append(&w, 20) == 0);
    w.now_ms += 50;
    CU_ASSERT(append(&w, 20) == 0 && replace(&w, 3, 5) == -ENOENT);
    w.now_ms += 50; /* no sweep has come by */
    CU_ASSERT(replace(&w, 1, 5) == -ENOENT && replace(&w, 2, 5) == 0);
    step_settle(&w);
    CU_ASSERT_EQUAL(replace(&w, 1, 5), -ENOENT);
    w.now_ms += 50;
    step_settle(&w);
    CU_ASSERT(standing_count == 0 && atomic_load(&w.bytes_used) == 0);
    world_deinit(&w);
}

/* What must go can go, though the memory for messages is used up. */
static void test_log__replacing_is_not_held_up_by_the_bound_of_all_logs(void)
{
    static struct world w;

    plain_world(&w, &from_last);
    w.env.bytes_max = 3000;
    while (append(&w, 60) == 0)
        ;
    for (uint64_t number = 1; number < twin.end; number++)
        CU_ASSERT_EQUAL(replace(&w, number, 10), 0);
    check_world(&w);
    step_settle(&w);
    world_deinit(&w);
}

/* Entries that lie further apart than an index entry can say go to other segments. */
static void test_log__times_are_right_however_long_the_log_lives(void)
{
    static struct world w;
    struct log_limits limits = from_last;
    struct log_cursor cursor;
    struct slice bytes;
    struct log_read read;

    limits.ttl_ms = UINT64_MAX / 2;
    plain_world(&w, &limits);
    log_cursor_init(&cursor, 1);
    for (int i = 0; i < 40; i++, w.now_ms += UINT32_MAX / 3) {
        CU_ASSERT(append(&w, 20) == 0);
        CU_ASSERT(log_next(&w.log, &cursor, w.now_ms, &bytes, &read) == LOG_BYTES);
        CU_ASSERT_EQUAL(log_cursor_time_ms(&cursor), w.now_ms);
    }
    check_world(&w);
    world_deinit(&w);
}

/* Else a caller whose record is full would take the room for read. */
static void test_log__no_room_at_all_is_not_the_end_of_the_log(void)
{
    static struct world w;
    struct log_cursor cursor;
    struct log_read read;
    uint8_t dst[1];

    plain_world(&w, &from_last);
    log_cursor_init(&cursor, 1);
    CU_ASSERT(log_read(&w.log, &cursor, 1000, dst, 0, false, &read) == LOG_NOTHING);
    CU_ASSERT(append(&w, 8) == 0);
    CU_ASSERT(log_read(&w.log, &cursor, 1000, dst, 0, false, &read) == LOG_FULL);
    CU_ASSERT(cursor.next == 1 && cursor.offset == 0);
    world_deinit(&w);
}

static void test_log__the_newest_entry_is_kept_whatever_its_size(void)
{
    static struct world w;
    struct log_limits limits = from_last;

    limits.messages_max = 5;
    limits.bytes_max = 10;
    plain_world(&w, &limits);
    for (int i = 0; i < 10; i++)
        CU_ASSERT(append(&w, 5000) == 0);
    CU_ASSERT_EQUAL(log_first(&w.log, w.now_ms), 10);
    check_world(&w);
    world_deinit(&w);
}

static void test_log__all_logs_together_stay_within_their_bound(void)
{
    static struct world w;
    struct log other;
    struct log_slot slot;
    int error;

    plain_world(&w, &from_last);
    w.env.bytes_max = 100000;
    log_init(&other, &w.env, &from_last);
    do {
        error = append(&w, 700);
        CU_ASSERT(atomic_load(&w.bytes_used) <= w.env.bytes_max);
    } while (!error);
    CU_ASSERT_EQUAL(error, -ENOSPC);
    CU_ASSERT_EQUAL(log_prepare(&other, 60000, w.now_ms, &slot), -ENOSPC);
    check_world(&w);
    /* What expires makes room again, once it is free. */
    w.now_ms += 100;
    CU_ASSERT_EQUAL(log_prepare(&other, 60000, w.now_ms, &slot), -ENOSPC);
    log_expire(&w.log, w.now_ms);
    twin_expire(w.now_ms);
    quiesce_all(&w);
    epoch_collect(&w.bin);
    CU_ASSERT_EQUAL(log_prepare(&other, 60000, w.now_ms, &slot), 0);
    log_deinit(&other);
    world_deinit(&w);
}

/* Whatever the bound, to the byte. */
static void test_log__the_bound_counts_all_that_a_segment_takes(void)
{
    for (uint64_t bound = 200; bound < 4000; bound += 40) {
        static struct world w;
        plain_world(&w, &from_last);
        w.env.bytes_max = bound;
        while (append(&w, 60) == 0 && twin.end < 50)
            ;
        CU_ASSERT(atomic_load(&w.bytes_used) <= bound);
        world_deinit(&w);
    }
}

static void test_log__an_entry_beyond_the_largest_is_refused(void)
{
    static struct world w;
    struct log_slot slot;

    plain_world(&w, &from_last);
    CU_ASSERT_EQUAL(log_prepare(&w.log, LOG_ENTRY_MAX_BYTES + 1, w.now_ms, &slot), -EMSGSIZE);
    CU_ASSERT_EQUAL(log_prepare(&w.log, LOG_ENTRY_MAX_BYTES, w.now_ms, &slot), 0);
    world_deinit(&w);
}

static void test_log__an_empty_log_holds_no_memory(void)
{
    static struct world w;

    plain_world(&w, &from_last);
    CU_ASSERT_EQUAL(atomic_load(&w.bytes_used), 0);
    for (int i = 0; i < 100; i++)
        CU_ASSERT(append(&w, 100) == 0);
    w.now_ms += 100;
    step_settle(&w);
    CU_ASSERT_EQUAL(atomic_load(&w.bytes_used), 0);
    world_deinit(&w);
}

/* Small segments first: a room with one short message costs little. */
static void test_log__one_short_message_costs_a_small_segment(void)
{
    static struct world w;

    plain_world(&w, &from_last);
    CU_ASSERT(append(&w, 100) == 0);
    CU_ASSERT(atomic_load(&w.bytes_used) <= LOG_SEGMENT_FIRST_BYTES + 128);
    world_deinit(&w);
}

static void test_log__a_failed_allocation_leaves_a_log_that_goes_on(void)
{
#ifdef RINGROOM_DCHECK
    static struct world w;
    unsigned failed = 0;

    plain_world(&w, &from_last);
    for (int i = 0; i < 200; i++) {
        mem_fail_after(0);
        int error = append(&w, 100);
        mem_fail_after(-1);
        failed += error == -ENOMEM;
        CU_ASSERT(error == 0 || error == -ENOMEM);
        if (error)
            CU_ASSERT(append(&w, 100) == 0);
        check_world(&w);
    }
    CU_ASSERT(failed > 1);
    CU_ASSERT_EQUAL(log_end(&w.log), 201);
    world_deinit(&w);
#endif
}

int main(void)
{
    static const struct unit_test tests[] = {
        UNIT_TEST(test_log__any_operations_agree_with_the_naive_twin),
        UNIT_TEST(test_log__a_segment_that_dies_while_a_wipe_is_owed_is_freed_after_it),
        UNIT_TEST(test_log__a_reader_inside_keeps_what_has_expired_in_memory),
        UNIT_TEST(test_log__nothing_expired_is_read_without_a_sweep),
        UNIT_TEST(test_log__a_replaced_entry_is_read_no_more_and_wiped_when_nobody_is_inside),
        UNIT_TEST(test_log__a_cursor_within_an_entry_is_torn_when_it_is_replaced),
        UNIT_TEST(test_log__what_is_dropped_expired_or_not_there_cannot_be_replaced),
        UNIT_TEST(test_log__replacing_is_not_held_up_by_the_bound_of_all_logs),
        UNIT_TEST(test_log__times_are_right_however_long_the_log_lives),
        UNIT_TEST(test_log__no_room_at_all_is_not_the_end_of_the_log),
        UNIT_TEST(test_log__the_newest_entry_is_kept_whatever_its_size),
        UNIT_TEST(test_log__all_logs_together_stay_within_their_bound),
        UNIT_TEST(test_log__the_bound_counts_all_that_a_segment_takes),
        UNIT_TEST(test_log__an_entry_beyond_the_largest_is_refused),
        UNIT_TEST(test_log__an_empty_log_holds_no_memory),
        UNIT_TEST(test_log__one_short_message_costs_a_small_segment),
        UNIT_TEST(test_log__a_failed_allocation_leaves_a_log_that_goes_on),
    };

    fill_pattern();
    return unit_run("room/log", tests, array_len(tests));
}
