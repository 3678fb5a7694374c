/* settings.h - what the shards need to know of the configuration.
 *
 * Filled by `server`, shared by all shards, never changed. A reload hands others
 * to each shard (SHARD_RELOAD), and frees these when all have let go of them: so
 * nobody keeps a pointer into them beyond a turn, but struct shard. docs/configuration.md says what
 * each key means to people. */
#pragma once

#include "ringroom/base/ip.h"
#include "ringroom/room/retention.h"
#include <stdbool.h>
#include <stdint.h>

struct api_keys;
struct token_keys;

struct settings_networks {
    struct ip_network *list; /* NULL where count is 0 */
    size_t count;
};

enum { SETTINGS_LIMITS_MAX = 64 };

/* A limit as it is configured, for /metrics. */
struct settings_limit {
    const char *name; /* of the key, behind "limits." */
    uint64_t value;
};

enum listener_kind {
    LISTENER_TLS,
    LISTENER_PLAIN,
    LISTENER_METRICS, /* without TLS; for /metrics, /healthz and /readyz alone */
};

enum auth_mode {
    AUTH_OPEN, /* everyone may do everything but moderate */
    AUTH_TOKEN /* a token says who one is and what one may do */
};

enum proxy_by {
    PROXY_BY_FORWARDED, /* each request, in X-Forwarded-For */
    PROXY_BY_PROTOCOL   /* each connection, in a PROXY protocol header in front */
};

struct settings {
    struct retention_rules retention;
    uint64_t delivery_window; /* bytes kept for cursors beyond a room's limits */

    uint32_t max_message;          /* bytes of one client message */
    uint32_t messages_per_second;  /* sends of one connection; 0 = no limit */
    uint32_t burst;                /* sends at once */
    uint32_t requests_per_second;  /* other requests of one connection; 0 = no limit */
    uint32_t requests_burst;       /* other requests at once */
    uint32_t connections_max;      /* of one shard */
    uint32_t connections_per_ip;   /* of the process, at a time; 0 = no limit */
    uint32_t handshakes_per_ip;    /* new connections a second; 0 = no limit */
    uint32_t bad_requests_per_ip;  /* a second; 0 = no limit */
    uint32_t rooms_per_connection; /* 0 = no limit */
    uint32_t members_per_room;     /* 0 = no limit */
    uint64_t memory_max;           /* bytes of all logs of the process; 0 = no limit */
    uint32_t handshake_timeout_s;  /* TLS and the HTTP request head */
    uint32_t idle_timeout_s;       /* without a received frame */
    uint32_t ping_interval_s;
    uint32_t presence_max;     /* above this many members only counts are sent */
    uint32_t presence_grace_s; /* that a user whose connection broke stays a member; 0 = none */

    uint32_t recovery_s;      /* that a lost Socket.IO session is remembered; 0 = not at all */
    uint32_t recoverable_max; /* such sessions of the process; the shards divide. 0 = none */

    enum auth_mode auth_mode;
    uint32_t auth_timeout_s;             /* for the first token, where the upgrade brought none */
    const struct token_keys *token_keys; /* shared by all shards; NULL: none are configured */

    const struct api_keys *api_keys; /* shared by all shards; NULL: the HTTP API is off */
    uint32_t api_max_body;           /* bytes of a request to it */

    char **origins; /* allowed Origin values, '*' as wildcard; none: same host only */
    size_t origins_count;

    struct settings_networks proxies; /* whose word about a client's address is taken ... */
    enum proxy_by proxy_by; /* ... and how they give it */

    struct settings_networks scrapers; /* who may have /metrics at every listener */
    struct settings_limit limits[SETTINGS_LIMITS_MAX]; /* all of limits.* */
    size_t limits_count;

    bool conformance; /* serve /echo; loopback listeners only */
    uint32_t drain_s; /* how long a stopping server waits for its clients to go */
};
