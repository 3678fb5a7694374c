/* Where the configuration comes from: default, file, environment, flag; and lists and rules. */
#include "load.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_config__without_a_source_the_defaults_hold_but_tls_needs_a_certificate(void)
{
    struct config config;

    CU_ASSERT(
        refused_with(load_sets(&config, NULL), TEXTS("listen: \"0.0.0.0:8443\" (the default)",
                                                     "tls.cert", "tls.key", "./dev run", "ACME")));
    CU_ASSERT(loaded(&config, NULL, NULL, TEXTS("tls.cert=c.pem", "tls.key=k.pem")));
    CU_ASSERT_EQUAL(config.listen.count, 1);
    CU_ASSERT_EQUAL(config.listen_plain.count, 0);
    CU_ASSERT_STRING_EQUAL(config.tls_cert, "c.pem");
    CU_ASSERT_STRING_EQUAL(config.tls_key, "k.pem");
    CU_ASSERT_EQUAL(config.settings.retention.defaults.ttl_s, RETENTION_TTL_DEFAULT_S);
    CU_ASSERT_EQUAL(config.settings.retention.defaults.ttl_from, TTL_FROM_LAST_MESSAGE);
    CU_ASSERT_EQUAL(config.settings.retention.defaults.max_messages, RETENTION_MESSAGES_DEFAULT);
    CU_ASSERT_EQUAL(config.settings.retention.defaults.max_bytes, RETENTION_BYTES_DEFAULT);
    CU_ASSERT_EQUAL(config.settings.max_message, 16384);
    CU_ASSERT_EQUAL(config.settings.recovery_s, 86400);
    CU_ASSERT_EQUAL(config.settings.recoverable_max, 65536);
    CU_ASSERT_EQUAL(config.settings.drain_s, 10);
    CU_ASSERT_EQUAL(config.log_level, LOGGER_INFO);
    CU_ASSERT_EQUAL(config.log_format, LOG_FORMAT_TEXT);
    config_deinit(&config);
}

static uint32_t burst_of(const char *file, const char *const *environment, const char *const *sets)
{
    struct config config;

    CU_ASSERT(loaded(&config, file, environment, sets));
    uint32_t burst = config.settings.burst;
    config_deinit(&config);
    return burst;
}

#define FILE_BURST_2        "{" PLAIN_FILE ", \"limits\": {\"burst\": 2}}"
#define ENVIRONMENT_BURST_3 TEXTS("PATH=/bin", "RINGROOM_LIMITS__BURST=3")

static void test_config__the_file_beats_the_default(void)
{
    CU_ASSERT_EQUAL(burst_of("{" PLAIN_FILE "}", NULL, NULL), 40);
    CU_ASSERT_EQUAL(burst_of(FILE_BURST_2, NULL, NULL), 2);
}

static void test_config__the_environment_beats_the_file(void)
{
    CU_ASSERT_EQUAL(burst_of(FILE_BURST_2, ENVIRONMENT_BURST_3, NULL), 3);
}

static void test_config__a_flag_beats_the_environment(void)
{
    CU_ASSERT_EQUAL(burst_of(FILE_BURST_2, ENVIRONMENT_BURST_3, TEXTS("limits.burst=4")), 4);
}

static void test_config__of_flags_the_last_wins(void)
{
    CU_ASSERT_EQUAL(burst_of(FILE_BURST_2, NULL, TEXTS("limits.burst=4", "limits.burst=5")), 5);
}

static void test_config__null_stands_for_the_default(void)
{
    CU_ASSERT_EQUAL(burst_of(FILE_BURST_2, NULL, TEXTS("limits.burst=null")), 40);
    CU_ASSERT_EQUAL(burst_of("{" PLAIN_FILE ", \"limits\": {\"burst\": null}}", NULL, NULL), 40);
}

