/* tls_context.h - what the parts of TLS share. Private to src/wire. */
#pragma once

#include "ringroom/base/buf.h"
#include "ringroom/wire/tls.h"
#include <openssl/ssl.h>

/* The shared context, still the server's; SSL_new() counts its own reference to it. Any thread. */
SSL_CTX *tls_server_context(const struct tls_server *server);

/* OpenSSL's message callback of every context: counts a peer's KeyUpdates. The session's thread. */
void tls_watch_message(int sent, int version, int type, const void *message, size_t message_bytes,
                       SSL *ssl, void *unused);

/* A session of either side over an SSL that has nothing to read from yet. Takes the SSL, where it
 * fails too; NULL for NULL, or where memory has run out. */
struct tls *tls_over(SSL *ssl);
/* Still the session's. */
SSL *tls_ssl(const struct tls *tls);
/* After TLS_FAILED: OpenSSL's code of what went wrong first, or 0. */
uint32_t tls_fault(const struct tls *tls);

/* Where a sentence about what went wrong goes. */
struct complaint {
    char *text;
    size_t bytes;
};

/* Writes it; returns -EINVAL. */
int tls_complain(struct complaint *complaint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* OpenSSL's word for the last error, for cases that we have no sentence for. */
const char *tls_openssl_reason(void);
/* "2030-01-31 00:00:00 UTC" */
void tls_format_time(const ASN1_TIME *time, char *dst, size_t dst_bytes);
/* Appends the file's content, as far as the buffer may grow. 0, or -EINVAL with a complaint. */
int tls_read_file(const char *file, struct buf *ret_bytes, struct complaint *complaint);
