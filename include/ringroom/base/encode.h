/* encode.h - bytes as text: base64 for headers, base64url for ids, decimal numbers. */
#pragma once

#include "ringroom/base/slice.h"

#define ENCODE_BASE64_BYTES(n) (((n) + 2) / 3 * 4)
#define ENCODE_U64_MAX         20

/* Standard alphabet with padding; writes ENCODE_BASE64_BYTES(len) bytes, returns that. No NUL. */
size_t encode_base64(char *dst, const void *src, size_t len);
/* URL alphabet without padding (RFC 4648 section 5). Returns the bytes written. No NUL. */
size_t encode_base64url(char *dst, const void *src, size_t len);
/* Decimal; at most ENCODE_U64_MAX bytes. Returns the bytes written. No NUL. */
size_t encode_u64(char *dst, uint64_t value);
