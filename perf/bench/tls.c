#include "tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <string.h>

static int lent_read(BIO *bio, char *to, int room)
{
    struct tls *tls = BIO_get_data(bio);
    size_t take = tls->in_bytes < (size_t)room ? tls->in_bytes : (size_t)room;
    BIO_clear_retry_flags(bio);
    if (take == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(to, tls->in, take);
    tls->in += take;
    tls->in_bytes -= take;
    return (int)take;
}

static int out_write(BIO *bio, const char *data, int count)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    bytes_append(tls->out, data, (size_t)count);
    return count;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    return command == BIO_CTRL_FLUSH; /* there is nothing to flush, and that is a success */
}

static int session_arrived(SSL *ssl, SSL_SESSION *session)
{
    struct tls *tls = SSL_get_app_data(ssl);
    SSL_SESSION_free(tls->session);
    tls->session = session;
    return 1; /* the reference is ours now */
}

int tls_client_init(struct tls_client *client, bool keep_sessions)
{
    client->ctx = SSL_CTX_new(TLS_client_method());
    client->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bench");
    if (!client->ctx || !client->method)
        return -ENOMEM;
    BIO_meth_set_read(client->method, lent_read);
    BIO_meth_set_write(client->method, out_write);
    BIO_meth_set_ctrl(client->method, bio_ctrl);
    SSL_CTX_set_min_proto_version(client->ctx, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(client->ctx, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_mode(client->ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(client->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* One BIO read a record instead of two. */
    SSL_CTX_set_read_ahead(client->ctx, 1);
    SSL_CTX_set_session_cache_mode(client->ctx, keep_sessions ? SSL_SESS_CACHE_CLIENT |
                                                                    SSL_SESS_CACHE_NO_INTERNAL
                                                              : SSL_SESS_CACHE_OFF);
    if (keep_sessions)
        SSL_CTX_sess_set_new_cb(client->ctx, session_arrived);
    return 0;
}

void tls_client_deinit(struct tls_client *client)
{
    SSL_CTX_free(client->ctx);
    BIO_meth_free(client->method);
    *client = (struct tls_client){0};
}

int tls_init(struct tls *tls, struct tls_client *client, struct bytes *out, SSL_SESSION *resume)
{
    BIO *bio = BIO_new(client->method);
    *tls = (struct tls){.ssl = SSL_new(client->ctx), .out = out};
    if (!bio || !tls->ssl) {
        BIO_free(bio);
        tls_deinit(tls);
        return -ENOMEM;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_connect_state(tls->ssl);
    if (resume)
        SSL_set_session(tls->ssl, resume);
    return 0;
}

void tls_deinit(struct tls *tls)
{
    /* Freed without a shutdown, a connection takes its sessions' right to be resumed along. */
    if (tls->ssl)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    SSL_SESSION_free(tls->session);
    *tls = (struct tls){0};
}

void tls_feed(struct tls *tls, const uint8_t *data, size_t count)
{
    tls->in = data;
    tls->in_bytes = count;
}

static int wait_or_fail(struct tls *tls, int result)
{
    int error = SSL_get_error(tls->ssl, result);
    if (error == SSL_ERROR_WANT_READ)
        return 0;
    ERR_clear_error();
    return error == SSL_ERROR_ZERO_RETURN ? -ECONNRESET : -EPROTO;
}

int tls_handshake(struct tls *tls)
{
    int result = SSL_do_handshake(tls->ssl);
    return result == 1 ? 1 : wait_or_fail(tls, result);
}

int tls_open(struct tls *tls, uint8_t *to, int room)
{
    int result = SSL_read(tls->ssl, to, room);
    return result > 0 ? result : wait_or_fail(tls, result);
}

bool tls_seal(struct tls *tls, const uint8_t *data, size_t count)
{
    return count <= INT_MAX && SSL_write(tls->ssl, data, (int)count) == (int)count;
}

SSL_SESSION *tls_take_session(struct tls *tls)
{
    SSL_SESSION *session = tls->session;
    tls->session = NULL;
    return session;
}
