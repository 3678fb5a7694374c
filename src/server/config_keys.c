/* config_keys.c - every key there is. docs/configuration.md tells people about them. */
#include "config_parts.h"
#include "ringroom/base/check.h"
#include "ringroom/server/nearest.h"
#include <assert.h>

static const char *const ttl_from_names[] = {"last_message", "message", "first_message", NULL};
static const char *const auth_modes[] = {"open", "token", NULL};
static const char *const proxy_ways[] = {"forwarded", "protocol", NULL};
static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const log_formats[] = {"text", "json", NULL};

/* What CONFIG_CHOICE writes through. */
static_assert(sizeof(enum ttl_from) == sizeof(uint32_t), "a choice is stored as 32 bits");
static_assert(sizeof(enum auth_mode) == sizeof(uint32_t), "a choice is stored as 32 bits");
static_assert(sizeof(enum proxy_by) == sizeof(uint32_t), "a choice is stored as 32 bits");
static_assert(sizeof(enum logger_level) == sizeof(uint32_t), "a choice is stored as 32 bits");
static_assert(sizeof(enum log_format) == sizeof(uint32_t), "a choice is stored as 32 bits");

#define AT(field) offsetof(struct config, field)
#define NUMBER(bits, key, preset_json, least, most, field, text)                                   \
    {                                                                                              \
        .name = key, .type = CONFIG_U##bits, .preset = preset_json, .min = least, .max = most,     \
        .offset = AT(field), .help = text                                                          \
    }
#define CHOICE(key, preset_json, names, field, text)                                               \
    {                                                                                              \
        .name = key, .type = CONFIG_CHOICE, .preset = preset_json, .choices = names,               \
        .offset = AT(field), .help = text                                                          \
    }
#define OTHER(kind, key, preset_json, at, text)                                                    \
    {                                                                                              \
        .name = key, .type = kind, .preset = preset_json, .offset = at, .help = text               \
    }