static void test_config__a_wrong_value_is_refused_even_where_a_stronger_one_beats_it(void)
{
    struct config config;

    CU_ASSERT(refused_with(
        load_all(&config, "{" PLAIN_FILE ", \"drain\": -1}", NULL, TEXTS("drain=1")),
        TEXTS("drain: -1 (from the file test.json): must be a whole number from 0 to 3600")));
}

static void test_config__an_error_names_the_environment_variable(void)
{
    struct config config;

    CU_ASSERT(refused_with(
        load_all(&config, NULL, TEXTS("RINGROOM_LIMITS__BURST=many"), NULL),
        TEXTS("limits.burst: \"many\" (from the environment variable RINGROOM_LIMITS__BURST): ",
              "from 0 to 1000000")));
}

static bool variable_refused(const char *variable, const char *text)
{
    struct config config;

    return refused_with(load_all(&config, NULL, TEXTS(variable), NULL), TEXTS(text));
}

static void test_config__a_variable_that_is_no_key_is_told_its_right_name(void)
{
    CU_ASSERT(variable_refused("RINGROOM_LIMITS__BRUST=1",
                               "the environment variable RINGROOM_LIMITS__BRUST: no such key; the "
                               "nearest is limits.burst: rename it to RINGROOM_LIMITS__BURST, or "
                               "unset it"));
    CU_ASSERT(variable_refused("RINGROOM_MAX_MESSAGE=1", "to RINGROOM_LIMITS__MAX_MESSAGE, or"));
    CU_ASSERT(variable_refused("RINGROOM_TLS_KEY=k", "to RINGROOM_TLS__KEY, or"));
    CU_ASSERT(variable_refused("RINGROOM_LIMIT=1", "to RINGROOM_LIMITS__..., or"));
    CU_ASSERT(variable_refused("RINGROOM_LIMITS={}", "to RINGROOM_LIMITS__..., or"));
}

static void test_config__a_variable_like_no_key_is_to_be_unset(void)
{
    char variable[8192] = "RINGROOM_";

    CU_ASSERT(
        variable_refused("RINGROOM_PASSWORD=hunter2",
                         "the environment variable RINGROOM_PASSWORD: no such key: unset it"));
    CU_ASSERT_PTR_NULL(strstr(load_error, "hunter2"));
    CU_ASSERT(variable_refused("RINGROOM_=1", "variable RINGROOM_: no such key: unset it"));
    /* The name does not crowd out what is to be done. */
    memset(variable + strlen(variable), 'X', 8000);
    strcpy(variable + 8000, "=1");
    CU_ASSERT(variable_refused(variable, "`ringroom --help` lists all keys"));
}

static void test_config__variables_without_the_prefix_are_not_ours(void)
{
    CU_ASSERT_EQUAL(burst_of(FILE_BURST_2,
                             TEXTS("RINGROO_LIMITS__BURST=9", "LIMITS__BURST=9",
                                   "XRINGROOM_LIMITS__BURST=9", "RINGROOM_LIMITS__BURST"),
                             NULL),
                    2);
}

static void test_config__variables_that_kubernetes_makes_for_a_service_are_not_ours(void)
{
    struct config config;

    CU_ASSERT_EQUAL(
        burst_of(FILE_BURST_2,
                 TEXTS("RINGROOM_PORT=tcp://10.0.0.1:8443", "RINGROOM_PORT_8443_TCP_ADDR=10.0.0.1",
                       "RINGROOM_SERVICE_HOST=10.0.0.1", "RINGROOM_SERVICE_PORT_HTTPS=8443"),
                 NULL),
        2);
    CU_ASSERT(refused_with(load_all(&config, NULL, TEXTS("RINGROOM_PORT=8443"), NULL),
                           TEXTS("RINGROOM_PORT: ", "no such key")));
}

