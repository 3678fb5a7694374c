/* log.c - the append log: segments, publication, limits, expiry. log_read.c is the readers' half,
 * log_replace.c what stands in an entry's place. */
#include "ringroom/room/log.h"
#include "log_segment.h"
#include "ringroom/base/check.h"

#include <errno.h>

static uint64_t relaxed(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static struct log_segment *next_of(const struct log_segment *segment)
{
    return atomic_load_explicit(&segment->next, memory_order_relaxed);
}

static struct log_segment *head_of(const struct log *log)
{
    return atomic_load_explicit(&log->head, memory_order_relaxed);
}

static uint64_t saturating_add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Segments */

static size_t segment_footprint(const struct log_segment *segment)
{
    return sizeof(*segment) + segment->size;
}

static struct log_segment *segment_new(struct log_env *env, size_t size)
{
    struct log_segment *segment = mem_alloc(sizeof(*segment) + size);

    if (!segment)
        return NULL;
    *segment = (struct log_segment){.env = env, .size = (uint32_t)size};
    atomic_fetch_add_explicit(env->bytes_used, segment_footprint(segment), memory_order_relaxed);
    return segment;
}

/* No reader is inside any more: called by the bin, or for a segment that was never linked. */
static void segment_free(struct log_segment *segment)
{
    atomic_fetch_sub_explicit(segment->env->bytes_used, segment_footprint(segment),
                              memory_order_relaxed);
    segment_free_replaced(segment);
    segment->env->counts.wiped_bytes += segment->used - segment->wiped;
    mem_wipe(segment->data, segment->size);
    mem_free(segment);
}

static void segment_retired(struct epoch_item *item)
{
    segment_free(container_of(item, struct log_segment, retired));
}

static void segment_prefix_dead(struct epoch_item *item)
{
    struct log_segment *segment = container_of(item, struct log_segment, wiping);

    mem_wipe(segment->data + segment->wiped, segment->wipe_to - segment->wiped);
    segment->env->counts.wiped_bytes += segment->wipe_to - segment->wiped;
    segment->wiped = segment->wipe_to;
    segment->wipe_pending = false;
    /* Not again where the segment is on its way out: it would be freed first. */
    if (segment->wipe_goal > segment->wiped && !segment->unlinked)
        segment_wipe_prefix(segment, segment->wipe_goal);
}

/* Wipes data[0, goal) as soon as no reader can be inside. The bin is first in, first out, so a
 * segment that is retired later is not freed before this has run. */
void segment_wipe_prefix(struct log_segment *segment, uint32_t goal)
{
    if (goal > segment->wipe_goal)
        segment->wipe_goal = goal;
    if (segment->wipe_pending || segment->wipe_goal == segment->wiped)
        return;
    segment->wipe_pending = true;
    segment->wipe_to = segment->wipe_goal;
    epoch_retire(segment->env->bin, &segment->wiping, segment_prefix_dead);
}

/* Places: the owner's way through the chain. */

/* Moves to the entry after the place's own. */
static void place_advance(const struct log *log, struct log_place *place)
{
    struct log_segment *next = next_of(place->segment);

    place->number++;
    if (next && next->first <= place->number)
        place->segment = next;
    DCHECK(place->number <= relaxed(&log->end));
}

static uint32_t place_index(const struct log_place *place)
{
    return (uint32_t)(place->number - place->segment->first);
}

/* What the entry counts for. The memory of a replaced one stays taken while the entry is there: who
 * sends long messages and deletes them shall not fill it beyond the limits. */
static size_t place_entry_bytes(const struct log_place *place)
{
    size_t bytes = segment_entry_bytes(place->segment, place_index(place)).len;
    const struct log_replacement *by = segment_replacement(place->segment, place_index(place));

    return by && by->len > bytes ? by->len : bytes;
}

/* A log that has become empty: every place is at the end, in no segment. */
static void places_reset(struct log *log)
{
    struct log_place end = {.number = relaxed(&log->end)};

    log->kept_at = log->held_at = log->unwiped_at = end;
    log->kept_bytes = log->window_bytes = 0;
}

/* Life */

static void set_limits(struct log *log, const struct log_limits *limits)
{
    log->limits = *limits;
    atomic_store_explicit(&log->entry_ttl_ms,
                          limits->ttl_from == TTL_FROM_MESSAGE ? limits->ttl_ms : 0,
                          memory_order_relaxed);
}

void log_init(struct log *log, struct log_env *env, const struct log_limits *limits)
{
    *log = (struct log){.env = env};
    atomic_init(&log->end, 1);
    atomic_init(&log->held, 1);
    atomic_init(&log->kept, 1);
    atomic_init(&log->dead_ms, UINT64_MAX);
    set_limits(log, limits);
    places_reset(log);
}

void log_init_follower(struct log *log, struct log_env *env, const struct log *leader)
{
    uint64_t first = relaxed(&leader->held);

    *log = (struct log){.env = env, .leader = leader};
    atomic_init(&log->end, first);
    atomic_init(&log->held, first);
    atomic_init(&log->kept, first);
    atomic_init(&log->dead_ms, relaxed(&leader->dead_ms));
    atomic_init(&log->entry_ttl_ms, relaxed(&leader->entry_ttl_ms));
    places_reset(log);
}

void log_deinit(struct log *log)
{
    log_clear(log);
    if (log->spare)
        segment_free(log->spare);
    log->spare = NULL;
}

/* Dropping */

/* Unlinks the segments that lie wholly below `held`. The places below it have been moved. */
static void unlink_dead(struct log *log)
{
    uint64_t held = relaxed(&log->held);
    struct log_segment *segment = head_of(log);

    while (segment) {
        struct log_segment *next = next_of(segment);
        uint64_t segment_end = next ? next->first : relaxed(&log->end);
        if (segment_end > held)
            break;
        /* Release: a reader that finds the new head must see what it holds. */
        atomic_store_explicit(&log->head, next, memory_order_release);
        if (log->unwiped_at.segment == segment)
            log->unwiped_at = (struct log_place){.number = segment_end, .segment = next};
        segment->unlinked = true;
        epoch_retire(log->env->bin, &segment->retired, segment_retired);
        segment = next;
    }
    if (!segment) {
        log->tail = NULL;
        places_reset(log);
    }
}

static void publish_bounds(struct log *log)
{
    atomic_store_explicit(&log->kept, log->kept_at.number, memory_order_release);
    atomic_store_explicit(&log->held, log->held_at.number, memory_order_release);
}

static void drop_one_from_history(struct log *log)
{
    size_t bytes = place_entry_bytes(&log->kept_at);

    log->kept_bytes -= bytes;
    log->window_bytes += bytes;
    place_advance(log, &log->kept_at);
}

static void drop_one_from_window(struct log *log)
{
    log->window_bytes -= place_entry_bytes(&log->held_at);
    place_advance(log, &log->held_at);
}

/* Drops the oldest entry whose bytes still stand in memory. */
static void drop_one_for_good(struct log *log)
{
    if (log->kept_at.number == log->unwiped_at.number)
        drop_one_from_history(log);
    if (log->held_at.number == log->unwiped_at.number)
        drop_one_from_window(log);
    place_advance(log, &log->unwiped_at);
}

/* What stood in the place of entries below `unwiped_at`. Their segments are still linked. */
static void forget_replaced(const struct log *log)
{
    uint64_t unwiped = log->unwiped_at.number;

    for (struct log_segment *segment = head_of(log); segment && segment->first < unwiped;
         segment = next_of(segment)) {
        uint64_t dead = unwiped - segment->first;
        segment_forget_replaced(segment, dead < segment->count ? (uint32_t)dead : segment->count);
    }
}

/* Lets readers know, and lets go of all bytes below `unwiped_at`. */
static void let_go(struct log *log)
{
    const struct log_place *place = &log->unwiped_at;

    publish_bounds(log);
    forget_replaced(log);
    unlink_dead(log);
    if (place->segment && place->number > place->segment->first)
        segment_wipe_prefix(place->segment,
                            segment_entry_start(place->segment, place_index(place)));
}

/* `n` entries have left the history, which `count` counts. */
static void count_gone(struct log *log, uint64_t *count, uint64_t n)
{
    *count += n;
    log->env->counts.kept -= n;
}

/* The newest entry is always kept, whatever its size. */
static void apply_limits(struct log *log)
{
    uint64_t end = relaxed(&log->end), kept = log->kept_at.number;

    while (log->kept_at.number + 1 < end && (end - log->kept_at.number > log->limits.messages_max ||
                                             log->kept_bytes > log->limits.bytes_max))
        drop_one_from_history(log);
    count_gone(log, &log->env->counts.trimmed, log->kept_at.number - kept);
    while (log->window_bytes > log->limits.window_bytes)
        drop_one_from_window(log);
    if (log->held_at.number != relaxed(&log->held) || log->kept_at.number != relaxed(&log->kept)) {
        publish_bounds(log);
        unlink_dead(log);
    }
}

/* Expiry */

/* When all of it has expired, by its own limits. */
static uint64_t own_dead_ms(const struct log *log)
{
    uint64_t from = log->limits.ttl_from == TTL_FROM_FIRST_MESSAGE ? log->first_ms : log->newest_ms;

    return log_is_empty(log) ? UINT64_MAX : saturating_add(from, log->limits.ttl_ms);
}

/* A follower's is its leader's, which may count from an entry that has gone since. */
static void update_dead_ms(struct log *log)
{
    /* Release: who reads the later moment also sees the `held` that was raised before it. */
    atomic_store_explicit(&log->dead_ms,
                          log->leader ? relaxed(&log->leader->dead_ms) : own_dead_ms(log),
                          memory_order_release);
}

static void drop_all(struct log *log, uint64_t *count)
{
    uint64_t end = relaxed(&log->end);

    count_gone(log, count, end - log->kept_at.number);
    atomic_store_explicit(&log->kept, end, memory_order_release);
    atomic_store_explicit(&log->held, end, memory_order_release);
    unlink_dead(log);
    update_dead_ms(log);
}

void log_clear(struct log *log)
{
    drop_all(log, &log->env->counts.cleared);
}

void log_follow(struct log *log)
{
    uint64_t held = relaxed(&log->leader->held), end = relaxed(&log->end);
    uint64_t kept = log->kept_at.number;

    DCHECK(held <= end);
    if (held == end && !log_is_empty(log)) {
        log_clear(log);
    } else if (held > relaxed(&log->held)) {
        while (log->unwiped_at.number < held)
            drop_one_for_good(log);
        count_gone(log, &log->env->counts.cleared, log->kept_at.number - kept);
        let_go(log);
    }
    atomic_store_explicit(&log->entry_ttl_ms, relaxed(&log->leader->entry_ttl_ms),
                          memory_order_relaxed);
    update_dead_ms(log);
}

/* When this entry's own time is up; UINT64_MAX where all end together. */
static uint64_t entry_dead_ms(const struct log *log, const struct log_place *place)
{
    uint64_t ttl_ms = relaxed(&log->entry_ttl_ms);

    return ttl_ms ? saturating_add(segment_entry_ms(place->segment, place_index(place)), ttl_ms)
                  : UINT64_MAX;
}

/* Drops the entries whose own time is up: a prefix, since times never fall. */
static void expire_entries(struct log *log, uint64_t now_ms)
{
    uint64_t end = relaxed(&log->end), kept = log->kept_at.number;

    while (log->unwiped_at.number < end && entry_dead_ms(log, &log->unwiped_at) <= now_ms)
        drop_one_for_good(log);
    count_gone(log, &log->env->counts.expired, log->kept_at.number - kept);
    let_go(log);
}

void log_expire(struct log *log, uint64_t now_ms)
{
    if (log->leader)
        log_follow(log);
    if (log_is_empty(log))
        return;
    if (relaxed(&log->dead_ms) <= now_ms)
        drop_all(log, &log->env->counts.expired);
    else if (relaxed(&log->entry_ttl_ms))
        expire_entries(log, now_ms);
}

uint64_t log_expiry_ms(const struct log *log)
{
    if (log_is_empty(log))
        return UINT64_MAX;
    if (relaxed(&log->entry_ttl_ms))
        return entry_dead_ms(log, &log->unwiped_at);
    return relaxed(&log->dead_ms);
}

void log_set_limits(struct log *log, const struct log_limits *limits, uint64_t now_ms)
{
    CHECK(!log->leader);
    log_expire(log, now_ms);
    set_limits(log, limits);
    update_dead_ms(log);
    log_expire(log, now_ms);
    if (!log_is_empty(log))
        apply_limits(log);
}

/* Appending */

/* For so many entries more. In bytes, and in time: a segment spans at most 2^32 ms, 49 days. */
static bool segment_has_room(const struct log_segment *segment, size_t bytes, size_t entries,
                             uint64_t time_ms)
{
    size_t index = (segment->count + entries) * sizeof(struct log_entry);

    return segment->used + bytes + index <= segment->size &&
           (!segment->count || time_ms <= segment->base_ms + UINT32_MAX);
}

/* Small rooms get small segments: at most about an eighth of what the room may hold. */
static size_t segment_size_for(const struct log *log, size_t bytes, size_t entries)
{
    size_t need = (bytes + entries * sizeof(struct log_entry) + 15) & ~(size_t)15;
    size_t size = log->tail ? (size_t)log->tail->size * 2 : LOG_SEGMENT_FIRST_BYTES;
    size_t most = LOG_SEGMENT_MAX_BYTES;
    uint64_t bytes_max = log->leader ? log->leader->limits.bytes_max : log->limits.bytes_max;

    while (most > 4096 && most > bytes_max / 8)
        most /= 2;
    if (size > most)
        size = most;
    return size > need ? size : need;
}

/* The time of an entry that is appended now: times never fall. */
static uint64_t entry_time_ms(const struct log *log, uint64_t now_ms)
{
    return now_ms > log->newest_ms ? now_ms : log->newest_ms;
}

int log_reserve(struct log *log, size_t bytes, size_t entries, uint64_t now_ms)
{
    uint64_t time_ms = entry_time_ms(log, now_ms);

    if (bytes > LOG_ENTRY_MAX_BYTES)
        return -EMSGSIZE;
    log_expire(log, now_ms);
    if (log->tail && segment_has_room(log->tail, bytes, entries, time_ms))
        return 0;
    /* The first of them may still go to the tail; the spare could take them all. */
    if (log->spare && !segment_has_room(log->spare, bytes, entries, time_ms)) {
        segment_free(log->spare);
        log->spare = NULL;
    }
    if (log->spare)
        return 0;
    size_t size = segment_size_for(log, bytes, entries);
    if (log->env->bytes_max &&
        relaxed(log->env->bytes_used) + sizeof(*log->spare) + size > log->env->bytes_max)
        return -ENOSPC;
    log->spare = segment_new(log->env, size);
    return log->spare ? 0 : -ENOMEM;
}

int log_prepare(struct log *log, size_t bytes, uint64_t now_ms, struct log_slot *ret_slot)
{
    int error = log_reserve(log, bytes, 1, now_ms);

    if (error)
        return error;
    struct log_segment *segment = log->tail;
    if (!segment || !segment_has_room(segment, bytes, 1, entry_time_ms(log, now_ms)))
        segment = log->spare;
    *ret_slot = (struct log_slot){
        .number = relaxed(&log->end), .bytes = segment->data + segment->used, .cap = bytes};
    return 0;
}

/* Puts the spare behind the tail; readers see it once its first entry is published. */
static void link_spare(struct log *log, uint64_t time_ms)
{
    struct log_segment *segment = log->spare;

    log->spare = NULL;
    segment->first = relaxed(&log->end);
    segment->base_ms = time_ms;
    if (log->tail) {
        atomic_store_explicit(&log->tail->next, segment, memory_order_release);
    } else {
        log->kept_at.segment = log->held_at.segment = log->unwiped_at.segment = segment;
        atomic_store_explicit(&log->head, segment, memory_order_release);
    }
    log->tail = segment;
}

static uint32_t after_base(const struct log_segment *segment, uint64_t time_ms)
{
    uint64_t after_ms = time_ms - segment->base_ms;

    /* More only where log_prepare() was told an earlier time. */
    return after_ms < UINT32_MAX ? (uint32_t)after_ms : UINT32_MAX;
}

void log_commit(struct log *log, const struct log_slot *slot, size_t bytes, uint64_t now_ms)
{
    CHECK(bytes > 0 && bytes <= slot->cap && slot->number == relaxed(&log->end));
    CHECK(!log->leader || slot->number < relaxed(&log->leader->end));
    bool was_empty = log_is_empty(log);
    uint64_t time_ms = entry_time_ms(log, now_ms);
    if (!log->tail || slot->bytes != log->tail->data + log->tail->used)
        link_spare(log, time_ms);

    struct log_segment *segment = log->tail;
    CHECK(slot->bytes == segment->data + segment->used);
    segment->used += (uint32_t)bytes;
    struct log_entry *entry = segment_entry(segment, segment->count++);
    entry->end = segment->used;
    entry->after_ms = after_base(segment, time_ms);
    atomic_init(&entry->origin, slot->author | 1);

    log->kept_bytes += bytes;
    log->env->counts.appended++;
    log->env->counts.appended_bytes += bytes;
    log->env->counts.kept++;
    log->newest_ms = time_ms;
    if (was_empty)
        log->first_ms = time_ms;
    update_dead_ms(log);
    /* Release: pairs with the acquire loads of `end` in log_read.c and log_end(). */
    atomic_store_explicit(&log->end, slot->number + 1, memory_order_release);
    if (log->leader)
        log_follow(log);
    else
        apply_limits(log);
}

/* The first number from `place` on that has not expired. */
static uint64_t first_alive(const struct log *log, struct log_place place, uint64_t now_ms)
{
    uint64_t end = relaxed(&log->end);

    if (log_is_empty(log) || relaxed(&log->dead_ms) <= now_ms)
        return end;
    for (; place.number < end; place_advance(log, &place)) {
        if (entry_dead_ms(log, &place) > now_ms)
            return place.number;
    }
    return end;
}

uint64_t log_first(const struct log *log, uint64_t now_ms)
{
    return first_alive(log, log->kept_at, now_ms);
}

uint64_t log_oldest(const struct log *log, uint64_t now_ms)
{
    return first_alive(log, log->held_at, now_ms);
}

/* Replacing */

/* The entry of that number: below `end`, and not below `held`. */
static struct log_place find_place(const struct log *log, uint64_t number)
{
    struct log_place place = {.number = number, .segment = log->held_at.segment};

    for (struct log_segment *next; (next = next_of(place.segment)) && next->first <= number;)
        place.segment = next;
    return place;
}

static bool is_held(const struct log *log, uint64_t number)
{
    return number >= relaxed(&log->held) && number < relaxed(&log->end);
}

uint64_t log_author(const struct log *log, uint64_t number)
{
    if (!is_held(log, number))
        return 0;
    struct log_place place = find_place(log, number);
    const struct log_replacement *by = segment_replacement(place.segment, place_index(&place));
    return by ? by->author : relaxed(&segment_entry(place.segment, place_index(&place))->origin);
}

bool log_is_replaced(const struct log *log, uint64_t number)
{
    if (!is_held(log, number))
        return false;
    struct log_place place = find_place(log, number);
    return segment_replacement(place.segment, place_index(&place));
}

int log_replace(struct log *log, uint64_t number, struct log_replacement *by, uint64_t now_ms)
{
    if (!is_held(log, number) || relaxed(&log->dead_ms) <= now_ms)
        return -ENOENT;
    struct log_place place = find_place(log, number);
    if (entry_dead_ms(log, &place) <= now_ms)
        return -ENOENT;
    uint64_t *sum = number < log->kept_at.number ? &log->window_bytes : &log->kept_bytes;
    *sum -= place_entry_bytes(&place);
    segment_replace(place.segment, place_index(&place), by);
    *sum += place_entry_bytes(&place);
    if (!log->leader) /* it may be longer */
        apply_limits(log);
    return 0;
}