/* clang-format off: one key, one entry, two lines. */
const struct config_key config_keys[] = {
    OTHER(CONFIG_LISTENERS, "listen", "\"0.0.0.0:8443\"", AT(listen),
          "Where to listen with TLS. Port 0: the kernel chooses, the `ready` line tells"),
    OTHER(CONFIG_LISTENERS, "listen_plain", "[]", AT(listen_plain),
          "Where to listen without TLS, for a proxy in front or for tests"),
    OTHER(CONFIG_PATH, "tls.cert", "null", AT(tls_cert),
          "The certificate chain (PEM), the server's own certificate first"),
    OTHER(CONFIG_PATH, "tls.key", "null", AT(tls_key), "The certificate's private key (PEM)"),
    OTHER(CONFIG_PATH, "tls.ocsp", "null", AT(tls_ocsp),
          "Its issuer's OCSP response (DER), sent to clients that ask for it"),
    OTHER(CONFIG_ACCOUNT, "user", "null", AT(user),
          "Whom to become where started as root, once the sockets are open and the key is read"),
    OTHER(CONFIG_ACCOUNT, "group", "null", AT(group), "The group beside it; null: the user's own"),
    NUMBER(32, "shards", "0", 0, CONFIG_SHARDS_MAX, shards,
           "Threads that serve. 0: one per CPU that the process may use"),
    OTHER(CONFIG_ORIGINS, "origins", "[]", 0,
          "Web pages that may connect, by their Origin; CORS too. None: those of the same host"),
    OTHER(CONFIG_NETWORKS, "proxy.from", "[]", AT(settings.proxies),
          "Proxies in front, by their addresses: what they say of a client's address is believed"),
    CHOICE("proxy.by", "\"forwarded\"", proxy_ways, settings.proxy_by,
           "How they say it: in X-Forwarded-For, or by the PROXY protocol, version 2"),

    CHOICE("auth.mode", "\"open\"", auth_modes, settings.auth_mode,
           "Who may come in: everyone, or who has a token signed with one of auth.keys"),
    NUMBER(32, "auth.timeout", "10", 1, 300, settings.auth_timeout_s,
           "Seconds for a connection's first token, where the upgrade brought none"),
    OTHER(CONFIG_AUTH_KEYS, "auth.keys", "[]", AT(auth_keys),
          "The keys that tokens are verified and minted with"),
    OTHER(CONFIG_TEXT, "auth.audience", "null", AT(auth_audience),
          "What a token's `aud` must hold. null: anything"),

    OTHER(CONFIG_API_KEYS, "api.keys", "[]", AT(api_keys),
          "The keys of back ends, for the HTTP API at /v1. None: it is off"),
    NUMBER(32, "api.max_body", "1048576", 65536, 64 << 20, settings.api_max_body,
           "Bytes of a request's body there"),

    NUMBER(32, "retention.ttl", "3600", RETENTION_TTL_MIN_S, RETENTION_TTL_MAX_S,
           settings.retention.defaults.ttl_s, "Seconds that messages are kept"),
    CHOICE("retention.ttl_from", "\"last_message\"", ttl_from_names,
           settings.retention.defaults.ttl_from, "From where the ttl counts"),
    NUMBER(32, "retention.max_messages", "10000", 1, 10000000,
           settings.retention.defaults.max_messages, "Messages kept per room; the oldest go first"),
    NUMBER(64, "retention.max_bytes", "4194304", 1, (uint64_t)64 << 30,
           settings.retention.defaults.max_bytes,
           "Bytes kept per room; the oldest messages go first, the newest stays"),
    OTHER(CONFIG_ROOMS, "rooms", "[]", 0,
          "Rules for rooms by name; the first that matches decides"),

    NUMBER(32, "limits.max_message", "16384", 256, 16 << 20, settings.max_message,
           "Bytes of one client message; a larger one closes the connection (1009)"),
    NUMBER(32, "limits.messages_per_second", "20", 0, 1000000, settings.messages_per_second,
           "Messages a second that one connection may send. 0: no limit"),
    NUMBER(32, "limits.burst", "40", 0, 1000000, settings.burst,
           "Messages that it may send at once after a pause"),
    NUMBER(32, "limits.requests_per_second", "100", 0, 1000000, settings.requests_per_second,
           "Joins, look-ups, tokens and moderation a second of one connection. 0: no limit"),
    NUMBER(32, "limits.requests_burst", "1000", 0, 1000000, settings.requests_burst,
           "Of these, that it may ask at once after a pause"),
    NUMBER(32, "limits.connections", "0", 0, 16 << 20, connections,
           "Connections of the process. 0: as many as its open-files limit allows"),
    NUMBER(32, "limits.connections_per_ip", "0", 0, 16 << 20, settings.connections_per_ip,
           "Connections at a time from one address (IPv6: from one /64). 0: no limit"),
    NUMBER(32, "limits.handshakes_per_ip", "1000", 0, 1000000, settings.handshakes_per_ip,
           "New connections a second from one address; a minute's worth at once. 0: no limit"),
    NUMBER(32, "limits.bad_requests_per_ip", "200", 0, 1000000, settings.bad_requests_per_ip,
           "Bad requests a second from one address; a minute's worth at once. 0: no limit"),
    NUMBER(32, "limits.rooms_per_connection", "128", 0, 1000000, settings.rooms_per_connection,
           "Rooms that one connection may be in. 0: no limit"),
    NUMBER(32, "limits.members_per_room", "0", 0, 16 << 20, settings.members_per_room,
           "Members of one room. 0: no limit"),
    NUMBER(64, "limits.memory", "0", 0, (uint64_t)1 << 48, settings.memory_max,
           "Bytes of all rooms' logs; beyond, new messages are refused. 0: no limit"),
    NUMBER(32, "limits.handshake_timeout", "10", 1, 300, settings.handshake_timeout_s,
           "Seconds for a new connection's TLS handshake and request"),
    NUMBER(32, "limits.idle_timeout", "60", 2, 86400, settings.idle_timeout_s,
           "Seconds without a frame received after which a connection is closed"),
    NUMBER(32, "limits.ping_interval", "25", 1, 86399, settings.ping_interval_s,
           "Seconds between pings; less than limits.idle_timeout"),
    NUMBER(32, "limits.recovery", "86400", 0, 2592000, settings.recovery_s,
           "Seconds that a Socket.IO session whose connection was lost can be resumed. 0: never"),
    NUMBER(32, "limits.recoverable", "65536", 0, 16 << 20, settings.recoverable_max,
           "Such sessions that the process remembers; the oldest go first. 0: none"),
    NUMBER(32, "presence.max", "200", 0, 1000000, settings.presence_max,
           "Members of a room above which only their count is told, not who comes and goes"),
    NUMBER(32, "presence.grace", "3", 0, 300, settings.presence_grace_s,
           "Seconds that a user whose connection broke is still a member, and may come back"),
    NUMBER(64, "delivery_window", "1048576", 0, 1 << 30, settings.delivery_window,
           "Bytes of a room kept, beyond its retention, for members who are still reading"),

    OTHER(CONFIG_LISTENERS, "metrics.listen", "[]", AT(metrics_listen),
          "Where to listen without TLS for /metrics, /healthz and /readyz alone"),
    OTHER(CONFIG_NETWORKS, "metrics.allow", "[\"127.0.0.0/8\", \"::1\"]", AT(settings.scrapers),
          "Who may have /metrics at the other listeners, by the client's address"),
    OTHER(CONFIG_BOOL, "conformance.enabled", "false", AT(settings.conformance),
          "Serve /echo for protocol test suites; loopback listeners only"),
    OTHER(CONFIG_BOOL, "debug.core_dumps", "false", AT(core_dumps),
          "Let a crash write a core file, and debuggers attach: both see messages and keys"),
    NUMBER(32, "drain", "10", 0, 3600, settings.drain_s,
           "Seconds that a stopping server gives its clients to go"),
    CHOICE("log.level", "\"info\"", log_levels, log_level,
           "The least severe lines that are logged"),
    CHOICE("log.format", "\"text\"", log_formats, log_format, "How log lines look"),
};
/* clang-format on */
const size_t config_keys_count = array_len(config_keys);

