/* api_parse.c - requests to the HTTP API: paths, queries, bodies, checked field by field. */
#include "ringroom/base/encode.h"
#include "ringroom/base/hash.h"
#include "ringroom/base/mem.h"
#include "ringroom/base/utf8.h"
#include "ringroom/proto/api.h"
#include "ringroom/proto/json_text.h"
#include "request.h"
#include "token_parts.h"

#include <errno.h>
#include <strings.h>

/* Paths */

static const char prefix[] = "/v1/";

/* What a path may be asked. {r}, {u} and {s} stand for a room, a uid, a message's number. */
struct route {
    const char *path;
    const char *allow;
    struct {
        enum http_method method;
        enum api_call call;
    } calls[3];
    size_t calls_count;
};

static const struct route routes[] = {
    {"rooms", "GET, HEAD, OPTIONS", {{HTTP_M_GET, API_LIST}}, 1},
    {"rooms/{r}",
     "GET, HEAD, PUT, DELETE, OPTIONS",
     {{HTTP_M_GET, API_STATE}, {HTTP_M_PUT, API_PUT}, {HTTP_M_DELETE, API_CLOSE}},
     3},
    {"rooms/{r}/messages",
     "GET, HEAD, POST, OPTIONS",
     {{HTTP_M_GET, API_HISTORY}, {HTTP_M_POST, API_PUBLISH}},
     2},
    {"rooms/{r}/messages/{s}", "DELETE, OPTIONS", {{HTTP_M_DELETE, API_DELETE}}, 1},
    {"rooms/{r}/members", "GET, HEAD, OPTIONS", {{HTTP_M_GET, API_MEMBERS}}, 1},
    {"rooms/{r}/kick", "POST, OPTIONS", {{HTTP_M_POST, API_KICK}}, 1},
    {"rooms/{r}/mute", "POST, OPTIONS", {{HTTP_M_POST, API_MUTE}}, 1},
    {"users/{u}/disconnect", "POST, OPTIONS", {{HTTP_M_POST, API_DISCONNECT}}, 1},
    {"tokens", "POST, OPTIONS", {{HTTP_M_POST, API_TOKEN}}, 1},
};

/* Cuts off what stands before the next slash. */
static struct slice next_piece(struct slice *rest)
{
    const uint8_t *slash = rest->len ? memchr(rest->data, '/', rest->len) : NULL;
    size_t len = slash ? (size_t)(slash - rest->data) : rest->len;
    struct slice piece = slice_make(rest->data, len);

    *rest = slice_from(*rest, slash ? len + 1 : len);
    return piece;
}

/* What stands in a path for {r}, {u}, {s}. */
struct pieces {
    struct slice room, uid, seq;
};

static bool path_fits(struct slice path, const char *wanted, struct pieces *ret_pieces)
{
    struct slice pattern = slice_of(wanted);
    bool slash_behind = path.len && path.data[path.len - 1] == '/';

    while (pattern.len) {
        struct slice want = next_piece(&pattern), piece = next_piece(&path);
        if (slice_is(want, "{r}"))
            ret_pieces->room = piece;
        else if (slice_is(want, "{u}"))
            ret_pieces->uid = piece;
        else if (slice_is(want, "{s}"))
            ret_pieces->seq = piece;
        else if (!slice_equal(want, piece))
            return false;
    }
    return !path.len && !slash_behind;
}

static bool decode_room(struct slice piece, struct api_target *target, struct native_fault *fault)
{
    int len = http_decode(piece, target->room, sizeof(target->room));

    if (len <= 0 || !room_name_valid(slice_make(target->room, (size_t)len)))
        return request_refuse(fault, "room: must be 1 to 128 bytes of UTF-8 without control "
                                     "characters, percent-encoded in the path");
    target->room_len = (uint8_t)len;
    return true;
}

static bool decode_uid(struct slice piece, struct api_target *target, struct native_fault *fault)
{
    int len = http_decode(piece, target->uid, sizeof(target->uid));

    if (len <= 0 || !utf8_printable(slice_make(target->uid, (size_t)len)))
        return request_refuse(fault, "uid: must be 1 to 128 bytes of UTF-8 without control "
                                     "characters, percent-encoded in the path");
    target->uid_len = (uint8_t)len;
    return true;
}

/* Digits only, at most 2^53 - 1. */
static bool number_of(struct slice text, uint64_t *ret)
{
    uint64_t number = 0;

    if (!text.len || text.len > 16)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret = number;
    return number <= (uint64_t)REQUEST_INTEGER_MAX;
}

static bool decode_pieces(const struct pieces *pieces, struct api_target *target,
                          struct native_fault *fault)
{
    if (pieces->room.data && !decode_room(pieces->room, target, fault))
        return false;
    if (pieces->uid.data && !decode_uid(pieces->uid, target, fault))
        return false;
    if (pieces->seq.data && (!number_of(pieces->seq, &target->seq) || !target->seq))
        return request_refuse(fault, "seq: must be the number of a message");
    return true;
}

