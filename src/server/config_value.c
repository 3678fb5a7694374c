/* config_value.c - one value, from JSON into its field and back. */
#include "config_parts.h"
#include "ringroom/base/check.h"
#include "ringroom/base/utf8.h"
#include "ringroom/server/nearest.h"
#include <errno.h>

enum { PATTERN_MAX = 256 }; /* bytes of one `match` or origin */

static int not_allowed(struct config_loader *loader, const struct config_key *key, const char *name,
                       const json_t *value)
{
    char allowed[CONFIG_ALLOWED_BYTES];

    config_allowed(key, allowed, sizeof(allowed));
    return config_refuse(loader, name, value, "must be %s", allowed);
}

static char *copy_text(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = mem_alloc(bytes);

    return copy ? memcpy(copy, text, bytes) : NULL;
}

/* Numbers, booleans and choices, written to `field`. `name` is what the error calls it. */
static int store_scalar(struct config_loader *loader, const struct config_key *key,
                        const char *name, const json_t *value, void *field)
{
    if (key->type == CONFIG_BOOL) {
        if (!json_is_boolean(value))
            return not_allowed(loader, key, name, value);
        *(bool *)field = json_boolean_value(value);
        return 0;
    }
    if (key->type == CONFIG_CHOICE) {
        for (uint32_t i = 0; key->choices[i] && json_is_string(value); i++) {
            if (strcmp(key->choices[i], json_string_value(value)) == 0) {
                memcpy(field, &i, sizeof(i));
                return 0;
            }
        }
        return not_allowed(loader, key, name, value);
    }

    json_int_t number = json_integer_value(value); /* 0 where it is none */
    if (!json_is_integer(value) || number < 0 || (uint64_t)number < key->min ||
        (uint64_t)number > key->max)
        return not_allowed(loader, key, name, value);
    if (key->type == CONFIG_U32)
        *(uint32_t *)field = (uint32_t)number;
    else
        *(uint64_t *)field = (uint64_t)number;
    return 0;
}

static int store_path(struct config_loader *loader, const struct config_key *key,
                      const json_t *value, char **field)
{
    char *path = NULL;

    if (!json_is_string(value) && !json_is_null(value))
        return not_allowed(loader, key, key->name, value);
    if (json_string_length(value) > 0 && !(path = copy_text(json_string_value(value))))
        return config_out_of_memory(loader);
    mem_free(*field);
    *field = path;
    return 0;
}

/* A name, or a number without quotes: both are kept as text. */
static int store_account(struct config_loader *loader, const struct config_key *key,
                         const json_t *value, char **field)
{
    char digits[24], *account = NULL;
    const char *text = json_string_value(value);

    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        snprintf(digits, sizeof(digits), "%lld", (long long)json_integer_value(value));
        text = digits;
    }
    if (!text && !json_is_null(value))
        return not_allowed(loader, key, key->name, value);
    for (const char *c = text; c && *c; c++) {
        if (*c <= ' ' || *c == ':' || *c == '\x7f')
            return not_allowed(loader, key, key->name, value);
    }
    if (text && *text && !(account = copy_text(text)))
        return config_out_of_memory(loader);
    mem_free(*field);
    *field = account;
    return 0;
}

static int store_text(struct config_loader *loader, const struct config_key *key,
                      const json_t *value, char **field)
{
    struct slice text = slice_make(json_string_value(value), json_string_length(value));

    if (text.len > CONFIG_TEXT_MAX || !utf8_printable(text))
        return not_allowed(loader, key, key->name, value);
    return store_path(loader, key, value, field);
}

/* A list, or one of its members alone: the number of members, or SIZE_MAX where it is neither. */
static size_t list_count(const json_t *value)
{
    if (json_is_string(value))
        return 1;
    return json_is_array(value) ? json_array_size(value) : SIZE_MAX;
}

