/* Signatures: the RFC's own, those of others refused, keys judged, and many threads on one key. */
#include "ringroom/wire/signature.h"
#include "keys.h"
#include "ringroom/base/encode.h"
#include "ringroom/base/mem.h"
#include "unit.h"
#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>

static char why[256];

static struct signature_key *key_of(enum signature_alg alg, const char *material)
{
    struct signature_key *key = NULL;

    if (signature_key_new(alg, slice_of(material), &key, why, sizeof(why)) != 0)
        printf("\n    %s\n", why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(key);
    return key;
}

static struct signature_key *rfc_secret(void)
{
    uint8_t secret[64];
    struct signature_key *key = NULL;

    CU_ASSERT_EQUAL(decode_base64url(secret, slice_of(RFC_HS256_KEY)), 64);
    CU_ASSERT_EQUAL(signature_key_new(SIGNATURE_HS256, slice_make(secret, sizeof(secret)), &key,
                                      why, sizeof(why)),
                    0);
    return key;
}

static int verify_text(const struct signature_key *key, const char *text, const char *signature)
{
    uint8_t bytes[SIGNATURE_BYTES_MAX];
    ssize_t n = decode_base64url(bytes, slice_of(signature));

    CU_ASSERT_FATAL(n > 0);
    int got = signature_verify(key, slice_of(text), slice_make(bytes, (size_t)n));
    CU_ASSERT_EQUAL(ERR_peek_error(), 0); /* TLS would take it for its own */
    return got;
}

/* One of each kind, able to sign. */
static void each_key(struct signature_key *keys[SIGNATURE_ALGS])
{
    keys[SIGNATURE_HS256] = rfc_secret();
    keys[SIGNATURE_RS256] = key_of(SIGNATURE_RS256, RSA_PRIVATE_PEM);
    keys[SIGNATURE_ES256] = key_of(SIGNATURE_ES256, EC_PRIVATE_PEM);
}

static void free_keys(struct signature_key *keys[SIGNATURE_ALGS])
{
    for (size_t i = 0; i < SIGNATURE_ALGS; i++)
        signature_key_free(keys[i]);
}

static void test_signature__the_rfc_vectors_hold_and_are_made(void)
{
    struct signature_key *secret = rfc_secret();
    struct signature_key *rsa = key_of(SIGNATURE_RS256, RSA_PUBLIC_PEM);
    struct signature_key *rsa_private = key_of(SIGNATURE_RS256, RSA_PRIVATE_PEM);
    struct signature_key *ec = key_of(SIGNATURE_ES256, EC_PUBLIC_PEM);
    uint8_t made[SIGNATURE_BYTES_MAX];
    char text[ENCODE_BASE64_BYTES(SIGNATURE_BYTES_MAX)];

    CU_ASSERT_EQUAL(verify_text(secret, RFC_HS256, RFC_HS256_SIGNATURE), 0);
    CU_ASSERT_EQUAL(verify_text(rsa, RFC_RS256, RFC_RS256_SIGNATURE), 0);
    CU_ASSERT_EQUAL(verify_text(rsa_private, RFC_RS256, RFC_RS256_SIGNATURE), 0);
    CU_ASSERT_EQUAL(verify_text(ec, RFC_ES256, RFC_ES256_SIGNATURE), 0);

    ssize_t n = signature_sign(secret, slice_of(RFC_HS256), made);
    CU_ASSERT(
        slice_is(slice_make(text, encode_base64url(text, made, (size_t)n)), RFC_HS256_SIGNATURE));
    n = signature_sign(rsa_private, slice_of(RFC_RS256), made);
    CU_ASSERT(
        slice_is(slice_make(text, encode_base64url(text, made, (size_t)n)), RFC_RS256_SIGNATURE));

    CU_ASSERT_EQUAL(verify_text(secret, RFC_RS256, RFC_HS256_SIGNATURE), -EBADMSG);
    CU_ASSERT_EQUAL(verify_text(rsa, RFC_ES256, RFC_RS256_SIGNATURE), -EBADMSG);
    CU_ASSERT_EQUAL(verify_text(ec, RFC_RS256, RFC_ES256_SIGNATURE), -EBADMSG);
    CU_ASSERT_EQUAL(verify_text(rsa, RFC_RS256, RFC_ES256_SIGNATURE), -EBADMSG);
    CU_ASSERT_EQUAL(verify_text(ec, RFC_ES256, RFC_RS256_SIGNATURE), -EBADMSG);
    signature_key_free(secret);
    signature_key_free(rsa);
    signature_key_free(rsa_private);
    signature_key_free(ec);
}

static void test_signature__each_key_verifies_what_it_signed_and_no_other_bit(void)
{
    struct signature_key *keys[SIGNATURE_ALGS];
    static const ssize_t lengths[] = {32, 256, 64}; /* by enum signature_alg */
    struct slice text = slice_of("what is signed");
    uint8_t made[SIGNATURE_BYTES_MAX];

    each_key(keys);
    for (size_t i = 0; i < SIGNATURE_ALGS; i++) {
        ssize_t n = signature_sign(keys[i], text, made);
        struct slice signature = slice_make(made, (size_t)n);

        CU_ASSERT_EQUAL_FATAL(n, lengths[i]);
        CU_ASSERT_EQUAL(signature_verify(keys[i], text, signature), 0);
        for (size_t bit = 0; bit < 8 * (size_t)n; bit++) {
            made[bit / 8] ^= (uint8_t)(1u << bit % 8);
            CU_ASSERT_EQUAL(signature_verify(keys[i], text, signature), -EBADMSG);
            made[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        CU_ASSERT_EQUAL(signature_verify(keys[i], slice_from(text, 1), signature), -EBADMSG);
        for (size_t len = 0; len < signature.len; len++)
            CU_ASSERT_EQUAL(signature_verify(keys[i], text, slice_make(made, len)), -EBADMSG);
        CU_ASSERT_EQUAL(signature_verify(keys[i], text, slice_make(made, (size_t)n + 1)), -EBADMSG);
        CU_ASSERT_EQUAL(signature_verify(keys[(i + 1) % SIGNATURE_ALGS], text, signature),
                        -EBADMSG);
        CU_ASSERT_EQUAL(ERR_peek_error(), 0);
    }
    free_keys(keys);
}

/* r and s of 0 fit any message where nobody looks. */
static void test_signature__an_ecdsa_signature_of_zeros_is_refused(void)
{
    struct signature_key *ec = key_of(SIGNATURE_ES256, EC_PUBLIC_PEM);
    uint8_t zeros[64] = {0};

    CU_ASSERT_EQUAL(signature_verify(ec, slice_of("any"), slice_make(zeros, 64)), -EBADMSG);
    zeros[31] = 1;
    CU_ASSERT_EQUAL(signature_verify(ec, slice_of("any"), slice_make(zeros, 64)), -EBADMSG);
    memset(zeros, 0xff, sizeof(zeros));
    CU_ASSERT_EQUAL(signature_verify(ec, slice_of("any"), slice_make(zeros, 64)), -EBADMSG);
    signature_key_free(ec);
}

static void test_signature__a_public_key_does_not_sign(void)
{
    struct signature_key *keys[] = {key_of(SIGNATURE_RS256, RSA_PUBLIC_PEM),
                                    key_of(SIGNATURE_ES256, EC_PUBLIC_PEM)};
    uint8_t made[SIGNATURE_BYTES_MAX];

    for (size_t i = 0; i < array_len(keys); i++) {
        CU_ASSERT(!signature_key_signs(keys[i]));
        CU_ASSERT_EQUAL(signature_sign(keys[i], slice_of("text"), made), -ENOKEY);
        signature_key_free(keys[i]);
    }
    struct signature_key *old_form = key_of(SIGNATURE_ES256, EC_SEC1_PEM);
    CU_ASSERT(signature_key_signs(old_form));
    signature_key_free(old_form);
}

static void refused(enum signature_alg alg, const char *material, const char *text)
{
    struct signature_key *key = NULL;

    CU_ASSERT_EQUAL(signature_key_new(alg, slice_of(material), &key, why, sizeof(why)), -EINVAL);
    CU_ASSERT_PTR_NULL(key);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, text));
    if (!strstr(why, text))
        printf("\n    %s\n", why);
    CU_ASSERT_EQUAL(ERR_peek_error(), 0);
}

static void test_signature__keys_too_weak_or_of_another_kind_are_refused(void)
{
    char long_secret[SIGNATURE_SECRET_MAX + 2];

    refused(SIGNATURE_HS256, "", "at least 32 bytes");
    refused(SIGNATURE_HS256, "0123456789012345678901234567890", "not 31");
    memset(long_secret, 'x', sizeof(long_secret));
    long_secret[sizeof(long_secret) - 1] = '\0';
    refused(SIGNATURE_HS256, long_secret, "at most 4096");
    /* Else whoever knows the public key could sign with it. */
    refused(SIGNATURE_HS256, RSA_PUBLIC_PEM, "not a PEM file");
    refused(SIGNATURE_HS256, EC_PRIVATE_PEM, "not a PEM file");

    refused(SIGNATURE_RS256, RSA_SMALL_PEM, "2048 to 8192 bits, not 1024");
    refused(SIGNATURE_RS256, RSA_PSS_PEM, "must be an RSA key for RS256");
    refused(SIGNATURE_RS256, EC_PUBLIC_PEM, "must be an RSA key for RS256, not EC");
    refused(SIGNATURE_ES256, RSA_PRIVATE_PEM, "P-256 for ES256, not RSA");
    refused(SIGNATURE_ES256, EC_P384_PEM, "not on secp384r1");
    refused(SIGNATURE_ES256, ED25519_PEM, "P-256 for ES256, not ED25519");
    refused(SIGNATURE_ES256, EC_ENCRYPTED_PEM, "encrypted");
    for (enum signature_alg alg = SIGNATURE_RS256; alg <= SIGNATURE_ES256; alg++) {
        refused(alg, "", "-----BEGIN PUBLIC KEY-----");
        refused(alg, "a secret that is long enough for HS256", "-----BEGIN PUBLIC KEY-----");
        refused(alg, "-----BEGIN CERTIFICATE-----\n", "openssl x509 -pubkey");
        refused(alg, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "damaged");
        refused(alg, "-----BEGIN PRIVATE KEY-----\n", "damaged");
    }
}

static void test_signature__names_are_the_three_and_no_others(void)
{
    static const char *const others[] = {"none",  "None",  "hs256", "HS256 ", "HS384",
                                         "RS512", "PS256", "ES384", "EdDSA",  ""};
    enum signature_alg alg;

    for (enum signature_alg i = SIGNATURE_HS256; i <= SIGNATURE_ES256; i++)
        CU_ASSERT(signature_alg_parse(slice_of(signature_alg_name(i)), &alg) && alg == i);
    for (size_t i = 0; i < array_len(others); i++)
        CU_ASSERT(!signature_alg_parse(slice_of(others[i]), &alg));
    CU_ASSERT(!signature_alg_parse(slice_make("HS256\0", 6), &alg));
}

/* Threads */

struct crowd {
    struct signature_key *keys[SIGNATURE_ALGS];
    unsigned rounds;
    unsigned wrong[4]; /* by thread */
};

struct one {
    struct crowd *crowd;
    unsigned index;
};

static void *use_keys(void *arg)
{
    struct one *one = arg;
    uint8_t made[SIGNATURE_BYTES_MAX];

    for (unsigned i = 0; i < one->crowd->rounds; i++) {
        const struct signature_key *key = one->crowd->keys[i % SIGNATURE_ALGS];
        char text[32];
        size_t len = (size_t)snprintf(text, sizeof(text), "%u %u", one->index, i);
        ssize_t n = signature_sign(key, slice_make(text, len), made);

        one->crowd->wrong[one->index] +=
            n <= 0 ||
            signature_verify(key, slice_make(text, len), slice_make(made, (size_t)n)) != 0 ||
            signature_verify(key, slice_make(text, len - 1), slice_make(made, (size_t)n)) !=
                -EBADMSG;
    }
    return NULL;
}

static void test_signature__one_key_serves_many_threads(void)
{
    struct crowd crowd = {.rounds = unit_rounds(60)};
    struct one ones[4];
    pthread_t threads[4];

    each_key(crowd.keys);
    for (unsigned i = 0; i < 4; i++) {
        ones[i] = (struct one){&crowd, i};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, use_keys, &ones[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(crowd.wrong[i], 0);
    }
    free_keys(crowd.keys);
}

static void test_signature__a_failing_allocation_is_told(void)
{
    struct signature_key *key = NULL;

    mem_fail_after(0);
    int got = signature_key_new(SIGNATURE_RS256, slice_of(RSA_PUBLIC_PEM), &key, why, sizeof(why));
    mem_fail_after(-1);
#ifdef RINGROOM_DCHECK
    CU_ASSERT_EQUAL(got, -ENOMEM);
    CU_ASSERT_PTR_NULL(key);
#else
    CU_ASSERT_EQUAL(got, 0);
    signature_key_free(key);
#endif
}

UNIT_MAIN("signature", UNIT_TEST(test_signature__the_rfc_vectors_hold_and_are_made),
          UNIT_TEST(test_signature__each_key_verifies_what_it_signed_and_no_other_bit),
          UNIT_TEST(test_signature__an_ecdsa_signature_of_zeros_is_refused),
          UNIT_TEST(test_signature__a_public_key_does_not_sign),
          UNIT_TEST(test_signature__keys_too_weak_or_of_another_kind_are_refused),
          UNIT_TEST(test_signature__names_are_the_three_and_no_others),
          UNIT_TEST(test_signature__one_key_serves_many_threads),
          UNIT_TEST(test_signature__a_failing_allocation_is_told))
