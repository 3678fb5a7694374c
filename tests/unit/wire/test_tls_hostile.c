/* Tests of tls.h: what no honest client sends, and what becomes of the others meanwhile. */
#include "ringroom/wire/tls.h"
#include "tls_forge.h"
#include <errno.h>

/* A victim, whose session must live through what the other does. */
struct scene {
    struct tls_server *server;
    SSL_CTX *client;
    struct peer *victim, *villain;
    struct forge forge;
};

/* Both at the end of their handshake; the victim with half a record on its way. */
static struct scene scene_new(int version)
{
    struct scene scene = {.server = peer_server_p256(), .client = peer_client(version)};
    SSL_CTX_set_keylog_callback(scene.client, forge_keylog);
    scene.victim = peer_new(scene.server, scene.client);
    scene.villain = peer_new(scene.server, scene.client);
    CU_ASSERT(peer_handshake(scene.victim));
    CU_ASSERT(peer_handshake(scene.villain));
    scene.forge = forge_begin();
    return scene;
}

static void scene_free(struct scene *scene)
{
    CU_ASSERT(peer_both_ways(scene->victim));
    CU_ASSERT(!scene->victim->error_leaked && !scene->villain->error_leaked);
    peer_free(scene->victim);
    peer_free(scene->villain);
    SSL_CTX_free(scene->client);
    tls_server_free(scene->server);
}

/* The villain's session is over for good; an alert may stand in its out. */
static void assert_broken(struct peer *villain)
{
    CU_ASSERT(villain->status == TLS_FAILED);
    size_t before = villain->out.len;
    CU_ASSERT(peer_open(villain, "more", 4) == TLS_FAILED);
    CU_ASSERT(tls_seal(villain->tls, slice_of("x"), &villain->out) == -EIO);
    tls_shutdown(villain->tls, &villain->out);
    CU_ASSERT(villain->out.len == before);
}

static void test_tls__junk_fails_its_session_only(void)
{
    uint8_t junk[2000];
    uint64_t random = unit_seed();
    struct scene scene = scene_new(TLS1_3_VERSION);

    for (unsigned round = unit_rounds(300); round > 0; round--) {
        struct peer *villain = peer_new(scene.server, scene.client);
        for (size_t i = 0; i < sizeof(junk); i++)
            junk[i] = (uint8_t)(unit_random(&random) >> 40);
        if (round % 2) { /* looks like a handshake record */
            junk[0] = FORGE_HANDSHAKE;
            junk[1] = 3;
            junk[2] = 1;
            junk[3] = 1;
        }
        size_t bytes = 20 + unit_random(&random) % 1900;
        peer_open(villain, junk, bytes);
        CU_ASSERT(!tls_established(villain->tls) && villain->heard_bytes == 0);
        CU_ASSERT(!villain->error_leaked);
        peer_free(villain);
    }
    peer_open(scene.villain, junk, sizeof(junk));
    assert_broken(scene.villain);
    scene_free(&scene);
}

static void test_tls__a_plain_http_request_fails_with_an_alert(void)
{
    struct scene scene = scene_new(TLS1_3_VERSION);
    struct peer *villain = peer_new(scene.server, scene.client);
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    peer_open(villain, request, sizeof(request) - 1);
    assert_broken(villain);
    CU_ASSERT(!tls_established(villain->tls));
    CU_ASSERT(!villain->error_leaked);
    peer_free(villain);
    scene_free(&scene);
}

static void test_tls__one_flipped_bit_fails_with_an_alert(void)
{
    uint64_t random = unit_seed();
    char *sealed;

    for (int round = 0; round < 40; round++) {
        struct scene scene = scene_new(round % 2 ? TLS1_3_VERSION : TLS1_2_VERSION);
        SSL_write(scene.villain->client, "some text", 9);
        size_t bytes = (size_t)BIO_get_mem_data(scene.villain->from_client, &sealed);
        size_t at = 5 + unit_random(&random) % (bytes - 5);
        sealed[at] ^= (char)(1 << unit_random(&random) % 8);
        peer_open(scene.villain, sealed, bytes);
        CU_ASSERT(scene.villain->heard_bytes == 0);
        CU_ASSERT(scene.villain->out.len > 0);
        assert_broken(scene.villain);
        scene_free(&scene);
    }
}

static void test_tls__forged_records_are_heard_like_honest_ones(void)
{
    uint8_t record[FORGE_MAX + 22];
    struct scene scene = scene_new(TLS1_3_VERSION);
    size_t bytes = forge_record(&scene.forge, FORGE_DATA, "forged", 6, record);

    CU_ASSERT(peer_open(scene.villain, record, bytes) == TLS_OPEN);
    CU_ASSERT(scene.villain->heard_bytes == 6 && memcmp(scene.villain->heard, "forged", 6) == 0);
    scene_free(&scene);
}

