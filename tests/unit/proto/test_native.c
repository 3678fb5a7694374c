/* The native dialect: requests decoded field by field, events and replies read again by jansson.
 * Messages are frames in a room's log, as a sender's shard and the owner make them. */
#include "ringroom/proto/native.h"
#include "ringroom/room/moderation.h"
#include "ringroom/room/directory.h"
#include "ringroom/wire/ws.h"

#include "unit.h"
#include <errno.h>
#include <jansson.h>

/* Requests */

static struct native_request request;
static struct native_fault fault;
static char *request_text; /* of its own allocation, so that a sanitizer sees a read beyond it */

static bool parse_bytes(const void *text, size_t len)
{
    native_request_deinit(&request);
    free(request_text);
    request_text = malloc(len + 1);
    memcpy(request_text, text, len);
    /* Not zero-terminated where it matters: the byte behind is no part of the text. */
    request_text[len] = '7';
    fault = (struct native_fault){0};
    return native_parse(slice_make(request_text, len), &request, &fault);
}

static bool parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

/* Refused with that code, and words that name the field. */
static bool refused(const char *text, const char *code, const char *field)
{
    return !parse(text) && fault.code && strcmp(fault.code, code) == 0 &&
           strncmp(fault.message, field, strlen(field)) == 0;
}

static void done(void)
{
    native_request_deinit(&request);
    free(request_text);
    request_text = NULL;
}

static void test_native__every_op_is_known(void)
{
    static const struct {
        const char *text;
        enum native_op op;
    } all[] = {
        {"{\"op\":\"join\",\"room\":\"r\"}", NATIVE_JOIN},
        {"{\"op\":\"leave\",\"room\":\"r\"}", NATIVE_LEAVE},
        {"{\"op\":\"send\",\"room\":\"r\",\"text\":\"t\"}", NATIVE_SEND},
        {"{\"op\":\"history\",\"room\":\"r\"}", NATIVE_HISTORY},
        {"{\"op\":\"members\",\"room\":\"r\"}", NATIVE_MEMBERS},
        {"{\"op\":\"typing\",\"room\":\"r\",\"on\":true}", NATIVE_TYPING},
        {"{\"op\":\"delete\",\"room\":\"r\",\"seq\":1}", NATIVE_DELETE},
        {"{\"op\":\"kick\",\"room\":\"r\",\"uid\":\"u\"}", NATIVE_KICK},
        {"{\"op\":\"mute\",\"room\":\"r\",\"uid\":\"u\",\"seconds\":1}", NATIVE_MUTE},
        {"{\"op\":\"close\",\"room\":\"r\"}", NATIVE_CLOSE},
        {"{\"op\":\"auth\",\"token\":\"t\"}", NATIVE_AUTH},
        {" { \"op\" : \"ping\" , \"unknown\" : [ {} ] } ", NATIVE_PING},
    };

    for (size_t i = 0; i < array_len(all); i++) {
        CU_ASSERT(parse(all[i].text));
        CU_ASSERT_EQUAL(request.op, all[i].op);
        CU_ASSERT(request.id.len == 0);
    }
    CU_ASSERT(refused("{\"op\":\"dance\",\"id\":1}", "unknown_op", "op"));
    CU_ASSERT(slice_is(request.id, "1"));
    CU_ASSERT(refused("{\"op\":\"Ping\"}", "unknown_op", "op"));
    CU_ASSERT(refused("{\"op\":1}", "bad_request", "op"));
    CU_ASSERT(refused("{}", "bad_request", "op"));
    CU_ASSERT(refused("[]", "bad_request", ""));
    done();
}

static void test_native__what_is_no_json_is_bad_json(void)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "nonsense",
        "{\"op\":\"ping\"} x",
        "{\"op\":\"ping\",}",
        "{'op':1}",
        "{\"op\":\"ping\",\"op\":\"ping\"}",
        "{\"op\":\"ping\",\"a\":{\"b\":1,\"b\":2}}",
        "{\"op\":\"ping\",\"o\\u0070\":1}",
        "{\"op\":\"ping\",\"a\":01}",
        "{\"op\":\"ping\",\"a\":.5}",
        "{\"op\":\"ping\",\"a\":1.}",
        "{\"op\":\"ping\",\"a\":+1}",
        "{\"op\":\"ping\",\"a\":NaN}",
        "{\"op\":\"ping\",\"a\":\"\t\"}",
        "{\"op\":\"ping\",\"a\":\"\\x\"}",
        "{\"op\":\"ping\",\"a\":\"\\ud800\"}",
        "{\"op\":\"ping\",\"a\":\"\\udc00\\ud800\"}",
        "{\"op\":\"ping\",\"a\":\"\xff\"}",
        "{\"op\":\"ping\",\"a\":\"\xc0\x80\"}",
        "{\"op\":\"ping\",\"a\":\"\xed\xa0\x80\"}",
        "{\"op\":\"ping\",\"a\":\"\xc3\"}",
        "{\"op\":\"ping\",\xff:1}",
        "\xef\xbb\xbf{\"op\":\"ping\"}",
        /* Behind a number too large for the parser's types all else still counts. */
        "{\"op\":\"ping\",\"a\":1e999,\"b\":01}",
        "{\"op\":\"ping\",\"a\":1e999,\"op\":1}",
        "{\"op\":\"ping\",\"a\":1e999,\"b\":00000000000000000000}",
        "{\"op\":\"ping\",\"a\":1e999",
    };

    for (size_t i = 0; i < array_len(bad); i++) {
        CU_ASSERT(refused(bad[i], "bad_json", ""));
        CU_ASSERT(request.id.len == 0);
    }
    CU_ASSERT(!parse_bytes("{\"op\":\"ping\"}\0", 14) && strcmp(fault.code, "bad_json") == 0);
    done();
}

