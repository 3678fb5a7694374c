/* hash.h - a keyed hash of short byte strings (SipHash-1-3).
 *
 * Room names and user ids come from peers: the key, random per process, keeps
 * anyone from choosing names that collide, or that all land on one shard. */
#pragma once

#include "ringroom/base/slice.h"

struct hash_key {
    uint64_t k0, k1;
};

/* Draws the process's key. Once, before any thread starts. */
void hash_init(void);
/* Any thread. */
uint64_t hash_bytes(struct slice bytes);
/* The same under a key of the caller's, for hashes that must not change from run to run. */
uint64_t hash_keyed(const struct hash_key *key, struct slice bytes);
