/* Socket.IO packets and the chat's events in them. The tables of packets say what the reference
 * parser (socket.io-parser 4.2) makes of each text. */
#include "ringroom/proto/socketio.h"

#include "ringroom/base/mem.h"
#include "unit.h"
#include <jansson.h>

/* Packets */

static struct socketio_packet packet;
static char *packet_text; /* of its own allocation, so that a sanitizer sees a read beyond it */

static bool parse_bytes(const void *text, size_t len)
{
    free(packet_text);
    packet_text = malloc(len ? len : 1);
    memcpy(packet_text, text, len);
    return socketio_parse(slice_make(packet_text, len), &packet);
}

static bool parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void done(void)
{
    free(packet_text);
    packet_text = NULL;
}

/* With "type namespace id attachments". */
static const char *const taken[][2] = {
    {"0", "0 / - 0"},
    {"1", "1 / - 0"},
    {"00", "0 / 0 0"},
    {"11", "1 / 1 0"},
    {"0{}", "0 / - 0"},
    {"0{\"token\":\"123\"}", "0 / - 0"},
    {"05", "0 / 5 0"},
    {"05{}", "0 / 5 0"},
    {"0/", "0 / - 0"},
    {"0/,", "0 / - 0"},
    {"0/admin", "0 /admin - 0"},
    {"0/admin,", "0 /admin - 0"},
    {"0/admin,{}", "0 /admin - 0"},
    {"0/admin,{\"a\":1}", "0 /admin - 0"},
    {"0/admin,1", "0 /admin 1 0"},
    {"0/admin,1{}", "0 /admin 1 0"},
    {"0/a/b-c.d~e,{\"pid\":\"p\",\"offset\":\"o\"}", "0 /a/b-c.d~e - 0"},
    {"0{\"a\":1} ", "0 / - 0"},
    {"0{\"a\":1}\n", "0 / - 0"},
    {"0/admin{}", "0 /admin{} - 0"},
    {"0//x,", "0 //x - 0"},
    {"0/\303\251,", "0 /\303\251 - 0"},
    {"0{\"a\":{\"b\":[1,2,{}]}}", "0 / - 0"},
    {"0{\"\":\"\"}", "0 / - 0"},
    {"0{\"__proto__\":null}", "0 / - 0"},
    {"1/", "1 / - 0"},
    {"1/admin", "1 /admin - 0"},
    {"1/admin,", "1 /admin - 0"},
    {"1/admin,3", "1 /admin 3 0"},
    {"17", "1 / 7 0"},
    {"2[1]", "2 / - 0"},
    {"2[0,1]", "2 / - 0"},
    {"2[-1.5e3,\"x\"]", "2 / - 0"},
    {"2[\"\"]", "2 / - 0"},
    {"2[\"a\"]", "2 / - 0"},
    {"2[\"a\",1,\"2\",{\"3\":[false]}]", "2 / - 0"},
    {"21[\"a\"]", "2 / 1 0"},
    {"20[\"a\"]", "2 / 0 0"},
    {"2007[\"a\"]", "2 / 7 0"},
    {"29007199254740991[\"a\"]", "2 / 9007199254740991 0"},
    {"2999999999999999[\"a\"]", "2 / 999999999999999 0"},
    {"2/admin,[\"a\"]", "2 /admin - 0"},
    {"2/admin,1[\"a\"]", "2 /admin 1 0"},
    {"2/admin,456[\"project:delete\",123]", "2 /admin 456 0"},
    {"2[\"a\"] ", "2 / - 0"},
    {"2[\"a\"]\t\r\n", "2 / - 0"},
    {"2[\"a\" , 1 ]", "2 / - 0"},
    {"2[ \"a\"]", "2 / - 0"},
    {"2[\n\"a\"\n]", "2 / - 0"},
    {"2[\"a\",1e5]", "2 / - 0"},
    {"2[\"a\",-0]", "2 / - 0"},
    {"2[\"a\",123456789012345678901234567890]", "2 / - 0"},
    {"2[\"a\",1e999]", "2 / - 0"},
    {"2[\"a\",-1E+400]", "2 / - 0"},
    {"2[123456789012345678901234567890]", "2 / - 0"},
    {"2[1e999]", "2 / - 0"},
    {"2[\"a\",\"\\u0000\"]", "2 / - 0"},
    {"2[\"\\u0000\"]", "2 / - 0"},
    {"2[\"a\",\"\\n\"]", "2 / - 0"},
    {"2[\"a\",\"\\/\"]", "2 / - 0"},
    {"2[\"\303\251\",\"\360\237\230\200\"]", "2 / - 0"},
    {"2[\"a\",{\"b\":1}]", "2 / - 0"},
    {"2[\"connect \"]", "2 / - 0"},
    {"2[\"CONNECT\"]", "2 / - 0"},
    {"2[\"x\",\"connect\"]", "2 / - 0"},
    {"3[\"connect\"]", "3 / - 0"},
    {"2[\"connect_error \"]", "2 / - 0"},
    {"2[\"CONNECT_ERROR\"]", "2 / - 0"},
    {"2[\"x\",\"connect_error\"]", "2 / - 0"},
    {"3[\"connect_error\"]", "3 / - 0"},
    {"2[\"disconnect \"]", "2 / - 0"},
    {"2[\"DISCONNECT\"]", "2 / - 0"},
    {"2[\"x\",\"disconnect\"]", "2 / - 0"},
    {"3[\"disconnect\"]", "3 / - 0"},
    {"2[\"disconnecting \"]", "2 / - 0"},
    {"2[\"DISCONNECTING\"]", "2 / - 0"},
    {"2[\"x\",\"disconnecting\"]", "2 / - 0"},
    {"3[\"disconnecting\"]", "3 / - 0"},
    {"2[\"newListener \"]", "2 / - 0"},
    {"2[\"NEWLISTENER\"]", "2 / - 0"},
    {"2[\"x\",\"newListener\"]", "2 / - 0"},
    {"3[\"newListener\"]", "3 / - 0"},
    {"2[\"removeListener \"]", "2 / - 0"},
    {"2[\"REMOVELISTENER\"]", "2 / - 0"},
    {"2[\"x\",\"removeListener\"]", "2 / - 0"},
    {"3[\"removeListener\"]", "3 / - 0"},
    {"2[\"connecting\"]", "2 / - 0"},
    {"2[\"reconnect\"]", "2 / - 0"},
    {"2[\"error\"]", "2 / - 0"},
    {"2[\"new_listener\"]", "2 / - 0"},
    {"2[\"newlistener\"]", "2 / - 0"},
    {"2[\"ping\"]", "2 / - 0"},
    {"2[\"connect\\u0000\"]", "2 / - 0"},
    {"3[]", "3 / - 0"},
    {"31[]", "3 / 1 0"},
    {"31[\"a\"]", "3 / 1 0"},
    {"30[]", "3 / 0 0"},
    {"31[null]", "3 / 1 0"},
    {"3/admin,1[]", "3 /admin 1 0"},
    {"3/admin,[]", "3 /admin - 0"},
    {"3/admin,1[\"x\",{\"y\":null}]", "3 /admin 1 0"},
    {"51-[\"a\",{\"_placeholder\":true,\"num\":0}]", "5 / - 1"},
    {"52-[\"a\",1]", "5 / - 2"},
    {"59-[\"a\"]", "5 / - 9"},
    {"510-[\"a\"]", "5 / - 10"},
    {"501-[\"a\"]", "5 / - 1"},
    {"50010-[\"a\"]", "5 / - 10"},
    {"51-7[\"a\"]", "5 / 7 1"},
    {"51-/admin,[\"a\"]", "5 /admin - 1"},
    {"51-/admin,12[\"a\"]", "5 /admin 12 1"},
    {"51-[1]", "5 / - 1"},
    {"510-/x,0[\"a\",{\"_placeholder\":true,\"num\":9}]", "5 /x 0 10"},
    {"61-[\"a\",{\"_placeholder\":true,\"num\":0}]", "6 / - 1"},
    {"62-[\"a\",1]", "6 / - 2"},
    {"69-[\"a\"]", "6 / - 9"},
    {"610-[\"a\"]", "6 / - 10"},
    {"601-[\"a\"]", "6 / - 1"},
    {"60010-[\"a\"]", "6 / - 10"},
    {"61-7[\"a\"]", "6 / 7 1"},
    {"61-/admin,[\"a\"]", "6 /admin - 1"},
    {"61-/admin,12[\"a\"]", "6 /admin 12 1"},
    {"61-[]", "6 / - 1"},
    {"61-7[]", "6 / 7 1"},
    {"61-[1]", "6 / - 1"},
    {"61-[true]", "6 / - 1"},
    {"610-/x,0[\"a\",{\"_placeholder\":true,\"num\":9}]", "6 /x 0 10"},
    {"2[\"a\",\"\\ud83d\\ude00\"]", "2 / - 0"}};

