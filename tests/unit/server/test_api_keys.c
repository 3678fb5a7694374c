/* api.keys: what may stand there, what is never shown, and what becomes of it. */
#include "ringroom/server/api_keys.h"
#include "load.h"

#include <stdlib.h>
#include <unistd.h>

#define KEY "a-key-of-the-unit-tests"

static bool is_refused(const char *keys, const char *const *wanted)
{
    char set[1024];
    struct config config;

    snprintf(set, sizeof(set), "api.keys=%s", keys);
    bool right = refused_with(load_sets(&config, TEXTS(PLAIN, set)), wanted);
    CU_ASSERT_PTR_NULL(strstr(load_error, KEY));
    return right;
}

static bool has(const struct config *config, const char *key)
{
    struct api_keys keys;
    char why[256];

    CU_ASSERT_EQUAL_FATAL(api_keys_open(config, &keys, why, sizeof(why)), 0);
    return api_keys_have(&keys, slice_of(key));
}

static void test_api_keys__a_key_in_clear_opens(void)
{
    struct config config;

    CU_ASSERT_FATAL(loaded(&config, NULL, NULL,
                           TEXTS(PLAIN, "api.keys=[{\"name\":\"a\",\"key\":\"" KEY "\"}]")));
    CU_ASSERT(has(&config, KEY));
    CU_ASSERT(!has(&config, KEY "x"));
    CU_ASSERT(!has(&config, ""));
    config_deinit(&config);
}

/* FIPS 180-2, appendix B.2. */
static void test_api_keys__a_hash_opens_for_its_key(void)
{
    struct config config;

    CU_ASSERT_FATAL(
        loaded(&config, NULL, NULL,
               TEXTS(PLAIN, "api.keys=[{\"name\":\"a\",\"sha256\":\"248d6a61d20638b8e5c026930c3e"
                            "6039a33ce45964ff2167f6ecedd419db06c1\"}]")));
    CU_ASSERT(has(&config, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"));
    config_deinit(&config);
}

static void test_api_keys__a_file_is_read_without_its_line_break(void)
{
    char path[] = "/tmp/api-key-XXXXXX", set[256];
    struct config config;
    int fd = mkstemp(path);

    CU_ASSERT_FATAL(fd >= 0 && write(fd, KEY "\n", sizeof(KEY)) == sizeof(KEY));
    snprintf(set, sizeof(set), "api.keys=[{\"name\":\"a\",\"file\":\"%s\"}]", path);
    CU_ASSERT_FATAL(loaded(&config, NULL, NULL, TEXTS(PLAIN, set)));
    CU_ASSERT(has(&config, KEY));
    CU_ASSERT_FATAL(ftruncate(fd, 10) == 0);
    struct api_keys keys;
    char why[256];
    CU_ASSERT_EQUAL(api_keys_open(&config, &keys, why, sizeof(why)), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "api.keys[0].file: /tmp/api-key-"));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "must hold a key of 16"));
    config_deinit(&config);
    close(fd);
    unlink(path);
}

static void test_api_keys__what_a_key_lacks_is_said(void)
{
    CU_ASSERT(is_refused("1", TEXTS("api.keys: ***", "a list of at most 32")));
    CU_ASSERT(is_refused("[1]", TEXTS("api.keys[0]: ***", "must be a key")));
    CU_ASSERT(is_refused("[{\"key\":\"" KEY "\"}]", TEXTS("must have a \"name\"")));
    CU_ASSERT(is_refused("[{\"name\":\"a\"}]", TEXTS("must have one of \"sha256\"")));
    CU_ASSERT(is_refused("[{\"name\":\"a\",\"key\":\"" KEY "\",\"file\":\"f\"}]",
                         TEXTS("must have one of \"sha256\"")));
    CU_ASSERT(is_refused("[{\"name\":\"a\",\"key\":\"short\"}]",
                         TEXTS("api.keys[0].key: ***", "16 to 4096 printable")));
    CU_ASSERT(is_refused("[{\"name\":\"a\",\"sha256\":\"00\"}]",
                         TEXTS("api.keys[0].sha256: ***", "64 digits of lower-case hex")));
    CU_ASSERT(is_refused("[{\"name\":\"a\",\"keys\":\"" KEY "\"}]",
                         TEXTS("api.keys[0].keys: ***", "the nearest is key",
                               "allowed are name, sha256, key, file")));
    CU_ASSERT(is_refused("[{\"name\":\"a\",\"file\":\"credential:../x\"}]",
                         TEXTS("must name a credential")));
    CU_ASSERT(is_refused("[{\"name\":\"a\",\"file\":\"f\"},{\"name\":\"a\",\"file\":\"g\"}]",
                         TEXTS("api.keys[1]: ***", "a name that no other key has")));
}

static void test_api_keys__a_misspelt_group_shows_no_key(void)
{
    struct config config;
    int got = load_sets(&config, TEXTS(PLAIN, "apis.keys=[{\"name\":\"a\",\"key\":\"" KEY "\"}]"));

    CU_ASSERT(refused_with(got, TEXTS("***", "no such key")));
    CU_ASSERT_PTR_NULL(strstr(load_error, KEY));
}

static void test_api_keys__what_is_printed_shows_no_key(void)
{
    struct config config;

    CU_ASSERT_FATAL(loaded(&config, NULL, NULL,
                           TEXTS(PLAIN, "api.keys=[{\"name\":\"a\",\"key\":\"" KEY
                                        "\"},{\"name\":\"b\",\"file\":"
                                        "\"credential:b\"}]")));
    char *text = printed(&config);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"key\": \"***\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"file\": \"credential:b\""));
    CU_ASSERT_PTR_NULL(strstr(text, KEY));
    free(text);
    config_deinit(&config);
}

UNIT_MAIN("api keys", UNIT_TEST(test_api_keys__a_key_in_clear_opens),
          UNIT_TEST(test_api_keys__a_hash_opens_for_its_key),
          UNIT_TEST(test_api_keys__a_file_is_read_without_its_line_break),
          UNIT_TEST(test_api_keys__what_a_key_lacks_is_said),
          UNIT_TEST(test_api_keys__a_misspelt_group_shows_no_key),
          UNIT_TEST(test_api_keys__what_is_printed_shows_no_key))