static void test_config__the_clients_token_is_no_key(void)
{
    struct config config;

    CU_ASSERT_EQUAL(burst_of(FILE_BURST_2, TEXTS("RINGROOM_TOKEN=abc"), NULL), 2);
    CU_ASSERT(refused_with(load_all(&config, NULL, TEXTS("RINGROOM_TOKENS=abc"), NULL),
                           TEXTS("RINGROOM_TOKENS: ", "no such key")));
}

static void test_config__a_value_is_json_or_else_a_string(void)
{
    struct config config;

    CU_ASSERT(
        loaded(&config, NULL, NULL,
               TEXTS(PLAIN, "tls.cert=/a b/c.pem", "tls.key=\"k.pem\"", "log.level=warn",
                     "log.format=\"json\"", "conformance.enabled=true", "limits.memory= 65536 ")));
    CU_ASSERT_STRING_EQUAL(config.tls_cert, "/a b/c.pem");
    CU_ASSERT_STRING_EQUAL(config.tls_key, "k.pem");
    CU_ASSERT_EQUAL(config.log_level, LOGGER_WARN);
    CU_ASSERT_EQUAL(config.log_format, LOG_FORMAT_JSON);
    CU_ASSERT(config.settings.conformance);
    CU_ASSERT_EQUAL(config.settings.memory_max, 65536);
    config_deinit(&config);

    CU_ASSERT(set_refused("drain=\"5\"", "drain: \"5\" "));
    CU_ASSERT(set_refused("drain=", "drain: \"\" "));
    CU_ASSERT(set_refused("rooms=[{\"match\":\"a\" \"ttl\":1}]", "as JSON: '}' expected"));
}

static void test_config__an_empty_file_name_is_none(void)
{
    struct config config;

    CU_ASSERT(loaded(&config, NULL, NULL, TEXTS(PLAIN, "tls.cert=", "tls.key=\"\"")));
    CU_ASSERT_PTR_NULL(config.tls_cert);
    CU_ASSERT_PTR_NULL(config.tls_key);
    config_deinit(&config);
}

static void test_config__a_flag_without_key_or_equals_sign_is_refused(void)
{
    struct config config;

    CU_ASSERT(
        refused_with(load_sets(&config, TEXTS("drain")), TEXTS("--set drain: must be KEY=VALUE")));
    CU_ASSERT(refused_with(load_sets(&config, TEXTS("=1")), TEXTS("--set =1: must be KEY=VALUE")));
    CU_ASSERT(refused_with(load_sets(&config, TEXTS("drain=\xff")), TEXTS("drain", "UTF-8")));
}

static void test_config__a_group_is_an_object_in_the_file_and_nothing_elsewhere(void)
{
    CU_ASSERT(file_refused("{\"limits\": 5}", "limits: 5 (from the file test.json): a group"));
    CU_ASSERT(file_refused("{\"limits\": {\"burst\": {\"x\": 1}}}", "limits.burst: "));
    CU_ASSERT(file_refused("{\"limits\": {\"limits\": {}}}", "limits.limits: {}"));
    CU_ASSERT(file_refused("{\"limits.burst\": 5}", "a file writes groups as objects"));
    CU_ASSERT(file_refused("{\"\": 5}", "no such key"));
    CU_ASSERT(set_refused("limits={\"burst\":5}", "limits.max_message"));
}

static void test_config__a_file_that_is_no_json_object_is_refused_with_its_line(void)
{
    CU_ASSERT(file_refused("", "line 1"));
    CU_ASSERT(file_refused("[]", "must be a JSON object"));
    CU_ASSERT(file_refused("{\n\"drain\": 1\n\"shards\": 1}", "line 3"));
    CU_ASSERT(file_refused("{\"drain\": 1, \"drain\": 1}", "duplicate"));
    CU_ASSERT(file_refused("{\"drain\": 99999999999999999999}", "too big"));
    CU_ASSERT(file_refused("{} x", "end of file"));
}

