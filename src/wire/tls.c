/* tls.c - one TLS session: OpenSSL between two lent buffers.
 *
 * All sessions of a thread share one BIO, and OpenSSL drops its record buffers whenever they are
 * empty, so an idle session holds keys and state, but no buffer.
 *
 * Error queue  empty when a function here returns. So what SSL_get_error() finds there is this
 *              call's own, and no session is blamed for another's fault. */
#include "ringroom/wire/tls.h"

#include "ringroom/base/check.h"
#include "tls_context.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <pthread.h>

static_assert(TLS_RECORD_PLAIN_MAX == SSL3_RT_MAX_PLAIN_LENGTH,
              "what tls_seal() takes must fit one record");
/* TLS 1.3 seals with 5 bytes of header, 1 of type, 16 of tag; TLS 1.2 with 5, 8 of nonce, 16. The
 * answer to a peer's KeyUpdate, owed until the next record, adds 5 + 5 + 1 + 16 bytes. */
static_assert(TLS_SEAL_OVERHEAD >= 22 + 27 && TLS_SEAL_OVERHEAD >= 29,
              "one record and one owed KeyUpdate");

/* Peers may change their keys at any time, and each change costs us a hundred times what it costs
 * to ask for it. Whoever does so for a reason has sent much, or seldom does: a session has a credit
 * of so many changes, and one more for so many bytes that it has sent. */
enum { KEY_UPDATES_FREE = 64, KEY_UPDATE_BYTES = 65536 };

struct tls {
    SSL *ssl;
    uint64_t opened_bytes; /* plain ones, since the handshake */
    uint64_t key_updates;  /* of the peer's */
    bool established; /* true from the end of the handshake on; a KeyUpdate does not unset it */
    bool closed;      /* the peer's close_notify has come */
    bool shut;        /* ours is sent: nothing more may be sealed */
    bool broken;      /* OpenSSL's state is not to be used any more, except to free it */
    uint32_t fault;   /* OpenSSL's first error where opening failed; for tls_fault() */
};

/* What is lent to OpenSSL for the length of one call. */
struct loan {
    struct tls *tls;
    struct slice sealed; /* still to be read */
    struct tls_out *out;
    bool overdrawn; /* the peer has changed its keys too often: the rest is not read */
};

/* Mutable and not a shard's: the loan reaches OpenSSL's callbacks through the BIO, of which there
 * is one a thread. `current` is set only within the calls below. */
static _Thread_local struct lender {
    BIO *bio;
    struct loan *current;
} lender;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_end; /* frees a thread's BIO with the thread */
static BIO_METHOD *method;

