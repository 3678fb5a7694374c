/* encode.h - bytes as text: base64 for headers and payloads, base64url for ids, decimal numbers. */
#pragma once

#include "ringroom/base/slice.h"

#include <sys/types.h>

#define ENCODE_BASE64_BYTES(n) (((n) + 2) / 3 * 4)
#define DECODE_BASE64_BYTES(n) ((n) / 4 * 3 + (n) % 4 * 3 / 4) /* of text of n bytes */
#define ENCODE_U64_MAX         20

/* Standard alphabet with padding; writes ENCODE_BASE64_BYTES(len) bytes, returns that. No NUL. */
size_t encode_base64(char *dst, const void *src, size_t len);
/* URL alphabet without padding (RFC 4648 section 5). Returns the bytes written. No NUL. */
size_t encode_base64url(char *dst, const void *src, size_t len);
/* Reads the standard alphabet, padding whole or left out; nothing else: no blank, no line break, no
 * URL alphabet. Writes at most DECODE_BASE64_BYTES(text.len) bytes and returns how many, or -EINVAL
 * for a foreign character, a length that no bytes have, or padding that is not all there. What the
 * last character holds beyond the last byte is not looked at. */
ssize_t decode_base64(void *dst, struct slice text);
/* Reads the URL alphabet without padding. As above, but stricter: what the last character holds
 * beyond the last byte must be zero, so that no two texts stand for the same bytes. */
ssize_t decode_base64url(void *dst, struct slice text);
/* Decimal; at most ENCODE_U64_MAX bytes. Returns the bytes written. No NUL. */
size_t encode_u64(char *dst, uint64_t value);
