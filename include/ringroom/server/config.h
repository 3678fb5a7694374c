/* config.h - what the operator asked for: read, checked, and resolved for this machine.
 *
 * One table, config_keys, describes every key; reading, `ringroom check`, the
 * help text and the tests derive from it. Strength, weakest first: the table's
 * default, the file, the environment, --set. A value that is overridden must
 * be a valid one all the same. `null` stands for the default.
 *
 * Threads   the main thread; what shards see of it, unchanged while they do.
 * Ownership a loaded config owns all it points to; config_deinit() gives it back.
 *           What a config_source points to is borrowed, for the length of one call.
 * Bound     CONFIG_FILE_MAX, CONFIG_LISTENERS_MAX, CONFIG_RULES_MAX, CONFIG_ORIGINS_MAX,
 *           CONFIG_NETWORKS_MAX; beyond them the configuration is refused. */
#pragma once

#include "ringroom/base/logger.h"
#include "ringroom/proto/api_key.h"
#include "ringroom/proto/token.h"
#include "ringroom/shard/settings.h"
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

enum {
    CONFIG_ERROR_BYTES = 1024, /* holds every error; a longer one is cut */
    CONFIG_FILE_MAX = 4 << 20, /* bytes */
    CONFIG_LISTENERS_MAX = 16, /* of each of `listen`, `listen_plain` and `metrics.listen` */
    CONFIG_RULES_MAX = 1024,   /* entries of `rooms` */
    CONFIG_ORIGINS_MAX = 256,  /* entries of `origins` */
    CONFIG_NETWORKS_MAX = 64,  /* entries of `proxy.from`, and of `metrics.allow` */
    CONFIG_SHARDS_MAX = 256,
    CONFIG_CONNECTIONS_AUTO_MAX = 1 << 20, /* what limits.connections = 0 comes to at most */
    CONFIG_FILES_RESERVED = 64, /* descriptors kept back for what is not a client's connection, … */
    CONFIG_FILES_PER_SHARD = 16 /* … and this many more for each shard */
};

/* One address to listen at. */
struct config_listener {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address; /* port 0: the kernel chooses */
    socklen_t address_bytes;
};

struct config_listeners {
    struct config_listener *list; /* NULL where count is 0 */
    size_t count;
};

/* One entry of `auth.keys`. */
struct config_auth_key {
    char *kid; /* NULL: none */
    enum signature_alg alg;
    char *secret; /* HS256 only; else NULL, and `file` is set */
    char *file;   /* as written: "credential:NAME" is not a path yet */
};

struct config_auth_keys {
    struct config_auth_key *list; /* NULL where count is 0 */
    size_t count;                 /* at most TOKEN_KEYS_MAX */
};

/* One entry of `api.keys`; exactly one of digest, key and file is set. */
struct config_api_key {
    char *name;
    bool hashed; /* `digest` is set */
    uint8_t digest[DIGEST_SHA256_BYTES];
    char *key;  /* in clear */
    char *file; /* as written: "credential:NAME" is not a path yet */
};

struct config_api_keys {
    struct config_api_key *list; /* NULL where count is 0 */
    size_t count;                /* at most API_KEYS_MAX */
};

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct config_key;

struct config {
    struct settings settings;       /* what the shards see of it */
    struct config_listeners listen; /* with TLS */
    struct config_listeners listen_plain;
    struct config_listeners metrics_listen;
    char *tls_cert; /* file names; NULL: not set. Both are set where `listen` is not empty */
    char *tls_key;
    char *tls_ocsp; /* NULL: nothing is stapled */
    char *user;     /* whom to become after start, by name or number; NULL: nobody else */
    char *group;    /* NULL: the user's own */
    bool core_dumps;
    struct config_auth_keys auth_keys; /* auth_keys.h makes keys of them */
    char *auth_audience;               /* NULL: not looked at */
    struct config_api_keys api_keys;   /* api_keys.h hashes them */
    uint32_t shards;                   /* 0: one per CPU; never 0 after config_resolve() */
    uint32_t connections; /* of the process. 0: as many as RLIMIT_NOFILE allows; never 0 after
                             config_resolve(), which shares them out as settings.connections_max */
    enum logger_level log_level;
    enum log_format log_format;
};

/* Where values come from. Zeroed: the defaults alone. */
struct config_source {
    const char *file;               /* the file's name, or NULL */
    struct slice file_text;         /* tests: data not NULL: the file's content; nothing is read */
    const char *const *environment; /* as environ(7), NULL-terminated; or NULL */
    const char *const *sets;        /* KEY=VALUE, the later the stronger */
    size_t sets_count;
    bool not_served; /* keys need not fit each other: a few of them are wanted, not a server */
};

