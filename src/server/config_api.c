/* config_api.c - api.keys: who may use the HTTP API. */
#include "config_parts.h"
#include "ringroom/base/check.h"
#include <errno.h>

static const char *const members[] = {"name", "sha256", "key", "file", NULL};

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

static int store_digest(struct config_loader *loader, const char *name, const json_t *value,
                        struct config_api_key *key)
{
    const char *text = json_string_value(value);
    bool good = json_string_length(value) == sizeof(key->digest) * 2;

    for (size_t i = 0; i < sizeof(key->digest) && good; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        good = high >= 0 && low >= 0;
        key->digest[i] = (uint8_t)(high << 4 | low);
    }
    if (!good)
        return config_refuse(loader, name, value,
                             "must be the SHA-256 of the key, as 64 digits of lower-case hex: "
                             "`printf %%s KEY | sha256sum` tells it");
    key->hashed = true;
    return 0;
}

static int store_clear(struct config_loader *loader, const char *name, const json_t *value,
                       char **field)
{
    struct slice text = slice_make(json_string_value(value), json_string_length(value));

    if (!api_key_valid(text))
        return config_refuse(loader, name, value,
                             "must have %d to %d printable ASCII characters without blanks; "
                             "`openssl rand -hex 32` makes a good one",
                             API_KEY_MIN, API_KEY_MAX);
    return config_secret_text(loader, name, value, API_KEY_MAX, field);
}

static int store_member(struct config_loader *loader, const char *name, const char *member,
                        const json_t *value, struct config_api_key *key)
{
    if (json_is_null(value))
        return 0;
    if (strcmp(member, "name") == 0)
        return config_secret_text(loader, name, value, API_KEY_NAME_MAX, &key->name);
    if (strcmp(member, "sha256") == 0)
        return store_digest(loader, name, value, key);
    if (strcmp(member, "key") == 0)
        return store_clear(loader, name, value, &key->key);
    return config_secret_file(loader, name, value, &key->file);
}

static int check_key(struct config_loader *loader, const char *name, const json_t *value,
                     const struct config_api_key *key)
{
    int sources = key->hashed + (key->key != NULL) + (key->file != NULL);

    if (!key->name)
        return config_refuse(loader, name, value,
                             "must have a \"name\", by which people tell it from others");
    if (sources != 1)
        return config_refuse(loader, name, value,
                             "must have one of \"sha256\" (the key's hash), \"file\" (what holds "
                             "the key) and \"key\" (the key itself)");
    return 0;
}

static int store_key(struct config_loader *loader, const char *key_name, json_t *value,
                     struct config_api_key *key)
{
    const char *member;
    json_t *member_value;

    if (!json_is_object(value))
        return config_refuse(loader, key_name, value,
                             "must be a key, as {\"name\": \"shop\", \"file\": "
                             "\"credential:api-key\"}");
    json_object_foreach(value, member, member_value)
    {
        char name[2 * CONFIG_NAME_MAX];

        snprintf(name, sizeof(name), "%s.%s", key_name, member);
        int error = config_secret_member(loader, name, member, member_value, members);
        if (!error)
            error = store_member(loader, name, member, member_value, key);
        if (error)
            return error;
    }
    return check_key(loader, key_name, value, key);
}

static bool is_name_taken(const struct config_api_keys *keys, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(keys->list[i].name, keys->list[index].name) == 0)
            return true;
    return false;
}

int config_api_keys_store(struct config_loader *loader, const struct config_key *key,
                          const json_t *value, struct config_api_keys *field)
{
    struct config_api_keys made = {.count = json_array_size(value)};
    char allowed[CONFIG_ALLOWED_BYTES];

    if (!json_is_array(value) || made.count > API_KEYS_MAX) {
        config_allowed(key, allowed, sizeof(allowed));
        return config_refuse(loader, key->name, value, "must be %s", allowed);
    }
    if (made.count > 0 && !(made.list = mem_zalloc(made.count * sizeof(*made.list))))
        return config_out_of_memory(loader);
    for (size_t i = 0; i < made.count; i++) {
        json_t *member = json_array_get(value, i);
        char name[CONFIG_NAME_MAX];

        snprintf(name, sizeof(name), "%s[%zu]", key->name, i);
        int error = store_key(loader, name, member, &made.list[i]);
        if (!error && is_name_taken(&made, i))
            error = config_refuse(loader, name, member, "must have a name that no other key has");
        if (error) {
            config_api_keys_free(&made);
            return error;
        }
    }
    config_api_keys_free(field);
    *field = made;
    return 0;
}

static int show_digest(json_t *object, const struct config_api_key *key)
{
    char text[2 * DIGEST_SHA256_BYTES + 1];

    for (size_t i = 0; i < DIGEST_SHA256_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", key->digest[i]);
    return config_secret_show(object, "sha256", text);
}

static json_t *load_key(const struct config_api_key *key)
{
    json_t *object = json_object();
    int error = config_secret_show(object, "name", key->name);

    if (key->hashed)
        error |= show_digest(object, key);
    error |= config_secret_show(object, "key", key->key ? "***" : NULL);
    error |= config_secret_show(object, "file", key->file);
    if (!error)
        return object;
    json_decref(object);
    return NULL;
}

json_t *config_api_keys_load(const struct config_api_keys *keys)
{
    json_t *list = json_array();

    for (size_t i = 0; i < keys->count; i++) {
        if (json_array_append_new(list, load_key(&keys->list[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

void config_api_keys_free(struct config_api_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        mem_free(keys->list[i].name);
        mem_free_wiped(keys->list[i].key);
        mem_free(keys->list[i].file);
    }
    mem_free(keys->list);
    *keys = (struct config_api_keys){0};
}
