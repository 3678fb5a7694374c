#include "ringroom/sync/inbox.h"

/* Stands in `head` while the owner sleeps. Only its address is used. */
static struct letter asleep;

void inbox_init(struct inbox *inbox)
{
    atomic_init(&inbox->head, NULL);
}

bool inbox_post(struct inbox *inbox, struct letter *letter)
{
    struct letter *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);

    /* Release: pairs with the acquire in inbox_take(), and hands over the letter and all that it
     * leads to. Letters below this one are handed over too: every change of `head` is a
     * read-modify-write, so each post stays in the release sequence of those before it. Relaxed
     * elsewhere: nothing is read through a head that was merely seen. */
    do
        letter->next = head == &asleep ? NULL : head;
    while (!atomic_compare_exchange_weak_explicit(&inbox->head, &head, letter, memory_order_release,
                                                  memory_order_relaxed));
    return head == &asleep;
}

static struct letter *reversed(struct letter *letter)
{
    struct letter *first = NULL;

    while (letter) {
        struct letter *next = letter->next;
        letter->next = first;
        first = letter;
        letter = next;
    }
    return first;
}

struct letter *inbox_take(struct inbox *inbox)
{
    /* Relaxed, a look first: a turn without letters need not own the cache line. */
    if (!atomic_load_explicit(&inbox->head, memory_order_relaxed))
        return NULL;
    /* Acquire: pairs with the release in inbox_post(). */
    struct letter *head = atomic_exchange_explicit(&inbox->head, NULL, memory_order_acquire);
    return head == &asleep ? NULL : reversed(head);
}

bool inbox_sleep(struct inbox *inbox)
{
    struct letter *expected = NULL;

    /* Relaxed: no memory goes with it. All changes of `head` have one order: a post before this
     * one makes it fail, a post after it sees `asleep`. */
    return atomic_compare_exchange_strong_explicit(&inbox->head, &expected, &asleep,
                                                   memory_order_relaxed, memory_order_relaxed);
}

void inbox_awake(struct inbox *inbox)
{
    struct letter *expected = &asleep;

    /* Relaxed, as in inbox_sleep(); it fails where a letter has ended the sleep already. */
    atomic_compare_exchange_strong_explicit(&inbox->head, &expected, NULL, memory_order_relaxed,
                                            memory_order_relaxed);
}
