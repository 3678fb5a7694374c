/* serve_parts.h - what serve.c is made of: sockets, and word to the service manager. */
#pragma once

#include "ringroom/server/config.h"
#include "ringroom/shard/shard.h"

/* A shard's share of the listening sockets. */
struct sockets {
    struct shard_listener *list;       /* [shard][listener] */
    struct config_listener *addresses; /* as bound: port 0 is replaced */
    size_t count;                      /* listeners of one shard */
    size_t tls_count;                  /* the first of them */
    uint32_t shards;
};

/* Binds every configured address once for each shard. 0, or a negative errno with a plain sentence;
 * then nothing is left open. */
int sockets_open(struct sockets *sockets, const struct config *config, char *ret_why,
                 size_t why_bytes);
/* The shards close what they were given: this frees the lists only, and where `close_all`, closes
 * what no shard took. */
void sockets_free(struct sockets *sockets, bool close_all);

/* Tells the service manager, where there is one (sd_notify(3)'s protocol). */
void notify_manager(const char *state);
