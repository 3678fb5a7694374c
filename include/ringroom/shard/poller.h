/* poller.h - a session that is carried by HTTP long-polling.
 *
 * Its requests come as errands, from whichever shard took them. Packets wait in
 * `out` until a GET comes for them; a GET waits until there is something.
 *
 * Threads   the shard that took the handshake.
 * Ownership the shard's table, by sid. Closed, or moved to a WebSocket, it is a
 *           husk, freed when its letters are home. One that has moved stays in the
 *           table for a while, so that late requests are told what has become of it.
 * Bound     `out`: as a connection's; a body: the HTTP limits. */
#pragma once

#include "ringroom/shard/errand.h"

enum { POLL_FULL = 64 << 10 }; /* bytes of a payload above which no more rooms' news is added */

struct poller {
    struct client client;
    struct table_link by_sid;
    struct list ready; /* in the shard's list of those to flush, or of the dead; or in none */
    struct timer timer;
    struct errand *poll;    /* a GET that waits */
    struct errand *body;    /* a POST that is being acted on */
    struct slice rest;      /* of its body: not acted on yet */
    struct errand *upgrade; /* a WebSocket waits for the session */
    size_t heavy_bytes;     /* of the last payload, where it was long: counted by the shard */
    bool postponed;         /* a history waits until other clients have received theirs */
    struct buf out;         /* packets, as a payload */
    bool probing;           /* a WebSocket tries to take over ... */
    bool probed;            /* ... and has shown that it works: polls are not kept waiting */
    bool farewell;     /* the client has said goodbye, and perhaps asked for packets just before */
    bool poll_is_late; /* it came while a WebSocket was probing */
    bool listed;       /* in the shard's table */
    bool husk;         /* closed or moved */
    bool moved;        /* a husk whose memberships stand until it is released */
    bool acting;       /* true exactly while walking over `body` */
    char sid[SESSION_SID_BYTES];
};

/* A handshake, which the caller answers by session_open(). NULL where there is no more room. */
struct poller *poller_new(struct shard *shard, enum session_kind kind);
struct poller *poller_find(struct shard *shard, const char *sid);
void poller_free(struct poller *poller);

/* Errands. */
void poller_get(struct poller *poller, struct errand *errand);
void poller_post(struct poller *poller, struct errand *errand);
void poller_probe(struct poller *poller, struct errand *errand);
void poller_unprobe(struct poller *poller, struct errand *errand);
/* `2probe` has come. */
void poller_probed(struct poller *poller, struct errand *errand);
/* `5` has come. */
void poller_hand_over(struct poller *poller, struct errand *errand);
void poller_release(struct poller *poller);
/* The connection of a waiting poll is gone. */
void poller_abandon(struct poller *poller);

/* Gathers for the waiting GET. */
void poller_flush(struct poller *poller);
/* poller_output.c: appends what its rooms have for it. False: memory has run out. */
bool poller_gather(struct poller *poller, struct buf *payload);
/* Its user is sent away; a GET that waits is told so. */
void poller_disconnect(struct poller *poller);
/* The server is going away. */
void poller_stop(struct poller *poller);
