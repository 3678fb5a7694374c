#include "ledger.h"

#include "bytes.h"

#include <stdlib.h>

void ledger_init(struct ledger *l, uint32_t entries_max)
{
    *l = (struct ledger){.entries = must_calloc(entries_max, sizeof *l->entries),
                         .entries_mask = entries_max - 1};
}

void ledger_deinit(struct ledger *l)
{
    free(l->entries);
    *l = (struct ledger){0};
}

void ledger_start(struct ledger *l, uint64_t seq)
{
    if (seq > l->newest)
        l->newest = seq;
}

static void advance(struct reader *r, uint64_t by, bool last_came)
{
    r->came = by < 64 ? r->came << by : 0;
    r->came |= last_came;
    r->next_seq += by;
}

/* A number below the expected one. */
static void judge_late(struct reader *r, uint64_t seq, struct verdict *v)
{
    uint64_t age = r->next_seq - 1 - seq;
    if (age >= 64 || r->came >> age & 1) {
        v->doubled++;
        return;
    }
    v->reordered++;
    v->lost--; /* it was counted as lost when it was jumped over */
    r->came |= 1ull << age;
}

/* A sender's count goes up by one, but for messages that nobody has seen: those are already counted
 * as lost, or a gap event told of them. */
static bool follows(const struct ledger *l, uint32_t number, uint32_t last_number)
{
    return number > last_number && number - last_number - 1 <= l->unseen;
}

static void check_content(struct ledger *l, uint64_t seq, const struct stamp *stamp,
                          uint32_t *last_number, struct verdict *v)
{
    struct ledger_entry *entry = &l->entries[seq & l->entries_mask];
    if (seq > l->newest) {
        for (uint64_t jumped = l->newest + 1; jumped < seq; jumped++)
            l->entries[jumped & l->entries_mask].number = 0;
        l->unseen += seq - l->newest - 1;
        l->newest = seq;
        if (!follows(l, stamp->number, *last_number))
            v->sender_disorder++;
        *last_number = stamp->number;
        *entry = (struct ledger_entry){stamp->sender, stamp->number};
    } else if (l->newest - seq > l->entries_mask || !entry->number) {
        v->unchecked++;
    } else if (entry->sender != stamp->sender || entry->number != stamp->number) {
        v->order_differs++;
    }
}

void ledger_message(struct ledger *l, struct reader *r, uint64_t seq, const struct stamp *stamp,
                    uint32_t *last_number, struct verdict *v)
{
    if (seq < r->next_seq) {
        judge_late(r, seq, v);
        return;
    }
    v->lost += seq - r->next_seq;
    advance(r, seq - r->next_seq + 1, true);
    check_content(l, seq, stamp, last_number, v);
}

void ledger_gap(struct reader *r, uint64_t from, uint64_t to, struct verdict *v)
{
    if (to < r->next_seq || from > to)
        return;
    if (from > r->next_seq)
        v->lost += from - r->next_seq;
    else
        from = r->next_seq;
    v->gaps_reported += to - from + 1;
    advance(r, to - r->next_seq + 1, false);
}

uint64_t verdict_faults(const struct verdict *v)
{
    return v->lost + v->missing_at_end + v->doubled + v->reordered + v->order_differs +
           v->sender_disorder + v->malformed;
}
