/* wheel.h - a hierarchical timer wheel.
 *
 * Setting, moving and cancelling a timer is O(1); an advance costs what is
 * due, plus one step for each non-empty slot passed. A timer never fires early;
 * it fires at most one tick (WHEEL_TICK_MS) late, as long as the wheel is
 * advanced in time.
 *
 * Ownership a timer lives in its owner's memory. It must be cancelled before
 *           that memory goes.
 * Threads   the owning shard's only. Time is passed in.
 * Reference G. Varghese, T. Lauck, "Hashed and Hierarchical Timing Wheels", 1987. */
#pragma once

#include "ringroom/base/list.h"
#include <stdint.h>

enum {
    WHEEL_TICK_MS = 16,
    WHEEL_BITS = 6,
    WHEEL_SLOTS = 1 << WHEEL_BITS,
    WHEEL_LEVELS = 5, /* reaches 63 * 64^4 ticks of 16 ms at least: about 195 days */
};

struct timer;
typedef void timer_fn(struct timer *timer, uint64_t now_ms);

struct timer {
    struct list link; /* in a slot; in none where it is not set */
    uint64_t due_tick;
    timer_fn *fire;
};

struct wheel {
    uint64_t tick; /* all timers due up to this tick have fired */
    uint32_t count;
    uint64_t occupied[WHEEL_LEVELS]; /* bit i: slot i of that level is not empty */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, uint64_t now_ms);

void timer_init(struct timer *timer, timer_fn *fire);
static inline bool timer_is_set(const struct timer *timer)
{
    return !list_empty(&timer->link);
}
/* Sets it, or moves it where it is set. Due times further than the wheel reaches are brought to
 * its end: the owner, called early then, sets it again. */
void wheel_set(struct wheel *wheel, struct timer *timer, uint64_t due_ms);
void wheel_cancel(struct wheel *wheel, struct timer *timer);

/* Fires what is due. A timer is out of the wheel when its function runs, which may set it again. */
void wheel_advance(struct wheel *wheel, uint64_t now_ms);
/* Milliseconds until the wheel next needs an advance; UINT64_MAX where nothing is set. May be
 * earlier than the first timer (a level's boundary), never later. */
uint64_t wheel_wait_ms(const struct wheel *wheel, uint64_t now_ms);
