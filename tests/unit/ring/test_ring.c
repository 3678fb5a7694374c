/* Rings on the real kernel, over loopback. The peers are plain non-blocking sockets driven from the
 * same thread between two turns, so that every order of events is the test's own choice. */
#include "ringroom/ring/listener.h"
#include "ringroom/ring/stream.h"

#include "ringroom/base/mem.h"
#include "unit.h"
#include <errno.h>
#include <arpa/inet.h>
#include <sched.h>
#include <stdatomic.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TURNS_MAX = 5000, /* a test that needs more hangs */
    PEERS_MAX = 300,
    PATTERN = 1 << 20,
};

/* One end on the ring, the other a socket of the test's. */
struct pair {
    struct stream stream;
    int peer;
    bool echoes;
    uint64_t received, sum; /* by the stream; sum of byte * position, order-sensitive */
    unsigned ended, writable, closed;
    int end_error, write_error;
};

static struct ring *ring;
static struct listener listener;
static struct address address;
static struct pair *pairs;
static unsigned pairs_count; /* accepted */
static unsigned refused;
static int refusal;
static bool echoing;
static uint8_t pattern[PATTERN];

static uint64_t sum_of(uint64_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum = sum * 1099511628211u + bytes[i];
    return sum;
}

static bool send_from(struct pair *pair, const uint8_t *bytes, size_t len)
{
    struct send_buffer *buffer = send_buffer_get(stream_pool(&pair->stream), len);

    if (!buffer)
        return false;
    memcpy(buffer->data, bytes, len);
    buffer->len = (uint32_t)len;
    stream_send(&pair->stream, buffer);
    return true;
}

static void on_bytes(struct stream *stream, struct slice bytes)
{
    struct pair *pair = container_of(stream, struct pair, stream);

    pair->received += bytes.len;
    pair->sum = sum_of(pair->sum, bytes.data, bytes.len);
    if (pair->echoes && stream_idle(stream))
        CU_ASSERT(send_from(pair, bytes.data, bytes.len));
}

static void on_end(struct stream *stream, int error)
{
    struct pair *pair = container_of(stream, struct pair, stream);

    pair->ended++;
    pair->end_error = error;
}

static void on_writable(struct stream *stream, int error)
{
    struct pair *pair = container_of(stream, struct pair, stream);

    pair->writable++;
    if (error)
        pair->write_error = error;
}

static void on_closed(struct stream *stream)
{
    CU_ASSERT(!stream->receiving && !stream->sending && !stream->polling);
    container_of(stream, struct pair, stream)->closed++;
}

static const struct stream_handler handler = {on_bytes, on_end, on_writable, on_closed};

static void on_accept(struct listener *unused, int fd)
{
    struct pair *pair = &pairs[pairs_count];
    int error = stream_open(&pair->stream, ring, fd, &handler);

    if (error) {
        refused++;
        refusal = error;
        return;
    }
    pair->echoes = echoing;
    pairs_count++;
}

static void turn(uint64_t timeout_ms)
{
    ring_wait(ring, timeout_ms);
    ring_run(ring);
}

/* Turns until the condition holds; each waits only while nothing happens, and not for long. */
#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        unsigned turns = 0;                                                                        \
        bool holds;                                                                                \
        while (!(holds = (condition)) && turns++ < TURNS_MAX)                                      \
            turn(1);                                                                               \
        CU_ASSERT(holds &&#condition);                                                             \
    } while (0)

/* As many turns as bring all that is under way already. */
static void settle(void)
{
    for (int i = 0; i < 20; i++)
        turn(0);
}

static void listen_on_loopback(void)
{
    address.v4 =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = listener_bind(&address, false);
    CU_ASSERT_FATAL(fd >= 0);
    listener_start(&listener, ring, fd, false, on_accept);
}

static void setup_with(uint32_t files_max, uint32_t recv_buffers, uint32_t recv_buffer_bytes)
{
    struct ring_config config = {files_max, recv_buffers, recv_buffer_bytes};
    char why[300] = "";

    if (ring_new(&config, &ring, why, sizeof(why)) != 0) {
        printf("%s ", why);
        CU_FAIL_FATAL("a ring can be made");
    }
    pairs = calloc(PEERS_MAX, sizeof(*pairs));
    CU_ASSERT_PTR_NOT_NULL_FATAL(pairs);
    pairs_count = refused = 0;
    echoing = false;
    for (size_t i = 0; i < PATTERN; i++)
        pattern[i] = (uint8_t)(i * 31 + (i >> 8) * 7);
    listen_on_loopback();
}