static void test_native__an_id_is_a_small_integer_or_a_short_string(void)
{
    static const char *const good[] = {
        "0",
        "1",
        "-1",
        "9007199254740991",
        "-9007199254740991",
        "\"\"",
        "\"a\"",
        "\"\\u0000\\n\\\"\"",
        "\"0123456789012345678901234567890123456789012345678901234567890123\""};
    static const char *const bad[] = {
        "null",
        "true",
        "[]",
        "{}",
        "1.0",
        "1e3",
        "0.5",
        "9007199254740992",
        "-9007199254740992",
        "9007199254740993",
        "18446744073709551617",
        "1e400",
        "\"01234567890123456789012345678901234567890123456789012345678901234\""};
    char text[600], escaped[NATIVE_ID_MAX + 1], *at = escaped;

    for (size_t i = 0; i < array_len(good); i++) {
        snprintf(text, sizeof(text), "{\"x\":{\"id\":7},\"id\" : %s ,\"op\":\"ping\"}", good[i]);
        CU_ASSERT(parse(text) && slice_is(request.id, good[i]));
    }
    for (size_t i = 0; i < array_len(bad); i++) {
        snprintf(text, sizeof(text), "{\"id\":%s,\"op\":\"ping\"}", bad[i]);
        CU_ASSERT(refused(text, "bad_request", "id") && request.id.len == 0);
        /* A number elsewhere that is too large for the parser changes nothing. */
        snprintf(text, sizeof(text), "{\"id\":%s,\"op\":\"ping\",\"x\":1e999}", bad[i]);
        CU_ASSERT(refused(text, "bad_request", "id") && request.id.len == 0);
    }
    *at++ = '"';
    for (int i = 0; i < 64; i++)
        at = stpcpy(at, "\\u0041");
    strcpy(at, "\"");
    snprintf(text, sizeof(text), "{\"id\":%s,\"op\":\"ping\"}", escaped);
    CU_ASSERT(parse(text) && slice_is(request.id, escaped));
    done();
}

/* A request with an id gets a reply, however its key is written. */
static void test_native__keys_may_be_written_with_escapes(void)
{
    CU_ASSERT(parse("{\"\\u006fp\":\"ping\",\"i\\u0064\":\"x\"}") && slice_is(request.id, "\"x\""));
    CU_ASSERT(parse("{\"op\":\"ping\",\"\\u0069\\u0064\":12}") && slice_is(request.id, "12"));
    CU_ASSERT(parse("{\"op\":\"send\",\"r\\u006fom\":\"r\",\"t\\u0065xt\":\"a\",\"data\":1}"));
    CU_ASSERT(slice_is(request.room, "r") && slice_is(request.text_raw, "\"a\""));
    CU_ASSERT(slice_is(request.data_raw, "1"));
    CU_ASSERT(
        parse("{\"op\":\"send\",\"room\":\"r\",\"d\\u0061t\\u0061\":[1,12345678901234567890]}"));
    CU_ASSERT(slice_is(request.data_raw, "[1,12345678901234567890]"));
    CU_ASSERT(parse("{\"op\":\"send\",\"room\":\"r\",\"d\\u0061ta\":1e999}"));
    CU_ASSERT(slice_is(request.data_raw, "1e999"));
    done();
}

static void test_native__a_room_is_needed_and_checked(void)
{
    static const char *const ops[] = {"join",   "leave",  "send", "history", "members",
                                      "typing", "delete", "kick", "mute",    "close"};
    static const char *const bad[] = {"",
                                      ",\"room\":1",
                                      ",\"room\":null",
                                      ",\"room\":\"\"",
                                      ",\"room\":\"a\\nb\"",
                                      ",\"room\":\"\\u0000\"",
                                      ",\"room\":\"\\u0085\"",
                                      ",\"room\":[\"r\"]"};
    char text[300], longest[ROOM_NAME_MAX + 2];

    for (size_t i = 0; i < array_len(ops); i++) {
        for (size_t j = 0; j < array_len(bad); j++) {
            snprintf(text, sizeof(text), "{\"op\":\"%s\"%s,\"id\":5}", ops[i], bad[j]);
            CU_ASSERT(refused(text, "bad_request", "room") && slice_is(request.id, "5"));
        }
    }
    memset(longest, 'x', sizeof(longest));
    longest[ROOM_NAME_MAX] = '\0';
    snprintf(text, sizeof(text), "{\"op\":\"leave\",\"room\":\"%s\"}", longest);
    CU_ASSERT(parse(text) && slice_is(request.room, longest));
    snprintf(text, sizeof(text), "{\"op\":\"leave\",\"room\":\"%sx\"}", longest);
    CU_ASSERT(refused(text, "bad_request", "room"));
    CU_ASSERT(parse("{\"op\":\"leave\",\"room\":\"\\u00e9\\ud83d\\ude00\"}"));
    CU_ASSERT(slice_is(request.room, "\xc3\xa9\xf0\x9f\x98\x80"));
    done();
}

#define JOIN(more) "{\"op\":\"join\",\"room\":\"r\"" more "}"