static bool choose_call(const struct route *route, enum http_method method,
                        struct api_target *target)
{
    if (method == HTTP_M_OPTIONS) {
        target->call = API_OPTIONS;
        return true;
    }
    for (size_t i = 0; i < route->calls_count; i++) {
        if (route->calls[i].method != (method == HTTP_M_HEAD ? HTTP_M_GET : method))
            continue;
        target->call = route->calls[i].call;
        return true;
    }
    return false;
}

bool api_is_path(struct slice path)
{
    return path.len >= sizeof(prefix) - 1 && memcmp(path.data, prefix, sizeof(prefix) - 1) == 0;
}

bool api_route(const struct http_request *request, struct api_target *ret_target,
               struct native_fault *ret_fault)
{
    struct slice path = slice_from(request->path, sizeof(prefix) - 1);

    *ret_target = (struct api_target){0};
    for (size_t i = 0; i < array_len(routes); i++) {
        struct pieces pieces = {0};
        if (!path_fits(path, routes[i].path, &pieces))
            continue;
        ret_target->allow = routes[i].allow;
        if (choose_call(&routes[i], request->method, ret_target))
            return decode_pieces(&pieces, ret_target, ret_fault);
        *ret_fault = (struct native_fault){"method_not_allowed",
                                           "this path does not know that method; see Allow"};
        return false;
    }
    *ret_fault = (struct native_fault){"not_found", "there is no such call; see /v1/openapi.json"};
    return false;
}

bool api_is_json(const struct http_request *request)
{
    static const char json[] = "application/json";
    struct slice type = http_header(request, "Content-Type");
    size_t len = sizeof(json) - 1;

    return type.len >= len && strncasecmp((const char *)type.data, json, len) == 0 &&
           (type.len == len || type.data[len] == ';' || type.data[len] == ' ' ||
            type.data[len] == '\t');
}

/* Queries */

/* Missing is fine, and leaves *ret alone. */
static bool query_number(const struct http_request *request, const char *name, bool *ret_has,
                         uint64_t *ret)
{
    char text[32];
    int len = http_query(request, name, text, sizeof(text));

    *ret_has = len != -ENOENT;
    return !*ret_has || (len > 0 && number_of(slice_make(text, (size_t)len), ret));
}

static bool query_limit(const struct http_request *request, uint64_t preset, uint32_t *ret_limit,
                        struct native_fault *fault)
{
    bool has;

    if (!query_number(request, "limit", &has, &preset) || preset < 1 || preset > 1000)
        return request_refuse(fault, "limit: must be a number from 1 to 1000");
    *ret_limit = (uint32_t)preset;
    return true;
}

static bool query_cursor(const struct http_request *request, struct api_cursor *ret_cursor,
                         struct native_fault *fault)
{
    char text[API_CURSOR_BYTES];
    int len = http_query(request, "cursor", text, sizeof(text));

    if (len == -ENOENT)
        return true;
    if (len < 0 || !api_cursor_read(slice_make(text, (size_t)len), ret_cursor))
        return request_refuse(fault, "cursor: is none that this server has given since it started");
    return true;
}

bool api_parse_list(const struct http_request *request, struct api_list *ret_list,
                    struct native_fault *ret_fault)
{
    int len = http_query(request, "prefix", ret_list->prefix, sizeof(ret_list->prefix));

    if (len == -ENOENT)
        len = 0;
    if (len < 0 || !utf8_printable(slice_make(ret_list->prefix, (size_t)len)))
        return request_refuse(ret_fault, "prefix: must be at most 128 bytes of UTF-8 without "
                                         "control characters");
    ret_list->prefix_len = (uint8_t)len;
    ret_list->cursor = (struct api_cursor){0};
    return query_limit(request, API_LIST_LIMIT, &ret_list->limit, ret_fault) &&
           query_cursor(request, &ret_list->cursor, ret_fault);
}

bool api_parse_history(const struct http_request *request, struct native_range *ret_range,
                       struct native_fault *ret_fault)
{
    *ret_range = (struct native_range){0};
    if (!query_number(request, "before", &ret_range->has_before, &ret_range->before) ||
        !query_number(request, "after", &ret_range->has_after, &ret_range->after))
        return request_refuse(ret_fault, "before, after: must be message numbers");
    if (ret_range->has_before && ret_range->has_after)
        return request_refuse(ret_fault, "before, after: only one of them can be given");
    return query_limit(request, NATIVE_HISTORY_LIMIT, &ret_range->limit, ret_fault);
}

/* Cursors: what a client can't make sense of, and another process neither. */

static uint32_t process_tag(void)
{
    return (uint32_t)hash_bytes(slice_of("a listing's cursor"));
}