static void test_tls__one_record_a_byte_is_heard_in_order(void)
{
    enum { RECORDS = 4000, RECORD_BYTES = 1 + 22 };
    uint8_t *records = mem_alloc(RECORDS * RECORD_BYTES);
    struct scene scene = scene_new(TLS1_3_VERSION);

    for (int i = 0; i < RECORDS; i++) {
        uint8_t byte = (uint8_t)i;
        forge_record(&scene.forge, FORGE_DATA, &byte, 1, records + i * RECORD_BYTES);
    }
    CU_ASSERT(peer_open(scene.villain, records, RECORDS * RECORD_BYTES) == TLS_OPEN);
    CU_ASSERT(scene.villain->heard_bytes == RECORDS);
    for (int i = 0; i < RECORDS; i++)
        CU_ASSERT(scene.villain->heard[i] == (uint8_t)i);
    mem_free(records);
    scene_free(&scene);
}

static void test_tls__a_few_empty_records_pass_and_a_flood_of_them_fails(void)
{
    uint8_t record[22];
    struct scene scene = scene_new(TLS1_3_VERSION);

    for (int i = 0; i < 10; i++) {
        size_t bytes = forge_record(&scene.forge, FORGE_DATA, NULL, 0, record);
        CU_ASSERT(peer_open(scene.villain, record, bytes) == TLS_OPEN);
    }
    CU_ASSERT(scene.villain->heard_bytes == 0);
    for (int i = 0; i < 1000 && scene.villain->status == TLS_OPEN; i++) {
        size_t bytes = forge_record(&scene.forge, FORGE_DATA, NULL, 0, record);
        peer_open(scene.villain, record, bytes);
    }
    assert_broken(scene.villain);
    scene_free(&scene);
}

static void test_tls__handshake_messages_after_the_handshake_fail(void)
{
    static const struct {
        uint8_t message[8];
        size_t bytes;
    } cases[] = {{{1, 0, 0, 1, 0}, 5},  /* ClientHello */
                 {{20, 0, 0, 1, 0}, 5}, /* Finished */
                 {{4, 0, 0, 1, 0}, 5},  /* NewSessionTicket, which only servers send */
                 {{24, 0, 0, 1, 2}, 5}, /* KeyUpdate of no known kind */
                 {{24, 0, 0, 2, 0, 0}, 6}, {{24, 0xff, 0xff, 0xff, 0}, 5}};
    uint8_t record[64];

    for (size_t i = 0; i < array_len(cases); i++) {
        struct scene scene = scene_new(TLS1_3_VERSION);
        size_t bytes =
            forge_record(&scene.forge, FORGE_HANDSHAKE, cases[i].message, cases[i].bytes, record);
        peer_open(scene.villain, record, bytes);
        assert_broken(scene.villain);
        scene_free(&scene);
    }
}

/* OpenSSL cannot write while it waits for the rest of a message. Nobody cuts a KeyUpdate in two;
 * who does loses the session as soon as it is written to. */
static void test_tls__a_cut_key_update_hurts_its_session_only(void)
{
    static const uint8_t update[] = {24, 0, 0, 1, 0};
    uint8_t record[64];
    struct scene scene = scene_new(TLS1_3_VERSION);
    size_t bytes = forge_record(&scene.forge, FORGE_HANDSHAKE, update, 4, record);

    CU_ASSERT(peer_open(scene.villain, record, bytes) == TLS_OPEN);
    CU_ASSERT(tls_established(scene.villain->tls));
    CU_ASSERT(tls_seal(scene.villain->tls, slice_of("text"), &scene.villain->out) == -EIO);
    scene.villain->status = TLS_FAILED;
    assert_broken(scene.villain);
    scene_free(&scene);
}

static void test_tls__data_inside_a_cut_message_fails(void)
{
    static const uint8_t update[] = {24, 0, 0, 1, 0};
    uint8_t record[64];
    struct scene scene = scene_new(TLS1_3_VERSION);
    size_t bytes = forge_record(&scene.forge, FORGE_HANDSHAKE, update, 2, record);

    peer_open(scene.villain, record, bytes);
    bytes = forge_record(&scene.forge, FORGE_DATA, "text", 4, record);
    peer_open(scene.villain, record, bytes);
    CU_ASSERT(scene.villain->heard_bytes == 0);
    assert_broken(scene.villain);
    scene_free(&scene);
}

