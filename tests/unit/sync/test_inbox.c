#include "ringroom/sync/inbox.h"

#include "ringroom/base/mem.h"
#include "unit.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>

static int length(const struct letter *letter)
{
    int n = 0;

    for (; letter; letter = letter->next)
        n++;
    return n;
}

static void test_inbox__letters_come_out_in_posting_order(void)
{
    struct inbox inbox;
    struct letter letters[5];

    inbox_init(&inbox);
    CU_ASSERT_PTR_NULL(inbox_take(&inbox));
    for (int i = 0; i < 5; i++)
        CU_ASSERT(!inbox_post(&inbox, &letters[i]));
    struct letter *letter = inbox_take(&inbox);
    for (int i = 0; i < 5; i++, letter = letter->next)
        CU_ASSERT_FATAL(letter == &letters[i]);
    CU_ASSERT_PTR_NULL(letter);
    CU_ASSERT_PTR_NULL(inbox_take(&inbox));
}

static void test_inbox__a_sleeper_is_woken_by_the_first_letter_only(void)
{
    struct inbox inbox;
    struct letter letters[3];

    inbox_init(&inbox);
    CU_ASSERT(inbox_sleep(&inbox));
    CU_ASSERT(inbox_post(&inbox, &letters[0]));
    CU_ASSERT(!inbox_post(&inbox, &letters[1]));
    inbox_awake(&inbox);
    CU_ASSERT(!inbox_post(&inbox, &letters[2]));
    CU_ASSERT_EQUAL(length(inbox_take(&inbox)), 3);
}

static void test_inbox__nobody_sleeps_on_letters(void)
{
    struct inbox inbox;
    struct letter letter;

    inbox_init(&inbox);
    CU_ASSERT(!inbox_post(&inbox, &letter));
    CU_ASSERT(!inbox_sleep(&inbox));
    CU_ASSERT_EQUAL(length(inbox_take(&inbox)), 1);
    CU_ASSERT(inbox_sleep(&inbox));
}

static void test_inbox__who_woke_by_himself_needs_no_waking(void)
{
    struct inbox inbox;
    struct letter letters[2];

    inbox_init(&inbox);
    CU_ASSERT(inbox_sleep(&inbox));
    inbox_awake(&inbox);
    inbox_awake(&inbox); /* harmless */
    CU_ASSERT_PTR_NULL(inbox_take(&inbox));
    CU_ASSERT(!inbox_post(&inbox, &letters[0]));
    CU_ASSERT_EQUAL(length(inbox_take(&inbox)), 1);
    CU_ASSERT(inbox_sleep(&inbox));
    CU_ASSERT_PTR_NULL(inbox_take(&inbox)); /* the sleep's mark is no letter, and taking ends it */
    CU_ASSERT(!inbox_post(&inbox, &letters[1]));
}

/* A shard with the inbox it sleeps on: the semaphore stands for its ring. */
struct sleeper {
    struct inbox inbox;
    sem_t wake;
    unsigned sleeps, wakes_lost, wakes_surplus; /* the owner's */
};

static void sleeper_init(struct sleeper *sleeper)
{
    inbox_init(&sleeper->inbox);
    sem_init(&sleeper->wake, 0, 0);
    sleeper->sleeps = sleeper->wakes_lost = sleeper->wakes_surplus = 0;
}

static void post(struct sleeper *to, struct letter *letter)
{
    if (inbox_post(&to->inbox, letter))
        sem_post(&to->wake);
}

/* Blocks until letters come. A wake-up that never comes, or one too many, is counted. */
static struct letter *take_or_sleep(struct sleeper *sleeper)
{
    struct letter *letters;
    struct timespec deadline;

    while (!(letters = inbox_take(&sleeper->inbox))) {
        if (!inbox_sleep(&sleeper->inbox))
            continue;
        sleeper->sleeps++;
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += 60;
        if (sem_timedwait(&sleeper->wake, &deadline) < 0)
            sleeper->wakes_lost++;
        if (sem_trywait(&sleeper->wake) == 0)
            sleeper->wakes_surplus++;
        inbox_awake(&sleeper->inbox);
    }
    return letters;
}

static void check_sleeper(struct sleeper *sleeper)
{
    int value = -1;

    sem_getvalue(&sleeper->wake, &value);
    CU_ASSERT_EQUAL(value, 0);
    CU_ASSERT_EQUAL(sleeper->wakes_lost, 0);
    CU_ASSERT_EQUAL(sleeper->wakes_surplus, 0);
    sem_destroy(&sleeper->wake);
}

enum { SENDERS = 4 };

struct numbered {
    struct letter letter;
    unsigned sender;
    unsigned number;
};

struct sender {
    pthread_t thread;
    struct sleeper *to;
    struct numbered *letters;
    unsigned index, count;
    uint64_t random;
};

static void *send_all(void *arg)
{
    struct sender *sender = arg;

    for (unsigned i = 0; i < sender->count; i++) {
        sender->letters[i].sender = sender->index;
        sender->letters[i].number = i;
        post(sender->to, &sender->letters[i].letter);
        /* Pauses of all lengths, so that the taker is met asleep, awake and in between. */
        for (uint64_t pause = unit_random(&sender->random) % 64; pause < 4; pause++)
            sched_yield();
    }
    return NULL;
}

static void start_senders(struct sender *senders, struct sleeper *to, unsigned count,
                          uint64_t *random)
{
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.to = to, .index = i, .count = count};
        senders[i].random = unit_random(random);
        senders[i].letters = mem_alloc(count * sizeof(struct numbered));
        CU_ASSERT_FATAL(senders[i].letters != NULL);
        CU_ASSERT_FATAL(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]) == 0);
    }
}

