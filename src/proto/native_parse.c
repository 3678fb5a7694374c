/* native_parse.c - requests of the native dialect, decoded and checked field by field.
 *
 * jansson parses; `text` and `data` are passed on as the sender wrote them, so
 * that numbers of any size come out as they went in. */
#include "ringroom/proto/native.h"
#include "request.h"
#include "ringroom/base/mem.h"
#include "ringroom/proto/json_text.h"

static const char *const op_names[] = {
    [NATIVE_JOIN] = "join",       [NATIVE_LEAVE] = "leave",     [NATIVE_SEND] = "send",
    [NATIVE_HISTORY] = "history", [NATIVE_MEMBERS] = "members", [NATIVE_TYPING] = "typing",
    [NATIVE_DELETE] = "delete",   [NATIVE_KICK] = "kick",       [NATIVE_MUTE] = "mute",
    [NATIVE_CLOSE] = "close",     [NATIVE_AUTH] = "auth",       [NATIVE_PING] = "ping",
};

/* Fields */

static bool is_plain_integer(struct slice raw)
{
    for (size_t i = 0; i < raw.len; i++)
        if ((raw.data[i] < '0' || raw.data[i] > '9') && !(i == 0 && raw.data[i] == '-'))
            return false;
    return raw.len > 0;
}

static bool parse_id(struct slice text, const json_t *json, struct native_request *request,
                     struct native_fault *fault)
{
    const json_t *value = json_object_get(json, "id");
    struct slice raw = value ? json_raw_member(text, "id") : (struct slice){0};

    if (!value)
        return true;
    if (json_is_string(value) ? json_string_length(value) > 64 || raw.len > 6 * 64 + 2
                              : !json_is_number(value) || !is_plain_integer(raw) ||
                                    json_number_value(value) > REQUEST_INTEGER_MAX ||
                                    json_number_value(value) < -REQUEST_INTEGER_MAX)
        return request_refuse(fault,
                              "id: must be an integer of at most 2^53-1 or a string of at most 64 "
                              "bytes");
    request->id = raw;
    return true;
}

static bool parse_op(const json_t *json, struct native_request *request, struct native_fault *fault)
{
    const json_t *value = json_object_get(json, "op");

    if (!json_is_string(value))
        return request_refuse(fault, "op: is missing or not a string");
    for (size_t i = 0; i < array_len(op_names); i++) {
        if (slice_is(request_string(value), op_names[i])) {
            request->op = (enum native_op)i;
            return true;
        }
    }
    *fault = (struct native_fault){"unknown_op", "op: there is no such operation"};
    return false;
}

/* Operations */

static bool parse_since(const json_t *json, struct room_wish *wish, struct native_fault *fault)
{
    const json_t *since = json_object_get(json, "since");

    if (!since)
        return true;
    const json_t *epoch = json_object_get(since, "epoch");
    if (!json_is_string(epoch) || !request_integer(json_object_get(since, "seq"), &wish->since_seq))
        return request_refuse(fault, "since: must be {\"epoch\":string,\"seq\":number}");
    wish->has_since = true;
    wish->since_epoch = request_string(epoch);
    return true;
}

static bool parse_join(const json_t *json, struct native_request *request,
                       struct native_fault *fault)
{
    struct room_wish *wish = &request->wish;

    if (!request_name(json_object_get(json, "name"), &request->name, fault) ||
        !parse_since(json, wish, fault))
        return false;
    if (!request_optional_integer(json, "history", &wish->has_history, &wish->history))
        return request_refuse(fault, "history: must be a number of messages, 0 or more");
    return true;
}

static bool parse_send(struct slice text, const json_t *json, struct native_request *request,
                       struct native_fault *fault)
{
    struct request_said said;

    if (!request_said(text, json, &said, fault))
        return false;
    request->text_raw = said.text_raw;
    request->data_raw = said.data_raw;
    request->cid = said.cid;
    return true;
}

static bool parse_history(const json_t *json, struct native_request *request,
                          struct native_fault *fault)
{
    struct native_range *range = &request->range;
    uint64_t limit = NATIVE_HISTORY_LIMIT;
    bool has_limit;

    if (!request_optional_integer(json, "before", &range->has_before, &range->before) ||
        !request_optional_integer(json, "after", &range->has_after, &range->after))
        return request_refuse(fault, "before, after: must be message numbers");
    if (range->has_before && range->has_after)
        return request_refuse(fault, "before, after: only one of them can be given");
    if (!request_optional_integer(json, "limit", &has_limit, &limit) || limit < 1 ||
        limit > NATIVE_HISTORY_LIMIT_MAX)
        return request_refuse(fault, "limit: must be a number from 1 to 1000");
    range->limit = (uint32_t)limit;
    return true;
}

static bool parse_typing(const json_t *json, struct native_request *request,
                         struct native_fault *fault)
{
    const json_t *on = json_object_get(json, "on");

    if (!json_is_boolean(on))
        return request_refuse(fault, "on: must be true or false");
    request->on = json_is_true(on);
    return true;
}

static bool parse_delete(const json_t *json, struct native_request *request,
                         struct native_fault *fault)
{
    if (!request_integer(json_object_get(json, "seq"), &request->seq) || request->seq == 0)
        return request_refuse(fault, "seq: must be the number of a message");
    return true;
}

static bool parse_auth(const json_t *json, struct native_request *request,
                       struct native_fault *fault)
{
    const json_t *token = json_object_get(json, "token");

    request->token = request_string(token);
    if (!json_is_string(token) || !request->token.len || request->token.len > NATIVE_TOKEN_MAX)
        return request_refuse(fault, "token: must be a string of 1 to 8192 bytes");
    return true;
}

static bool parse_fields(struct slice text, const json_t *json, struct native_request *request,
                         struct native_fault *fault)
{
    if (request->op == NATIVE_PING)
        return true;
    if (request->op == NATIVE_AUTH)
        return parse_auth(json, request, fault);
    if (!request_room(json_object_get(json, "room"), &request->room, fault))
        return false;
    switch (request->op) {
    case NATIVE_JOIN:
        return parse_join(json, request, fault);
    case NATIVE_SEND:
        return parse_send(text, json, request, fault);
    case NATIVE_HISTORY:
        return parse_history(json, request, fault);
    case NATIVE_TYPING:
        return parse_typing(json, request, fault);
    case NATIVE_DELETE:
        return parse_delete(json, request, fault);
    case NATIVE_KICK:
    case NATIVE_MUTE:
        return request_sanction(json, request->op == NATIVE_MUTE, &request->uid, &request->seconds,
                                fault);
    default:
        return true;
    }
}

void native_init(void)
{
    json_set_alloc_funcs(mem_alloc, mem_free_wiped);
}

bool native_parse(struct slice text, struct native_request *request, struct native_fault *ret_fault)
{
    *request = (struct native_request){0};
    json_t *json = request_load(text);
    request->json = json;
    if (!json && !json_values_within(text, REQUEST_VALUES_MAX))
        return request_refuse(ret_fault, "the message holds more than 65536 values");
    if (!json) {
        *ret_fault =
            (struct native_fault){"bad_json", "the message is not valid JSON, or has a key twice"};
        return false;
    }
    if (!json_is_object(json))
        return request_refuse(ret_fault, "the message must be a JSON object");
    return parse_id(text, json, request, ret_fault) && parse_op(json, request, ret_fault) &&
           parse_fields(text, json, request, ret_fault);
}

void native_request_deinit(struct native_request *request)
{
    json_decref(request->json);
    request->json = NULL;
}
