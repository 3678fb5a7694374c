/* Requests from arbitrary bytes. What is accepted must hold what the parser promises, its raw
 * values must be JSON of their own, and what the encoders make of it must be JSON again. */
#include "json_value.h"
#include "ringroom/base/utf8.h"
#include "ringroom/proto/native.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(struct slice raw)
{
    json_t *json = load_json(raw);

    CHECK(json);
    json_decref(json);
}

static bool text_is(const json_t *object, const char *key, struct slice value)
{
    const json_t *field = json_object_get(object, key);

    return json_is_string(field) &&
           slice_equal(slice_make(json_string_value(field), json_string_length(field)), value);
}

static void check_id(struct slice id)
{
    struct buf out;

    CHECK(id.len <= NATIVE_ID_MAX);
    buf_init(&out, 10000);
    CHECK(native_pong(&out, id) == 0);
    json_t *json = load_json(buf_slice(&out));
    CHECK(json_object_size(json) == (id.len ? 2 : 1));
    json_decref(json);
    buf_deinit(&out);
}

/* The message that everyone in the room will get. */
static void check_message(const struct native_request *request)
{
    struct native_body body = {.room = request->room,
                               .from = request->room,
                               .uid = slice_of("u"),
                               .text_raw = request->text_raw,
                               .data_raw = request->data_raw,
                               .cid = request->cid};
    struct buf out;

    CHECK(request->text_raw.len || request->data_raw.len);
    buf_init(&out, 16 << 20);
    CHECK(native_body(&out, &body) == 0);
    uint8_t *frame = malloc(native_frame_bytes_max(out.len));
    size_t bytes = native_frame(frame, UINT64_MAX, 0, buf_slice(&out));
    CHECK(bytes <= native_frame_bytes_max(out.len));
    size_t header = frame[1] < 126 ? 2 : frame[1] == 126 ? 4 : 10;
    json_t *json = load_json(slice_make(frame + header, bytes - header));
    CHECK(json && text_is(json, "room", request->room));
    CHECK(!request->cid.len || text_is(json, "cid", request->cid));
    CHECK(!request->text_raw.len || json_is_string(json_object_get(json, "text")));
    CHECK(!request->data_raw.len == !json_object_get(json, "data"));
    json_decref(json);
    free(frame);
    buf_deinit(&out);
}

static void check_accepted(const struct native_request *request)
{
    const struct native_range *range = &request->range;

    check_id(request->id);
    if (request->op != NATIVE_PING && request->op != NATIVE_AUTH)
        CHECK(room_name_valid(request->room));
    if (request->text_raw.len)
        check_value(request->text_raw);
    if (request->data_raw.len)
        check_value(request->data_raw);
    CHECK(request->cid.len <= ROOM_CID_MAX && request->name.len <= ROOM_USER_NAME_MAX);
    CHECK(utf8_printable(request->name));
    switch (request->op) {
    case NATIVE_SEND:
        check_message(request);
        break;
    case NATIVE_HISTORY:
        CHECK(range->limit >= 1 && range->limit <= NATIVE_HISTORY_LIMIT_MAX);
        CHECK(!range->has_before || !range->has_after);
        CHECK(range->before < UINT64_C(1) << 53 && range->after < UINT64_C(1) << 53);
        break;
    case NATIVE_JOIN:
        CHECK(request->wish.history < UINT64_C(1) << 53);
        CHECK(request->wish.since_seq < UINT64_C(1) << 53);
        break;
    default:
        break;
    }
}

static void check_refused(const struct native_request *request, const struct native_fault *fault)
{
    struct buf out;

    CHECK(fault->code && fault->message);
    buf_init(&out, 10000);
    CHECK(native_error(&out, request->id, fault, 0) == 0);
    check_value(buf_slice(&out));
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct native_request request;
    struct native_fault fault = {0};
    /* A copy of its own, so that a sanitizer sees a read beyond it. */
    uint8_t *copy = malloc(size ? size : 1);

    if (size)
        memcpy(copy, data, size);
    if (native_parse(slice_make(copy, size), &request, &fault))
        check_accepted(&request);
    else
        check_refused(&request, &fault);
    native_request_deinit(&request);
    free(copy);
    return 0;
}
