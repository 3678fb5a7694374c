/* Tests of tls.h: the stapled OCSP response. Judging files is tested from outside too, with
 * OpenSSL's responder; here is what takes other times, signers and memory running out. */
#include "ringroom/wire/tls.h"
#include "tls_peer.h"
#include <errno.h>
#include <openssl/ocsp.h>

/* A server whose certificate signs for itself, and what a response is made of. */
struct scene {
    EVP_PKEY *key;
    X509 *cert;
    struct tls_server *server;
};

static struct scene scene_make(void)
{
    struct scene scene = {.key = EVP_EC_gen("P-256")};
    char error[256];
    scene.cert = peer_cert(scene.key, -PEER_DAY_S, PEER_DAY_S);
    struct peer_file cert = peer_cert_file(scene.cert, NULL), key = peer_key_file(scene.key, NULL);
    CHECK(tls_server_new(cert.path, key.path, &scene.server, error, sizeof(error)) == 0);
    peer_unlink(cert);
    peer_unlink(key);
    return scene;
}

static void scene_end(struct scene *scene)
{
    tls_server_free(scene->server);
    X509_free(scene->cert);
    EVP_PKEY_free(scene->key);
}

/* Good from from_s until to_s from now; to_s 0: without an end. */
static struct peer_file response_file(const struct scene *scene, long from_s, long to_s)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha256(), scene->cert, scene->cert);
    ASN1_TIME *from = X509_gmtime_adj(NULL, from_s),
              *to = to_s ? X509_gmtime_adj(NULL, to_s) : NULL;
    unsigned char *der = NULL;

    CHECK(OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, NULL, from, to));
    CHECK(OCSP_basic_sign(basic, scene->cert, scene->key, EVP_sha256(), NULL, 0));
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    int bytes = i2d_OCSP_RESPONSE(response, &der);
    CHECK(bytes > 0);
    struct peer_file file = peer_file(der, (size_t)bytes);
    OPENSSL_free(der);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    return file;
}

static int staple(struct scene *scene, long from_s, long to_s, const char *expected)
{
    struct peer_file file = response_file(scene, from_s, to_s);
    char text[512] = "x";
    int result = tls_server_staple(scene->server, file.path, text, sizeof(text));

    if (!(expected ? strstr(text, expected) && strstr(text, file.path) : text[0] == '\0') ||
        ERR_peek_error() != 0) {
        fprintf(stderr, "\n    %d \"%s\", expected \"%s\"\n", result, text, expected);
        result = -EIO;
    }
    peer_unlink(file);
    return result;
}

/* Bytes of the response that a client gets which asks for one, or not; -1: none. */
static long handshake(struct scene *scene, int version, bool ask)
{
    const unsigned char *response;
    SSL_CTX *client = peer_client(version);

    if (ask)
        SSL_CTX_set_tlsext_status_type(client, TLSEXT_STATUSTYPE_ocsp);
    struct peer *peer = peer_new(scene->server, client);
    CU_ASSERT(peer_handshake(peer) && peer_both_ways(peer));
    long bytes = SSL_get_tlsext_status_ocsp_resp(peer->client, &response);
    peer_free(peer);
    SSL_CTX_free(client);
    return bytes;
}

static void test_tls_staple__goes_to_those_who_ask(void)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct scene scene = scene_make();
        CU_ASSERT_EQUAL(handshake(&scene, version, true), -1);
        CU_ASSERT_EQUAL(staple(&scene, -60, PEER_DAY_S, NULL), 0);
        CU_ASSERT(handshake(&scene, version, true) > 100);
        CU_ASSERT(handshake(&scene, version, true) > 100);
        CU_ASSERT_EQUAL(handshake(&scene, version, false), -1);
        scene_end(&scene);
    }
}

static void test_tls_staple__out_of_date_is_told_and_not_sent(void)
{
    struct scene scene = scene_make();

    CU_ASSERT_EQUAL(staple(&scene, -PEER_DAY_S, -60, "expired since"), 1);
    CU_ASSERT_EQUAL(staple(&scene, 3600, PEER_DAY_S, "not valid before"), 1);
    CU_ASSERT_EQUAL(handshake(&scene, TLS1_3_VERSION, true), -1);
    CU_ASSERT_EQUAL(staple(&scene, -60, 0, NULL), 0);
    CU_ASSERT(handshake(&scene, TLS1_3_VERSION, true) > 100);
    scene_end(&scene);
}

static void test_tls_staple__is_sent_no_longer_than_it_is_good(void)
{
    struct scene scene = scene_make();

    CU_ASSERT_EQUAL(staple(&scene, -60, 2, NULL), 0);
    while (handshake(&scene, TLS1_3_VERSION, true) !=
           -1) /* 2 s at most: the end is what is tested */
        ;
    scene_end(&scene);
}

static void test_tls_staple__of_another_key_is_refused(void)
{
    struct scene scene = scene_make(), other = scene_make();
    struct scene mixed = {.key = other.key, .cert = other.cert, .server = scene.server};

    /* The same name and number, another key. */
    CU_ASSERT_EQUAL(staple(&mixed, -60, PEER_DAY_S, "about another certificate"), -EINVAL);
    scene_end(&scene);
    scene_end(&other);
}

static void test_tls_staple__a_session_outlives_the_server_it_comes_from(void)
{
    struct scene scene = scene_make();
    SSL_CTX *client = peer_client(TLS1_3_VERSION);

    CU_ASSERT_EQUAL(staple(&scene, -60, PEER_DAY_S, NULL), 0);
    SSL_CTX_set_tlsext_status_type(client, TLSEXT_STATUSTYPE_ocsp);
    struct peer *peer = peer_new(scene.server, client);
    tls_server_free(scene.server);
    scene.server = NULL;
    CU_ASSERT(peer_handshake(peer) && peer_both_ways(peer));
    peer_free(peer);
    SSL_CTX_free(client);
    scene_end(&scene);
}

UNIT_MAIN("tls_staple", UNIT_TEST(test_tls_staple__goes_to_those_who_ask),
          UNIT_TEST(test_tls_staple__out_of_date_is_told_and_not_sent),
          UNIT_TEST(test_tls_staple__is_sent_no_longer_than_it_is_good),
          UNIT_TEST(test_tls_staple__of_another_key_is_refused),
          UNIT_TEST(test_tls_staple__a_session_outlives_the_server_it_comes_from))