/* A member, and in `name` what an error calls it. */
static const json_t *list_member(const struct config_key *key, const json_t *value, size_t i,
                                 char name[CONFIG_NAME_MAX])
{
    if (!json_is_array(value)) {
        snprintf(name, CONFIG_NAME_MAX, "%s", key->name);
        return value;
    }
    snprintf(name, CONFIG_NAME_MAX, "%s[%zu]", key->name, i);
    return json_array_get(value, i);
}

static int store_listeners(struct config_loader *loader, const struct config_key *key,
                           const json_t *value, struct config_listeners *field)
{
    struct config_listeners made = {.count = list_count(value)};

    if (made.count > CONFIG_LISTENERS_MAX)
        return not_allowed(loader, key, key->name, value);
    if (made.count > 0 && !(made.list = mem_zalloc(made.count * sizeof(*made.list))))
        return config_out_of_memory(loader);
    for (size_t i = 0; i < made.count; i++) {
        char name[CONFIG_NAME_MAX];
        const json_t *member = list_member(key, value, i, name);

        if (!json_is_string(member) ||
            !config_address_parse(json_string_value(member), &made.list[i])) {
            mem_free(made.list);
            return not_allowed(loader, key, name, member);
        }
    }
    mem_free(field->list);
    *field = made;
    return 0;
}

static bool starts_and_ends(const char *text, const char *start, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return strncmp(text, start, strlen(start)) == 0 && len >= end_len &&
           strcmp(text + len - end_len, end) == 0;
}

/* As browsers send it: scheme://host[:port], in lower case and ASCII, without a path or the
 * scheme's own port. Or a pattern of it. */
static bool is_origin(const json_t *value)
{
    const char *text = json_string_value(value);

    if (!text || text[0] == '\0' || strlen(text) > PATTERN_MAX)
        return false;
    for (const char *c = text; *c; c++) {
        if (*c <= ' ' || *c > '~' || (*c >= 'A' && *c <= 'Z'))
            return false;
    }
    if (starts_and_ends(text, "https://", ":443") || starts_and_ends(text, "http://", ":80"))
        return false;
    const char *host = strstr(text, "://");
    if (!host)
        return strchr(text, '*') || strcmp(text, "null") == 0;
    return host > text && host[3] != '\0' && strpbrk(host + 3, "/?#@") == NULL;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free(texts[i]);
    mem_free(texts);
}

static int store_origins(struct config_loader *loader, const struct config_key *key,
                         const json_t *value)
{
    struct settings *settings = &loader->config.settings;
    size_t count = list_count(value);
    char **made = NULL;

    if (count > CONFIG_ORIGINS_MAX)
        return not_allowed(loader, key, key->name, value);
    if (count > 0 && !(made = mem_zalloc(count * sizeof(*made))))
        return config_out_of_memory(loader);
    for (size_t i = 0; i < count; i++) {
        char name[CONFIG_NAME_MAX];
        const json_t *member = list_member(key, value, i, name);
        int error = is_origin(member) ? 0 : not_allowed(loader, key, name, member);

        if (error == 0 && !(made[i] = copy_text(json_string_value(member))))
            error = config_out_of_memory(loader);
        if (error < 0) {
            free_texts(made, count);
            return error;
        }
    }
    free_texts(settings->origins, settings->origins_count);
    settings->origins = made;
    settings->origins_count = count;
    return 0;
}

static int store_networks(struct config_loader *loader, const struct config_key *key,
                          const json_t *value, struct settings_networks *field)
{
    size_t count = list_count(value);
    struct ip_network *made = NULL;

    if (count > CONFIG_NETWORKS_MAX)
        return not_allowed(loader, key, key->name, value);
    if (count > 0 && !(made = mem_zalloc(count * sizeof(*made))))
        return config_out_of_memory(loader);
    for (size_t i = 0; i < count; i++) {
        char name[CONFIG_NAME_MAX];
        const json_t *member = list_member(key, value, i, name);
        struct slice text = slice_make(json_string_value(member), json_string_length(member));

        if (!ip_network_parse(text, &made[i])) {
            mem_free(made);
            return not_allowed(loader, key, name, member);
        }
    }
    mem_free(field->list);
    *field = (struct settings_networks){.list = made, .count = count};
    return 0;
}