static void test_tls__a_flood_of_key_updates_stays_within_the_lent_output(void)
{
    enum { UPDATES = 5000, UPDATE_BYTES = 5 + 5 + 1 + 16 };
    struct scene scene = scene_new(TLS1_3_VERSION);

    for (int i = 0; i < UPDATES; i++) {
        SSL_key_update(scene.villain->client, SSL_KEY_UPDATE_REQUESTED);
        SSL_do_handshake(scene.villain->client);
    }
    CU_ASSERT(BIO_ctrl_pending(scene.villain->from_client) == UPDATES * UPDATE_BYTES);
    char *sealed;
    size_t bytes = (size_t)BIO_get_mem_data(scene.villain->from_client, &sealed);
    peer_open(scene.villain, sealed, bytes);
    CU_ASSERT(scene.villain->out.len <= scene.villain->out.cap);
    assert_broken(scene.villain);
    scene_free(&scene);
}

static enum tls_status changes_keys(struct peer *villain)
{
    SSL_key_update(villain->client, SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(villain->client);
    return peer_feed(villain);
}

/* Each costs the server a hundred times what it costs the client. */
static void test_tls__keys_are_changed_so_often_and_more_often_for_who_sends_much(void)
{
    static const uint8_t plain[TLS_RECORD_PLAIN_MAX];
    enum { FREE = 64, MORE_BYTES = 65536 };
    struct scene scene = scene_new(TLS1_3_VERSION);

    for (int i = 0; i < FREE; i++)
        CU_ASSERT(changes_keys(scene.villain) == TLS_OPEN);
    for (int i = 0; i < 2; i++) {
        scene.villain->heard_bytes = 0;
        for (size_t sent = 0; sent < MORE_BYTES; sent += sizeof(plain))
            SSL_write(scene.villain->client, plain, sizeof(plain));
        CU_ASSERT(peer_feed(scene.villain) == TLS_OPEN);
        CU_ASSERT(changes_keys(scene.villain) == TLS_OPEN);
    }
    CU_ASSERT(changes_keys(scene.villain) == TLS_FAILED);
    assert_broken(scene.villain);
    scene_free(&scene);
}

static void test_tls__alerts_end_the_session_or_are_counted(void)
{
    static const uint8_t fatal[] = {2, 40}, warning[] = {1, 90}, closing[] = {1, 0}, cut[] = {1};
    uint8_t record[64];
    struct scene scene = scene_new(TLS1_3_VERSION);
    size_t bytes = forge_record(&scene.forge, FORGE_ALERT, closing, 2, record);
    CU_ASSERT(peer_open(scene.villain, record, bytes) == TLS_CLOSED);
    scene_free(&scene);

    scene = scene_new(TLS1_3_VERSION);
    bytes = forge_record(&scene.forge, FORGE_ALERT, fatal, 2, record);
    peer_open(scene.villain, record, bytes);
    assert_broken(scene.villain);
    scene_free(&scene);

    scene = scene_new(TLS1_3_VERSION);
    bytes = forge_record(&scene.forge, FORGE_ALERT, cut, 1, record);
    peer_open(scene.villain, record, bytes);
    assert_broken(scene.villain);
    scene_free(&scene);

    scene = scene_new(TLS1_3_VERSION);
    for (int i = 0; i < 100 && scene.villain->status == TLS_OPEN; i++) {
        bytes = forge_record(&scene.forge, FORGE_ALERT, warning, 2, record);
        peer_open(scene.villain, record, bytes);
    }
    assert_broken(scene.villain);
    scene_free(&scene);
}

static void test_tls__closing_before_the_handshake_ends_the_session(void)
{
    static const uint8_t alert[] = {FORGE_ALERT, 3, 3, 0, 2, 1, 0};
    struct scene scene = scene_new(TLS1_3_VERSION);

    for (int late = 0; late < 2; late++) {
        struct peer *villain = peer_new(scene.server, scene.client);
        if (late) { /* after its ClientHello */
            SSL_do_handshake(villain->client);
            CU_ASSERT(peer_feed(villain) == TLS_OPEN);
        }
        CU_ASSERT(peer_open(villain, alert, sizeof(alert)) != TLS_OPEN);
        CU_ASSERT(!tls_established(villain->tls) && !villain->error_leaked);
        CU_ASSERT(tls_seal(villain->tls, slice_of("x"), &villain->out) == -EIO);
        peer_free(villain);
    }
    scene_free(&scene);
}

static void test_tls__renegotiation_is_refused(void)
{
    struct scene scene = scene_new(TLS1_2_VERSION);
    struct peer *villain = scene.villain;

    CU_ASSERT(SSL_renegotiate(villain->client) == 1);
    SSL_do_handshake(villain->client);
    CU_ASSERT(BIO_ctrl_pending(villain->from_client) > 0);
    peer_feed(villain);
    SSL_do_handshake(villain->client);
    CU_ASSERT(ERR_GET_REASON(ERR_peek_error()) == SSL_R_NO_RENEGOTIATION);
    ERR_clear_error();
    scene_free(&scene);
}

static void test_tls__too_small_an_output_fails_that_session_only(void)
{
    static const size_t steps[] = {0, 1, 4, 5, 100, 127, 500, 700, 1000};
    uint64_t random = unit_seed();

    for (size_t i = 0; i < array_len(steps) * 2; i++) {
        struct scene scene = scene_new(i % 2 ? TLS1_3_VERSION : TLS1_2_VERSION);
        struct peer *villain = peer_new(scene.server, scene.client);
        size_t cap = steps[i / 2];
        villain->out.cap = cap + (cap > 100 ? unit_random(&random) % 20 : 0);
        uint8_t *exact = mem_alloc(villain->out.cap + 1); /* so that ASan sees the end */
        uint8_t *lent = villain->out.data;
        villain->out.data = exact;
        bool through = peer_handshake(villain);
        CU_ASSERT(through || villain->status == TLS_FAILED);
        CU_ASSERT(!through || cap > 100);
        CU_ASSERT(villain->out.len <= villain->out.cap);
        CU_ASSERT(!villain->error_leaked);
        if (!through)
            assert_broken(villain);
        villain->out.data = lent;
        mem_free(exact);
        peer_free(villain);
        scene_free(&scene);
    }
}

static void test_tls__sealing_checks_the_output_before_it_starts(void)
{
    struct scene scene = scene_new(TLS1_3_VERSION);
    struct peer *villain = scene.villain;

    villain->out.cap = 4 + TLS_SEAL_OVERHEAD - 1;
    CU_ASSERT(tls_seal(villain->tls, slice_of("text"), &villain->out) == -EIO);
    CU_ASSERT(villain->out.len == 0);
    villain->out.cap = TLS_HANDSHAKE_OUT_MAX;
    villain->status = TLS_FAILED;
    assert_broken(villain);
    scene_free(&scene);
}

static void test_tls__anothers_errors_do_not_fail_a_session(void)
{
    struct scene scene = scene_new(TLS1_3_VERSION);

    ERR_put_error(ERR_LIB_USER, 0, ERR_R_INTERNAL_ERROR, __FILE__, __LINE__);
    CU_ASSERT(SSL_write(scene.villain->client, "text", 4) == 4);
    ERR_put_error(ERR_LIB_USER, 0, ERR_R_INTERNAL_ERROR, __FILE__, __LINE__);
    CU_ASSERT(peer_feed(scene.villain) == TLS_OPEN);
    CU_ASSERT(scene.villain->heard_bytes == 4);
    ERR_put_error(ERR_LIB_USER, 0, ERR_R_INTERNAL_ERROR, __FILE__, __LINE__);
    CU_ASSERT(tls_seal(scene.villain->tls, slice_of("x"), &scene.villain->out) == 0);
    ERR_clear_error();
    scene_free(&scene);
}

UNIT_MAIN("tls_hostile", UNIT_TEST(test_tls__junk_fails_its_session_only),
          UNIT_TEST(test_tls__a_plain_http_request_fails_with_an_alert),
          UNIT_TEST(test_tls__one_flipped_bit_fails_with_an_alert),
          UNIT_TEST(test_tls__forged_records_are_heard_like_honest_ones),
          UNIT_TEST(test_tls__one_record_a_byte_is_heard_in_order),
          UNIT_TEST(test_tls__a_few_empty_records_pass_and_a_flood_of_them_fails),
          UNIT_TEST(test_tls__handshake_messages_after_the_handshake_fail),
          UNIT_TEST(test_tls__a_cut_key_update_hurts_its_session_only),
          UNIT_TEST(test_tls__data_inside_a_cut_message_fails),
          UNIT_TEST(test_tls__a_flood_of_key_updates_stays_within_the_lent_output),
          UNIT_TEST(test_tls__keys_are_changed_so_often_and_more_often_for_who_sends_much),
          UNIT_TEST(test_tls__alerts_end_the_session_or_are_counted),
          UNIT_TEST(test_tls__closing_before_the_handshake_ends_the_session),
          UNIT_TEST(test_tls__renegotiation_is_refused),
          UNIT_TEST(test_tls__too_small_an_output_fails_that_session_only),
          UNIT_TEST(test_tls__sealing_checks_the_output_before_it_starts),
          UNIT_TEST(test_tls__anothers_errors_do_not_fail_a_session))
