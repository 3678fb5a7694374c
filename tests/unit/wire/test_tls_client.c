/* TLS from the client's side, against our own server's side, over memory. */
#include "ringroom/wire/tls_client.h"
#include "tls_peer.h"
#include <errno.h>

enum { OUT_MAX = TLS_HANDSHAKE_OUT_MAX };

/* A server, and its certificate as a file. */
struct world {
    struct tls_server *server;
    struct peer_file ca;
};

static struct world world_make(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = peer_cert(key, -PEER_DAY_S, PEER_DAY_S);
    struct world world = {.ca = peer_cert_file(cert, NULL)};
    struct peer_file key_file = peer_key_file(key, NULL);
    char error[256];

    CHECK(tls_server_new(world.ca.path, key_file.path, &world.server, error, sizeof(error)) == 0);
    peer_unlink(key_file);
    X509_free(cert);
    EVP_PKEY_free(key);
    return world;
}

static void world_end(struct world *world)
{
    tls_server_free(world->server);
    peer_unlink(world->ca);
}

struct heard {
    char text[64];
    size_t len;
};

static bool hear(void *user, struct slice plain)
{
    struct heard *heard = user;

    memcpy(heard->text + heard->len, plain.data, plain.len);
    heard->len += plain.len;
    return true;
}

/* Takes what has been sealed to the other side; that side's state. */
static enum tls_status carry(struct tls_out *from, struct tls *to, struct tls_out *answer,
                             struct heard *heard)
{
    enum tls_status status = tls_open(to, slice_make(from->data, from->len), answer, hear, heard);

    from->len = 0;
    return status;
}

/* Shakes hands; whether that went well, and if not the client's complaint. */
static bool meet(struct world *world, struct tls_client *context, const char *host, char *why,
                 size_t why_bytes)
{
    static uint8_t client_bytes[OUT_MAX], server_bytes[OUT_MAX];
    struct tls_out to_server = {.data = client_bytes, .cap = OUT_MAX};
    struct tls_out to_client = {.data = server_bytes, .cap = OUT_MAX};
    struct tls *client = tls_client_session(context, host), *server = tls_new(world->server);
    struct heard heard = {0};
    bool good = false;

    CHECK(client && server);
    CU_ASSERT_EQUAL(tls_open(client, (struct slice){0}, &to_server, hear, &heard), TLS_OPEN);
    for (int i = 0; i < 4 && !good; i++) {
        carry(&to_server, server, &to_client, &heard);
        if (carry(&to_client, client, &to_server, &heard) == TLS_FAILED) {
            tls_client_why(client, host, why, why_bytes);
            break;
        }
        good = tls_established(client) && tls_established(server);
    }
    if (good) {
        CU_ASSERT_EQUAL(tls_seal(client, slice_of("ping"), &to_server), 0);
        CU_ASSERT_EQUAL(carry(&to_server, server, &to_client, &heard), TLS_OPEN);
        CU_ASSERT_EQUAL(tls_seal(server, slice_of("pong"), &to_client), 0);
        CU_ASSERT_EQUAL(carry(&to_client, client, &to_server, &heard), TLS_OPEN);
        CU_ASSERT_STRING_EQUAL(heard.text, "pingpong");
        tls_shutdown(client, &to_server);
        CU_ASSERT_EQUAL(carry(&to_server, server, &to_client, &heard), TLS_CLOSED);
    }
    CU_ASSERT_EQUAL(ERR_peek_error(), 0);
    tls_free(client);
    tls_free(server);
    return good;
}

static struct tls_client *context_of(const char *ca_file, bool verify)
{
    struct tls_client *context = NULL;
    char error[256];

    CU_ASSERT_EQUAL_FATAL(tls_client_new(ca_file, verify, &context, error, sizeof(error)), 0);
    return context;
}

static void test_tls_client__a_named_certificate_is_trusted_for_its_name_alone(void)
{
    struct world world = world_make();
    struct tls_client *context = context_of(world.ca.path, true);
    char why[512] = "";

    CU_ASSERT(meet(&world, context, "localhost", why, sizeof(why)));
    CU_ASSERT(!meet(&world, context, "example.org", why, sizeof(why)));
    CU_ASSERT(strstr(why, "the certificate of example.org") && strstr(why, "another name"));
    CU_ASSERT(!meet(&world, context, "127.0.0.1", why, sizeof(why)));
    CU_ASSERT(strstr(why, "another name") != NULL);
    tls_client_free(context);
    world_end(&world);
}

static void test_tls_client__an_unknown_certificate_is_refused_with_advice(void)
{
    struct world world = world_make();
    struct tls_client *context = context_of(NULL, true);
    char why[512] = "";

    CU_ASSERT(!meet(&world, context, "localhost", why, sizeof(why)));
    CU_ASSERT(strstr(why, "nobody whom this system trusts") && strstr(why, "--ca FILE"));
    tls_client_free(context);
    world_end(&world);
}

static void test_tls_client__without_checks_anyone_is_trusted(void)
{
    struct world world = world_make();
    struct tls_client *context = context_of(NULL, false);
    char why[512] = "";

    CU_ASSERT(meet(&world, context, "example.org", why, sizeof(why)));
    tls_client_free(context);
    world_end(&world);
}

static void test_tls_client__what_is_no_tls_is_said_so(void)
{
    static uint8_t bytes[OUT_MAX];
    struct tls_client *context = context_of(NULL, true);
    struct tls *client = tls_client_session(context, "localhost");
    struct tls_out out = {.data = bytes, .cap = OUT_MAX};
    struct heard heard = {0};
    char why[512] = "";

    CU_ASSERT_EQUAL(tls_open(client, (struct slice){0}, &out, hear, &heard), TLS_OPEN);
    CU_ASSERT_EQUAL(
        tls_open(client, slice_of("HTTP/1.1 400 Bad Request\r\n\r\n"), &out, hear, &heard),
        TLS_FAILED);
    tls_client_why(client, "localhost", why, sizeof(why));
    CU_ASSERT(strstr(why, "is it a ws:// address?") != NULL);
    tls_free(client);
    tls_client_free(context);
}

static void test_tls_client__a_file_without_certificates_is_named(void)
{
    struct peer_file file = peer_file("hello", 5);
    struct tls_client *context;
    char error[512];

    CU_ASSERT_EQUAL(tls_client_new(file.path, true, &context, error, sizeof(error)), -EINVAL);
    CU_ASSERT(strstr(error, file.path) != NULL);
    CU_ASSERT_EQUAL(tls_client_new("/nonexistent", true, &context, error, sizeof(error)), -EINVAL);
    CU_ASSERT(strstr(error, "/nonexistent") != NULL);
    peer_unlink(file);
}

UNIT_MAIN("wire/tls_client",
          UNIT_TEST(test_tls_client__a_named_certificate_is_trusted_for_its_name_alone),
          UNIT_TEST(test_tls_client__an_unknown_certificate_is_refused_with_advice),
          UNIT_TEST(test_tls_client__without_checks_anyone_is_trusted),
          UNIT_TEST(test_tls_client__what_is_no_tls_is_said_so),
          UNIT_TEST(test_tls_client__a_file_without_certificates_is_named))
