/* serve_parts.h - what serve.c is made of: sockets, the process and whose it is, word to the
 * service manager. */
#pragma once

#include "ringroom/server/config.h"
#include "ringroom/shard/shard.h"

/* A listening socket that the service manager has passed on. */
struct passed_socket {
    int fd;
    enum listener_kind kind;
    struct config_listener at;
};

struct activation {
    struct passed_socket list[SHARD_LISTENERS_MAX];
    size_t count, tls_count;
};

/* What LISTEN_FDS in the environment tells, which is forgotten there: count 0 where nothing was
 * passed. Before any thread starts. 0 or -EINVAL with a plain sentence; the descriptors are closed
 * by sockets_open(). */
int activation_take(struct activation *ret_activation, const struct config *config, char *ret_why,
                    size_t why_bytes);

/* The listening sockets, each once for each shard. */
struct sockets {
    struct shard_listener *list;       /* [shard][listener] */
    struct config_listener *addresses; /* as bound: port 0 is replaced */
    size_t count;                      /* listeners of one shard */
    uint32_t shards;
};

/* Takes what was passed, for all shards to accept from; or else binds every configured address once
 * for each shard. 0, or a negative errno with a plain sentence; then nothing is left open. */
int sockets_open(struct sockets *sockets, const struct config *config,
                 const struct activation *activation, char *ret_why, size_t why_bytes);
/* The shards close what they were given: this frees the lists only, and where `close_all`, closes
 * what no shard took. */
void sockets_free(struct sockets *sockets, bool close_all);

/* Whether a socket could be bound there: 0 or a negative errno. */
int sockets_check(const struct config_listener *at);

/* Who listens where we want to. */
struct port_holder {
    int pid;
    char name[32];
};
/* False: nobody, or it may not be seen. */
bool port_holder_find(const struct config_listener *at, struct port_holder *ret_holder);

/* Core dumps, and with them other processes' looks into this one's memory: off unless wanted.
 * Again after a change of user, by which the kernel chooses anew. No new privileges. */
void process_close(bool core_dumps);
/* The soft limit of open files to the hard one. */
void process_raise_files(void);
/* Warns where it still is root. */
void process_warn_if_root(void);

/* The keys `user` and `group`. */
struct identity {
    bool wanted; /* false: it stays who it is */
    uid_t uid;
    gid_t gid;
};

/* Looks them up; needs no rights. 0, or -EINVAL with a plain sentence that names the key. */
int identity_find(const struct config *config, struct identity *ret_identity, char *ret_why,
                  size_t why_bytes);
/* Leaves root's rights for good; while the process has one thread. 0, or a negative errno with a
 * plain sentence: then the process must end, for it may be half-way. */
int identity_become(const struct identity *identity, char *ret_why, size_t why_bytes);

/* Tells the service manager, where there is one (sd_notify(3)'s protocol): lines of KEY=VALUE. */
void notify_manager(const char *state);
