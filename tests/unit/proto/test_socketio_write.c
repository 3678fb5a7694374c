/* What is written for Socket.IO clients: small packets to the byte, and random messages on their
 * whole way from the native dialect, read again by jansson twice. */
#include "ringroom/proto/socketio.h"

#include "ringroom/base/mem.h"
#include "ringroom/proto/json_text.h"
#include "ringroom/wire/ws.h"
#include "unit.h"
#include <errno.h>
#include <jansson.h>

static uint64_t random_state;

static uint64_t below(uint64_t n)
{
    return unit_random(&random_state) % n;
}

static struct buf out;
static const struct slice root = {(const uint8_t *)"/", 1}, none;

static void start(void)
{
    buf_init(&out, 4 << 20);
}

/* Has just been written; forgets it. */
static bool wrote(const char *text)
{
    bool same = slice_is(buf_slice(&out), text);

    if (!same)
        printf("%.*s\n", (int)out.len, (const char *)out.data);
    buf_release(&out);
    return same;
}

/* Small packets */

static void test_socketio_write__connections_begin_and_end(void)
{
    struct slice nsp = slice_of("/admin");

    start();
    CU_ASSERT(socketio_connected(&out, root, slice_of("s1"), none) == 0);
    CU_ASSERT(wrote("40{\"sid\":\"s1\"}"));
    CU_ASSERT(socketio_connected(&out, nsp, slice_of("s1"), slice_of("p")) == 0);
    CU_ASSERT(wrote("40/admin,{\"sid\":\"s1\",\"pid\":\"p\"}"));
    CU_ASSERT(socketio_connect_error(&out, root, "no \"x\"") == 0);
    CU_ASSERT(wrote("44{\"message\":\"no \\\"x\\\"\"}"));
    CU_ASSERT(socketio_connect_error(&out, nsp, "no") == 0);
    CU_ASSERT(wrote("44/admin,{\"message\":\"no\"}"));
    CU_ASSERT(socketio_disconnect(&out, root) == 0 && wrote("41"));
    CU_ASSERT(socketio_disconnect(&out, nsp) == 0 && wrote("41/admin,"));
    buf_deinit(&out);
}

static void test_socketio_write__events_carry_raw_arguments(void)
{
    struct slice nsp = slice_of("/x");

    start();
    CU_ASSERT(socketio_put_event(&out, root, 0, "a\"b", none) == 0 && wrote("42[\"a\\\"b\"]"));
    CU_ASSERT(socketio_put_event(&out, nsp, 0, "a", slice_of("1,[2]")) == 0);
    CU_ASSERT(wrote("42/x,[\"a\",1,[2]]"));
    CU_ASSERT(socketio_put_event(&out, root, 2, "a", slice_of("1")) == 0);
    CU_ASSERT(wrote("452-[\"a\",1]"));
    CU_ASSERT(socketio_put_event(&out, nsp, 10, "a", none) == 0 && wrote("4510-/x,[\"a\"]"));
    buf_deinit(&out);
}

static void test_socketio_write__acknowledgements_carry_raw_arguments(void)
{
    struct slice nsp = slice_of("/x");

    start();
    CU_ASSERT(socketio_put_ack(&out, root, 0, 0, none) == 0 && wrote("430[]"));
    CU_ASSERT(socketio_put_ack(&out, nsp, 7, 0, slice_of("1,\"b\"")) == 0);
    CU_ASSERT(wrote("43/x,7[1,\"b\"]"));
    CU_ASSERT(socketio_put_ack(&out, nsp, 9007199254740991, 1, slice_of("{}")) == 0);
    CU_ASSERT(wrote("461-/x,9007199254740991[{}]"));
    buf_deinit(&out);
}

