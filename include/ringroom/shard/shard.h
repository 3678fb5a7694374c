/* shard.h - one thread with all it owns: a ring, listeners, connections, rooms.
 *
 * Threads   shard_new() and all after it: the shard's own thread.
 *           shard_command(): any thread that is no shard.
 * Turn      wait; run completions; drain the inbox; fire timers; deliver; reap. */
#pragma once

#include "ringroom/ring/ring.h"
#include "ringroom/shard/mesh.h"
#include "ringroom/shard/settings.h"

struct shard;
struct tls_server;

enum { SHARD_LISTENERS_MAX = 48 };

struct shard_listener {
    int fd; /* bound and listening; the shard closes it */
    enum listener_kind kind;
    bool shared; /* other shards accept from the same socket */
};

struct shard_plan {
    uint32_t index;
    struct mesh *mesh;
    const struct settings *settings;
    struct tls_server *tls; /* NULL where no listener has TLS */
    struct shard_listener listeners[SHARD_LISTENERS_MAX];
    size_t listeners_count;
    /* Called on the shard's thread when an order has become `obeyed`. */
    void (*on_obeyed)(void *user);
    void *user;
};

/* How a shard's ring is made. */
struct ring_config shard_ring_config(const struct settings *settings);

/* Sets the ring up and registers the shard in the mesh; accepts nothing yet. 0 or a negative errno
 * with a plain sentence in ret_why. */
int shard_new(const struct shard_plan *plan, struct shard **ret_shard, char *ret_why,
              size_t why_bytes);
/* Serves until it is told to exit. All shards of the mesh must have been made. */
void shard_run(struct shard *shard);
/* After every shard of the mesh has returned from shard_run(). */
void shard_free(struct shard *shard);

/* Letters of the server to a shard. */
enum shard_order {
    SHARD_STOP,  /* stop accepting, tell clients when to come back, close them; obeyed when the last
                    of them has gone */
    SHARD_CUT,   /* drop what is still connected */
    SHARD_EXIT,  /* return from shard_run() */
    SHARD_PULSE, /* say that you are alive, and how many you serve */
    SHARD_RELOAD, /* go by these settings and this certificate from now on; when it is obeyed, the
                     old ones are nobody's any more */
};

/* Storage is the caller's. The shard has it from shard_command() until it is `obeyed`, or for
 * SHARD_EXIT until the thread has ended. */
struct shard_command {
    struct letter letter;
    uint8_t words[8]; /* the shard's own */
    /* Set with release when the shard is done with the command, which it leaves alone from then on:
     * what it has written into it is there for whoever reads this with acquire. */
    _Atomic bool obeyed;
    uint32_t clients, rooms; /* SHARD_PULSE: connections and polling sessions; rooms owned */
    const struct settings *settings; /* SHARD_RELOAD; set by the caller */
    struct tls_server *tls;          /* the same */
};
void shard_command(struct mesh *mesh, uint32_t index, struct shard_command *command,
                   enum shard_order order);
static inline bool shard_command_is_obeyed(const struct shard_command *command)
{
    return atomic_load_explicit(&command->obeyed, memory_order_acquire);
}
