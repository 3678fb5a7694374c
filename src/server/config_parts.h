/* config_parts.h - what the parts of config_load() share; nobody else includes it.
 *
 * config.c reads the sources, config_value.c turns one value into a field,
 * config_check.c looks at fields together, config_keys.c has the table,
 * config_secret.c is what lists of keys share, config_auth.c is auth.keys, config_api.c
 * api.keys. */
#pragma once

#include "ringroom/server/config.h"
#include <jansson.h>

enum {
    CONFIG_KEYS_MAX = 64,
    CONFIG_NAME_MAX = 64, /* bytes of a key's name, with its NUL; longer than any known one */
    CONFIG_ALLOWED_BYTES = 256,
    CONFIG_TEXT_MAX = TOKEN_AUDIENCE_MAX /* bytes of a CONFIG_TEXT */
};

/* Where a value came from. */
struct config_origin {
    const char
        *kind; /* "the default", "from the file ", "from the environment variable ", "from --set" */
    const char *name; /* of the file or variable; borrowed from the source */
    size_t name_len;
};

struct config_loader {
    struct config config;
    json_t *values[CONFIG_KEYS_MAX]; /* in force, owned; as config_keys is ordered */
    struct config_origin origins[CONFIG_KEYS_MAX];

    struct config_origin at; /* of the value being looked at */
    const char *json_error;  /* it was taken for a string because of this; or NULL */

    char *ret_error;
    size_t error_bytes;
};

/* Write the error line. Control characters in it become '?'. Both return -EINVAL. */
int config_fail(struct config_loader *loader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "NAME: VALUE (ORIGIN): " and the rest; *** for a value that may hold a secret. */
int config_refuse(struct config_loader *loader, const char *name, const json_t *value,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
int config_out_of_memory(struct config_loader *loader); /* -ENOMEM */

const struct config_key *config_key_find(const char *name);
size_t config_key_index(const struct config_key *key);
/* The first key of a group ("limits"), NULL where there is no such group. */
const struct config_key *config_group_find(const char *name);

/* Stores `value` in the field of `key`. 0; -EINVAL, -ENOMEM with the error written. */
int config_value_store(struct config_loader *loader, const struct config_key *key,
                       const json_t *value);
/* The field of `key` as JSON, NULL without memory. The caller owns it. */
json_t *config_value_load(const struct config *config, const struct config_key *key);
void config_rules_free(struct retention_rules *rules);

/* Lists of keys. `members`: the names that an entry may have, NULL-terminated. Each 0, or -EINVAL,
 * -ENOMEM with the error written. */
int config_secret_member(struct config_loader *loader, const char *name, const char *member,
                         const json_t *value, const char *const *members);
/* Of 1 to bytes_max bytes, without control characters. */
int config_secret_text(struct config_loader *loader, const char *name, const json_t *value,
                       size_t bytes_max, char **field);
/* A file's name (key_file.h). */
int config_secret_file(struct config_loader *loader, const char *name, const json_t *value,
                       char **field);
/* Sets a member of a key's entry that is printed; nothing where text is NULL. 0 or -1. */
int config_secret_show(json_t *object, const char *member, const char *text);

/* auth.keys and api.keys; as config_value_store() and config_value_load(), which shows no secret.
 */
int config_auth_keys_store(struct config_loader *loader, const struct config_key *key,
                           const json_t *value, struct config_auth_keys *field);
json_t *config_auth_keys_load(const struct config_auth_keys *keys);
void config_auth_keys_free(struct config_auth_keys *keys);
int config_api_keys_store(struct config_loader *loader, const struct config_key *key,
                          const json_t *value, struct config_api_keys *field);
json_t *config_api_keys_load(const struct config_api_keys *keys);
void config_api_keys_free(struct config_api_keys *keys);

/* What no single value tells: 0 or -EINVAL with the error written. */
int config_check(struct config_loader *loader);

/* "1.2.3.4:80" or "[::1]:80". */
bool config_address_parse(const char *text, struct config_listener *ret_listener);
