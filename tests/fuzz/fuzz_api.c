/* The HTTP API's requests from arbitrary bytes: a byte for the method, a target up to the first
 * line break, and a body. What is accepted must hold what the parsers promise, and what the
 * encoders make of it must be JSON. */
#include "json_value.h"
#include "ringroom/base/utf8.h"
#include "ringroom/proto/api.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_BYTES_MAX = 4096 };

static void check_fault(const struct native_fault *fault)
{
    struct buf out;
    struct api_answer answer = {.out = &out};

    buf_init(&out, 4096);
    CHECK(fault->code && fault->message);
    CHECK(api_answer_fault(&answer, fault, "[7] ", "GET", 1) == 0);
    const uint8_t *body = memmem(out.data, out.len, "\r\n\r\n", 4);
    json_t *json = load_json(slice_from(buf_slice(&out), (size_t)(body + 4 - out.data)));
    CHECK(json_is_object(json));
    json_decref(json);
    buf_deinit(&out);
}

static void check_route(const struct http_request *request)
{
    struct api_target target;
    struct native_fault fault = {0};

    if (!api_is_path(request->path))
        return;
    if (!api_route(request, &target, &fault)) {
        CHECK(strcmp(fault.code, "method_not_allowed") != 0 || target.allow);
        check_fault(&fault);
        return;
    }
    CHECK(target.allow);
    CHECK(!target.room_len || room_name_valid(slice_make(target.room, target.room_len)));
    CHECK(utf8_printable(slice_make(target.uid, target.uid_len)));
    CHECK(target.seq < UINT64_C(1) << 53);
}

static void check_cursor(const struct api_cursor *cursor)
{
    char text[API_CURSOR_BYTES];
    struct api_cursor again;

    api_cursor_write(cursor, text);
    CHECK(api_cursor_read(slice_make(text, sizeof(text)), &again));
    CHECK(again.shard == cursor->shard && again.from == cursor->from);
}

static void check_queries(const struct http_request *request)
{
    struct native_fault fault = {0};
    struct native_range range;
    struct api_list list;

    if (api_parse_list(request, &list, &fault)) {
        CHECK(list.limit >= 1 && list.limit <= API_LIST_LIMIT_MAX);
        CHECK(utf8_printable(slice_make(list.prefix, list.prefix_len)));
        check_cursor(&list.cursor);
    } else {
        check_fault(&fault);
    }
    if (api_parse_history(request, &range, &fault)) {
        CHECK(range.limit >= 1 && range.limit <= NATIVE_HISTORY_LIMIT_MAX);
        CHECK(!range.has_before || !range.has_after);
    } else {
        check_fault(&fault);
    }
    api_is_json(request);
}

static void check_message(const struct api_message *message)
{
    struct native_body body = {.room = slice_of("r"),
                               .from = message->from,
                               .uid = message->uid,
                               .text_raw = message->text_raw,
                               .data_raw = message->data_raw,
                               .cid = message->cid};
    uint8_t frame[4 * MESSAGE_BYTES_MAX];
    struct buf out;

    CHECK(message->from.len && utf8_printable(message->from) && utf8_printable(message->uid));
    CHECK(message->cid.len <= ROOM_CID_MAX && (message->text_raw.len || message->data_raw.len));
    /* As much as conn_api_ask.c makes room for. */
    buf_init(&out, MESSAGE_BYTES_MAX + 2 * (size_t)ROOM_NAME_MAX + 256);
    CHECK(native_body(&out, &body) == 0);
    CHECK(native_frame_bytes_max(out.len) <= sizeof(frame));
    json_t *json =
        load_json(native_payload(slice_make(frame, native_frame(frame, 1, 2, buf_slice(&out)))));
    CHECK(json_is_object(json));
    json_decref(json);
    buf_deinit(&out);
}

static void check_messages(const struct api_body *body)
{
    struct api_messages messages;
    struct native_fault fault = {0};

    if (api_parse_messages(body, MESSAGE_BYTES_MAX, &messages, &fault)) {
        CHECK(messages.count >= 1 && messages.count <= API_MESSAGES_MAX);
        for (size_t i = 0; i < messages.count; i++)
            check_message(&messages.list[i]);
    } else {
        check_fault(&fault);
    }
    api_messages_deinit(&messages);
}

static void check_limits(const struct api_body *body)
{
    struct room_own own;
    struct native_fault fault = {0};

    if (!api_parse_limits(body, &own, &fault)) {
        check_fault(&fault);
        return;
    }
    CHECK(own.retention.ttl_s >= RETENTION_TTL_MIN_S && own.retention.ttl_s <= RETENTION_TTL_MAX_S);
    CHECK(own.retention.max_messages >= 1 && own.retention.max_bytes >= 1);
    CHECK(own.members_max <= API_MEMBERS_MAX || own.members_max == ROOM_MEMBERS_BY_RULE);
}

static void check_users(const struct api_body *body)
{
    struct token_rule rules[TOKEN_ROOMS_MAX];
    struct token_grant grant;
    struct native_fault fault = {0};
    struct slice uid;
    uint64_t seconds;

    if (api_parse_sanction(body, true, &uid, &seconds, &fault))
        CHECK(uid.len >= 1 && uid.len <= ROOM_UID_MAX && seconds <= NATIVE_SANCTION_MAX_S);
    else
        check_fault(&fault);
    if (api_parse_token(body, rules, &grant, &seconds, &fault))
        CHECK(grant.sub.len && grant.rules_count <= TOKEN_ROOMS_MAX && seconds <= API_TTL_MAX_S);
    else
        check_fault(&fault);
}

static void check_body(struct slice text)
{
    struct native_fault fault = {0};
    struct api_body body;

    if (api_body_load(text, &body, &fault)) {
        check_messages(&body);
        check_limits(&body);
        check_users(&body);
    } else {
        check_fault(&fault);
    }
    api_body_deinit(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of its own, so that a sanitizer sees a read beyond it. */
    uint8_t *copy = malloc(size ? size : 1);
    struct http_request request = {0};

    if (size) {
        memcpy(copy, data, size);
        request.method = (enum http_method)(copy[0] % (HTTP_M_OTHER + 1));
        struct slice target = slice_make(copy + 1, size - 1);
        const uint8_t *end = target.len ? memchr(target.data, '\n', target.len) : NULL;
        struct slice body = {0};
        if (end) {
            body = slice_from(target, (size_t)(end - target.data) + 1);
            target.len = (size_t)(end - target.data);
        }
        const uint8_t *mark = target.len ? memchr(target.data, '?', target.len) : NULL;
        request.path = slice_make(target.data, mark ? (size_t)(mark - target.data) : target.len);
        if (mark)
            request.query = slice_from(target, request.path.len + 1);
        check_route(&request);
        check_queries(&request);
        check_body(body);
    }
    free(copy);
    return 0;
}
