/* listener.c - listening sockets and their accept request. */
#include "ringroom/ring/listener.h"
#include "ring_core.h"
#include "ringroom/base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    /* A socket reports room at half of it, and then takes a full TLS record in one go. */
    UNSENT_BYTES_MAX = 65536,
};

static socklen_t address_bytes(const struct address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

void address_format(const struct address *address, char dst[ADDRESS_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof(host));
        snprintf(dst, ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(address->v6.sin6_port));
    } else {
        inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof(host));
        snprintf(dst, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(address->v4.sin_port));
    }
}

/* Accepted sockets inherit these: what is sent in one go leaves at once; and of what a slow peer
 * has not taken, the kernel holds little, for it waits in the room's log just as well. */
static int set_inherited(int fd)
{
    int one = 1, unsent_max = UNSENT_BYTES_MAX;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof(unsent_max)) != 0)
        return -errno;
    return 0;
}

static int set_options(int fd, bool shared, bool v6)
{
    int one = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0) ||
        (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0))
        return -errno;
    return set_inherited(fd);
}

int listener_bind(struct address *address, bool shared)
{
    bool v6 = address->any.sa_family == AF_INET6;
    socklen_t len = address_bytes(address);
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    int error = set_options(fd, shared, v6);
    if (!error && (bind(fd, &address->any, len) != 0 || listen(fd, BACKLOG) != 0 ||
                   getsockname(fd, &address->any, &len) != 0))
        error = -errno;
    if (error) {
        close(fd);
        return error;
    }
    return fd;
}

int listener_adopt(int fd, struct address *ret_address)
{
    struct address address = {.v6 = {0}};
    socklen_t len = sizeof(address.v6), flag_bytes = sizeof(int);
    int listens = 0, type = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &flag_bytes) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &flag_bytes) != 0 ||
        getsockname(fd, &address.any, &len) != 0)
        return -errno;
    if (type != SOCK_STREAM || !listens)
        return -EINVAL;
    if (address.any.sa_family != AF_INET && address.any.sa_family != AF_INET6)
        return -EAFNOSUPPORT;
    int error = set_inherited(fd);
    if (!error)
        *ret_address = address;
    return error;
}

static void accept_next(struct listener *listener)
{
    struct io_uring_sqe *sqe = ring_sqe(listener->ring);

    if (listener->shared)
        io_uring_prep_accept(sqe, listener->fd, NULL, NULL, SOCK_CLOEXEC);
    else
        io_uring_prep_multishot_accept(sqe, listener->fd, NULL, NULL, SOCK_CLOEXEC);
    ring_bind(sqe, &listener->accept);
    listener->accepting = true;
}

static void accept_done(struct ring_op *op, int res, uint32_t flags)
{
    struct listener *listener = container_of(op, struct listener, accept);

    if (!(flags & IORING_CQE_F_MORE))
        listener->accepting = false;
    if (res >= 0) {
        if (listener->closing)
            close(res);
        else
            listener->on_accept(listener, res);
    }
    if (listener->accepting || listener->closing)
        return;
    /* Whatever else it is, it may last: try again in a while, not at once. */
    if (res < 0 && res != -ECONNABORTED && res != -EINTR && res != -EAGAIN)
        listener->starved = true;
    else
        accept_next(listener);
}

void listener_start(struct listener *listener, struct ring *ring, int fd, bool shared,
                    listener_fn *on_accept)
{
    *listener = (struct listener){.ring = ring,
                                  .accept.done = accept_done,
                                  .on_accept = on_accept,
                                  .fd = fd,
                                  .shared = shared};
    accept_next(listener);
}

void listener_resume(struct listener *listener)
{
    if (!listener->starved || listener->closing)
        return;
    listener->starved = false;
    accept_next(listener);
}

void listener_stop(struct listener *listener)
{
    if (listener->closing)
        return;
    listener->closing = true;
    if (listener->accepting)
        ring_cancel(listener->ring, &listener->accept);
    close(listener->fd);
}
