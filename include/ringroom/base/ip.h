/* ip.h - IP addresses as keys: parsed, matched against networks, told apart by who holds them.
 *
 * An IPv4 address is kept in its IPv6 form (::ffff:a.b.c.d, RFC 4291 2.5.5.2), so that there is one
 * form of each and one way to compare.
 *
 * Threads   any; no state. */
#pragma once

#include "ringroom/base/slice.h"

struct sockaddr;

struct ip {
    uint8_t bytes[16];
};

enum {
    IP_BITS = 128,
    IP_V4_BITS = 96,  /* in front of an IPv4 address */
    IP_TEXT_MAX = 46, /* bytes, with the NUL */
    IP_NETWORK_TEXT_MAX = IP_TEXT_MAX + 4
};

struct ip ip_of_v4(const uint8_t bytes[4]);
/* False: neither AF_INET nor AF_INET6. */
bool ip_from_sockaddr(const struct sockaddr *address, struct ip *ret_ip);
/* "192.0.2.1", "2001:db8::1"; nothing before or behind, no zone. */
bool ip_parse(struct slice text, struct ip *ret_ip);
bool ip_equal(const struct ip *a, const struct ip *b);
bool ip_is_v4(const struct ip *ip);

/* A network: the first `bits` bits of an address. */
struct ip_network {
    struct ip ip; /* 0 behind those bits */
    uint8_t bits; /* of IP_BITS: an IPv4 /8 has 104 */
};

/* "10.0.0.0/8", "2001:db8::/32", or one address. Bits behind the prefix must be 0. */
bool ip_network_parse(struct slice text, struct ip_network *ret_network);
/* As it is parsed, in the shortest way: one address without "/32" or "/128". */
void ip_network_format(const struct ip_network *network, char text[IP_NETWORK_TEXT_MAX]);
/* A network of IPv6, however large, has no IPv4 address: "::/0" is not everyone. */
bool ip_network_has(const struct ip_network *network, const struct ip *ip);
/* One of them has it. */
bool ip_networks_have(const struct ip_network *networks, size_t count, const struct ip *ip);

/* Whoever holds the address: an IPv4 address for itself, an IPv6 address by its first 64 bits,
 * since a subscriber has at least that much (RFC 6177). The rest is zeroed. */
struct ip ip_holder(const struct ip *ip);
