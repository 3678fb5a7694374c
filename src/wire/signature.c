/* signature.c - HMAC, RSA and ECDSA by OpenSSL, each with its own fixed hash, padding and form.
 *
 * OpenSSL keeps a queue of errors for each thread, and TLS judges by it: no call here leaves one
 * behind. */
#include "ringroom/wire/signature.h"
#include "ringroom/base/check.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    HMAC_BYTES = 32,
    EC_HALF_BYTES = 32,     /* of r, and of s */
    EC_DER_BYTES_MAX = 72,  /* of both in DER */
    SHORT_EXPONENT_BITS = 2 /* e = 3 at least: e = 1 signs nothing */
};

struct signature_key {
    enum signature_alg alg;
    bool signs;
    EVP_PKEY *pkey; /* RS256, ES256 */
    size_t secret_bytes;
    uint8_t secret[]; /* HS256 */
};

static const char *const alg_names[] = {"HS256", "RS256", "ES256"}; /* by enum signature_alg */

const char *signature_alg_name(enum signature_alg alg)
{
    return alg_names[alg];
}

bool signature_alg_parse(struct slice name, enum signature_alg *ret_alg)
{
    for (size_t i = 0; i < array_len(alg_names); i++) {
        if (slice_is(name, alg_names[i])) {
            *ret_alg = (enum signature_alg)i;
            return true;
        }
    }
    return false;
}

/* Making a key */

/* Where half a sentence about what is wrong with a key goes. */
struct complaint {
    char *text;
    size_t bytes;
};

__attribute__((format(printf, 2, 3))) static int complain(struct complaint *complaint,
                                                          const char *format, ...)
{
    va_list args;

    if (complaint->bytes > 0) {
        va_start(args, format);
        vsnprintf(complaint->text, complaint->bytes, format, args);
        va_end(args);
    }
    return -EINVAL;
}

static bool holds(struct slice text, const char *part)
{
    return text.len && memmem(text.data, text.len, part, strlen(part)) != NULL;
}

/* A PEM file as the secret is the one mistake that would let everyone sign: the public half of a
 * key is public. */
static int check_secret(struct slice secret, struct complaint *complaint)
{
    if (holds(secret, "-----BEGIN "))
        return complain(complaint, "must be a secret for HS256, not a PEM file; for a key pair set "
                                   "alg to RS256 or ES256");
    if (secret.len < SIGNATURE_SECRET_MIN)
        return complain(complaint,
                        "must have at least %d bytes for HS256, not %zu; `openssl rand -base64 48` "
                        "makes a good one",
                        SIGNATURE_SECRET_MIN, secret.len);
    if (secret.len > SIGNATURE_SECRET_MAX)
        return complain(complaint, "must have at most %d bytes for HS256, not %zu",
                        SIGNATURE_SECRET_MAX, secret.len);
    return 0;
}

/* Instead of OpenSSL's own, which would ask at the terminal. */
static int no_password(char *dst, int dst_bytes, int writing, void *ret_asked)
{
    *(bool *)ret_asked = true;
    return -1;
}

static int check_rsa(const EVP_PKEY *pkey, struct complaint *complaint)
{
    int bits = EVP_PKEY_get_bits(pkey);
    BIGNUM *exponent = NULL;

    if (!EVP_PKEY_is_a(pkey, "RSA"))
        return complain(complaint, "must be an RSA key for RS256, not %s",
                        EVP_PKEY_get0_type_name(pkey));
    if (bits < SIGNATURE_RSA_BITS_MIN || bits > SIGNATURE_RSA_BITS_MAX)
        return complain(complaint, "must be an RSA key of %d to %d bits, not %d",
                        SIGNATURE_RSA_BITS_MIN, SIGNATURE_RSA_BITS_MAX, bits);
    if (!EVP_PKEY_get_bn_param(pkey, "e", &exponent))
        return -ENOMEM;
    bool good = BN_is_odd(exponent) && BN_num_bits(exponent) >= SHORT_EXPONENT_BITS;
    BN_free(exponent);
    return good ? 0 : complain(complaint, "is an RSA key with an unusable public exponent");
}

