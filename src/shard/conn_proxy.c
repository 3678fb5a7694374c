/* conn_proxy.c - a connection that a proxy of ours has made for somebody else: what the proxy says
 * of the client's address, which from then on is the connection's.
 *
 * Until it has said so, the connection is nobody's: proxies are not held to what one address may.
 */
#include "ringroom/shard/conn.h"
#include "shard_core.h"
#include "ringroom/base/logger.h"
#include "ringroom/wire/forwarded.h"
#include "ringroom/wire/proxy_header.h"

enum { TELL_EVERY_MS = 60000 };

struct conn_proxy {
    struct ip peer;
    bool header_due;            /* else it is X-Forwarded-For; a reload does not change that */
    struct proxy_reader reader; /* of that header */
};

/* What a proxy says that can't be understood is a fault of the configuration, its or ours: the one
 * to be told is not the client. */
static void tell_operator(struct shard *shard, const char *what, const char *why)
{
    if (shard->now_ms < shard->tell_of_proxies_ms)
        return;
    shard->tell_of_proxies_ms = shard->now_ms + TELL_EVERY_MS;
    logger_write(LOGGER_WARN, "from a proxy in proxy.from, %s: %s (for a minute no more of this)",
                 what, why);
}

bool conn_proxy_is_trusted(const struct shard *shard, const struct ip *peer)
{
    const struct settings *settings = shard->settings;

    return ip_networks_have(settings->proxies.list, settings->proxies.count, peer);
}

bool conn_proxy_begin(struct conn *conn, const struct ip *peer)
{
    conn->proxy = mem_zalloc(sizeof(*conn->proxy));
    if (!conn->proxy)
        return false;
    conn->proxy->peer = *peer;
    conn->proxy->header_due = conn->shard->settings->proxy_by == PROXY_BY_PROTOCOL;
    return true;
}

void conn_proxy_end(struct conn *conn)
{
    mem_free(conn->proxy);
    conn->proxy = NULL;
}

static void header_came(struct conn *conn, const struct proxy_header *header)
{
    struct ip client = header->local ? conn->proxy->peer : header->source;
    struct conn_refusal refusal;

    conn_proxy_end(conn);
    if (!conn_set_address(conn, &client, true, &refusal))
        conn_refuse(conn, &refusal);
}

bool conn_proxy_header(struct conn *conn, struct slice *in)
{
    struct proxy_header header;
    const char *why;

    if (!conn->proxy || !conn->proxy->header_due)
        return true;
    if (conn->phase >= CONN_CLOSING)
        return false;
    switch (proxy_read(&conn->proxy->reader, in, &header, &why)) {
    case PROXY_MORE:
        return false;
    case PROXY_HEADER:
        header_came(conn, &header);
        return conn->phase < CONN_CLOSING && in->len > 0;
    case PROXY_FAILED:
        tell_operator(conn->shard, "a connection was closed", why);
        conn_abort(conn);
        return false;
    }
    return false;
}

bool conn_proxy_client(struct conn *conn, const struct http_request *request, struct ip *ret_client)
{
    const struct settings *settings = conn->shard->settings;

    if (forwarded_for(request, settings->proxies.list, settings->proxies.count, &conn->proxy->peer,
                      ret_client))
        return true;
    tell_operator(conn->shard, "a request was refused",
                  "its X-Forwarded-For holds what is no IP address");
    return false;
}
