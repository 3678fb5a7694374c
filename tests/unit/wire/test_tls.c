/* Tests of tls.h: sessions. The certificate and its faults are in test_tls_server.c, what only a
 * hostile client sends in test_tls_hostile.c. */
#include "ringroom/wire/tls.h"
#include "tls_peer.h"
#include <errno.h>
#include <pthread.h>

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void fill(uint8_t *data, size_t bytes, uint64_t seed)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(unit_random(&seed) >> 56);
}

static void test_tls__a_handshake_opens_both_ways_with_any_key(void)
{
    EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_RSA_gen(2048),
                        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};

    for (size_t k = 0; k < array_len(keys); k++) {
        struct tls_server *server = peer_server(keys[k]);
        for (size_t v = 0; v < array_len(versions); v++) {
            SSL_CTX *client = peer_client(versions[v]);
            struct peer *peer = peer_new(server, client);
            CU_ASSERT(!tls_established(peer->tls));
            CU_ASSERT(peer_handshake(peer));
            CU_ASSERT(SSL_version(peer->client) == versions[v]);
            CU_ASSERT(!tls_resumed(peer->tls));
            CU_ASSERT(peer_both_ways(peer));
            CU_ASSERT(!peer->error_leaked);
            peer_free(peer);
            SSL_CTX_free(client);
        }
        tls_server_free(server);
    }
}

/* The client's half of a talk, said in pieces of up to `piece_max` bytes, of random length where
 * `random` is set. */
static void talk_in_pieces(int version, size_t piece_max, uint64_t *random)
{
    static uint8_t said[40000];
    struct tls_server *server = peer_server_p256();
    SSL_CTX *client = peer_client(version);
    struct peer *peer = peer_new(server, client);

    fill(said, sizeof(said), 7);
    peer->piece_max = piece_max;
    peer->random = random;
    CU_ASSERT(peer_handshake(peer));
    CU_ASSERT(SSL_write(peer->client, said, sizeof(said)) == sizeof(said));
    CU_ASSERT(SSL_write(peer->client, said, 1) == 1);
    CU_ASSERT(peer_feed(peer) == TLS_OPEN);
    CU_ASSERT(peer->heard_bytes == sizeof(said) + 1);
    CU_ASSERT(memcmp(peer->heard, said, sizeof(said)) == 0);
    CU_ASSERT(peer->heard[sizeof(said)] == said[0]);
    CU_ASSERT(peer_both_ways(peer));
    CU_ASSERT(!peer->error_leaked);
    peer_free(peer);
    SSL_CTX_free(client);
    tls_server_free(server);
}

static void test_tls__one_byte_at_a_time_yields_the_same_bytes(void)
{
    for (size_t v = 0; v < array_len(versions); v++)
        talk_in_pieces(versions[v], 1, NULL);
}

static void test_tls__any_split_yields_the_same_bytes(void)
{
    uint64_t random = unit_seed();

    for (unsigned round = unit_rounds(20); round > 0; round--) {
        size_t piece_max = (size_t)1 << (unit_random(&random) % 16);
        talk_in_pieces(versions[round % 2], piece_max, &random);
    }
}

static void test_tls__large_transfers_arrive_whole_both_ways(void)
{
    enum { BYTES = 3 << 20 };
    struct tls_server *server = peer_server_p256();
    uint8_t *said = mem_alloc(BYTES), *heard = mem_alloc(BYTES);

    fill(said, BYTES, 11);
    for (size_t v = 0; v < array_len(versions); v++) {
        SSL_CTX *client = peer_client(versions[v]);
        struct peer *peer = peer_new(server, client);
        CU_ASSERT(peer_handshake(peer));

        CU_ASSERT(SSL_write(peer->client, said, BYTES) == BYTES);
        peer->piece_max = 65536;
        CU_ASSERT(peer_feed(peer) == TLS_OPEN);
        CU_ASSERT(peer->heard_bytes == BYTES && memcmp(peer->heard, said, BYTES) == 0);

        size_t heard_bytes = 0;
        for (size_t at = 0; at < BYTES; at += TLS_RECORD_PLAIN_MAX) {
            struct slice plain = slice_make(said + at, TLS_RECORD_PLAIN_MAX);
            CU_ASSERT(tls_seal(peer->tls, plain, &peer->out) == 0);
            peer_deliver(peer);
            int n = SSL_read(peer->client, heard + heard_bytes, (int)(BYTES - heard_bytes));
            heard_bytes += n > 0 ? (size_t)n : 0;
        }
        CU_ASSERT(heard_bytes == BYTES && memcmp(heard, said, BYTES) == 0);
        peer_free(peer);
        SSL_CTX_free(client);
    }
    mem_free(said);
    mem_free(heard);
    tls_server_free(server);
}