static int store_match(struct config_loader *loader, const char *name, const json_t *value,
                       char **field)
{
    const char *text = json_string_value(value);

    if (!text || text[0] == '\0' || strlen(text) > PATTERN_MAX || !utf8_printable(slice_of(text)))
        return config_refuse(loader, name, value,
                             "must be a room's name with * as wildcard, 1 to %d bytes without "
                             "control characters",
                             PATTERN_MAX);
    *field = copy_text(text);
    return *field ? 0 : config_out_of_memory(loader);
}

static int unknown_in_rule(struct config_loader *loader, const char *name, const char *member,
                           const json_t *value)
{
    struct nearest nearest = nearest_to(member);

    nearest_offer(&nearest, "match");
    for (size_t i = 0; i < config_keys_count; i++) {
        if (strncmp(config_keys[i].name, "retention.", 10) == 0)
            nearest_offer(&nearest, config_keys[i].name + 10);
    }
    return config_refuse(loader, name, value,
                         "no such key in a rule%s%s (allowed are match, ttl, ttl_from, "
                         "max_messages, max_bytes)",
                         nearest.best ? "; the nearest is " : "", nearest.best ? nearest.best : "");
}

/* One entry of `rooms`. What it sets itself are keys of `retention.`, into its own struct. */
static int store_rule(struct config_loader *loader, const char *rule_name, json_t *value,
                      struct retention_rule *rule)
{
    const char *member;
    json_t *member_value;

    rule->retention = loader->config.settings.retention.defaults;
    json_object_foreach(value, member, member_value)
    {
        char full[CONFIG_NAME_MAX], name[2 * CONFIG_NAME_MAX];
        int error = 0;

        snprintf(full, sizeof(full), "retention.%s", member);
        snprintf(name, sizeof(name), "%s.%s", rule_name, member);
        const struct config_key *key = config_key_find(full);
        if (strcmp(member, "match") == 0)
            error = store_match(loader, name, member_value, &rule->match);
        else if (!key)
            error = unknown_in_rule(loader, name, member, member_value);
        else if (!json_is_null(member_value))
            error = store_scalar(loader, key, name, member_value,
                                 (char *)&rule->retention + key->offset -
                                     offsetof(struct config, settings.retention.defaults));
        if (error < 0)
            return error;
    }
    if (!rule->match)
        return config_refuse(loader, rule_name, value, "must have a \"match\", as \"game-*\"");
    return 0;
}

void config_rules_free(struct retention_rules *rules)
{
    for (size_t i = 0; i < rules->rules_count; i++)
        mem_free(rules->rules[i].match);
    mem_free(rules->rules);
    rules->rules = NULL;
    rules->rules_count = 0;
}

static int store_rooms(struct config_loader *loader, const struct config_key *key,
                       const json_t *value)
{
    struct retention_rules *rules = &loader->config.settings.retention;
    struct retention_rules made = {.rules_count = json_array_size(value)};

    if (!json_is_array(value) || made.rules_count > CONFIG_RULES_MAX)
        return not_allowed(loader, key, key->name, value);
    if (made.rules_count > 0 && !(made.rules = mem_zalloc(made.rules_count * sizeof(*made.rules))))
        return config_out_of_memory(loader);
    for (size_t i = 0; i < made.rules_count; i++) {
        json_t *member = json_array_get(value, i);
        char name[CONFIG_NAME_MAX];

        snprintf(name, sizeof(name), "%s[%zu]", key->name, i);
        int error = json_is_object(member)
                        ? store_rule(loader, name, member, &made.rules[i])
                        : config_refuse(loader, name, member,
                                        "must be a rule, as {\"match\": \"game-*\", \"ttl\": 60}");
        if (error < 0) {
            config_rules_free(&made);
            return error;
        }
    }
    config_rules_free(rules);
    rules->rules = made.rules;
    rules->rules_count = made.rules_count;
    return 0;
}