static void test_socketio_write__a_message_is_acknowledged_or_refused(void)
{
    struct native_fault fault = {"muted", "you \"may\" not"};
    struct slice event = slice_of("\"message\"");

    start();
    CU_ASSERT(socketio_ack(&out, 3, 0, 5, true) == 0 && wrote("433[{\"ok\":true}]"));
    CU_ASSERT(socketio_ack(&out, 3, 12, 5, false) == 0);
    CU_ASSERT(wrote("433[{\"ok\":true,\"seq\":12,\"ts\":5}]"));
    CU_ASSERT(socketio_ack(&out, 3, 12, 5, true) == 0);
    CU_ASSERT(wrote("433[{\"ok\":true,\"seq\":12,\"ts\":5,\"dup\":true}]"));
    CU_ASSERT(socketio_ack_fault(&out, 0, &fault, 0) == 0);
    CU_ASSERT(wrote("430[{\"ok\":false,\"error\":\"muted\",\"message\":\"you \\\"may\\\" not\"}]"));
    CU_ASSERT(socketio_ack_fault(&out, 1, &fault, 250) == 0);
    CU_ASSERT(wrote("431[{\"ok\":false,\"error\":\"muted\",\"message\":\"you \\\"may\\\" not\","
                    "\"retry_ms\":250}]"));
    CU_ASSERT(socketio_error(&out, event, &fault, 0) == 0);
    CU_ASSERT(wrote("42[\"error\",{\"event\":\"message\",\"code\":\"muted\","
                    "\"message\":\"you \\\"may\\\" not\"}]"));
    CU_ASSERT(socketio_error(&out, slice_of("1e9"), &fault, 250) == 0);
    CU_ASSERT(wrote("42[\"error\",{\"event\":1e9,\"code\":\"muted\","
                    "\"message\":\"you \\\"may\\\" not\",\"retry_ms\":250}]"));
    buf_deinit(&out);
}

static void test_socketio_write__a_gap_tells_its_numbers(void)
{
    start();
    CU_ASSERT(socketio_gap(&out, slice_of("r\\"), slice_of("ep"), 4, UINT64_MAX) == 0);
    CU_ASSERT(wrote("42[\"gap\",{\"room\":\"r\\\\\",\"epoch\":\"ep\",\"from\":4,"
                    "\"to\":18446744073709551615}]"));
    buf_deinit(&out);
}

/* Frames of the native dialect */

static uint8_t *frame;

/* Of the JSON that stands in `out`, which is emptied. */
static struct slice as_frame(void)
{
    uint8_t header[WS_HEADER_MAX];
    size_t bytes = ws_header(header, WS_TEXT, out.len);

    free(frame);
    frame = malloc(bytes + out.len);
    memcpy(frame, header, bytes);
    memcpy(frame + bytes, out.data, out.len);
    struct slice whole = slice_make(frame, bytes + out.len);
    buf_release(&out);
    return whole;
}

static struct slice message_frame(const struct native_body *body, uint64_t seq, uint64_t ts_ms)
{
    CU_ASSERT_FATAL(native_body(&out, body) == 0);
    free(frame);
    uint8_t *wide = malloc(native_frame_bytes_max(out.len));
    size_t bytes = native_frame(wide, seq, ts_ms, buf_slice(&out));
    frame = malloc(bytes); /* a sanitizer sees a read beyond it */
    memcpy(frame, wide, bytes);
    free(wide);
    buf_release(&out);
    return slice_make(frame, bytes);
}

static void finish(void)
{
    free(frame);
    frame = NULL;
    buf_deinit(&out);
}

static void test_socketio_write__notices_keep_their_fields(void)
{
    struct slice room = slice_of("r\""), uid = slice_of("u"), name = slice_of("Ann}");

    start();
    CU_ASSERT(native_member(&out, room, uid, name, true, 3) == 0);
    struct slice native = as_frame();
    CU_ASSERT(socketio_notice(&out, native) == 0);
    CU_ASSERT(wrote("42[\"member\",{\"room\":\"r\\\"\",\"uid\":\"u\",\"name\":\"Ann}\",\"on\":true,"
                    "\"count\":3}]"));
    CU_ASSERT(native_member_count(&out, room, 3) == 0);
    native = as_frame();
    CU_ASSERT(socketio_notice(&out, native) == 0);
    CU_ASSERT(wrote("42[\"member\",{\"room\":\"r\\\"\",\"count\":3}]"));
    CU_ASSERT(native_typing(&out, room, uid, name, false) == 0);
    native = as_frame();
    CU_ASSERT(socketio_notice(&out, native) == 0);
    CU_ASSERT(wrote("42[\"typing\",{\"room\":\"r\\\"\",\"uid\":\"u\",\"from\":\"Ann}\","
                    "\"on\":false}]"));
    CU_ASSERT(native_pong(&out, none) == 0);
    native = as_frame();
    CU_ASSERT(socketio_notice(&out, native) == 0 && wrote("42[\"pong\",{}]"));
    finish();
}

static const struct slice epoch = {(const uint8_t *)"Ab-_56789012", 12};

