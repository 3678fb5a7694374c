/* A conversation, its server played by hand: what is asked, shown, said again. */
#include "ringroom/terminal/talk.h"
#include "unit.h"
#include <errno.h>

static const struct talk_wish wish = {.room = "r", .name = "ann", .history = UINT64_MAX};

/* Takes an event; whether it is to be shown. */
static bool hear(struct talk *talk, const char *json)
{
    struct event event;

    CU_ASSERT_FATAL(event_parse(slice_of(json), &event));
    bool show = talk_receive(talk, &event, 1000);
    event_deinit(&event);
    return show;
}

/* What is asked since the last time, in `text`; a number behind "id": becomes #. */
static const char *asked(struct talk *talk)
{
    static char text[65536];
    size_t len = 0;

    for (size_t i = 0; i < talk->out.len && len < sizeof(text) - 1; i++) {
        text[len++] = (char)talk->out.data[i];
        if (len >= 5 && memcmp(text + len - 5, "\"id\":", 5) == 0) {
            text[len++] = '#';
            while (i + 1 < talk->out.len && talk->out.data[i + 1] <= '9' &&
                   talk->out.data[i + 1] >= '0')
                i++;
        }
    }
    text[len] = '\0';
    talk->out.len = 0;
    return text;
}

static void answer(struct talk *talk, uint64_t re, const char *front, const char *fields)
{
    char json[1024];

    snprintf(json, sizeof(json), "{\"ev\":\"%s\",\"re\":%llu,\"room\":\"r\",%s}", front,
             (unsigned long long)re, fields);
    hear(talk, json);
}

static void greet(struct talk *talk)
{
    hear(talk, "{\"ev\":\"hello\",\"sid\":\"SID\",\"uid\":\"u1\",\"max_message\":200}");
}

static void let_in(struct talk *talk, const char *fields)
{
    greet(talk);
    asked(talk);
    answer(talk, talk->joining_id, "joined", fields);
}

static bool message(struct talk *talk, unsigned seq, const char *uid, const char *cid)
{
    char json[512];

    snprintf(json, sizeof(json),
             "{\"ev\":\"message\",\"room\":\"r\",\"seq\":%u,\"uid\":\"%s\",\"text\":\"t\",\"cid\":"
             "\"%s\"}",
             seq, uid, cid);
    return hear(talk, json);
}

static void test_talk__joins_and_comes_back_to_where_it_was(void)
{
    struct talk talk;

    talk_init(&talk, &wish);
    greet(&talk);
    CU_ASSERT_STRING_EQUAL(asked(&talk),
                           "{\"op\":\"join\",\"id\":#,\"room\":\"r\",\"name\":\"ann\"}\n");
    answer(&talk, talk.joining_id, "joined", "\"epoch\":\"E\",\"first\":3,\"seq\":4");
    CU_ASSERT(!talk_settled(&talk));
    CU_ASSERT(message(&talk, 3, "u2", ""));
    CU_ASSERT(message(&talk, 4, "u2", ""));
    CU_ASSERT(talk_settled(&talk));
    CU_ASSERT(!message(&talk, 4, "u2", "")); /* twice */
    talk_lost(&talk);
    CU_ASSERT(!talk_settled(&talk));
    greet(&talk);
    CU_ASSERT_STRING_EQUAL(asked(&talk),
                           "{\"op\":\"join\",\"id\":#,\"room\":\"r\",\"name\":\"ann\","
                           "\"since\":{\"epoch\":\"E\",\"seq\":4}}\n");
    answer(&talk, talk.joining_id, "joined", "\"epoch\":\"E\",\"first\":8,\"seq\":8");
    CU_ASSERT(talk.again && !talk.anew);
    CU_ASSERT(hear(&talk, "{\"ev\":\"gap\",\"room\":\"r\",\"from\":5,\"to\":6}"));
    CU_ASSERT(!hear(&talk, "{\"ev\":\"gap\",\"room\":\"r\",\"from\":5,\"to\":6}"));
    CU_ASSERT(hear(&talk, "{\"ev\":\"deleted\",\"room\":\"r\",\"seq\":7}")); /* in its place */
    CU_ASSERT(message(&talk, 8, "u2", ""));
    CU_ASSERT(talk_settled(&talk));
    CU_ASSERT_STRING_EQUAL(talk.sid, "SID");
    talk_deinit(&talk);
}

static void test_talk__a_room_begun_anew_is_read_from_its_beginning(void)
{
    struct talk talk;

    talk_init(&talk, &wish);
    let_in(&talk, "\"epoch\":\"E\",\"first\":1,\"seq\":9");
    message(&talk, 9, "u2", "");
    talk_lost(&talk);
    let_in(&talk, "\"epoch\":\"F\",\"first\":1,\"seq\":1");
    CU_ASSERT(talk.anew);
    CU_ASSERT(message(&talk, 1, "u2", ""));
    talk_deinit(&talk);
}