static void test_tls__each_seal_is_one_record_within_the_overhead(void)
{
    static uint8_t plain[TLS_RECORD_PLAIN_MAX];
    static const size_t sizes[] = {1, 2, 200, 4096, 16383, 16384};
    static const char *const suites[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
                                         "ECDHE-ECDSA-CHACHA20-POLY1305",
                                         "ECDHE-ECDSA-AES256-GCM-SHA384"};
    static const char *const suites_tls13[] = {
        "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_256_GCM_SHA384"};
    struct tls_server *server = peer_server_p256();

    for (size_t i = 0; i < array_len(versions) * array_len(suites); i++) {
        SSL_CTX *client = peer_client(versions[i % 2]);
        CU_ASSERT(SSL_CTX_set_cipher_list(client, suites[i / 2]) == 1);
        CU_ASSERT(SSL_CTX_set_ciphersuites(client, suites_tls13[i / 2]) == 1);
        struct peer *peer = peer_new(server, client);
        CU_ASSERT(peer_handshake(peer));
        for (size_t s = 0; s < array_len(sizes); s++) {
            peer->out.len = 3; /* appended to what is there */
            peer->out.cap = 3 + sizes[s] + TLS_SEAL_OVERHEAD;
            CU_ASSERT(tls_seal(peer->tls, slice_make(plain, sizes[s]), &peer->out) == 0);
            size_t record = (size_t)peer->out.data[6] << 8 | peer->out.data[7];
            CU_ASSERT(peer->out.len == 3 + 5 + record);
            CU_ASSERT(peer->out.data[3] == SSL3_RT_APPLICATION_DATA);
        }
        peer_free(peer);
        SSL_CTX_free(client);
    }
    tls_server_free(server);
}

/* The newest session that a client was given. */
static SSL_SESSION *ticket;

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

static SSL_CTX *client_that_resumes(int version)
{
    SSL_CTX *client = peer_client(version);
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client, keep_ticket);
    return client;
}

struct resumption {
    struct tls_server *server;
    SSL_CTX *client;
    bool resumed, talks;
};

static void *resume(void *user)
{
    struct resumption *resumption = user;
    struct peer *peer = peer_new(resumption->server, resumption->client);

    SSL_set_session(peer->client, ticket);
    resumption->talks = peer_handshake(peer) && peer_both_ways(peer) && !peer->error_leaked;
    resumption->resumed = tls_resumed(peer->tls) && SSL_session_reused(peer->client);
    peer_free(peer);
    return NULL;
}

static void test_tls__a_session_resumes_on_any_thread(void)
{
    struct tls_server *server = peer_server_p256();

    for (size_t v = 0; v < array_len(versions); v++) {
        struct resumption resumption = {server, client_that_resumes(versions[v]), false, false};
        struct peer *first = peer_new(server, resumption.client);
        pthread_t thread;

        CU_ASSERT(peer_handshake(first) && peer_both_ways(first));
        CU_ASSERT_FATAL(ticket != NULL);
        peer_free(first);
        for (int again = 0; again < 3; again++) {
            resumption.resumed = resumption.talks = false;
            CU_ASSERT_FATAL(pthread_create(&thread, NULL, resume, &resumption) == 0);
            pthread_join(thread, NULL);
            CU_ASSERT(resumption.resumed && resumption.talks);
        }
        SSL_CTX_free(resumption.client);
        SSL_SESSION_free(ticket);
        ticket = NULL;
    }
    tls_server_free(server);
}

