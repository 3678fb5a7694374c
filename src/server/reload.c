/* reload.c - the configuration read again, from where it came, while the server serves.
 *
 * It is taken as a whole or not at all. What is taken becomes a new generation, which every shard
 * is handed by letter; when all letters are home nobody looks at the old one any more, and it is
 * freed. Until then a further SIGHUP waits. Some keys are about what was made at the start: these
 * keep their values, and the log says so. */
#include "ringroom/base/check.h"
#include "ringroom/base/clock.h"
#include "ringroom/base/mem.h"
#include "ringroom/wire/tls.h"
#include "server_core.h"

#include <errno.h>

enum { LISTED_BYTES = 400 }; /* of the names of keys in a line of the log */

/* Sockets, threads and the process are made once; buffers and the hello of those who are connected
 * go by limits.max_message; and who came in without a token cannot be asked for one. */
static const char *const keys_of_the_start[] = {
    "listen",
    "listen_plain",
    "metrics.listen",
    "user",
    "group",
    "shards",
    "limits.connections",
    "auth.mode",
    "limits.max_message",
    "conformance.enabled",
    "debug.core_dumps",
};

static bool is_of_the_start(const struct config_key *key)
{
    for (size_t i = 0; i < array_len(keys_of_the_start); i++) {
        if (strcmp(key->name, keys_of_the_start[i]) == 0)
            return true;
    }
    return false;
}

/* Reads and checks all of it. NULL with the reason in `why`. */
static struct generation *read_again(const struct server *server, char *why, size_t why_bytes)
{
    const struct generation *now = server->now;
    struct generation *next = generation_new();
    struct config_machine machine;
    int error = next ? config_load(server->source, &next->config, why, why_bytes) : -ENOMEM;

    config_machine_probe(&machine);
    if (!error)
        error = config_resolve(&next->config, &machine, why, why_bytes);
    if (!error)
        error = generation_open(next, now->tls != NULL, why, why_bytes);
    if (!error && now->config.settings.auth_mode == AUTH_TOKEN && !next->token_keys) {
        snprintf(why, why_bytes,
                 "auth.keys: none are left, and auth.mode stays \"token\" until "
                 "the server is started again");
        error = -EINVAL;
    }
    if (!error)
        return next;
    if (error == -ENOMEM)
        snprintf(why, why_bytes, "out of memory");
    generation_free(next);
    return NULL;
}

/* What was made at the start goes on; and the log says what is otherwise now. */
static void compare(struct generation *now, struct generation *next)
{
    char names[LISTED_BYTES] = "";
    size_t used = 0;

    for (size_t i = 0; i < config_keys_count; i++) {
        const struct config_key *key = &config_keys[i];

        if (!config_differs(&now->config, &next->config, key))
            continue;
        if (is_of_the_start(key)) {
            config_keep(&next->config, &now->config, key);
            logger_write(LOGGER_WARN, "%s: has changed, which takes a restart", key->name);
        } else if (used < sizeof(names)) {
            used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "",
                                     key->name);
        }
    }
    next->config.settings.connections_max = now->config.settings.connections_max;
    config_list_limits(&next->config);
    logger_write(LOGGER_INFO, "configuration, certificate and keys read again; changed: %s",
                 used ? names : "none of its keys");
}

static void hand_out(struct server *server, struct generation *next)
{
    server->old = server->now;
    server->now = next;
    server->config = &next->config;
    for (uint32_t i = 0; i < server->config->shards; i++) {
        struct shard_command *command = &server->workers[i].reload;

        command->settings = &next->config.settings;
        command->tls = next->tls;
        shard_command(server->mesh, i, command, SHARD_RELOAD);
    }
}

void reload_begin(struct server *server)
{
    char why[CONFIG_ERROR_BYTES] = "", text[96];

    if (server->old) {
        server->reload_again = true;
        return;
    }
    server->reload_again = false;
    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)(clock_mono_ns() / 1000));
    notify_manager(text);
    struct generation *next = read_again(server, why, sizeof(why));
    if (!next) {
        logger_write(LOGGER_ERROR, "the configuration is refused, and the old one stays: %s", why);
        server_tell_ready(server);
        return;
    }
    if (next->tls)
        tls_server_take_tickets(next->tls, server->now->tls);
    logger_change(next->config.log_level, next->config.log_format == LOG_FORMAT_JSON);
    compare(server->now, next);
    hand_out(server, next);
}

void reload_turn(struct server *server)
{
    for (uint32_t i = 0; server->old && i < server->config->shards; i++) {
        if (!shard_command_is_obeyed(&server->workers[i].reload))
            return;
    }
    if (server->old) {
        generation_free(server->old);
        server->old = NULL;
        server_tell_ready(server);
    }
    if (server->reload_again)
        reload_begin(server);
}
