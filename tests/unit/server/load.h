/* load.h - what the tests of the configuration share: loading one in a line, and judging errors. */
#pragma once

#include "ringroom/base/mem.h"
#include "ringroom/server/config.h"
#include "unit.h"
#include <errno.h>

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})
/* The least that stands without a certificate. */
#define PLAIN      "listen=[]", "listen_plain=127.0.0.1:0"
#define PLAIN_FILE "\"listen\": [], \"listen_plain\": \"127.0.0.1:0\""

static char load_error[CONFIG_ERROR_BYTES];

static inline int load_all(struct config *config, const char *file, const char *const *environment,
                           const char *const *sets)
{
    struct config_source source = {.environment = environment, .sets = sets};

    if (file) {
        source.file = "test.json";
        source.file_text = slice_of(file);
    }
    while (sets && sets[source.sets_count])
        source.sets_count++;
    return config_load(&source, config, load_error, sizeof(load_error));
}

static inline int load_file(struct config *config, const char *file)
{
    return load_all(config, file, NULL, NULL);
}

static inline int load_sets(struct config *config, const char *const *sets)
{
    return load_all(config, NULL, NULL, sets);
}

/* Loads; what is wrong is printed. The config is zeroed then, so that a test may go on. */
static inline bool loaded(struct config *config, const char *file, const char *const *environment,
                          const char *const *sets)
{
    memset(config, 0, sizeof(*config));
    if (load_all(config, file, environment, sets) == 0)
        return true;
    printf("\n    refused: %s\n", load_error);
    return false;
}

/* True where `got` is -EINVAL and the error holds each of the texts. */
static inline bool refused_with(int got, const char *const *texts)
{
    bool all = got == -EINVAL;

    for (; *texts && all; texts++)
        all = strstr(load_error, *texts) != NULL;
    if (!all)
        printf("\n    %d: %s\n", got, load_error);
    return all;
}

/* Refused when set beside PLAIN; the error says where it came from, and `text`. */
static inline bool set_refused(const char *set, const char *text)
{
    struct config config;

    return refused_with(load_sets(&config, TEXTS(PLAIN, set)), TEXTS("(from --set)", text));
}

static inline bool file_refused(const char *file, const char *text)
{
    struct config config;

    return refused_with(load_file(&config, file), TEXTS("test.json", text));
}

/* What config_print() prints; to be freed. */
static inline char *printed(const struct config *config)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    CU_ASSERT_EQUAL(config_print(config, out), 0);
    fclose(out);
    return text;
}
