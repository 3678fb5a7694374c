/* inbox.h - how one shard hands work to another: a multi-producer, single-consumer queue.
 *
 * A letter lives inside its sender's object (a member that joins, a message to
 * publish, a room's notice): posting allocates nothing and cannot fail. The
 * reader takes all letters at once, once a turn.
 *
 * Threads   inbox_post(): any. inbox_take(), inbox_sleep(), inbox_awake(): the
 *           owning shard.
 * Ownership a letter is its sender's until posted, the taker's from then on; it
 *           travels home by being posted to its sender's inbox. Never posted
 *           while it is in an inbox.
 * Order     FIFO per sender; none promised between senders.
 * Bound     none here: senders bound how many letters they have under way
 *           (limits where letters are made).
 *
 * The head is a stack of letters, newest first; taking it exchanges it for NULL
 * and turns it round. There is no ABA: letters are only ever taken all at once.
 * Sleep is a state of the same word, so that the sender whose letter lands on a
 * sleeper, and only that one, knows it has to wake it. */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct letter {
    struct letter *next; /* the inbox's while posted; the taker's afterwards */
};

struct inbox {
    alignas(64) _Atomic(struct letter *) head;
};

void inbox_init(struct inbox *inbox);
/* Any thread. True where the owner sleeps and the caller must wake it: told to exactly one
 * poster a sleep. */
bool inbox_post(struct inbox *inbox, struct letter *letter);
/* Owner. All letters in posting order, linked by next, or NULL. */
struct letter *inbox_take(struct inbox *inbox);
/* Owner, before it blocks in the kernel. False where letters have come: do not sleep. */
bool inbox_sleep(struct inbox *inbox);
/* Owner, after it woke, for whatever reason. */
void inbox_awake(struct inbox *inbox);
