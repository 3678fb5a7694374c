/* request.h - what requests of every dialect have in common: how their JSON is read, and the
 * fields that mean the same in all of them.
 *
 * Inside proto only. Slices point into the JSON tree, and live as long as it. */
#pragma once

#include "ringroom/proto/native.h"

#include <jansson.h>

/* Values in the JSON of one request, as json_values_within() counts. A tree of so many is about
 * 16 MiB, and a few milliseconds of a shard's time, however long a message may be. */
#define REQUEST_VALUES_MAX 65536
#define REQUEST_INTEGER_MAX 9007199254740991.0 /* 2^53 - 1 */

/* The tree, of any kind of value, without doubled keys; every number in it is a real. NULL where
 * the text is no JSON, or has too many values. Numbers beyond a double's reach are replaced by
 * smaller ones that are still above 2^53: only values that are passed on raw may hold such numbers.
 */
json_t *request_load(struct slice text);

/* Sets the fault and returns false. `message` is static text. */
bool request_refuse(struct native_fault *fault, const char *message);

/* Empty for what is no string. */
struct slice request_string(const json_t *value);
/* NULL is a field that is missing. */
bool request_room(const json_t *value, struct slice *ret_room, struct native_fault *fault);
/* Here missing is fine, and leaves *ret alone. */
bool request_name(const json_t *value, struct slice *ret_name, struct native_fault *fault);
bool request_cid(const json_t *value, struct slice *ret_cid, struct native_fault *fault);

/* A whole number from 0 to 2^53 - 1, however it is written. */
bool request_integer(const json_t *value, uint64_t *ret);
/* Missing is fine; given, it must be such a number. */
bool request_optional_integer(const json_t *json, const char *key, bool *ret_has, uint64_t *ret);

/* What a message says: `text`, `data`, `cid`. The first two are raw JSON, found in `text`, of which
 * `json` is the tree. */
struct request_said {
    struct slice text_raw, data_raw, cid; /* empty where missing */
};
bool request_said(struct slice text, const json_t *json, struct request_said *ret_said,
                  struct native_fault *fault);
/* Whom, and for how long: `uid`, `seconds`. */
bool request_sanction(const json_t *json, bool needs_seconds, struct slice *ret_uid,
                      uint64_t *ret_seconds, struct native_fault *fault);
