/* config_address.c - addresses to listen at: numeric only, so that what is checked is what is
 * bound. Not handled: IPv6 zones ("fe80::1%eth0"), and IPv4 addresses in IPv6 clothes
 * ("::ffff:127.0.0.1"), which a socket for IPv6 alone cannot be bound to. */
#include "config_parts.h"
#include <arpa/inet.h>

/* A port: digits only, at most 65535. */
static bool parse_port(const char *text, in_port_t *ret_port)
{
    unsigned port = 0;
    size_t len = strspn(text, "0123456789");

    if (len == 0 || len > 5 || text[len] != '\0')
        return false;
    for (size_t i = 0; i < len; i++)
        port = port * 10 + (unsigned)(text[i] - '0');
    if (port > UINT16_MAX)
        return false;
    *ret_port = htons((in_port_t)port);
    return true;
}

bool config_address_parse(const char *text, struct config_listener *ret_listener)
{
    struct config_listener listener = {.address_bytes = 0};
    char host[INET6_ADDRSTRLEN];
    bool v6 = text[0] == '[';
    const char *host_start = text + v6;
    const char *host_end = strchr(text, v6 ? ']' : ':');

    if (!host_end || (size_t)(host_end - host_start) >= sizeof(host))
        return false;
    memcpy(host, host_start, (size_t)(host_end - host_start));
    host[host_end - host_start] = '\0';

    const char *colon = host_end + v6;
    if (*colon != ':')
        return false;
    if (v6) {
        listener.address_bytes = sizeof(listener.address.v6);
        listener.address.v6.sin6_family = AF_INET6;
        if (inet_pton(AF_INET6, host, &listener.address.v6.sin6_addr) != 1 ||
            IN6_IS_ADDR_V4MAPPED(&listener.address.v6.sin6_addr) ||
            !parse_port(colon + 1, &listener.address.v6.sin6_port))
            return false;
    } else {
        listener.address_bytes = sizeof(listener.address.v4);
        listener.address.v4.sin_family = AF_INET;
        if (inet_pton(AF_INET, host, &listener.address.v4.sin_addr) != 1 ||
            !parse_port(colon + 1, &listener.address.v4.sin_port))
            return false;
    }
    *ret_listener = listener;
    return true;
}

void config_address_text(const struct config_listener *listener, char text[CONFIG_ADDRESS_BYTES])
{
    char host[INET6_ADDRSTRLEN];

    if (listener->address.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &listener->address.v6.sin6_addr, host, sizeof(host));
        snprintf(text, CONFIG_ADDRESS_BYTES, "[%s]:%u", host,
                 ntohs(listener->address.v6.sin6_port));
    } else {
        inet_ntop(AF_INET, &listener->address.v4.sin_addr, host, sizeof(host));
        snprintf(text, CONFIG_ADDRESS_BYTES, "%s:%u", host, ntohs(listener->address.v4.sin_port));
    }
}

const struct config_listener *config_listener_at(const struct config *config, size_t n,
                                                 enum listener_kind *ret_kind)
{
    const struct config_listeners *lists[] = {[LISTENER_TLS] = &config->listen,
                                              [LISTENER_PLAIN] = &config->listen_plain,
                                              [LISTENER_METRICS] = &config->metrics_listen};

    for (size_t kind = 0; kind < array_len(lists); n -= lists[kind++]->count) {
        if (n >= lists[kind]->count)
            continue;
        *ret_kind = (enum listener_kind)kind;
        return &lists[kind]->list[n];
    }
    return NULL;
}

const char *config_listener_key(enum listener_kind kind)
{
    static const char *const keys[] = {[LISTENER_TLS] = "listen",
                                       [LISTENER_PLAIN] = "listen_plain",
                                       [LISTENER_METRICS] = "metrics.listen"};

    return keys[kind];
}

bool config_address_is_loopback(const struct config_listener *listener)
{
    if (listener->address.any.sa_family == AF_INET)
        return ntohl(listener->address.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(&listener->address.v6.sin6_addr);
}
