/* proxy_header.h - the PROXY protocol's header, version 2 (haproxy.org, proxy-protocol.txt 2.2):
 * whom a proxy speaks for, said once, in front of everything else on a connection.
 *
 * The first byte that is wrong is refused: nothing is waited for that could not become a header.
 * What stands behind the addresses (TLVs) is passed over unread, and so is what LOCAL says. Version
 * 1, as text, is not spoken: it has no length, and costs more to read than it is worth.
 *
 * Ask only where the peer is trusted to send one: anybody can write these bytes.
 *
 * Threads   its connection's shard only.
 * Bound     PROXY_HEADER_MAX bytes, of which at most PROXY_KEPT_MAX are kept. How long it may take
 * is the caller's business. */
#pragma once

#include "ringroom/base/ip.h"

enum {
    PROXY_FIXED_BYTES = 16,                  /* signature, version and command, family, length */
    PROXY_KEPT_MAX = PROXY_FIXED_BYTES + 36, /* two IPv6 addresses and ports */
    PROXY_HEADER_MAX = 4096 /* a sender keeps to 536 and addresses, unless a certificate comes with
                             * it; nginx takes as much */
};

/* Zeroed: nothing has come yet. */
struct proxy_reader {
    uint16_t come; /* bytes of the header, the passed over among them */
    uint8_t kept[PROXY_KEPT_MAX];
};

struct proxy_header {
    bool local;       /* the proxy speaks for itself: LOCAL, or it knows no address (UNSPEC) */
    struct ip source; /* the client's; unset where local */
};

enum proxy_result {
    PROXY_MORE,   /* everything was taken; the header is not whole yet */
    PROXY_HEADER, /* it is; *in is what follows */
    PROXY_FAILED  /* it is none, or none of ours; *in is of no use any more */
};

/* Takes bytes up to the header's end. The header is written on PROXY_HEADER, *ret_why, a static
 * string, on PROXY_FAILED. */
enum proxy_result proxy_read(struct proxy_reader *reader, struct slice *in,
                             struct proxy_header *ret_header, const char **ret_why);
