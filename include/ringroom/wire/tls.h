/* tls.h - TLS 1.2 and 1.3: sealed bytes in, plain bytes out, and back; no sockets. Sessions of the
 * server's side are made here, those of the client's in tls_client.h; both then work alike.
 *
 * OpenSSL reads and writes through buffers that its caller lends for the length
 * of one call, so that an idle session holds none of its own.
 *
 * Threads   tls_server_*: made by one thread, then shared by all, unchanged.
 *           A struct tls: its connection's shard only.
 * Ownership a session keeps its server alive (counted inside OpenSSL).
 * Bound     output of one call: what the caller lent; more is a failure of that
 *           session alone. */
#pragma once

#include "ringroom/base/slice.h"

enum {
    TLS_RECORD_PLAIN_MAX = 16384, /* RFC 8446 section 5.1 */
    TLS_SEAL_OVERHEAD = 64,       /* at most, of one record, any version and suite we offer */
    TLS_HANDSHAKE_OUT_MAX = 65536 /* lend this much to tls_open() */
};

struct tls_server;
struct tls;

/* Gives OpenSSL an allocator that keeps record buffers for reuse, a few a thread. Once, before
 * OpenSSL is used by anyone in the process: later it refuses, and nothing has changed. */
bool tls_init(void);
/* Overwrites what opened records have left in this thread's idle record buffers. */
void tls_wipe_idle(void);

/* Lent output: sealed bytes are appended at `len`. */
struct tls_out {
    uint8_t *data;
    size_t len, cap; /* bytes */
};

/* Reads a certificate chain and its key (PEM files), checks that they fit and that the certificate
 * is neither expired nor not yet valid. 0 and *ret_server, or -EINVAL with a plain sentence that
 * names the file in ret_error (always NUL-terminated where error_bytes > 0). */
int tls_server_new(const char *cert_file, const char *key_file, struct tls_server **ret_server,
                   char *ret_error, size_t error_bytes);
/* Reads an OCSP response (DER) about the certificate, for clients that ask for one; once, before
 * the first session. 0; 1 where it is out of date and will not be sent; -EINVAL where it cannot be
 * read, is about another certificate, not the issuer's, or not good. Other than 0: with a plain
 * sentence in ret_text. */
int tls_server_staple(struct tls_server *server, const char *ocsp_file, char *ret_text,
                      size_t text_bytes);
/* Takes over the key of tickets, so that who has one of the old server's is resumed by the new one.
 * Before its first session. */
void tls_server_take_tickets(struct tls_server *server, const struct tls_server *old);
/* What people want to know of the server's own certificate. */
enum { TLS_NAMES_MAX = 256 };
struct tls_certificate {
    int64_t from_s, until_s;   /* Unix time */
    char names[TLS_NAMES_MAX]; /* whom it is for, with ", " between; cut where there are more */
};
void tls_server_certificate(const struct tls_server *server, struct tls_certificate *ret);
void tls_server_free(struct tls_server *server); /* takes NULL */

/* A fresh session awaiting its ClientHello; NULL where memory has run out. */
struct tls *tls_new(struct tls_server *server);
void tls_free(struct tls *tls); /* takes NULL */

enum tls_status {
    TLS_OPEN,   /* go on; the handshake may still be under way: tls_established() */
    TLS_CLOSED, /* the peer sent close_notify: nothing more will be read */
    TLS_FAILED  /* broken; an alert may stand in `out`: send it, then close */
};

/* Called with opened bytes, valid during the call. False stops the opening: the rest of the input
 * is dropped (the connection is going away). */
typedef bool tls_plain_fn(void *user, struct slice plain);

/* Takes all of `sealed`, in pieces of any size; none at all makes a client begin. Handshake answers, tickets, alerts are appended to
 * out; application bytes go to on_plain in order. */
enum tls_status tls_open(struct tls *tls, struct slice sealed, struct tls_out *out,
                         tls_plain_fn *on_plain, void *user);
bool tls_established(const struct tls *tls);
/* The handshake resumed an earlier session. */
bool tls_resumed(const struct tls *tls);

/* Seals `plain` (1 to TLS_RECORD_PLAIN_MAX bytes) as one record, appended to out, which must have
 * plain.len + TLS_SEAL_OVERHEAD bytes free. 0, or -EIO where the session is broken. */
int tls_seal(struct tls *tls, struct slice plain, struct tls_out *out);
/* Appends close_notify where the handshake is through; else nothing. */
void tls_shutdown(struct tls *tls, struct tls_out *out);
