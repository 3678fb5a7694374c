/* Every key of the table, in every way that the table promises. */
#include "load.h"
#include <ctype.h>
#include <jansson.h>

static bool is_number(const struct config_key *key)
{
    return key->type == CONFIG_U32 || key->type == CONFIG_U64;
}

/* The value at "limits.burst" in what config_print() prints, as JSON text; to be freed. */
static char *printed_value(const struct config *config, const char *name)
{
    char *text = printed(config), group[64];
    json_t *root = json_loads(text, 0, NULL), *value = root;
    const char *dot = strchr(name, '.');

    free(text);
    if (dot) {
        snprintf(group, sizeof(group), "%.*s", (int)(dot - name), name);
        value = json_object_get(root, group);
    }
    text = json_dumps(json_object_get(value, dot ? dot + 1 : name), JSON_ENCODE_ANY);
    json_decref(root);
    return text;
}

/* A value that the key may have and that is not its default, as JSON; "" for keys that others
 * forbid to stand alone. */
static void other_value(const struct config_key *key, char text[128])
{
    switch (key->type) {
    case CONFIG_U32:
    case CONFIG_U64: /* their neighbours fit each other in cross checks */
        snprintf(text, 128, "%lld",
                 strcmp(key->name, "limits.memory") == 0 ? 1000000 : atoll(key->preset) + 1);
        break;
    case CONFIG_BOOL:
        snprintf(text, 128, "true");
        break;
    case CONFIG_CHOICE:
        if (strcmp(key->name, "auth.mode") == 0 || strcmp(key->name, "proxy.by") == 0) {
            snprintf(text, 128, "%s", key->preset); /* the other one needs another key */
            break;
        }
        for (size_t i = 0; key->choices[i]; i++) {
            if (!strstr(key->preset, key->choices[i]))
                snprintf(text, 128, "\"%s\"", key->choices[i]);
        }
        break;
    case CONFIG_TEXT:
    case CONFIG_PATH:
        snprintf(text, 128, "\"other.pem\"");
        break;
    case CONFIG_ACCOUNT:
        snprintf(text, 128, "\"other\"");
        break;
    case CONFIG_LISTENERS:
        snprintf(text, 128, "[\"127.0.0.1:99\"]");
        break;
    case CONFIG_ORIGINS:
        snprintf(text, 128, "[\"https://other.example\"]");
        break;
    case CONFIG_NETWORKS:
        snprintf(text, 128, "[\"10.0.0.0/8\", \"2001:db8::1\"]");
        break;
    case CONFIG_ROOMS:
        snprintf(text, 128,
                 "[{\"match\": \"a\", \"ttl\": 1, \"ttl_from\": \"message\", \"max_messages\": 2, "
                 "\"max_bytes\": 3}]");
        break;
    case CONFIG_AUTH_KEYS:
        snprintf(text, 128, "[{\"kid\": \"1\", \"alg\": \"RS256\", \"file\": \"k.pem\"}]");
        break;
    case CONFIG_API_KEYS:
        snprintf(text, 128, "[{\"name\": \"shop\", \"file\": \"k\"}]");
        break;
    }
}

/* What lets any one key be set without a cross check minding. */
#define CERTIFIED "listen=127.0.0.1:0", "tls.cert=c", "tls.key=k"
#define CERTIFIED_ENVIRONMENT                                                                      \
    "RINGROOM_LISTEN=127.0.0.1:0", "RINGROOM_TLS__CERT=c", "RINGROOM_TLS__KEY=k"

static void test_config_keys__every_default_is_allowed_and_in_force(void)
{
    struct config config;

    CU_ASSERT(loaded(&config, NULL, NULL, TEXTS("tls.cert=c", "tls.key=k")));
    for (size_t i = 0; i < config_keys_count; i++) {
        json_t *preset = json_loads(config_keys[i].preset, JSON_DECODE_ANY, NULL);
        char *value = printed_value(&config, config_keys[i].name);

        CU_ASSERT_PTR_NOT_NULL_FATAL(preset);
        if (config_keys[i].type == CONFIG_LISTENERS && json_is_string(preset)) {
            json_t *list = json_array();
            json_array_append_new(list, preset);
            preset = list;
        }
        char *expected = json_dumps(preset, JSON_ENCODE_ANY);
        if (config_keys[i].type != CONFIG_PATH)
            CU_ASSERT_STRING_EQUAL(value, expected);
        free(value);
        free(expected);
        json_decref(preset);
    }
    config_deinit(&config);
}

