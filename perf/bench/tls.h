/* tls.h - TLS of the client side, between byte ranges: no sockets.
 *
 * Ciphertext is lent to the session for the length of one call (tls_feed), so that an idle
 * connection keeps no buffers of the bench's own; sealed bytes are appended to a buffer that the
 * connection owns. Certificates are not verified: the bench made them, and verifying would only
 * load the generator. */
#pragma once

#include "bytes.h"

#include <openssl/ssl.h>
#include <stdbool.h>

struct tls_client {
    SSL_CTX *ctx;
    BIO_METHOD *method;
};

struct tls {
    SSL *ssl;
    const uint8_t *in; /* lent ciphertext that is not read yet */
    size_t in_bytes;
    struct bytes *out;    /* the connection's buffer for sealed bytes */
    SSL_SESSION *session; /* the newest ticket, if tickets are kept */
};

/* keep_sessions: each tls keeps its newest session for tls_take_session(). */
int tls_client_init(struct tls_client *client, bool keep_sessions);
void tls_client_deinit(struct tls_client *client);

/* Starts a handshake; resume may be NULL. tls must not move until tls_deinit(). */
int tls_init(struct tls *tls, struct tls_client *client, struct bytes *out, SSL_SESSION *resume);
void tls_deinit(struct tls *tls);

void tls_feed(struct tls *tls, const uint8_t *data, size_t count);
/* 1 when done, 0 while it needs more bytes, negative if refused. */
int tls_handshake(struct tls *tls);
/* Bytes opened, 0 when the lent ciphertext is used up, negative at the end or on a fault. */
int tls_open(struct tls *tls, uint8_t *to, int room);
bool tls_seal(struct tls *tls, const uint8_t *data, size_t count);
/* The caller owns what it gets; NULL if no ticket came. */
SSL_SESSION *tls_take_session(struct tls *tls);
