/* disconnect.c - a user's connections and sessions on one shard, closed for good.
 *
 * Walks over all that the shard has: a moderator asks for it, not a client. A session that is on
 * its way to another shard, inside a letter, is not seen. */
#include "shard_core.h"
#include "ringroom/shard/poller.h"

static bool is_of(const struct client *client, struct slice uid)
{
    return slice_equal(client_uid(client), uid);
}

static void close_conn(struct conn *conn)
{
    struct session *session = conn->client.session;

    if (session) {
        session_unlist(conn->shard, session);
        if (session->connected)
            conn_send_frame(conn, WS_TEXT, slice_of(SESSION_DISCONNECT));
    }
    conn_close(conn, WS_CODE_KICKED, "disconnected by the application");
}

static uint64_t close_conns(struct shard *shard, struct slice uid)
{
    uint64_t count = 0;

    list_each(link, &shard->conns)
    {
        struct conn *conn = container_of(link, struct conn, link);
        bool speaks = conn->phase == CONN_NATIVE || conn->phase == CONN_ENGINE;
        if (!speaks || !is_of(&conn->client, uid))
            continue;
        close_conn(conn);
        count++;
    }
    return count;
}

static uint64_t close_pollers(struct shard *shard, struct slice uid)
{
    uint64_t count = 0;

    for (struct table_link *link = table_next(&shard->pollers, NULL), *next; link; link = next) {
        struct poller *poller = container_of(link, struct poller, by_sid);
        next = table_next(&shard->pollers, link);
        if (poller->husk || !is_of(&poller->client, uid))
            continue;
        session_unlist(shard, poller->client.session);
        poller_disconnect(poller);
        count++;
    }
    return count;
}

static uint64_t forget_detached(struct shard *shard, struct slice uid)
{
    uint64_t count = 0;

    list_each(link, &shard->detached)
    {
        struct session *session = container_of(link, struct session, detached);
        if (!slice_equal(identity_uid(&session->who), uid))
            continue;
        session_free(shard, session);
        count++;
    }
    return count;
}

uint64_t shard_disconnect(struct shard *shard, struct slice uid)
{
    uint64_t count = close_conns(shard, uid) + close_pollers(shard, uid);

    return count + forget_detached(shard, uid);
}
