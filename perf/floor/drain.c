#include "drain.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, STOP_CHECK_MS = 20 };

void pin_to_core(int core)
{
    cpu_set_t set;
    if (core < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((unsigned)core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void *run(void *argument)
{
    static char sink[1 << 18];
    struct drain *d = argument;
    struct epoll_event events[EVENTS_MAX];
    pin_to_core(d->core);
    while (!atomic_load_explicit(&d->stop, memory_order_relaxed)) {
        int count = epoll_wait(d->epoll_fd, events, EVENTS_MAX, STOP_CHECK_MS);
        for (int i = 0; i < count; i++) {
            ssize_t got = recv(events[i].data.fd, sink, sizeof sink, MSG_DONTWAIT);
            if (got > 0)
                atomic_fetch_add_explicit(&d->bytes, (uint_fast64_t)got, memory_order_relaxed);
        }
    }
    return NULL;
}

int drain_start(struct drain *d, const int *fds, unsigned count, int core)
{
    d->core = core;
    atomic_init(&d->stop, false);
    atomic_init(&d->bytes, 0);
    d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (d->epoll_fd < 0)
        return -errno;
    for (unsigned i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[i]};
        if (epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fds[i], &event) < 0)
            return -errno;
    }
    return -pthread_create(&d->thread, NULL, run, d);
}

void drain_stop(struct drain *d)
{
    atomic_store_explicit(&d->stop, true, memory_order_relaxed);
    pthread_join(d->thread, NULL);
    close(d->epoll_fd);
}
