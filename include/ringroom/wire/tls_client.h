/* tls_client.h - TLS from the client's side: whom to trust, and whether it is who was asked for.
 *
 * Threads   any, one at a time. A session: its maker's thread.
 * Ownership a session is a struct tls (tls.h), freed by tls_free(); it keeps its context alive. */
#pragma once

#include "ringroom/wire/tls.h"

struct tls_client;

/* Trusts what the system trusts and, unless `ca_file` is NULL, what is in that PEM file:
 * authorities as well as a server's own certificate. Where `verify` is false, trusts everyone. 0,
 * or -EINVAL with a plain sentence in ret_error. */
int tls_client_new(const char *ca_file, bool verify, struct tls_client **ret_client,
                   char *ret_error, size_t error_bytes);
void tls_client_free(struct tls_client *client); /* takes NULL */

/* A fresh session with `host`, a name or an IP address, which the certificate must be for: begun by
 * tls_open() without input. NULL where memory has run out. */
struct tls *tls_client_session(struct tls_client *client, const char *host);
/* After TLS_FAILED: what was wrong and what to do, in one plain sentence. */
void tls_client_why(const struct tls *tls, const char *host, char *text, size_t text_bytes);
