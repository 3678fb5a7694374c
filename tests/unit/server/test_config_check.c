/* Keys that must fit each other, and the machine. */
#include "load.h"

static bool sets_refused(const char *const *sets, const char *const *texts)
{
    struct config config;

    return refused_with(load_sets(&config, sets), texts);
}

static bool sets_taken(const char *const *sets)
{
    struct config config;
    bool taken = loaded(&config, NULL, NULL, sets);

    config_deinit(&config);
    return taken;
}

static void test_config_check__there_must_be_a_listener(void)
{
    CU_ASSERT(sets_refused(TEXTS("listen=[]"), TEXTS("listen: [] (from --set)", "listen_plain")));
    CU_ASSERT(sets_taken(TEXTS("listen=[]", "listen_plain=0.0.0.0:8080")));
    CU_ASSERT(sets_taken(
        TEXTS("listen=[]", "listen_plain=[\"0.0.0.0:8080\", \"[::]:8080\", \"[::1]:0\"]")));
}

static void test_config_check__certificate_and_key_come_together(void)
{
    CU_ASSERT(sets_refused(TEXTS("tls.cert=c.pem"), TEXTS("tls.key: null (the default)", "c.pem")));
    CU_ASSERT(sets_refused(TEXTS("tls.key=k.pem"), TEXTS("tls.cert: null (the default)", "k.pem")));
    CU_ASSERT(sets_refused(TEXTS(PLAIN, "tls.cert=c.pem"), TEXTS("tls.key: null")));
    CU_ASSERT(sets_taken(TEXTS(PLAIN, "tls.cert=c.pem", "tls.key=k.pem")));
}

static void test_config_check__tls_beside_a_plain_listener_needs_a_certificate_too(void)
{
    CU_ASSERT(sets_refused(TEXTS("listen_plain=127.0.0.1:0"),
                           TEXTS("listen: \"0.0.0.0:8443\" (the default)", "set listen to []")));
}

static void test_config_check__an_address_stands_once(void)
{
    CU_ASSERT(sets_refused(TEXTS("listen=[\"0.0.0.0:1\",\"0.0.0.0:1\"]", "tls.cert=c", "tls.key=k"),
                           TEXTS("listen: ", "0.0.0.0:1 stands there twice")));
    CU_ASSERT(sets_refused(
        TEXTS("listen=[::1]:1", "listen_plain=[0:0::1]:1", "tls.cert=c", "tls.key=k"),
        TEXTS("listen_plain: ", "[::1]:1 stands twice, in listen_plain and in listen")));
    CU_ASSERT(sets_refused(TEXTS("listen=[]", "listen_plain=[\"1.2.3.4:1\",\"1.2.3.4:1\"]"),
                           TEXTS("listen_plain: ", "1.2.3.4:1")));
    CU_ASSERT(sets_taken(
        TEXTS("listen=127.0.0.1:0", "listen_plain=127.0.0.1:0", "tls.cert=c", "tls.key=k")));
    CU_ASSERT(sets_taken(TEXTS("listen=[]", "listen_plain=[\"1.2.3.4:1\",\"1.2.3.5:1\"]")));
}

static void test_config_check__no_address_covers_another(void)
{
    CU_ASSERT(sets_refused(
        TEXTS("listen=0.0.0.0:1", "listen_plain=127.0.0.1:1", "tls.cert=c", "tls.key=k"),
        TEXTS("listen_plain: ", "127.0.0.1:1 stands beside 0.0.0.0:1, and one covers the other")));
    CU_ASSERT(sets_refused(TEXTS("listen=[\"[::1]:1\",\"[::]:1\"]", "tls.cert=c", "tls.key=k"),
                           TEXTS("listen: ", "[::]:1 stands beside [::1]:1")));
    CU_ASSERT(sets_taken(TEXTS("listen=[]", "listen_plain=[\"0.0.0.0:1\",\"127.0.0.1:2\"]")));
    CU_ASSERT(sets_taken(TEXTS("listen=[]", "listen_plain=[\"0.0.0.0:0\",\"127.0.0.1:0\"]")));
    CU_ASSERT(sets_taken(TEXTS("listen=[]", "listen_plain=[\"0.0.0.0:1\",\"[::1]:1\"]")));
}