static void test_config_keys__every_key_can_be_set_by_flag(void)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        char value[128], set[256];
        struct config config;

        other_value(&config_keys[i], value);
        snprintf(set, sizeof(set), "%s=%s", config_keys[i].name, value);
        CU_ASSERT(loaded(&config, NULL, NULL, TEXTS(CERTIFIED, set)));
        char *got = printed_value(&config, config_keys[i].name);
        CU_ASSERT_STRING_EQUAL(got, value);
        free(got);
        config_deinit(&config);
    }
}

static void test_config_keys__every_key_can_be_set_by_its_environment_variable(void)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        char value[128], variable[256] = "RINGROOM_";
        char *end = variable + strlen(variable);
        struct config config;

        for (const char *c = config_keys[i].name; *c; c++)
            end = stpcpy(end, *c == '.' ? "__" : (char[]){(char)toupper((unsigned char)*c), 0});
        other_value(&config_keys[i], value);
        snprintf(end, 160, "=%s", value);
        CU_ASSERT(loaded(&config, NULL, TEXTS(CERTIFIED_ENVIRONMENT, variable), NULL));
        char *got = printed_value(&config, config_keys[i].name);
        CU_ASSERT_STRING_EQUAL(got, value);
        free(got);
        config_deinit(&config);
    }
}

static void test_config_keys__every_key_can_be_set_by_file(void)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        const char *dot = strchr(config_keys[i].name, '.');
        char value[128], file[512];
        struct config config;

        other_value(&config_keys[i], value);
        if (dot)
            snprintf(file, sizeof(file), "{\"%.*s\": {\"%s\": %s}}",
                     (int)(dot - config_keys[i].name), config_keys[i].name, dot + 1, value);
        else
            snprintf(file, sizeof(file), "{\"%s\": %s}", config_keys[i].name, value);
        /* The weaker file gives the value, so these must not be set again. */
        const char *sets[4] = {"listen=127.0.0.1:0", "tls.cert=c", "tls.key=k", NULL};
        for (size_t j = 0; sets[j]; j++) {
            if (strncmp(sets[j], config_keys[i].name, strlen(config_keys[i].name)) == 0 &&
                sets[j][strlen(config_keys[i].name)] == '=')
                sets[j] = "drain=10";
        }
        CU_ASSERT(loaded(&config, file, NULL, sets));
        char *got = printed_value(&config, config_keys[i].name);
        CU_ASSERT_STRING_EQUAL(got, value);
        free(got);
        config_deinit(&config);
    }
}

static void test_config_keys__every_number_is_allowed_from_its_least_to_its_most(void)
{
    /* Cross checks aside: those say "limits.", the range says "whole number". */
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct config_key *key = &config_keys[i];
        char set[128], range[128];
        struct config config;

        if (!is_number(key))
            continue;
        CU_ASSERT(key->min <= key->max);
        CU_ASSERT(key->max <= (key->type == CONFIG_U32 ? UINT32_MAX : INT64_MAX));
        for (int most = 0; most <= 1; most++) {
            snprintf(set, sizeof(set), "%s=%llu", key->name,
                     (unsigned long long)(most ? key->max : key->min));
            if (load_sets(&config, TEXTS(PLAIN, set)) == 0)
                config_deinit(&config);
            else
                CU_ASSERT_PTR_NULL(strstr(load_error, "whole number"));
        }
        snprintf(range, sizeof(range), "must be a whole number from %llu to %llu",
                 (unsigned long long)key->min, (unsigned long long)key->max);
        snprintf(set, sizeof(set), "%s=%lld", key->name, (long long)key->min - 1);
        CU_ASSERT(set_refused(set, range));
        snprintf(set, sizeof(set), "%s=%llu", key->name, (unsigned long long)key->max + 1);
        CU_ASSERT(set_refused(set, range));
    }
}