static void setup(void)
{
    setup_with(64, 16, 4096);
}

static void teardown(void)
{
    for (unsigned i = 0; i < pairs_count; i++)
        stream_close(&pairs[i].stream);
    for (unsigned i = 0; i < pairs_count; i++)
        TURN_UNTIL(pairs[i].closed);
    settle();
    for (unsigned i = 0; i < pairs_count; i++)
        CU_ASSERT_EQUAL(pairs[i].closed, 1);
    listener_stop(&listener);
    TURN_UNTIL(!listener.accepting);
    ring_free(ring);
    free(pairs);
}

/* A peer's socket; it connects while the ring turns. */
static int connect_peer(int receive_bytes)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    CU_ASSERT_FATAL(fd >= 0);
    if (receive_bytes)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    CU_ASSERT_FATAL(connect(fd, &address.any, sizeof(address.v4)) == 0 || errno == EINPROGRESS);
    return fd;
}

static struct pair *open_pair(int receive_bytes)
{
    unsigned before = pairs_count;
    int peer = connect_peer(receive_bytes);

    TURN_UNTIL(pairs_count > before);
    pairs[before].peer = peer;
    return &pairs[before];
}

/* Reads what there is, up to `most`. Returns the bytes; 0 where there are none. */
static size_t peer_read(int peer, uint8_t *dst, size_t most)
{
    ssize_t n = read(peer, dst, most);

    return n > 0 ? (size_t)n : 0;
}

static bool peer_is_at_end(int peer)
{
    uint8_t byte;

    return read(peer, &byte, 1) == 0;
}

/* Rings */

static void test_ring__a_wait_with_a_limit_ends(void)
{
    setup();
    uint64_t before = ring_stats(ring)->turns;
    turn(0);
    turn(1);
    CU_ASSERT_EQUAL(ring_stats(ring)->turns, before + 2);
    teardown();
}

struct sleeper {
    pthread_t thread;
    _Atomic int fd;
    _Atomic int other_fd;
    unsigned rounds, woken;
};

/* Sleeps until woken, wakes the other, and so on: each wake-up is needed. */
static void *sleeper_run(void *arg)
{
    struct sleeper *self = arg;
    struct ring_config config = {4, 2, 512};
    struct ring *own;
    char why[200];

    if (ring_new(&config, &own, why, sizeof(why)) != 0)
        return NULL;
    atomic_store(&self->fd, ring_fd(own));
    while (atomic_load(&self->other_fd) < 0)
        sched_yield();
    for (unsigned i = 0; i < self->rounds; i++) {
        ring_wait(own, UINT64_MAX);
        ring_run(own);
        self->woken++;
        ring_wake(own, atomic_load(&self->other_fd));
    }
    ring_wait(own, 0);
    /* The other may still have a wake-up for this ring on its way: it stays until joined. */
    return own;
}

static void test_ring__two_sleeping_rings_wake_each_other(void)
{
    struct sleeper a = {.fd = -1, .other_fd = -1, .rounds = 500}, b = a;
    void *ring_a, *ring_b;

    CU_ASSERT_FATAL(pthread_create(&a.thread, NULL, sleeper_run, &a) == 0);
    CU_ASSERT_FATAL(pthread_create(&b.thread, NULL, sleeper_run, &b) == 0);
    while (atomic_load(&a.fd) < 0 || atomic_load(&b.fd) < 0)
        sched_yield();
    atomic_store(&a.other_fd, atomic_load(&b.fd));
    atomic_store(&b.other_fd, atomic_load(&a.fd));
    CU_ASSERT_EQUAL(ring_wake_once(atomic_load(&a.fd)), 0); /* from a thread without a ring */
    pthread_join(a.thread, &ring_a);
    pthread_join(b.thread, &ring_b);
    CU_ASSERT(a.woken == 500 && b.woken == 500);
    CU_ASSERT_FATAL(ring_a && ring_b);
    ring_free(ring_a);
    ring_free(ring_b);
}

static void test_ring__a_wake_up_before_the_sleep_is_not_lost(void)
{
    setup();
    settle();
    CU_ASSERT_EQUAL(ring_wake_once(ring_fd(ring)), 0);
    turn(UINT64_MAX); /* would hang */
    teardown();
}