enum { CURSOR_RAW_BYTES = 14 };

void api_cursor_write(const struct api_cursor *cursor, char text[API_CURSOR_BYTES])
{
    uint8_t raw[CURSOR_RAW_BYTES];
    uint16_t shard = (uint16_t)cursor->shard;
    uint32_t tag = process_tag();

    memcpy(raw, &cursor->from, 8);
    memcpy(raw + 8, &tag, 4);
    memcpy(raw + 12, &shard, 2);
    encode_base64url(text, raw, sizeof(raw));
}

bool api_cursor_read(struct slice text, struct api_cursor *ret_cursor)
{
    uint8_t raw[CURSOR_RAW_BYTES];
    uint16_t shard;
    uint32_t tag;

    if (text.len != API_CURSOR_BYTES || decode_base64url(raw, text) != (ssize_t)sizeof(raw))
        return false;
    memcpy(&tag, raw + 8, 4);
    if (tag != process_tag())
        return false;
    memcpy(&ret_cursor->from, raw, 8);
    memcpy(&shard, raw + 12, 2);
    ret_cursor->shard = shard;
    return true;
}

/* Bodies */

bool api_body_load(struct slice text, struct api_body *ret_body, struct native_fault *ret_fault)
{
    *ret_body = (struct api_body){.text = text, .json = text.len ? request_load(text) : NULL};
    if (ret_body->json)
        return true;
    if (!json_values_within(text, REQUEST_VALUES_MAX))
        return request_refuse(ret_fault, "the body holds more than 65536 values");
    *ret_fault =
        (struct native_fault){"bad_json", "the body is not valid JSON, or has a key twice"};
    return false;
}

static const json_t *tree_of(const struct api_body *body)
{
    return body->json;
}

void api_body_deinit(struct api_body *body)
{
    json_decref(body->json);
    body->json = NULL;
}

static bool parse_writer(const json_t *json, struct api_message *message,
                         struct native_fault *fault)
{
    const json_t *from = json_object_get(json, "from"), *uid = json_object_get(json, "uid");

    message->from = request_string(from);
    if (!json_is_string(from) || !message->from.len || message->from.len > ROOM_USER_NAME_MAX ||
        !utf8_printable(message->from))
        return request_refuse(fault, "from: must be a string of 1 to 128 bytes without control "
                                     "characters");
    if (!uid)
        return true;
    message->uid = request_string(uid);
    if (!json_is_string(uid) || !token_sub_valid(message->uid))
        return request_refuse(fault, "uid: must be a string of 1 to 128 bytes without control "
                                     "characters");
    return true;
}

static bool parse_message(struct slice text, const json_t *json, size_t bytes_max,
                          struct api_message *message, struct native_fault *fault)
{
    struct request_said said;

    if (!json_is_object(json))
        return request_refuse(fault, "a message must be a JSON object");
    if (text.len > bytes_max) {
        *fault =
            (struct native_fault){"too_large", "the message is longer than limits.max_message"};
        return false;
    }
    if (!parse_writer(json, message, fault) || !request_said(text, json, &said, fault))
        return false;
    message->text_raw = said.text_raw;
    message->data_raw = said.data_raw;
    message->cid = said.cid;
    return true;
}

static bool parse_array(const struct api_body *body, size_t bytes_max,
                        struct api_messages *messages, struct native_fault *fault)
{
    struct slice rest = json_raw_inside(body->text);

    for (size_t i = 0; i < messages->count; i++) {
        messages->wrong = i;
        if (!parse_message(json_raw_take(&rest), json_array_get(body->json, i), bytes_max,
                           &messages->list[i], fault))
            return false;
    }
    messages->wrong = SIZE_MAX;
    return true;
}

bool api_parse_messages(const struct api_body *body, size_t bytes_max,
                        struct api_messages *ret_messages, struct native_fault *ret_fault)
{
    *ret_messages =
        (struct api_messages){.array = json_is_array(tree_of(body)), .count = 1, .wrong = SIZE_MAX};
    if (ret_messages->array)
        ret_messages->count = json_array_size(body->json);
    if (ret_messages->count < 1 || ret_messages->count > API_MESSAGES_MAX)
        return request_refuse(ret_fault, "the array must hold 1 to 1000 messages");
    ret_messages->list = mem_zalloc(ret_messages->count * sizeof(*ret_messages->list));
    if (!ret_messages->list) {
        *ret_fault =
            (struct native_fault){"unavailable", "the server is out of memory for now; try again"};
        return false;
    }
    return ret_messages->array
               ? parse_array(body, bytes_max, ret_messages, ret_fault)
               : parse_message(body->text, body->json, bytes_max, ret_messages->list, ret_fault);
}

void api_messages_deinit(struct api_messages *messages)
{
    mem_free(messages->list);
    messages->list = NULL;
}