static void test_config_keys__a_value_of_another_type_is_refused_with_what_is_allowed(void)
{
    static const char *const values[] = {"{\"a\": 1}", "-1.5", "true", "\"\\u0001\"", "[[]]"};

    for (size_t i = 0; i < config_keys_count; i++) {
        const struct config_key *key = &config_keys[i];

        for (size_t j = 0; j < array_len(values); j++) {
            char set[128];

            if ((key->type == CONFIG_BOOL && strcmp(values[j], "true") == 0) ||
                (key->type == CONFIG_PATH && values[j][0] == '"'))
                continue;
            snprintf(set, sizeof(set), "%s=%s", key->name, values[j]);
            CU_ASSERT(set_refused(set, key->name));
            CU_ASSERT(set_refused(set, "must be "));
        }
    }
}

static void test_config_keys__a_key_with_a_letter_left_out_is_refused_with_the_right_one(void)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        const char *name = config_keys[i].name;

        for (size_t left_out = 1; left_out < strlen(name); left_out++) {
            char set[128], nearest[128];

            snprintf(set, sizeof(set), "%.*s%s=1", (int)left_out, name, name + left_out + 1);
            snprintf(nearest, sizeof(nearest), "no such key; the nearest is %s", name);
            CU_ASSERT(set_refused(set, nearest));
        }
    }
}

static void test_config_keys__a_key_without_its_group_is_found(void)
{
    CU_ASSERT_STRING_EQUAL(config_nearest("max_message"), "limits.max_message");
    CU_ASSERT_STRING_EQUAL(config_nearest("ttl"), "retention.ttl");
    CU_ASSERT_STRING_EQUAL(config_nearest("cert"), "tls.cert");
    CU_ASSERT_STRING_EQUAL(config_nearest("limit"), "limits");
    CU_ASSERT_STRING_EQUAL(config_nearest("retentoin"), "retention");
}

static void test_config_keys__a_key_like_no_other_is_refused_without_a_guess(void)
{
    static const char *const strange[] = {"port", "x", "", "limits.foo"};

    for (size_t i = 0; i < array_len(strange); i++)
        CU_ASSERT_PTR_NULL(config_nearest(strange[i]));
    CU_ASSERT(set_refused("port=8443", "no such key; `ringroom --help` lists all keys"));
    CU_ASSERT_STRING_EQUAL(config_nearest("tls.certificate"), "tls.cert");
    CU_ASSERT_STRING_EQUAL(config_nearest("limits.max"), "limits.max_message");
}

static void test_config_keys__recovery_can_be_switched_off_either_way(void)
{
    struct config config;

    CU_ASSERT(loaded(&config, NULL, NULL, TEXTS(PLAIN, "limits.recovery=0")));
    CU_ASSERT_EQUAL(config.settings.recovery_s, 0);
    CU_ASSERT_EQUAL(config.settings.recoverable_max, 65536);
    config_deinit(&config);
    CU_ASSERT(loaded(&config, NULL, NULL, TEXTS(PLAIN, "limits.recoverable=0")));
    CU_ASSERT_EQUAL(config.settings.recovery_s, 86400);
    CU_ASSERT_EQUAL(config.settings.recoverable_max, 0);
    config_deinit(&config);
}

static void test_config_keys__keys_to_come_are_unknown_for_now(void)
{
    CU_ASSERT(set_refused("limits.users=0", "no such key"));
}

static void test_config_keys__the_groups_are_those_of_the_keys(void)
{
    bool used[16] = {false};

    CU_ASSERT_FATAL(config_groups_count <= array_len(used));
    for (size_t i = 0; i < config_keys_count; i++) {
        const char *dot = strchr(config_keys[i].name, '.');
        size_t found = 0;

        for (size_t j = 0; dot && j < config_groups_count; j++) {
            if (strlen(config_groups[j]) == (size_t)(dot - config_keys[i].name) &&
                strncmp(config_groups[j], config_keys[i].name, strlen(config_groups[j])) == 0) {
                used[j] = true;
                found++;
            }
        }
        CU_ASSERT_EQUAL(found, dot ? 1 : 0);
    }
    for (size_t j = 0; j < config_groups_count; j++)
        CU_ASSERT(used[j]);
}

