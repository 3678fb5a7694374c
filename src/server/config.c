/* config.c - reads the sources, weakest first, into one configuration. */
#include "ringroom/server/config.h"
#include "config_parts.h"
#include "ringroom/base/check.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#define ENVIRONMENT_PREFIX "RINGROOM_"
static const struct config_origin by_default = {.kind = "the default"};

enum {
    FILE_STEP = 64 << 10, /* bytes read at a time */
    SHOWN_VALUE_MAX = 120 /* bytes of a value that an error repeats */
};

static void error_write(struct config_loader *loader, const char *prefix, const char *format,
                        va_list arguments)
{
    if (loader->error_bytes == 0)
        return;
    int used = snprintf(loader->ret_error, loader->error_bytes, "%s", prefix);
    if (used >= 0 && (size_t)used < loader->error_bytes)
        vsnprintf(loader->ret_error + used, loader->error_bytes - (size_t)used, format, arguments);
    for (char *c = loader->ret_error; *c; c++) {
        if (iscntrl((unsigned char)*c))
            *c = '?';
    }
}

int config_fail(struct config_loader *loader, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    error_write(loader, "", format, arguments);
    va_end(arguments);
    return -EINVAL;
}

/* How much of jansson's error is free of the text that it stumbled on. */
static int without_text(const char *json_error)
{
    const char *near = strstr(json_error, " near '");

    return (int)(near ? near - json_error : (long)strlen(json_error));
}

/* True for auth.keys and api.keys, and for whatever may have been meant for it: a misspelt key, a
 * group in a string, JSON that is none. */
static bool may_be_secret(const char *name, const char *shown)
{
    const struct config_key *key = config_key_find(name);

    if (key && key->type != CONFIG_AUTH_KEYS && key->type != CONFIG_API_KEYS)
        return false;
    return strncmp(name, "auth", 4) == 0 || strncmp(name, "api", 3) == 0 ||
           strcasestr(name, "secret") || strcasestr(shown, "\"key\"") ||
           strcasestr(shown, "secret");
}

int config_refuse(struct config_loader *loader, const char *name, const json_t *value,
                  const char *format, ...)
{
    char prefix[CONFIG_ERROR_BYTES];
    char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    va_list arguments;

    bool secret = shown && may_be_secret(name, shown);
    const char *text = secret ? "***" : shown ? shown : "?";
    snprintf(prefix, sizeof(prefix), "%s: %.*s%s (%s%.*s): ", name, SHOWN_VALUE_MAX, text,
             strlen(text) > SHOWN_VALUE_MAX ? "..." : "", loader->at.kind, (int)loader->at.name_len,
             loader->at.name_len ? loader->at.name : "");
    if (shown)
        mem_wipe(shown, strlen(shown));
    free(shown);
    va_start(arguments, format);
    error_write(loader, prefix, format, arguments);
    va_end(arguments);

    size_t used = loader->error_bytes ? strlen(loader->ret_error) : 0;
    if (loader->json_error && loader->error_bytes)
        snprintf(loader->ret_error + used, loader->error_bytes - used, "; as JSON: %.*s",
                 secret ? without_text(loader->json_error) : (int)strlen(loader->json_error),
                 loader->json_error);
    return -EINVAL;
}

int config_out_of_memory(struct config_loader *loader)
{
    config_fail(loader, "out of memory while reading the configuration");
    return -ENOMEM;
}

/* One key's value from loader->at. */
static int take_value(struct config_loader *loader, const struct config_key *key, json_t *value)
{
    size_t index = config_key_index(key);
    json_t *preset = NULL;

    if (json_is_null(value)) {
        preset = value = json_loads(key->preset, JSON_DECODE_ANY, NULL);
        if (!preset)
            return config_out_of_memory(loader);
    }
    int error = config_value_store(loader, key, value);
    if (error == 0) {
        json_decref(loader->values[index]);
        loader->values[index] = json_incref(value);
        loader->origins[index] = loader->at;
    }
    json_decref(preset);
    return error;
}