static void test_config__a_file_is_read_from_disk(void)
{
    char name[] = "/tmp/ringroom-test-XXXXXX";
    int fd = mkstemp(name);
    struct config_source source = {.file = name};
    struct config config;

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT(write(fd, FILE_BURST_2, strlen(FILE_BURST_2)) > 0);
    CU_ASSERT_EQUAL_FATAL(config_load(&source, &config, load_error, sizeof(load_error)), 0);
    CU_ASSERT_EQUAL(config.settings.burst, 2);
    config_deinit(&config);

    CU_ASSERT_EQUAL(ftruncate(fd, CONFIG_FILE_MAX + 1), 0);
    CU_ASSERT_EQUAL(config_load(&source, &config, load_error, sizeof(load_error)), -EFBIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(load_error, ": must have at most 4194304 bytes"));
    close(fd);
    unlink(name);
    CU_ASSERT_EQUAL(config_load(&source, &config, load_error, sizeof(load_error)), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(load_error, name));
    source.file = "/tmp";
    CU_ASSERT_EQUAL(config_load(&source, &config, load_error, sizeof(load_error)), -EISDIR);
}

static void test_config__addresses_are_read_as_written(void)
{
    static const char *const texts[] = {"0.0.0.0:8443", "127.0.0.1:0", "[::]:8443", "[::1]:65535",
                                        "[2001:db8::1]:443"};
    char set[128], text[CONFIG_ADDRESS_BYTES];
    struct config config;

    for (size_t i = 0; i < array_len(texts); i++) {
        snprintf(set, sizeof(set), "listen_plain=%s", texts[i]);
        CU_ASSERT(loaded(&config, NULL, NULL, TEXTS("listen=[]", set)));
        CU_ASSERT_EQUAL_FATAL(config.listen_plain.count, 1);
        config_address_text(&config.listen_plain.list[0], text);
        CU_ASSERT_STRING_EQUAL(text, texts[i]);
        config_deinit(&config);
    }
}

static void test_config__what_is_no_numeric_address_with_a_port_is_refused(void)
{
    static const char *const texts[] = {
        "",          "8443",          ":8443",         "*:8443",      "localhost:80", "127.0.0.1",
        "1.2.3.4:",  "1.2.3.4:x",     "1.2.3.4:65536", "1.2.3.4:+1",  "1.2.3.4: 1",   "1.2.3:80",
        "[::1]",     "[::1]8443",     "::1:8443",      "[1.2.3.4]:1", "[::1:80",      "[]:80",
        "0x7f.1:80", "1.2.3.4:000001"};
    char set[128];

    for (size_t i = 0; i < array_len(texts); i++) {
        snprintf(set, sizeof(set), "listen=\"%s\"", texts[i]);
        CU_ASSERT(set_refused(set, "must be a numeric address with its port"));
    }
    CU_ASSERT(set_refused("listen=[::ffff:1.2.3.4]:80", "must be a numeric address"));
    CU_ASSERT(set_refused("listen=8443", "listen: 8443 "));
    CU_ASSERT(set_refused("listen=[\"0.0.0.0:1\",\"x\"]", "listen[1]: \"x\" "));
    CU_ASSERT(set_refused("listen=[1]", "listen[0]: 1 "));
}