/* A field from `least` to `most`; null and missing are one. */
static bool parse_bound(const json_t *json, const char *key, uint64_t least, uint64_t most,
                        bool *ret_has, uint64_t *ret)
{
    const json_t *value = json_object_get(json, key);

    *ret_has = value && !json_is_null(value);
    *ret = least;
    return !*ret_has || (request_integer(value, ret) && *ret >= least && *ret <= most);
}

static bool parse_ttl_from(const json_t *json, struct room_own *own)
{
    static const enum ttl_from all[] = {TTL_FROM_LAST_MESSAGE, TTL_FROM_MESSAGE,
                                        TTL_FROM_FIRST_MESSAGE};
    const json_t *value = json_object_get(json, "ttl_from");

    own->ttl_from = value && !json_is_null(value);
    if (!own->ttl_from)
        return true;
    for (size_t i = 0; i < array_len(all); i++) {
        own->retention.ttl_from = all[i];
        if (json_is_string(value) && slice_is(request_string(value), ttl_from_name(all[i])))
            return true;
    }
    return false;
}

static bool parse_members_max(const json_t *json, struct room_own *own)
{
    uint64_t members;
    bool has;

    if (!parse_bound(json, "max_members", 0, API_MEMBERS_MAX, &has, &members))
        return false;
    own->members_max = has ? (uint32_t)members : ROOM_MEMBERS_BY_RULE;
    return true;
}

bool api_parse_limits(const struct api_body *body, struct room_own *ret_own,
                      struct native_fault *ret_fault)
{
    uint64_t ttl, messages;

    *ret_own = (struct room_own){0};
    if (!json_is_object(tree_of(body)))
        return request_refuse(ret_fault, "the body must be a JSON object");
    if (!parse_bound(body->json, "ttl", RETENTION_TTL_MIN_S, RETENTION_TTL_MAX_S, &ret_own->ttl,
                     &ttl))
        return request_refuse(ret_fault, "ttl: must be a number of seconds from 1 to 2592000");
    if (!parse_ttl_from(body->json, ret_own))
        return request_refuse(ret_fault,
                              "ttl_from: must be last_message, message or first_message");
    if (!parse_bound(body->json, "max_messages", 1, API_MESSAGES_KEPT_MAX, &ret_own->max_messages,
                     &messages))
        return request_refuse(ret_fault, "max_messages: must be a number from 1 to 10000000");
    if (!parse_bound(body->json, "max_bytes", 1, API_BYTES_KEPT_MAX, &ret_own->max_bytes,
                     &ret_own->retention.max_bytes))
        return request_refuse(ret_fault, "max_bytes: must be a number from 1 to 68719476736");
    if (!parse_members_max(body->json, ret_own))
        return request_refuse(ret_fault,
                              "max_members: must be a number from 0 (no limit) to 16777216");
    ret_own->retention.ttl_s = (uint32_t)ttl;
    ret_own->retention.max_messages = (uint32_t)messages;
    return true;
}

bool api_parse_sanction(const struct api_body *body, bool needs_seconds, struct slice *ret_uid,
                        uint64_t *ret_seconds, struct native_fault *ret_fault)
{
    *ret_seconds = 0;
    if (!json_is_object(tree_of(body)))
        return request_refuse(ret_fault, "the body must be a JSON object");
    return request_sanction(body->json, needs_seconds, ret_uid, ret_seconds, ret_fault);
}

/* The same rules as for a token that comes, in words for whoever has one made. */
static bool parse_grant(const json_t *json, struct token_rule *rules, struct token_grant *grant,
                        struct native_fault *fault)
{
    struct token head = {0};

    if (!token_parse_user(json, &head, fault) ||
        !token_parse_rooms(json, rules, &grant->rules_count, fault)) {
        request_refuse(fault, fault->message + sizeof(TOKEN_REFUSAL) - 1);
        return false;
    }
    grant->sub = head.sub;
    grant->name = head.name;
    grant->rules = rules;
    return true;
}

bool api_parse_token(const struct api_body *body, struct token_rule *rules,
                     struct token_grant *ret_grant, uint64_t *ret_ttl_s,
                     struct native_fault *ret_fault)
{
    bool has_ttl;

    *ret_grant = (struct token_grant){0};
    *ret_ttl_s = API_TTL_DEFAULT_S;
    if (!json_is_object(tree_of(body)))
        return request_refuse(ret_fault, "the body must be a JSON object");
    if (!request_optional_integer(body->json, "ttl", &has_ttl, ret_ttl_s) || *ret_ttl_s < 1 ||
        *ret_ttl_s > API_TTL_MAX_S)
        return request_refuse(ret_fault, "ttl: must be a number of seconds from 1 to 86400");
    return parse_grant(body->json, rules, ret_grant, ret_fault);
}