static void test_socketio_write__a_message_is_json_within_json(void)
{
    struct native_body body = {.room = slice_of("r\"1"),
                               .from = slice_of("A\"\\\n\xc3\xa9"),
                               .uid = slice_of("u1"),
                               .text_raw = slice_of("\"say \\\"hi\\\"\\n\"")};

    start();
    struct slice native = message_frame(&body, 7, 1000);
    CU_ASSERT(socketio_project(&out, native, body.room, epoch) == 0);
    buf_consume(&out, 4);
    CU_ASSERT(wrote("42[\"message\",{\"room\":\"r\\\"1\",\"chatMessage\":\""
                    "{\\\"username\\\":\\\"A\\\\\\\"\\\\\\\\\\\\n\xc3\xa9\\\","
                    "\\\"message\\\":\\\"say \\\\\\\"hi\\\\\\\"\\\\n\\\","
                    "\\\"seq\\\":7,\\\"ts\\\":1000,\\\"uid\\\":\\\"u1\\\"}\"},"
                    "\"Ab-_56789012.7\"]"));
    CU_ASSERT(socketio_put_entry(&out, native) == 0);
    CU_ASSERT(wrote("{\"username\":\"A\\\"\\\\\\n\xc3\xa9\",\"message\":\"say \\\"hi\\\"\\n\","
                    "\"seq\":7,\"ts\":1000,\"uid\":\"u1\"}"));
    body.data_raw = slice_of("[ 1,\n2 ]");
    native = message_frame(&body, 7, 1000);
    CU_ASSERT(socketio_put_entry(&out, native) == 0);
    CU_ASSERT(wrote("{\"username\":\"A\\\"\\\\\\n\xc3\xa9\",\"message\":\"say \\\"hi\\\"\\n\","
                    "\"data\":[ 1,\n2 ],\"seq\":7,\"ts\":1000,\"uid\":\"u1\"}"));
    body.text_raw = none;
    native = message_frame(&body, 7, 1000);
    CU_ASSERT(socketio_put_entry(&out, native) == 0);
    CU_ASSERT(wrote("{\"username\":\"A\\\"\\\\\\n\xc3\xa9\",\"message\":[ 1,\n2 ],"
                    "\"seq\":7,\"ts\":1000,\"uid\":\"u1\"}"));
    finish();
}

static void test_socketio_write__joined_is_put_together_from_parts(void)
{
    struct native_body body = {.room = slice_of("r"),
                               .from = slice_of("A"),
                               .uid = slice_of("u"),
                               .data_raw = slice_of("null")};

    start();
    struct slice native = message_frame(&body, 2, 5);
    CU_ASSERT(socketio_joined_head(&out, slice_of("r\"")) == 0);
    CU_ASSERT(socketio_put_entry(&out, native) == 0 && buf_append_str(&out, ",") == 0);
    CU_ASSERT(socketio_put_entry(&out, native) == 0);
    CU_ASSERT(socketio_joined_tail(&out, epoch, 2, 7) == 0);
#define ENTRY "{\"username\":\"A\",\"message\":null,\"seq\":2,\"ts\":5,\"uid\":\"u\"}"
    CU_ASSERT(wrote("42[\"joined\",{\"room\":\"r\\\"\",\"chatHistory\":[" ENTRY "," ENTRY
                    "]},\"Ab-_56789012.2.7\"]"));
    finish();
}

/* Any message */

/* The value, whatever the size of its numbers. */
static json_t *load(struct slice text)
{
    struct buf tame;
    json_error_t error;

    buf_init(&tame, text.len);
    CU_ASSERT_FATAL(json_tame_numbers(&tame, text) == 0);
    json_t *json = json_loadb((const char *)tame.data, tame.len,
                              JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL |
                                  JSON_ALLOW_NUL,
                              &error);
    buf_deinit(&tame);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    return json;
}

static struct slice string_at(const json_t *value)
{
    CU_ASSERT(json_is_string(value));
    return slice_make(json_string_value(value), json_string_length(value));
}

/* Printable text, awkward within strings. */
static struct slice random_name(char *dst, size_t bytes_max)
{
    static const char *const pieces[] = {"a", "\"",       "\\", "/",       "{",
                                         "]", "\xc3\xa9", "'",  "\\u0041", "\xf0\x9f\x98\x80"};
    size_t len = 0;

    for (uint64_t n = below(12); n; n--) {
        const char *piece = pieces[below(array_len(pieces))];
        if (len + strlen(piece) > bytes_max)
            break;
        memcpy(dst + len, piece, strlen(piece));
        len += strlen(piece);
    }
    return slice_make(dst, len);
}