static void test_config__a_list_has_its_bound(void)
{
    char file[40 * (CONFIG_RULES_MAX + 1)];
    struct config config;

    for (int over = 0; over <= 1; over++) {
        char *end = stpcpy(file, "{" PLAIN_FILE ", \"rooms\": [{\"match\": \"a\"}");
        for (size_t i = 1; i < CONFIG_RULES_MAX + (size_t)over; i++)
            end = stpcpy(end, ", {\"match\": \"a\"}");
        stpcpy(end, "]}");
        CU_ASSERT_EQUAL(load_file(&config, file), over ? -EINVAL : 0);
        if (!over) {
            CU_ASSERT_EQUAL(config.settings.retention.rules_count, CONFIG_RULES_MAX);
            config_deinit(&config);
        }

        end = stpcpy(file, "{" PLAIN_FILE ", \"origins\": [\"*\"");
        for (size_t i = 1; i < CONFIG_ORIGINS_MAX + (size_t)over; i++)
            end = stpcpy(end, ", \"*\"");
        stpcpy(end, "]}");
        CU_ASSERT_EQUAL(load_file(&config, file), over ? -EINVAL : 0);
        if (!over)
            config_deinit(&config);

        end = stpcpy(file, "{" PLAIN_FILE ", \"proxy\": {\"from\": [\"::1\"");
        for (size_t i = 1; i < CONFIG_NETWORKS_MAX + (size_t)over; i++)
            end = stpcpy(end, ", \"::1\"");
        stpcpy(end, "]}}");
        CU_ASSERT_EQUAL(load_file(&config, file), over ? -EINVAL : 0);
        if (!over) {
            CU_ASSERT_EQUAL(config.settings.proxies.count, CONFIG_NETWORKS_MAX);
            config_deinit(&config);
        }

        end = stpcpy(file, "{\"listen\": [], \"listen_plain\": [\"127.0.0.1:0\"");
        for (size_t i = 1; i < CONFIG_LISTENERS_MAX + (size_t)over; i++)
            end = stpcpy(end, ", \"127.0.0.1:0\"");
        stpcpy(end, "]}");
        CU_ASSERT_EQUAL(load_file(&config, file), over ? -EINVAL : 0);
        if (!over)
            config_deinit(&config);
    }
}

static void test_config__origins_are_a_pattern_or_a_list(void)
{
    struct config config;

    CU_ASSERT(loaded(&config, NULL, NULL, TEXTS(PLAIN, "origins=https://*.example.org")));
    CU_ASSERT_EQUAL_FATAL(config.settings.origins_count, 1);
    CU_ASSERT_STRING_EQUAL(config.settings.origins[0], "https://*.example.org");
    config_deinit(&config);
    CU_ASSERT(loaded(&config, NULL, NULL,
                     TEXTS(PLAIN, "origins=[\"*\", \"null\", \"http://localhost:3000\", "
                                  "\"https://a.example:80\", \"http://*:8443\", \"*://[::1]\"]")));
    CU_ASSERT_EQUAL(config.settings.origins_count, 6);
    config_deinit(&config);

    /* None of these could ever match what a browser sends. */
    CU_ASSERT(set_refused("origins=https://example.org/", "must be an origin"));
    CU_ASSERT(set_refused("origins=https://Example.org", "in lower case"));
    CU_ASSERT(set_refused("origins=example.org", "must be an origin"));
    CU_ASSERT(set_refused("origins=https://example.org:443", "without a path or a default port"));
    CU_ASSERT(set_refused("origins=http://*.example.org:80", "without a path or a default port"));
    CU_ASSERT(set_refused("origins=https://b\u00fccher.example", "must be an origin"));
    CU_ASSERT(set_refused("origins=https://me@example.org", "must be an origin"));
    CU_ASSERT(set_refused("origins=https://", "must be an origin"));
    CU_ASSERT(set_refused("origins=://example.org", "must be an origin"));
    CU_ASSERT(set_refused("origins=[\"*\", \"\"]", "origins[1]: \"\" "));
    CU_ASSERT(set_refused("origins=[1]", "origins[0]: 1 "));
    CU_ASSERT(set_refused("origins=true", "origins: true "));
}

