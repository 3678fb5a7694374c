/* drain.h - the receiving thread: reads and forgets, on a core of its own.
 *
 * It opens no records: what is measured is the sending thread, and it must not be the bound.
 * Threads  drain_start() and drain_stop(): the main thread. The descriptors are the caller's. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct drain {
    pthread_t thread;
    int epoll_fd;
    int core;
    atomic_bool stop;
    atomic_uint_fast64_t bytes;
};

int drain_start(struct drain *d, const int *fds, unsigned count, int core);
void drain_stop(struct drain *d);
/* Binds the calling thread to one core; a negative one leaves it free. */
void pin_to_core(int core);