static const char *const refused[] = {"5",
                                      "6",
                                      "7",
                                      "8",
                                      "9",
                                      "a",
                                      "-1",
                                      "{}",
                                      "[]",
                                      "\"x\"",
                                      "/",
                                      "0x",
                                      "1x",
                                      "4a",
                                      "0[]",
                                      "0null",
                                      "0\"x\"",
                                      "0/admin,[]",
                                      "0/admin,x",
                                      "0true",
                                      "0false",
                                      "0{",
                                      "0{\"a\"}",
                                      "0{\"a\":1}x",
                                      "0,",
                                      "0,{}",
                                      "0/?a,b",
                                      "0{\"a\":1,}",
                                      "0{'a':1}",
                                      "0/a,,",
                                      "0/a,/b,",
                                      "1{}",
                                      "1[]",
                                      "1null",
                                      "1\"bye\"",
                                      "1/admin,{}",
                                      "1/admin,[]",
                                      "1 x",
                                      "1,",
                                      "1/a,b",
                                      "2[]",
                                      "2{}",
                                      "2null",
                                      "2\"a\"",
                                      "2[true]",
                                      "2[null]",
                                      "2[false,1]",
                                      "2[[]]",
                                      "2[{}]",
                                      "2abc[\"a\",1]",
                                      "21x[\"a\"]",
                                      "2-1[\"a\"]",
                                      "21.5[\"a\"]",
                                      "21e3[\"a\"]",
                                      "2+1[\"a\"]",
                                      "2/admin,a[\"a\"]",
                                      "2/admin, [\"a\"",
                                      "2[\"a\"",
                                      "2[\"a\"]]",
                                      "2[\"a\"]x",
                                      "2[\"a\",]",
                                      "2[,\"a\"]",
                                      "2[\"a\",01]",
                                      "2[\"a\",1.]",
                                      "2[\"a\",.5]",
                                      "2[\"a\",-]",
                                      "2[\"a\",1e]",
                                      "2[\"a\",NaN]",
                                      "2[\"a\",Infinity]",
                                      "2[\"a\",undefined]",
                                      "2[\"a\",\"\\x\"]",
                                      "2[\"a\",\"\\u12\"]",
                                      "2[\"a\",\"\t\"]",
                                      "2[\"a\",\"\n\"]",
                                      "2[\"a\",{\"b\":1 \"c\":2}]",
                                      "2[\"a\",tru]",
                                      "2[\"a\",True]",
                                      "2[\"a\"//c\n]",
                                      "2[\"a\",/**/1]",
                                      "2'a'",
                                      "2[\"connect\"]",
                                      "2[\"connect\",1]",
                                      "2/x,5[\"connect\"]",
                                      "51-[\"connect\"]",
                                      "2[\"\\u0063onnect\"]",
                                      "2[\"connect_error\"]",
                                      "2[\"connect_error\",1]",
                                      "2/x,5[\"connect_error\"]",
                                      "51-[\"connect_error\"]",
                                      "2[\"\\u0063onnect_error\"]",
                                      "2[\"disconnect\"]",
                                      "2[\"disconnect\",1]",
                                      "2/x,5[\"disconnect\"]",
                                      "51-[\"disconnect\"]",
                                      "2[\"\\u0064isconnect\"]",
                                      "2[\"disconnecting\"]",
                                      "2[\"disconnecting\",1]",
                                      "2/x,5[\"disconnecting\"]",
                                      "51-[\"disconnecting\"]",
                                      "2[\"\\u0064isconnecting\"]",
                                      "2[\"newListener\"]",
                                      "2[\"newListener\",1]",
                                      "2/x,5[\"newListener\"]",
                                      "51-[\"newListener\"]",
                                      "2[\"\\u006eewListener\"]",
                                      "2[\"removeListener\"]",
                                      "2[\"removeListener\",1]",
                                      "2/x,5[\"removeListener\"]",
                                      "51-[\"removeListener\"]",
                                      "2[\"\\u0072emoveListener\"]",
                                      "3{}",
                                      "31{}",
                                      "31null",
                                      "31[1,2",
                                      "31\"x\"",
                                      "3a[]",
                                      "3-1[]",
                                      "31[]]",
                                      "31 []x",
                                      "34/x,[]",
                                      "5-",
                                      "51",
                                      "5-[\"a\"]",
                                      "50-[\"a\"]",
                                      "511-[\"a\"]",
                                      "512-[\"a\"]",
                                      "5100-[\"a\"]",
                                      "599999999999999999999-[\"a\"]",
                                      "500-[\"a\"]",
                                      "51.5-[\"a\"]",
                                      "5-1-[\"a\"]",
                                      "5a-[\"a\"]",
                                      "51a-[\"a\"]",
                                      "51[\"a\"]",
                                      "51-/admin,12{}",
                                      "51-[]",
                                      "51-{}",
                                      "51-7[]",
                                      "51-[true]",
                                      "51-[\"a\"",
                                      "51-null",
                                      "51--[\"a\"]",
                                      "51-a[\"a\"]",
                                      "5[\"a\"]",
                                      "5/a,1-[\"a\"]",
                                      "6-",
                                      "61",
                                      "6-[\"a\"]",
                                      "60-[\"a\"]",
                                      "611-[\"a\"]",
                                      "612-[\"a\"]",
                                      "6100-[\"a\"]",
                                      "699999999999999999999-[\"a\"]",
                                      "600-[\"a\"]",
                                      "61.5-[\"a\"]",
                                      "6-1-[\"a\"]",
                                      "6a-[\"a\"]",
                                      "61a-[\"a\"]",
                                      "61[\"a\"]",
                                      "61-/admin,12{}",
                                      "61-{}",
                                      "61-[\"a\"",
                                      "61-null",
                                      "61--[\"a\"]",
                                      "61-a[\"a\"]",
                                      "6[\"a\"]",
                                      "6/a,1-[\"a\"]",
                                      " [\"a\"]"};