static void test_native__join_has_a_name_and_a_wish(void)
{
    CU_ASSERT(parse(JOIN("")) && request.name.len == 0 && !request.wish.has_since &&
              !request.wish.has_history);
    CU_ASSERT(parse(JOIN(",\"name\":\"Ann\",\"history\":0")));
    CU_ASSERT(slice_is(request.name, "Ann"));
    CU_ASSERT(request.wish.has_history && request.wish.history == 0);
    CU_ASSERT(parse(JOIN(",\"since\":{\"epoch\":\"abc\",\"seq\":9007199254740991}")));
    CU_ASSERT(request.wish.has_since && slice_is(request.wish.since_epoch, "abc"));
    CU_ASSERT_EQUAL(request.wish.since_seq, 9007199254740991u);
    CU_ASSERT(refused(JOIN(",\"name\":1"), "bad_request", "name"));
    CU_ASSERT(refused(JOIN(",\"name\":\"\\u0007\""), "bad_request", "name"));
    CU_ASSERT(refused(JOIN(",\"since\":1"), "bad_request", "since"));
    CU_ASSERT(refused(JOIN(",\"since\":null"), "bad_request", "since"));
    CU_ASSERT(refused(JOIN(",\"since\":{}"), "bad_request", "since"));
    CU_ASSERT(refused(JOIN(",\"since\":{\"epoch\":\"e\"}"), "bad_request", "since"));
    CU_ASSERT(refused(JOIN(",\"since\":{\"epoch\":1,\"seq\":1}"), "bad_request", "since"));
    CU_ASSERT(refused(JOIN(",\"since\":{\"epoch\":\"e\",\"seq\":-1}"), "bad_request", "since"));
    CU_ASSERT(refused(JOIN(",\"since\":{\"epoch\":\"e\",\"seq\":\"1\"}"), "bad_request", "since"));
    CU_ASSERT(refused(JOIN(",\"history\":-1"), "bad_request", "history"));
    CU_ASSERT(refused(JOIN(",\"history\":0.5"), "bad_request", "history"));
    CU_ASSERT(refused(JOIN(",\"history\":\"5\""), "bad_request", "history"));
    CU_ASSERT(refused(JOIN(",\"history\":9007199254740992"), "bad_request", "history"));
    done();
}

/* They are compared as they are written, never as something smaller. */
static void test_native__numbers_too_large_for_the_parser_are_not_taken_for_others(void)
{
    CU_ASSERT(refused(JOIN(",\"history\":1e999"), "bad_request", "history"));
    CU_ASSERT(refused(JOIN(",\"since\":{\"epoch\":\"e\",\"seq\":1e999}"), "bad_request", "since"));
    CU_ASSERT(parse(JOIN(",\"since\":{\"epoch\":\"e\",\"seq\":1234567890123456},\"x\":1e999")));
    CU_ASSERT_EQUAL(request.wish.since_seq, 1234567890123456u);
    CU_ASSERT(
        refused("{\"op\":\"history\",\"room\":\"r\",\"limit\":1e999}", "bad_request", "limit"));
    done();
}

#define SEND(more) "{\"op\":\"send\",\"room\":\"r\"" more "}"

static void test_native__send_passes_values_on_as_they_were_written(void)
{
    static const char *const values[] = {
        "null",
        "true",
        "[]",
        "{}",
        "0",
        "-0.0",
        "1E+2",
        "123456789012345678901234567890",
        "1e999",
        "-1e-999",
        "[ 1 , { \"text\" : [ \"}\\\"]\" ] } ]",
        "\"\\u0000\\ud83d\\ude00\\/\"",
        "{\"room\":\"x\",\"data\":2}",
        "0.00000000000000000000000000000000000000000000000000000000000000000000000000001"};
    char text[400];

    for (size_t i = 0; i < array_len(values); i++) {
        snprintf(text, sizeof(text), SEND(",\"data\" :\n%s\t,\"text\":\"\\\"}\""), values[i]);
        CU_ASSERT(parse(text));
        CU_ASSERT(slice_is(request.data_raw, values[i]) && slice_is(request.text_raw, "\"\\\"}\""));
    }
    CU_ASSERT(parse(SEND(",\"text\":\"\"")) && slice_is(request.text_raw, "\"\""));
    CU_ASSERT(request.data_raw.len == 0 && request.cid.len == 0);
    CU_ASSERT(refused(SEND(""), "bad_request", "text, data"));
    CU_ASSERT(refused(SEND(",\"text\":1"), "bad_request", "text"));
    CU_ASSERT(refused(SEND(",\"text\":null,\"data\":1"), "bad_request", "text"));
    done();
}

static void test_native__a_cid_is_a_string_of_1_to_64_bytes(void)
{
    CU_ASSERT(parse(SEND(",\"data\":1,\"cid\":\"c\"")) && slice_is(request.cid, "c"));
    CU_ASSERT(parse(SEND(",\"data\":1,\"cid\":\"01234567890123456789012345678901234567890123456789"
                         "01234567890123\"")) &&
              request.cid.len == 64);
    CU_ASSERT(
        refused(SEND(",\"data\":1,\"cid\":\"01234567890123456789012345678901234567890123456789"
                     "012345678901234\""),
                "bad_request", "cid"));
    CU_ASSERT(refused(SEND(",\"data\":1,\"cid\":\"\""), "bad_request", "cid"));
    CU_ASSERT(refused(SEND(",\"data\":1,\"cid\":1"), "bad_request", "cid"));
    done();
}

#define HISTORY(more) "{\"op\":\"history\",\"room\":\"r\"" more "}"

static void test_native__history_has_one_direction_and_a_limit(void)
{
    CU_ASSERT(parse(HISTORY("")) && request.range.limit == 50 && !request.range.has_before &&
              !request.range.has_after);
    CU_ASSERT(parse(HISTORY(",\"before\":7,\"limit\":1000")) && request.range.limit == 1000 &&
              request.range.has_before && request.range.before == 7);
    CU_ASSERT(parse(HISTORY(",\"after\":0,\"limit\":1")) && request.range.limit == 1 &&
              request.range.has_after && request.range.after == 0);
    CU_ASSERT(refused(HISTORY(",\"after\":1,\"before\":1"), "bad_request", "before, after"));
    CU_ASSERT(refused(HISTORY(",\"after\":null"), "bad_request", "before, after"));
    CU_ASSERT(refused(HISTORY(",\"before\":-1"), "bad_request", "before, after"));
    CU_ASSERT(refused(HISTORY(",\"limit\":0"), "bad_request", "limit"));
    CU_ASSERT(refused(HISTORY(",\"limit\":1001"), "bad_request", "limit"));
    CU_ASSERT(refused(HISTORY(",\"limit\":\"5\""), "bad_request", "limit"));
    CU_ASSERT(refused(HISTORY(",\"limit\":4294967297"), "bad_request", "limit"));
    done();
}

