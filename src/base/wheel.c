/* How timers are placed. Write a tick as digits of WHEEL_BITS bits. A timer lies on the level of
 * the highest digit in which its due tick differs from the wheel's tick, in the slot that this
 * digit of its due tick names. From that follows, at every moment:
 *
 * (1) The slot of the wheel's own digit is empty on every level: what would belong there differs
 *     in a lower digit only, or is due.
 * (2) All of a level's timers come after all of the levels' below: they differ from the tick in a
 *     higher digit. So the first non-empty slot of the lowest non-empty level is what comes next.
 * (3) Below the top level slots are used upwards from the tick's digit only. On the top level they
 *     go round: there all higher digits count together, and a due tick is at most WHEEL_SLOTS - 1
 *     slots ahead, so that each slot still has one meaning.
 *
 * An advance jumps from one such slot to the next: it fires a slot of level 0, and places the
 * timers of a higher one anew, each of which then falls to a lower level or is due. */
#include "ringroom/base/wheel.h"

#include "ringroom/base/check.h"
#include <assert.h>

enum {
    WHEEL_TOP = WHEEL_LEVELS - 1,
    WHEEL_TOP_SHIFT = WHEEL_TOP * WHEEL_BITS,
};
static_assert(WHEEL_SLOTS == 64, "a level's bitmap is one uint64_t");

/* A slot that comes up: where it lies, and the first tick it stands for. */
struct wheel_slot {
    unsigned level, index;
    uint64_t tick;
};

static inline unsigned digit(uint64_t tick, unsigned level)
{
    return tick >> (level * WHEEL_BITS) & (WHEEL_SLOTS - 1);
}

static inline uint64_t rotate_right(uint64_t bits, unsigned n)
{
    return bits >> n | bits << (-n & 63);
}

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
    wheel->tick = now_ms / WHEEL_TICK_MS;
    wheel->count = 0;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (unsigned i = 0; i < WHEEL_SLOTS; i++)
            list_init(&wheel->slots[level][i]);
    }
}

void timer_init(struct timer *timer, timer_fn *fire)
{
    list_init(&timer->link);
    timer->due_tick = 0;
    timer->fire = fire;
}

/* due_tick > wheel->tick, and within reach. */
static void place(struct wheel *wheel, struct timer *timer)
{
    uint64_t differing = timer->due_tick ^ wheel->tick;
    unsigned level = (63 - (unsigned)__builtin_clzll(differing)) / WHEEL_BITS;

    if (level > WHEEL_TOP)
        level = WHEEL_TOP;
    unsigned index = digit(timer->due_tick, level);
    list_append(&wheel->slots[level][index], &timer->link);
    wheel->occupied[level] |= 1ull << index;
}

/* `head` has lost its last timer: where it is a slot (not an advance's list), its bit goes. */
static void note_empty(struct wheel *wheel, const struct list *head)
{
    size_t index = ((uintptr_t)head - (uintptr_t)wheel->slots) / sizeof(struct list);

    if (index < WHEEL_LEVELS * WHEEL_SLOTS)
        wheel->occupied[index / WHEEL_SLOTS] &= ~(1ull << index % WHEEL_SLOTS);
}

/* The last tick of the top level's last slot that still has one meaning. */
static uint64_t last_tick(const struct wheel *wheel)
{
    return (((wheel->tick >> WHEEL_TOP_SHIFT) + WHEEL_SLOTS) << WHEEL_TOP_SHIFT) - 1;
}

void wheel_set(struct wheel *wheel, struct timer *timer, uint64_t due_ms)
{
    uint64_t due_tick = due_ms / WHEEL_TICK_MS + (due_ms % WHEEL_TICK_MS != 0);

    wheel_cancel(wheel, timer);
    if (due_tick <= wheel->tick)
        due_tick = wheel->tick + 1;
    if (due_tick > last_tick(wheel))
        due_tick = last_tick(wheel);
    timer->due_tick = due_tick;
    place(wheel, timer);
    wheel->count++;
}

void wheel_cancel(struct wheel *wheel, struct timer *timer)
{
    struct list *neighbour = timer->link.next;

    if (!timer_is_set(timer))
        return;
    list_remove(&timer->link);
    wheel->count--;
    if (list_empty(neighbour))
        note_empty(wheel, neighbour);
}

/* What comes up next. False where every slot is empty. */
static bool next_slot(const struct wheel *wheel, struct wheel_slot *ret_slot)
{
    unsigned level = 0;

    while (level < WHEEL_LEVELS && wheel->occupied[level] == 0)
        level++;
    if (level == WHEEL_LEVELS)
        return false;
    unsigned from = digit(wheel->tick, level);
    uint64_t ahead = rotate_right(wheel->occupied[level], from);
    unsigned distance = (unsigned)__builtin_ctzll(ahead);
    ret_slot->level = level;
    ret_slot->index = (from + distance) & (WHEEL_SLOTS - 1);
    ret_slot->tick = ((wheel->tick >> (level * WHEEL_BITS)) + distance) << (level * WHEEL_BITS);
    return true;
}

/* Moves the wheel to that slot's tick and empties it: into `due`, or to lower levels. */
static void enter_slot(struct wheel *wheel, const struct wheel_slot *slot, struct list *due)
{
    struct list timers;

    DCHECK(slot->tick > wheel->tick);
    wheel->tick = slot->tick;
    wheel->occupied[slot->level] &= ~(1ull << slot->index);
    list_init(&timers);
    list_splice(&timers, &wheel->slots[slot->level][slot->index]);
    for (struct list *link; (link = list_pop(&timers));) {
        struct timer *timer = container_of(link, struct timer, link);
        if (timer->due_tick <= wheel->tick)
            list_append(due, link);
        else
            place(wheel, timer);
    }
}

void wheel_advance(struct wheel *wheel, uint64_t now_ms)
{
    uint64_t target = now_ms / WHEEL_TICK_MS;
    struct wheel_slot slot;
    struct list due;

    if (target <= wheel->tick)
        return;
    list_init(&due);
    while (next_slot(wheel, &slot) && slot.tick <= target)
        enter_slot(wheel, &slot, &due);
    wheel->tick = target;

    /* First all is taken out, then functions run: what they set lies past `target`, so one that
     * sets itself again ends this advance all the same; what they cancel or move is in `due` or in
     * a slot, and leaves either alike. */
    for (struct list *link; (link = list_pop(&due));) {
        struct timer *timer = container_of(link, struct timer, link);
        wheel->count--;
        timer->fire(timer, now_ms); /* may free its memory */
    }
}

uint64_t wheel_wait_ms(const struct wheel *wheel, uint64_t now_ms)
{
    struct wheel_slot slot;

    if (wheel->count == 0)
        return UINT64_MAX;
    if (!next_slot(wheel, &slot))
        return 0; /* asked by a timer's function: the rest is due in this very advance */
    uint64_t due_ms = slot.tick * WHEEL_TICK_MS;
    return due_ms > now_ms ? due_ms - now_ms : 0;
}
