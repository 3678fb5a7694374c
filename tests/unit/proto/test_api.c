/* The HTTP API's requests: paths, queries, cursors, bodies. */
#include "ringroom/base/hash.h"
#include "ringroom/proto/api.h"
#include "unit.h"

#include <stdlib.h>

static struct http_request request_of(enum http_method method, const char *target)
{
    const char *mark = strchr(target, '?');
    struct http_request request = {.method = method, .path = slice_of(target)};

    if (mark) {
        request.path.len = (size_t)(mark - target);
        request.query = slice_of(mark + 1);
    }
    return request;
}

/* The code of the refusal, or "". */
static const char *route(enum http_method method, const char *target, struct api_target *ret)
{
    struct http_request request = request_of(method, target);
    struct native_fault fault = {.code = ""};

    return api_route(&request, ret, &fault) ? "" : fault.code;
}

static bool is_routed(enum http_method method, const char *target, enum api_call call,
                      struct api_target *ret)
{
    return strcmp(route(method, target, ret), "") == 0 && ret->call == call;
}

static void test_api__each_call_has_its_path_and_method(void)
{
    struct api_target target;

    CU_ASSERT(is_routed(HTTP_M_GET, "/v1/rooms", API_LIST, &target));
    CU_ASSERT(is_routed(HTTP_M_HEAD, "/v1/rooms", API_LIST, &target));
    CU_ASSERT(is_routed(HTTP_M_GET, "/v1/rooms/a", API_STATE, &target));
    CU_ASSERT(is_routed(HTTP_M_PUT, "/v1/rooms/a", API_PUT, &target));
    CU_ASSERT(is_routed(HTTP_M_DELETE, "/v1/rooms/a", API_CLOSE, &target));
    CU_ASSERT(is_routed(HTTP_M_POST, "/v1/rooms/a/messages", API_PUBLISH, &target));
    CU_ASSERT(is_routed(HTTP_M_GET, "/v1/rooms/a/messages", API_HISTORY, &target));
    CU_ASSERT(is_routed(HTTP_M_DELETE, "/v1/rooms/a/messages/17", API_DELETE, &target));
    CU_ASSERT_EQUAL(target.seq, 17);
    CU_ASSERT(is_routed(HTTP_M_GET, "/v1/rooms/a/members", API_MEMBERS, &target));
    CU_ASSERT(is_routed(HTTP_M_POST, "/v1/rooms/a/kick", API_KICK, &target));
    CU_ASSERT(is_routed(HTTP_M_POST, "/v1/rooms/a/mute", API_MUTE, &target));
    CU_ASSERT(is_routed(HTTP_M_POST, "/v1/users/a/disconnect", API_DISCONNECT, &target));
    CU_ASSERT(is_routed(HTTP_M_POST, "/v1/tokens", API_TOKEN, &target));
    CU_ASSERT(is_routed(HTTP_M_OPTIONS, "/v1/tokens", API_OPTIONS, &target));
    CU_ASSERT_STRING_EQUAL(target.allow, "POST, OPTIONS");
}

static void test_api__names_in_a_path_are_decoded_strictly(void)
{
    static const char *const wrong[] = {"%",   "%4",  "%4g",    "%00",       "%1f",
                                        "%7f", "%ff", "%c0%af", "%ed%a0%80", "%c2%80"};
    struct api_target target;
    char text[512];

    CU_ASSERT(is_routed(HTTP_M_GET, "/v1/rooms/h%C3%b6hle+%2F%25/members", API_MEMBERS, &target));
    CU_ASSERT(slice_is(slice_make(target.room, target.room_len), "h\xc3\xb6hle+/%"));
    CU_ASSERT(is_routed(HTTP_M_POST, "/v1/users/%E2%82%AC/disconnect", API_DISCONNECT, &target));
    CU_ASSERT(slice_is(slice_make(target.uid, target.uid_len), "\xe2\x82\xac"));
    for (size_t i = 0; i < array_len(wrong); i++) {
        snprintf(text, sizeof(text), "/v1/rooms/%s", wrong[i]);
        CU_ASSERT_STRING_EQUAL(route(HTTP_M_GET, text, &target), "bad_request");
        snprintf(text, sizeof(text), "/v1/users/%s/disconnect", wrong[i]);
        CU_ASSERT_STRING_EQUAL(route(HTTP_M_POST, text, &target), "bad_request");
    }
    for (int bytes = 127; bytes < 131; bytes++) {
        snprintf(text, sizeof(text), "/v1/rooms/%0*d", bytes, 1);
        CU_ASSERT_STRING_EQUAL(route(HTTP_M_GET, text, &target), bytes <= 128 ? "" : "bad_request");
    }
    CU_ASSERT_STRING_EQUAL(route(HTTP_M_GET, "/v1/rooms//members", &target), "bad_request");
}