static void test_native__typing_is_on_or_off(void)
{
    CU_ASSERT(parse("{\"op\":\"typing\",\"room\":\"r\",\"on\":true}") && request.on);
    CU_ASSERT(parse("{\"op\":\"typing\",\"room\":\"r\",\"on\":false}") && !request.on);
    CU_ASSERT(refused("{\"op\":\"typing\",\"room\":\"r\"}", "bad_request", "on"));
    CU_ASSERT(refused("{\"op\":\"typing\",\"room\":\"r\",\"on\":1}", "bad_request", "on"));
    done();
}

/* A tree takes a hundred times the bytes of the shortest values. */
static void test_native__values_are_bounded(void)
{
    static char text[2 * 65536 + 100];
    enum { AROUND = 4 }; /* the object, its op, its room, and the array */

    for (int beyond = 0; beyond < 2; beyond++) {
        size_t at = (size_t)sprintf(text, "{\"op\":\"send\",\"room\":\"r\",\"data\":[");
        for (int i = 0; i < 65536 - AROUND + beyond - 1; i++)
            at += (size_t)sprintf(text + at, "1,");
        strcpy(text + at, "1]}");
        if (beyond)
            CU_ASSERT(refused(text, "bad_request", "the message holds more than 65536 values"));
        if (!beyond)
            CU_ASSERT(parse(text));
    }
    done();
}

static void test_native__nesting_is_bounded(void)
{
    static char text[2 * 50000 + 100];

    for (size_t depth = 50; depth <= 50000; depth *= 10) {
        char *at = stpcpy(text, "{\"op\":\"send\",\"room\":\"r\",\"data\":");
        memset(at, '[', depth);
        memset(at + depth, ']', depth);
        strcpy(at + 2 * depth, "}");
        bool taken = parse(text);
        CU_ASSERT(taken == (depth <= 500));
        CU_ASSERT(taken ? request.data_raw.len == 2 * depth : strcmp(fault.code, "bad_json") == 0);
    }
    done();
}

/* Events and replies */

static struct buf out;
static json_t *json;