static void test_tls__another_servers_ticket_leads_to_a_full_handshake(void)
{
    struct tls_server *one = peer_server_p256(), *other = peer_server_p256();

    for (size_t v = 0; v < array_len(versions); v++) {
        struct resumption resumption = {other, client_that_resumes(versions[v]), false, false};
        struct peer *first = peer_new(one, resumption.client);
        CU_ASSERT(peer_handshake(first));
        peer_free(first);
        CU_ASSERT_FATAL(ticket != NULL);
        resume(&resumption);
        CU_ASSERT(!resumption.resumed && resumption.talks);
        SSL_CTX_free(resumption.client);
        SSL_SESSION_free(ticket);
        ticket = NULL;
    }
    tls_server_free(one);
    tls_server_free(other);
}

static void test_tls__a_ticket_allows_no_early_data(void)
{
    struct tls_server *server = peer_server_p256();
    SSL_CTX *client = client_that_resumes(TLS1_3_VERSION);
    struct peer *peer = peer_new(server, client);

    CU_ASSERT(peer_handshake(peer));
    CU_ASSERT_FATAL(ticket != NULL);
    CU_ASSERT(SSL_SESSION_get_max_early_data(ticket) == 0);
    peer_free(peer);
    SSL_CTX_free(client);
    SSL_SESSION_free(ticket);
    ticket = NULL;
    tls_server_free(server);
}

/* Several threads at once: each with sessions of its own, one server for all. */
static void *talk_on_a_thread(void *user)
{
    struct tls_server *server = user;
    bool well = true;

    for (int i = 0; i < 6; i++) {
        SSL_CTX *client = peer_client(versions[i % 2]);
        struct peer *peer = peer_new(server, client);
        well = well && peer_handshake(peer) && peer_both_ways(peer);
        peer_free(peer);
        SSL_CTX_free(client);
    }
    return well ? server : NULL;
}

static void test_tls__threads_share_a_server(void)
{
    struct tls_server *server = peer_server_p256();
    pthread_t threads[4];

    for (size_t i = 0; i < array_len(threads); i++)
        CU_ASSERT_FATAL(pthread_create(&threads[i], NULL, talk_on_a_thread, server) == 0);
    for (size_t i = 0; i < array_len(threads); i++) {
        void *well = NULL;
        pthread_join(threads[i], &well);
        CU_ASSERT(well != NULL);
    }
    tls_server_free(server);
}

/* The suite that a client offering `suites` in this order is given; "" where the handshake fails.
 */
static const char *chosen_suite(struct tls_server *server, int version, const char *suites)
{
    static char chosen[64];
    SSL_CTX *client = peer_client(version);

    chosen[0] = '\0';
    SSL_CTX_set_security_level(client, 0);
    CU_ASSERT(version == TLS1_3_VERSION ? SSL_CTX_set_ciphersuites(client, suites)
                                        : SSL_CTX_set_cipher_list(client, suites));
    struct peer *peer = peer_new(server, client);
    if (peer_handshake(peer))
        snprintf(chosen, sizeof(chosen), "%s", SSL_get_cipher_name(peer->client));
    CU_ASSERT(!peer->error_leaked);
    peer_free(peer);
    SSL_CTX_free(client);
    return chosen;
}