static void put_string_text(struct buf *dst)
{
    static const char *const pieces[] = {"text",
                                         "\\\"",
                                         "\\\\",
                                         "\\/",
                                         "\\b\\f\\n\\r\\t",
                                         "\\u0000",
                                         "\\ud83d\\ude00",
                                         "\x7f",
                                         "\xc3\xa9",
                                         "\xe2\x80\xa8",
                                         "\xf0\x9f\x98\x80",
                                         ",\\\"seq\\\":1",
                                         "}"};

    buf_append_str(dst, "\"");
    for (uint64_t n = below(6); n; n--)
        buf_append_str(dst, pieces[below(array_len(pieces))]);
    buf_append_str(dst, "\"");
}

static void put_blank(struct buf *dst)
{
    if (below(4) == 0)
        buf_append(dst, &" \t\n\r"[below(4)], 1);
}

static void put_value(struct buf *dst, int depth)
{
    static const char *const simple[] = {"null", "true",  "-0.5E+3", "0",
                                         "[]",   "1e999", "{}",      "123456789012345678901234567"};
    uint64_t kind = below(depth ? 4 : 2);

    if (kind == 0) {
        buf_append_str(dst, simple[below(array_len(simple))]);
        return;
    }
    if (kind == 1) {
        put_string_text(dst);
        return;
    }
    buf_append_str(dst, kind == 2 ? "[" : "{");
    for (uint64_t i = 0, n = below(4); i < n; i++) {
        put_blank(dst);
        if (i)
            buf_append_str(dst, ",");
        put_blank(dst);
        if (kind == 3)
            buf_printf(dst, "\"cid\\\"%u\":", (unsigned)i);
        put_value(dst, depth - 1);
        put_blank(dst);
    }
    buf_append_str(dst, kind == 2 ? "]" : "}");
}

/* A send of the native dialect. */
static void put_send(struct buf *dst, bool has_text, bool has_data)
{
    buf_append_str(dst, "{\"op\":\"send\"");
    if (has_data) {
        buf_append_str(dst, ",\"data\": ");
        put_value(dst, 3);
        put_blank(dst);
    }
    if (has_text) {
        buf_append_str(dst, ",\"text\":");
        put_string_text(dst);
    }
    if (below(2))
        buf_append_str(dst, ",\"cid\":\"c\\\"id\"");
    buf_append_str(dst, ",\"room\":\"r\"}");
}

static void check_entry(struct slice entry, struct slice native)
{
    json_t *made = load(entry), *from = load(native_payload(native));
    const json_t *text = json_object_get(from, "text"), *data = json_object_get(from, "data");
    size_t fields = 5;

    CU_ASSERT(json_equal(json_object_get(made, "username"), json_object_get(from, "from")));
    CU_ASSERT(json_equal(json_object_get(made, "message"), text ? text : data));
    if (text && data) {
        CU_ASSERT(json_equal(json_object_get(made, "data"), data));
        fields++;
    }
    CU_ASSERT(json_equal(json_object_get(made, "seq"), json_object_get(from, "seq")));
    CU_ASSERT(json_equal(json_object_get(made, "ts"), json_object_get(from, "ts")));
    CU_ASSERT(json_equal(json_object_get(made, "uid"), json_object_get(from, "uid")));
    CU_ASSERT(json_object_size(made) == fields);
    json_decref(made);
    json_decref(from);
}

static bool holds(struct slice text, struct slice part)
{
    return !part.len || memmem(text.data, text.len, part.data, part.len);
}

