/* sockets.c - the listening sockets: each address once for each shard, or one for all of them where
 * the service manager has passed it. */
#include "ringroom/base/mem.h"
#include "ringroom/ring/listener.h"
#include "serve_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int explain(enum listener_kind kind, const struct config_listener *at, int error, char *why,
                   size_t why_bytes)
{
    char text[CONFIG_ADDRESS_BYTES];
    const char *hint = "";

    config_address_text(at, text);
    if (error == -EADDRINUSE)
        hint = ": another process listens there; stop it, or choose another port";
    else if (error == -EACCES)
        hint = ": ports below 1024 need the right to bind them (CAP_NET_BIND_SERVICE)";
    else if (error == -EADDRNOTAVAIL)
        hint = ": this machine has no such address";
    else if (error == -EAFNOSUPPORT)
        hint = ": this machine has IPv6 switched off; use an IPv4 address";
    snprintf(why, why_bytes, "%s: can't listen at %s: %s%s", config_listener_key(kind), text,
             strerror(-error), hint);
    return error;
}

static bool has_port(const struct config_listener *at)
{
    return at->address.v4.sin_port != 0; /* at the same place in v6 */
}

/* Sockets that share a port would be dealt connections side by side with another server's: first
 * see that nobody is there. */
int sockets_check(const struct config_listener *at)
{
    struct address address = {.v6 = at->address.v6};
    int fd = has_port(at) ? listener_bind(&address, false) : -1;

    if (fd < 0)
        return has_port(at) ? fd : 0;
    close(fd);
    return 0;
}

static int open_one(struct sockets *sockets, size_t index, enum listener_kind kind)
{
    struct config_listener *at = &sockets->addresses[index];
    struct address address = {.v6 = at->address.v6};
    int error = sockets_check(at);

    for (uint32_t shard = 0; shard < sockets->shards && !error; shard++) {
        int fd = listener_bind(&address, true);
        if (fd < 0)
            error = fd;
        else
            sockets->list[shard * sockets->count + index] =
                (struct shard_listener){.fd = fd, .kind = kind};
    }
    at->address.v6 = address.v6;
    return error;
}

static int bind_all(struct sockets *sockets, const struct config *config, char *why,
                    size_t why_bytes)
{
    const struct config_listener *at;
    enum listener_kind kind;
    int error = 0;

    for (size_t i = 0; !error && (at = config_listener_at(config, i, &kind)); i++) {
        sockets->addresses[i] = *at;
        error = open_one(sockets, i, kind);
        if (error)
            explain(kind, &sockets->addresses[i], error, why, why_bytes);
    }
    return error;
}

/* Each shard closes its own descriptor of the one socket. */
static int share(struct sockets *sockets, size_t index, const struct passed_socket *passed)
{
    sockets->addresses[index] = passed->at;
    for (uint32_t shard = 0; shard < sockets->shards; shard++) {
        int fd = fcntl(passed->fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return -errno;
        sockets->list[shard * sockets->count + index] =
            (struct shard_listener){.fd = fd, .kind = passed->kind, .shared = sockets->shards > 1};
    }
    return 0;
}

static int share_all(struct sockets *sockets, const struct activation *activation, char *why,
                     size_t why_bytes)
{
    int error = 0;

    for (size_t i = 0; i < activation->count; i++) {
        if (!error)
            error = share(sockets, i, &activation->list[i]);
        close(activation->list[i].fd);
    }
    if (error)
        snprintf(why, why_bytes, "LISTEN_FDS: can't take the sockets over: %s", strerror(-error));
    return error;
}

static size_t count_configured(const struct config *config)
{
    enum listener_kind kind;
    size_t count = 0;

    while (config_listener_at(config, count, &kind))
        count++;
    return count;
}

int sockets_open(struct sockets *sockets, const struct config *config,
                 const struct activation *activation, char *ret_why, size_t why_bytes)
{
    bool passed = activation->count > 0;
    size_t count = passed ? activation->count : count_configured(config);

    *sockets = (struct sockets){.count = count, .shards = config->shards};
    sockets->list = mem_zalloc(count * config->shards * sizeof(*sockets->list));
    sockets->addresses = mem_zalloc(count * sizeof(*sockets->addresses));
    if (!sockets->list || !sockets->addresses) {
        sockets_free(sockets, false);
        snprintf(ret_why, why_bytes, "out of memory");
        return -ENOMEM;
    }
    for (size_t i = 0; i < count * config->shards; i++)
        sockets->list[i].fd = -1;
    int error = passed ? share_all(sockets, activation, ret_why, why_bytes)
                       : bind_all(sockets, config, ret_why, why_bytes);
    if (error)
        sockets_free(sockets, true);
    return error;
}

void sockets_free(struct sockets *sockets, bool close_all)
{
    for (size_t i = 0; close_all && i < sockets->count * sockets->shards; i++)
        if (sockets->list[i].fd >= 0)
            close(sockets->list[i].fd);
    mem_free(sockets->list);
    mem_free(sockets->addresses);
    *sockets = (struct sockets){0};
}