static void test_config__proxies_are_networks_or_addresses(void)
{
    static const char *const bad[] = {"10.0.0.1/8",    "10.0.0.0/33", "10.0.0.0/",      "10.0.0",
                                      "proxy.example", "fe80::1%lo",  "\"\"",           "*",
                                      "127.0.0.1:80",  "[::1]",       "10.0.0.0/8, ::1"};
    struct config config;
    struct ip ip;

    CU_ASSERT(loaded(&config, NULL, NULL, TEXTS(PLAIN)));
    CU_ASSERT_EQUAL(config.settings.proxies.count, 0);
    CU_ASSERT_EQUAL(config.settings.proxy_by, PROXY_BY_FORWARDED);
    config_deinit(&config);
    CU_ASSERT(loaded(&config, NULL, NULL, TEXTS(PLAIN, "proxy.from=127.0.0.1")));
    CU_ASSERT_EQUAL_FATAL(config.settings.proxies.count, 1);
    CU_ASSERT(ip_parse(slice_of("127.0.0.1"), &ip));
    CU_ASSERT(ip_network_has(config.settings.proxies.list, &ip));
    config_deinit(&config);
    CU_ASSERT(loaded(&config, NULL, NULL,
                     TEXTS(PLAIN, "proxy.by=protocol",
                           "proxy.from=[\"::1\", \"10.0.0.0/8\", \"2001:db8::/32\"]")));
    CU_ASSERT_EQUAL(config.settings.proxy_by, PROXY_BY_PROTOCOL);
    CU_ASSERT_EQUAL(config.settings.proxies.count, 3);
    CU_ASSERT(ip_parse(slice_of("10.200.0.1"), &ip));
    CU_ASSERT(ip_networks_have(config.settings.proxies.list, 3, &ip));
    config_deinit(&config);

    for (size_t i = 0; i < array_len(bad); i++) {
        char set[128];

        snprintf(set, sizeof(set), "proxy.from=%s", bad[i]);
        CU_ASSERT(set_refused(set, "must be an address or a network, as \"192.0.2.1\""));
    }
    CU_ASSERT(set_refused("proxy.from=10.0.0.1/8", "without bits behind its prefix"));
    CU_ASSERT(set_refused("proxy.from=[\"::1\", \"::1/8\"]", "proxy.from[1]: \"::1/8\" "));
    CU_ASSERT(set_refused("proxy.from=[1]", "proxy.from[0]: 1 "));
    CU_ASSERT(set_refused("proxy.from={}", "a list of at most 64 of them"));
    CU_ASSERT(set_refused("proxy.by=proxy", "must be one of \"forwarded\", \"protocol\""));
}

static void test_config__what_a_rule_leaves_unset_it_takes_from_the_defaults_in_force(void)
{
    struct config config;

    CU_ASSERT(loaded(&config,
                     "{" PLAIN_FILE ", \"rooms\": [{\"match\": \"game-*\", \"ttl\": 1860,"
                     " \"max_bytes\": null}, {\"match\": \"*\", \"ttl_from\": \"message\"}],"
                     " \"retention\": {\"max_messages\": 7}}",
                     NULL, TEXTS("retention.ttl=5", "retention.max_bytes=9")));
    struct retention_rules *rules = &config.settings.retention;
    CU_ASSERT_EQUAL_FATAL(rules->rules_count, 2);
    CU_ASSERT_STRING_EQUAL(rules->rules[0].match, "game-*");
    CU_ASSERT_EQUAL(rules->rules[0].retention.ttl_s, 1860);
    CU_ASSERT_EQUAL(rules->rules[0].retention.ttl_from, TTL_FROM_LAST_MESSAGE);
    CU_ASSERT_EQUAL(rules->rules[0].retention.max_messages, 7);
    CU_ASSERT_EQUAL(rules->rules[0].retention.max_bytes, 9);
    CU_ASSERT_EQUAL(rules->rules[1].retention.ttl_s, 5);
    CU_ASSERT_EQUAL(rules->rules[1].retention.ttl_from, TTL_FROM_MESSAGE);
    CU_ASSERT_EQUAL(retention_for(rules, slice_of("game-1")).ttl_s, 1860);
    config_deinit(&config);
}