static int take_unknown(struct config_loader *loader, const char *name, const json_t *value)
{
    const char *nearest = config_nearest(name);

    return config_refuse(loader, name, value, "no such key; %s%s",
                         nearest ? "the nearest is " : "`ringroom --help` lists all keys",
                         nearest ? nearest : "");
}

static int take_defaults(struct config_loader *loader)
{
    json_t *null = json_null();

    loader->at = by_default;
    for (size_t i = 0; i < config_keys_count; i++) {
        int error = take_value(loader, &config_keys[i], null);
        if (error < 0)
            return error;
    }
    return 0;
}

/* The members of an object; `group` is "" for the whole file. Groups do not nest, so neither does
 * this more than once. */
/* NOLINTNEXTLINE(misc-no-recursion): see above */
static int take_object(struct config_loader *loader, const char *group, json_t *object)
{
    const char *member;
    json_t *value;

    json_object_foreach(object, member, value)
    {
        char name[2 * CONFIG_NAME_MAX]; /* a longer one is cut, and unknown as well */
        int error;

        snprintf(name, sizeof(name), "%s%s%s", group, *group ? "." : "", member);
        const struct config_key *key = config_key_find(name);
        if (strchr(member, '.'))
            error = config_refuse(loader, name, value,
                                  "a file writes groups as objects: {\"limits\": {\"burst\": 40}}");
        else if (key)
            error = take_value(loader, key, value);
        else if (!config_group_find(name))
            error = take_unknown(loader, name, value);
        else if (!json_is_object(value))
            error = config_refuse(loader, name, value,
                                  "a group of keys, must be an object; its first key is %s",
                                  config_group_find(name)->name);
        else
            error = take_object(loader, name, value);
        if (error < 0)
            return error;
    }
    return 0;
}

/* A file's content. 0 and *ret_text to free, or the -errno of reading it with the error written. */
static int read_file(struct config_loader *loader, const char *name, char **ret_text,
                     size_t *ret_len)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 ? -errno : 0;
    char *text = NULL;
    size_t len = 0;

    while (error == 0) {
        char *grown = mem_realloc(text, len + FILE_STEP);
        if (!grown) {
            error = config_out_of_memory(loader);
            break;
        }
        text = grown;
        ssize_t got = read(fd, text + len, FILE_STEP);
        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            error = -errno;
        len += got > 0 ? (size_t)got : 0;
        if (len > CONFIG_FILE_MAX)
            error = -EFBIG;
    }
    if (fd >= 0)
        close(fd);
    if (error < 0) {
        mem_free(text);
        if (error == -EFBIG)
            config_fail(loader, "the configuration file %s: must have at most %d bytes", name,
                        CONFIG_FILE_MAX);
        else if (error != -ENOMEM)
            config_fail(loader, "cannot read the configuration file %s: %s", name,
                        strerror(-error));
        return error;
    }
    *ret_text = text;
    *ret_len = len;
    return 0;
}

static bool may_hold_secret(struct slice text)
{
    return memmem(text.data, text.len, "secret", 6) || memmem(text.data, text.len, "\"api\"", 5);
}

static int take_text(struct config_loader *loader, const char *text, size_t len)
{
    json_error_t where;
    json_t *file = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    int error;

    if (!file)
        return config_fail(loader, "the configuration file %s, line %d, column %d: %.*s",
                           loader->at.name, where.line, where.column,
                           may_hold_secret(slice_make(text, len)) ? without_text(where.text)
                                                                  : (int)strlen(where.text),
                           where.text);
    if (json_is_object(file))
        error = take_object(loader, "", file);
    else
        error = config_fail(loader,
                            "the configuration file %s: must be a JSON object, as "
                            "{\"listen\": \"0.0.0.0:8443\"}",
                            loader->at.name);
    json_decref(file);
    return error;
}