/* The reference parser takes these. */
static const char *const taken_elsewhere[] = {"",
                                              "2",
                                              "3",
                                              "4",
                                              "22",
                                              "4{}",
                                              "4{\"message\":\"x\"}",
                                              "4\"x\"",
                                              "0 {}",
                                              "2/",
                                              "2/admin,",
                                              "212",
                                              "2/admin[\"a\"]",
                                              "31",
                                              "3/admin,",
                                              "51-",
                                              "53-/x[\"a\"]",
                                              "61-",
                                              "63-/x[\"a\"]",
                                              " ",
                                              "2 [\"a\"]",
                                              "2\n[\"a\"]",
                                              "2 1[\"a\"]",
                                              "21 [\"a\"]",
                                              "5 1-[\"a\"]",
                                              "5+1-[\"a\"]",
                                              "51.0-[\"a\"]",
                                              "51e0-[\"a\"]",
                                              "50x1-[\"a\"]",
                                              "51 -[\"a\"]",
                                              "0 ",
                                              "1 ",
                                              "2/a, [\"a\"]",
                                              "2[\"a\",{\"b\":1,\"b\":2}]",
                                              "0{\"a\":1,\"a\":1}",
                                              "31[{\"a\":1,\"\\u0061\":2}]",
                                              "2[\"a\",\"\\ud800\"]",
                                              "2[\"a\",{\"\\u0000\":1}]",
                                              "2[\"a\",\"\\udc00x\"]",
                                              "29007199254740992[\"a\"]",
                                              "299999999999999999999[\"a\"]",
                                              "3/x,18446744073709551616[]",
                                              "318446744073709551617[]"};

