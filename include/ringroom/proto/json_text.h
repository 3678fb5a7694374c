/* json_text.h - JSON as text: writing it piece by piece, and finding a value's own bytes. */
#pragma once

#include "ringroom/base/buf.h"

/* A quoted, escaped string; `text` is valid UTF-8. 0, -ENOBUFS, -ENOMEM. */
int json_put_string(struct buf *out, struct slice text);
int json_put_u64(struct buf *out, uint64_t value);

/* The raw bytes of a member's value in the object `text`, which must be valid JSON without doubled
 * keys; empty where there is no such key (a key written with escapes is not recognised). */
struct slice json_raw_member(struct slice text, const char *key);

/* A copy of `text` in which no run of digits outside strings is longer than fits a number type,
 * valid exactly where `text` is. For parsers that refuse large numbers. 0, -ENOBUFS, -ENOMEM. */
int json_tame_numbers(struct buf *out, struct slice text);
