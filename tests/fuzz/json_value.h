/* json_value.h - a JSON text as a tree, for fuzz targets. */
#pragma once

#include "ringroom/base/check.h"
#include "ringroom/proto/json_text.h"

#include <jansson.h>

/* The value, whatever the size of its numbers; NULL where it is no JSON. */
static inline json_t *load_json(struct slice text)
{
    struct buf tame;
    json_error_t error;

    buf_init(&tame, text.len);
    CHECK(json_tame_numbers(&tame, text) == 0);
    json_t *json = json_loadb((const char *)tame.data, tame.len,
                              JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL |
                                  JSON_ALLOW_NUL,
                              &error);
    buf_deinit(&tame);
    return json;
}
