/* link.h - one connection to a server: socket, TLS, WebSocket. Driven by poll(2).
 *
 *     link_open(&link, &target, now);
 *     while (link.state != LINK_GONE) {
 *         struct pollfd pollfd = link_poll(&link);
 *         poll(&pollfd, 1, link_due_ms(&link) - now);
 *         link_turn(&link, pollfd.revents, now, on_text, user);
 *     }
 *     link_close(&link);
 *
 * Only looking up the host's name waits for the network.
 *
 * Threads   its owner's. Times are monotonic milliseconds.
 * Ownership the target is borrowed until link_close().
 * Bound     opening takes LINK_OPEN_MS at most; then silence is answered by a ping, and longer
 *           silence ends the link. A message has LINK_MESSAGE_MAX bytes at most. */
#pragma once

#include "ringroom/terminal/address.h"
#include "ringroom/wire/tls_client.h"
#include "ringroom/wire/ws_client.h"
#include <poll.h>

enum {
    LINK_OPEN_MS = 15000,
    LINK_SILENT_MS = 30000, /* then a ping; the server sends one of its own every 25 s */
    LINK_ANSWER_MS = 10000, /* for the answer to it */
    LINK_MESSAGE_MAX = 24 << 20,
    LINK_OUT_MAX = 64 << 20,
    LINK_WHY_BYTES = 512,
    LINK_TARGET_BYTES = ADDRESS_PREFIX_MAX + 128
};

struct link_target {
    struct address address;
    struct tls_client *tls; /* NULL: plain */
    char token[8193];       /* "": none */
    char session[65];       /* to be the same user again; "": a new one */
};

enum link_state { LINK_CONNECTING, LINK_SECURING, LINK_ASKING, LINK_OPEN, LINK_GONE };

struct link {
    enum link_state state;
    const struct link_target *target;
    struct addrinfo *addresses, *address; /* all, and the one that is tried */
    int fd;                               /* -1: none */
    struct tls *tls;
    struct ws_client *ws;
    struct buf plain;             /* to be sealed */
    struct buf out;               /* to be written */
    uint64_t opened_ms, heard_ms; /* when it began; when bytes came last */
    uint64_t pinged_ms;           /* 0: no ping is unanswered */

    /* When it is gone */
    uint16_t code;            /* of the server's close frame; 0: none */
    bool refused;             /* it makes no sense to come again: a bad certificate, a 401, … */
    char why[LINK_WHY_BYTES]; /* one plain sentence */
};

typedef void link_text_fn(void *user, struct slice text);

/* Begins. The link may be gone at once, when the host is not known. */
void link_open(struct link *link, const struct link_target *target, uint64_t now_ms);
struct pollfd link_poll(const struct link *link);
/* When link_turn() is due without anything to read or write. */
uint64_t link_due_ms(const struct link *link);
/* Goes on. Each message that has come is handed to on_text. */
void link_turn(struct link *link, short revents, uint64_t now_ms, link_text_fn *on_text,
               void *user);
/* Sends a message, in LINK_OPEN; it is written in the turns to come. 0, -ENOBUFS, -ENOMEM. */
int link_send(struct link *link, struct slice text);
/* Says goodbye, as far as the socket takes it at once, and frees all. */
void link_close(struct link *link);