static void test_talk__an_unknown_position_is_given_up(void)
{
    struct talk talk;

    talk_init(&talk, &wish);
    let_in(&talk, "\"epoch\":\"E\",\"first\":1,\"seq\":0");
    talk_lost(&talk);
    greet(&talk);
    asked(&talk);
    answer(&talk, talk.joining_id, "error", "\"code\":\"bad_request\",\"message\":\"since\"");
    CU_ASSERT(strstr(asked(&talk), "since") == NULL && talk.joining_id && !talk.over);
    talk_deinit(&talk);
}

static void test_talk__says_one_at_a_time_in_order(void)
{
    struct talk talk;

    talk_init(&talk, &wish);
    CU_ASSERT_EQUAL(talk_say(&talk, slice_of("one")), 0);
    CU_ASSERT_EQUAL(talk_say(&talk, slice_of("two")), 0);
    CU_ASSERT_EQUAL(talk.out.len, 0); /* not in the room yet */
    let_in(&talk, "\"epoch\":\"E\",\"first\":1,\"seq\":0");
    const char *text = asked(&talk);
    CU_ASSERT(strstr(text, "\"one\"") && !strstr(text, "\"two\""));
    answer(&talk, talk.saying_id, "ack", "\"seq\":1");
    CU_ASSERT(strstr(asked(&talk), "\"two\"") != NULL);
    answer(&talk, talk.saying_id, "ack", "\"seq\":2");
    CU_ASSERT_EQUAL(talk.waiting_count, 0);
    CU_ASSERT(!talk_settled(&talk)); /* they have not been shown */
    message(&talk, 1, "u1", "");
    message(&talk, 2, "u1", "");
    CU_ASSERT(talk_settled(&talk));
    talk_deinit(&talk);
}

static void test_talk__what_was_not_acknowledged_is_said_again_under_its_cid(void)
{
    struct talk talk;
    char first[512];

    talk_init(&talk, &wish);
    let_in(&talk, "\"epoch\":\"E\",\"first\":1,\"seq\":0");
    talk_say(&talk, slice_of("one"));
    snprintf(first, sizeof(first), "%s", asked(&talk));
    talk_lost(&talk);
    let_in(&talk, "\"epoch\":\"E\",\"first\":1,\"seq\":0");
    CU_ASSERT_STRING_EQUAL(asked(&talk), first);
    talk_deinit(&talk);
}

static void test_talk__what_is_found_in_the_replay_is_not_said_again(void)
{
    struct talk talk;
    char cid[64];

    talk_init(&talk, &wish);
    let_in(&talk, "\"epoch\":\"E\",\"first\":1,\"seq\":0");
    talk_say(&talk, slice_of("one"));
    const char *at = strstr(asked(&talk), "\"cid\":\"") + 7;
    snprintf(cid, sizeof(cid), "%.*s", (int)strcspn(at, "\""), at);
    CU_ASSERT(message(&talk, 1, "u2", cid)); /* someone else's, under the same cid */
    CU_ASSERT_EQUAL(talk.waiting_count, 1);
    CU_ASSERT(message(&talk, 2, "u1", cid));
    CU_ASSERT_EQUAL(talk.waiting_count, 0);
    answer(&talk, talk.last_id, "ack", "\"seq\":2"); /* comes behind it */
    CU_ASSERT(talk_settled(&talk));
    talk_deinit(&talk);
}

static void test_talk__too_fast_is_said_later(void)
{
    struct talk talk;

    talk_init(&talk, &wish);
    let_in(&talk, "\"epoch\":\"E\",\"first\":1,\"seq\":0");
    talk_say(&talk, slice_of("one"));
    asked(&talk);
    answer(&talk, talk.saying_id, "error",
           "\"code\":\"rate_limited\",\"message\":\"m\",\"retry_ms\":50");
    CU_ASSERT_EQUAL(talk_due_ms(&talk), 1050);
    talk_say(&talk, slice_of("two")); /* does not overtake it */
    talk_turn(&talk, 1049);
    CU_ASSERT_EQUAL(talk.out.len, 0);
    talk_turn(&talk, 1050);
    CU_ASSERT(strstr(asked(&talk), "\"one\"") != NULL);
    CU_ASSERT_EQUAL(talk_due_ms(&talk), UINT64_MAX);
    CU_ASSERT_EQUAL(talk.refused, 0);
    talk_deinit(&talk);
}