static void test_config__a_wrong_rule_is_named_by_its_place(void)
{
    CU_ASSERT(
        set_refused("rooms=[{\"match\":\"a\"},{\"match\":\"b\",\"ttl\":0}]",
                    "rooms[1].ttl: 0 (from --set): must be a whole number from 1 to 2592000"));
    CU_ASSERT(set_refused("rooms=[{\"match\":\"a\",\"max_mesages\":1}]",
                          "rooms[0].max_mesages: 1 (from --set): no such key in a rule; the "
                          "nearest is max_messages (allowed are match, ttl, ttl_from, "
                          "max_messages, max_bytes)"));
    CU_ASSERT(set_refused("rooms=[{\"color\":1}]", "no such key in a rule (allowed are match"));
    CU_ASSERT(set_refused("rooms=[{\"mach\":\"a\"}]", "the nearest is match"));
    CU_ASSERT(set_refused("rooms=[{\"ttl\":1}]", "rooms[0]: {\"ttl\": 1} "));
    CU_ASSERT(set_refused("rooms=[{\"match\":\"\"}]", "rooms[0].match: \"\" "));
    CU_ASSERT(set_refused("rooms=[{\"match\":\"a\\tb\"}]", "control characters"));
    CU_ASSERT(set_refused("rooms=[{\"match\":null}]", "rooms[0].match: null "));
    CU_ASSERT(set_refused("rooms=[\"game-*\"]", "rooms[0]: \"game-*\" "));
    CU_ASSERT(set_refused("rooms={\"match\":\"a\"}", "must be a list of at most 1024 rules"));
}

static void test_config__control_characters_never_reach_the_terminal(void)
{
    struct config config;

    load_sets(&config, TEXTS("\x1b[31mred\n=1"));
    for (const char *c = load_error; *c; c++)
        CU_ASSERT((unsigned char)*c >= 0x20 && *c != 0x7f);
    CU_ASSERT(load_error[0] != '\0');
    load_sets(&config, TEXTS("no\x1b=key"));
    CU_ASSERT_PTR_NULL(strchr(load_error, '\x1b'));
    load_file(&config, "{\"a\x1b");
    CU_ASSERT_PTR_NULL(strchr(load_error, '\x1b'));
}

static void test_config__an_error_fits_any_buffer(void)
{
    const char *set = "limits.max_message=1";
    struct config_source source = {.sets = &set, .sets_count = 1};
    char full[CONFIG_ERROR_BYTES];
    struct config config;

    CU_ASSERT_EQUAL(config_load(&source, &config, full, sizeof(full)), -EINVAL);
    CU_ASSERT_EQUAL(config_load(&source, &config, NULL, 0), -EINVAL);
    for (size_t bytes = 1; bytes <= strlen(full) + 1; bytes++) {
        char *text = malloc(bytes); /* exactly as large, for the address sanitizer to watch */

        CU_ASSERT_EQUAL(config_load(&source, &config, text, bytes), -EINVAL);
        CU_ASSERT_EQUAL(strlen(text), bytes - 1);
        CU_ASSERT_EQUAL(strncmp(text, full, bytes - 1), 0);
        free(text);
    }
}

static void test_config__a_huge_value_is_shown_cut(void)
{
    char set[5000] = "log.level=";

    memset(set + strlen(set), 'x', sizeof(set) - strlen(set) - 1);
    CU_ASSERT(set_refused(set, "xxx... (from --set): must be one of \"error\", \"warn\""));
    memset(set, 'k', 4000);
    set[4000] = '=';
    CU_ASSERT(set_refused(set, "no such key"));
}

static void test_config__a_refused_load_leaves_the_target_untouched(void)
{
    struct config config, before;

    memset(&config, 0x5a, sizeof(config));
    before = config;
    CU_ASSERT_EQUAL(load_sets(&config, TEXTS(PLAIN, "drain=-1")), -EINVAL);
    CU_ASSERT_EQUAL(memcmp(&config, &before, sizeof(config)), 0);
}