/* Reads and checks all but the machine: touches no file but source->file, opens no socket.
 * 0 and a config to config_deinit(); else -EINVAL (wrong content), -ENOMEM, or the -errno of
 * reading the file, `ret_config` untouched, and in ret_error one line that names the key, the
 * value, where it came from and what is allowed. ret_error is NUL-terminated in any case. */
int config_load(const struct config_source *source, struct config *ret_config, char *ret_error,
                size_t error_bytes);
/* Frees what config_load() made and zeroes the rest; a zeroed config is fine too. */
void config_deinit(struct config *config);

/* What this process may use. */
struct config_machine {
    uint32_t cpus;  /* by its affinity mask */
    uint64_t files; /* the hard RLIMIT_NOFILE: the soft one is raised to it at start */
};
void config_machine_probe(struct config_machine *ret_machine);
/* Replaces "as the machine allows" (shards, connections) by numbers and fills
 * settings.connections_max and settings.limits. 0, or -EINVAL with a line in ret_error where the
 * machine does not allow what is asked. */
int config_resolve(struct config *config, const struct config_machine *machine, char *ret_error,
                   size_t error_bytes);

/* Whether the two say something else for `key`. Of auth.keys only what is no secret is looked at.
 */
bool config_differs(const struct config *a, const struct config *b, const struct config_key *key);
/* Gives `config` the value of `from`. What lies in struct settings is copied, for shards may be
 * reading it; of all else `from` gets what `config` had. Not for lists of objects. */
void config_keep(struct config *config, struct config *from, const struct config_key *key);

/* Puts all limits.* as they are now into settings.limits, where who wants to see them finds them.
 * config_resolve() does that, too. */
void config_list_limits(struct config *config);

/* Prints the configuration as a JSON file that config_load() would read to the same.
 * 0 or -ENOMEM, -EIO. */
int config_print(const struct config *config, FILE *out);
/* One key a line: name, default, what is allowed, what it does. */
void config_print_keys(FILE *out);

/* "1.2.3.4:80", "[::1]:80". */
enum { CONFIG_ADDRESS_BYTES = INET6_ADDRSTRLEN + sizeof("[]:65535") };
void config_address_text(const struct config_listener *listener, char text[CONFIG_ADDRESS_BYTES]);
/* The n-th of all addresses to listen at, those with TLS first; NULL: there are no more. */
const struct config_listener *config_listener_at(const struct config *config, size_t n,
                                                 enum listener_kind *ret_kind);
/* The key that such listeners are configured by. */
const char *config_listener_key(enum listener_kind kind);
bool config_address_is_loopback(const struct config_listener *listener);

enum config_type {
    CONFIG_U32,       /* a whole number, uint32_t */
    CONFIG_U64,       /* a whole number, uint64_t */
    CONFIG_BOOL,      /* true or false, bool */
    CONFIG_CHOICE,    /* one of `choices`, an enum */
    CONFIG_PATH,      /* a file name, char *; "" is NULL */
    CONFIG_ACCOUNT,   /* a user or group, by name or number, char *; "" is NULL */
    CONFIG_TEXT,      /* a short text, char *; "" is NULL */
    CONFIG_LISTENERS, /* an address or a list, struct config_listeners */
    CONFIG_ORIGINS,   /* a pattern or a list; settings.origins */
    CONFIG_NETWORKS,  /* a network or a list, struct settings_networks */
    CONFIG_ROOMS,     /* a list of objects; settings.retention.rules */
    CONFIG_AUTH_KEYS, /* a list of objects, struct config_auth_keys; its values are never shown */
    CONFIG_API_KEYS,  /* the same, struct config_api_keys */
};

struct config_key {
    const char *name; /* with dots: "limits.burst" */
    enum config_type type;
    const char *preset;         /* the default, as JSON */
    uint64_t min, max;          /* CONFIG_U32 and CONFIG_U64: both allowed */
    const char *const *choices; /* CONFIG_CHOICE: in the enum's order, NULL-terminated */
    size_t offset; /* of the field in struct config; unused for CONFIG_ORIGINS, _NETWORKS, _ROOMS */
    const char *help;
};

extern const struct config_key config_keys[];
extern const size_t config_keys_count;
/* What stands before the dots: "limits". */
extern const char *const config_groups[];
extern const size_t config_groups_count;

/* What values of `key` may be, in plain words: "a whole number from 1 to 5". */
void config_allowed(const struct config_key *key, char *text, size_t text_bytes);
/* The known key or group of keys that is nearest to `name`, NULL where none is near. */
const char *config_nearest(const char *name);
