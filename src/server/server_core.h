/* server_core.h - the running server from the inside: its threads, and what they share.
 *
 * Threads   the main thread, but for `lock` and what it guards, and a worker's own members. */
#pragma once

#include "ringroom/server/config.h"
#include "serve_parts.h"

#include <pthread.h>
#include <signal.h>

struct server;

/* A shard's thread. */
struct worker {
    struct server *server;
    struct shard_plan plan;
    struct shard *shard;
    pthread_t thread;
    int cpu; /* -1: not pinned */
    struct shard_command stop, cut, exit, pulse, reload;
};

/* A configuration with all that was read because of it; unchanged while shards see it. */
struct generation {
    struct config config;          /* its settings are the shards' */
    struct token_keys *token_keys; /* NULL: none */
    struct api_keys api_keys;
    struct tls_server *tls;        /* NULL: no socket is for TLS */
};

/* pulse.c: the shards' signs of life, and what the service manager is told of them. */
struct pulse {
    uint64_t every_ms; /* 0: nobody wants to know */
    uint64_t due_ms;
    uint64_t asked_ms;
    bool watched; /* the manager ends a server that it does not hear of */
    bool asked;   /* true from when all shards have been asked until all have answered */
    bool late;    /* that one of them keeps us waiting has been logged */
};

struct server {
    const struct config_source *source;
    struct generation *now;
    struct generation *old;      /* what a reload has replaced, until no shard sees it; else NULL */
    bool reload_again;           /* asked for meanwhile */
    const struct config *config; /* of `now` */
    struct mesh *mesh;
    struct sockets sockets;
    struct worker *workers;
    sigset_t signals; /* blocked, and waited for */
    struct pulse pulse;
    bool stopping;

    /* Start-up alone; no shard takes this lock while it serves. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t made, failed; /* workers */
    bool go;               /* all shards are made: serve */
    bool give_up;
    char why[512];

    pthread_t main_thread;
};

/* The next signal, a shard's (an order has been obeyed) among them; 0 where none has come by
 * `until_ms` (UINT64_MAX: no limit). Meanwhile pulses go on. */
int server_wait(struct server *server, uint64_t until_ms);

/* READY=1: after the start, and after each reload. */
void server_tell_ready(const struct server *server);

/* generation.c. Zeroed; NULL where memory has run out. */
struct generation *generation_new(void);
/* Reads what generation->config names; the certificate where `tls`. 0 or a negative errno with a
 * plain sentence. */
int generation_open(struct generation *generation, bool tls, char *ret_why, size_t why_bytes);
void generation_free(struct generation *generation); /* takes NULL; its config too */

/* Reads the configuration again and, where it is good, hands it out. */
void reload_begin(struct server *server);
/* Ends one that all shards have taken; begins the next where one was asked for. */
void reload_turn(struct server *server);

/* Whether somebody wants to know, as the environment says. */
void pulse_init(struct pulse *pulse);
/* Asks the shards where that is due, and passes on what they have answered. Returns when it wants
 * to be called again at the latest; UINT64_MAX: never. */
uint64_t pulse_turn(struct server *server, uint64_t now_ms);
/* "STATUS=", a line for people. */
enum { PULSE_STATUS_BYTES = 128 };
void pulse_status(const struct server *server, char text[PULSE_STATUS_BYTES]);
