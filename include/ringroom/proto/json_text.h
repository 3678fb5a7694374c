/* json_text.h - JSON as text: writing it piece by piece, and finding a value's own bytes. */
#pragma once

#include "ringroom/base/buf.h"

/* A quoted, escaped string; `text` is valid UTF-8. 0, -ENOBUFS, -ENOMEM. */
int json_put_string(struct buf *out, struct slice text);
/* Without the quotes: a string put together from pieces. Raw JSON grows at most twofold. */
int json_put_escaped(struct buf *out, struct slice text);
int json_put_u64(struct buf *out, uint64_t value);

/* Walking over text that is valid JSON. */

/* What is behind the opening bracket of an array or object, for json_raw_take(). */
struct slice json_raw_inside(struct slice text);
/* Takes the next value, or key, with the comma or colon behind it off *text; empty at the closing
 * bracket, where *text stays. */
struct slice json_raw_take(struct slice *text);
/* True for the raw string that says `text`: ASCII without control characters, quotes and
 * backslashes; in the raw string it may be written with \u escapes. */
bool json_raw_is(struct slice raw, const char *text);
/* The raw bytes of a member's value in the object `text`, which must be valid JSON without doubled
 * keys; empty where there is no such key. `key` is ASCII; in the text it may be written with
 * escapes. */
struct slice json_raw_member(struct slice text, const char *key);

/* False where `text`, which need not be valid, may hold more than `max` values; an empty array or
 * object counts as two. A tree takes a hundred times the bytes of the shortest values: so it is
 * asked before one is built. */
bool json_values_within(struct slice text, size_t max);

/* A copy of `text` in which every number fits a double, valid exactly where `text` is; whole
 * numbers above 2^53 stay above. For parsers that refuse larger ones. 0, -ENOBUFS, -ENOMEM. */
int json_tame_numbers(struct buf *out, struct slice text);