static int take_file(struct config_loader *loader, const struct config_source *source)
{
    const char *name = source->file ? source->file : "";
    char *text;
    size_t len;

    if (!source->file && !source->file_text.data)
        return 0;
    loader->at = (struct config_origin){"from the file ", name, strlen(name)};
    if (source->file_text.data)
        return take_text(loader, (const char *)source->file_text.data, source->file_text.len);

    int error = read_file(loader, name, &text, &len);
    if (error == 0) {
        error = take_text(loader, text, len);
        mem_free_wiped(text); /* it may hold secrets */
    }
    return error;
}

/* A value from outside a file: JSON, or else a string. */
static int take_word(struct config_loader *loader, const char *name, const char *word)
{
    json_error_t where;
    json_t *value = json_loads(word, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &where);
    const struct config_key *key = config_key_find(name);
    int error;

    if (!value) {
        value = json_string(word);
        if (*word == '[' || *word == '{')
            loader->json_error = where.text;
    }
    if (!value)
        error =
            config_fail(loader, "%s (%s%.*s): the value must be valid UTF-8", name, loader->at.kind,
                        (int)loader->at.name_len, loader->at.name_len ? loader->at.name : "");
    else if (key)
        error = take_value(loader, key, value);
    else if (config_group_find(name))
        error = config_refuse(loader, name, value,
                              "a group of keys: set them one by one; its first key is %s",
                              config_group_find(name)->name);
    else
        error = take_unknown(loader, name, value);
    json_decref(value);
    loader->json_error = NULL;
    return error;
}

/* For a service that is called ringroom, Kubernetes puts RINGROOM_PORT=tcp://…, RINGROOM_PORT_…
 * and RINGROOM_SERVICE_… into every container. RINGROOM_TOKEN is for `ringroom chat`. They are no
 * keys. */
static bool is_for_others(const char *name_and_value)
{
    const char *name = name_and_value + strlen(ENVIRONMENT_PREFIX);

    return strncmp(name, "SERVICE_", 8) == 0 || strncmp(name, "PORT_", 5) == 0 ||
           strncmp(name, "TOKEN=", 6) == 0 || strncmp(name, "PORT=tcp://", 11) == 0 ||
           strncmp(name, "PORT=udp://", 11) == 0;
}

/* LIMITS__MAX_MESSAGE is limits.max_message. A longer name is cut, and unknown as well. */
static void name_of_variable(const char *variable, size_t len, char name[2 * CONFIG_NAME_MAX])
{
    size_t used = 0;

    for (size_t i = 0; i < len && used < 2 * CONFIG_NAME_MAX - 1; i++) {
        if (variable[i] == '_' && i + 1 < len && variable[i + 1] == '_') {
            name[used++] = '.';
            i++;
        } else {
            name[used++] = (char)tolower((unsigned char)variable[i]);
        }
    }
    name[used] = '\0';
}

/* limits.max_message is RINGROOM_LIMITS__MAX_MESSAGE; a group stands for all that begin with it. */
static void variable_of_name(const char *name, char variable[4 * CONFIG_NAME_MAX])
{
    char *end = stpcpy(variable, ENVIRONMENT_PREFIX);

    for (const char *c = name; *c; c++) {
        if (*c == '.')
            end = stpcpy(end, "__");
        else
            *end++ = (char)toupper((unsigned char)*c);
    }
    snprintf(end, sizeof("__..."), "%s", config_group_find(name) ? "__..." : "");
}

/* Its value is not shown: it was not meant for us, and may be a secret. */
static int unknown_variable(struct config_loader *loader, const char *name)
{
    const char *nearest = config_nearest(name);
    char right[4 * CONFIG_NAME_MAX];
    int shown = loader->at.name_len < SHOWN_VALUE_MAX ? (int)loader->at.name_len : SHOWN_VALUE_MAX;

    if (!nearest)
        return config_fail(loader,
                           "the environment variable %.*s: no such key: unset it, for what begins "
                           "with " ENVIRONMENT_PREFIX " must name a key; `ringroom --help` lists "
                           "all keys",
                           shown, loader->at.name);
    variable_of_name(nearest, right);
    return config_fail(loader,
                       "the environment variable %.*s: no such key; the nearest is %s: rename it "
                       "to %s, or unset it",
                       shown, loader->at.name, nearest, right);
}