static void test_inbox__many_senders_lose_nothing_and_keep_their_order(void)
{
    uint64_t random = unit_seed();
    unsigned count = unit_rounds(20000);
    struct sender senders[SENDERS];
    unsigned next[SENDERS] = {0};
    unsigned taken = 0, out_of_order = 0;
    struct sleeper taker;

    sleeper_init(&taker);
    start_senders(senders, &taker, count, &random);
    while (taken < SENDERS * count && taker.wakes_lost == 0) {
        for (struct letter *letter = take_or_sleep(&taker); letter; letter = letter->next) {
            struct numbered *numbered = container_of(letter, struct numbered, letter);
            out_of_order += numbered->number != next[numbered->sender]++;
            taken++;
        }
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        mem_free(senders[i].letters);
        CU_ASSERT_EQUAL(next[i], count);
    }
    CU_ASSERT_EQUAL(out_of_order, 0);
    CU_ASSERT_PTR_NULL(inbox_take(&taker.inbox));
    printf("(%u sleeps) ", taker.sleeps);
    check_sleeper(&taker);
}

enum { PEERS = 3, LETTERS_EACH = 4 };

/* A letter that goes out, is answered, and comes home to be used again. */
struct parcel {
    struct letter letter;
    unsigned home;
    bool answered;
    uint64_t contents; /* doubled by who answers */
    uint64_t sent;
};

struct peer {
    struct sleeper sleeper;
    pthread_t thread;
    unsigned index;
    unsigned trips_left; /* to begin yet */
    unsigned out;        /* parcels under way */
    unsigned stops_left; /* peers that still may send */
    unsigned wrong;
    uint64_t random;
    struct parcel parcels[LETTERS_EACH];
    struct parcel stops[PEERS];
};

static struct peer peers[PEERS];

static void send_out(struct peer *peer, struct parcel *parcel)
{
    if (peer->trips_left == 0)
        return;
    peer->trips_left--;
    peer->out++;
    parcel->answered = false;
    parcel->sent = parcel->contents = unit_random(&peer->random) >> 1;
    post(&peers[unit_random(&peer->random) % PEERS].sleeper, &parcel->letter);
}

/* True where it was told that somebody sends no more. */
static bool handle(struct peer *peer, struct parcel *parcel)
{
    if (parcel->home == PEERS)
        return true;
    if (!parcel->answered) {
        parcel->answered = true;
        parcel->contents *= 2;
        post(&peers[parcel->home].sleeper, &parcel->letter);
        return false;
    }
    peer->wrong += parcel->home != peer->index || parcel->contents != parcel->sent * 2;
    peer->out--;
    send_out(peer, parcel);
    return false;
}

static void tell_all_to_stop(struct peer *peer)
{
    for (unsigned i = 0; i < PEERS; i++)
        post(&peers[i].sleeper, &peer->stops[i].letter);
}

static void *run_peer(void *arg)
{
    struct peer *peer = arg;
    bool told = false;

    for (unsigned i = 0; i < LETTERS_EACH; i++)
        send_out(peer, &peer->parcels[i]);
    while (peer->stops_left > 0 && peer->sleeper.wakes_lost == 0) {
        struct letter *letter = take_or_sleep(&peer->sleeper);
        while (letter) {
            struct letter *next = letter->next; /* handling may post it elsewhere */
            peer->stops_left -= handle(peer, container_of(letter, struct parcel, letter));
            letter = next;
        }
        if (peer->out == 0 && !told)
            tell_all_to_stop(peer);
        told |= peer->out == 0;
    }
    return NULL;
}

static void peer_init(struct peer *peer, unsigned index, unsigned trips, uint64_t *random)
{
    *peer = (struct peer){.index = index, .trips_left = trips, .stops_left = PEERS};
    sleeper_init(&peer->sleeper);
    peer->random = unit_random(random);
    for (unsigned i = 0; i < LETTERS_EACH; i++)
        peer->parcels[i].home = index;
    for (unsigned i = 0; i < PEERS; i++)
        peer->stops[i].home = PEERS;
}

static void test_inbox__letters_travel_home_and_are_used_again(void)
{
    uint64_t random = unit_seed();

    for (unsigned i = 0; i < PEERS; i++)
        peer_init(&peers[i], i, unit_rounds(10000), &random);
    for (unsigned i = 0; i < PEERS; i++)
        CU_ASSERT_FATAL(pthread_create(&peers[i].thread, NULL, run_peer, &peers[i]) == 0);
    for (unsigned i = 0; i < PEERS; i++)
        pthread_join(peers[i].thread, NULL);
    for (unsigned i = 0; i < PEERS; i++) {
        CU_ASSERT_EQUAL(peers[i].wrong, 0);
        CU_ASSERT_EQUAL(peers[i].trips_left + peers[i].out, 0);
        CU_ASSERT_PTR_NULL(inbox_take(&peers[i].sleeper.inbox));
        check_sleeper(&peers[i].sleeper);
    }
}

UNIT_MAIN("inbox", UNIT_TEST(test_inbox__letters_come_out_in_posting_order),
          UNIT_TEST(test_inbox__a_sleeper_is_woken_by_the_first_letter_only),
          UNIT_TEST(test_inbox__nobody_sleeps_on_letters),
          UNIT_TEST(test_inbox__who_woke_by_himself_needs_no_waking),
          UNIT_TEST(test_inbox__many_senders_lose_nothing_and_keep_their_order),
          UNIT_TEST(test_inbox__letters_travel_home_and_are_used_again))
