/* fuzz_config.c - any text as the configuration file. What is taken must print to a file that reads
 * to the same; what is refused must say why in one line. */
#include "ringroom/base/check.h"
#include "ringroom/server/config.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *printed(const struct config *config)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    CHECK(out && config_print(config, out) == 0);
    fclose(out);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_source source = {.file = "fuzz.json", .file_text = slice_make(data, size)};
    struct config_machine machine = {.cpus = 4, .files = 100000};
    struct config config, again;
    char error[CONFIG_ERROR_BYTES];

    if (size == 0)
        return 0;
    if (config_load(&source, &config, error, sizeof(error)) < 0) {
        CHECK(error[0] != '\0' && strchr(error, '\n') == NULL);
        return 0;
    }
    CHECK(config.listen.count == 0 || (config.tls_cert && config.tls_key));

    bool secret = false; /* printed as ***, which is too short for one */
    for (size_t i = 0; i < config.auth_keys.count; i++)
        secret = secret || config.auth_keys.list[i].secret;
    char *first = printed(&config);
    if (!secret) {
        source.file_text = slice_of(first);
        CHECK(config_load(&source, &again, error, sizeof(error)) == 0);
        char *second = printed(&again);
        CHECK(strcmp(first, second) == 0);
        free(second);
        config_deinit(&again);
    }
    free(first);

    if (config_resolve(&config, &machine, error, sizeof(error)) == 0)
        CHECK(config.shards > 0 && config.settings.connections_max > 0);
    config_deinit(&config);
    return 0;
}