static void describe(char *dst, size_t size)
{
    char id[24] = "-";

    if (packet.has_id)
        snprintf(id, sizeof(id), "%llu", (unsigned long long)packet.id);
    snprintf(dst, size, "%d %.*s %s %u", packet.type, (int)packet.nsp.len,
             (const char *)packet.nsp.data, id, packet.attachments);
}

static void test_socketio_parse__packets_are_taken_as_by_the_reference_parser(void)
{
    char found[400];

    for (size_t i = 0; i < array_len(taken); i++) {
        CU_ASSERT_FATAL(parse(taken[i][0]));
        describe(found, sizeof(found));
        if (strcmp(found, taken[i][1]) != 0)
            printf("%s: %s\n", taken[i][0], found);
        CU_ASSERT_STRING_EQUAL(found, taken[i][1]);
        /* The data is all that is left, and begins with a bracket. */
        const char *end = packet_text + strlen(taken[i][0]);
        CU_ASSERT(packet.data.len == 0 || (const char *)packet.data.data + packet.data.len == end);
        CU_ASSERT(packet.data.len == 0 || strchr("[{", packet.data.data[0]));
    }
    done();
}

static void check_refused(const char *const texts[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool ok = parse(texts[i]);
        if (ok)
            printf("taken: %s\n", texts[i]);
        CU_ASSERT(!ok);
    }
    done();
}

static void test_socketio_parse__what_the_reference_parser_throws_at_is_refused(void)
{
    check_refused(refused, array_len(refused));
}

static void test_socketio_parse__what_no_client_writes_is_refused_too(void)
{
    check_refused(taken_elsewhere, array_len(taken_elsewhere));
}

