/* The command line, run through its one function with captured output. */
#include "ringroom/server/cli.h"
#include "ringroom/base/clock.h"
#include "ringroom/server/auth_keys.h"
#include "load.h"
#include <unistd.h>

struct run {
    struct config config; /* where `serve` */
    struct cli_source source;
    bool serve;
    int status;
    char *out, *err;
};

static void run_with(struct run *run, const char *const *environment, const char *const *words)
{
    struct config_machine machine = {.cpus = 2, .files = 10000};
    size_t out_bytes, err_bytes;
    int argc = 0;

    *run = (struct run){.status = -1};
    while (words[argc])
        argc++;
    FILE *out = open_memstream(&run->out, &out_bytes);
    FILE *err = open_memstream(&run->err, &err_bytes);
    run->serve = cli_run(argc, words, environment, &machine, out, err, &run->config, &run->source,
                         &run->status);
    fclose(out);
    fclose(err);
}

static void run_end(struct run *run)
{
    if (run->serve) {
        config_deinit(&run->config);
        mem_free(run->source.sets);
    }
    free(run->out);
    free(run->err);
}

#define WORDS(...)    TEXTS("ringroom", __VA_ARGS__)
#define PLAIN_OPTIONS "--set", "listen=[]", "--set", "listen_plain=127.0.0.1:0"

/* Exit status 2, nothing on standard output, and one line of error that holds each of the texts. */
static bool is_wrong(const char *const *words, const char *const *texts)
{
    struct run run;

    run_with(&run, NULL, words);
    bool right = !run.serve && run.status == CLI_WRONG && run.out[0] == '\0' &&
                 strncmp(run.err, "ringroom: ", 10) == 0 &&
                 strchr(run.err, '\n') == run.err + strlen(run.err) - 1;
    for (; *texts && right; texts++)
        right = strstr(run.err, *texts) != NULL;
    if (!right)
        printf("\n    %d: %s\n", run.status, run.err);
    run_end(&run);
    return right;
}

static void test_cli__serve_hands_over_the_resolved_configuration(void)
{
    struct run run;

    run_with(&run, NULL, WORDS("serve", PLAIN_OPTIONS, "--set=limits.connections=7"));
    CU_ASSERT_FATAL(run.serve);
    CU_ASSERT_EQUAL(run.config.shards, 2);
    CU_ASSERT_EQUAL(run.config.settings.connections_max, 4);
    CU_ASSERT_STRING_EQUAL(run.out, "");
    CU_ASSERT_STRING_EQUAL(run.err, "");
    run_end(&run);
}

static void test_cli__the_environment_counts(void)
{
    struct run run;

    run_with(&run, TEXTS("RINGROOM_DRAIN=3", "RINGROOM_LISTEN=[]"),
             WORDS("serve", "--set", "listen_plain=127.0.0.1:0"));
    CU_ASSERT_FATAL(run.serve);
    CU_ASSERT_EQUAL(run.config.settings.drain_s, 3);
    run_end(&run);
}

static void test_cli__check_prints_what_would_be_in_force(void)
{
    struct config config;
    struct run run;

    run_with(&run, NULL, WORDS("check", PLAIN_OPTIONS, "--set", "drain=3"));
    CU_ASSERT(!run.serve);
    CU_ASSERT_EQUAL(run.status, CLI_OK);
    CU_ASSERT_STRING_EQUAL(run.err, "");
    CU_ASSERT(loaded(&config, run.out, NULL, NULL));
    CU_ASSERT_EQUAL(config.settings.drain_s, 3);
    CU_ASSERT_EQUAL(config.shards, 2);
    config_deinit(&config);
    run_end(&run);
}

static void test_cli__check_refuses_a_certificate_that_cannot_be_used(void)
{
    CU_ASSERT(is_wrong(WORDS("check", "--set", "tls.cert=/nonexistent/c.pem", "--set",
                             "tls.key=/nonexistent/k.pem"),
                       TEXTS("tls.cert", "/nonexistent/c.pem", "tls.key")));
}