static void test_talk__what_cannot_be_said_is_told(void)
{
    struct talk talk;
    char long_text[300];

    talk_init(&talk, &wish);
    let_in(&talk, "\"epoch\":\"E\",\"first\":1,\"seq\":0");
    talk_say(&talk, slice_of("one"));
    asked(&talk);
    answer(&talk, talk.saying_id, "error", "\"code\":\"muted\",\"message\":\"m\",\"retry_ms\":50");
    CU_ASSERT_STRING_EQUAL(talk.trouble, "muted: m");
    CU_ASSERT_EQUAL(talk.refused, 1);
    memset(long_text, 'x', sizeof(long_text));
    talk_say(&talk, slice_make(long_text, sizeof(long_text)));
    CU_ASSERT(strncmp(talk.trouble, "too_large: ", 11) == 0);
    CU_ASSERT_EQUAL(talk.refused, 2);
    CU_ASSERT_EQUAL(talk.out.len, 0);
    CU_ASSERT_EQUAL(talk_say(&talk, slice_of("\xff")), -EILSEQ);
    CU_ASSERT(!talk.over);
    talk_deinit(&talk);
}

static void test_talk__a_full_server_is_asked_a_few_times(void)
{
    struct talk talk;
    unsigned tries = 0;

    talk_init(&talk, &wish);
    let_in(&talk, "\"epoch\":\"E\",\"first\":1,\"seq\":0");
    talk_say(&talk, slice_of("one"));
    for (; !talk.refused && tries < 100; tries++) {
        answer(&talk, talk.saying_id, "error", "\"code\":\"unavailable\",\"message\":\"m\"");
        talk_turn(&talk, 10000);
    }
    CU_ASSERT_EQUAL(tries, TALK_TRIES_MAX);
    talk_deinit(&talk);
}

static void test_talk__so_many_wait_and_no_more(void)
{
    struct talk talk;

    talk_init(&talk, &wish);
    for (int i = 0; i < TALK_WAITING_MAX; i++)
        CU_ASSERT_EQUAL(talk_say(&talk, slice_of("x")), 0);
    CU_ASSERT_EQUAL(talk_say(&talk, slice_of("x")), -ENOBUFS);
    talk_deinit(&talk);
}

static void test_talk__a_closed_door_is_the_end(void)
{
    static const char *const ends[] = {
        "{\"ev\":\"closed\",\"room\":\"r\",\"reason\":\"kicked\"}",
        "{\"ev\":\"closed\",\"room\":\"r\",\"reason\":\"closed\"}",
    };
    struct talk talk;

    for (size_t i = 0; i < 2; i++) {
        talk_init(&talk, &wish);
        let_in(&talk, "\"epoch\":\"E\",\"first\":1,\"seq\":0");
        hear(&talk, "{\"ev\":\"closed\",\"room\":\"another\",\"reason\":\"kicked\"}");
        CU_ASSERT(!talk.over);
        hear(&talk, ends[i]);
        CU_ASSERT(talk.over && talk.trouble[0]);
        talk_deinit(&talk);
    }
    talk_init(&talk, &wish);
    greet(&talk);
    answer(&talk, talk.joining_id, "error", "\"code\":\"unauthorized\",\"message\":\"m\"");
    CU_ASSERT(talk.over && strstr(talk.trouble, "--token") != NULL);
    talk_deinit(&talk);
}

static void test_talk__typing_is_told_now_and_then(void)
{
    struct talk talk;

    talk_init(&talk, &wish);
    talk_typing(&talk, true, 1000);
    CU_ASSERT_EQUAL(talk.out.len, 0);
    let_in(&talk, "\"epoch\":\"E\",\"first\":1,\"seq\":0");
    talk_typing(&talk, true, 1000);
    CU_ASSERT(strstr(asked(&talk), "\"on\":true") != NULL);
    talk_typing(&talk, true, 2000);
    CU_ASSERT_EQUAL(talk.out.len, 0);
    talk_typing(&talk, true, 5000);
    CU_ASSERT(strstr(asked(&talk), "\"on\":true") != NULL);
    talk_typing(&talk, false, 5001);
    CU_ASSERT(strstr(asked(&talk), "\"on\":false") != NULL);
    talk_typing(&talk, false, 5002);
    CU_ASSERT_EQUAL(talk.out.len, 0);
    talk_deinit(&talk);
}

UNIT_MAIN("terminal/talk", UNIT_TEST(test_talk__joins_and_comes_back_to_where_it_was),
          UNIT_TEST(test_talk__a_room_begun_anew_is_read_from_its_beginning),
          UNIT_TEST(test_talk__an_unknown_position_is_given_up),
          UNIT_TEST(test_talk__says_one_at_a_time_in_order),
          UNIT_TEST(test_talk__what_was_not_acknowledged_is_said_again_under_its_cid),
          UNIT_TEST(test_talk__what_is_found_in_the_replay_is_not_said_again),
          UNIT_TEST(test_talk__too_fast_is_said_later),
          UNIT_TEST(test_talk__what_cannot_be_said_is_told),
          UNIT_TEST(test_talk__a_full_server_is_asked_a_few_times),
          UNIT_TEST(test_talk__so_many_wait_and_no_more),
          UNIT_TEST(test_talk__a_closed_door_is_the_end),
          UNIT_TEST(test_talk__typing_is_told_now_and_then))