static void test_socketio_parse__a_refused_packet_leaves_the_result_alone(void)
{
    CU_ASSERT(parse("2/x,7[\"a\"]"));
    struct socketio_packet before = packet;
    char *text = packet_text;
    packet_text = NULL;
    CU_ASSERT(!parse("51-/y,8[\"connect\"]"));
    CU_ASSERT(packet.type == before.type && packet.id == 7 && packet.attachments == 0);
    CU_ASSERT(packet.nsp.data == before.nsp.data && packet.data.data == before.data.data);
    free(text);
    done();
}

static void test_socketio_parse__any_cut_of_a_packet_is_read_within_its_bounds(void)
{
    for (size_t i = 0; i < array_len(taken); i++)
        for (size_t len = 0; len < strlen(taken[i][0]); len++)
            if (parse_bytes(taken[i][0], len))
                CU_ASSERT(packet.nsp.len >= 1 && packet.data.len <= len);
    done();
}

static void test_socketio_parse__a_namespace_has_bounds_and_no_query(void)
{
    char text[300], longest[SOCKETIO_NAMESPACE_MAX + 1] = "/";

    CU_ASSERT(parse("0/admin?token=1&x=/,{}") && slice_is(packet.nsp, "/admin"));
    CU_ASSERT(slice_is(packet.data, "{}"));
    CU_ASSERT(parse("0/?a=b") && slice_is(packet.nsp, "/") && packet.data.len == 0);
    memset(longest + 1, 'n', SOCKETIO_NAMESPACE_MAX - 1);
    snprintf(text, sizeof(text), "2%s,[\"a\"]", longest);
    CU_ASSERT(parse(text) && slice_is(packet.nsp, longest));
    snprintf(text, sizeof(text), "2%s?q,[\"a\"]", longest);
    CU_ASSERT(parse(text) && slice_is(packet.nsp, longest));
    snprintf(text, sizeof(text), "2%sn,[\"a\"]", longest);
    CU_ASSERT(!parse(text));
    CU_ASSERT(!parse("0/a\x1e,") && !parse("0/a\n,") && !parse("0/\x7f,"));
    CU_ASSERT(!parse("0/\xc3,") && !parse("0/\xff"));
    done();
}

static void test_socketio_parse__values_are_bounded(void)
{
    static char text[2 * 65536 + 100];

    for (int beyond = 0; beyond < 2; beyond++) {
        size_t at = (size_t)sprintf(text, "2[\"x\"");
        for (int i = 0; i < 65536 - 2 + beyond; i++) /* beside the array and the name */
            at += (size_t)sprintf(text + at, ",1");
        strcpy(text + at, "]");
        CU_ASSERT(parse(text) == !beyond);
    }
    done();
}

static void test_socketio_parse__nesting_is_bounded(void)
{
    static char text[2 * 100000 + 100];

    for (size_t depth = 100; depth <= 100000; depth *= 10) {
        char *at = stpcpy(text, "2[\"a\",");
        memset(at, '[', depth);
        memset(at + depth, ']', depth);
        strcpy(at + 2 * depth, "]");
        CU_ASSERT(parse(text) == (depth <= 1000));
    }
    done();
}

/* CONNECT */

static struct socketio_auth auth;

static void read_auth(const char *data)
{
    static char scratch[SOCKETIO_AUTH_BYTES];

    socketio_auth(slice_of(data), scratch, &auth);
}

#define BYTES_64 "0123456789012345678901234567890123456789012345678901234567890123"

static void test_socketio_parse__a_client_says_where_it_comes_back_to(void)
{
    read_auth("{\"pid\":\"p\\u00e9\",\"x\":1,\"off\\u0073et\":\"e.1\"}");
    CU_ASSERT(slice_is(auth.pid, "p\xc3\xa9") && slice_is(auth.offset, "e.1"));
    read_auth("{\"pid\":\"" BYTES_64 "\",\"offset\":\"" BYTES_64 "\"}");
    CU_ASSERT(slice_is(auth.pid, BYTES_64) && slice_is(auth.offset, BYTES_64));
    read_auth("{\"pid\":\"" BYTES_64 "4\",\"offset\":\"o\"}");
    CU_ASSERT(auth.pid.len == 0 && slice_is(auth.offset, "o"));
    read_auth("{\"pid\":1,\"offset\":[\"o\"]}");
    CU_ASSERT(auth.pid.len == 0 && auth.offset.len == 0);
    read_auth("{\"pid\":\"\",\"offset\":null}");
    CU_ASSERT(auth.pid.len == 0 && auth.offset.len == 0);
    read_auth("{}");
    CU_ASSERT(auth.pid.len == 0 && auth.offset.len == 0);
    read_auth("");
    CU_ASSERT(auth.pid.len == 0 && auth.offset.len == 0);
}

