/* tls_peer.h - the other end for the tests of TLS: certificates made on the spot, and OpenSSL's
 * client over memory. No sockets, no files that outlive a call. */
#pragma once

#include "ringroom/base/check.h"
#include "ringroom/base/mem.h"
#include "ringroom/wire/tls.h"
#include "unit.h"
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>
#include <unistd.h>

enum { PEER_HEARD_MAX = 8 << 20, PEER_DAY_S = 24 * 3600 };

/* A file in the temporary folder, holding what was written to `pem`; peer_unlink() removes it. */
struct peer_file {
    char path[64];
};

static inline struct peer_file peer_file(const void *data, size_t bytes)
{
    struct peer_file file = {"/tmp/ringroom-tls-XXXXXX"};
    int fd = mkstemp(file.path);
    CHECK(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    close(fd);
    return file;
}

static inline void peer_unlink(struct peer_file file)
{
    unlink(file.path);
}

static inline X509 *peer_cert(EVP_PKEY *key, long from_s, long to_s)
{
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), from_s);
    X509_gmtime_adj(X509_getm_notAfter(cert), to_s);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_set_pubkey(cert, key);
    bool hashes_itself = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
    CHECK(X509_sign(cert, key, hashes_itself ? NULL : EVP_sha256()) > 0);
    return cert;
}

static inline struct peer_file peer_cert_file(X509 *cert, X509 *issuer)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    PEM_write_bio_X509(bio, cert);
    if (issuer)
        PEM_write_bio_X509(bio, issuer);
    long bytes = BIO_get_mem_data(bio, &data);
    struct peer_file file = peer_file(data, (size_t)bytes);
    BIO_free(bio);
    return file;
}

static inline struct peer_file peer_key_file(EVP_PKEY *key, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    PEM_write_bio_PKCS8PrivateKey(bio, key, password ? EVP_aes_128_cbc() : NULL, password,
                                  password ? (int)strlen(password) : 0, NULL, NULL);
    long bytes = BIO_get_mem_data(bio, &data);
    struct peer_file file = peer_file(data, (size_t)bytes);
    BIO_free(bio);
    return file;
}

/* A server with a fresh certificate for `key`, which it takes. */
static inline struct tls_server *peer_server(EVP_PKEY *key)
{
    char error[256];
    struct tls_server *server = NULL;
    X509 *cert = peer_cert(key, -PEER_DAY_S, PEER_DAY_S);
    struct peer_file cert_file = peer_cert_file(cert, NULL), key_file = peer_key_file(key, NULL);
    int err = tls_server_new(cert_file.path, key_file.path, &server, error, sizeof(error));
    if (err)
        fprintf(stderr, "%s\n", error);
    CHECK(err == 0);
    peer_unlink(cert_file);
    peer_unlink(key_file);
    X509_free(cert);
    EVP_PKEY_free(key);
    return server;
}

static inline struct tls_server *peer_server_p256(void)
{
    return peer_server(EVP_EC_gen("P-256"));
}

/* A client and the session that answers it. */
struct peer {
    struct tls *tls;
    SSL *client;
    BIO *to_client, *from_client; /* the client's */
    enum tls_status status;       /* of the last tls_open() */
    struct tls_out out;           /* all of TLS_HANDSHAKE_OUT_MAX, unless a test lowers cap */
    uint8_t *heard;               /* what the server has opened */
    size_t heard_bytes;
    size_t piece_max;  /* sealed bytes a call of tls_open(); 0 for all at once */
    uint64_t *random;  /* set: pieces of random length up to piece_max */
    bool error_leaked; /* a call has left something in OpenSSL's error queue */
};

static inline SSL_CTX *peer_client(int version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    return context;
}

