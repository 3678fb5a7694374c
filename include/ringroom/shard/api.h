/* api.h - what a call of the HTTP API carries in its ask, beyond what clients' asks do.
 *
 * Ownership the ask's, freed with it. */
#pragma once

#include "ringroom/base/table.h"
#include "ringroom/proto/api.h"

enum {
    /* Buckets and rooms that one page of a listing looks at: a few milliseconds of its shard. */
    API_WALK_STEPS_MAX = 10000,
};

struct api_work {
    /* Publish. Slices point into the ask's bytes. */
    bool array;
    size_t count;
    struct slice *bodies; /* of `count` messages; allocated together with these */
    struct room_batch_message *messages;

    struct room_own own; /* put */
    bool created;        /* put: the room was not there before */

    struct slice prefix; /* list */

    /* List and disconnect go from shard to shard. */
    uint32_t shard;         /* where the ask is, or goes next */
    struct table_walk walk; /* list: on that shard */
    uint32_t left;          /* list: rooms that the page still has place for */
    uint64_t disconnected;
};
