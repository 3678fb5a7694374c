/* auth.*: what is allowed, what is never shown, and the keys made of it. */
#include "ringroom/server/auth_keys.h"
#include "keys.h"
#include "load.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET "hunter2-hunter2-hunter2-hunter2-hunter2"

static bool shown(void)
{
    return strstr(load_error, "hunter2") != NULL;
}

/* Refused with all of the texts, and without the secret. */
static bool keys_refused(const char *keys, const char *const *texts)
{
    char set[1024];
    struct config config;

    snprintf(set, sizeof(set), "auth.keys=%s", keys);
    bool right = refused_with(load_sets(&config, TEXTS(PLAIN, set)), texts);
    CU_ASSERT(!shown());
    return right;
}

static void test_auth_keys__a_list_of_keys_is_read(void)
{
    struct config config;

    CU_ASSERT(loaded(&config, NULL, NULL,
                     TEXTS(PLAIN,
                           "auth.keys=[{\"alg\":\"HS256\",\"secret\":\"" SECRET "\",\"kid\":null},"
                           "{\"kid\":\"b\",\"alg\":\"ES256\",\"file\":\"b.pem\"}]",
                           "auth.audience=chat", "auth.timeout=300")));
    CU_ASSERT_EQUAL_FATAL(config.auth_keys.count, 2);
    CU_ASSERT_PTR_NULL(config.auth_keys.list[0].kid);
    CU_ASSERT_STRING_EQUAL(config.auth_keys.list[0].secret, SECRET);
    CU_ASSERT_STRING_EQUAL(config.auth_keys.list[1].kid, "b");
    CU_ASSERT_EQUAL(config.auth_keys.list[1].alg, SIGNATURE_ES256);
    CU_ASSERT_STRING_EQUAL(config.auth_keys.list[1].file, "b.pem");
    CU_ASSERT_STRING_EQUAL(config.auth_audience, "chat");
    CU_ASSERT_EQUAL(config.settings.auth_mode, AUTH_OPEN);
    CU_ASSERT_EQUAL(config.settings.auth_timeout_s, 300);
    config_deinit(&config);
}

static void test_auth_keys__a_secret_is_printed_as_stars(void)
{
    struct config config;

    CU_ASSERT(loaded(&config, NULL, NULL,
                     TEXTS(PLAIN, "auth.keys=[{\"alg\":\"HS256\",\"secret\":\"" SECRET "\"}]")));
    char *text = printed(&config);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"secret\": \"***\""));
    CU_ASSERT_PTR_NULL(strstr(text, "hunter2"));
    free(text);
    config_deinit(&config);
}

static void test_auth_keys__what_a_key_lacks_is_said(void)
{
    CU_ASSERT(keys_refused("{}", TEXTS("auth.keys: ***", "a list of at most 32 keys")));
    CU_ASSERT(keys_refused("[1]", TEXTS("auth.keys[0]: ***", "must be a key, as")));
    CU_ASSERT(keys_refused("[{\"secret\":\"" SECRET "\"}]", TEXTS("must have an \"alg\"")));
    CU_ASSERT(keys_refused("[{\"alg\":\"none\",\"secret\":\"" SECRET "\"}]",
                           TEXTS("auth.keys[0].alg", "must be one of \"HS256\"")));
    CU_ASSERT(keys_refused("[{\"alg\":null,\"secret\":\"" SECRET "\"}]", TEXTS("must be one of")));
    CU_ASSERT(keys_refused("[{\"alg\":\"HS256\"}]", TEXTS("either a \"secret\" or a \"file\"")));
    CU_ASSERT(keys_refused("[{\"alg\":\"HS256\",\"secret\":\"" SECRET "\",\"file\":\"f\"}]",
                           TEXTS("either a \"secret\" or a \"file\"")));
    CU_ASSERT(keys_refused("[{\"alg\":\"RS256\",\"secret\":\"" SECRET "\"}]",
                           TEXTS("must have a \"file\" for RS256")));
    CU_ASSERT(keys_refused("[{\"alg\":\"HS256\",\"secret\":\"hunter2\"}]",
                           TEXTS("auth.keys[0]: ***", "at least 32 bytes, not 7", "openssl rand")));
    CU_ASSERT(keys_refused("[{\"alg\":\"HS256\",\"secret\":\"\"}]",
                           TEXTS("auth.keys[0].secret: ***", "a text of 1 to 4096 bytes")));
    CU_ASSERT(keys_refused("[{\"alg\":\"HS256\",\"file\":\"\"}]", TEXTS("auth.keys[0].file")));
    CU_ASSERT(keys_refused("[{\"alg\":\"HS256\",\"file\":\"f\",\"kid\":\"\"}]",
                           TEXTS("auth.keys[0].kid", "1 to 128 bytes")));
    CU_ASSERT(keys_refused("[{\"alg\":\"HS256\",\"file\":\"f\",\"kdi\":\"1\"}]",
                           TEXTS("auth.keys[0].kdi", "the nearest is kid")));
    CU_ASSERT(keys_refused("[{\"kid\":\"1\",\"alg\":\"HS256\",\"file\":\"f\"},{\"kid\":\"1\","
                           "\"alg\":\"RS256\",\"file\":\"g\"}]",
                           TEXTS("auth.keys[1]", "no other key has")));
    static const char *const wrong[] = {"credential:", "credential:a/b", "credential:../b",
                                        "credential:.b"};
    for (size_t i = 0; i < array_len(wrong); i++) {
        char keys[128];
        snprintf(keys, sizeof(keys), "[{\"alg\":\"HS256\",\"file\":\"%s\"}]", wrong[i]);
        CU_ASSERT(keys_refused(keys, TEXTS("must name a credential")));
    }
}

