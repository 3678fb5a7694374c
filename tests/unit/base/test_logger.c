/* Lines are read back from a pipe that stands in for standard error. */
#include "ringroom/base/logger.h"

#include "ringroom/base/utf8.h"
#include "unit.h"
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

struct capture {
    int pipe_read;
    int saved_stderr;
    char text[65536];
    size_t len;
};

static void capture_begin(struct capture *capture)
{
    int ends[2];

    CU_ASSERT_FATAL(pipe(ends) == 0);
    capture->pipe_read = ends[0];
    capture->saved_stderr = dup(STDERR_FILENO);
    CU_ASSERT_FATAL(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
}

/* Puts standard error back; `text` then holds all that was written. */
static void capture_end(struct capture *capture)
{
    ssize_t n;

    dup2(capture->saved_stderr, STDERR_FILENO); /* closes the pipe's writing end */
    close(capture->saved_stderr);
    capture->len = 0;
    while ((n = read(capture->pipe_read, capture->text + capture->len,
                     sizeof(capture->text) - 1 - capture->len)) > 0)
        capture->len += (size_t)n;
    capture->text[capture->len] = '\0';
    close(capture->pipe_read);
}

static struct capture captured;

/* What one call writes. */
#define LINE_OF(...)                                                                               \
    (capture_begin(&captured), logger_write(__VA_ARGS__), capture_end(&captured), captured.text)

/* `shape` with d for a digit, all else standing for itself. */
static bool has_shape(const char *text, const char *shape)
{
    for (; *shape; text++, shape++) {
        if (*shape == 'd' ? !isdigit((unsigned char)*text) : *text != *shape)
            return false;
    }
    return true;
}

static void start(enum logger_level level, bool json)
{
    unsetenv("JOURNAL_STREAM");
    logger_init(level, json);
}

static void test_logger__a_text_line_has_time_level_and_message(void)
{
    start(LOGGER_INFO, false);
    const char *line = LINE_OF(LOGGER_INFO, "listening on port %d", 8443);
    CU_ASSERT(has_shape(line, "dddd-dd-ddTdd:dd:dd.dddZ "));
    CU_ASSERT_STRING_EQUAL(line + 25, "info listening on port 8443\n");
    line = LINE_OF(LOGGER_ERROR, "no");
    CU_ASSERT_STRING_EQUAL(line + 25, "error no\n");
    line = LINE_OF(LOGGER_WARN, "no");
    CU_ASSERT_STRING_EQUAL(line + 25, "warn no\n");
}

static void test_logger__the_time_stamp_is_now_in_utc(void)
{
    char before[32], after[32];
    time_t now = time(NULL);

    start(LOGGER_INFO, false);
    strftime(before, sizeof(before), "%Y-%m-%dT%H:%M:%S", gmtime(&now));
    const char *line = LINE_OF(LOGGER_INFO, "tick");
    now = time(NULL) + 1; /* time() may lag behind the clock by a tick */
    strftime(after, sizeof(after), "%Y-%m-%dT%H:%M:%S", gmtime(&now));
    CU_ASSERT(strncmp(line, before, 19) >= 0 && strncmp(line, after, 19) <= 0);
}

static void test_logger__a_json_line_is_one_object(void)
{
    start(LOGGER_DEBUG, true);
    const char *line = LINE_OF(LOGGER_DEBUG, "%s", "hello");
    CU_ASSERT(has_shape(line, "{\"ts\":\"dddd-dd-ddTdd:dd:dd.dddZ\","));
    CU_ASSERT_STRING_EQUAL(line + 33, "\"level\":\"debug\",\"message\":\"hello\"}\n");
}

static const char *json_message(const char *text)
{
    char *line = LINE_OF(LOGGER_INFO, "%s", text);
    char *message = strstr(line, "\"message\":\"");

    CU_ASSERT_FATAL(message != NULL);
    message += strlen("\"message\":\"");
    char *end = strstr(message, "\"}\n");
    CU_ASSERT_FATAL(end != NULL && end[3] == '\0');
    *end = '\0';
    return message;
}

static void test_logger__json_escapes_what_it_must(void)
{
    start(LOGGER_INFO, true);
    CU_ASSERT_STRING_EQUAL(json_message("say \"a\\b\""), "say \\\"a\\\\b\\\"");
    CU_ASSERT_STRING_EQUAL(json_message("a\nb\tc\x01\x7f"), "a\\u000ab\\u0009c\\u0001\\u007f");
    CU_ASSERT_STRING_EQUAL(json_message("caf\xc3\xa9 \xf0\x9f\x98\x80"),
                           "caf\xc3\xa9 \xf0\x9f\x98\x80");
    CU_ASSERT_STRING_EQUAL(json_message("bad \xff\xc3(\xed\xa0\x80"),
                           "bad \\ufffd\\ufffd(\\ufffd\\ufffd\\ufffd");
    CU_ASSERT_STRING_EQUAL(json_message("cut \xe2\x82"), "cut \\ufffd\\ufffd");
}

static void test_logger__an_event_stays_one_line_of_text(void)
{
    start(LOGGER_INFO, false);
    const char *line = LINE_OF(LOGGER_INFO, "a\nb\r\x1b[31mc\x7f");
    CU_ASSERT_STRING_EQUAL(line + 25, "info a b  [31mc \n");
}

static void test_logger__levels_below_the_chosen_one_are_silent(void)
{
    for (enum logger_level chosen = LOGGER_ERROR; chosen <= LOGGER_DEBUG; chosen++) {
        start(chosen, false);
        for (enum logger_level level = LOGGER_ERROR; level <= LOGGER_DEBUG; level++) {
            CU_ASSERT_EQUAL(logger_enabled(level), level <= chosen);
            CU_ASSERT_EQUAL(LINE_OF(level, "x")[0] != '\0', level <= chosen);
        }
    }
}

static void test_logger__the_journal_gets_a_priority_and_no_time(void)
{
    setenv("JOURNAL_STREAM", "8:1234", 1);
    logger_init(LOGGER_DEBUG, false);
    CU_ASSERT_STRING_EQUAL(LINE_OF(LOGGER_ERROR, "x"), "<3>error x\n");
    CU_ASSERT_STRING_EQUAL(LINE_OF(LOGGER_WARN, "x"), "<4>warn x\n");
    CU_ASSERT_STRING_EQUAL(LINE_OF(LOGGER_INFO, "x"), "<6>info x\n");
    CU_ASSERT_STRING_EQUAL(LINE_OF(LOGGER_DEBUG, "x"), "<7>debug x\n");
    logger_init(LOGGER_INFO, true);
    CU_ASSERT_EQUAL(LINE_OF(LOGGER_INFO, "x")[0], '{');
    start(LOGGER_INFO, false);
    CU_ASSERT(isdigit((unsigned char)LINE_OF(LOGGER_INFO, "x")[0]));
}

/* Messages around the bound, ending in characters of every length, shifted by every offset. */
static void test_logger__a_long_message_is_cut_between_characters(void)
{
    static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    char text[2000];

    start(LOGGER_INFO, false);
    for (size_t i = 0; i < 16; i++) {
        const char *character = characters[i / 4];
        memset(text, '.', i % 4);
        for (size_t at = i % 4; at + 5 < sizeof(text); at += strlen(character))
            memcpy(text + at, character, strlen(character) + 1);
        const char *line = LINE_OF(LOGGER_INFO, "%s", text);
        size_t kept = captured.len - strlen("2026-11-24T07:49:28.123Z info \n");
        CU_ASSERT(kept > 639 - 4 && kept <= 639);
        CU_ASSERT(utf8_valid(slice_make(line, captured.len)));
        CU_ASSERT_EQUAL(line[captured.len - 1], '\n');
    }
}

static void test_logger__the_longest_json_line_goes_out_whole(void)
{
    char text[2000];

    start(LOGGER_INFO, true);
    memset(text, 1, sizeof(text));
    text[sizeof(text) - 1] = '\0';
    const char *message = json_message(text);
    CU_ASSERT_EQUAL(strlen(message), 639 * 6);
}

static void test_logger__errno_is_left_as_it_was(void)
{
    start(LOGGER_INFO, false);
    errno = ENOENT;
    const char *line = LINE_OF(LOGGER_INFO, "%m");
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "No such file"));
    int saved = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    errno = ENOENT;
    logger_write(LOGGER_INFO, "nowhere to go");
    int seen = errno;
    dup2(saved, STDERR_FILENO);
    close(saved);
    CU_ASSERT_EQUAL(seen, ENOENT);
}

