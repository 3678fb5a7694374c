/* Tests of tls.h: reading the certificate and its key. */
#include "ringroom/wire/tls.h"
#include "tls_peer.h"
#include <errno.h>

/* Fails as it should, with `expected` in the sentence. */
static bool refused(const char *cert_file, const char *key_file, const char *expected,
                    const char *blamed_file)
{
    char error[512] = "";
    struct tls_server *server = NULL;
    int err = tls_server_new(cert_file, key_file, &server, error, sizeof(error));
    bool well = err == -EINVAL && server == NULL && strstr(error, expected) != NULL &&
                strstr(error, blamed_file) != NULL && ERR_peek_error() == 0;

    if (!well)
        fprintf(stderr, "\n    %d \"%s\", expected \"%s\" of %s\n", err, error, expected,
                blamed_file);
    tls_server_free(server);
    return well;
}

static void test_tls_server__files_that_cannot_be_read_are_named(void)
{
    static const char key[] = "never looked at";

    CU_ASSERT(refused("/nowhere/cert.pem", key, "No such file", "/nowhere/cert.pem"));
    CU_ASSERT(refused("/tmp", key, "Is a directory", "/tmp"));
    CU_ASSERT(refused("/dev/zero", key, "File too large", "/dev/zero"));
}

static void test_tls_server__what_is_missing_or_damaged_is_named(void)
{
    static const char damaged[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    static const char damaged_key[] =
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = peer_cert(key, -PEER_DAY_S, PEER_DAY_S);
    struct peer_file empty = peer_file("", 0), junk = peer_file("hello\n", 6),
                     bad_cert = peer_file(damaged, sizeof(damaged) - 1),
                     bad_key = peer_file(damaged_key, sizeof(damaged_key) - 1),
                     cert_file = peer_cert_file(cert, NULL), key_file = peer_key_file(key, NULL);

    CU_ASSERT(refused(empty.path, key_file.path, "no certificate", empty.path));
    CU_ASSERT(refused(junk.path, key_file.path, "no certificate", junk.path));
    CU_ASSERT(refused(key_file.path, key_file.path, "no certificate", key_file.path));
    CU_ASSERT(refused(bad_cert.path, key_file.path, "damaged", bad_cert.path));
    CU_ASSERT(refused(cert_file.path, "/nowhere/key.pem", "No such file", "/nowhere/key.pem"));
    CU_ASSERT(refused(cert_file.path, empty.path, "no private key", empty.path));
    CU_ASSERT(refused(cert_file.path, cert_file.path, "no private key", cert_file.path));
    CU_ASSERT(refused(cert_file.path, bad_key.path, "damaged", bad_key.path));
    peer_unlink(empty);
    peer_unlink(junk);
    peer_unlink(bad_cert);
    peer_unlink(bad_key);
    peer_unlink(cert_file);
    peer_unlink(key_file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void test_tls_server__a_key_must_fit_and_be_readable(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256"), *rsa = EVP_RSA_gen(2048);
    X509 *cert = peer_cert(key, -PEER_DAY_S, PEER_DAY_S);
    struct peer_file cert_file = peer_cert_file(cert, NULL),
                     other_file = peer_key_file(other, NULL), rsa_file = peer_key_file(rsa, NULL),
                     secret = peer_key_file(key, "password");

    CU_ASSERT(refused(cert_file.path, other_file.path, "does not fit", other_file.path));
    CU_ASSERT(refused(cert_file.path, other_file.path, "does not fit", cert_file.path));
    CU_ASSERT(refused(cert_file.path, rsa_file.path, "does not fit", rsa_file.path));
    CU_ASSERT(refused(cert_file.path, secret.path, "is encrypted", secret.path));
    peer_unlink(cert_file);
    peer_unlink(other_file);
    peer_unlink(rsa_file);
    peer_unlink(secret);
    X509_free(cert);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    EVP_PKEY_free(rsa);
}

static void test_tls_server__a_certificate_out_of_its_time_is_refused_with_the_date(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *expired = peer_cert(key, -2 * PEER_DAY_S, -PEER_DAY_S),
         *early = peer_cert(key, PEER_DAY_S, 2 * PEER_DAY_S);
    struct peer_file expired_file = peer_cert_file(expired, NULL),
                     early_file = peer_cert_file(early, NULL), key_file = peer_key_file(key, NULL);
    time_t yesterday = time(NULL) - PEER_DAY_S, tomorrow = time(NULL) + PEER_DAY_S;
    char since[64], before[64];

    strftime(since, sizeof(since), "expired since %Y-%m-%d", gmtime(&yesterday));
    strftime(before, sizeof(before), "not valid before %Y-%m-%d", gmtime(&tomorrow));
    CU_ASSERT(refused(expired_file.path, key_file.path, since, expired_file.path));
    CU_ASSERT(refused(early_file.path, key_file.path, before, early_file.path));
    peer_unlink(expired_file);
    peer_unlink(early_file);
    peer_unlink(key_file);
    X509_free(expired);
    X509_free(early);
    EVP_PKEY_free(key);
}

static void test_tls_server__weak_keys_are_refused(void)
{
    EVP_PKEY *weak = EVP_RSA_gen(1024);
    X509 *cert = peer_cert(weak, -PEER_DAY_S, PEER_DAY_S);
    struct peer_file cert_file = peer_cert_file(cert, NULL), key_file = peer_key_file(weak, NULL);

    CU_ASSERT(refused(cert_file.path, key_file.path, "key too small", cert_file.path));
    peer_unlink(cert_file);
    peer_unlink(key_file);
    X509_free(cert);
    EVP_PKEY_free(weak);
}

static void test_tls_server__the_chain_goes_to_the_client(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256"), *issuer_key = EVP_EC_gen("P-256");
    X509 *cert = peer_cert(key, -PEER_DAY_S, PEER_DAY_S),
         *issuer = peer_cert(issuer_key, -PEER_DAY_S, PEER_DAY_S);
    struct peer_file chain = peer_cert_file(cert, issuer), key_file = peer_key_file(key, NULL);
    struct tls_server *server = NULL;
    char error[256];

    CU_ASSERT_FATAL(tls_server_new(chain.path, key_file.path, &server, error, sizeof(error)) == 0);
    SSL_CTX *client = peer_client(TLS1_3_VERSION);
    struct peer *peer = peer_new(server, client);
    CU_ASSERT(peer_handshake(peer));
    STACK_OF(X509) *got = SSL_get_peer_cert_chain(peer->client);
    CU_ASSERT(sk_X509_num(got) == 2);
    CU_ASSERT(X509_cmp(sk_X509_value(got, 0), cert) == 0);
    CU_ASSERT(X509_cmp(sk_X509_value(got, 1), issuer) == 0);
    peer_free(peer);
    SSL_CTX_free(client);
    tls_server_free(server);
    peer_unlink(chain);
    peer_unlink(key_file);
    X509_free(cert);
    X509_free(issuer);
    EVP_PKEY_free(key);
    EVP_PKEY_free(issuer_key);
}

static void test_tls_server__a_damaged_or_endless_chain_is_refused(void)
{
    enum { LINKS = 20 };
    static const char damaged[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = peer_cert(key, -PEER_DAY_S, PEER_DAY_S);
    BIO *pem = BIO_new(BIO_s_mem());
    char *data;

    PEM_write_bio_X509(pem, cert);
    BIO_puts(pem, damaged);
    long bytes = BIO_get_mem_data(pem, &data);
    struct peer_file broken = peer_file(data, (size_t)bytes), key_file = peer_key_file(key, NULL);
    (void)BIO_reset(pem);
    for (int i = 0; i < LINKS; i++)
        PEM_write_bio_X509(pem, cert);
    bytes = BIO_get_mem_data(pem, &data);
    struct peer_file endless = peer_file(data, (size_t)bytes);

    CU_ASSERT(refused(broken.path, key_file.path, "certificate 2", broken.path));
    CU_ASSERT(refused(endless.path, key_file.path, "too long", endless.path));
    BIO_free(pem);
    peer_unlink(broken);
    peer_unlink(endless);
    peer_unlink(key_file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void test_tls_server__the_sentence_fits_any_space(void)
{
    struct tls_server *server = NULL;
    char error[8];

    CU_ASSERT(tls_server_new("/nowhere", "/nowhere", &server, NULL, 0) == -EINVAL);
    for (size_t n = 1; n <= sizeof(error); n++) {
        memset(error, 'x', sizeof(error));
        CU_ASSERT(tls_server_new("/nowhere", "/nowhere", &server, error, n) == -EINVAL);
        CU_ASSERT(strlen(error) == n - 1);
    }
    CU_ASSERT(server == NULL);
    tls_server_free(NULL);
}

static void test_tls_server__any_failing_allocation_is_survived(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = peer_cert(key, -PEER_DAY_S, PEER_DAY_S);
    struct peer_file cert_file = peer_cert_file(cert, NULL), key_file = peer_key_file(key, NULL);
    struct tls_server *server = NULL;
    char error[256];
    long n = 0;

    for (; n < 100; n++) {
        mem_fail_after(n);
        int err = tls_server_new(cert_file.path, key_file.path, &server, error, sizeof(error));
        mem_fail_after(-1);
        if (err == 0)
            break;
        CU_ASSERT(err == -EINVAL && server == NULL && error[0] != '\0');
        CU_ASSERT(ERR_peek_error() == 0);
    }
    CU_ASSERT(server != NULL);
#ifdef RINGROOM_DCHECK
    CU_ASSERT(n >= 3); /* the server, its two files */
#endif
    tls_server_free(server);
    peer_unlink(cert_file);
    peer_unlink(key_file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

UNIT_MAIN("tls_server", UNIT_TEST(test_tls_server__files_that_cannot_be_read_are_named),
          UNIT_TEST(test_tls_server__what_is_missing_or_damaged_is_named),
          UNIT_TEST(test_tls_server__a_key_must_fit_and_be_readable),
          UNIT_TEST(test_tls_server__a_certificate_out_of_its_time_is_refused_with_the_date),
          UNIT_TEST(test_tls_server__weak_keys_are_refused),
          UNIT_TEST(test_tls_server__the_chain_goes_to_the_client),
          UNIT_TEST(test_tls_server__a_damaged_or_endless_chain_is_refused),
          UNIT_TEST(test_tls_server__the_sentence_fits_any_space),
          UNIT_TEST(test_tls_server__any_failing_allocation_is_survived))
