/* tls_server.c - the certificate and the settings that all sessions share.
 *
 * One context serves all threads: its ticket key is drawn when it is made, or taken from the one
 * that was there before it, and never changes. So a session begun on one shard resumes on any
 * other, and nothing is kept here for it. */
#include "ringroom/base/buf.h"
#include "ringroom/base/mem.h"
#include "tls_context.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    PEM_FILE_MAX = 1 << 20, /* bytes; a chain is some kilobytes */
    PEM_READ_STEP = 16384,
    CHAIN_MAX = 16, /* certificates besides the server's own */
    TICKETS_PER_HANDSHAKE = 1,
    TICKET_LIFE_S = 2 * 3600,
    TICKET_KEYS_BYTES = 80, /* OpenSSL's: a name, an HMAC key, a cipher key */
    SECURITY_LEVEL = 2      /* OpenSSL's: 112 bits, so RSA from 2048 bits on, and no SHA-1 */
};

/* AES-128-GCM first: the fastest where both sides have AES instructions. A client that puts
 * ChaCha20 first has none, and gets it (SSL_OP_PRIORITIZE_CHACHA). */
static const char suites_tls13[] = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:"
                                   "TLS_AES_256_GCM_SHA384";
static const char suites_tls12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                   "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
                                   "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
static char groups[] = "X25519:P-256:P-384";        /* not const: OpenSSL's macro casts that away */
static const char key_label[] = "PRIVATE KEY-----"; /* ends the first line of every kind of it */
static const unsigned char session_context[] = "ringroom";

struct tls_server {
    SSL_CTX *context;
};

int tls_complain(struct complaint *complaint, const char *format, ...)
{
    if (complaint->bytes > 0) {
        va_list args;
        va_start(args, format);
        vsnprintf(complaint->text, complaint->bytes, format, args);
        va_end(args);
    }
    return -EINVAL;
}

const char *tls_openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason ? reason : "out of memory";
}

static int read_fd(int fd, struct buf *ret_pem)
{
    for (;;) {
        int err = buf_reserve(ret_pem, PEM_READ_STEP);
        if (err)
            return err == -ENOBUFS ? -EFBIG : err;
        ssize_t n = read(fd, ret_pem->data + ret_pem->len, PEM_READ_STEP);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return 0;
        if (n > 0)
            ret_pem->len += (size_t)n;
    }
}

int tls_read_file(const char *file, struct buf *ret_bytes, struct complaint *complaint)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    int err = fd < 0 ? -errno : read_fd(fd, ret_bytes);

    if (fd >= 0)
        close(fd);
    if (err)
        return tls_complain(complaint, "cannot read %s: %s", file, strerror(-err));
    return 0;
}

/* Instead of OpenSSL's own, which would ask at the terminal. */
static int no_password(char *dst, int dst_bytes, int writing, void *ret_asked)
{
    *(bool *)ret_asked = true;
    return -1;
}

