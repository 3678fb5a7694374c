/* mesh.h - the shards of one process, as they see each other: inboxes, wake-ups, epochs.
 *
 * Everything that two shards share, beside the logs themselves, is in here.
 *
 * Threads   mesh_new(), mesh_free(): before the first and after the last shard.
 *           mesh_post_outside(), mesh_wake_outside(): a thread that is no shard. mesh_owner(): any.
 */
#pragma once

#include "ringroom/base/slice.h"
#include "ringroom/shard/metrics.h"
#include "ringroom/sync/epoch.h"
#include "ringroom/sync/inbox.h"
#include "ringroom/sync/meter.h"

struct mesh_node {
    struct inbox inbox;
    int ring_fd; /* set before any shard serves */
    struct metrics metrics;
};

struct mesh {
    uint32_t count;
    struct mesh_node *nodes;
    uint64_t made_ms; /* in Unix time */
    struct epoch epoch;
    struct meter *meter;                    /* what each client address holds and takes */
    alignas(64) _Atomic uint64_t log_bytes; /* of all logs */
};

/* For so many shards with so many connections in all. NULL where memory has run out. */
struct mesh *mesh_new(uint32_t count, uint32_t connections);
void mesh_free(struct mesh *mesh);

/* The shard that owns the room of that name. */
static inline uint32_t mesh_owner(const struct mesh *mesh, uint64_t name_hash)
{
    /* The low bits choose a table's bucket; these choose the shard. */
    return (uint32_t)((name_hash >> 32) * mesh->count >> 32);
}
/* Posts, and wakes the shard where it sleeps. */
void mesh_post_outside(struct mesh *mesh, uint32_t to, struct letter *letter);
/* Wakes it once more, where an answer is late: a wake-up needs memory that may have been lacking.
 */
void mesh_wake_outside(struct mesh *mesh, uint32_t to);