/* Reads again what has been written, and forgets it. */
static const json_t *read_again(void)
{
    json_error_t error;

    json_decref(json);
    json = json_loadb((const char *)out.data, out.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
                      &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    buf_release(&out);
    return json;
}

static bool text_is(const json_t *object, const char *key, struct slice value)
{
    const json_t *field = json_object_get(object, key);

    return json_is_string(field) &&
           slice_equal(slice_make(json_string_value(field), json_string_length(field)), value);
}

static bool number_is(const json_t *object, const char *key, uint64_t value)
{
    const json_t *field = json_object_get(object, key);

    return json_is_integer(field) && (uint64_t)json_integer_value(field) == value;
}

static bool bool_is(const json_t *object, const char *key, bool value)
{
    const json_t *field = json_object_get(object, key);

    return json_is_boolean(field) && json_is_true(field) == value;
}

/* The event of that name, with so many fields and this `re` (0: without). */
static const json_t *event(const char *name, size_t fields, uint64_t re)
{
    const json_t *object = read_again();

    CU_ASSERT(text_is(object, "ev", slice_of(name)));
    CU_ASSERT_EQUAL(json_object_size(object), fields);
    CU_ASSERT(re ? number_is(object, "re", re) : !json_object_get(object, "re"));
    return object;
}

static const struct slice id = {(const uint8_t *)"42", 2}, no_id;
/* What needs care within a JSON string. */
#define AWKWARD "a\"b\\c\xf0\x9f\x98\x80/<"

static void start(void)
{
    buf_init(&out, 4 << 20);
}

static void finish(void)
{
    json_decref(json);
    json = NULL;
    buf_deinit(&out);
}

static void test_native__hello_has_its_fields(void)
{
    struct native_hello hello = {
        .sid = slice_of("s"), .uid = slice_of(AWKWARD), .ping_ms = 25000, .max_message = 16384};

    start();
    CU_ASSERT_EQUAL(native_hello(&out, &hello), 0);
    const json_t *o = event("hello", 7, 0);
    CU_ASSERT(text_is(o, "sid", hello.sid) && text_is(o, "uid", hello.uid));
    CU_ASSERT(text_is(o, "server", slice_of("ringroom")) && json_object_get(o, "version"));
    CU_ASSERT(number_is(o, "ping_ms", 25000) && number_is(o, "max_message", 16384));
    finish();
}

static void test_native__joined_has_its_fields(void)
{
    struct native_joined joined = {.room = slice_of(AWKWARD),
                                   .epoch = slice_of("abcdefghijkl"),
                                   .first = 1,
                                   .seq = INT64_MAX,
                                   .members = UINT32_MAX,
                                   .recovered = true,
                                   .retention = {3600, TTL_FROM_MESSAGE, 10000, 4 << 20}};

    start();
    CU_ASSERT_EQUAL(native_joined(&out, id, &joined), 0);
    const json_t *o = event("joined", 9, 42), *retention = json_object_get(o, "retention");
    CU_ASSERT(text_is(o, "room", joined.room) && text_is(o, "epoch", joined.epoch));
    CU_ASSERT(number_is(o, "first", 1) && number_is(o, "seq", INT64_MAX));
    CU_ASSERT(number_is(o, "members", UINT32_MAX) && bool_is(o, "recovered", true));
    CU_ASSERT(json_object_size(retention) == 4 && number_is(retention, "ttl", 3600));
    CU_ASSERT(text_is(retention, "ttl_from", slice_of("message")));
    CU_ASSERT(number_is(retention, "max_messages", 10000));
    CU_ASSERT(number_is(retention, "max_bytes", 4 << 20));
    joined.expires_in_s = 17;
    CU_ASSERT_EQUAL(native_joined(&out, no_id, &joined), 0);
    o = event("joined", 8, 0);
    CU_ASSERT(number_is(json_object_get(o, "retention"), "expires_in", 17));
    finish();
}

static void test_native__replies_have_their_fields(void)
{
    static const struct native_fault muted = {"muted", "you \"may\" not"};
    const json_t *o;

    start();
    CU_ASSERT_EQUAL(native_left(&out, id, slice_of(AWKWARD)), 0);
    o = event("left", 3, 42);
    CU_ASSERT(text_is(o, "room", slice_of(AWKWARD)));
    CU_ASSERT_EQUAL(native_ack(&out, id, slice_of("r"), 7, 1700000000000, false), 0);
    o = event("ack", 5, 42);
    CU_ASSERT(text_is(o, "room", slice_of("r")) && number_is(o, "seq", 7));
    CU_ASSERT(number_is(o, "ts", 1700000000000));
    CU_ASSERT_EQUAL(native_ack(&out, no_id, slice_of("r"), 7, 1, true), 0);
    CU_ASSERT(bool_is(event("ack", 5, 0), "dup", true));
    CU_ASSERT_EQUAL(native_done(&out, id), 0);
    event("done", 2, 42);
    CU_ASSERT_EQUAL(native_pong(&out, no_id), 0);
    event("pong", 1, 0);
    CU_ASSERT_EQUAL(native_error(&out, id, &muted, 0), 0);
    o = event("error", 4, 42);
    CU_ASSERT(text_is(o, "code", slice_of("muted")));
    CU_ASSERT(text_is(o, "message", slice_of("you \"may\" not")));
    CU_ASSERT_EQUAL(native_error(&out, no_id, &muted, 9), 0);
    CU_ASSERT(number_is(event("error", 4, 0), "retry_ms", 9));
    CU_ASSERT_EQUAL(native_pong(&out, slice_of("\"a\\u0000\"")), 0);
    CU_ASSERT(text_is(read_again(), "re", slice_make("a\0", 2)));
    finish();
}

static void test_native__events_have_their_fields(void)
{
    struct slice room = slice_of(AWKWARD), uid = slice_of("u" AWKWARD), name = slice_of("");
    const json_t *o;

    start();
    CU_ASSERT_EQUAL(native_member(&out, room, uid, name, true, 3), 0);
    o = event("member", 6, 0);
    CU_ASSERT(text_is(o, "room", room) && text_is(o, "uid", uid) && text_is(o, "name", name));
    CU_ASSERT(bool_is(o, "on", true) && number_is(o, "count", 3));
    CU_ASSERT_EQUAL(native_member_count(&out, room, 1000), 0);
    o = event("member", 3, 0);
    CU_ASSERT(text_is(o, "room", room) && number_is(o, "count", 1000));
    CU_ASSERT_EQUAL(native_typing(&out, room, uid, slice_of("Ann"), false), 0);
    o = event("typing", 5, 0);
    CU_ASSERT(text_is(o, "room", room) && text_is(o, "uid", uid) && bool_is(o, "on", false));
    CU_ASSERT(text_is(o, "from", slice_of("Ann")));
    CU_ASSERT_EQUAL(native_gap(&out, room, slice_of("e"), 3, 5), 0);
    o = event("gap", 5, 0);
    CU_ASSERT(text_is(o, "room", room) && text_is(o, "epoch", slice_of("e")));
    CU_ASSERT(number_is(o, "from", 3) && number_is(o, "to", 5));
    CU_ASSERT_EQUAL(native_reconnect(&out, 1234), 0);
    CU_ASSERT(number_is(event("reconnect", 2, 0), "after_ms", 1234));
    finish();
}

/* Each encoder, given every bound from nothing up, says so and stays within it. */
static void test_native__an_encoder_stops_at_the_bound(void)
{
    struct native_joined joined = {.room = slice_of(AWKWARD), .epoch = slice_of("e")};
    size_t whole;

    buf_init(&out, 1000);
    CU_ASSERT_EQUAL(native_joined(&out, id, &joined), 0);
    whole = out.len;
    for (size_t max = 0; max < whole; max++) {
        buf_deinit(&out);
        buf_init(&out, max);
        CU_ASSERT_EQUAL(native_joined(&out, id, &joined), -ENOBUFS);
    }
    buf_deinit(&out);
}

/* Messages */

static size_t make_frame(uint8_t *dst, struct slice body)
{
    size_t bytes = native_frame(dst, 12, 1700000000000, body);

    CU_ASSERT(bytes <= native_frame_bytes_max(body.len));
    return bytes;
}

static void test_native__a_message_is_one_frame_with_all_its_fields(void)
{
    struct native_body body = {.room = slice_of(AWKWARD),
                               .from = slice_of("Ann"),
                               .uid = slice_of("u"),
                               .text_raw = slice_of("\"hi \\u00e9\""),
                               .data_raw = slice_of("{\"n\":123456789012}"),
                               .cid = slice_make("c\0\x1f\x7f", 4)};
    uint8_t frame[1000];

    start();
    CU_ASSERT_EQUAL(native_body(&out, &body), 0);
    size_t bytes = make_frame(frame, buf_slice(&out));
    CU_ASSERT(frame[0] == 0x81 && frame[1] == 126 && bytes == 4u + (frame[2] << 8) + frame[3]);
    buf_release(&out);
    CU_ASSERT_EQUAL(buf_append(&out, frame + 4, bytes - 4), 0);
    const json_t *o = event("message", 9, 0);
    CU_ASSERT(number_is(o, "seq", 12) && number_is(o, "ts", 1700000000000));
    CU_ASSERT(text_is(o, "room", body.room) && text_is(o, "from", body.from));
    CU_ASSERT(text_is(o, "uid", body.uid) && text_is(o, "cid", body.cid));
    CU_ASSERT(text_is(o, "text", slice_of("hi \xc3\xa9")));
    CU_ASSERT(number_is(json_object_get(o, "data"), "n", 123456789012));
    body.text_raw = body.cid = no_id;
    CU_ASSERT_EQUAL(native_body(&out, &body), 0);
    bytes = make_frame(frame, buf_slice(&out));
    CU_ASSERT(frame[1] == bytes - 2);
    buf_release(&out);
    CU_ASSERT_EQUAL(buf_append(&out, frame + 2, bytes - 2), 0);
    o = event("message", 7, 0);
    CU_ASSERT(!json_object_get(o, "text") && !json_object_get(o, "cid"));
    finish();
}

/* A payload of that many bytes: what the number and the time leave is the body's. */
static void check_header(size_t payload, size_t header)
{
    static uint8_t frame[70000], filler[70000];
    size_t head = make_frame(frame, slice_of("")) - 2;
    size_t bytes = native_frame(frame, 12, 1700000000000, slice_make(filler, payload - head));

    memset(filler, 'x', sizeof(filler));
    CU_ASSERT(bytes == header + payload && frame[0] == 0x81);
    uint64_t told = frame[1];
    if (told == 126)
        told = (uint64_t)frame[2] << 8 | frame[3];
    else if (told == 127)
        told = (uint64_t)frame[6] << 24 | (uint64_t)frame[7] << 16 | (uint64_t)frame[8] << 8 |
               frame[9];
    CU_ASSERT_EQUAL(told, payload);
    CU_ASSERT(memcmp(frame + header, "{\"ev\":\"message\"", 15) == 0);
}

static void test_native__a_frames_header_is_as_short_as_it_may_be(void)
{
    check_header(125, 2);
    check_header(126, 4);
    check_header(65535, 4);
    check_header(65536, 10);
}

/* History */

static struct world {
    struct epoch epoch;
    struct epoch_bin bin;
    _Atomic uint64_t bytes_used;
    struct wheel wheel;
    struct retention_rules rules;
    struct directory directory;
    struct room *room;
    uint64_t now_ms;
} w;

static void open_world(const char *room_name, enum ttl_from ttl_from)
{
    start();
    memset(&w, 0, sizeof(w));
    w.now_ms = 1000;
    CU_ASSERT_FATAL(epoch_init(&w.epoch, 1) == 0);
    epoch_bin_init(&w.bin, &w.epoch);
    wheel_init(&w.wheel, 0);
    w.rules.defaults = (struct retention){
        .ttl_s = 10, .ttl_from = ttl_from, .max_messages = 10000, .max_bytes = 4 << 20};
    struct log_env env = {.bin = &w.bin, .bytes_used = &w.bytes_used};
    directory_init(&w.directory, &w.wheel, &env, &w.rules, 1 << 20);
    w.room = directory_open(&w.directory, slice_of(room_name));
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.room);
}

