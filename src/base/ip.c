/* ip.c - addresses and networks; text is read and written by inet_pton() and inet_ntop(). */
#include "ringroom/base/ip.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

enum { HOLDER_BYTES = 8 }; /* of an IPv6 address: a /64 */

static_assert(IP_TEXT_MAX == INET6_ADDRSTRLEN, "room for any address");

static const uint8_t v4_prefix[IP_V4_BITS / 8] = {[10] = 0xff, [11] = 0xff};

struct ip ip_of_v4(const uint8_t bytes[4])
{
    struct ip ip;

    memcpy(ip.bytes, v4_prefix, sizeof(v4_prefix));
    memcpy(ip.bytes + sizeof(v4_prefix), bytes, 4);
    return ip;
}

bool ip_from_sockaddr(const struct sockaddr *address, struct ip *ret_ip)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    switch (address->sa_family) {
    case AF_INET:
        memcpy(&v4, address, sizeof(v4));
        *ret_ip = ip_of_v4((const uint8_t *)&v4.sin_addr);
        return true;
    case AF_INET6:
        memcpy(&v6, address, sizeof(v6));
        memcpy(ret_ip->bytes, &v6.sin6_addr, sizeof(ret_ip->bytes));
        return true;
    default:
        return false;
    }
}

bool ip_parse(struct slice text, struct ip *ret_ip)
{
    char copy[IP_TEXT_MAX];
    uint8_t v4[4];

    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.data, '\0', text.len))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, v4) == 1) {
        *ret_ip = ip_of_v4(v4);
        return true;
    }
    struct ip v6;
    if (inet_pton(AF_INET6, copy, v6.bytes) != 1)
        return false;
    *ret_ip = v6;
    return true;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

bool ip_is_v4(const struct ip *ip)
{
    return memcmp(ip->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
}

/* The first `bits` bits of an address; the others 0. */
static struct ip prefix_of(const struct ip *ip, unsigned bits)
{
    struct ip prefix = {{0}};

    memcpy(prefix.bytes, ip->bytes, bits / 8);
    if (bits % 8)
        prefix.bytes[bits / 8] = ip->bytes[bits / 8] & (uint8_t)(0xff << (8 - bits % 8));
    return prefix;
}

/* A number from 0 to max, in its one form: no sign, no zeros in front. */
static bool parse_bits(struct slice text, unsigned max, unsigned *ret_bits)
{
    unsigned bits = 0;

    if (text.len == 0 || text.len > 3 || (text.len > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        bits = bits * 10 + (unsigned)(text.data[i] - '0');
    }
    if (bits > max)
        return false;
    *ret_bits = bits;
    return true;
}

bool ip_network_parse(struct slice text, struct ip_network *ret_network)
{
    const uint8_t *slash = text.len ? memchr(text.data, '/', text.len) : NULL;
    struct slice address = text;
    struct ip ip;

    if (slash)
        address.len = (size_t)(slash - text.data);
    if (!ip_parse(address, &ip))
        return false;

    unsigned bits = IP_BITS;
    if (slash) {
        /* "::ffff:10.0.0.0" is an IPv4 address that is counted in 128 bits. */
        bool v4 = !memchr(address.data, ':', address.len);
        unsigned before = v4 ? IP_V4_BITS : 0;
        if (!parse_bits(slice_from(text, address.len + 1), IP_BITS - before, &bits))
            return false;
        bits += before;
    }
    struct ip prefix = prefix_of(&ip, bits);
    if (!ip_equal(&prefix, &ip))
        return false;
    *ret_network = (struct ip_network){.ip = ip, .bits = (uint8_t)bits};
    return true;
}

void ip_network_format(const struct ip_network *network, char text[IP_NETWORK_TEXT_MAX])
{
    bool v4 = ip_is_v4(&network->ip) && network->bits >= IP_V4_BITS;
    unsigned before = v4 ? IP_V4_BITS : 0;

    inet_ntop(v4 ? AF_INET : AF_INET6, network->ip.bytes + before / 8, text, IP_TEXT_MAX);
    size_t len = strlen(text);
    if (network->bits < IP_BITS)
        snprintf(text + len, IP_NETWORK_TEXT_MAX - len, "/%u", network->bits - before);
}

bool ip_network_has(const struct ip_network *network, const struct ip *ip)
{
    if (ip_is_v4(ip) && network->bits < IP_V4_BITS)
        return false;
    struct ip prefix = prefix_of(ip, network->bits);
    return ip_equal(&prefix, &network->ip);
}

bool ip_networks_have(const struct ip_network *networks, size_t count, const struct ip *ip)
{
    for (size_t i = 0; i < count; i++)
        if (ip_network_has(&networks[i], ip))
            return true;
    return false;
}

struct ip ip_holder(const struct ip *ip)
{
    return ip_is_v4(ip) ? *ip : prefix_of(ip, HOLDER_BYTES * 8);
}