static void test_cli__check_leaves_a_certificate_alone_that_nothing_uses(void)
{
    struct run run;

    run_with(&run, NULL,
             WORDS("check", PLAIN_OPTIONS, "--set", "tls.cert=/nonexistent/c.pem", "--set",
                   "tls.key=/nonexistent/k.pem"));
    CU_ASSERT_EQUAL(run.status, CLI_OK);
    CU_ASSERT_STRING_EQUAL(run.err, "");
    run_end(&run);
}

static void test_cli__a_configuration_file_is_read(void)
{
    char name[] = "/tmp/ringroom-test-XXXXXX", option[64];
    int fd = mkstemp(name);
    const char *file = "{" PLAIN_FILE ", \"drain\": 4}";
    struct run run;

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT(write(fd, file, strlen(file)) > 0);
    close(fd);
    run_with(&run, NULL, WORDS("serve", "--config", name));
    CU_ASSERT_FATAL(run.serve);
    CU_ASSERT_EQUAL(run.config.settings.drain_s, 4);
    run_end(&run);

    snprintf(option, sizeof(option), "--config=%s", name);
    run_with(&run, NULL, WORDS(option, "--set", "drain=5", "serve"));
    CU_ASSERT_FATAL(run.serve);
    CU_ASSERT_EQUAL(run.config.settings.drain_s, 5);
    run_end(&run);

    unlink(name);
    CU_ASSERT(is_wrong(WORDS("check", "--config", name), TEXTS(name, "No such file")));
}

static void test_cli__a_wrong_configuration_is_exit_status_two_and_one_line(void)
{
    CU_ASSERT(is_wrong(WORDS("serve", PLAIN_OPTIONS, "--set", "limits.max_message=1"),
                       TEXTS("limits.max_message: 1 (from --set)", "from 256 to 16777216")));
    CU_ASSERT(is_wrong(WORDS("check", "--set", "lisen=1"), TEXTS("the nearest is listen\n")));
    CU_ASSERT(is_wrong(WORDS("serve", PLAIN_OPTIONS, "--set", "limits.connections=99999"),
                       TEXTS("limits.connections: 99999", "RLIMIT_NOFILE")));
    CU_ASSERT(is_wrong(WORDS("serve"), TEXTS("tls.cert", "tls.key")));
}

static void test_cli__a_wrong_option_is_refused_with_the_nearest(void)
{
    CU_ASSERT(is_wrong(WORDS("serve", "--confg", "x"), TEXTS("--confg: ", "nearest is --config")));
    CU_ASSERT(is_wrong(WORDS("serve", "--sett=x=1"), TEXTS("--sett=x=1: ", "nearest is --set")));
    CU_ASSERT(is_wrong(WORDS("--versoin"), TEXTS("nearest is --version")));
    CU_ASSERT(
        is_wrong(WORDS("check", "-x"), TEXTS("-x: no such option (allowed are --config FILE")));
    CU_ASSERT(is_wrong(WORDS("check", "--configs"), TEXTS("nearest is --config")));
}

static void test_cli__an_option_without_its_value_is_refused(void)
{
    CU_ASSERT(is_wrong(WORDS("serve", "--config"), TEXTS("--config: must be followed by a file")));
    CU_ASSERT(is_wrong(WORDS("serve", "--config="), TEXTS("--config: must be followed by a file")));
    CU_ASSERT(is_wrong(WORDS("serve", "--set"), TEXTS("--set: must be followed by KEY=VALUE")));
    CU_ASSERT(is_wrong(WORDS("serve", "--set", "drain"), TEXTS("--set drain: must be KEY=VALUE")));
    CU_ASSERT(is_wrong(WORDS("serve", "--config", "a", "--config", "b"),
                       TEXTS("--config b: may be given once only; a")));
}