static void close_world(void)
{
    directory_deinit(&w.directory);
    epoch_bin_drain(&w.bin);
    epoch_deinit(&w.epoch);
    finish();
}

/* A message whose frame takes exactly so many bytes. */
static void say(size_t frame_bytes)
{
    static char text[300000];
    struct room_message message;
    struct native_body body = {.room = room_name(w.room),
                               .from = slice_of("f"),
                               .uid = slice_of("u"),
                               .text_raw = slice_of("\"\"")};
    struct buf buf;
    uint64_t seq = log_end(&w.room->log);
    uint8_t head[1000];

    buf_init(&buf, 1 << 20);
    CU_ASSERT_EQUAL(native_body(&buf, &body), 0);
    size_t least = native_frame(head, seq, 5, buf_slice(&buf));
    /* A larger payload may need a longer header. */
    size_t payload = least - (head[1] < 126 ? 2 : 4);
    size_t header = frame_bytes < 2 + 126 ? 2 : frame_bytes < 4 + 65536 ? 4 : 10;
    CU_ASSERT_FATAL(frame_bytes >= header + payload);
    size_t more = frame_bytes - header - payload;
    memset(text, 'x', more + 2);
    text[0] = text[more + 1] = '"';
    body.text_raw = slice_make(text, more + 2);
    buf_release(&buf);
    CU_ASSERT_EQUAL(native_body(&buf, &body), 0);
    CU_ASSERT_EQUAL(room_prepare(w.room, slice_of("u"), no_id, native_frame_bytes_max(buf.len),
                                 w.now_ms, 5, &message),
                    0);
    size_t bytes = native_frame(message.slot.bytes, seq, 5, buf_slice(&buf));
    CU_ASSERT_EQUAL(bytes, frame_bytes);
    CU_ASSERT_EQUAL(room_commit(w.room, &message, bytes, w.now_ms), 0);
    buf_deinit(&buf);
}

/* The reply holds exactly the messages from `first` to `last` (none where last < first). */
static bool gives(struct native_range range, uint64_t first, uint64_t last, bool more)
{
    CU_ASSERT_EQUAL(native_history(&out, id, w.room, &range, w.now_ms), 0);
    const json_t *o = event("history", 6, 42), *messages = json_object_get(o, "messages");
    bool right = text_is(o, "room", room_name(w.room)) && text_is(o, "epoch", room_epoch(w.room)) &&
                 bool_is(o, "more", more) && json_array_size(messages) == last + 1 - first;
    for (size_t i = 0; right && i < json_array_size(messages); i++)
        right = number_is(json_array_get(messages, i), "seq", first + i);
    return right;
}