static inline struct peer *peer_new(struct tls_server *server, SSL_CTX *context)
{
    struct peer *peer = mem_zalloc(sizeof(*peer));
    peer->out.data = mem_alloc(TLS_HANDSHAKE_OUT_MAX);
    peer->out.cap = TLS_HANDSHAKE_OUT_MAX;
    peer->heard = mem_alloc(PEER_HEARD_MAX);
    peer->tls = tls_new(server);
    peer->client = SSL_new(context);
    peer->to_client = BIO_new(BIO_s_mem());
    peer->from_client = BIO_new(BIO_s_mem());
    SSL_set_bio(peer->client, peer->to_client, peer->from_client);
    SSL_set_connect_state(peer->client);
    CHECK(peer->tls);
    return peer;
}

static inline void peer_free(struct peer *peer)
{
    tls_free(peer->tls);
    SSL_shutdown(peer->client); /* or OpenSSL would spoil its ticket */
    SSL_free(peer->client);
    ERR_clear_error();
    mem_free(peer->out.data);
    mem_free(peer->heard);
    mem_free(peer);
}

static inline bool peer_hear(void *user, struct slice plain)
{
    struct peer *peer = user;
    CHECK(plain.len <= PEER_HEARD_MAX - peer->heard_bytes);
    memcpy(peer->heard + peer->heard_bytes, plain.data, plain.len);
    peer->heard_bytes += plain.len;
    return true;
}

/* Hands the client what the server has said. */
static inline void peer_deliver(struct peer *peer)
{
    BIO_write(peer->to_client, peer->out.data, (int)peer->out.len);
    peer->out.len = 0;
}

/* The server opens `sealed`, copied to a block of just its size so that ASan sees its ends. */
static inline enum tls_status peer_open(struct peer *peer, const void *sealed, size_t bytes)
{
    uint8_t *copy = mem_alloc(bytes ? bytes : 1);
    memcpy(copy, sealed, bytes);
    peer->status = tls_open(peer->tls, slice_make(copy, bytes), &peer->out, peer_hear, peer);
    mem_free(copy);
    if (ERR_peek_error() != 0)
        peer->error_leaked = true;
    return peer->status;
}

/* The server opens what the client has said, in pieces as the peer is set. */
static inline enum tls_status peer_feed(struct peer *peer)
{
    char *sealed;
    size_t bytes = (size_t)BIO_get_mem_data(peer->from_client, &sealed), at = 0;

    while (at < bytes) {
        size_t n = peer->piece_max ? peer->piece_max : bytes;
        if (peer->random)
            n = 1 + unit_random(peer->random) % n;
        n = n < bytes - at ? n : bytes - at;
        peer_open(peer, sealed + at, n);
        at += n;
        peer_deliver(peer);
    }
    (void)BIO_reset(peer->from_client);
    return peer->status;
}

/* Both talk until the handshake is through, or has failed. */
static inline bool peer_handshake(struct peer *peer)
{
    for (int turn = 0; turn < 8; turn++) {
        char none;
        int result = SSL_do_handshake(peer->client);
        peer_feed(peer);
        if (result == 1 && tls_established(peer->tls)) {
            SSL_peek(peer->client, &none, 0); /* takes the tickets */
            SSL_read(peer->client, &none, 0);
            ERR_clear_error();
            return true;
        }
        ERR_clear_error(); /* the client's, on the same thread */
    }
    return false;
}

/* The client says `text`; true where the server hears just that. */
static inline bool peer_says(struct peer *peer, const char *text)
{
    size_t bytes = strlen(text);
    peer->heard_bytes = 0;
    bool said = SSL_write(peer->client, text, (int)bytes) == (int)bytes;
    peer_feed(peer);
    ERR_clear_error();
    return said && peer->heard_bytes == bytes && memcmp(peer->heard, text, bytes) == 0;
}

/* The server says `text`; true where the client hears just that. */
static inline bool peer_hears(struct peer *peer, const char *text)
{
    char heard[256];
    if (tls_seal(peer->tls, slice_of(text), &peer->out) != 0)
        return false;
    peer_deliver(peer);
    int n = SSL_read(peer->client, heard, sizeof(heard));
    ERR_clear_error();
    return n == (int)strlen(text) && memcmp(heard, text, (size_t)n) == 0;
}

static inline bool peer_both_ways(struct peer *peer)
{
    return peer_says(peer, "from the client") && peer_hears(peer, "from the server");
}