static void test_config_check__conformance_stays_on_loopback(void)
{
    static const char *const loopback[] = {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1"};
    static const char *const beyond[] = {"0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[2001:db8::1]:1"};
    char set[128];

    for (size_t i = 0; i < array_len(loopback); i++) {
        snprintf(set, sizeof(set), "listen_plain=%s", loopback[i]);
        CU_ASSERT(sets_taken(TEXTS("listen=[]", set, "conformance.enabled=true")));
    }
    for (size_t i = 0; i < array_len(beyond); i++) {
        snprintf(set, sizeof(set), "listen_plain=[\"127.0.0.1:0\",\"%s\"]", beyond[i]);
        CU_ASSERT(sets_refused(TEXTS("listen=[]", set, "conformance.enabled=true"),
                               TEXTS("conformance.enabled: true (from --set)", "listen_plain")));
        snprintf(set, sizeof(set), "listen=%s", beyond[i]);
        CU_ASSERT(
            sets_refused(TEXTS(set, "tls.cert=c", "tls.key=k", "conformance.enabled=true"),
                         TEXTS("conformance.enabled: true (from --set)", "address of listen is")));
    }
}

static void test_config_check__pings_are_more_frequent_than_the_idle_timeout(void)
{
    CU_ASSERT(sets_refused(TEXTS(PLAIN, "limits.idle_timeout=25"),
                           TEXTS("limits.ping_interval: 25 (the default)", "which is 25")));
    CU_ASSERT(sets_refused(TEXTS(PLAIN, "limits.ping_interval=70"),
                           TEXTS("limits.ping_interval: 70 (from --set)", "which is 60")));
    CU_ASSERT(sets_taken(TEXTS(PLAIN, "limits.idle_timeout=2", "limits.ping_interval=1")));
}

static void test_config_check__a_rate_limit_needs_a_burst(void)
{
    CU_ASSERT(sets_refused(TEXTS(PLAIN, "limits.burst=0"),
                           TEXTS("limits.burst: 0 (from --set)", "at least 1")));
    CU_ASSERT(sets_taken(TEXTS(PLAIN, "limits.burst=0", "limits.messages_per_second=0")));
    CU_ASSERT(sets_refused(TEXTS(PLAIN, "limits.requests_burst=0"),
                           TEXTS("limits.requests_burst: 0 (from --set)", "at least 1")));
    CU_ASSERT(sets_taken(TEXTS(PLAIN, "limits.requests_burst=0", "limits.requests_per_second=0")));
}

static void test_config_check__the_proxy_protocol_needs_proxies(void)
{
    struct config config;

    CU_ASSERT(set_refused("proxy.by=protocol", "proxy.by: \"protocol\" "));
    CU_ASSERT(set_refused("proxy.by=protocol", "needs proxy.from"));
    CU_ASSERT(
        loaded(&config, NULL, NULL, TEXTS(PLAIN, "proxy.by=protocol", "proxy.from=127.0.0.1")));
    config_deinit(&config);
}

static void test_config_check__memory_holds_at_least_one_message(void)
{
    CU_ASSERT(sets_refused(TEXTS(PLAIN, "limits.memory=16383"),
                           TEXTS("limits.memory: 16383 (from --set)", "which is 16384")));
    CU_ASSERT(sets_taken(TEXTS(PLAIN, "limits.memory=16384")));
}

/* A config of two listeners, resolved; `sets` beside. */
static int resolved(const char *set, uint32_t cpus, uint64_t files, struct config *config)
{
    struct config_machine machine = {.cpus = cpus, .files = files};

    CU_ASSERT(loaded(
        config, NULL, NULL,
        TEXTS("listen=127.0.0.1:0", "listen_plain=127.0.0.1:0", "tls.cert=c", "tls.key=k", set)));
    return config_resolve(config, &machine, load_error, sizeof(load_error));
}

static void test_config_check__shards_default_to_the_cpus(void)
{
    struct config config;

    CU_ASSERT_EQUAL(resolved("shards=0", 6, 100000, &config), 0);
    CU_ASSERT_EQUAL(config.shards, 6);
    config_deinit(&config);
    CU_ASSERT_EQUAL(resolved("shards=3", 6, 100000, &config), 0);
    CU_ASSERT_EQUAL(config.shards, 3);
    config_deinit(&config);
    CU_ASSERT_EQUAL(resolved("shards=0", 1000, 100000, &config), 0);
    CU_ASSERT_EQUAL(config.shards, CONFIG_SHARDS_MAX);
    config_deinit(&config);
}

static void test_config_check__connections_default_to_what_the_files_allow(void)
{
    const uint64_t reserved = CONFIG_FILES_RESERVED + 2 * (CONFIG_FILES_PER_SHARD + 2);
    struct config config;

    CU_ASSERT_EQUAL(resolved("shards=2", 1, reserved + 101, &config), 0);
    CU_ASSERT_EQUAL(config.connections, 101);
    CU_ASSERT_EQUAL(config.settings.connections_max, 51);
    config_deinit(&config);
    CU_ASSERT_EQUAL(resolved("shards=2", 1, UINT64_MAX, &config), 0);
    CU_ASSERT_EQUAL(config.connections, CONFIG_CONNECTIONS_AUTO_MAX);
    config_deinit(&config);
    CU_ASSERT(refused_with(resolved("shards=2", 1, reserved, &config),
                           TEXTS("limits.connections: 0: possible are 0", "RLIMIT_NOFILE",
                                 "LimitNOFILE=", "2 shards", "fewer shards")));
    config_deinit(&config);
    CU_ASSERT_EQUAL(resolved("shards=2", 1, 0, &config), -EINVAL);
    config_deinit(&config);
}

static void test_config_check__more_connections_than_files_are_refused(void)
{
    const uint64_t reserved = CONFIG_FILES_RESERVED + CONFIG_FILES_PER_SHARD + 2;
    struct config config;

    CU_ASSERT_EQUAL(resolved("limits.connections=1000", 1, reserved + 1000, &config), 0);
    CU_ASSERT_EQUAL(config.settings.connections_max, 1000);
    config_deinit(&config);
    CU_ASSERT(refused_with(resolved("limits.connections=1000", 1, reserved + 999, &config),
                           TEXTS("limits.connections: 1000: must be at most 999", "LimitNOFILE=")));
    config_deinit(&config);
}

static void test_config_check__the_machine_has_a_cpu_and_files(void)
{
    struct config_machine machine;

    config_machine_probe(&machine);
    CU_ASSERT(machine.cpus >= 1);
    CU_ASSERT(machine.files >= 1);
}

UNIT_MAIN("server.config_check", UNIT_TEST(test_config_check__there_must_be_a_listener),
          UNIT_TEST(test_config_check__certificate_and_key_come_together),
          UNIT_TEST(test_config_check__tls_beside_a_plain_listener_needs_a_certificate_too),
          UNIT_TEST(test_config_check__an_address_stands_once),
          UNIT_TEST(test_config_check__no_address_covers_another),
          UNIT_TEST(test_config_check__conformance_stays_on_loopback),
          UNIT_TEST(test_config_check__pings_are_more_frequent_than_the_idle_timeout),
          UNIT_TEST(test_config_check__a_rate_limit_needs_a_burst),
          UNIT_TEST(test_config_check__the_proxy_protocol_needs_proxies),
          UNIT_TEST(test_config_check__memory_holds_at_least_one_message),
          UNIT_TEST(test_config_check__shards_default_to_the_cpus),
          UNIT_TEST(test_config_check__connections_default_to_what_the_files_allow),
          UNIT_TEST(test_config_check__more_connections_than_files_are_refused),
          UNIT_TEST(test_config_check__the_machine_has_a_cpu_and_files))
