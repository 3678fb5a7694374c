#include "ringroom/wire/digest.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

int digest_sha256(struct slice bytes, uint8_t digest[DIGEST_SHA256_BYTES])
{
    return EVP_Digest(bytes.data, bytes.len, digest, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

bool digest_equal(const uint8_t a[DIGEST_SHA256_BYTES], const uint8_t b[DIGEST_SHA256_BYTES])
{
    return CRYPTO_memcmp(a, b, DIGEST_SHA256_BYTES) == 0;
}
