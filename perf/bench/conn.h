/* conn.h - one client connection as a state machine over bytes: TLS, upgrade, frames, and where it
 * speaks Socket.IO, the Engine.IO session.
 *
 * No sockets: the engine moves bytes. conn_receive() is given what arrived and calls the scenario
 * back; whatever is to be sent stands in `waiting` afterwards.
 *
 * Bound  a frame that is not whole yet is kept in `rest`, as far as frame_parse() believes it; a
 *        message that comes in several, in `message`, up to CONN_MESSAGE_MAX. */
#pragma once

#include "bytes.h"
#include "dialect.h"
#include "tls.h"

#include <stdbool.h>
#include <stdint.h>

enum { CONN_MESSAGE_MAX = 64 << 20 };

enum conn_state {
    CONN_FREE,
    CONN_CONNECTING, /* TCP */
    CONN_HANDSHAKE,  /* TLS */
    CONN_UPGRADE,    /* HTTP */
    CONN_OPEN,
    CONN_CLOSING, /* shut down; waits for the kernel's last completion */
};

struct conn {
    uint32_t index; /* its place in the engine's table and in the ring's file table */
    enum conn_state state;
    enum dialect dialect;
    unsigned kernel_owns; /* requests of this connection that have not completed */
    bool reading;         /* a receive is wanted; false for a stalled reader */
    bool receiving;       /* true exactly while a receive is armed */
    bool sending;         /* true exactly while `flying` is the kernel's */
    bool dirty;           /* true exactly while it stands on the engine's list of those to send */
    bool secure;
    bool opened;     /* opened() was called */
    bool fragmented; /* true exactly while `message` waits for its next frame */
    struct tls tls;
    struct bytes waiting; /* to be sent next */
    struct bytes flying;  /* being sent */
    size_t flying_sent;
    struct bytes rest;    /* the start of a frame, or of the upgrade response */
    struct bytes message; /* the frames so far of a message in several */
};

/* A scenario's answers. All run on the bench's only thread, inside engine_turn(). */
struct conn_events {
    void *scenario;
    /* The scenario may speak from now on: upgraded, and for Socket.IO connected to the namespace.
     */
    void (*opened)(void *scenario, struct conn *c);
    /* An event in the connection's dialect. */
    void (*text)(void *scenario, struct conn *c, const char *text, size_t count);
    /* Once per connection that was begun, when it is over. error 0: the scenario closed it. */
    void (*closed)(void *scenario, struct conn *c, int error);
};

/* TCP is there: starts TLS or the upgrade. 0 or -errno. */
int conn_start(struct conn *c, struct tls_client *tls, SSL_SESSION *resume, const char *request);
/* Negative: the connection is to be closed for that reason. */
int conn_receive(struct conn *c, const struct conn_events *events, const char *request,
                 const uint8_t *data, size_t count);
/* Frames, seals and appends to `waiting`. Only in CONN_OPEN. */
void conn_text(struct conn *c, const char *text, size_t count);
void conn_deinit(struct conn *c);