static void check_projection(const struct native_body *body, struct slice native, uint64_t seq)
{
    char offset[SOCKETIO_OFFSET_MAX];

    CU_ASSERT_FATAL(socketio_project(&out, native, body->room, epoch) == 0);
    CU_ASSERT(out.len <= 2 * native.len + SOCKETIO_PROJECT_EXTRA);
    struct slice payload = native_payload(buf_slice(&out));
    CU_ASSERT_FATAL(out.data[0] == 0x81 && payload.len > 2 && memcmp(payload.data, "42", 2) == 0);
    json_t *json = load(slice_from(payload, 2));
    const json_t *said = json_array_get(json, 1);
    CU_ASSERT(json_array_size(json) == 3 && json_object_size(said) == 2);
    CU_ASSERT(slice_is(string_at(json_array_get(json, 0)), "message"));
    CU_ASSERT(slice_equal(string_at(json_object_get(said, "room")), body->room));
    CU_ASSERT(slice_equal(string_at(json_array_get(json, 2)),
                          slice_make(offset, socketio_offset(offset, epoch, seq))));
    struct slice inner = string_at(json_object_get(said, "chatMessage"));
    check_entry(inner, native);
    CU_ASSERT(holds(inner, body->text_raw) && holds(inner, body->data_raw));
    /* History has the same text. */
    struct buf entry;
    buf_init(&entry, 1 << 20);
    CU_ASSERT(socketio_put_entry(&entry, native) == 0 && slice_equal(buf_slice(&entry), inner));
    buf_deinit(&entry);
    json_decref(json);
    buf_release(&out);
}

static void test_socketio_write__any_message_comes_through_with_equal_values(void)
{
    char room[ROOM_NAME_MAX], from[ROOM_USER_NAME_MAX];

    random_state = unit_seed() | 1;
    start();
    for (unsigned round = 0; round < unit_rounds(3000); round++) {
        struct native_request request;
        struct native_fault fault;
        struct buf send;
        uint64_t parts = 1 + below(3), seq = below(2) ? below(1000) : (UINT64_C(1) << 53) - 1;
        buf_init(&send, 1 << 20);
        put_send(&send, parts & 1, parts & 2);
        CU_ASSERT_FATAL(native_parse(buf_slice(&send), &request, &fault));
        struct native_body body = {.room = random_name(room, sizeof(room)),
                                   .from = random_name(from, sizeof(from)),
                                   .uid = slice_of("u\"1"),
                                   .text_raw = request.text_raw,
                                   .data_raw = request.data_raw,
                                   .cid = request.cid};
        check_projection(&body, message_frame(&body, seq, below(UINT64_C(1) << 50)), seq);
        native_request_deinit(&request);
        buf_deinit(&send);
    }
    finish();
}

static void test_socketio_write__the_most_bytes_of_a_projection_are_known(void)
{
    static char text[70000], name[ROOM_NAME_MAX];
    struct slice longest = slice_make(name, sizeof(name));
    struct native_body body = {.room = longest, .from = longest, .uid = longest};

    start();
    memset(name, '"', sizeof(name));
    memset(text, '\\', sizeof(text));
    for (size_t len = 2; len < sizeof(text); len = len * 3 + 2) {
        size_t even = len & ~(size_t)1;
        text[0] = text[even + 1] = '"';
        body.text_raw = slice_make(text, even + 2);
        check_projection(&body, message_frame(&body, UINT64_MAX, UINT64_MAX), UINT64_MAX);
        text[even + 1] = '\\';
    }
    finish();
}

static void test_socketio_write__a_frames_header_is_as_short_as_it_may_be(void)
{
    static const size_t payloads[] = {125, 126, 127, 65535, 65536};
    static const size_t headers[] = {2, 4, 4, 4, 10};
    static char text[70000];
    struct native_body body = {.room = slice_of("r"), .from = none, .uid = none};
    size_t shortest;

    start();
    memset(text, 'x', sizeof(text));
    text[0] = text[1] = '"';
    body.text_raw = slice_make(text, 2);
    struct slice native = message_frame(&body, 1, 1);
    CU_ASSERT_FATAL(socketio_project(&out, native, body.room, slice_of("e")) == 0);
    shortest = native_payload(buf_slice(&out)).len;
    buf_release(&out);
    CU_ASSERT_FATAL(shortest <= payloads[0]);
    for (size_t i = 0; i < array_len(payloads); i++) {
        size_t letters = payloads[i] - shortest;
        text[1] = 'x';
        text[letters + 1] = '"';
        body.text_raw = slice_make(text, letters + 2);
        native = message_frame(&body, 1, 1);
        CU_ASSERT(socketio_project(&out, native, body.room, slice_of("e")) == 0);
        CU_ASSERT(out.len == headers[i] + payloads[i]);
        CU_ASSERT(native_payload(buf_slice(&out)).len == payloads[i]);
        text[letters + 1] = 'x';
        buf_release(&out);
    }
    finish();
}

/* Failures */

static struct slice some_message, some_notice;
static const struct native_fault some_fault = {"muted", "no"};

