/* request.c - JSON of any origin to a tree, and the checks of its common fields. */
#include "request.h"
#include "ringroom/base/utf8.h"
#include "ringroom/proto/json_text.h"

enum {
    PARSE_FLAGS = JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL |
                  JSON_DECODE_ANY /* to be told from what is no JSON */
};

/* jansson refuses numbers beyond its types: then a copy with shorter ones tells whether all else
 * is right. */
json_t *request_load(struct slice text)
{
    json_error_t error;

    if (!json_values_within(text, REQUEST_VALUES_MAX))
        return NULL;
    json_t *json = json_loadb((const char *)text.data, text.len, PARSE_FLAGS, &error);

    if (json || json_error_code(&error) != json_error_numeric_overflow)
        return json;
    struct buf tame;
    buf_init(&tame, text.len);
    if (json_tame_numbers(&tame, text) == 0)
        json = json_loadb((const char *)tame.data, tame.len, PARSE_FLAGS, &error);
    buf_deinit(&tame);
    return json;
}

bool request_refuse(struct native_fault *fault, const char *message)
{
    *fault = (struct native_fault){"bad_request", message};
    return false;
}

struct slice request_string(const json_t *value)
{
    return slice_make(json_string_value(value), json_string_length(value));
}

bool request_room(const json_t *value, struct slice *ret_room, struct native_fault *fault)
{
    struct slice room = request_string(value);

    if (!json_is_string(value) || !room_name_valid(room))
        return request_refuse(
            fault, "room: must be a string of 1 to 128 bytes without control characters");
    *ret_room = room;
    return true;
}

bool request_name(const json_t *value, struct slice *ret_name, struct native_fault *fault)
{
    struct slice name = request_string(value);

    if (!value)
        return true;
    if (!json_is_string(value) || name.len > ROOM_USER_NAME_MAX || !utf8_printable(name))
        return request_refuse(fault, "name: must be a string of at most 128 bytes without control "
                                     "characters");
    *ret_name = name;
    return true;
}

bool request_cid(const json_t *value, struct slice *ret_cid, struct native_fault *fault)
{
    struct slice cid = request_string(value);

    if (!value)
        return true;
    if (!json_is_string(value) || cid.len == 0 || cid.len > ROOM_CID_MAX)
        return request_refuse(fault, "cid: must be a string of 1 to 64 bytes");
    *ret_cid = cid;
    return true;
}

bool request_integer(const json_t *value, uint64_t *ret)
{
    double number = json_number_value(value);

    if (!json_is_number(value) || number < 0 || number > REQUEST_INTEGER_MAX ||
        number != (double)(uint64_t)number)
        return false;
    *ret = (uint64_t)number;
    return true;
}

bool request_optional_integer(const json_t *json, const char *key, bool *ret_has, uint64_t *ret)
{
    const json_t *value = json_object_get(json, key);

    *ret_has = value != NULL;
    return !value || request_integer(value, ret);
}

bool request_said(struct slice text, const json_t *json, struct request_said *ret_said,
                  struct native_fault *fault)
{
    const json_t *said = json_object_get(json, "text"), *data = json_object_get(json, "data");
    struct request_said found = {0};

    if (!said && !data)
        return request_refuse(fault, "text, data: one of them is needed");
    if (said && !json_is_string(said))
        return request_refuse(fault, "text: must be a string");
    if (!request_cid(json_object_get(json, "cid"), &found.cid, fault))
        return false;
    if (said)
        found.text_raw = json_raw_member(text, "text");
    if (data)
        found.data_raw = json_raw_member(text, "data");
    *ret_said = found;
    return true;
}

bool request_sanction(const json_t *json, bool needs_seconds, struct slice *ret_uid,
                      uint64_t *ret_seconds, struct native_fault *fault)
{
    const json_t *uid = json_object_get(json, "uid");
    bool has_seconds;

    *ret_uid = request_string(uid);
    if (!json_is_string(uid) || !ret_uid->len || ret_uid->len > ROOM_UID_MAX)
        return request_refuse(fault, "uid: must be a string of 1 to 128 bytes");
    if (!request_optional_integer(json, "seconds", &has_seconds, ret_seconds) ||
        *ret_seconds > NATIVE_SANCTION_MAX_S || (!has_seconds && needs_seconds))
        return request_refuse(fault, "seconds: must be a number from 0 to 2592000");
    return true;
}
