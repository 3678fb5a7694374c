/* config_check.c - what no single value tells: keys that must fit each other, or the machine. */
#include "config_parts.h"
#include "ringroom/base/check.h"
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <unistd.h>

/* Blames `name` with its value in force and where that came from. */
#define BLAME(loader, name, ...)                                                                   \
    (blame_at(loader, name),                                                                       \
     config_refuse(loader, name, (loader)->values[config_key_index(config_key_find(name))],        \
                   __VA_ARGS__))

static void blame_at(struct config_loader *loader, const char *name)
{
    loader->at = loader->origins[config_key_index(config_key_find(name))];
}

#define HOW_TO_GET_A_CERTIFICATE                                                                   \
    "`./dev run` makes a pair for development, an ACME client (certbot, lego, acme.sh) one for a " \
    "public name; behind a proxy that does TLS, set listen to [] and listen_plain to an address"

static int check_tls(struct config_loader *loader)
{
    const struct config *config = &loader->config;

    if (config->tls_cert && !config->tls_key)
        return BLAME(loader, "tls.key",
                     "must name the PEM file of the private key that belongs to tls.cert (%s)",
                     config->tls_cert);
    if (config->tls_key && !config->tls_cert)
        return BLAME(loader, "tls.cert",
                     "must name the PEM file of the certificate chain that belongs to tls.key (%s)",
                     config->tls_key);
    if (config->listen.count > 0 && !config->tls_cert)
        return BLAME(loader, "listen",
                     "TLS needs tls.cert and tls.key, a certificate chain and its private key "
                     "(PEM files); " HOW_TO_GET_A_CERTIFICATE);
    return 0;
}

static bool is_any(const struct config_listener *listener)
{
    return listener->address.any.sa_family == AF_INET6
               ? IN6_IS_ADDR_UNSPECIFIED(&listener->address.v6.sin6_addr)
               : listener->address.v4.sin_addr.s_addr == INADDR_ANY;
}

static bool overlap(const struct config_listener *a, const struct config_listener *b)
{
    if (a->address_bytes != b->address_bytes ||
        a->address.v4.sin_port != b->address.v4.sin_port) /* at the same place in v6 */
        return false;
    return is_any(a) || is_any(b) || memcmp(&a->address, &b->address, a->address_bytes) == 0;
}

/* One of two listeners is in the other's place. */
static int blame_for_overlap(struct config_loader *loader, const struct config_listener *one,
                             enum listener_kind one_kind, const struct config_listener *other,
                             enum listener_kind other_kind)
{
    char text[CONFIG_ADDRESS_BYTES], other_text[CONFIG_ADDRESS_BYTES];
    const char *key = config_listener_key(other_kind);

    config_address_text(one, text);
    config_address_text(other, other_text);
    if (strcmp(text, other_text) != 0)
        return BLAME(loader, key,
                     "%s stands beside %s, and one covers the other; give one address, or "
                     "another port",
                     other_text, text);
    if (other_kind == LISTENER_TLS)
        return BLAME(loader, key, "%s stands there twice", text);
    return BLAME(loader, key, "%s stands twice, in %s and in %s", text, key,
                 config_listener_key(one_kind));
}

/* SO_REUSEPORT would let both be bound, and the kernel deal connections out between the two. */
static int check_twice(struct config_loader *loader)
{
    const struct config *config = &loader->config;
    const struct config_listener *one, *other;
    enum listener_kind one_kind, other_kind;

    for (size_t i = 0; (one = config_listener_at(config, i, &one_kind)); i++) {
        if (one->address.v4.sin_port == 0) /* at the same place in v6 */
            continue;
        for (size_t j = i + 1; (other = config_listener_at(config, j, &other_kind)); j++)
            if (overlap(one, other))
                return blame_for_overlap(loader, one, one_kind, other, other_kind);
    }
    return 0;
}

static int check_listeners(struct config_loader *loader)
{
    const struct config *config = &loader->config;

    if (config->listen.count + config->listen_plain.count == 0)
        return BLAME(loader, "listen",
                     "there must be an address to listen at, as \"0.0.0.0:8443\", here or in "
                     "listen_plain");
    for (size_t i = 0; config->settings.conformance && i < config->listen.count; i++) {
        if (!config_address_is_loopback(&config->listen.list[i]))
            return BLAME(loader, "conformance.enabled",
                         "must be false unless every address of listen is on loopback "
                         "(127.0.0.1 or [::1])");
    }
    for (size_t i = 0; config->settings.conformance && i < config->listen_plain.count; i++) {
        if (!config_address_is_loopback(&config->listen_plain.list[i]))
            return BLAME(loader, "conformance.enabled",
                         "must be false unless every address of listen_plain is on loopback "
                         "(127.0.0.1 or [::1])");
    }
    return check_twice(loader);
}

