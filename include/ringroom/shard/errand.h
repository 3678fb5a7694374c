/* errand.h - a letter between shards about an Engine.IO session that lives elsewhere.
 *
 * Made by the shard of the client that has a request for the session, it travels
 * to the shard that the session's id names, may wait there (a poll), and comes
 * home. Where the two are one shard, nothing travels.
 *
 * Ownership its maker's; while away, the session's polling half's. Freed at home.
 * Bound     one of each kind at a time for a client, which counts it in `letters`. */
#pragma once

#include "ringroom/shard/session.h"

enum {
    ERRAND_BYTES_MAX = 256 << 20
}; /* a payload with a whole history; itself within the room's limits */

enum errand_outcome {
    ERRAND_DONE,
    ERRAND_UNKNOWN, /* no such session, or not any more */
    ERRAND_BAD,     /* the request broke the protocol; the session has been closed */
    ERRAND_TAKEN,   /* probe: another WebSocket has taken over, or is about to */
    ERRAND_BUSY,    /* the server is going away, or out of memory */
};

struct errand {
    struct post post;
    struct client *client; /* who waits at home; NULL: nobody */
    uint8_t outcome;       /* enum errand_outcome */
    uint8_t faults;        /* a POST's: bad requests among its packets */
    uint32_t visited;      /* find: shards that did not have it */
    uint64_t user;         /* find: whose it must be; 0: of whoever knows the pid */
    struct buf bytes;      /* there: a request's body; back: packets as a payload */
    struct session *session;
    struct poller *husk;         /* upgrade, release */
    char sid[SESSION_SID_BYTES]; /* find: the pid */
};

/* NULL where memory has run out. */
struct errand *errand_new(enum post_kind kind, struct client *client, const char *sid);
void errand_free(struct errand *errand);

/* The shard that a session's id names, or -1 where it can't be one. */
int errand_shard(const struct shard *shard, struct slice sid);
/* Sends it off; it may be home before this returns. */
void errand_send(struct shard *shard, uint32_t to, struct errand *errand);
/* It has been dealt with: home it goes. Where home is this shard it is dealt with there before this
 * returns. */
void errand_return(struct shard *shard, struct errand *errand, enum errand_outcome outcome);
/* post.c: one has come. */
void errand_arrived(struct shard *shard, struct errand *errand);
void errand_home(struct shard *shard, struct errand *errand);