static void test_cli__a_wrong_command_is_refused_with_the_nearest(void)
{
    CU_ASSERT(is_wrong(WORDS("sever"), TEXTS("sever: no such command; the nearest is serve")));
    CU_ASSERT(is_wrong(WORDS("halp"), TEXTS("halp: no such command; the nearest is help")));
    CU_ASSERT(is_wrong(WORDS("start"), TEXTS("start: no such command (allowed are serve, ch")));
    CU_ASSERT(is_wrong(WORDS("serve", "help"), TEXTS("help: not expected after `serve`")));
    CU_ASSERT(is_wrong(WORDS("serve", "check"), TEXTS("check: not expected after `serve`")));
    CU_ASSERT(
        is_wrong(TEXTS("ringroom"), TEXTS("a command is needed: serve, check, doctor, token or chat")));
    CU_ASSERT(is_wrong((const char *const[]){NULL}, TEXTS("a command is needed")));
}

static void test_cli__help_names_the_commands_and_every_key(void)
{
    static const char *const commands[] = {NULL, "serve", "check"};

    for (size_t i = 0; i < array_len(commands); i++) {
        struct run run;

        run_with(&run, NULL, WORDS("--help", commands[i]));
        CU_ASSERT(!run.serve);
        CU_ASSERT_EQUAL(run.status, CLI_OK);
        CU_ASSERT_STRING_EQUAL(run.err, "");
        CU_ASSERT_PTR_NOT_NULL(strstr(run.out, "Usage: ringroom "));
        CU_ASSERT_PTR_NOT_NULL(strstr(run.out, commands[i] ? commands[i] : "Commands:"));
        for (size_t j = 0; j < config_keys_count; j++)
            CU_ASSERT_PTR_NOT_NULL(strstr(run.out, config_keys[j].name));
        run_end(&run);
    }
}

static void test_cli__an_error_is_one_line_whatever_was_typed(void)
{
    char word[8000];

    CU_ASSERT(is_wrong(WORDS("a\nb"), TEXTS("a?b: no such command")));
    CU_ASSERT(is_wrong(WORDS("--\033[31m"), TEXTS("--?[31m: no such option")));
    CU_ASSERT(is_wrong(WORDS("check", "--config", "a\nb"), TEXTS("file a?b: ")));
    CU_ASSERT(is_wrong(WORDS("check", "--set", "tls.cert=a\nb", "--set", "tls.key=k"),
                       TEXTS("tls.cert: a?b")));
    memset(word, 'x', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    CU_ASSERT(is_wrong(WORDS(word), TEXTS("xxx: no such command (allowed are serve, ")));
    CU_ASSERT(is_wrong(WORDS("check", word), TEXTS("xxx: not expected after `check`", "--set")));
}

/* What both print, which must be the same, to be freed. */
static char *printed_alike(const char *const *words, const char *const *as)
{
    struct run run, other;

    run_with(&run, NULL, words);
    run_with(&other, NULL, as);
    CU_ASSERT_EQUAL(run.status, CLI_OK);
    CU_ASSERT_STRING_EQUAL(run.err, "");
    CU_ASSERT_STRING_EQUAL(run.out, other.out);
    char *out = strdup(run.out);
    run_end(&run);
    run_end(&other);
    return out;
}

static void test_cli__help_as_a_word_is_help_as_an_option(void)
{
    char *all = printed_alike(WORDS("help"), WORDS("--help"));
    char *one = printed_alike(WORDS("help", "check"), WORDS("check", "--help"));

    CU_ASSERT_PTR_NOT_NULL(strstr(all, "Usage: ringroom COMMAND"));
    CU_ASSERT_PTR_NOT_NULL(strstr(one, "Usage: ringroom check"));
    free(all);
    free(one);
    CU_ASSERT(is_wrong(WORDS("help", "stop"), TEXTS("stop: no such command")));
}

static void test_cli__version_is_one_line(void)
{
    char *version = printed_alike(WORDS("version"), WORDS("--version"));

    CU_ASSERT_STRING_EQUAL(version, "ringroom " RINGROOM_VERSION "\n");
    free(version);
}

static void test_cli__output_that_cannot_be_written_is_a_failure(void)
{
    struct config_machine machine = {.cpus = 2, .files = 10000};
    const char *const *words = WORDS("check", PLAIN_OPTIONS);
    FILE *full = fopen("/dev/full", "w"), *err;
    struct cli_source source;
    struct config config;
    char *text = NULL;
    size_t bytes;
    int status;

    CU_ASSERT_PTR_NOT_NULL_FATAL(full);
    err = open_memstream(&text, &bytes);
    CU_ASSERT(!cli_run(6, words, NULL, &machine, full, err, &config, &source, &status));
    fclose(err);
    fclose(full);
    CU_ASSERT_EQUAL(status, CLI_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "No space left"));
    free(text);
}