enum { WRITERS = 4, LINES = 60 };

static void *write_lines(void *arg)
{
    const char *letter = arg;
    char text[121];

    memset(text, *letter, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < LINES; i++)
        logger_write(LOGGER_INFO, "%s", text);
    return NULL;
}

static void test_logger__lines_of_several_threads_do_not_mix(void)
{
    static char letters[WRITERS] = {'a', 'b', 'c', 'd'};
    pthread_t threads[WRITERS];
    int lines = 0;

    start(LOGGER_INFO, false);
    capture_begin(&captured); /* all lines together fit into the pipe */
    for (int i = 0; i < WRITERS; i++)
        CU_ASSERT_FATAL(pthread_create(&threads[i], NULL, write_lines, &letters[i]) == 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    capture_end(&captured);
    for (char *at = captured.text, *end; (end = strchr(at, '\n')); at = end + 1, lines++) {
        CU_ASSERT_FATAL(end - at == 30 + 120);
        for (char *c = at + 30; c < end; c++)
            CU_ASSERT_FATAL(*c == at[30]);
    }
    CU_ASSERT_EQUAL(lines, WRITERS * LINES);
}

UNIT_MAIN("logger", UNIT_TEST(test_logger__a_text_line_has_time_level_and_message),
          UNIT_TEST(test_logger__the_time_stamp_is_now_in_utc),
          UNIT_TEST(test_logger__a_json_line_is_one_object),
          UNIT_TEST(test_logger__json_escapes_what_it_must),
          UNIT_TEST(test_logger__an_event_stays_one_line_of_text),
          UNIT_TEST(test_logger__levels_below_the_chosen_one_are_silent),
          UNIT_TEST(test_logger__the_journal_gets_a_priority_and_no_time),
          UNIT_TEST(test_logger__a_long_message_is_cut_between_characters),
          UNIT_TEST(test_logger__the_longest_json_line_goes_out_whole),
          UNIT_TEST(test_logger__errno_is_left_as_it_was),
          UNIT_TEST(test_logger__lines_of_several_threads_do_not_mix))
