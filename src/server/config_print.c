/* config_print.c - the configuration and its keys, for people to read. */
#include "config_parts.h"
#include <errno.h>

/* Puts `value`, which it takes, at `name` ("limits.burst"), making the group. */
static int put(json_t *root, const char *name, json_t *value)
{
    const char *dot = strchr(name, '.');
    char group_name[CONFIG_NAME_MAX];

    if (!dot)
        return json_object_set_new(root, name, value);
    snprintf(group_name, sizeof(group_name), "%.*s", (int)(dot - name), name);
    json_t *group = json_object_get(root, group_name);
    if (!group && json_object_set_new(root, group_name, group = json_object()) < 0)
        group = NULL;
    return json_object_set_new(group, dot + 1, value);
}

int config_print(const struct config *config, FILE *out)
{
    json_t *root = json_object();
    int error = 0;

    for (size_t i = 0; i < config_keys_count && error == 0; i++) {
        if (put(root, config_keys[i].name, config_value_load(config, &config_keys[i])) < 0)
            error = -ENOMEM;
    }
    if (error == 0 && (json_dumpf(root, out, JSON_INDENT(2)) < 0 || fputc('\n', out) == EOF))
        error = -EIO;
    json_decref(root);
    return error;
}

void config_print_keys(FILE *out)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        char allowed[CONFIG_ALLOWED_BYTES];

        config_allowed(&config_keys[i], allowed, sizeof(allowed));
        fprintf(out, "  %s = %s\n      %s.\n      Allowed: %s.\n", config_keys[i].name,
                config_keys[i].preset, config_keys[i].help, allowed);
    }
}