static void test_cli__every_failing_allocation_is_a_failure_and_no_leak(void)
{
    struct run run;
    long failures = 0;

    for (;; failures++) {
        mem_fail_after(failures);
        run_with(&run, NULL, WORDS("serve", PLAIN_OPTIONS));
        mem_fail_after(-1);
        if (run.serve)
            break;
        CU_ASSERT_EQUAL_FATAL(run.status, CLI_FAILED);
        CU_ASSERT_PTR_NOT_NULL(strstr(run.err, "memory"));
        run_end(&run);
    }
    run_end(&run);
#ifdef RINGROOM_DCHECK /* else mem_fail_after() does nothing */
    CU_ASSERT(failures > 2);
#endif
}

#define KEY_OPTIONS                                                                                \
    "--set", "auth.keys=[{\"alg\":\"HS256\",\"kid\":\"k\",\"secret\":"                             \
             "\"0123456789abcdef0123456789abcdef\"}]"

/* Needs no listener and no certificate, and prints the token alone. */
static void test_cli__token_prints_a_token_that_the_same_keys_take(void)
{
    static const char *const sets[] = {"auth.keys=[{\"alg\":\"HS256\",\"kid\":\"k\",\"secret\":"
                                       "\"0123456789abcdef0123456789abcdef\"}]"};
    struct config_source source = {.sets = sets, .sets_count = 1, .not_served = true};
    struct native_fault fault;
    struct token_keys *keys;
    struct config config;
    struct token *token;
    struct run run;

    run_with(&run, NULL,
             WORDS("token", KEY_OPTIONS, "--sub", "user-17", "--name=Ada", "--room",
                   "a:b-*:read,moderate", "--room=c:write", "--ttl", "60", "--kid", "k", "--set",
                   "auth.mode=token"));
    CU_ASSERT_EQUAL(run.status, CLI_OK);
    CU_ASSERT_STRING_EQUAL(run.err, "");
    size_t len = strlen(run.out);
    CU_ASSERT_FATAL(len > 0 && strchr(run.out, '\n') == run.out + len - 1);

    CU_ASSERT_EQUAL_FATAL(config_load(&source, &config, load_error, sizeof(load_error)), 0);
    CU_ASSERT_EQUAL_FATAL(auth_keys_open(&config, &keys, load_error, sizeof(load_error)), 0);
    uint64_t now_ms = clock_wall_ms();
    CU_ASSERT_FATAL(token_parse(keys, slice_make(run.out, len - 1), now_ms, &token, &fault));
    CU_ASSERT(slice_is(token->sub, "user-17") && slice_is(token->name, "Ada"));
    CU_ASSERT(token->exp_ms <= now_ms + 60000 + TOKEN_LEEWAY_MS && token->exp_ms > now_ms + 50000);
    CU_ASSERT_EQUAL(token_rights(token, slice_of("a:b-1")), TOKEN_READ | TOKEN_MODERATE);
    CU_ASSERT_EQUAL(token_rights(token, slice_of("c")), TOKEN_WRITE);
    token_free(token);
    token_keys_free(keys);
    config_deinit(&config);
    run_end(&run);
}

