/* config_secret.c - what lists of keys have in common: objects whose secrets go in and never come
 * out. */
#include "config_parts.h"
#include "ringroom/base/utf8.h"
#include "ringroom/server/key_file.h"
#include "ringroom/server/nearest.h"

int config_secret_member(struct config_loader *loader, const char *name, const char *member,
                         const json_t *value, const char *const *members)
{
    struct nearest nearest = nearest_to(member);
    char allowed[CONFIG_ALLOWED_BYTES] = "";
    size_t used = 0;

    for (size_t i = 0; members[i]; i++) {
        if (strcmp(member, members[i]) == 0)
            return 0;
        nearest_offer(&nearest, members[i]);
        used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s", i ? ", " : "",
                                 members[i]);
    }
    return config_refuse(loader, name, value, "no such key in a key%s%s (allowed are %s)",
                         nearest.best ? "; the nearest is " : "", nearest.best ? nearest.best : "",
                         allowed);
}

int config_secret_text(struct config_loader *loader, const char *name, const json_t *value,
                       size_t bytes_max, char **field)
{
    struct slice text = slice_make(json_string_value(value), json_string_length(value));

    if (text.len == 0 || text.len > bytes_max || !utf8_printable(text))
        return config_refuse(loader, name, value,
                             "must be a text of 1 to %zu bytes without control characters",
                             bytes_max);
    *field = mem_alloc(text.len + 1);
    if (!*field)
        return config_out_of_memory(loader);
    memcpy(*field, text.data, text.len + 1);
    return 0;
}

int config_secret_file(struct config_loader *loader, const char *name, const json_t *value,
                       char **field)
{
    size_t prefix_len = strlen(KEY_FILE_CREDENTIAL);
    int error = config_secret_text(loader, name, value, 4096, field);

    if (error || strncmp(*field, KEY_FILE_CREDENTIAL, prefix_len) != 0)
        return error;
    const char *credential = *field + prefix_len;
    if (*credential == '\0' || *credential == '.' || strchr(credential, '/'))
        return config_refuse(loader, name, value,
                             "must name a credential of the unit behind \"credential:\", as "
                             "\"credential:token-key\", without a slash or a dot in front");
    return 0;
}

int config_secret_show(json_t *object, const char *member, const char *text)
{
    return text ? json_object_set_new(object, member, json_string(text)) : 0;
}