static int check_limits(struct config_loader *loader)
{
    const struct settings *settings = &loader->config.settings;

    if (settings->ping_interval_s >= settings->idle_timeout_s)
        return BLAME(loader, "limits.ping_interval",
                     "must be less than limits.idle_timeout, which is %u",
                     settings->idle_timeout_s);
    if (settings->messages_per_second > 0 && settings->burst == 0)
        return BLAME(loader, "limits.burst",
                     "must be at least 1 where limits.messages_per_second is not 0 (it is %u)",
                     settings->messages_per_second);
    if (settings->requests_per_second > 0 && settings->requests_burst == 0)
        return BLAME(loader, "limits.requests_burst",
                     "must be at least 1 where limits.requests_per_second is not 0 (it is %u)",
                     settings->requests_per_second);
    if (settings->memory_max > 0 && settings->memory_max < settings->max_message)
        return BLAME(loader, "limits.memory",
                     "must be 0 or at least limits.max_message, which is %u",
                     settings->max_message);
    return 0;
}

static int check_auth(struct config_loader *loader)
{
    const struct config *config = &loader->config;

    if (config->settings.auth_mode == AUTH_OPEN)
        return 0;
    if (config->auth_keys.count == 0)
        return BLAME(loader, "auth.keys",
                     "must have a key where auth.mode is \"token\", as [{\"alg\": \"HS256\", "
                     "\"file\": \"credential:token-key\"}]");
    return 0;
}

static int check_proxies(struct config_loader *loader)
{
    const struct settings *settings = &loader->config.settings;

    if (settings->proxy_by == PROXY_BY_PROTOCOL && settings->proxies.count == 0)
        return BLAME(
            loader, "proxy.by",
            "needs proxy.from, the addresses of the proxies that speak the PROXY protocol, "
            "as [\"10.0.0.0/8\"]");
    return 0;
}

int config_check(struct config_loader *loader)
{
    int error = check_listeners(loader);

    if (error == 0)
        error = check_tls(loader);
    if (error == 0)
        error = check_limits(loader);
    if (error == 0)
        error = check_auth(loader);
    if (error == 0)
        error = check_proxies(loader);
    return error;
}

void config_machine_probe(struct config_machine *ret_machine)
{
    struct config_machine machine = {.cpus = 1, .files = 1024};
    struct rlimit limit;
    cpu_set_t cpus;

    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0) {
        machine.cpus = (uint32_t)CPU_COUNT(&cpus);
    } else { /* more CPUs than a cpu_set_t holds */
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        machine.cpus = online > 0 ? (uint32_t)online : 1;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        machine.files = limit.rlim_max;
    *ret_machine = machine;
}

void config_list_limits(struct config *config)
{
    static const char group[] = "limits.";
    struct settings *settings = &config->settings;

    static_assert((int)CONFIG_KEYS_MAX <= (int)SETTINGS_LIMITS_MAX, "every key may be a limit");
    settings->limits_count = 0;
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct config_key *key = &config_keys[i];
        const void *field = (const char *)config + key->offset;
        if (strncmp(key->name, group, sizeof(group) - 1) != 0)
            continue;
        CHECK(key->type == CONFIG_U32 || key->type == CONFIG_U64);
        settings->limits[settings->limits_count++] = (struct settings_limit){
            .name = key->name + sizeof(group) - 1,
            .value = key->type == CONFIG_U32 ? *(const uint32_t *)field : *(const uint64_t *)field};
    }
}

int config_resolve(struct config *config, const struct config_machine *machine, char *ret_error,
                   size_t error_bytes)
{
    uint32_t shards = config->shards ? config->shards : machine->cpus;
    size_t listeners =
        config->listen.count + config->listen_plain.count + config->metrics_listen.count;

    shards = shards > CONFIG_SHARDS_MAX ? CONFIG_SHARDS_MAX : shards;
    uint64_t reserved = CONFIG_FILES_RESERVED + shards * (CONFIG_FILES_PER_SHARD + listeners);
    uint64_t possible = machine->files > reserved ? machine->files - reserved : 0;
    uint32_t connections = config->connections;

    if (connections == 0)
        connections = possible < CONFIG_CONNECTIONS_AUTO_MAX ? (uint32_t)possible
                                                             : CONFIG_CONNECTIONS_AUTO_MAX;
    if (connections == 0 || connections > possible) {
        if (error_bytes > 0)
            snprintf(ret_error, error_bytes,
                     "limits.connections: %u: %s %llu: this process may have %llu "
                     "files open (hard RLIMIT_NOFILE), and %u shards keep %llu for themselves; "
                     "raise it with LimitNOFILE= in the unit file or `ulimit -Hn`, or set fewer "
                     "shards",
                     config->connections, possible ? "must be at most" : "possible are",
                     (unsigned long long)possible, (unsigned long long)machine->files, shards,
                     (unsigned long long)reserved);
        return -EINVAL;
    }
    config->shards = shards;
    config->connections = connections;
    config->settings.connections_max = connections / shards + (connections % shards != 0);
    config_list_limits(config);
    return 0;
}
