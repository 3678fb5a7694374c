/* log_replace.c - other bytes in the place of an entry's own: how they come, how they go.
 *
 * Why a reader is safe. It looks at an entry's `origin` for each copy anew. Where
 * it has found the author's mark, the bytes in the segment stand until its next
 * quiescent point: they are wiped through the bin. Where it has found a
 * replacement, that one stands as long: it is freed through the bin, after the
 * entry has been given another, or has sunk below `held`. And a reader that has
 * been quiescent since a replacement came cannot miss it: the bin waits for
 * readers to have seen the raise that followed the store.
 *
 * The bin is first in, first out: what a replacement still has to wipe is wiped
 * before it is freed, and before its segment is. */
#include "log_segment.h"
#include "ringroom/base/check.h"

static size_t footprint(const struct log_replacement *replacement)
{
    return sizeof(*replacement) + replacement->len;
}

struct log_replacement *log_replacement_new(struct log_env *env, struct slice bytes)
{
    CHECK(bytes.len > 0 && bytes.len <= LOG_ENTRY_MAX_BYTES);
    struct log_replacement *replacement = mem_zalloc(sizeof(*replacement) + bytes.len);

    if (!replacement)
        return NULL;
    replacement->env = env;
    replacement->len = (uint32_t)bytes.len;
    memcpy(replacement->bytes, bytes.data, bytes.len);
    atomic_fetch_add_explicit(env->bytes_used, footprint(replacement), memory_order_relaxed);
    return replacement;
}

void log_replacement_free(struct log_replacement *replacement)
{
    if (!replacement)
        return;
    atomic_fetch_sub_explicit(replacement->env->bytes_used, footprint(replacement),
                              memory_order_relaxed);
    mem_wipe(replacement->bytes, replacement->len);
    mem_free(replacement);
}

static void replacement_retired(struct epoch_item *item)
{
    log_replacement_free(container_of(item, struct log_replacement, retired));
}

static void retire(struct log_replacement *replacement)
{
    epoch_retire(replacement->env->bin, &replacement->retired, replacement_retired);
}

static void original_dead(struct epoch_item *item)
{
    const struct log_replacement *by = container_of(item, struct log_replacement, wiping);
    uint32_t start = segment_entry_start(by->segment, by->index);

    mem_wipe(by->segment->data + start, segment_entry(by->segment, by->index)->end - start);
}

void segment_replace(struct log_segment *segment, uint32_t index, struct log_replacement *by)
{
    struct log_entry *entry = segment_entry(segment, index);
    struct log_replacement *old = segment_replacement(segment, index);

    DCHECK(!segment->unlinked && index >= segment->forgotten && index < segment->count);
    by->segment = segment;
    by->index = index;
    by->version = old ? old->version + 1 : 1;
    by->author = old ? old->author : atomic_load_explicit(&entry->origin, memory_order_relaxed);
    atomic_store_explicit(&segment->replaced, true, memory_order_relaxed);
    /* Release: pairs with segment_replacement() on other shards. */
    atomic_store_explicit(&entry->origin, (uintptr_t)by, memory_order_release);
    if (old)
        retire(old);
    else
        epoch_retire(segment->env->bin, &by->wiping, original_dead);
}

void segment_forget_replaced(struct log_segment *segment, uint32_t index)
{
    for (; segment_has_replaced(segment) && segment->forgotten < index; segment->forgotten++) {
        struct log_replacement *dead = segment_replacement(segment, segment->forgotten);
        if (dead)
            retire(dead);
    }
}

void segment_free_replaced(struct log_segment *segment)
{
    for (uint32_t i = segment->forgotten; segment_has_replaced(segment) && i < segment->count; i++)
        log_replacement_free(segment_replacement(segment, i));
}