static void test_api__what_is_no_call_is_refused(void)
{
    static const char *const unknown[] = {"/v1/",
                                          "/v1/rooms/",
                                          "/v1/rooms/a/",
                                          "/v1/Rooms",
                                          "/v1/rooms/a/b",
                                          "/v1/rooms/a/kick/",
                                          "/v1/tokens/",
                                          "/v1/users/a",
                                          "/v1/rooms/a/messages/",
                                          "/v1/users",
                                          "/v1/rooms/a/messages/1/2"};
    static const char *const numbers[] = {
        "0", "-1", "+1", "1.0", "x", "01x", "9007199254740992", "99999999999999999999"};
    struct api_target target;
    char text[128];

    for (size_t i = 0; i < array_len(unknown); i++)
        CU_ASSERT_STRING_EQUAL(route(HTTP_M_POST, unknown[i], &target), "not_found");
    CU_ASSERT_STRING_EQUAL(route(HTTP_M_POST, "/v1/rooms", &target), "method_not_allowed");
    CU_ASSERT_STRING_EQUAL(target.allow, "GET, HEAD, OPTIONS");
    CU_ASSERT_STRING_EQUAL(route(HTTP_M_HEAD, "/v1/tokens", &target), "method_not_allowed");
    for (size_t i = 0; i < array_len(numbers); i++) {
        snprintf(text, sizeof(text), "/v1/rooms/a/messages/%s", numbers[i]);
        CU_ASSERT_STRING_EQUAL(route(HTTP_M_DELETE, text, &target), "bad_request");
    }
    CU_ASSERT(
        is_routed(HTTP_M_DELETE, "/v1/rooms/a/messages/9007199254740991", API_DELETE, &target));
}

static void test_api__a_cursor_comes_back_as_it_was(void)
{
    uint64_t random = unit_seed();
    char text[API_CURSOR_BYTES];

    for (unsigned i = 0; i < unit_rounds(1000); i++) {
        struct api_cursor cursor = {.shard = (uint32_t)unit_random(&random) & 0xffff,
                                    .from = unit_random(&random)},
                          got = {0};
        api_cursor_write(&cursor, text);
        CU_ASSERT(api_cursor_read(slice_make(text, sizeof(text)), &got));
        CU_ASSERT(got.shard == cursor.shard && got.from == cursor.from);
        CU_ASSERT(!api_cursor_read(slice_make(text, sizeof(text) - 1), &got));
        text[11] = text[11] == 'A' ? 'B' : 'A'; /* of the process's tag */
        CU_ASSERT(!api_cursor_read(slice_make(text, sizeof(text)), &got));
    }
}

static bool list_of(const char *target, struct api_list *ret)
{
    struct http_request request = request_of(HTTP_M_GET, target);
    struct native_fault fault;

    return api_parse_list(&request, ret, &fault);
}

static void test_api__a_query_has_its_bounds_and_defaults(void)
{
    static const char *const wrong[] = {
        "/?limit=0",  "/?limit=1001", "/?limit=",
        "/?limit=1x", "/?prefix=%0a", "/?prefix=%ff",
        "/?prefix=%", "/?cursor=",    "/?cursor=AAAAAAAAAAAAAAAAAAA"};
    struct http_request request;
    struct native_range range;
    struct native_fault fault;
    struct api_list list;

    CU_ASSERT(list_of("/", &list) && list.limit == 100 && list.prefix_len == 0);
    CU_ASSERT(list_of("/?prefix=a%2Bb+c&limit=1000", &list) && list.limit == 1000);
    CU_ASSERT(slice_is(slice_make(list.prefix, list.prefix_len), "a+b c"));
    for (size_t i = 0; i < array_len(wrong); i++)
        CU_ASSERT(!list_of(wrong[i], &list));
    request = request_of(HTTP_M_GET, "/?after=0&limit=7");
    CU_ASSERT(api_parse_history(&request, &range, &fault));
    CU_ASSERT(range.has_after && !range.has_before && range.after == 0 && range.limit == 7);
    request = request_of(HTTP_M_GET, "/?after=0&before=7");
    CU_ASSERT(!api_parse_history(&request, &range, &fault));
}

static struct api_body load(const char *text)
{
    struct native_fault fault;
    struct api_body body;

    CU_ASSERT_FATAL(api_body_load(slice_of(text), &body, &fault));
    return body;
}