static void test_ring__waking_what_is_no_ring_is_an_error(void)
{
    int ends[2];

    CU_ASSERT_FATAL(pipe(ends) == 0);
    CU_ASSERT(ring_wake_once(ends[0]) < 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_ring__memory_running_out_leaves_nothing(void)
{
#ifdef RINGROOM_DCHECK
    struct ring_config config = {16, 4, 512};
    struct ring *made = NULL;
    char why[300];

    for (long n = 0; !made; n++) {
        CU_ASSERT_FATAL(n < 10);
        mem_fail_after(n);
        int error = ring_new(&config, &made, why, sizeof(why));
        mem_fail_after(-1);
        CU_ASSERT(error == 0 || (error == -ENOMEM && strstr(why, "memory")));
    }
    ring_free(made);
    ring_free(NULL);
#endif
}

/* More requests in one turn than the submission queue holds. */
static void test_ring__a_full_submission_queue_is_submitted_early(void)
{
    setup_with(PEERS_MAX, 64, 512);
    for (int i = 0; i < 250; i++)
        open_pair(0);
    for (int round = 0; round < 20; round++)
        for (unsigned i = 0; i < pairs_count; i++) {
            stream_pause(&pairs[i].stream);
            stream_resume(&pairs[i].stream);
        }
    settle();
    for (unsigned i = 0; i < pairs_count; i++)
        CU_ASSERT(write(pairs[i].peer, "x", 1) == 1);
    for (unsigned i = 0; i < pairs_count; i++)
        TURN_UNTIL(pairs[i].received == 1);
    for (unsigned i = 0; i < pairs_count; i++)
        close(pairs[i].peer);
    teardown();
}

/* Listeners */

static void test_listener__addresses_are_written_as_usual(void)
{
    struct address a = {.v4 = {.sin_family = AF_INET, .sin_port = htons(8443)}};
    char text[ADDRESS_TEXT_MAX];

    inet_pton(AF_INET, "127.0.0.1", &a.v4.sin_addr);
    address_format(&a, text);
    CU_ASSERT_STRING_EQUAL(text, "127.0.0.1:8443");
    a.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(1)};
    inet_pton(AF_INET6, "::1", &a.v6.sin6_addr);
    address_format(&a, text);
    CU_ASSERT_STRING_EQUAL(text, "[::1]:1");
    memset(&a.v6.sin6_addr, 0xab, sizeof(a.v6.sin6_addr));
    a.v6.sin6_port = htons(65535);
    address_format(&a, text);
    CU_ASSERT_STRING_EQUAL(text, "[abab:abab:abab:abab:abab:abab:abab:abab]:65535");
}

static void test_listener__only_shared_sockets_stand_side_by_side(void)
{
    struct address a = {.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    int first = listener_bind(&a, true);

    CU_ASSERT_FATAL(first >= 0);
    CU_ASSERT(a.v4.sin_port != 0);
    int second = listener_bind(&a, true);
    CU_ASSERT(second >= 0);
    CU_ASSERT_EQUAL(listener_bind(&a, false), -EADDRINUSE);
    close(first);
    close(second);
}

/* The limit is the one of the moment when the accept request is prepared. */
static void test_listener__without_descriptors_it_waits_and_goes_on(void)
{
    struct rlimit old, low;
    int peers[4], fillers[256], filled = 0;

    setup();
    listener_stop(&listener);
    TURN_UNTIL(!listener.accepting);
    for (int i = 0; i < 4; i++)
        peers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address.v4.sin_port = 0;
    int fd = listener_bind(&address, false);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_FATAL(getrlimit(RLIMIT_NOFILE, &old) == 0);
    low = old;
    low.rlim_cur = (rlim_t)(fd > peers[3] ? fd : peers[3]) + 1;
    CU_ASSERT_FATAL(setrlimit(RLIMIT_NOFILE, &low) == 0);
    while (filled < 256 && (fillers[filled] = dup(fd)) >= 0) /* the holes below */
        filled++;
    listener_start(&listener, ring, fd, false, on_accept);
    for (int i = 0; i < 4; i++)
        CU_ASSERT(connect(peers[i], &address.any, sizeof(address.v4)) == 0 || errno == EINPROGRESS);
    TURN_UNTIL(listener.starved);
    CU_ASSERT(pairs_count == 0 && !listener.accepting);
    CU_ASSERT_FATAL(setrlimit(RLIMIT_NOFILE, &old) == 0);
    listener_resume(&listener);
    TURN_UNTIL(pairs_count == 4);
    CU_ASSERT(!listener.starved);
    for (int i = 0; i < 4; i++)
        close(peers[i]);
    while (filled)
        close(fillers[--filled]);
    teardown();
}

static void test_listener__stopped_it_accepts_nobody(void)
{
    setup();
    open_pair(0);
    listener_stop(&listener);
    listener_stop(&listener);
    TURN_UNTIL(!listener.accepting);
    int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT(connect(late, &address.any, sizeof(address.v4)) != 0 && errno == ECONNREFUSED);
    close(late);
    close(pairs[0].peer);
    teardown();
}

/* Accepted by the kernel, not yet by us. */
static void test_listener__who_comes_while_it_stops_is_turned_away(void)
{
    setup();
    int peer = connect_peer(0);
    ring_wait(ring, 1000);
    listener_stop(&listener);
    ring_run(ring);
    TURN_UNTIL(!listener.accepting);
    CU_ASSERT_EQUAL(pairs_count, 0);
    uint8_t byte;
    ssize_t n = read(peer, &byte, 1);
    CU_ASSERT(n == 0 || (n < 0 && errno == ECONNRESET));
    close(peer);
    teardown();
}

/* Streams */

static void test_stream__what_is_sent_comes_back(void)
{
    uint8_t got[1000];

    setup();
    echoing = true;
    struct pair *pair = open_pair(0);
    for (size_t len = 1; len < sizeof(got); len = len * 3 + 1) {
        size_t done = 0;
        CU_ASSERT(write(pair->peer, pattern, len) == (ssize_t)len);
        TURN_UNTIL((done += peer_read(pair->peer, got + done, len - done)) == len);
        CU_ASSERT(memcmp(got, pattern, len) == 0);
        TURN_UNTIL(stream_idle(&pair->stream));
    }
    CU_ASSERT(!pair->ended && pair->writable > 0 && !pair->write_error);
    close(pair->peer);
    TURN_UNTIL(pair->ended);
    CU_ASSERT(pair->ended == 1 && pair->end_error == 0);
    teardown();
}

/* One send of a mebibyte to a peer with a small buffer that reads a little at a time. */
static void test_stream__a_large_send_goes_through_in_parts(void)
{
    static uint8_t got[PATTERN];
    size_t done = 0, step = 1;

    setup();
    struct pair *pair = open_pair(4096);
    CU_ASSERT_FATAL(send_from(pair, pattern, PATTERN));
    settle();
    CU_ASSERT(!stream_idle(&pair->stream) && pair->writable == 0);
    for (unsigned turns = 0; done < PATTERN && turns < 10 * TURNS_MAX; turns++) {
        size_t most = step < PATTERN - done ? step : PATTERN - done;
        done += peer_read(pair->peer, got + done, most);
        step = step * 7 % 30011 + 1;
        turn(0);
    }
    CU_ASSERT(done == PATTERN && memcmp(got, pattern, PATTERN) == 0);
    TURN_UNTIL(pair->writable);
    CU_ASSERT(pair->writable == 1 && !pair->write_error && stream_idle(&pair->stream));
    CU_ASSERT(ring_stats(ring)->late_sends > 0);
    close(pair->peer);
    teardown();
}

/* A slow peer holds no buffer: the socket is asked first. */
static void test_stream__a_slow_peer_is_waited_for_before_the_next_send(void)
{
    static uint8_t got[PATTERN];
    size_t done = 0;

    setup();
    struct pair *pair = open_pair(4096);
    CU_ASSERT(!stream_wait_writable(&pair->stream));
    CU_ASSERT_FATAL(send_from(pair, pattern, PATTERN));
    TURN_UNTIL((done += peer_read(pair->peer, got, PATTERN)) == PATTERN);
    TURN_UNTIL(pair->writable == 1);
    CU_ASSERT(stream_wait_writable(&pair->stream) && !stream_idle(&pair->stream));
    TURN_UNTIL(pair->writable == 2);
    CU_ASSERT(stream_idle(&pair->stream) && !stream_wait_writable(&pair->stream));
    close(pair->peer);
    teardown();
}

static void test_stream__paused_it_leaves_bytes_with_the_peer(void)
{
    size_t sent = 0;

    setup();
    struct pair *pair = open_pair(0);
    stream_pause(&pair->stream);
    settle();
    for (ssize_t n; sent < PATTERN; sent += (size_t)n) {
        n = write(pair->peer, pattern + sent, PATTERN - sent);
        if (n <= 0)
            break;
        turn(0);
    }
    settle();
    CU_ASSERT(sent > 0 && pair->received == 0);
    stream_resume(&pair->stream);
    TURN_UNTIL(pair->received == sent);
    CU_ASSERT_EQUAL(pair->sum, sum_of(0, pattern, sent));
    close(pair->peer);
    teardown();
}

/* However fast one follows the other, and whatever is under way: nothing is lost or doubled. */
static void test_stream__any_pausing_loses_nothing(void)
{
    uint64_t random = unit_seed() | 1;
    size_t sent = 0;

    setup();
    struct pair *pair = open_pair(0);
    for (unsigned i = 0; i < unit_rounds(3000); i++) {
        switch (unit_random(&random) % 4) {
        case 0:
            stream_pause(&pair->stream);
            break;
        case 1:
            stream_resume(&pair->stream);
            break;
        case 2:
            if (sent < PATTERN - 100) {
                ssize_t n = write(pair->peer, pattern + sent, 1 + unit_random(&random) % 100);
                sent += n > 0 ? (size_t)n : 0;
            }
            break;
        default:
            turn(0);
        }
    }
    stream_resume(&pair->stream);
    TURN_UNTIL(pair->received == sent);
    CU_ASSERT_EQUAL(pair->sum, sum_of(0, pattern, sent));
    close(pair->peer);
    TURN_UNTIL(pair->ended);
    teardown();
}

static void test_stream__the_end_comes_after_the_last_byte(void)
{
    setup();
    struct pair *pair = open_pair(0);
    CU_ASSERT(write(pair->peer, pattern, 50000) == 50000);
    CU_ASSERT(shutdown(pair->peer, SHUT_WR) == 0);
    TURN_UNTIL(pair->ended);
    CU_ASSERT(pair->received == 50000 && pair->ended == 1 && pair->end_error == 0);
    /* The other direction is open still. */
    uint8_t got[10];
    CU_ASSERT(send_from(pair, pattern, 10));
    TURN_UNTIL(peer_read(pair->peer, got, 10) == 10);
    stream_shutdown(&pair->stream);
    TURN_UNTIL(peer_is_at_end(pair->peer));
    close(pair->peer);
    teardown();
}

static void reset_peer(struct pair *pair)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    CU_ASSERT(setsockopt(pair->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
    close(pair->peer);
}

static void test_stream__a_reset_is_told_once(void)
{
    setup();
    struct pair *pair = open_pair(0);
    reset_peer(pair);
    TURN_UNTIL(pair->ended);
    settle();
    CU_ASSERT(pair->ended == 1 && pair->end_error == -ECONNRESET);
    CU_ASSERT(send_from(pair, pattern, 10));
    TURN_UNTIL(pair->writable);
    CU_ASSERT(pair->write_error == -EPIPE || pair->write_error == -ECONNRESET);
    teardown();
}

static void test_stream__a_reset_ends_a_send_under_way(void)
{
    setup();
    struct pair *pair = open_pair(4096);
    CU_ASSERT_FATAL(send_from(pair, pattern, PATTERN));
    settle();
    reset_peer(pair);
    TURN_UNTIL(pair->writable && pair->ended);
    CU_ASSERT(pair->writable == 1 && pair->write_error < 0 && pair->ended == 1);
    teardown();
}

/* At each stage of a stream's life: closed once, and nothing else is called from then on. */
static void test_stream__closing_waits_for_all_that_is_under_way(void)
{
    for (int stage = 0; stage < 7; stage++) {
        setup();
        struct pair *pair = open_pair(4096);
        if (stage == 1 || stage == 2)
            CU_ASSERT_FATAL(send_from(pair, pattern, PATTERN));
        if (stage == 2 || stage == 6)
            settle();
        if (stage == 3)
            stream_pause(&pair->stream);
        if (stage == 4) {
            pair->stream.slow = true; /* as after a send that took long */
            CU_ASSERT(stream_wait_writable(&pair->stream));
        }
        if (stage == 5 || stage == 6)
            CU_ASSERT(write(pair->peer, pattern, 1000) == 1000);
        struct pair before = *pair;
        stream_close(&pair->stream);
        stream_close(&pair->stream);
        CU_ASSERT(!stream_idle(&pair->stream) && !pair->closed);
        TURN_UNTIL(pair->closed);
        settle();
        CU_ASSERT(pair->closed == 1 && pair->writable == before.writable);
        CU_ASSERT(pair->ended == before.ended && pair->received == before.received);
        close(pair->peer);
        teardown();
    }
}

static void test_stream__a_closed_streams_slot_is_used_again(void)
{
    uint8_t byte;

    setup_with(2, 4, 512);
    for (int i = 0; i < 40; i++) {
        struct pair *pair = open_pair(0);
        CU_ASSERT(write(pair->peer, "x", 1) == 1);
        TURN_UNTIL(pair->received == 1);
        stream_close(&pair->stream);
        TURN_UNTIL(pair->closed);
        CU_ASSERT(read(pair->peer, &byte, 1) == 0);
        close(pair->peer);
    }
    CU_ASSERT_EQUAL(refused, 0);
    teardown();
}

static void test_stream__a_full_file_table_refuses_and_closes(void)
{
    setup_with(2, 4, 512);
    open_pair(0);
    open_pair(0);
    int third = connect_peer(0);
    TURN_UNTIL(refused == 1);
    CU_ASSERT_EQUAL(refusal, -ENFILE);
    TURN_UNTIL(peer_is_at_end(third));
    close(third);
    stream_close(&pairs[0].stream);
    TURN_UNTIL(pairs[0].closed);
    open_pair(0);
    CU_ASSERT_EQUAL(pairs_count, 3);
    for (int i = 0; i < 3; i++)
        close(pairs[i].peer);
    teardown();
}

/* Many streams, few and small buffers. */
static void test_stream__without_receive_buffers_nothing_is_lost(void)
{
    enum { STREAMS = 100, EACH = 20000 };
    size_t sent[STREAMS] = {0}, total = 0;

    setup_with(STREAMS, 2, 256);
    for (int i = 0; i < STREAMS; i++)
        open_pair(0);
    while (total < (size_t)STREAMS * EACH) {
        for (int i = 0; i < STREAMS; i++) {
            ssize_t n = write(pairs[i].peer, pattern + sent[i], EACH - sent[i]);
            sent[i] += n > 0 ? (size_t)n : 0;
            total += n > 0 ? (size_t)n : 0;
        }
        turn(0);
    }
    for (int i = 0; i < STREAMS; i++) {
        TURN_UNTIL(pairs[i].received == EACH);
        CU_ASSERT_EQUAL(pairs[i].sum, sum_of(0, pattern, EACH));
    }
    CU_ASSERT(ring_stats(ring)->no_buffers > 0);
    for (int i = 0; i < STREAMS; i++)
        close(pairs[i].peer);
    teardown();
}

/* Many peers that come, speak, are echoed, pause, reset and go, all at once. */
static void test_stream__any_life_ends_closed_once(void)
{
    uint64_t random = unit_seed() | 1;

    setup_with(20, 4, 512);
    echoing = true;
    for (unsigned i = 0; i < unit_rounds(4000); i++) {
        struct pair *pair = pairs_count ? &pairs[unit_random(&random) % pairs_count] : NULL;
        uint8_t got[2000];
        uint64_t choice = unit_random(&random) % 100;
        if (choice < 10 && pairs_count < PEERS_MAX - 1 && refused == 0)
            open_pair(choice < 5 ? 4096 : 0);
        else if (!pair || pair->stream.closing)
            turn(0);
        else if (choice < 40)
            (void)!write(pair->peer, pattern, 1 + unit_random(&random) % 2000);
        else if (choice < 60)
            peer_read(pair->peer, got, sizeof(got));
        else if (choice < 70)
            (choice % 2 ? stream_pause : stream_resume)(&pair->stream);
        else if (choice < 73)
            stream_close(&pair->stream);
        else
            turn(0);
        unsigned open = 0;
        for (unsigned j = 0; j < pairs_count; j++) {
            open += !pairs[j].closed;
            CU_ASSERT(pairs[j].closed <= 1 && pairs[j].ended <= 1);
        }
        if (open >= 18) /* before the table is full */
            for (unsigned j = 0; j < pairs_count; j++)
                stream_close(&pairs[j].stream);
        while (open >= 18) {
            turn(1);
            open = 0;
            for (unsigned j = 0; j < pairs_count; j++)
                open += !pairs[j].closed;
        }
    }
    CU_ASSERT_EQUAL(refused, 0);
    for (unsigned i = 0; i < pairs_count; i++)
        close(pairs[i].peer);
    teardown();
}

/* Send buffers */

static void test_send_buffer__sizes_are_kept_and_used_again(void)
{
    struct send_pool pool;

    send_pool_init(&pool);
    for (size_t bytes = 1; bytes < 40000; bytes += bytes / 3 + 1) {
        struct send_buffer *buffer = send_buffer_get(&pool, bytes);
        CU_ASSERT_PTR_NOT_NULL_FATAL(buffer);
        CU_ASSERT(buffer->cap >= bytes && buffer->len == 0 && buffer->sent == 0);
        memset(buffer->data, 'x', buffer->cap);
        buffer->len = buffer->sent = 1;
        send_buffer_put(&pool, buffer);
        struct send_buffer *again = send_buffer_get(&pool, bytes);
        CU_ASSERT(again->cap >= bytes && again->len == 0 && again->sent == 0);
        CU_ASSERT(bytes > 16000 || again == buffer);
        send_buffer_put(&pool, again);
    }
    send_buffer_put(&pool, NULL);
    send_pool_deinit(&pool);
}

static void test_send_buffer__idle_ones_are_bounded(void)
{
    static struct send_buffer *buffers[3000];
    struct send_pool pool;
    size_t idle = 0;

    send_pool_init(&pool);
    for (size_t i = 0; i < array_len(buffers); i++)
        CU_ASSERT_PTR_NOT_NULL_FATAL(buffers[i] = send_buffer_get(&pool, 100));
    for (size_t i = 0; i < array_len(buffers); i++)
        send_buffer_put(&pool, buffers[i]);
    for (const struct send_buffer *at = pool.idle[0]; at; at = at->next)
        idle++;
    CU_ASSERT(idle == pool.idle_count[0] && idle > 100 && idle < 3000);
    send_pool_deinit(&pool);
}

UNIT_MAIN("ring/ring", UNIT_TEST(test_ring__a_wait_with_a_limit_ends),
          UNIT_TEST(test_ring__two_sleeping_rings_wake_each_other),
          UNIT_TEST(test_ring__a_wake_up_before_the_sleep_is_not_lost),
          UNIT_TEST(test_ring__waking_what_is_no_ring_is_an_error),
          UNIT_TEST(test_ring__memory_running_out_leaves_nothing),
          UNIT_TEST(test_ring__a_full_submission_queue_is_submitted_early),
          UNIT_TEST(test_listener__addresses_are_written_as_usual),
          UNIT_TEST(test_listener__only_shared_sockets_stand_side_by_side),
          UNIT_TEST(test_listener__without_descriptors_it_waits_and_goes_on),
          UNIT_TEST(test_listener__stopped_it_accepts_nobody),
          UNIT_TEST(test_listener__who_comes_while_it_stops_is_turned_away),
          UNIT_TEST(test_stream__what_is_sent_comes_back),
          UNIT_TEST(test_stream__a_large_send_goes_through_in_parts),
          UNIT_TEST(test_stream__a_slow_peer_is_waited_for_before_the_next_send),
          UNIT_TEST(test_stream__paused_it_leaves_bytes_with_the_peer),
          UNIT_TEST(test_stream__any_pausing_loses_nothing),
          UNIT_TEST(test_stream__the_end_comes_after_the_last_byte),
          UNIT_TEST(test_stream__a_reset_is_told_once),
          UNIT_TEST(test_stream__a_reset_ends_a_send_under_way),
          UNIT_TEST(test_stream__closing_waits_for_all_that_is_under_way),
          UNIT_TEST(test_stream__a_closed_streams_slot_is_used_again),
          UNIT_TEST(test_stream__a_full_file_table_refuses_and_closes),
          UNIT_TEST(test_stream__without_receive_buffers_nothing_is_lost),
          UNIT_TEST(test_stream__any_life_ends_closed_once),
          UNIT_TEST(test_send_buffer__sizes_are_kept_and_used_again),
          UNIT_TEST(test_send_buffer__idle_ones_are_bounded))