/* However it was meant for auth.keys and missed it. */
static void test_auth_keys__no_error_shows_a_secret(void)
{
    static const char *const sets[] = {"auth.keys=" SECRET,
                                       "auth.keys=\"" SECRET "\"",
                                       "auth.keys=[{\"secret\":\"" SECRET "\"",
                                       "auth.keys=[\"hunter2\" \"hunter2\"]",
                                       "auth.key=" SECRET,
                                       "auth.secret=" SECRET,
                                       "auth=" SECRET,
                                       "auth={\"keys\":[\"" SECRET "\"]}",
                                       "secret=" SECRET,
                                       "token_secret=" SECRET,
                                       "authkeys=" SECRET,
                                       "keyz=[{\"secret\":\"" SECRET "\"}]",
                                       "keyz={\"secret\":\"hunter2\""};
    static const char *const files[] = {
        "{\"auth\":\"" SECRET "\"}",
        "{\"auth\":{\"keys\":\"" SECRET "\"}}",
        "{\"auth\":{\"kees\":\"" SECRET "\"}}",
        "{\"aut\":{\"keys\":[{\"secret\":\"" SECRET "\"}]}}",
        "{\"auth\":{\"keys\":[{\"secret\":\"hunter2\" \"hunter2\"}]}}",
        "{\"auth\":{\"keys\":[{\"secret\":\"hunter2\n\"}]}}",
        "{\"auth\":{\"keys\":[{\"secret\":\"hunter2"};
    struct config config;

    for (size_t i = 0; i < array_len(sets); i++) {
        CU_ASSERT(refused_with(load_sets(&config, TEXTS(PLAIN, sets[i])), TEXTS("(from --set)")));
        CU_ASSERT(!shown());
    }
    for (size_t i = 0; i < array_len(files); i++) {
        CU_ASSERT(refused_with(load_file(&config, files[i]), TEXTS("test.json")));
        CU_ASSERT(!shown());
    }
    CU_ASSERT(refused_with(load_sets(&config, TEXTS(PLAIN, "auth.mode=tokens")),
                           TEXTS("auth.mode: \"tokens\" (from --set): must be one of \"open\"")));
}

static void test_auth_keys__token_mode_needs_a_key(void)
{
    struct config config;

    CU_ASSERT(refused_with(load_sets(&config, TEXTS(PLAIN, "auth.mode=token")),
                           TEXTS("auth.keys: *** (the default)", "must have a key")));
}

static void test_auth_keys__keys_alone_need_no_server(void)
{
    const char *sets[] = {"auth.keys=[{\"alg\":\"HS256\",\"file\":\"f\"}]", "auth.mode=token"};
    struct config_source source = {.sets = sets, .sets_count = 2, .not_served = true};
    struct config config;

    CU_ASSERT_EQUAL(config_load(&source, &config, load_error, sizeof(load_error)), 0);
    CU_ASSERT_EQUAL(config.auth_keys.count, 1);
    config_deinit(&config);
}

/* Files */

static char directory[] = "/tmp/ringroom-test-XXXXXX";

static void write_file(const char *name, const void *text, size_t bytes)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(fd >= 0 && write(fd, text, bytes) == (ssize_t)bytes);
    close(fd);
}

/* Opens one key from this file; "" or the error. */
static struct token_keys *open_key(const char *alg, const char *file)
{
    char set[512];
    struct token_keys *keys = NULL;
    struct config config;

    snprintf(set, sizeof(set), "auth.keys=[{\"alg\":\"%s\",\"file\":\"%s\"}]", alg, file);
    CU_ASSERT_FATAL(loaded(&config, NULL, NULL, TEXTS(PLAIN, set)));
    load_error[0] = '\0';
    int error = auth_keys_open(&config, &keys, load_error, sizeof(load_error));
    CU_ASSERT((error == 0) == (keys != NULL));
    config_deinit(&config);
    return keys;
}

static bool open_refused(const char *alg, const char *file, const char *const *texts)
{
    struct token_keys *keys = open_key(alg, file);
    bool right = refused_with(keys ? 0 : -EINVAL, texts);

    token_keys_free(keys);
    return right;
}