static void test_config__every_failing_allocation_is_an_error_and_no_leak(void)
{
    const char *file = "{" PLAIN_FILE ", \"origins\": [\"*\", \"https://a.example\"],"
                       " \"proxy\": {\"from\": [\"::1\", \"10.0.0.0/8\"]},"
                       " \"rooms\": [{\"match\": \"a\"}, {\"match\": \"b\"}],"
                       " \"tls\": {\"cert\": \"c\", \"key\": \"k\"}}";
    struct config config;
    long failures = 0;
    int error;

    for (;; failures++) {
        mem_fail_after(failures);
        error = load_file(&config, file);
        mem_fail_after(-1);
        if (error == 0)
            break;
        CU_ASSERT_EQUAL_FATAL(error, -ENOMEM);
        CU_ASSERT_PTR_NOT_NULL(strstr(load_error, "memory"));
    }
    config_deinit(&config);
#ifdef RINGROOM_DCHECK /* else mem_fail_after() does nothing */
    CU_ASSERT(failures > 10);
#endif
}

static void test_config__a_zeroed_or_freed_config_can_be_freed(void)
{
    struct config config = {.shards = 0};

    config_deinit(&config);
    CU_ASSERT(loaded(&config, "{" PLAIN_FILE "}", NULL, NULL));
    config_deinit(&config);
    config_deinit(&config);
}

UNIT_MAIN("server.config",
          UNIT_TEST(test_config__without_a_source_the_defaults_hold_but_tls_needs_a_certificate),
          UNIT_TEST(test_config__the_file_beats_the_default),
          UNIT_TEST(test_config__the_environment_beats_the_file),
          UNIT_TEST(test_config__a_flag_beats_the_environment),
          UNIT_TEST(test_config__of_flags_the_last_wins),
          UNIT_TEST(test_config__null_stands_for_the_default),
          UNIT_TEST(test_config__a_wrong_value_is_refused_even_where_a_stronger_one_beats_it),
          UNIT_TEST(test_config__an_error_names_the_environment_variable),
          UNIT_TEST(test_config__a_variable_that_is_no_key_is_told_its_right_name),
          UNIT_TEST(test_config__a_variable_like_no_key_is_to_be_unset),
          UNIT_TEST(test_config__variables_without_the_prefix_are_not_ours),
          UNIT_TEST(test_config__variables_that_kubernetes_makes_for_a_service_are_not_ours),
          UNIT_TEST(test_config__the_clients_token_is_no_key),
          UNIT_TEST(test_config__a_value_is_json_or_else_a_string),
          UNIT_TEST(test_config__an_empty_file_name_is_none),
          UNIT_TEST(test_config__a_flag_without_key_or_equals_sign_is_refused),
          UNIT_TEST(test_config__a_group_is_an_object_in_the_file_and_nothing_elsewhere),
          UNIT_TEST(test_config__a_file_that_is_no_json_object_is_refused_with_its_line),
          UNIT_TEST(test_config__a_file_is_read_from_disk),
          UNIT_TEST(test_config__addresses_are_read_as_written),
          UNIT_TEST(test_config__what_is_no_numeric_address_with_a_port_is_refused),
          UNIT_TEST(test_config__a_list_has_its_bound),
          UNIT_TEST(test_config__origins_are_a_pattern_or_a_list),
          UNIT_TEST(test_config__proxies_are_networks_or_addresses),
          UNIT_TEST(test_config__what_a_rule_leaves_unset_it_takes_from_the_defaults_in_force),
          UNIT_TEST(test_config__a_wrong_rule_is_named_by_its_place),
          UNIT_TEST(test_config__control_characters_never_reach_the_terminal),
          UNIT_TEST(test_config__an_error_fits_any_buffer),
          UNIT_TEST(test_config__a_huge_value_is_shown_cut),
          UNIT_TEST(test_config__a_refused_load_leaves_the_target_untouched),
          UNIT_TEST(test_config__every_failing_allocation_is_an_error_and_no_leak),
          UNIT_TEST(test_config__a_zeroed_or_freed_config_can_be_freed))
