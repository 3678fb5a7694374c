/* config_auth.c - auth.keys: a list of objects whose secrets go in and never come out. */
#include "config_parts.h"
#include <errno.h>

static const char *const members[] = {"kid", "alg", "secret", "file", NULL};

static int store_alg(struct config_loader *loader, const char *name, const json_t *value,
                     enum signature_alg *field)
{
    struct slice text = slice_make(json_string_value(value), json_string_length(value));

    if (json_is_string(value) && signature_alg_parse(text, field))
        return 0;
    return config_refuse(loader, name, value, "must be one of \"HS256\", \"RS256\", \"ES256\"");
}

static int store_member(struct config_loader *loader, const char *name, const char *member,
                        const json_t *value, struct config_auth_key *key)
{
    if (strcmp(member, "alg") == 0)
        return store_alg(loader, name, value, &key->alg);
    if (json_is_null(value))
        return 0;
    if (strcmp(member, "kid") == 0)
        return config_secret_text(loader, name, value, TOKEN_KID_MAX, &key->kid);
    if (strcmp(member, "secret") == 0)
        return config_secret_text(loader, name, value, SIGNATURE_SECRET_MAX, &key->secret);
    return config_secret_file(loader, name, value, &key->file);
}

/* What one key must have, all its members read. */
static int check_key(struct config_loader *loader, const char *name, const json_t *value,
                     const struct config_auth_key *key)
{
    if (!json_object_get(value, "alg"))
        return config_refuse(loader, name, value,
                             "must have an \"alg\": \"HS256\", \"RS256\" or \"ES256\"");
    if (!key->secret == !key->file)
        return config_refuse(loader, name, value,
                             "must have either a \"secret\" or a \"file\" that holds the key");
    if (key->secret && key->alg != SIGNATURE_HS256)
        return config_refuse(loader, name, value,
                             "must have a \"file\" for %s, the public key in PEM; a \"secret\" is "
                             "for HS256",
                             signature_alg_name(key->alg));
    if (key->secret && strlen(key->secret) < SIGNATURE_SECRET_MIN)
        return config_refuse(loader, name, value,
                             "must have a secret of at least %d bytes, not %zu; `openssl rand "
                             "-base64 48` makes a good one",
                             SIGNATURE_SECRET_MIN, strlen(key->secret));
    return 0;
}

static int store_key(struct config_loader *loader, const char *key_name, json_t *value,
                     struct config_auth_key *key)
{
    const char *member;
    json_t *member_value;

    if (!json_is_object(value))
        return config_refuse(
            loader, key_name, value,
            "must be a key, as {\"alg\": \"HS256\", \"file\": \"credential:token-key\"}");
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

static bool is_kid_taken(const struct config_auth_keys *keys, size_t index)
{
    const char *kid = keys->list[index].kid;

    for (size_t i = 0; i < index && kid; i++)
        if (keys->list[i].kid && strcmp(keys->list[i].kid, kid) == 0)
            return true;
    return false;
}

int config_auth_keys_store(struct config_loader *loader, const struct config_key *key,
                           const json_t *value, struct config_auth_keys *field)
{
    struct config_auth_keys made = {.count = json_array_size(value)};
    char allowed[CONFIG_ALLOWED_BYTES];

    if (!json_is_array(value) || made.count > TOKEN_KEYS_MAX) {
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
        if (!error && is_kid_taken(&made, i))
            error = config_refuse(loader, name, member, "must have a kid that no other key has");
        if (error) {
            config_auth_keys_free(&made);
            return error;
        }
    }
    config_auth_keys_free(field);
    *field = made;
    return 0;
}

json_t *config_auth_keys_load(const struct config_auth_keys *keys)
{
    json_t *list = json_array();

    for (size_t i = 0; i < keys->count; i++) {
        const struct config_auth_key *key = &keys->list[i];
        json_t *object = json_object();

        if (config_secret_show(object, "kid", key->kid) < 0 ||
            config_secret_show(object, "alg", signature_alg_name(key->alg)) < 0 ||
            config_secret_show(object, "secret", key->secret ? "***" : NULL) < 0 ||
            config_secret_show(object, "file", key->file) < 0) {
            json_decref(object);
            object = NULL;
        }
        if (json_array_append_new(list, object) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

void config_auth_keys_free(struct config_auth_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        mem_free(keys->list[i].kid);
        mem_free_wiped(keys->list[i].secret);
        mem_free(keys->list[i].file);
    }
    mem_free(keys->list);
    *keys = (struct config_auth_keys){0};
}
