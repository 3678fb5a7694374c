#include "target.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const char *scheme_end(const char *url, bool *ret_secure)
{
    static const struct {
        const char *prefix;
        bool secure;
    } schemes[] = {{"wss://", true}, {"https://", true}, {"ws://", false}, {"http://", false}};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t prefix_bytes = strlen(schemes[i].prefix);
        if (strncmp(url, schemes[i].prefix, prefix_bytes) == 0) {
            *ret_secure = schemes[i].secure;
            return url + prefix_bytes;
        }
    }
    return NULL;
}

/* Everything but the request line and the host. */
static const char upgrade[] = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: cmluZ3Jvb20tYmVuY2gtMQ==\r\n"
                              "Sec-WebSocket-Version: 13\r\n";

bool target_parse(const char *url, struct target *ret_target)
{
    struct target t = {.address.sin_family = AF_INET};
    char host[64], path[200] = "";
    unsigned port;
    const char *rest = scheme_end(url, &t.secure);
    if (!rest || sscanf(rest, "%63[0-9.]:%u%199s", host, &port, path) < 2 || port > 65535)
        return false;
    if (inet_pton(AF_INET, host, &t.address.sin_addr) != 1)
        return false;
    t.address.sin_port = htons((uint16_t)port);
    snprintf(t.requests[DIALECT_NATIVE], sizeof t.requests[0],
             "GET %s HTTP/1.1\r\nHost: %s:%u\r\n%sSec-WebSocket-Protocol: ringroom.v1\r\n\r\n",
             path[0] && strcmp(path, "/") ? path : "/ws", host, port, upgrade);
    snprintf(t.requests[DIALECT_SOCKETIO], sizeof t.requests[0],
             "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s:%u\r\n%s\r\n", host,
             port, upgrade);
    *ret_target = t;
    return true;
}
