/* listener.h - a listening socket on a ring: connections come.
 *
 * Each shard has its own on the same port (SO_REUSEPORT): the kernel spreads the
 * connections over them. Or all accept from one socket that was passed to us: then
 * one connection at a time, since of those who wait the kernel wakes the one who
 * has waited longest, and a request that stays is always that one.
 *
 * Threads   listener_bind(), listener_adopt(), address_*: any. The rest: the ring's. */
#pragma once

#include "ringroom/ring/ring.h"
#include <netinet/in.h>

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

enum { ADDRESS_TEXT_MAX = INET6_ADDRSTRLEN + 8 };
/* "127.0.0.1:8443" or "[::1]:8443". */
void address_format(const struct address *address, char dst[ADDRESS_TEXT_MAX]);

/* A bound and listening socket; port 0 takes a free one and writes it back to *address. `shared`
 * sockets may bind to one address side by side; one that is not fails where anybody listens there.
 * A descriptor or a negative errno. */
int listener_bind(struct address *address, bool shared);
/* Prepares a socket that others have bound and listen with: what accepted ones inherit. 0 and
 * *ret_address; a negative errno where it is none. */
int listener_adopt(int fd, struct address *ret_address);

struct listener;
typedef void listener_fn(struct listener *listener, int fd);

struct listener {
    struct ring *ring;
    struct ring_op accept;
    listener_fn *on_accept; /* owns fd */
    int fd;
    bool shared;
    bool accepting; /* true exactly while the accept request is under way */
    bool starved;   /* out of descriptors or memory: listener_resume() tries again */
    bool closing;
};

/* `shared`: other rings accept from the same socket. */
void listener_start(struct listener *listener, struct ring *ring, int fd, bool shared,
                    listener_fn *on_accept);
void listener_resume(struct listener *listener);
/* Stops accepting and closes the socket; done when !listener->accepting. */
void listener_stop(struct listener *listener);