static void test_config_keys__no_key_looks_like_a_kubernetes_service_variable(void)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        CU_ASSERT(strncmp(config_keys[i].name, "port", 4) != 0);
        CU_ASSERT(strncmp(config_keys[i].name, "service", 7) != 0);
    }
}

static void test_config_keys__choices_stand_in_the_order_of_their_enum(void)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        if (strcmp(config_keys[i].name, "retention.ttl_from") == 0) {
            for (enum ttl_from from = 0; from <= TTL_FROM_FIRST_MESSAGE; from++)
                CU_ASSERT_STRING_EQUAL(config_keys[i].choices[from], ttl_from_name(from));
        } else if (strcmp(config_keys[i].name, "auth.mode") == 0) {
            CU_ASSERT_STRING_EQUAL(config_keys[i].choices[AUTH_OPEN], "open");
            CU_ASSERT_STRING_EQUAL(config_keys[i].choices[AUTH_TOKEN], "token");
        } else if (strcmp(config_keys[i].name, "proxy.by") == 0) {
            CU_ASSERT_STRING_EQUAL(config_keys[i].choices[PROXY_BY_FORWARDED], "forwarded");
            CU_ASSERT_STRING_EQUAL(config_keys[i].choices[PROXY_BY_PROTOCOL], "protocol");
        } else if (strcmp(config_keys[i].name, "log.level") == 0) {
            CU_ASSERT_STRING_EQUAL(config_keys[i].choices[LOGGER_ERROR], "error");
            CU_ASSERT_STRING_EQUAL(config_keys[i].choices[LOGGER_WARN], "warn");
            CU_ASSERT_STRING_EQUAL(config_keys[i].choices[LOGGER_INFO], "info");
            CU_ASSERT_STRING_EQUAL(config_keys[i].choices[LOGGER_DEBUG], "debug");
        } else if (strcmp(config_keys[i].name, "log.format") == 0) {
            CU_ASSERT_STRING_EQUAL(config_keys[i].choices[LOG_FORMAT_TEXT], "text");
            CU_ASSERT_STRING_EQUAL(config_keys[i].choices[LOG_FORMAT_JSON], "json");
        }
    }
}

/* Random values for random keys; where they fit each other, printing and reading changes nothing.
 */
static void test_config_keys__what_is_printed_reads_to_the_same(void)
{
    uint64_t random = unit_seed();
    unsigned fitting = 0, rounds = unit_rounds(500);

    for (unsigned i = 0; i < rounds; i++) {
        char texts[4][256];
        const char *sets[8] = {CERTIFIED};
        struct config config, again;

        for (size_t j = 0; j < 4; j++) {
            const struct config_key *key = &config_keys[unit_random(&random) % config_keys_count];
            char value[128];

            other_value(key, value);
            if (is_number(key))
                snprintf(value, sizeof(value), "%llu",
                         (unsigned long long)(key->min +
                                              unit_random(&random) % (key->max - key->min + 1)));
            snprintf(texts[j], sizeof(texts[j]), "%s=%s", key->name, value);
            sets[3 + j] = texts[j];
        }
        if (load_sets(&config, sets) < 0)
            continue;
        fitting++;
        char *first = printed(&config);
        CU_ASSERT(loaded(&again, first, NULL, NULL));
        char *second = printed(&again);
        CU_ASSERT_STRING_EQUAL(first, second);
        free(first);
        free(second);
        config_deinit(&config);
        config_deinit(&again);
    }
    CU_ASSERT(fitting > rounds / 4);
}

static void test_config_keys__the_key_list_names_every_key_its_default_and_what_is_allowed(void)
{
    char *text = NULL, line[512];
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    config_print_keys(out);
    fclose(out);
    for (size_t i = 0; i < config_keys_count; i++) {
        snprintf(line, sizeof(line), "  %s = %s\n", config_keys[i].name, config_keys[i].preset);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, line));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, config_keys[i].help));
        config_allowed(&config_keys[i], line, sizeof(line));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, line));
    }
    free(text);
}

