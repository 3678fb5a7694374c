/* tls_open() against any bytes, before, during and after a handshake.
 *
 * The input is a script: the first byte says whether a handshake goes first, and of which version;
 * then come steps of one byte and its arguments. Sessions are fresh for every input, and what the
 * client says is random, so a crash is replayed by its script, not by its bytes. */
#include "ringroom/base/check.h"
#include "ringroom/wire/tls.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <unistd.h>

enum { STEPS_MAX = 200, PAYLOAD_MAX = 2048, SAID_MAX = 256 << 10 };

enum step {
    STEP_RAW,    /* the rest of the input up to a length goes to the server as it stands */
    STEP_FLIP,   /* what the client has to say, with one byte changed */
    STEP_CUT,    /* the first part of it; the rest is lost */
    STEP_FEED,   /* all of it, in pieces of a given size */
    STEP_SAY,    /* the client writes plaintext */
    STEP_UPDATE, /* the client asks for new keys */
    STEP_CLOSE,  /* the client says close_notify */
    STEP_SEAL,   /* the server writes plaintext */
    STEP_SHUT,   /* the server says close_notify */
    STEP_TWICE,  /* what the client has to say, said twice, up to SAID_MAX: doubling is fast */
    STEPS
};

struct script {
    const uint8_t *data;
    size_t len;
};

struct stage {
    struct tls *tls;
    SSL *client;
    BIO *to_client, *from_client;
    uint8_t lent[TLS_HANDSHAKE_OUT_MAX];
    size_t lent_max; /* at most sizeof(lent) */
    bool failed;
};

static struct tls_server *server;
static SSL_CTX *clients[2];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void write_pem(char *path, X509 *cert, EVP_PKEY *key)
{
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    CHECK(file);
    CHECK(cert ? PEM_write_X509(file, cert)
               : PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    fclose(file);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char cert_path[] = "/tmp/fuzz-tls-XXXXXX", key_path[] = "/tmp/fuzz-tls-XXXXXX", error[256];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();

    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 24 * 3600);
    X509_set_pubkey(cert, key);
    CHECK(X509_sign(cert, key, EVP_sha256()) > 0);
    write_pem(cert_path, cert, NULL);
    write_pem(key_path, NULL, key);
    CHECK(tls_server_new(cert_path, key_path, &server, error, sizeof(error)) == 0);
    unlink(cert_path);
    unlink(key_path);
    X509_free(cert);
    EVP_PKEY_free(key);
    for (int i = 0; i < 2; i++) {
        clients[i] = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_max_proto_version(clients[i], i ? TLS1_3_VERSION : TLS1_2_VERSION);
    }
    return 0;
}

static uint8_t take_byte(struct script *script)
{
    if (script->len == 0)
        return 0;
    script->len--;
    return *script->data++;
}

/* 0 to 65535, small numbers more often. */
static size_t take_size(struct script *script)
{
    size_t n = take_byte(script);
    return n < 128 ? n : (n & 127) << 8 | take_byte(script);
}

static bool drop(void *user, struct slice plain)
{
    CHECK(plain.len > 0 && plain.len <= TLS_RECORD_PLAIN_MAX);
    return true;
}

static void open_piece(struct stage *stage, const uint8_t *sealed, size_t len)
{
    struct tls_out out = {.data = stage->lent, .cap = stage->lent_max};
    uint8_t *copy = mem_alloc(len + 1); /* its own block: ASan sees its end */

    if (len > 0)
        memcpy(copy, sealed, len);
    enum tls_status status = tls_open(stage->tls, slice_make(copy, len), &out, drop, NULL);
    mem_free(copy);
    CHECK(out.len <= out.cap);
    CHECK(ERR_peek_error() == 0);
    CHECK(!stage->failed || status == TLS_FAILED);
    stage->failed = status == TLS_FAILED;
    if (out.len > 0)
        BIO_write(stage->to_client, out.data, (int)out.len);
}