int config_value_store(struct config_loader *loader, const struct config_key *key,
                       const json_t *value)
{
    void *field = (char *)&loader->config + key->offset;

    switch (key->type) {
    case CONFIG_U32:
    case CONFIG_U64:
    case CONFIG_BOOL:
    case CONFIG_CHOICE:
        return store_scalar(loader, key, key->name, value, field);
    case CONFIG_PATH:
        return store_path(loader, key, value, field);
    case CONFIG_ACCOUNT:
        return store_account(loader, key, value, field);
    case CONFIG_TEXT:
        return store_text(loader, key, value, field);
    case CONFIG_LISTENERS:
        return store_listeners(loader, key, value, field);
    case CONFIG_ORIGINS:
        return store_origins(loader, key, value);
    case CONFIG_NETWORKS:
        return store_networks(loader, key, value, field);
    case CONFIG_ROOMS:
        return store_rooms(loader, key, value);
    case CONFIG_AUTH_KEYS:
        return config_auth_keys_store(loader, key, value, field);
    case CONFIG_API_KEYS:
        return config_api_keys_store(loader, key, value, field);
    }
    CHECK(!"a type that is none");
    return -EINVAL;
}

static json_t *load_listeners(const struct config_listeners *listeners)
{
    json_t *list = json_array();

    for (size_t i = 0; i < listeners->count; i++) {
        char text[CONFIG_ADDRESS_BYTES];

        config_address_text(&listeners->list[i], text);
        if (json_array_append_new(list, json_string(text)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *load_origins(const struct settings *settings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < settings->origins_count; i++) {
        if (json_array_append_new(list, json_string(settings->origins[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *load_networks(const struct settings_networks *networks)
{
    json_t *list = json_array();

    for (size_t i = 0; i < networks->count; i++) {
        char text[IP_NETWORK_TEXT_MAX];

        ip_network_format(&networks->list[i], text);
        if (json_array_append_new(list, json_string(text)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *load_rooms(const struct retention_rules *rules)
{
    json_t *list = json_array();

    for (size_t i = 0; i < rules->rules_count; i++) {
        const struct retention *retention = &rules->rules[i].retention;
        json_t *rule =
            json_pack("{s:s, s:I, s:s, s:I, s:I}", "match", rules->rules[i].match, "ttl",
                      (json_int_t)retention->ttl_s, "ttl_from", ttl_from_name(retention->ttl_from),
                      "max_messages", (json_int_t)retention->max_messages, "max_bytes",
                      (json_int_t)retention->max_bytes);

        if (json_array_append_new(list, rule) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *config_value_load(const struct config *config, const struct config_key *key)
{
    const void *field = (const char *)config + key->offset;
    uint32_t choice;

    switch (key->type) {
    case CONFIG_U32:
        return json_integer(*(const uint32_t *)field);
    case CONFIG_U64:
        return json_integer((json_int_t) * (const uint64_t *)field);
    case CONFIG_BOOL:
        return json_boolean(*(const bool *)field);
    case CONFIG_CHOICE:
        memcpy(&choice, field, sizeof(choice));
        return json_string(key->choices[choice]);
    case CONFIG_PATH:
    case CONFIG_ACCOUNT:
    case CONFIG_TEXT:
        return *(char *const *)field ? json_string(*(char *const *)field) : json_null();
    case CONFIG_LISTENERS:
        return load_listeners(field);
    case CONFIG_ORIGINS:
        return load_origins(&config->settings);
    case CONFIG_NETWORKS:
        return load_networks(field);
    case CONFIG_ROOMS:
        return load_rooms(&config->settings.retention);
    case CONFIG_AUTH_KEYS:
        return config_auth_keys_load(field);
    case CONFIG_API_KEYS:
        return config_api_keys_load(field);
    }
    CHECK(!"a type that is none");
    return NULL;
}