static int take_environment(struct config_loader *loader, const char *const *environment)
{
    size_t prefix_len = strlen(ENVIRONMENT_PREFIX);

    for (; environment && *environment; environment++) {
        const char *equals = strchr(*environment, '=');
        char name[2 * CONFIG_NAME_MAX];

        if (strncmp(*environment, ENVIRONMENT_PREFIX, prefix_len) != 0 || !equals ||
            is_for_others(*environment))
            continue;
        loader->at = (struct config_origin){"from the environment variable ", *environment,
                                            (size_t)(equals - *environment)};
        name_of_variable(*environment + prefix_len, loader->at.name_len - prefix_len, name);
        int error = config_key_find(name) ? take_word(loader, name, equals + 1)
                                          : unknown_variable(loader, name);
        if (error < 0)
            return error;
    }
    return 0;
}

static int take_sets(struct config_loader *loader, const char *const *sets, size_t count)
{
    loader->at = (struct config_origin){.kind = "from --set"};
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(sets[i], '=');
        char name[2 * CONFIG_NAME_MAX]; /* a longer one is cut, and unknown as well */

        if (!equals || equals == sets[i])
            return config_fail(
                loader, "--set %s: must be KEY=VALUE, as --set limits.max_message=65536", sets[i]);
        snprintf(name, sizeof(name), "%.*s", (int)(equals - sets[i]), sets[i]);
        int error = take_word(loader, name, equals + 1);
        if (error < 0)
            return error;
    }
    return 0;
}

/* What a rule leaves unset it takes from the defaults, which are known only when all has been
 * read: so the rules are made once more. */
static int finish_rooms(struct config_loader *loader)
{
    const struct config_key *key = config_key_find("rooms");

    loader->at = loader->origins[config_key_index(key)];
    return config_value_store(loader, key, loader->values[config_key_index(key)]);
}

int config_load(const struct config_source *source, struct config *ret_config, char *ret_error,
                size_t error_bytes)
{
    struct config_loader loader = {.ret_error = ret_error, .error_bytes = error_bytes};
    int error;

    if (error_bytes > 0)
        ret_error[0] = '\0';
    error = take_defaults(&loader);
    if (error == 0)
        error = take_file(&loader, source);
    if (error == 0)
        error = take_environment(&loader, source->environment);
    if (error == 0)
        error = take_sets(&loader, source->sets, source->sets_count);
    if (error == 0)
        error = finish_rooms(&loader);
    if (error == 0)
        error = source->not_served ? 0 : config_check(&loader);

    if (error == 0)
        *ret_config = loader.config;
    else
        config_deinit(&loader.config);
    for (size_t i = 0; i < config_keys_count; i++)
        json_decref(loader.values[i]);
    return error;
}

void config_deinit(struct config *config)
{
    struct settings *settings = &config->settings;

    mem_free(config->listen.list);
    mem_free(config->listen_plain.list);
    mem_free(config->metrics_listen.list);
    mem_free(config->tls_cert);
    mem_free(config->tls_key);
    mem_free(config->tls_ocsp);
    mem_free(config->user);
    mem_free(config->group);
    config_auth_keys_free(&config->auth_keys);
    mem_free(config->auth_audience);
    config_api_keys_free(&config->api_keys);
    for (size_t i = 0; i < settings->origins_count; i++)
        mem_free(settings->origins[i]);
    mem_free(settings->origins);
    mem_free(settings->proxies.list);
    mem_free(settings->scrapers.list);
    config_rules_free(&settings->retention);
    memset(config, 0, sizeof(*config));
}