static void test_api__messages_are_read_alone_and_in_arrays(void)
{
    struct api_body body =
        load(" [ {\"from\":\"a\",\"text\":\"x\"}, "
             "{\"data\":[1e999, \"]\"],\"cid\":\"c\",\"uid\":\"u\",\"from\":\"b\"} ] ");
    struct api_messages messages;
    struct native_fault fault;

    CU_ASSERT_FATAL(api_parse_messages(&body, 1000, &messages, &fault));
    CU_ASSERT(messages.array && messages.count == 2);
    CU_ASSERT(slice_is(messages.list[0].text_raw, "\"x\"") && !messages.list[0].uid.len);
    CU_ASSERT(slice_is(messages.list[1].data_raw, "[1e999, \"]\"]"));
    CU_ASSERT(slice_is(messages.list[1].cid, "c") && slice_is(messages.list[1].uid, "u"));
    api_messages_deinit(&messages);
    api_body_deinit(&body);
    body = load("{\"from\":\"a\",\"text\":\"\"}");
    CU_ASSERT(api_parse_messages(&body, 1000, &messages, &fault));
    CU_ASSERT(!messages.array && messages.count == 1);
    api_messages_deinit(&messages);
    api_body_deinit(&body);
}

static void test_api__the_wrong_one_of_an_array_is_told(void)
{
    struct api_body body = load("[{\"from\":\"a\",\"text\":\"x\"},{\"from\":\"a\",\"text\":1}]");
    struct api_messages messages;
    struct native_fault fault;

    CU_ASSERT(!api_parse_messages(&body, 1000, &messages, &fault));
    CU_ASSERT_EQUAL(messages.wrong, 1);
    CU_ASSERT_STRING_EQUAL(fault.message, "text: must be a string");
    api_messages_deinit(&messages);
    CU_ASSERT(!api_parse_messages(&body, 10, &messages, &fault));
    CU_ASSERT_EQUAL(messages.wrong, 0);
    CU_ASSERT_STRING_EQUAL(fault.code, "too_large");
    api_messages_deinit(&messages);
    api_body_deinit(&body);
}

static void test_api__limits_that_are_missing_or_null_are_told_from_those_given(void)
{
    static const char *const wrong[] = {"1",
                                        "{\"ttl\":0}",
                                        "{\"ttl\":2592001}",
                                        "{\"ttl\":1.5}",
                                        "{\"ttl_from\":\"\"}",
                                        "{\"ttl_from\":1}",
                                        "{\"max_messages\":0}",
                                        "{\"max_messages\":10000001}",
                                        "{\"max_bytes\":68719476737}",
                                        "{\"max_members\":\"1\"}"};
    struct api_body body = load("{\"ttl\":5,\"ttl_from\":\"first_message\",\"max_bytes\":null}");
    struct room_own own;
    struct native_fault fault;

    CU_ASSERT(api_parse_limits(&body, &own, &fault));
    CU_ASSERT(own.ttl && own.retention.ttl_s == 5);
    CU_ASSERT(own.ttl_from && own.retention.ttl_from == TTL_FROM_FIRST_MESSAGE);
    CU_ASSERT(!own.max_bytes && !own.max_messages && own.members_max == ROOM_MEMBERS_BY_RULE);
    api_body_deinit(&body);
    for (size_t i = 0; i < array_len(wrong); i++) {
        body = load(wrong[i]);
        CU_ASSERT(!api_parse_limits(&body, &own, &fault));
        CU_ASSERT_STRING_EQUAL(fault.code, "bad_request");
        api_body_deinit(&body);
    }
}

static void test_api__a_tokens_claims_are_refused_in_words_of_their_own(void)
{
    struct api_body body = load("{\"sub\":\"u\",\"rooms\":[{\"room\":\"a\",\"can\":[\"fly\"]}]}");
    struct token_rule rules[TOKEN_ROOMS_MAX];
    struct token_grant grant;
    struct native_fault fault;
    uint64_t ttl_s;

    CU_ASSERT(!api_parse_token(&body, rules, &grant, &ttl_s, &fault));
    CU_ASSERT_STRING_EQUAL(fault.code, "bad_request");
    CU_ASSERT_PTR_EQUAL(strstr(fault.message, "in rooms, can must"), fault.message);
    api_body_deinit(&body);
    body = load("{\"sub\":\"u\",\"rooms\":[{\"room\":\"a\",\"can\":[\"read\"]}]}");
    CU_ASSERT(api_parse_token(&body, rules, &grant, &ttl_s, &fault));
    CU_ASSERT(ttl_s == 3600 && grant.rules_count == 1 && rules[0].rights == TOKEN_READ);
    api_body_deinit(&body);
}

UNIT_MAIN("api", UNIT_TEST(test_api__each_call_has_its_path_and_method),
          UNIT_TEST(test_api__names_in_a_path_are_decoded_strictly),
          UNIT_TEST(test_api__what_is_no_call_is_refused),
          UNIT_TEST(test_api__a_cursor_comes_back_as_it_was),
          UNIT_TEST(test_api__a_query_has_its_bounds_and_defaults),
          UNIT_TEST(test_api__messages_are_read_alone_and_in_arrays),
          UNIT_TEST(test_api__the_wrong_one_of_an_array_is_told),
          UNIT_TEST(test_api__limits_that_are_missing_or_null_are_told_from_those_given),
          UNIT_TEST(test_api__a_tokens_claims_are_refused_in_words_of_their_own))
