/* tls_context.h - what a TLS session takes from its server. Private to src/wire. */
#pragma once

#include "ringroom/wire/tls.h"
#include <openssl/ssl.h>

/* The shared context, still the server's; SSL_new() counts its own reference to it. Any thread. */
SSL_CTX *tls_server_context(const struct tls_server *server);