/* Everything that writes; -1 behind the last. */
static int write_one(int which)
{
    struct slice room = slice_of("r");

    switch (which) {
    case 0:
        return socketio_connected(&out, slice_of("/n"), slice_of("s"), slice_of("p"));
    case 1:
        return socketio_connect_error(&out, root, "no");
    case 2:
        return socketio_disconnect(&out, root);
    case 3:
        return socketio_put_event(&out, root, 1, "a", slice_of("1"));
    case 4:
        return socketio_put_ack(&out, slice_of("/n"), 1, 1, slice_of("1"));
    case 5:
        return socketio_ack(&out, 1, 2, 3, true);
    case 6:
        return socketio_ack_fault(&out, 1, &some_fault, 2);
    case 7:
        return socketio_error(&out, slice_of("\"a\""), &some_fault, 2);
    case 8:
        return socketio_gap(&out, room, epoch, 1, 2);
    case 9:
        return socketio_project(&out, some_message, room, epoch);
    case 10:
        return socketio_joined_head(&out, room);
    case 11:
        return socketio_put_entry(&out, some_message);
    case 12:
        return socketio_joined_tail(&out, epoch, 1, 7);
    case 13:
        return socketio_notice(&out, some_notice);
    default:
        return -1;
    }
}

static void make_some(void)
{
    struct native_body body = {.room = slice_of("r"),
                               .from = slice_of("A\""),
                               .uid = slice_of("u"),
                               .text_raw = slice_of("\"a\\n\""),
                               .data_raw = slice_of("[1, \"x\"]"),
                               .cid = slice_of("c")};

    CU_ASSERT_FATAL(native_typing(&out, slice_of("r"), slice_of("u"), slice_of("A"), true) == 0);
    some_notice = as_frame();
    frame = NULL;
    some_message = message_frame(&body, 7, 8);
    frame = NULL;
}

static void forget_some(void)
{
    free((void *)(uintptr_t)some_notice.data);
    free((void *)(uintptr_t)some_message.data);
    finish();
}

static void test_socketio_write__at_the_bound_nothing_is_written(void)
{
    start();
    make_some();
    for (int which = 0; write_one(which) != -1; which++) {
        size_t whole = out.len;
        size_t needed = whole + (which == 9 ? WS_HEADER_MAX - 4 : 0);
        for (size_t max = 0; max <= needed + 3; max++) {
            buf_deinit(&out);
            buf_init(&out, max);
            int error = buf_append_str(&out, "abc");
            if (error)
                continue;
            error = write_one(which);
            CU_ASSERT(error == (max < needed + 3 ? -ENOBUFS : 0));
            CU_ASSERT(out.len == (error ? 3 : 3 + whole) && memcmp(out.data, "abc", 3) == 0);
        }
        buf_deinit(&out);
        buf_init(&out, 4 << 20);
    }
    forget_some();
}

static void test_socketio_write__a_failed_allocation_is_an_error_and_writes_nothing(void)
{
    start();
    make_some();
    for (int which = 0; write_one(which) != -1; which++) {
        size_t whole = out.len;
        for (long n = 0; n < 8; n++) {
            buf_release(&out);
            mem_fail_after(n);
            int error = write_one(which);
            mem_fail_after(-1);
            CU_ASSERT(error ? error == -ENOMEM && out.len == 0 : out.len == whole);
        }
        buf_release(&out);
    }
    forget_some();
}

UNIT_MAIN("proto/socketio_write", UNIT_TEST(test_socketio_write__connections_begin_and_end),
          UNIT_TEST(test_socketio_write__events_carry_raw_arguments),
          UNIT_TEST(test_socketio_write__acknowledgements_carry_raw_arguments),
          UNIT_TEST(test_socketio_write__a_message_is_acknowledged_or_refused),
          UNIT_TEST(test_socketio_write__a_gap_tells_its_numbers),
          UNIT_TEST(test_socketio_write__notices_keep_their_fields),
          UNIT_TEST(test_socketio_write__a_message_is_json_within_json),
          UNIT_TEST(test_socketio_write__joined_is_put_together_from_parts),
          UNIT_TEST(test_socketio_write__any_message_comes_through_with_equal_values),
          UNIT_TEST(test_socketio_write__the_most_bytes_of_a_projection_are_known),
          UNIT_TEST(test_socketio_write__a_frames_header_is_as_short_as_it_may_be),
          UNIT_TEST(test_socketio_write__at_the_bound_nothing_is_written),
          UNIT_TEST(test_socketio_write__a_failed_allocation_is_an_error_and_writes_nothing))
