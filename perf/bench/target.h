/* target.h - whom the bench talks to, read from a URL. */
#pragma once

#include "dialect.h"

#include <netinet/in.h>
#include <stdbool.h>

struct target {
    struct sockaddr_in address;
    bool secure;
    char requests[DIALECT_COUNT][512]; /* the HTTP upgrade request of each, whole */
};

/* ws:// wss:// http:// https:// with a numeric IPv4 host and a port; the path is /ws where the URL
 * has none, so that a server's "ready" line can be given as it is; Socket.IO's is /socket.io/
 * always. False if url is none of these. */
bool target_parse(const char *url, struct target *ret_target);