static void feed(struct stage *stage, size_t piece, size_t flip, uint8_t mask, size_t max)
{
    char *said;
    size_t len = (size_t)BIO_get_mem_data(stage->from_client, &said);

    if (len > 0)
        said[flip % len] ^= (char)mask;
    len = len < max ? len : max;
    for (size_t at = 0; at < len; at += piece) {
        size_t n = piece < len - at ? piece : len - at;
        open_piece(stage, (uint8_t *)said + at, n);
    }
    (void)BIO_reset(stage->from_client);
}

static void handshake(struct stage *stage)
{
    for (int turn = 0; turn < 4; turn++) {
        SSL_do_handshake(stage->client);
        ERR_clear_error();
        feed(stage, TLS_HANDSHAKE_OUT_MAX, 0, 0, SIZE_MAX);
    }
    CHECK(stage->lent_max < sizeof(stage->lent) || tls_established(stage->tls));
}

static void seal(struct stage *stage, size_t len)
{
    static uint8_t plain[PAYLOAD_MAX];
    struct tls_out out = {.data = stage->lent, .cap = stage->lent_max};
    int err = tls_seal(stage->tls, slice_make(plain, 1 + len % sizeof(plain)), &out);

    CHECK(err == 0 || out.len <= TLS_SEAL_OVERHEAD);
    CHECK(out.len <= 1 + len % sizeof(plain) + TLS_SEAL_OVERHEAD);
    BIO_write(stage->to_client, out.data, (int)out.len);
}

static void run_step(struct stage *stage, enum step step, struct script *script)
{
    static uint8_t plain[PAYLOAD_MAX];
    struct tls_out out = {.data = stage->lent, .cap = stage->lent_max};
    size_t n = take_size(script);

    switch (step) {
    case STEP_RAW:
        n = n < script->len ? n : script->len;
        open_piece(stage, script->data, n);
        script->data += n;
        script->len -= n;
        break;
    case STEP_FLIP:
        feed(stage, TLS_HANDSHAKE_OUT_MAX, n, take_byte(script), SIZE_MAX);
        break;
    case STEP_CUT:
        feed(stage, TLS_HANDSHAKE_OUT_MAX, 0, 0, n);
        break;
    case STEP_FEED:
        feed(stage, n + 1, 0, 0, SIZE_MAX);
        break;
    case STEP_SAY:
        SSL_write(stage->client, plain, 1 + (int)(n % sizeof(plain)));
        break;
    case STEP_UPDATE:
        SSL_key_update(stage->client, (int)(n % 2));
        SSL_do_handshake(stage->client);
        break;
    case STEP_CLOSE:
        SSL_shutdown(stage->client);
        break;
    case STEP_SEAL:
        seal(stage, n);
        break;
    case STEP_SHUT:
        tls_shutdown(stage->tls, &out);
        break;
    case STEP_TWICE: {
        char *said;
        long len = BIO_get_mem_data(stage->from_client, &said);
        if (len > SAID_MAX / 2)
            break;
        uint8_t *copy = mem_alloc((size_t)len + 1);
        if (len > 0)
            memcpy(copy, said, (size_t)len);
        BIO_write(stage->from_client, copy, (int)len);
        mem_free(copy);
        break;
    }
    case STEPS:
        break;
    }
    ERR_clear_error(); /* the client's */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct stage stage;
    struct script script = {data, len};
    uint8_t opening = take_byte(&script);

    stage.failed = false;
    stage.lent_max = opening & 4 ? take_size(&script) % sizeof(stage.lent) : sizeof(stage.lent);
    stage.tls = tls_new(server);
    stage.client = SSL_new(clients[opening & 1]);
    stage.to_client = BIO_new(BIO_s_mem());
    stage.from_client = BIO_new(BIO_s_mem());
    CHECK(stage.tls && stage.client && stage.to_client && stage.from_client);
    SSL_set_bio(stage.client, stage.to_client, stage.from_client);
    SSL_set_connect_state(stage.client);
    if (opening & 2)
        handshake(&stage);
    else if (opening & 8)
        SSL_do_handshake(stage.client);
    for (int i = 0; i < STEPS_MAX && script.len > 0; i++)
        run_step(&stage, take_byte(&script) % STEPS, &script);
    tls_free(stage.tls);
    SSL_free(stage.client);
    ERR_clear_error();
    return 0;
}
