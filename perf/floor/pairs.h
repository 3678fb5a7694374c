/* pairs.h - N connected loopback sockets, each with a TLS 1.3 session on the sending side.
 *
 * The handshakes are made in memory before anything is measured; the receiving side's session is
 * thrown away, since what arrives is only counted.
 *
 * Ownership the pairs own descriptors and sessions. All sessions write into one memory BIO: a
 * sealed record is taken from it before the next one is made. */
#pragma once

#include <openssl/ssl.h>
#include <stdint.h>

struct pairs {
    unsigned count;
    int *send_fds;
    int *receive_fds;
    SSL **sessions;
    BIO *sealed;
    SSL_CTX *server_ctx;
    SSL_CTX *client_ctx;
};

/* 0 or -errno; -EPROTO for a fault of TLS or of the certificate. */
int pairs_open(struct pairs *p, unsigned count, const char *cert, const char *key);
void pairs_close(struct pairs *p);
/* Seals data for one pair; returns the bytes written at to, which has room for them, or -1. */
long pairs_seal(struct pairs *p, unsigned pair, const void *data, int count, uint8_t *to,
                long room);
