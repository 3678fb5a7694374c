/* tls_forge.h - TLS 1.3 records that no honest client would write: sealed with the client's real
 * keys (taken through OpenSSL's key log), but with any content, cut anywhere. */
#pragma once

#include "tls_peer.h"

enum { FORGE_ALERT = 21, FORGE_HANDSHAKE = 22, FORGE_DATA = 23, FORGE_MAX = 512 };

struct forge {
    uint8_t key[16], iv[12]; /* AES-128-GCM */
    uint64_t sequence;       /* of the next record */
};

/* The key log has no user pointer; tests run one after another. */
static uint8_t forge_secret[32];

static inline void forge_keylog(const SSL *ssl, const char *line)
{
    static const char label[] = "CLIENT_TRAFFIC_SECRET_0 ";
    if (strncmp(line, label, sizeof(label) - 1) != 0)
        return;
    const char *hex = strrchr(line, ' ') + 1;
    for (size_t i = 0; i < sizeof(forge_secret); i++)
        sscanf(hex + 2 * i, "%2hhx", &forge_secret[i]);
}

/* HKDF-Expand-Label of RFC 8446 section 7.1, with an empty context. */
static inline void forge_expand(const char *label, uint8_t *dst, size_t bytes)
{
    uint8_t info[64] = {0, (uint8_t)bytes};
    size_t label_bytes = strlen(label), info_bytes = 2 + 1 + 6 + label_bytes + 1;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);

    info[2] = (uint8_t)(6 + label_bytes);
    memcpy(info + 3, "tls13 ", 6);
    memcpy(info + 9, label, label_bytes);
    CHECK(EVP_PKEY_derive_init(context) == 1 &&
          EVP_PKEY_CTX_set_hkdf_mode(context, EVP_PKEY_HKDEF_MODE_EXPAND_ONLY) == 1 &&
          EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) == 1 &&
          EVP_PKEY_CTX_set1_hkdf_key(context, forge_secret, sizeof(forge_secret)) == 1 &&
          EVP_PKEY_CTX_add1_hkdf_info(context, info, (int)info_bytes) == 1 &&
          EVP_PKEY_derive(context, dst, &bytes) == 1);
    EVP_PKEY_CTX_free(context);
}

/* After a handshake of a client whose context has forge_keylog, and before it has said anything. */
static inline struct forge forge_begin(void)
{
    struct forge forge = {.sequence = 0};
    forge_expand("key", forge.key, sizeof(forge.key));
    forge_expand("iv", forge.iv, sizeof(forge.iv));
    return forge;
}

/* One record at dst, which must have bytes + 22 free. Returns its length. */
static inline size_t forge_record(struct forge *forge, uint8_t type, const void *data, size_t bytes,
                                  uint8_t *dst)
{
    uint8_t nonce[12], inner[FORGE_MAX];
    size_t sealed = bytes + 1 + 16;
    uint8_t header[5] = {FORGE_DATA, 3, 3, (uint8_t)(sealed >> 8), (uint8_t)sealed};
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int n;

    CHECK(bytes < FORGE_MAX);
    if (bytes > 0)
        memcpy(inner, data, bytes);
    inner[bytes] = type;
    memcpy(nonce, forge->iv, sizeof(nonce));
    for (int i = 0; i < 8; i++)
        nonce[4 + i] ^= (uint8_t)(forge->sequence >> (56 - 8 * i));
    forge->sequence++;
    memcpy(dst, header, 5);
    CHECK(EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), NULL, forge->key, nonce) == 1 &&
          EVP_EncryptUpdate(context, NULL, &n, header, 5) == 1 &&
          EVP_EncryptUpdate(context, dst + 5, &n, inner, (int)bytes + 1) == 1 &&
          EVP_EncryptFinal_ex(context, dst + 5 + n, &n) == 1 &&
          EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, dst + 5 + bytes + 1) == 1);
    EVP_CIPHER_CTX_free(context);
    return 5 + sealed;
}