static int bio_read(BIO *bio, char *dst, int dst_bytes)
{
    struct loan *loan = lender.current;

    BIO_clear_retry_flags(bio);
    if (!loan || dst_bytes <= 0)
        return 0;
    if (loan->sealed.len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = loan->sealed.len < (size_t)dst_bytes ? loan->sealed.len : (size_t)dst_bytes;
    memcpy(dst, loan->sealed.data, n);
    loan->sealed = slice_from(loan->sealed, n);
    return (int)n;
}

/* All or nothing. A full loan is no reason to retry: it breaks the session. */
static int bio_write(BIO *bio, const char *src, int src_bytes)
{
    struct loan *loan = lender.current;

    BIO_clear_retry_flags(bio);
    if (!loan || src_bytes <= 0)
        return 0;
    struct tls_out *out = loan->out;
    if (out->cap - out->len < (size_t)src_bytes)
        return -1;
    memcpy(out->data + out->len, src, (size_t)src_bytes);
    out->len += (size_t)src_bytes;
    return src_bytes;
}

void tls_watch_message(int sent, int version, int type, const void *message, size_t message_bytes,
                       SSL *ssl, void *unused)
{
    struct loan *loan = lender.current;

    if (sent || type != SSL3_RT_HANDSHAKE || message_bytes == 0 ||
        *(const uint8_t *)message != SSL3_MT_KEY_UPDATE || !loan)
        return;
    struct tls *tls = loan->tls;
    if (++tls->key_updates <= KEY_UPDATES_FREE + tls->opened_bytes / KEY_UPDATE_BYTES)
        return;
    loan->overdrawn = true;
    loan->sealed = (struct slice){0};
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void free_thread_bio(void *bio)
{
    lender.bio = NULL;
    BIO_free(bio);
}

static void make_method(void)
{
    int err = pthread_key_create(&thread_end, free_thread_bio);
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "lent buffers");

    if (err || !made || !BIO_meth_set_read(made, bio_read) ||
        !BIO_meth_set_write(made, bio_write) || !BIO_meth_set_ctrl(made, bio_ctrl) ||
        !BIO_meth_set_create(made, bio_create))
        return; /* leaked at most once, with memory gone; tls_new() fails from then on */
    method = made;
}

/* The calling thread's BIO, still the thread's; NULL where memory has run out. */
static BIO *thread_bio(void)
{
    if (lender.bio)
        return lender.bio;
    pthread_once(&once, make_method);
    if (!method)
        return NULL;
    BIO *bio = BIO_new(method);
    if (bio && pthread_setspecific(thread_end, bio) != 0) {
        BIO_free(bio);
        bio = NULL;
    }
    lender.bio = bio;
    return bio;
}

struct tls *tls_over(SSL *ssl)
{
    struct tls *tls = mem_zalloc(sizeof(*tls));
    BIO *bio = thread_bio();

    if (!tls || !bio || !ssl)
        goto fail;
    BIO_up_ref(bio); /* one reference serves reading and writing, where they are the same BIO */
    SSL_set_bio(ssl, bio, bio);
    tls->ssl = ssl;
    return tls;
fail:
    ERR_clear_error();
    SSL_free(ssl);
    mem_free(tls);
    return NULL;
}

struct tls *tls_new(struct tls_server *server)
{
    SSL *ssl = SSL_new(tls_server_context(server));

    if (ssl)
        SSL_set_accept_state(ssl);
    return tls_over(ssl);
}

SSL *tls_ssl(const struct tls *tls)
{
    return tls->ssl;
}

uint32_t tls_fault(const struct tls *tls)
{
    return tls->fault;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    mem_free(tls);
}

/* Empties a key of the finished handshake; OpenSSL keeps the shell until the session ends. */
static void forget_key(EVP_PKEY *key)
{
    EVP_PKEY_set_type(key, EVP_PKEY_X25519); /* any type will do: this drops the old contents */
    EVP_PKEY_free(key);
}

/* The handshake is through. Its ephemeral keys have done their work: without them a session is
 * 0.4 KB smaller with X25519, 4 KB with P-256, and what was said cannot be computed again. */
static void establish(struct tls *tls)
{
    EVP_PKEY *key;

    if (tls->established)
        return;
    tls->established = true;
    if (SSL_get_tmp_key(tls->ssl, &key))
        forget_key(key);
    if (SSL_get_peer_tmp_key(tls->ssl, &key))
        forget_key(key);
    SSL_set_tlsext_status_ocsp_resp(tls->ssl, NULL, 0); /* frees it: it has been sent */
    ERR_clear_error();
}

/* What a call that gave no plaintext has left. */
static enum tls_status open_ended(struct tls *tls, int result, const struct loan *loan)
{
    int why = SSL_get_error(tls->ssl, result);

    /* With SSL_MODE_AUTO_RETRY OpenSSL asks for more only once it has had everything; were it
     * ever otherwise, failing is what keeps the loop bounded. */
    if (why == SSL_ERROR_WANT_READ && loan->sealed.len == 0 && !loan->overdrawn) {
        if (SSL_is_init_finished(tls->ssl))
            establish(tls);
        return TLS_OPEN;
    }
    if (why == SSL_ERROR_ZERO_RETURN) {
        tls->closed = true;
        return TLS_CLOSED;
    }
    tls->broken = true;
    tls->fault = (uint32_t)ERR_peek_error();
    ERR_clear_error();
    return TLS_FAILED;
}

/* Bounded by the input: each turn takes at least one byte of it, or ends. */
static enum tls_status open_all(struct tls *tls, struct loan *loan, tls_plain_fn *on_plain,
                                void *user)
{
    uint8_t plain[TLS_RECORD_PLAIN_MAX];

    for (;;) {
        size_t plain_bytes;
        int result = SSL_read_ex(tls->ssl, plain, sizeof(plain), &plain_bytes);
        if (result <= 0)
            return open_ended(tls, result, loan);
        establish(tls);
        tls->opened_bytes += plain_bytes;
        bool go_on = on_plain(user, slice_make(plain, plain_bytes));
        mem_wipe(plain, plain_bytes);
        if (tls->broken) /* on_plain has sealed an answer, and that went wrong */
            return TLS_FAILED;
        if (!go_on)
            return TLS_OPEN;
        lender.current = loan; /* sealing has taken it away */
    }
}

enum tls_status tls_open(struct tls *tls, struct slice sealed, struct tls_out *out,
                         tls_plain_fn *on_plain, void *user)
{
    if (tls->broken)
        return TLS_FAILED;
    if (tls->closed)
        return TLS_CLOSED;
    struct loan loan = {.tls = tls, .sealed = sealed, .out = out};
    ERR_clear_error(); /* another user of OpenSSL on this thread may have left some */
    lender.current = &loan;
    enum tls_status status = open_all(tls, &loan, on_plain, user);
    lender.current = NULL;
    return status;
}

bool tls_established(const struct tls *tls)
{
    return tls->established;
}

bool tls_resumed(const struct tls *tls)
{
    return SSL_session_reused(tls->ssl) != 0;
}

int tls_seal(struct tls *tls, struct slice plain, struct tls_out *out)
{
    size_t written;

    CHECK(plain.len > 0 && plain.len <= TLS_RECORD_PLAIN_MAX);
    if (tls->broken || tls->shut || !tls->established)
        return -EIO;
    if (out->cap - out->len < plain.len + TLS_SEAL_OVERHEAD)
        goto broken;
    struct loan loan = {.tls = tls, .out = out};
    lender.current = &loan;
    int result = SSL_write_ex(tls->ssl, plain.data, plain.len, &written);
    lender.current = NULL;
    if (result <= 0)
        goto broken;
    return 0;
broken:
    tls->broken = true;
    ERR_clear_error();
    return -EIO;
}

void tls_shutdown(struct tls *tls, struct tls_out *out)
{
    if (tls->broken || tls->shut || !tls->established)
        return;
    struct loan loan = {.tls = tls, .out = out};
    tls->shut = true;
    lender.current = &loan;
    SSL_shutdown(tls->ssl); /* whether it fits `out` or not, the connection is going away */
    lender.current = NULL;
    ERR_clear_error();
}
