/* Two configurations beside each other, as a reload sees them. */
#include "load.h"

static const struct config_key *key_of(const char *name)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        if (strcmp(config_keys[i].name, name) == 0)
            return &config_keys[i];
    }
    CU_FAIL_FATAL("no such key");
    return NULL;
}

static bool differs(const struct config *a, const struct config *b, const char *name)
{
    return config_differs(a, b, key_of(name));
}

static void test_config_compare__only_keys_with_another_value_differ(void)
{
    struct config a, b;

    CU_ASSERT_FATAL(loaded(&a, NULL, NULL, TEXTS(PLAIN, "drain=3", "origins=https://a.example")));
    CU_ASSERT_FATAL(loaded(&b, NULL, NULL, TEXTS(PLAIN, "drain=4", "origins=https://b.example")));
    for (size_t i = 0; i < config_keys_count; i++) {
        const char *name = config_keys[i].name;
        bool expected = strcmp(name, "drain") == 0 || strcmp(name, "origins") == 0;
        if (differs(&a, &b, name) != expected)
            printf("\n    %s\n", name);
        CU_ASSERT_EQUAL(differs(&a, &b, name), expected);
    }
    config_deinit(&a);
    config_deinit(&b);
}

static void test_config_compare__rooms_are_compared_as_a_whole(void)
{
    struct config a, b;

    CU_ASSERT_FATAL(loaded(&a, NULL, NULL, TEXTS(PLAIN, "rooms=[{\"match\":\"a\",\"ttl\":5}]")));
    CU_ASSERT_FATAL(loaded(&b, NULL, NULL, TEXTS(PLAIN, "rooms=[{\"match\":\"a\",\"ttl\":6}]")));
    CU_ASSERT(differs(&a, &b, "rooms"));
    CU_ASSERT(!differs(&a, &a, "rooms"));
    config_deinit(&a);
    config_deinit(&b);
}

static void test_config_compare__what_is_kept_is_the_old_value_and_freed_once(void)
{
    static const char *const names[] = {"shards", "auth.mode", "listen_plain", "user",
                                        "debug.core_dumps"};
    struct config old, next;

    CU_ASSERT_FATAL(loaded(&old, NULL, NULL, TEXTS(PLAIN, "shards=2", "user=ada")));
    CU_ASSERT_FATAL(loaded(&next, NULL, NULL,
                           TEXTS("listen=[]", "listen_plain=127.0.0.1:77", "shards=3", "user=bob",
                                 "auth.mode=token", "debug.core_dumps=true",
                                 "auth.keys=[{\"alg\":\"HS256\",\"secret\":"
                                 "\"0123456789012345678901234567890123456789\"}]")));
    for (size_t i = 0; i < array_len(names); i++)
        config_keep(&next, &old, key_of(names[i]));
    CU_ASSERT_EQUAL(next.shards, 2);
    CU_ASSERT_EQUAL(next.settings.auth_mode, AUTH_OPEN);
    CU_ASSERT_EQUAL(next.listen_plain.list[0].address.v4.sin_port, 0);
    CU_ASSERT_STRING_EQUAL(next.user, "ada");
    CU_ASSERT(!next.core_dumps);
    CU_ASSERT_EQUAL(old.shards, 2); /* a shard may be reading it */
    CU_ASSERT_STRING_EQUAL(old.user, "bob");
    config_deinit(&old);
    config_deinit(&next);
}

UNIT_MAIN("server.config_compare",
          UNIT_TEST(test_config_compare__only_keys_with_another_value_differ),
          UNIT_TEST(test_config_compare__rooms_are_compared_as_a_whole),
          UNIT_TEST(test_config_compare__what_is_kept_is_the_old_value_and_freed_once))
