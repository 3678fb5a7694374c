/* activation.c - listening sockets that the service manager has opened and passed on
 * (sd_listen_fds(3)'s protocol): taken over, looked at, and told apart. */
#include "ringroom/base/mem.h"
#include "ringroom/ring/listener.h"
#include "serve_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

/* How many, 0 where they are not for this process. */
static unsigned long passed_count(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

    if (!pid || !count || strtoull(pid, NULL, 10) != (unsigned long long)getpid())
        return 0;
    return strtoul(count, NULL, 10);
}

/* The n-th of names with colons between; empty where there are not so many. */
static struct slice nth_name(const char *names, size_t n)
{
    while (n-- && names)
        names = (names = strchr(names, ':')) ? names + 1 : NULL;
    return names ? slice_make(names, strcspn(names, ":")) : slice_of("");
}

static bool same(const struct config_listener *a, const struct config_listener *b)
{
    if (a->address.any.sa_family != b->address.any.sa_family ||
        a->address.v4.sin_port != b->address.v4.sin_port) /* at the same place in v6 */
        return false;
    return a->address.any.sa_family == AF_INET6
               ? memcmp(&a->address.v6.sin6_addr, &b->address.v6.sin6_addr,
                        sizeof(a->address.v6.sin6_addr)) == 0
               : a->address.v4.sin_addr.s_addr == b->address.v4.sin_addr.s_addr;
}

/* Its address; 0 or -EINVAL. */
static int look_at(struct passed_socket *passed, char *why, size_t why_bytes)
{
    struct address address;
    int error = listener_adopt(passed->fd, &address);

    if (error) {
        snprintf(why, why_bytes, "LISTEN_FDS: descriptor %d is not a listening TCP socket (%s)",
                 passed->fd, strerror(-error));
        return -EINVAL;
    }
    passed->at.address.v6 = address.v6;
    passed->at.address_bytes =
        address.any.sa_family == AF_INET6 ? sizeof(address.v6) : sizeof(address.v4);
    return 0;
}

/* By its name, "tls", "plain" or "metrics"; else by its address. False: neither tells. */
static bool find_kind(struct passed_socket *passed, const struct config *config, struct slice name)
{
    static const char *const names[] = {
        [LISTENER_TLS] = "tls", [LISTENER_PLAIN] = "plain", [LISTENER_METRICS] = "metrics"};
    const struct config_listener *at;

    for (size_t kind = 0; kind < array_len(names); kind++) {
        if (slice_is(name, names[kind])) {
            passed->kind = (enum listener_kind)kind;
            return true;
        }
    }
    for (size_t i = 0; (at = config_listener_at(config, i, &passed->kind)); i++)
        if (same(&passed->at, at))
            return true;
    return false;
}

/* 0 or -EINVAL. */
static int tell_apart(struct passed_socket *passed, const struct config *config, struct slice name,
                      char *why, size_t why_bytes)
{
    char at[CONFIG_ADDRESS_BYTES];

    config_address_text(&passed->at, at);
    if (!find_kind(passed, config, name)) {
        snprintf(why, why_bytes,
                 "LISTEN_FDNAMES: the socket at %s that was passed is called neither `tls` nor "
                 "`plain` nor `metrics`, and its address is not in listen, listen_plain or "
                 "metrics.listen: set FileDescriptorName= in its unit",
                 at);
        return -EINVAL;
    }
    if (passed->kind == LISTENER_TLS && !config->tls_cert)
        snprintf(why, why_bytes,
                 "LISTEN_FDNAMES: the socket at %s is for TLS, which needs tls.cert and tls.key",
                 at);
    else if (config->settings.conformance && passed->kind != LISTENER_METRICS &&
             !config_address_is_loopback(&passed->at))
        snprintf(why, why_bytes,
                 "conformance.enabled: must be false unless every socket that is passed is on "
                 "loopback; %s is not",
                 at);
    else
        return 0;
    return -EINVAL;
}

int activation_take(struct activation *ret_activation, const struct config *config, char *ret_why,
                    size_t why_bytes)
{
    const char *names = getenv("LISTEN_FDNAMES");
    unsigned long count = passed_count();
    int error = 0;

    *ret_activation = (struct activation){0};
    if (count > SHARD_LISTENERS_MAX) {
        snprintf(ret_why, why_bytes, "LISTEN_FDS: %lu: must be at most %d", count,
                 SHARD_LISTENERS_MAX);
        return -EINVAL;
    }
    for (unsigned long i = 0; i < count && !error; i++) {
        struct passed_socket *passed = &ret_activation->list[i];

        passed->fd = FIRST_FD + (int)i;
        error = look_at(passed, ret_why, why_bytes);
        if (!error)
            error = tell_apart(passed, config, nth_name(names, i), ret_why, why_bytes);
        ret_activation->tls_count += !error && passed->kind == LISTENER_TLS;
    }
    ret_activation->count = count;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return error;
}