static void test_cli__token_says_what_is_wrong(void)
{
    static const char *const rooms[] = {"x", ":read", "x:", "x:raed", "x:read,", "x:read, write"};
    static const char *const ttls[] = {"0", "", "-1", "1.5", "1h", "31622401", " 5"};

    CU_ASSERT(is_wrong(WORDS("token", KEY_OPTIONS), TEXTS("--sub: is needed")));
    CU_ASSERT(is_wrong(WORDS("token", "--sub", "a"), TEXTS("auth.keys: has no key")));
    CU_ASSERT(is_wrong(WORDS("token", "--sub"), TEXTS("--sub: must be followed")));
    CU_ASSERT(is_wrong(WORDS("token", "--sub=a", "--sub=b"), TEXTS("--sub: may be given once")));
    CU_ASSERT(is_wrong(WORDS("token", KEY_OPTIONS, "--sub", ""), TEXTS("sub of 1 to 128 bytes")));
    CU_ASSERT(is_wrong(WORDS("token", KEY_OPTIONS, "--sub", "a\n"), TEXTS("control characters")));
    CU_ASSERT(is_wrong(WORDS("token", KEY_OPTIONS, "--sub", "a", "--kid", "z"),
                       TEXTS("--kid z: no key")));
    CU_ASSERT(is_wrong(WORDS("serve", PLAIN_OPTIONS, "--sub", "a"), TEXTS("--sub: only")));
    CU_ASSERT(
        is_wrong(WORDS("token", "--sub", "a", "--set", "auth.keys=1"), TEXTS("auth.keys: ***")));
    CU_ASSERT(is_wrong(WORDS("token", "--subj", "a"), TEXTS("the nearest is --sub ")));
    for (size_t i = 0; i < array_len(rooms); i++)
        CU_ASSERT(is_wrong(WORDS("token", KEY_OPTIONS, "--sub", "a", "--room", rooms[i]),
                           TEXTS("must be PATTERN:RIGHTS")));
    for (size_t i = 0; i < array_len(ttls); i++)
        CU_ASSERT(is_wrong(WORDS("token", KEY_OPTIONS, "--sub", "a", "--ttl", ttls[i]),
                           TEXTS("must be a whole number of seconds")));
}

UNIT_MAIN("server.cli", UNIT_TEST(test_cli__token_prints_a_token_that_the_same_keys_take),
          UNIT_TEST(test_cli__token_says_what_is_wrong),
          UNIT_TEST(test_cli__serve_hands_over_the_resolved_configuration),
          UNIT_TEST(test_cli__the_environment_counts),
          UNIT_TEST(test_cli__check_prints_what_would_be_in_force),
          UNIT_TEST(test_cli__check_refuses_a_certificate_that_cannot_be_used),
          UNIT_TEST(test_cli__check_leaves_a_certificate_alone_that_nothing_uses),
          UNIT_TEST(test_cli__a_configuration_file_is_read),
          UNIT_TEST(test_cli__a_wrong_configuration_is_exit_status_two_and_one_line),
          UNIT_TEST(test_cli__a_wrong_option_is_refused_with_the_nearest),
          UNIT_TEST(test_cli__an_option_without_its_value_is_refused),
          UNIT_TEST(test_cli__a_wrong_command_is_refused_with_the_nearest),
          UNIT_TEST(test_cli__help_names_the_commands_and_every_key),
          UNIT_TEST(test_cli__an_error_is_one_line_whatever_was_typed),
          UNIT_TEST(test_cli__help_as_a_word_is_help_as_an_option),
          UNIT_TEST(test_cli__version_is_one_line),
          UNIT_TEST(test_cli__output_that_cannot_be_written_is_a_failure),
          UNIT_TEST(test_cli__every_failing_allocation_is_a_failure_and_no_leak))