/* The token that this key mints, to compare; to be freed. */
static char *mint_with(const char *file)
{
    struct token_keys *keys = open_key("HS256", file);
    struct token_grant grant = {.sub = slice_of("a"), .exp_s = 1};
    struct buf out;

    CU_ASSERT_PTR_NOT_NULL_FATAL(keys);
    buf_init(&out, TOKEN_TEXT_MAX);
    CU_ASSERT_EQUAL(token_mint(keys, slice_of(""), &grant, &out), 0);
    char *text = strndup((const char *)out.data, out.len);
    buf_deinit(&out);
    token_keys_free(keys);
    return text;
}

static void test_auth_keys__keys_are_read_from_files_and_credentials(void)
{
    char binary[33];

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
    unsetenv("CREDENTIALS_DIRECTORY");
    CU_ASSERT(open_refused("HS256", "credential:plain",
                           TEXTS("auth.keys[0].file: credential:plain: ",
                                 "CREDENTIALS_DIRECTORY is not set", "LoadCredential=plain:")));
    setenv("CREDENTIALS_DIRECTORY", directory, 1);
    write_file("plain", SECRET, strlen(SECRET));
    write_file("line", SECRET "\r\n", strlen(SECRET) + 2);
    write_file("two", SECRET "\n\n", strlen(SECRET) + 2);
    memset(binary, 0xf1, sizeof(binary));
    binary[31] = binary[32] = '\n';
    write_file("binary", binary, 32);
    write_file("binary-line", binary, 33);
    write_file("rsa.pem", RSA_PUBLIC_PEM, strlen(RSA_PUBLIC_PEM));
    write_file("short", "hunter2\n", 8);
    write_file("empty", "", 0);

    char *plain = mint_with("credential:plain"), *line = mint_with("credential:line");
    char *two = mint_with("credential:two"), *bytes = mint_with("credential:binary");
    char *bytes_line = mint_with("credential:binary-line");
    CU_ASSERT_STRING_EQUAL(plain, line);
    CU_ASSERT(strcmp(plain, two) != 0);
    CU_ASSERT(strcmp(bytes, bytes_line) != 0);
    free(plain);
    free(line);
    free(two);
    free(bytes);
    free(bytes_line);

    struct token_keys *keys = open_key("RS256", "credential:rsa.pem");
    CU_ASSERT_PTR_NOT_NULL(keys);
    token_keys_free(keys);
    CU_ASSERT(open_refused("ES256", "credential:rsa.pem", TEXTS("P-256 for ES256, not RSA")));
    CU_ASSERT(open_refused("HS256", "credential:rsa.pem", TEXTS("not a PEM file")));
    CU_ASSERT(open_refused("RS256", "credential:plain", TEXTS("-----BEGIN PUBLIC KEY-----")));
    CU_ASSERT(open_refused("HS256", "credential:short", TEXTS("at least 32 bytes", "not 7")));
    CU_ASSERT(open_refused("HS256", "credential:empty", TEXTS("at least 32 bytes", "not 0")));
    CU_ASSERT(open_refused("HS256", "credential:none", TEXTS("cannot read it: No such file")));
    CU_ASSERT(open_refused("HS256", "/nonexistent/k", TEXTS("/nonexistent/k: cannot read it")));
    CU_ASSERT(open_refused("RS256", "/dev/zero", TEXTS("at most 65536 bytes")));
    CU_ASSERT(!shown());

    static const char *const files[] = {"plain",       "line",    "two",   "binary",
                                        "binary-line", "rsa.pem", "short", "empty"};
    for (size_t i = 0; i < array_len(files); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        unlink(path);
    }
    rmdir(directory);
}

static void test_auth_keys__a_failing_allocation_leaves_nothing(void)
{
#ifdef RINGROOM_DCHECK
    struct config config;
    struct token_keys *keys = NULL;
    int error = -ENOMEM;

    CU_ASSERT_FATAL(
        loaded(&config, NULL, NULL,
               TEXTS(PLAIN, "auth.keys=[{\"alg\":\"HS256\",\"secret\":\"" SECRET "\"}]")));
    for (long n = 0; n < 10 && error; n++) {
        mem_fail_after(n);
        error = auth_keys_open(&config, &keys, load_error, sizeof(load_error));
        mem_fail_after(-1);
        CU_ASSERT(error == 0 || error == -ENOMEM);
    }
    CU_ASSERT_EQUAL(error, 0);
    token_keys_free(keys);
    config_deinit(&config);
#endif
}

UNIT_MAIN("server.auth_keys", UNIT_TEST(test_auth_keys__a_list_of_keys_is_read),
          UNIT_TEST(test_auth_keys__a_secret_is_printed_as_stars),
          UNIT_TEST(test_auth_keys__what_a_key_lacks_is_said),
          UNIT_TEST(test_auth_keys__no_error_shows_a_secret),
          UNIT_TEST(test_auth_keys__token_mode_needs_a_key),
          UNIT_TEST(test_auth_keys__keys_alone_need_no_server),
          UNIT_TEST(test_auth_keys__keys_are_read_from_files_and_credentials),
          UNIT_TEST(test_auth_keys__a_failing_allocation_leaves_nothing))