static void test_tls__the_server_chooses_the_suite(void)
{
    static const struct {
        int version;
        const char *offered, *chosen;
    } cases[] = {
        {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"},
        {TLS1_3_VERSION,
         "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
         "TLS_AES_128_GCM_SHA256"},
        {TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
         "TLS_CHACHA20_POLY1305_SHA256"},
        {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
         "ECDHE-ECDSA-AES128-GCM-SHA256"},
        {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256",
         "ECDHE-ECDSA-CHACHA20-POLY1305"},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA", ""}, /* no AEAD */
        {TLS1_2_VERSION, "AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256", ""},      /* no ECDHE */
        {TLS1_1_VERSION, "ALL", ""},
    };
    struct tls_server *server = peer_server_p256();

    for (size_t i = 0; i < array_len(cases); i++)
        CU_ASSERT_STRING_EQUAL(chosen_suite(server, cases[i].version, cases[i].offered),
                               cases[i].chosen);
    tls_server_free(server);
}

static void test_tls__clients_of_any_common_group_are_served(void)
{
    /* TLS 1.2 needs P-256 besides: there the groups speak of the certificate's key, too. */
    static char groups[][2][16] = {{"X25519", "X25519:P-256"},
                                   {"P-256", "P-256"},
                                   {"P-384", "P-384:P-256"},
                                   {"P-521:P-384", "P-521:P-256"}};
    struct tls_server *server = peer_server_p256();

    for (size_t i = 0; i < array_len(groups) * 2; i++) {
        bool tls13 = i % 2 == 0;
        SSL_CTX *client = peer_client(tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
        CU_ASSERT(SSL_CTX_set1_groups_list(client, groups[i / 2][!tls13]) == 1);
        struct peer *peer = peer_new(server, client);
        CU_ASSERT(peer_handshake(peer) && peer_both_ways(peer));
        CU_ASSERT(!peer->error_leaked);
        peer_free(peer);
        SSL_CTX_free(client);
    }
    tls_server_free(server);
}

static void test_tls__http_1_1_is_chosen_where_it_is_offered(void)
{
    static const struct {
        const char *offered; /* as on the wire; empty: no ALPN */
        bool served, chosen;
    } cases[] = {{"\x08http/1.1", true, true},
                 {"\x02h2\x08http/1.1", true, true},
                 {"\x08http/1.1\x02h2", true, true},
                 {"", true, false},
                 {"\x02h2", false, false},
                 {"\x07http/1.\x01"
                  "1",
                  false, false}};
    struct tls_server *server = peer_server_p256();

    for (size_t i = 0; i < array_len(cases) * array_len(versions); i++) {
        const char *offered = cases[i / 2].offered;
        const unsigned char *chosen;
        unsigned chosen_bytes;
        SSL_CTX *client = peer_client(versions[i % 2]);
        if (offered[0])
            SSL_CTX_set_alpn_protos(client, (const unsigned char *)offered,
                                    (unsigned)strlen(offered));
        struct peer *peer = peer_new(server, client);
        CU_ASSERT(peer_handshake(peer) == cases[i / 2].served);
        CU_ASSERT((peer->status == TLS_OPEN) == cases[i / 2].served);
        SSL_get0_alpn_selected(peer->client, &chosen, &chosen_bytes);
        CU_ASSERT(slice_equal(slice_make(chosen, chosen_bytes),
                              slice_of(cases[i / 2].chosen ? "http/1.1" : "")));
        CU_ASSERT(!peer->error_leaked);
        peer_free(peer);
        SSL_CTX_free(client);
    }
    tls_server_free(server);
}

static void test_tls__keys_may_be_updated_at_any_time(void)
{
    struct tls_server *server = peer_server_p256();
    SSL_CTX *client = peer_client(TLS1_3_VERSION);
    struct peer *peer = peer_new(server, client);
    uint64_t random = unit_seed();

    CU_ASSERT(peer_handshake(peer));
    for (int i = 0; i < 60; i++) {
        bool asks = unit_random(&random) % 2;
        CU_ASSERT(SSL_key_update(peer->client, asks ? SSL_KEY_UPDATE_REQUESTED
                                                    : SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
        CU_ASSERT(SSL_do_handshake(peer->client) == 1);
        if (unit_random(&random) % 2)
            CU_ASSERT(peer_feed(peer) == TLS_OPEN);
        CU_ASSERT(tls_established(peer->tls));
        if (unit_random(&random) % 2)
            CU_ASSERT(peer_hears(peer, "from the server"));
        CU_ASSERT(peer_says(peer, "from the client"));
    }
    CU_ASSERT(peer_both_ways(peer));
    CU_ASSERT(!peer->error_leaked);
    peer_free(peer);
    SSL_CTX_free(client);
    tls_server_free(server);
}

static void test_tls__an_idle_moment_owes_no_more_than_the_overhead(void)
{
    static uint8_t plain[TLS_RECORD_PLAIN_MAX];
    struct tls_server *server = peer_server_p256();
    SSL_CTX *client = peer_client(TLS1_3_VERSION);
    struct peer *peer = peer_new(server, client);

    CU_ASSERT(peer_handshake(peer));
    for (int i = 0; i < 5; i++) {
        CU_ASSERT(SSL_key_update(peer->client, SSL_KEY_UPDATE_REQUESTED) == 1);
        CU_ASSERT(SSL_do_handshake(peer->client) == 1);
    }
    CU_ASSERT(peer_feed(peer) == TLS_OPEN);
    peer->out.cap = sizeof(plain) + TLS_SEAL_OVERHEAD;
    CU_ASSERT(tls_seal(peer->tls, slice_make(plain, sizeof(plain)), &peer->out) == 0);
    peer_free(peer);
    SSL_CTX_free(client);
    tls_server_free(server);
}

static void test_tls__close_notify_ends_the_reading_only(void)
{
    struct tls_server *server = peer_server_p256();

    for (size_t v = 0; v < array_len(versions); v++) {
        SSL_CTX *client = peer_client(versions[v]);
        struct peer *peer = peer_new(server, client);
        CU_ASSERT(peer_handshake(peer));
        CU_ASSERT(SSL_write(peer->client, "last", 4) == 4);
        SSL_shutdown(peer->client);
        BIO_write(peer->from_client, "junk after the end", 18);
        CU_ASSERT(peer_feed(peer) == TLS_CLOSED);
        CU_ASSERT(peer->heard_bytes == 4 && memcmp(peer->heard, "last", 4) == 0);
        CU_ASSERT(peer_open(peer, "more", 4) == TLS_CLOSED);
        CU_ASSERT(peer->out.len == 0);
        CU_ASSERT(peer_hears(peer, "one more thing"));
        tls_shutdown(peer->tls, &peer->out);
        peer_deliver(peer);
        CU_ASSERT(SSL_shutdown(peer->client) == 1);
        CU_ASSERT(!peer->error_leaked);
        peer_free(peer);
        SSL_CTX_free(client);
    }
    tls_server_free(server);
}

static void test_tls__shutdown_says_close_notify_once_and_only_after_the_handshake(void)
{
    char heard[16];
    struct tls_server *server = peer_server_p256();

    for (size_t v = 0; v < array_len(versions); v++) {
        SSL_CTX *client = peer_client(versions[v]);
        struct peer *peer = peer_new(server, client);
        tls_shutdown(peer->tls, &peer->out);
        CU_ASSERT(peer->out.len == 0);
        CU_ASSERT(tls_seal(peer->tls, slice_of("early"), &peer->out) == -EIO);
        CU_ASSERT(peer_handshake(peer));

        tls_shutdown(peer->tls, &peer->out);
        CU_ASSERT(peer->out.len > 0);
        CU_ASSERT(peer_says(peer, "the other way stays open"));
        size_t before = peer->out.len;
        tls_shutdown(peer->tls, &peer->out);
        CU_ASSERT(peer->out.len == before);
        CU_ASSERT(tls_seal(peer->tls, slice_of("late"), &peer->out) == -EIO);
        peer_deliver(peer);
        int n = SSL_read(peer->client, heard, sizeof(heard));
        CU_ASSERT(SSL_get_error(peer->client, n) == SSL_ERROR_ZERO_RETURN);
        peer_free(peer);
        SSL_CTX_free(client);
    }
    tls_server_free(server);
}

static bool answer_at_once(void *user, struct slice plain)
{
    struct peer *peer = user;
    peer_hear(user, plain);
    return tls_seal(peer->tls, slice_of("answer"), &peer->out) == 0;
}

static void test_tls__an_answer_may_be_sealed_while_opening(void)
{
    char heard[64], *sealed;
    struct tls_server *server = peer_server_p256();

    for (size_t v = 0; v < array_len(versions); v++) {
        SSL_CTX *client = peer_client(versions[v]);
        struct peer *peer = peer_new(server, client);
        CU_ASSERT(peer_handshake(peer));
        SSL_write(peer->client, "one", 3);
        SSL_write(peer->client, "two", 3);
        size_t bytes = (size_t)BIO_get_mem_data(peer->from_client, &sealed);
        CU_ASSERT(tls_open(peer->tls, slice_make(sealed, bytes), &peer->out, answer_at_once,
                           peer) == TLS_OPEN);
        CU_ASSERT(peer->heard_bytes == 6 && memcmp(peer->heard, "onetwo", 6) == 0);
        peer_deliver(peer);
        for (int i = 0; i < 2; i++)
            CU_ASSERT(SSL_read(peer->client, heard, sizeof(heard)) == 6);
        peer_free(peer);
        SSL_CTX_free(client);
    }
    tls_server_free(server);
}

static bool hear_and_stop(void *user, struct slice plain)
{
    peer_hear(user, plain);
    return false;
}

static void test_tls__the_hearer_may_stop_the_opening(void)
{
    char *sealed;
    struct tls_server *server = peer_server_p256();
    SSL_CTX *client = peer_client(TLS1_3_VERSION);
    struct peer *peer = peer_new(server, client);

    CU_ASSERT(peer_handshake(peer));
    SSL_write(peer->client, "one", 3);
    SSL_write(peer->client, "two", 3);
    size_t bytes = (size_t)BIO_get_mem_data(peer->from_client, &sealed);
    CU_ASSERT(tls_open(peer->tls, slice_make(sealed, bytes), &peer->out, hear_and_stop, peer) ==
              TLS_OPEN);
    CU_ASSERT(peer->heard_bytes == 3);
    CU_ASSERT(peer_hears(peer, "goodbye"));
    peer_free(peer);
    SSL_CTX_free(client);
    tls_server_free(server);
}

static void test_tls__sessions_outlive_their_server(void)
{
    struct tls_server *server = peer_server_p256();
    SSL_CTX *client = peer_client(TLS1_3_VERSION);
    struct peer *old = peer_new(server, client), *fresh = peer_new(server, client);

    CU_ASSERT(peer_handshake(old));
    tls_server_free(server);
    CU_ASSERT(peer_both_ways(old));
    CU_ASSERT(peer_handshake(fresh) && peer_both_ways(fresh));
    peer_free(old);
    peer_free(fresh);
    SSL_CTX_free(client);
}

static void test_tls__a_session_needs_memory(void)
{
    struct tls_server *server = peer_server_p256();

    mem_fail_after(0);
    CU_ASSERT(tls_new(server) == NULL);
    mem_fail_after(-1);
    struct tls *tls = tls_new(server);
    CU_ASSERT(tls != NULL);
    tls_free(tls);
    tls_free(NULL);
    tls_server_free(server);
}

UNIT_MAIN("tls", UNIT_TEST(test_tls__a_handshake_opens_both_ways_with_any_key),
          UNIT_TEST(test_tls__one_byte_at_a_time_yields_the_same_bytes),
          UNIT_TEST(test_tls__any_split_yields_the_same_bytes),
          UNIT_TEST(test_tls__large_transfers_arrive_whole_both_ways),
          UNIT_TEST(test_tls__each_seal_is_one_record_within_the_overhead),
          UNIT_TEST(test_tls__a_session_resumes_on_any_thread),
          UNIT_TEST(test_tls__another_servers_ticket_leads_to_a_full_handshake),
          UNIT_TEST(test_tls__a_ticket_allows_no_early_data),
          UNIT_TEST(test_tls__threads_share_a_server),
          UNIT_TEST(test_tls__the_server_chooses_the_suite),
          UNIT_TEST(test_tls__clients_of_any_common_group_are_served),
          UNIT_TEST(test_tls__http_1_1_is_chosen_where_it_is_offered),
          UNIT_TEST(test_tls__keys_may_be_updated_at_any_time),
          UNIT_TEST(test_tls__an_idle_moment_owes_no_more_than_the_overhead),
          UNIT_TEST(test_tls__close_notify_ends_the_reading_only),
          UNIT_TEST(test_tls__shutdown_says_close_notify_once_and_only_after_the_handshake),
          UNIT_TEST(test_tls__an_answer_may_be_sealed_while_opening),
          UNIT_TEST(test_tls__the_hearer_may_stop_the_opening),
          UNIT_TEST(test_tls__sessions_outlive_their_server),
          UNIT_TEST(test_tls__a_session_needs_memory))