static void test_socketio_parse__an_offset_comes_back_as_it_was_given(void)
{
    static const uint64_t numbers[] = {0, 1, 9, 10, 9007199254740991, UINT64_MAX - 1, UINT64_MAX};
    static const char *const foreign[] = {"",
                                          ".",
                                          "hello",
                                          ".1",
                                          "e.",
                                          "e.1x",
                                          "e.1.",
                                          "e.1.x",
                                          "e.1.2.3",
                                          "e.-1",
                                          "e. 1",
                                          "e.+1",
                                          "e.1 ",
                                          "abcdefghijklm.1",
                                          "e",
                                          "e.0x1",
                                          "e.1e3",
                                          "1",
                                          "e.1\n",
                                          "e.18446744073709551616",
                                          "e,1",
                                          "e.\xff",
                                          "e.99999999999999999999999999999999",
                                          "e.18446744073709551620"};
    char text[SOCKETIO_OFFSET_MAX];
    struct slice epoch;
    uint64_t seq, mark;

    for (size_t i = 0; i < array_len(numbers); i++) {
        size_t len = socketio_offset(text, slice_of("Ab-_56789012"), numbers[i]);
        CU_ASSERT(len <= sizeof(text) &&
                  socketio_offset_parse(slice_make(text, len), &epoch, &seq, &mark));
        CU_ASSERT(slice_is(epoch, "Ab-_56789012"));
        CU_ASSERT(seq == numbers[i] && mark == 0);
    }
    CU_ASSERT(socketio_offset_parse(slice_of("e.1.4294967295"), &epoch, &seq, &mark));
    CU_ASSERT(slice_is(epoch, "e") && seq == 1 && mark == 4294967295);
    for (size_t i = 0; i < array_len(foreign); i++)
        CU_ASSERT(!socketio_offset_parse(slice_of(foreign[i]), &epoch, &seq, &mark));
    CU_ASSERT(!socketio_offset_parse((struct slice){0}, &epoch, &seq, &mark));
}

/* Events */

static struct socketio_event event;
static struct native_fault fault;

static bool read_event(const char *text)
{
    socketio_event_deinit(&event);
    fault = (struct native_fault){0};
    CU_ASSERT_FATAL(parse(text));
    return socketio_event(&packet, &event, &fault);
}

/* Refused with bad_request, and words that name the field. */
static bool is_refused(const char *text, const char *field)
{
    return !read_event(text) && fault.code && strcmp(fault.code, "bad_request") == 0 &&
           strncmp(fault.message, field, strlen(field)) == 0;
}

static void events_done(void)
{
    socketio_event_deinit(&event);
    done();
}

static void test_socketio_parse__an_event_is_split_into_name_and_arguments(void)
{
    static const struct {
        const char *data, *name, *args;
    } all[] = {
        {"[\"a\"]", "\"a\"", ""},
        {"[1]", "1", ""},
        {"[\"a\",1]", "\"a\"", "1"},
        {"[\"a]\\\"\",[1,\"]\"],{\"b\":[]}]", "\"a]\\\"\"", "[1,\"]\"],{\"b\":[]}"},
        {"[ \"a\" ] ", "\"a\"", ""},
        {"[\"a\",\"]\"]\n", "\"a\"", "\"]\""},
        {" [ \"\" ,null]", "\"\"", "null"},
    };
    struct slice name, args;

    for (size_t i = 0; i < array_len(all); i++) {
        socketio_split(slice_of(all[i].data), &name, &args);
        CU_ASSERT(slice_is(name, all[i].name));
        CU_ASSERT(slice_is(args, all[i].args));
    }
}

