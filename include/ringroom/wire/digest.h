/* digest.h - SHA-256, and comparing secrets without telling by the time it takes how far they
 * agree.
 *
 * Threads   any; no state. */
#pragma once

#include "ringroom/base/slice.h"

enum { DIGEST_SHA256_BYTES = 32 };

/* 0, -ENOMEM. */
int digest_sha256(struct slice bytes, uint8_t digest[DIGEST_SHA256_BYTES]);
/* Takes the same time wherever they differ. */
bool digest_equal(const uint8_t a[DIGEST_SHA256_BYTES], const uint8_t b[DIGEST_SHA256_BYTES]);
