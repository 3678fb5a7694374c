/* ledger.h - was every message delivered once, in one order, to everybody?
 *
 * A room's ledger notes for each number whose message it was, as the first receiver saw it; every
 * later receiver must see the same. Thus "one order for all" and "each sender's own order" are
 * checked once a message, and a receiver needs a position only.
 *
 * Bound  a ledger remembers its newest entries only. A receiver further behind than that is checked
 *        for its numbers, and its order counts as `unchecked`. */
#pragma once

#include "event.h"

#include <stdbool.h>
#include <stdint.h>

/* What went wrong, over all receivers. All but gaps_reported and unchecked must be 0. */
struct verdict {
    uint64_t lost;            /* a number was jumped over, and no gap event told of it */
    uint64_t missing_at_end;  /* never came, within the time given after the last send */
    uint64_t doubled;         /* a number came again */
    uint64_t reordered;       /* a number came after a later one */
    uint64_t order_differs;   /* two receivers saw different messages under one number */
    uint64_t sender_disorder; /* a sender's own count was not its last one plus 1 */
    uint64_t malformed;       /* a message without a number or a stamp */
    uint64_t gaps_reported;   /* numbers that gap events told of: permitted, if configured so */
    uint64_t unchecked;
};

struct ledger_entry {
    uint32_t sender;
    uint32_t number; /* 0: not known */
};

struct ledger {
    uint64_t newest; /* highest number that anyone received */
    uint64_t unseen; /* numbers that nobody had received when a later one came */
    struct ledger_entry *entries;
    uint32_t entries_mask;
};

/* A receiver's place in its room. */
struct reader {
    uint64_t next_seq;
    uint64_t came; /* bit i: next_seq - 1 - i came; tells doubled from reordered */
};

/* entries_max: a power of two. */
void ledger_init(struct ledger *l, uint32_t entries_max);
void ledger_deinit(struct ledger *l);
/* Everything up to seq was before our time: numbering starts behind it. */
void ledger_start(struct ledger *l, uint64_t seq);
/* A message came. last_number: of stamp->sender, in this room. */
void ledger_message(struct ledger *l, struct reader *r, uint64_t seq, const struct stamp *stamp,
                    uint32_t *last_number, struct verdict *v);
void ledger_gap(struct reader *r, uint64_t from, uint64_t to, struct verdict *v);
/* Sums everything that must be 0. */
uint64_t verdict_faults(const struct verdict *v);