static void test_socketio_parse__join_names_a_room(void)
{
    CU_ASSERT(read_event("2[\"join\",{\"room\":\"r\\u00e9\",\"name\":\"Ann\"}]"));
    CU_ASSERT(event.kind == SOCKETIO_JOIN && slice_is(event.room, "r\xc3\xa9"));
    CU_ASSERT(slice_is(event.name, "Ann"));
    CU_ASSERT(read_event("23[\"j\\u006fin\" , {\"x\":[1e999],\"room\":\"r\"} , \"more\"]"));
    CU_ASSERT(event.kind == SOCKETIO_JOIN && slice_is(event.room, "r") && event.name.len == 0);
    CU_ASSERT(read_event("2[\"join\",\"r\"]"));
    CU_ASSERT(event.kind == SOCKETIO_JOIN && slice_is(event.room, "r") && event.name.len == 0);
    CU_ASSERT(is_refused("2[\"join\"]", "room"));
    CU_ASSERT(is_refused("2[\"join\",5]", "room"));
    CU_ASSERT(is_refused("2[\"join\",null]", "room"));
    CU_ASSERT(is_refused("2[\"join\",[\"r\"]]", "room"));
    CU_ASSERT(is_refused("2[\"join\",\"\"]", "room"));
    CU_ASSERT(is_refused("2[\"join\",\"a\\nb\"]", "room"));
    CU_ASSERT(is_refused("2[\"join\",{}]", "room"));
    CU_ASSERT(is_refused("2[\"join\",{\"room\":1}]", "room"));
    CU_ASSERT(is_refused("2[\"join\",{\"room\":\"r\",\"name\":1}]", "name"));
    CU_ASSERT(is_refused("2[\"join\",{\"room\":\"r\",\"name\":\"\\u0007\"}]", "name"));
    CU_ASSERT(is_refused("51-[\"join\",{\"_placeholder\":true,\"num\":0}]", "room"));
    events_done();
}

static void test_socketio_parse__leave_names_a_room(void)
{
    CU_ASSERT(read_event("2[\"leave\",{\"room\":\"r\"}]"));
    CU_ASSERT(event.kind == SOCKETIO_LEAVE && slice_is(event.room, "r"));
    CU_ASSERT(read_event("2[\"leave\",\"r\"]"));
    CU_ASSERT(event.kind == SOCKETIO_LEAVE && slice_is(event.room, "r"));
    CU_ASSERT(is_refused("2[\"leave\"]", "room"));
    CU_ASSERT(is_refused("2[\"leave\",{\"name\":\"r\"}]", "room"));
    events_done();
}

static void test_socketio_parse__other_events_are_nobodys(void)
{
    static const char *const others[] = {
        "2[\"Join\",\"r\"]", "2[\"joi\"]",        "2[\"joined\"]",        "2[1,{}]",
        "2[\"\"]",           "2[\"mess\\nage\"]", "2[\"messag\\u00e9\"]", "2[\"message\\u0000\"]"};

    for (size_t i = 0; i < array_len(others); i++) {
        CU_ASSERT(read_event(others[i]));
        CU_ASSERT(event.kind == SOCKETIO_OTHER && event.room.len == 0 && !event.json);
    }
    events_done();
}

#define MESSAGE(more) "2[\"message\",{\"room\":\"r\"" more "}]"

static void test_socketio_parse__a_message_is_passed_on_as_it_was_written(void)
{
    static const char *const values[] = {"null",
                                         "true",
                                         "[]",
                                         "{}",
                                         "0",
                                         "-0.0",
                                         "123456789012345678901234567890",
                                         "1e999",
                                         "-1e-999",
                                         "[ 1 ,\n{ \"message\" : [ \"}\\\"]\" ] } ]",
                                         "{\"_placeholder\":true,\"num\":0}"};
    char text[300];

    for (size_t i = 0; i < array_len(values); i++) {
        snprintf(text, sizeof(text), MESSAGE(",\"m\\u0065ssage\" :\t%s ,\"name\":\"n\""),
                 values[i]);
        CU_ASSERT(read_event(text) && event.kind == SOCKETIO_MESSAGE);
        CU_ASSERT(slice_is(event.data_raw, values[i]) && event.text_raw.len == 0);
        CU_ASSERT(slice_is(event.room, "r") && slice_is(event.name, "n"));
    }
    CU_ASSERT(read_event(MESSAGE(",\"message\":\"\\ud83d\\ude00\\/\",\"cid\":\"c\"")));
    CU_ASSERT(slice_is(event.text_raw, "\"\\ud83d\\ude00\\/\"") && event.data_raw.len == 0);
    CU_ASSERT(slice_is(event.cid, "c") && event.name.len == 0);
    CU_ASSERT(read_event(MESSAGE(",\"message\":\"\"")) && slice_is(event.text_raw, "\"\""));
    events_done();
}