/* A file of the tree, by its name from the root; to be freed. */
static char *tree_file(const char *name)
{
    char path[4096];
    char *text = calloc(1, 1 << 20);
    size_t root_len = strlen(__FILE__) - strlen("tests/unit/server/test_config_keys.c");

    snprintf(path, sizeof(path), "%.*s%s", (int)root_len, __FILE__, name);
    FILE *file = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

static void test_config_keys__the_documentation_has_every_key_as_it_is(void)
{
    char *text = tree_file("docs/configuration.md");

    for (size_t i = 0; i < config_keys_count; i++) {
        const struct config_key *key = &config_keys[i];
        char start[128], facts[256], row[1024] = "";

        snprintf(start, sizeof(start), "\n| `%s` |", key->name);
        const char *found = strstr(text, start);
        if (found)
            snprintf(row, sizeof(row), "%.*s", (int)strcspn(found + 1, "\n"), found + 1);
        snprintf(facts, sizeof(facts), "| `%s` |", key->preset);
        if (is_number(key))
            snprintf(facts, sizeof(facts), "| number | `%s` | %llu to %llu |", key->preset,
                     (unsigned long long)key->min, (unsigned long long)key->max);
        if (!strstr(row, facts)) {
            printf("\n    %s: \"%s\" lacks \"%s\"\n", key->name, row, facts);
            CU_FAIL("docs/configuration.md differs from the table of keys");
        }
        for (size_t j = 0; key->choices && key->choices[j]; j++) {
            snprintf(facts, sizeof(facts), "`\"%s\"`", key->choices[j]);
            CU_ASSERT_PTR_NOT_NULL(strstr(row, facts));
        }
    }
    free(text);
}

static void test_config_keys__the_examples_are_taken(void)
{
    char *text = tree_file("docs/configuration.md");
    char *example = strstr(text, "```json\n{");
    struct config config;

    CU_ASSERT_PTR_NOT_NULL_FATAL(example);
    example += strlen("```json\n");
    *strstr(example, "```") = '\0';
    CU_ASSERT(loaded(&config, example, NULL, NULL));
    CU_ASSERT_EQUAL(config.settings.retention.rules_count, 2);
    config_deinit(&config);
    free(text);

    text = tree_file("systemd/ringroom.json");
    CU_ASSERT(loaded(&config, text, NULL, NULL));
    config_deinit(&config);
    free(text);
}

UNIT_MAIN("server.config_keys", UNIT_TEST(test_config_keys__every_default_is_allowed_and_in_force),
          UNIT_TEST(test_config_keys__every_key_can_be_set_by_flag),
          UNIT_TEST(test_config_keys__every_key_can_be_set_by_its_environment_variable),
          UNIT_TEST(test_config_keys__every_key_can_be_set_by_file),
          UNIT_TEST(test_config_keys__every_number_is_allowed_from_its_least_to_its_most),
          UNIT_TEST(test_config_keys__a_value_of_another_type_is_refused_with_what_is_allowed),
          UNIT_TEST(test_config_keys__a_key_with_a_letter_left_out_is_refused_with_the_right_one),
          UNIT_TEST(test_config_keys__a_key_without_its_group_is_found),
          UNIT_TEST(test_config_keys__a_key_like_no_other_is_refused_without_a_guess),
          UNIT_TEST(test_config_keys__recovery_can_be_switched_off_either_way),
          UNIT_TEST(test_config_keys__keys_to_come_are_unknown_for_now),
          UNIT_TEST(test_config_keys__the_groups_are_those_of_the_keys),
          UNIT_TEST(test_config_keys__no_key_looks_like_a_kubernetes_service_variable),
          UNIT_TEST(test_config_keys__choices_stand_in_the_order_of_their_enum),
          UNIT_TEST(test_config_keys__what_is_printed_reads_to_the_same),
          UNIT_TEST(test_config_keys__the_key_list_names_every_key_its_default_and_what_is_allowed),
          UNIT_TEST(test_config_keys__the_documentation_has_every_key_as_it_is),
          UNIT_TEST(test_config_keys__the_examples_are_taken))