static bool pem_ended(void)
{
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static int use_chain(SSL_CTX *context, BIO *pem, const char *file, struct complaint *complaint)
{
    bool asked = false;

    for (unsigned n = 0;; n++) {
        X509 *issuer = PEM_read_bio_X509(pem, NULL, no_password, &asked);
        if (!issuer && pem_ended())
            return 0;
        if (!issuer)
            return tls_complain(complaint, "certificate %u in %s is damaged: %s", n + 2, file,
                                tls_openssl_reason());
        if (n == CHAIN_MAX || !SSL_CTX_add0_chain_cert(context, issuer)) {
            X509_free(issuer);
            return tls_complain(complaint, "certificate %u in %s cannot be used: %s", n + 2, file,
                                n == CHAIN_MAX ? "the chain is too long" : tls_openssl_reason());
        }
    }
}

void tls_format_time(const ASN1_TIME *time, char *dst, size_t dst_bytes)
{
    struct tm tm;

    if (!ASN1_TIME_to_tm(time, &tm) || strftime(dst, dst_bytes, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        snprintf(dst, dst_bytes, "an unreadable date");
}

/* Of the server's own certificate only: chains in the wild carry expired extra roots. */
static int check_dates(const X509 *cert, const char *file, struct complaint *complaint)
{
    const ASN1_TIME *from = X509_get0_notBefore(cert), *to = X509_get0_notAfter(cert);
    char date[64];

    if (X509_cmp_current_time(from) >= 0) { /* 0: not a time at all */
        tls_format_time(from, date, sizeof(date));
        return tls_complain(complaint, "the certificate in %s is not valid before %s", file, date);
    }
    if (X509_cmp_current_time(to) <= 0) {
        tls_format_time(to, date, sizeof(date));
        return tls_complain(complaint, "the certificate in %s has been expired since %s", file,
                            date);
    }
    return 0;
}

static int use_cert(SSL_CTX *context, const char *file, struct complaint *complaint)
{
    struct buf text;
    BIO *pem = NULL;
    X509 *cert = NULL;
    bool asked = false;

    buf_init(&text, PEM_FILE_MAX);
    int err = tls_read_file(file, &text, complaint);
    if (err)
        goto done;
    err = -EINVAL;
    if (!(pem = BIO_new_mem_buf(text.len ? (void *)text.data : "", (int)text.len)) ||
        !(cert = PEM_read_bio_X509_AUX(pem, NULL, no_password, &asked))) {
        if (pem_ended())
            tls_complain(complaint, "there is no certificate in %s", file);
        else
            tls_complain(complaint, "the certificate in %s is damaged: %s", file,
                         tls_openssl_reason());
        goto done;
    }
    if (!SSL_CTX_use_certificate(context, cert)) {
        tls_complain(complaint, "the certificate in %s cannot be used: %s", file,
                     tls_openssl_reason());
        goto done;
    }
    err = use_chain(context, pem, file, complaint);
    if (!err)
        err = check_dates(cert, file, complaint);
done:
    X509_free(cert);
    BIO_free(pem);
    buf_deinit(&text);
    return err;
}

static int use_key(SSL_CTX *context, const char *cert_file, const char *file,
                   struct complaint *complaint)
{
    const X509 *cert = SSL_CTX_get0_certificate(context);
    struct buf text;
    BIO *pem = NULL;
    EVP_PKEY *key = NULL;
    bool asked = false;

    buf_init(&text, PEM_FILE_MAX);
    int err = tls_read_file(file, &text, complaint);
    if (err)
        goto done;
    err = -EINVAL;
    if (!(pem = BIO_new_mem_buf(text.len ? (void *)text.data : "", (int)text.len)) ||
        !(key = PEM_read_bio_PrivateKey(pem, NULL, no_password, &asked))) {
        if (asked)
            tls_complain(complaint, "the key in %s is encrypted: decrypt it first", file);
        else if (!text.data || !memmem(text.data, text.len, key_label, sizeof(key_label) - 1))
            tls_complain(complaint, "there is no private key in %s", file);
        else
            tls_complain(complaint, "the key in %s is damaged, or of an unknown kind", file);
        goto done;
    }
    if (!X509_check_private_key(cert, key))
        tls_complain(complaint, "the key in %s does not fit the certificate in %s", file,
                     cert_file);
    else if (!SSL_CTX_use_PrivateKey(context, key))
        tls_complain(complaint, "the key in %s cannot be used: %s", file, tls_openssl_reason());
    else
        err = 0;
done:
    EVP_PKEY_free(key);
    BIO_free(pem);
    if (text.data)
        mem_wipe(text.data, text.cap);
    buf_deinit(&text);
    return err;
}

/* "http/1.1" where it is offered. A client that offers other protocols only is told so (RFC 7301
 * section 3.2): it would not understand our HTTP/1.1, so failing here names the reason. */
static int choose_protocol(SSL *ssl, const unsigned char **ret_chosen, unsigned char *ret_bytes,
                           const unsigned char *offered, unsigned int offered_bytes, void *user)
{
    static const char ours[] = "http/1.1";
    struct slice rest = slice_make(offered, offered_bytes);

    while (rest.len > 0 && rest.data[0] < rest.len) {
        struct slice name = slice_make(rest.data + 1, rest.data[0]);
        if (slice_is(name, ours)) {
            *ret_chosen = name.data;
            *ret_bytes = (unsigned char)name.len;
            return SSL_TLSEXT_ERR_OK;
        }
        rest = slice_from(rest, name.len + 1);
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool configure(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context, TICKET_LIFE_S);
    if (SSL_CTX_get_security_level(context) < SECURITY_LEVEL) /* the machine may ask for more */
        SSL_CTX_set_security_level(context, SECURITY_LEVEL);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_msg_callback(context, tls_watch_message);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) &&
           SSL_CTX_set_ciphersuites(context, suites_tls13) &&
           SSL_CTX_set_cipher_list(context, suites_tls12) &&
           SSL_CTX_set1_groups_list(context, groups) &&
           SSL_CTX_set_num_tickets(context, TICKETS_PER_HANDSHAKE) &&
           SSL_CTX_set_max_early_data(context, 0) && SSL_CTX_set_recv_max_early_data(context, 0) &&
           SSL_CTX_set_session_id_context(context, session_context, sizeof(session_context) - 1);
}

int tls_server_new(const char *cert_file, const char *key_file, struct tls_server **ret_server,
                   char *ret_error, size_t error_bytes)
{
    struct complaint complaint = {.text = ret_error, .bytes = error_bytes};
    int err = -EINVAL;

    if (error_bytes > 0)
        ret_error[0] = '\0';
    ERR_clear_error();
    struct tls_server *server = mem_zalloc(sizeof(*server));
    if (!server || !(server->context = SSL_CTX_new(TLS_server_method())) ||
        !configure(server->context)) {
        tls_complain(&complaint, "cannot set up TLS for %s: %s", cert_file, tls_openssl_reason());
        goto fail;
    }
    err = use_cert(server->context, cert_file, &complaint);
    if (!err)
        err = use_key(server->context, cert_file, key_file, &complaint);
    if (err)
        goto fail;
    ERR_clear_error(); /* the end of a chain is an error to OpenSSL */
    *ret_server = server;
    return 0;
fail:
    ERR_clear_error();
    tls_server_free(server);
    return err;
}

void tls_server_take_tickets(struct tls_server *server, const struct tls_server *old)
{
    unsigned char keys[TICKET_KEYS_BYTES];
    long bytes = SSL_CTX_get_tlsext_ticket_keys(old->context, NULL, 0);

    /* Where OpenSSL wants it otherwise, clients shake hands in full: no harm. */
    if (bytes == sizeof(keys) &&
        SSL_CTX_get_tlsext_ticket_keys(old->context, keys, sizeof(keys)) == 1)
        SSL_CTX_set_tlsext_ticket_keys(server->context, keys, sizeof(keys));
    mem_wipe(keys, sizeof(keys));
}

void tls_server_free(struct tls_server *server)
{
    if (!server)
        return;
    SSL_CTX_free(server->context);
    mem_free(server);
}

SSL_CTX *tls_server_context(const struct tls_server *server)
{
    return server->context;
}