static void test_socketio_parse__a_message_of_the_wrong_shape_is_told_why(void)
{
    CU_ASSERT(is_refused("2[\"message\"]", "message"));
    CU_ASSERT(is_refused("2[\"message\",\"hello\"]", "message"));
    CU_ASSERT(is_refused("2[\"message\",[{\"room\":\"r\"}]]", "message"));
    CU_ASSERT(is_refused("2[\"message\",{\"message\":\"hello\"}]", "room"));
    CU_ASSERT(is_refused(MESSAGE(""), "message: is missing"));
    CU_ASSERT(is_refused(MESSAGE(",\"message\":1,\"name\":null"), "name"));
    CU_ASSERT(is_refused(MESSAGE(",\"message\":1,\"cid\":\"\""), "cid"));
    CU_ASSERT(is_refused(MESSAGE(",\"message\":1,\"cid\":\"" BYTES_64 "4\""), "cid"));
    events_done();
}

#define BINARY(message)                                                                            \
    "51-[\"message\",{\"room\":\"r\",\"message\":" message "},{\"_placeholder\":true}]"

static void test_socketio_parse__binary_values_are_refused_wherever_they_stand(void)
{
    CU_ASSERT(is_refused(BINARY("{\"_placeholder\":true,\"num\":0}"), "message: binary"));
    CU_ASSERT(
        is_refused(BINARY("[1,[{\"a\":{\"num\":0,\"_placeholder\":true}}]]"), "message: bin"));
    CU_ASSERT(is_refused(BINARY("{\"x\":1,\"y\":[{\"_placeholder\":true}]}"), "message: binary"));
    CU_ASSERT(read_event(BINARY("{\"_placeholder\":false}")));
    CU_ASSERT(read_event(BINARY("{\"_placeholder\":1}")) && event.data_raw.len);
    CU_ASSERT(read_event(BINARY("\"{\\\"_placeholder\\\":true}\"")) && event.text_raw.len);
    events_done();
}

/* Failing allocations */

static void test_socketio_parse__any_failed_allocation_is_a_refusal_and_no_leak(void)
{
    static const char text[] = MESSAGE(",\"message\":[1e999,{\"a\":\"b\"}],\"name\":\"n\"");
    char scratch[SOCKETIO_AUTH_BYTES];

    native_init();
    for (long n = 0; n < 100; n++) {
        mem_fail_after(n);
        bool ok = parse(text);
        mem_fail_after(-1);
        CU_ASSERT_FATAL(n < 99 || ok);
        CU_ASSERT_FATAL(parse(text));
        mem_fail_after(n);
        ok = socketio_event(&packet, &event, &fault);
        mem_fail_after(-1);
        CU_ASSERT(ok ? event.data_raw.len == 17 : strcmp(fault.code, "unavailable") == 0);
        socketio_event_deinit(&event);
        mem_fail_after(n);
        socketio_auth(slice_of("{\"pid\":\"p\",\"offset\":\"o\"}"), scratch, &auth);
        mem_fail_after(-1);
        CU_ASSERT(auth.pid.len == auth.offset.len && auth.pid.len <= 1);
    }
    json_set_alloc_funcs(malloc, free);
    done();
}

UNIT_MAIN("proto/socketio_parse",
          UNIT_TEST(test_socketio_parse__packets_are_taken_as_by_the_reference_parser),
          UNIT_TEST(test_socketio_parse__what_the_reference_parser_throws_at_is_refused),
          UNIT_TEST(test_socketio_parse__what_no_client_writes_is_refused_too),
          UNIT_TEST(test_socketio_parse__a_refused_packet_leaves_the_result_alone),
          UNIT_TEST(test_socketio_parse__any_cut_of_a_packet_is_read_within_its_bounds),
          UNIT_TEST(test_socketio_parse__a_namespace_has_bounds_and_no_query),
          UNIT_TEST(test_socketio_parse__values_are_bounded),
          UNIT_TEST(test_socketio_parse__nesting_is_bounded),
          UNIT_TEST(test_socketio_parse__a_client_says_where_it_comes_back_to),
          UNIT_TEST(test_socketio_parse__an_offset_comes_back_as_it_was_given),
          UNIT_TEST(test_socketio_parse__an_event_is_split_into_name_and_arguments),
          UNIT_TEST(test_socketio_parse__join_names_a_room),
          UNIT_TEST(test_socketio_parse__leave_names_a_room),
          UNIT_TEST(test_socketio_parse__other_events_are_nobodys),
          UNIT_TEST(test_socketio_parse__a_message_is_passed_on_as_it_was_written),
          UNIT_TEST(test_socketio_parse__a_message_of_the_wrong_shape_is_told_why),
          UNIT_TEST(test_socketio_parse__binary_values_are_refused_wherever_they_stand),
          UNIT_TEST(test_socketio_parse__any_failed_allocation_is_a_refusal_and_no_leak))