static int check_ec(const EVP_PKEY *pkey, struct complaint *complaint)
{
    char group[32] = "another curve";

    if (!EVP_PKEY_is_a(pkey, "EC"))
        return complain(complaint, "must be a key on the curve P-256 for ES256, not %s",
                        EVP_PKEY_get0_type_name(pkey));
    EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL);
    if (strcmp(group, "prime256v1") != 0)
        return complain(complaint, "must be a key on the curve P-256 for ES256, not on %s", group);
    return 0;
}

/* NULL where the PEM holds no key that can be read. */
static EVP_PKEY *read_pem(BIO *pem, bool private, bool *ret_asked)
{
    return private ? PEM_read_bio_PrivateKey(pem, NULL, no_password, ret_asked)
                   : PEM_read_bio_PUBKEY(pem, NULL, no_password, ret_asked);
}

static int load_pem(struct signature_key *key, struct slice text, struct complaint *complaint)
{
    bool private = holds(text, "PRIVATE KEY-----"), asked = false;

    if (!private && !holds(text, "-----BEGIN PUBLIC KEY-----"))
        return complain(complaint,
                        holds(text, "-----BEGIN CERTIFICATE-----")
                            ? "must be a key in PEM, not a certificate: `openssl x509 -pubkey "
                              "-noout` takes the key out of it"
                            : "must be a public or private key in PEM, with a line -----BEGIN "
                              "PUBLIC KEY----- or -----BEGIN PRIVATE KEY-----");
    BIO *pem = BIO_new_mem_buf(text.data, (int)text.len);
    if (!pem)
        return -ENOMEM;
    key->pkey = read_pem(pem, private, &asked);
    key->signs = private;
    BIO_free(pem);
    if (!key->pkey)
        return complain(complaint, asked ? "is an encrypted key: decrypt it first"
                                         : "is a damaged key, or one of an unknown kind");
    return key->alg == SIGNATURE_RS256 ? check_rsa(key->pkey, complaint)
                                       : check_ec(key->pkey, complaint);
}

int signature_key_new(enum signature_alg alg, struct slice material, struct signature_key **ret_key,
                      char *ret_error, size_t error_bytes)
{
    struct complaint complaint = {.text = ret_error, .bytes = error_bytes};
    size_t secret_bytes = alg == SIGNATURE_HS256 ? material.len : 0;

    if (error_bytes > 0)
        ret_error[0] = '\0';
    if (material.len > SIGNATURE_MATERIAL_MAX)
        return complain(&complaint, "must have at most %d bytes", SIGNATURE_MATERIAL_MAX);
    int error = alg == SIGNATURE_HS256 ? check_secret(material, &complaint) : 0;
    if (error)
        return error;
    struct signature_key *key = mem_zalloc(sizeof(*key) + secret_bytes);
    if (!key)
        return -ENOMEM;
    key->alg = alg;
    if (alg == SIGNATURE_HS256) {
        key->signs = true;
        key->secret_bytes = secret_bytes;
        memcpy(key->secret, material.data, secret_bytes);
    } else if ((error = load_pem(key, material, &complaint)) < 0) {
        goto fail;
    }
    ERR_clear_error();
    *ret_key = key;
    return 0;
fail:
    ERR_clear_error();
    signature_key_free(key);
    return error;
}

void signature_key_free(struct signature_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey); /* wipes a private half */
    mem_free_wiped(key);
}

enum signature_alg signature_key_alg(const struct signature_key *key)
{
    return key->alg;
}

bool signature_key_signs(const struct signature_key *key)
{
    return key->signs;
}

/* HMAC */

static bool hmac(const struct signature_key *key, struct slice bytes, uint8_t mac[HMAC_BYTES])
{
    unsigned mac_bytes = 0;

    return HMAC(EVP_sha256(), key->secret, (int)key->secret_bytes, bytes.data, bytes.len, mac,
                &mac_bytes) &&
           mac_bytes == HMAC_BYTES;
}

