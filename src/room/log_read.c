/* log_read.c - the readers' half of the append log: cursors, on any shard, without a lock.
 *
 * Why a reader is safe. It loads `end` with acquire, so every entry below is whole.
 * It loads `held` after that: an entry at or above it was linked at that moment,
 * and what the owner unlinks or declares dead later is neither freed nor wiped
 * before this shard's next quiescent point. A cached segment is used only where
 * its first number is not below the present head's: segments leave only at the
 * head, so it is still linked, or was so within this turn. */
#include "log_segment.h"
#include "ringroom/base/check.h"
#include "ringroom/room/log.h"

static uint64_t acquire(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

/* The segment that holds cursor->next, which is below `end`; NULL where it has left meanwhile. */
static struct log_segment *locate(const struct log *log, struct log_cursor *cursor)
{
    struct log_segment *segment = atomic_load_explicit(&log->head, memory_order_acquire);

    if (!segment || segment->first > cursor->next)
        return NULL;
    if (cursor->segment && cursor->segment_first >= segment->first)
        segment = cursor->segment;
    for (;;) {
        struct log_segment *next = atomic_load_explicit(&segment->next, memory_order_acquire);
        if (!next || next->first > cursor->next)
            break;
        segment = next;
    }
    cursor->segment = segment;
    cursor->segment_first = segment->first;
    return segment;
}

/* Entries of the segment that are published: up to the next segment's first, or to the end. */
static uint32_t published(const struct log_segment *segment, uint64_t end)
{
    struct log_segment *next = atomic_load_explicit(&segment->next, memory_order_acquire);
    uint64_t stop = next && next->first < end ? next->first : end;

    return (uint32_t)(stop - segment->first);
}

static enum log_result gap_to(struct log_cursor *cursor, uint64_t first, struct log_read *ret)
{
    enum log_result result = cursor->offset ? LOG_TORN : LOG_GAP;

    *ret = (struct log_read){.from = cursor->next, .to = first - 1};
    cursor->next = first;
    cursor->offset = 0;
    return result;
}

/* Finds the entry at the cursor: LOG_BYTES with segment and index, or why there is none. */
static enum log_result seek(const struct log *log, struct log_cursor *cursor, uint64_t now_ms,
                            struct log_segment **ret_segment, uint32_t *ret_count,
                            struct log_read *ret)
{
    uint64_t end = acquire(&log->end);

    if (cursor->next >= end)
        return LOG_NOTHING;
    if (acquire(&log->dead_ms) <= now_ms)
        return gap_to(cursor, end, ret);
    uint64_t held = acquire(&log->held);
    if (cursor->next < held)
        return gap_to(cursor, held, ret);

    struct log_segment *segment = locate(log, cursor);
    if (!segment) /* the owner has dropped it since: what it holds now was published before */
        return gap_to(cursor, acquire(&log->held), ret);

    uint64_t ttl_ms = atomic_load_explicit(&log->entry_ttl_ms, memory_order_relaxed);
    uint32_t count = published(segment, end);
    uint32_t index = (uint32_t)(cursor->next - segment->first);
    if (ttl_ms && segment_entry_ms(segment, index) + ttl_ms <= now_ms) {
        while (index < count && segment_entry_ms(segment, index) + ttl_ms <= now_ms)
            index++;
        return gap_to(cursor, segment->first + index, ret);
    }
    *ret_segment = segment;
    *ret_count = count;
    return LOG_BYTES;
}

/* Relaxed: whoever finds the mark reads the segment, which stands until the quiescent point. */
static bool is_as_appended(const struct log_entry *entry)
{
    return origin_is_author(atomic_load_explicit(&entry->origin, memory_order_relaxed));
}

/* The first entry from `index` on, and before `stop`, that has been replaced; `stop` where none. */
static uint32_t first_replaced(const struct log_segment *segment, uint32_t index, uint32_t stop)
{
    while (index < stop && is_as_appended(segment_entry(segment, index)))
        index++;
    return index;
}

/* The entries from `index` on that fit whole into cap and are as they were appended: one contiguous
 * run. */
static uint32_t whole_run(const struct log_segment *segment, uint32_t index, uint32_t count,
                          size_t start, size_t cap)
{
    uint32_t stop = index;

    /* Index entries lie side by side; most calls look at one or two. */
    while (stop < count && segment_entry(segment, stop)->end - start <= cap)
        stop++;
    return segment_has_replaced(segment) ? first_replaced(segment, index, stop) : stop;
}

/* The bytes that an entry has now, and which version of it that is: 0 as appended. */
static struct slice present_bytes(const struct log_segment *segment, uint32_t index,
                                  uint32_t *ret_version)
{
    const struct log_replacement *by = segment_replacement(segment, index);

    *ret_version = by ? by->version : 0;
    return by ? slice_make(by->bytes, by->len) : segment_entry_bytes(segment, index);
}

/* The entry at the cursor, of which no run can be made: it has been replaced, or is too long for
 * `cap`. */
static enum log_result read_one(const struct log_segment *segment, struct log_cursor *cursor,
                                uint8_t *dst, size_t cap, bool cut, struct log_read *ret)
{
    uint32_t version;
    struct slice bytes =
        present_bytes(segment, (uint32_t)(cursor->next - segment->first), &version);

    if (cursor->offset && cursor->version != version) /* the rest of the other one is gone */
        return gap_to(cursor, cursor->next + 1, ret);
    bytes = slice_from(bytes, cursor->offset);
    if (bytes.len <= cap) {
        memcpy(dst, bytes.data, bytes.len);
        ret->bytes = bytes.len;
        cursor->next++;
        cursor->offset = 0;
        return LOG_BYTES;
    }
    if (!cap || (!cut && !cursor->offset))
        return LOG_FULL;
    memcpy(dst, bytes.data, cap);
    ret->bytes = cap;
    cursor->offset += (uint32_t)cap;
    cursor->version = version;
    return LOG_BYTES;
}

enum log_result log_read(const struct log *log, struct log_cursor *cursor, uint64_t now_ms,
                         uint8_t *dst, size_t cap, bool cut, struct log_read *ret)
{
    size_t copied = 0;

    for (;;) {
        struct log_segment *segment;
        uint32_t count;
        enum log_result result = LOG_NOTHING;

        if (copied < cap || !cap)
            result = seek(log, cursor, now_ms, &segment, &count, ret);
        if (result != LOG_BYTES) {
            if (!copied)
                return result;
            if (result == LOG_GAP) /* told next time: the numbers read before it come first */
                cursor->next = ret->from;
            break;
        }
        uint32_t index = (uint32_t)(cursor->next - segment->first);
        size_t start = segment_entry_start(segment, index) + cursor->offset;
        uint32_t stop = whole_run(segment, index, count, start, cap - copied);
        if (stop == index) {
            if (copied && !segment_has_replaced(segment)) /* the rest of cap is too small for it */
                break;
            result = read_one(segment, cursor, dst + copied, cap - copied, cut && !copied, ret);
            if (result == LOG_BYTES) {
                copied += ret->bytes;
                if (!cursor->offset)
                    continue;
            } else if (!copied) {
                return result;
            }
            break;
        }
        size_t bytes = segment_entry(segment, stop - 1)->end - start;
        memcpy(dst + copied, segment->data + start, bytes);
        copied += bytes;
        cursor->next = segment->first + stop;
        cursor->offset = 0;
    }
    ret->bytes = copied;
    return LOG_BYTES;
}

enum log_result log_next(const struct log *log, struct log_cursor *cursor, uint64_t now_ms,
                         struct slice *ret_bytes, struct log_read *ret)
{
    struct log_segment *segment;
    uint32_t count;
    DCHECK(!cursor->offset);
    enum log_result result = seek(log, cursor, now_ms, &segment, &count, ret);
    if (result != LOG_BYTES)
        return result;
    *ret_bytes =
        present_bytes(segment, (uint32_t)(cursor->next - segment->first), &cursor->version);
    cursor->next++;
    return LOG_BYTES;
}

uint64_t log_cursor_time_ms(const struct log_cursor *cursor)
{
    return segment_entry_ms(cursor->segment, (uint32_t)(cursor->next - 1 - cursor->segment_first));
}
