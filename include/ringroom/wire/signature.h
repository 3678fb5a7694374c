/* signature.h - signing bytes and verifying them, by the three algorithms that our tokens know.
 *
 * The key decides the algorithm; nothing that a peer sends can choose another.
 *
 * Threads   a key is made by one thread, then shared by all, unchanged: OpenSSL counts its
 *           references atomically and keeps what each call works with apart (openssl-threads(7)).
 * Ownership the key owns what it was made of; signature_key_free() wipes it.
 * Bound     SIGNATURE_BYTES_MAX for every signature: larger keys are refused. */
#pragma once

#include "ringroom/base/slice.h"

#include <sys/types.h>

enum signature_alg {
    SIGNATURE_HS256, /* HMAC with SHA-256: whoever can verify can sign */
    SIGNATURE_RS256, /* RSA with PKCS #1 v1.5 padding and SHA-256 */
    SIGNATURE_ES256  /* ECDSA on P-256 with SHA-256: r and s, 32 bytes each */
};

enum {
    SIGNATURE_ALGS = 3,
    SIGNATURE_SECRET_MIN = 32, /* bytes: RFC 7518 section 3.2 */
    SIGNATURE_SECRET_MAX = 4096,
    SIGNATURE_RSA_BITS_MIN = 2048,
    SIGNATURE_RSA_BITS_MAX = 8192, /* a larger one costs too much for each signature */
    SIGNATURE_BYTES_MAX = SIGNATURE_RSA_BITS_MAX / 8,
    SIGNATURE_MATERIAL_MAX = 64 << 10 /* bytes of a PEM file or a secret */
};

struct signature_key;

/* `material`: the secret itself, or one key in PEM, public or private. 0; -EINVAL with half a
 * sentence in ret_error that goes on from the name of the key ("must be ..."), or -ENOMEM. */
int signature_key_new(enum signature_alg alg, struct slice material, struct signature_key **ret_key,
                      char *ret_error, size_t error_bytes);
void signature_key_free(struct signature_key *key); /* takes NULL */

enum signature_alg signature_key_alg(const struct signature_key *key);
/* A public key alone can only verify. */
bool signature_key_signs(const struct signature_key *key);

/* 0; -EBADMSG where the signature is not this key's for these bytes; -ENOMEM. An HMAC is compared
 * in constant time. */
int signature_verify(const struct signature_key *key, struct slice bytes, struct slice signature);
/* Writes at most SIGNATURE_BYTES_MAX bytes, returns how many; -ENOKEY for a public key, -ENOMEM. */
ssize_t signature_sign(const struct signature_key *key, struct slice bytes, uint8_t *dst);

/* "HS256", "RS256", "ES256". */
const char *signature_alg_name(enum signature_alg alg);
bool signature_alg_parse(struct slice name, enum signature_alg *ret_alg);