const char *const config_groups[] = {"tls",         "proxy",  "auth",     "api",
                                     "retention",   "limits", "presence", "metrics",
                                     "conformance", "debug",  "log"};
const size_t config_groups_count = array_len(config_groups);

static_assert(array_len(config_keys) <= CONFIG_KEYS_MAX, "a loader has room for every key");

const struct config_key *config_key_find(const char *name)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        if (strcmp(config_keys[i].name, name) == 0)
            return &config_keys[i];
    }
    return NULL;
}

size_t config_key_index(const struct config_key *key)
{
    CHECK(key >= config_keys && key < config_keys + config_keys_count);
    return (size_t)(key - config_keys);
}

const struct config_key *config_group_find(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < config_keys_count; i++) {
        if (strncmp(config_keys[i].name, name, len) == 0 && config_keys[i].name[len] == '.')
            return &config_keys[i];
    }
    return NULL;
}

const char *config_nearest(const char *name)
{
    struct nearest nearest = nearest_to(name);

    for (size_t i = 0; i < config_keys_count; i++)
        nearest_offer(&nearest, config_keys[i].name);
    if (strchr(name, '.'))
        return nearest.best;
    for (size_t i = 0; i < config_groups_count; i++)
        nearest_offer(&nearest, config_groups[i]);
    /* Without its group, a key is still recognised by its own part alone. */
    for (size_t i = 0; i < config_keys_count; i++) {
        const char *dot = strchr(config_keys[i].name, '.');

        if (dot)
            nearest_offer_part(&nearest, dot + 1, config_keys[i].name);
    }
    return nearest.best;
}

static void allowed_choices(const struct config_key *key, char *text, size_t text_bytes)
{
    int used = snprintf(text, text_bytes, "one of");

    for (size_t i = 0; key->choices[i] && used >= 0 && (size_t)used < text_bytes; i++)
        used += snprintf(text + used, text_bytes - (size_t)used, "%s \"%s\"", i ? "," : "",
                         key->choices[i]);
}

void config_allowed(const struct config_key *key, char *text, size_t text_bytes)
{
    switch (key->type) {
    case CONFIG_U32:
    case CONFIG_U64:
        snprintf(text, text_bytes, "a whole number from %llu to %llu", (unsigned long long)key->min,
                 (unsigned long long)key->max);
        break;
    case CONFIG_BOOL:
        snprintf(text, text_bytes, "true or false");
        break;
    case CONFIG_CHOICE:
        allowed_choices(key, text, text_bytes);
        break;
    case CONFIG_PATH:
        snprintf(text, text_bytes, "a file name");
        break;
    case CONFIG_ACCOUNT:
        snprintf(text, text_bytes, "a name or a number");
        break;
    case CONFIG_TEXT:
        snprintf(text, text_bytes, "a text of at most %d bytes without control characters",
                 CONFIG_TEXT_MAX);
        break;
    case CONFIG_LISTENERS:
        snprintf(text, text_bytes,
                 "a numeric address with its port, as \"0.0.0.0:8443\" or \"[::]:8443\", or a list "
                 "of at most %d of them",
                 CONFIG_LISTENERS_MAX);
        break;
    case CONFIG_ORIGINS:
        snprintf(text, text_bytes,
                 "an origin, as \"https://example.org\" or \"https://*.example.org\" or \"*\", "
                 "in lower case, without a path or a default port, or a list of at most %d of them",
                 CONFIG_ORIGINS_MAX);
        break;
    case CONFIG_NETWORKS:
        snprintf(text, text_bytes,
                 "an address or a network, as \"192.0.2.1\", \"10.0.0.0/8\" or \"2001:db8::/32\", "
                 "without bits behind its prefix, or a list of at most %d of them",
                 CONFIG_NETWORKS_MAX);
        break;
    case CONFIG_ROOMS:
        snprintf(text, text_bytes,
                 "a list of at most %d rules, as [{\"match\": \"game-*\", \"ttl\": 1860}]",
                 CONFIG_RULES_MAX);
        break;
    case CONFIG_AUTH_KEYS:
        snprintf(text, text_bytes,
                 "a list of at most %d keys, as [{\"kid\": \"2026\", \"alg\": \"HS256\", "
                 "\"file\": \"credential:token-key\"}]",
                 TOKEN_KEYS_MAX);
        break;
    case CONFIG_API_KEYS:
        snprintf(text, text_bytes,
                 "a list of at most %d keys, as [{\"name\": \"shop\", \"file\": "
                 "\"credential:api-key\"}]",
                 API_KEYS_MAX);
        break;
    }
}
