/* json_text.h - JSON as text: writing it piece by piece, and finding a value's own bytes. */
#pragma once

#include "ringroom/base/buf.h"

/* A quoted, escaped string; `text` is valid UTF-8. 0, -ENOBUFS, -ENOMEM. */
int json_put_string(struct buf *out, struct slice text);
int json_put_u64(struct buf *out, uint64_t value);

/* The raw bytes of a member's value in the object `text`, which must be valid JSON without doubled
 * keys; empty where there is no such key. `key` is ASCII; in the text it may be written with
 * escapes. */
struct slice json_raw_member(struct slice text, const char *key);

/* A copy of `text` in which every number fits a double, valid exactly where `text` is; whole
 * numbers above 2^53 stay above. For parsers that refuse larger ones. 0, -ENOBUFS, -ENOMEM. */
int json_tame_numbers(struct buf *out, struct slice text);
