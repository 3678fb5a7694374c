/* conn_auth.c - the token that an upgrade or a handshake brings along. */
#include "ringroom/shard/conn.h"
#include "shard_core.h"

#include <strings.h>

struct slice conn_bearer(const struct http_request *request)
{
    static const char scheme[] = "Bearer ";
    struct slice value = http_header(request, "Authorization");

    if (value.len <= sizeof(scheme) - 1 ||
        strncasecmp((const char *)value.data, scheme, sizeof(scheme) - 1) != 0)
        return (struct slice){0};
    return slice_from(value, sizeof(scheme) - 1);
}

/* A browser can't set headers, but may offer sub-protocols: `bearer.TOKEN`. */
static struct slice from_protocol(const struct http_request *request)
{
    static const char mark[] = "bearer.";
    struct slice list = http_header(request, "Sec-WebSocket-Protocol");

    while (list.len) {
        const uint8_t *comma = memchr(list.data, ',', list.len);
        size_t len = comma ? (size_t)(comma - list.data) : list.len;
        struct slice item = slice_make(list.data, len);
        while (item.len && item.data[0] == ' ')
            item = slice_from(item, 1);
        while (item.len && item.data[item.len - 1] == ' ')
            item.len--;
        if (item.len > sizeof(mark) - 1 && memcmp(item.data, mark, sizeof(mark) - 1) == 0)
            return slice_from(item, sizeof(mark) - 1);
        list = slice_from(list, comma ? len + 1 : len);
    }
    return (struct slice){0};
}

bool conn_take_token(struct conn *conn, const struct http_request *request,
                     struct native_fault *ret_fault)
{
    char query[NATIVE_TOKEN_MAX + 1];
    struct slice text = conn_bearer(request);
    uint64_t retry_ms;

    if (conn->shard->settings->auth_mode != AUTH_TOKEN)
        return true;
    if (!text.len)
        text = from_protocol(request);
    if (!text.len) {
        int len = http_query(request, "token", query, sizeof(query));
        text = slice_make(query, len > 0 ? (size_t)len : 0);
    }
    bool taken = !text.len;
    if (!taken && !client_within_rate(&conn->client, CLIENT_REQUESTS, &retry_ms))
        *ret_fault = fault_too_fast; /* many handshakes on one connection */
    else if (!taken)
        taken = client_take_token(&conn->client, text, ret_fault);
    mem_wipe(query, sizeof(query));
    return taken;
}
