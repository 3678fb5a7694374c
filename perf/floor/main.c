/* ringroom-floor: what a delivery costs at the least on this machine.
 *
 * A bare loop over N loopback connections seals the bytes of a chat message (TLS 1.3, AES-128-GCM)
 * and sends them through io_uring with fixed files, many a submit. No rooms, no parsing, no
 * protocol: a server cannot be cheaper, and is judged by how close it comes. Either as fast as it
 * goes, or paced (--rate), where each submit is a fan-out of `batch` and the thread sleeps between
 * them as a server does. */
#include "drain.h"
#include "pairs.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH_MAX = 256, GATHER_MAX = 32, RECORD_BYTES_MAX = 17000 };

struct floor_options {
    const char *cert, *key;
    unsigned connections, batch, gather, text_bytes;
    double seconds, rate; /* rate: deliveries a second, 0 for as fast as it goes */
    int send_core, receive_core;
    bool json;
};

struct sender {
    struct io_uring ring;
    struct pairs pairs;
    uint8_t *records; /* one slot for each of a batch */
    char *plain;      /* `gather` messages */
    int plain_bytes;
    unsigned next;
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* One message as the server puts it on the wire, frame header and all. */
static int write_message(char *to, unsigned text_bytes)
{
    char *json = to + 4;
    int count =
        sprintf(json, "{\"ev\":\"message\",\"room\":\"b12345678-12\",\"seq\":12345,"
                      "\"ts\":1700000000000,\"from\":\"m123\",\"uid\":\"abcdefgh\",\"text\":\"");
    memset(json + count, 'x', text_bytes);
    memcpy(json + count + text_bytes, "\"}", 2);
    count += (int)text_bytes + 2;
    to[0] = (char)0x81;
    to[1] = 126;
    to[2] = (char)(count >> 8);
    to[3] = (char)count;
    return count + 4;
}

static int open_sender(struct sender *s, const struct floor_options *o)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    int result = pairs_open(&s->pairs, o->connections, o->cert, o->key);
    s->records = malloc((size_t)BATCH_MAX * RECORD_BYTES_MAX);
    s->plain = malloc((size_t)o->gather * (o->text_bytes + 256));
    if (result < 0 || !s->records || !s->plain)
        return result < 0 ? result : -ENOMEM;
    for (unsigned i = 0; i < o->gather; i++)
        s->plain_bytes += write_message(s->plain + s->plain_bytes, o->text_bytes);
    result = io_uring_queue_init_params(BATCH_MAX, &s->ring, &p);
    if (result < 0)
        return result;
    io_uring_register_ring_fd(&s->ring);
    return io_uring_register_files(&s->ring, s->pairs.send_fds, o->connections);
}

/* Seals for the next `batch` connections and sends to all in one submit. 0 or -errno. */
static int send_batch(struct sender *s, const struct floor_options *o)
{
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;
    int failed = 0;
    for (unsigned i = 0; i < o->batch; i++) {
        uint8_t *slot = s->records + (size_t)i * RECORD_BYTES_MAX;
        unsigned pair = s->next++ % o->connections;
        long bytes = pairs_seal(&s->pairs, pair, s->plain, s->plain_bytes, slot, RECORD_BYTES_MAX);
        if (bytes < 0)
            return -EPROTO;
        struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
        io_uring_prep_send(sqe, (int)pair, slot, (size_t)bytes, MSG_WAITALL | MSG_NOSIGNAL);
        sqe->flags |= IOSQE_FIXED_FILE;
    }
    while (seen < o->batch) {
        int result = io_uring_submit_and_wait(&s->ring, o->batch - seen);
        if (result < 0 && result != -EINTR)
            return result;
        unsigned now = 0;
        io_uring_for_each_cqe(&s->ring, head, cqe)
        {
            failed = cqe->res < 0 ? cqe->res : failed;
            now++;
        }
        io_uring_cq_advance(&s->ring, now);
        seen += now;
    }
    return failed;
}

/* Sleeps in the ring until then, as a server would. */
static void sleep_until(struct sender *s, uint64_t when_ns)
{
    struct io_uring_cqe *cqe;
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    if (now >= when_ns)
        return;
    struct __kernel_timespec timeout = {.tv_sec = (int64_t)((when_ns - now) / 1000000000u),
                                        .tv_nsec = (int64_t)((when_ns - now) % 1000000000u)};
    io_uring_wait_cqe_timeout(&s->ring, &cqe, &timeout);
}

