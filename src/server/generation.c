/* generation.c - the certificate and the keys that a configuration names, read. */
#include "ringroom/base/mem.h"
#include "ringroom/server/api_keys.h"
#include "ringroom/server/auth_keys.h"
#include "ringroom/wire/tls.h"
#include "server_core.h"

#include <errno.h>

/* Certificate and key, and what is stapled to them. */
static int open_tls(struct generation *generation, char *why, size_t why_bytes)
{
    const struct config *config = &generation->config;
    char text[1024] = "";

    if (!config->tls_cert) {
        snprintf(why, why_bytes, "tls.cert: not set, and there is a socket for TLS");
        return -EINVAL;
    }
    if (tls_server_new(config->tls_cert, config->tls_key, &generation->tls, text, sizeof(text)) !=
        0) {
        snprintf(why, why_bytes, "tls.cert: %s, tls.key: %s: %s", config->tls_cert, config->tls_key,
                 text);
        return -EINVAL;
    }
    int stale = config->tls_ocsp
                    ? tls_server_staple(generation->tls, config->tls_ocsp, text, sizeof(text))
                    : 0;
    if (stale < 0) {
        snprintf(why, why_bytes, "tls.ocsp: %s: %s", config->tls_ocsp, text);
        return -EINVAL;
    }
    if (stale)
        logger_write(LOGGER_WARN, "tls.ocsp: %s", text);
    return 0;
}

int generation_open(struct generation *generation, bool tls, char *ret_why, size_t why_bytes)
{
    int error = tls ? open_tls(generation, ret_why, why_bytes) : 0;

    if (!error)
        error = auth_keys_open(&generation->config, &generation->token_keys, ret_why, why_bytes);
    if (!error)
        error = api_keys_open(&generation->config, &generation->api_keys, ret_why, why_bytes);
    generation->config.settings.token_keys = generation->token_keys;
    generation->config.settings.api_keys =
        generation->api_keys.count ? &generation->api_keys : NULL;
    return error;
}

struct generation *generation_new(void)
{
    return mem_zalloc(sizeof(struct generation));
}

void generation_free(struct generation *generation)
{
    if (!generation)
        return;
    tls_server_free(generation->tls);
    token_keys_free(generation->token_keys);
    config_deinit(&generation->config);
    mem_free(generation);
}