static int hmac_verify(const struct signature_key *key, struct slice bytes, struct slice signature)
{
    uint8_t mac[HMAC_BYTES];

    if (signature.len != HMAC_BYTES)
        return -EBADMSG;
    if (!hmac(key, bytes, mac))
        return -ENOMEM;
    int error = CRYPTO_memcmp(mac, signature.data, HMAC_BYTES) == 0 ? 0 : -EBADMSG;
    mem_wipe(mac, sizeof(mac));
    return error;
}

/* ECDSA: OpenSSL speaks DER, tokens have r and s side by side. */

static ssize_t raw_to_der(struct slice raw, uint8_t der[EC_DER_BYTES_MAX])
{
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.data, EC_HALF_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(raw.data + EC_HALF_BYTES, EC_HALF_BYTES, NULL);
    int bytes = -1;

    if (pair && r && s && ECDSA_SIG_set0(pair, r, s)) {
        r = s = NULL; /* the pair's */
        bytes = i2d_ECDSA_SIG(pair, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return bytes > 0 ? bytes : -ENOMEM;
}

static bool der_to_raw(const uint8_t *der, size_t bytes, uint8_t raw[2 * EC_HALF_BYTES])
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)bytes);
    bool done =
        pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, EC_HALF_BYTES) == EC_HALF_BYTES &&
        BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + EC_HALF_BYTES, EC_HALF_BYTES) == EC_HALF_BYTES;

    ECDSA_SIG_free(pair);
    return done;
}

/* RSA and ECDSA. For RSA keys PKCS #1 v1.5 is what the digest calls do unless told otherwise. */

static int pair_verify(const struct signature_key *key, struct slice bytes, struct slice signature)
{
    uint8_t der[EC_DER_BYTES_MAX];
    int error = -EBADMSG;

    if (key->alg == SIGNATURE_ES256) {
        if (signature.len != 2 * EC_HALF_BYTES)
            return -EBADMSG;
        ssize_t der_bytes = raw_to_der(signature, der);
        if (der_bytes < 0)
            return (int)der_bytes;
        signature = slice_make(der, (size_t)der_bytes);
    } else if (signature.len != (size_t)EVP_PKEY_get_size(key->pkey)) {
        return -EBADMSG;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key->pkey) != 1)
        error = -ENOMEM;
    else if (EVP_DigestVerify(context, signature.data, signature.len, bytes.data, bytes.len) == 1)
        error = 0;
    EVP_MD_CTX_free(context);
    return error;
}

static ssize_t pair_sign(const struct signature_key *key, struct slice bytes, uint8_t *dst)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t made[SIGNATURE_BYTES_MAX];
    size_t made_bytes = sizeof(made);
    ssize_t result = -ENOMEM;

    if (context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
        EVP_DigestSign(context, made, &made_bytes, bytes.data, bytes.len) == 1) {
        if (key->alg == SIGNATURE_RS256) {
            memcpy(dst, made, made_bytes);
            result = (ssize_t)made_bytes;
        } else if (der_to_raw(made, made_bytes, dst)) {
            result = 2 * EC_HALF_BYTES;
        }
    }
    EVP_MD_CTX_free(context);
    return result;
}

int signature_verify(const struct signature_key *key, struct slice bytes, struct slice signature)
{
    int error = key->alg == SIGNATURE_HS256 ? hmac_verify(key, bytes, signature)
                                            : pair_verify(key, bytes, signature);
    ERR_clear_error();
    return error;
}

ssize_t signature_sign(const struct signature_key *key, struct slice bytes, uint8_t *dst)
{
    ssize_t made;

    if (!key->signs)
        return -ENOKEY;
    if (key->alg == SIGNATURE_HS256)
        made = hmac(key, bytes, dst) ? HMAC_BYTES : -ENOMEM;
    else
        made = pair_sign(key, bytes, dst);
    ERR_clear_error();
    return made;
}