static int measure(struct sender *s, const struct floor_options *o, uint64_t *ret_deliveries,
                   uint64_t *ret_cpu_ns)
{
    double per_batch = (double)o->batch * o->gather;
    double due = (double)clock_ns(CLOCK_MONOTONIC);
    uint64_t end = (uint64_t)(due + o->seconds * 1e9);
    uint64_t cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    uint64_t deliveries = 0;
    while (clock_ns(CLOCK_MONOTONIC) < end) {
        int result = send_batch(s, o);
        if (result < 0)
            return result;
        deliveries += (uint64_t)per_batch;
        if (o->rate > 0) {
            due += per_batch / o->rate * 1e9;
            sleep_until(s, (uint64_t)due);
        }
    }
    *ret_deliveries = deliveries;
    *ret_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
    return 0;
}

static int run(struct sender *s, const struct floor_options *o)
{
    static struct drain drain;
    uint64_t deliveries = 0, cpu_ns = 0;
    struct floor_options warmup = *o;
    warmup.seconds = 0.3;
    int result = drain_start(&drain, s->pairs.receive_fds, o->connections, o->receive_core);
    if (result < 0)
        return result;
    pin_to_core(o->send_core);
    result = measure(s, &warmup, &deliveries, &cpu_ns);
    if (result == 0)
        result = measure(s, o, &deliveries, &cpu_ns);
    drain_stop(&drain);
    if (result < 0)
        return result;
    double cpu_us = (double)cpu_ns / 1e3 / (double)deliveries;
    printf(o->json ? "{\"connections\":%u,\"batch\":%u,\"gather\":%u,\"offered_per_s\":%.0f,"
                     "\"per_s\":%.0f,\"cpu_us_per_delivery\":%.4f}\n"
                   : "%u connections, %u a submit, %u messages a record, %.0f/s offered: %.0f/s, "
                     "%.3f us CPU a delivery\n",
           o->connections, o->batch, o->gather, o->rate, (double)deliveries / o->seconds, cpu_us);
    return 0;
}

static bool take(struct floor_options *o, const char *name, const char *value)
{
    const struct {
        const char *name;
        unsigned *field;
    } counts[] = {{"--connections", &o->connections},
                  {"--batch", &o->batch},
                  {"--gather", &o->gather},
                  {"--size", &o->text_bytes}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (strcmp(name, counts[i].name) == 0) {
            *counts[i].field = (unsigned)atoi(value);
            return true;
        }
    }
    if (strcmp(name, "--cert") == 0)
        o->cert = value;
    else if (strcmp(name, "--key") == 0)
        o->key = value;
    else if (strcmp(name, "--duration") == 0)
        o->seconds = atof(value);
    else if (strcmp(name, "--rate") == 0)
        o->rate = atof(value);
    else if (strcmp(name, "--cores") == 0)
        return sscanf(value, "%d,%d", &o->send_core, &o->receive_core) == 2;
    else
        return false;
    return true;
}

static bool parse(int argc, char **argv, struct floor_options *o)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            o->json = true;
        else if (i + 1 >= argc || !take(o, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    return o->cert && o->key && o->connections && o->batch && o->batch <= BATCH_MAX &&
           o->batch <= o->connections && o->gather && o->gather <= GATHER_MAX &&
           o->text_bytes <= 16384 && o->gather * (o->text_bytes + 160) <= 16384 && o->seconds > 0;
}

int main(int argc, char **argv)
{
    static struct sender sender;
    struct floor_options options = {.connections = 1000,
                                    .batch = 64,
                                    .gather = 1,
                                    .text_bytes = 200,
                                    .seconds = 2,
                                    .send_core = -1,
                                    .receive_core = -1};
    if (!parse(argc, argv, &options)) {
        fputs("ringroom-floor --cert FILE --key FILE [--connections N] [--batch 1..256]\n"
              "  [--gather 1..32, all in one record] [--size BYTES] [--duration S]\n"
              "  [--rate DELIVERIES_PER_S] [--cores SENDER,RECEIVER] [--json]\n",
              stderr);
        return 2;
    }
    int result = open_sender(&sender, &options);
    if (result == 0)
        result = run(&sender, &options);
    if (result < 0)
        fprintf(stderr, "ringroom-floor: %s\n", strerror(-result));
    pairs_close(&sender.pairs);
    return result < 0;
}