static struct native_range before(uint64_t seq, uint32_t limit)
{
    return (struct native_range){.has_before = true, .before = seq, .limit = limit};
}

static struct native_range after(uint64_t seq, uint32_t limit)
{
    return (struct native_range){.has_after = true, .after = seq, .limit = limit};
}

static struct native_range newest(uint32_t limit)
{
    return (struct native_range){.limit = limit};
}

static void test_native__history_gives_what_is_asked_for(void)
{
    open_world("r", TTL_FROM_LAST_MESSAGE);
    CU_ASSERT(gives(newest(50), 1, 0, false));
    CU_ASSERT(gives(before(5, 50), 1, 0, false) && gives(after(0, 50), 1, 0, false));
    for (int i = 0; i < 10; i++)
        say(150);
    CU_ASSERT(gives(newest(50), 1, 10, false) && gives(newest(10), 1, 10, false));
    CU_ASSERT(gives(newest(3), 8, 10, true));
    CU_ASSERT(gives(before(8, 3), 5, 7, true) && gives(before(4, 3), 1, 3, false));
    CU_ASSERT(gives(before(1, 3), 1, 0, false) && gives(before(0, 3), 1, 0, false));
    CU_ASSERT(gives(before(11, 2), 9, 10, true) && gives(before(1000000, 2), 9, 10, true));
    CU_ASSERT(gives(after(0, 3), 1, 3, true) && gives(after(7, 3), 8, 10, false));
    CU_ASSERT(gives(after(7, 2), 8, 9, true) && gives(after(9, 1), 10, 10, false));
    CU_ASSERT(gives(after(10, 3), 11, 10, false) && gives(after(9007199254740991, 3), 1, 0, false));
    close_world();
}

static void delete_message(uint64_t seq)
{
    uint8_t frame[256];
    struct buf text;

    buf_init(&text, 128);
    CU_ASSERT_EQUAL(native_deleted(&text, room_name(w.room), seq), 0);
    size_t header = ws_header(frame, WS_TEXT, text.len);
    memcpy(frame + header, text.data, text.len);
    CU_ASSERT_EQUAL(room_delete(w.room, seq, slice_make(frame, header + text.len), w.now_ms), 0);
    buf_deinit(&text);
}

/* Exactly these numbers, written as "1 6 ". */
static bool gives_numbers(struct native_range range, const char *numbers, bool more)
{
    char found[128] = "";
    size_t len = 0;

    CU_ASSERT_EQUAL(native_history(&out, id, w.room, &range, w.now_ms), 0);
    const json_t *o = event("history", 6, 42), *messages = json_object_get(o, "messages");
    for (size_t i = 0; i < json_array_size(messages); i++)
        len += (size_t)snprintf(
            found + len, sizeof(found) - len, "%d ",
            (int)json_integer_value(json_object_get(json_array_get(messages, i), "seq")));
    return strcmp(found, numbers) == 0 && bool_is(o, "more", more);
}

/* Else a page could be empty before the last, with no number to go on from. */
static void test_native__a_page_of_history_counts_messages_alone(void)
{
    open_world("r", TTL_FROM_LAST_MESSAGE);
    for (int i = 0; i < 10; i++)
        say(150);
    for (uint64_t seq = 2; seq <= 5; seq++)
        delete_message(seq);
    delete_message(9);
    delete_message(10);
    CU_ASSERT(gives_numbers(newest(50), "1 6 7 8 ", false));
    CU_ASSERT(gives_numbers(newest(2), "7 8 ", true));
    CU_ASSERT(gives_numbers(before(7, 2), "1 6 ", false));
    CU_ASSERT(gives_numbers(before(6, 1), "1 ", false) && gives_numbers(before(6, 9), "1 ", false));
    CU_ASSERT(gives_numbers(after(0, 1), "1 ", true) && gives_numbers(after(1, 1), "6 ", true));
    CU_ASSERT(gives_numbers(after(1, 2), "6 7 ", true) && gives_numbers(after(8, 1), "", false));
    delete_message(1);
    CU_ASSERT(gives_numbers(before(6, 1), "", false) && gives_numbers(newest(3), "6 7 8 ", true));
    close_world();
}

static void test_native__history_has_nothing_that_has_expired(void)
{
    open_world("r", TTL_FROM_MESSAGE);
    for (int i = 0; i < 10; i++, w.now_ms += 1000)
        say(150);
    w.now_ms += 3000; /* the first three, to the moment a fourth; no sweep has come by */
    CU_ASSERT(gives(newest(50), 5, 10, false) && gives(after(0, 2), 5, 6, true));
    CU_ASSERT(gives(before(7, 50), 5, 6, false) && gives(before(3, 50), 1, 0, false));
    w.now_ms += 10000;
    CU_ASSERT(gives(newest(50), 11, 10, false) && gives(after(0, 50), 11, 10, false));
    close_world();
}

/* Whatever the sizes: asking again from where one was goes over all, each once. */
static void test_native__pages_of_history_join_without_a_hole(void)
{
    uint64_t random = unit_seed() | 1;
    char name[ROOM_NAME_MAX + 1];

    memset(name, 'n', ROOM_NAME_MAX);
    name[ROOM_NAME_MAX] = '\0';
    for (unsigned round = 0; round < unit_rounds(40); round++) {
        open_world(round % 2 ? name : "r", TTL_FROM_LAST_MESSAGE);
        for (int i = 0; i < 60; i++)
            say(300 + unit_random(&random) % (round % 4 < 2 ? 30000 : 500));
        uint64_t at = 61, size;
        do {
            struct native_range range = before(at, 1 + (uint32_t)(unit_random(&random) % 30));
            CU_ASSERT_EQUAL(native_history(&out, id, w.room, &range, w.now_ms), 0);
            const json_t *o = read_again(), *messages = json_object_get(o, "messages");
            size = json_array_size(messages);
            for (size_t i = 0; i < size; i++)
                CU_ASSERT(number_is(json_array_get(messages, i), "seq", at - size + i));
            at -= size;
            CU_ASSERT(size > 0 && bool_is(o, "more", at > 1));
        } while (size && at > 1);
        at = 0;
        do {
            struct native_range range = after(at, 1 + (uint32_t)(unit_random(&random) % 30));
            CU_ASSERT_EQUAL(native_history(&out, id, w.room, &range, w.now_ms), 0);
            const json_t *o = read_again(), *messages = json_object_get(o, "messages");
            size = json_array_size(messages);
            for (size_t i = 0; i < size; i++)
                CU_ASSERT(number_is(json_array_get(messages, i), "seq", at + 1 + i));
            at += size;
            CU_ASSERT(size > 0 && bool_is(o, "more", at < 60));
        } while (size && at < 60);
        close_world();
    }
}

/* Where the bytes just fit, the message next to `before` is not the one left out. */
static void test_native__the_byte_bound_cuts_at_the_far_end(void)
{
    char name[ROOM_NAME_MAX + 1];

    memset(name, 'n', ROOM_NAME_MAX);
    name[ROOM_NAME_MAX] = '\0';
    for (size_t slack = 0; slack < 400; slack += 20) {
        open_world(name, TTL_FROM_LAST_MESSAGE);
        say(NATIVE_HISTORY_BYTES_MAX - 300 - slack);
        say(300);
        CU_ASSERT(gives(before(3, 50), 1, 2, false));
        close_world();
    }
    open_world("r", TTL_FROM_LAST_MESSAGE);
    say(NATIVE_HISTORY_BYTES_MAX + 1);
    say(NATIVE_HISTORY_BYTES_MAX + 1);
    CU_ASSERT(gives(newest(50), 2, 2, true) && gives(before(2, 50), 1, 1, false));
    CU_ASSERT(gives(after(0, 50), 1, 1, true));
    close_world();
}

/* Members */

static void test_native__members_are_listed_up_to_a_bound_and_counted_whole(void)
{
    struct room_seat seat = {0};
    bool came;

    open_world("r", TTL_FROM_LAST_MESSAGE);
    list_init(&seat.link);
    for (int i = 0; i < NATIVE_MEMBERS_MAX + 5; i++) {
        char uid[16];
        snprintf(uid, sizeof(uid), "u%d", i);
        CU_ASSERT_EQUAL(room_join(w.room, &seat, slice_of(uid), slice_of(AWKWARD), &came), 0);
        if (i == 0 || i == NATIVE_MEMBERS_MAX - 1) {
            CU_ASSERT_EQUAL(native_members(&out, id, w.room), 0);
            const json_t *o = event("members", 5, 42), *list = json_object_get(o, "members");
            CU_ASSERT(number_is(o, "count", (uint64_t)i + 1) && json_array_size(list) == i + 1u);
            const json_t *one = json_array_get(list, 0);
            CU_ASSERT(json_object_size(one) == 3 && number_is(one, "sessions", 1));
            CU_ASSERT(text_is(one, "name", slice_of(AWKWARD)) && json_object_get(one, "uid"));
        }
    }
    CU_ASSERT_EQUAL(native_members(&out, no_id, w.room), 0);
    const json_t *o = event("members", 4, 0);
    CU_ASSERT(number_is(o, "count", NATIVE_MEMBERS_MAX + 5));
    CU_ASSERT_EQUAL(json_array_size(json_object_get(o, "members")), NATIVE_MEMBERS_MAX);
    close_world();
}

UNIT_MAIN("proto/native", UNIT_TEST(test_native__every_op_is_known),
          UNIT_TEST(test_native__what_is_no_json_is_bad_json),
          UNIT_TEST(test_native__an_id_is_a_small_integer_or_a_short_string),
          UNIT_TEST(test_native__keys_may_be_written_with_escapes),
          UNIT_TEST(test_native__a_room_is_needed_and_checked),
          UNIT_TEST(test_native__join_has_a_name_and_a_wish),
          UNIT_TEST(test_native__numbers_too_large_for_the_parser_are_not_taken_for_others),
          UNIT_TEST(test_native__send_passes_values_on_as_they_were_written),
          UNIT_TEST(test_native__a_cid_is_a_string_of_1_to_64_bytes),
          UNIT_TEST(test_native__history_has_one_direction_and_a_limit),
          UNIT_TEST(test_native__typing_is_on_or_off), UNIT_TEST(test_native__values_are_bounded),
          UNIT_TEST(test_native__nesting_is_bounded), UNIT_TEST(test_native__hello_has_its_fields),
          UNIT_TEST(test_native__joined_has_its_fields),
          UNIT_TEST(test_native__replies_have_their_fields),
          UNIT_TEST(test_native__events_have_their_fields),
          UNIT_TEST(test_native__an_encoder_stops_at_the_bound),
          UNIT_TEST(test_native__a_message_is_one_frame_with_all_its_fields),
          UNIT_TEST(test_native__a_frames_header_is_as_short_as_it_may_be),
          UNIT_TEST(test_native__history_gives_what_is_asked_for),
          UNIT_TEST(test_native__a_page_of_history_counts_messages_alone),
          UNIT_TEST(test_native__history_has_nothing_that_has_expired),
          UNIT_TEST(test_native__pages_of_history_join_without_a_hole),
          UNIT_TEST(test_native__the_byte_bound_cuts_at_the_far_end),
          UNIT_TEST(test_native__members_are_listed_up_to_a_bound_and_counted_whole))
