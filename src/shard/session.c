/* session.c - an Engine.IO session's life: attached, beating, detached, come back to, forgotten. */
#include "ringroom/shard/session.h"
#include "shard_core.h"
#include "ringroom/base/check.h"
#include "ringroom/base/encode.h"
#include "ringroom/base/hash.h"
#include "ringroom/base/random.h"
#include "ringroom/shard/errand.h"
#include "ringroom/shard/poller.h"

#include <stdio.h>

enum {
    /* What the conformance suites go by. */
    TEST_PING_MS = 300,
    TEST_TIMEOUT_MS = 200,
    TEST_CONNECT_MS = 1800,
    TEST_PAYLOAD_MAX = 1000000,
    TEST_AUTH_MS = 20, /* what comes in one segment with the answer to CONNECT, they don't see */

    DETACHED_BYTES_MAX = 64 << 20, /* of a shard's lost sessions: most are in few rooms */

    BEAT_GRAIN_MS = 1000, /* pings of a second go out together: one wake-up, one submit */
};

/* Making */

void session_new_sid(const struct shard *shard, char sid[SESSION_SID_BYTES])
{
    char text[SESSION_SID_BYTES + 1];

    identity_new_secret(text);
    snprintf(text + IDENTITY_SECRET_BYTES, sizeof(text) - IDENTITY_SECRET_BYTES, "%03x",
             shard->index & 0xfff);
    memcpy(sid, text, SESSION_SID_BYTES);
}

static void choose_beat(const struct shard *shard, struct session *session)
{
    const struct settings *settings = shard->settings;
    bool chat = session->kind == SESSION_CHAT;

    session->ping_ms = chat ? settings->ping_interval_s * 1000 : TEST_PING_MS;
    session->timeout_ms =
        chat ? (settings->idle_timeout_s - settings->ping_interval_s) * 1000 : TEST_TIMEOUT_MS;
}

struct session *session_new(struct shard *shard, enum session_kind kind)
{
    struct session *session = mem_zalloc(sizeof(*session));

    if (!session)
        return NULL;
    session->kind = (uint8_t)kind;
    choose_beat(shard, session);
    list_init(&session->detached);
    buf_init(&session->later, session_out_max(shard, kind));
    session_new_sid(shard, session->sid);
    return session;
}

static bool is_listed(const struct session *session)
{
    return !list_empty(&session->detached);
}

/* What a detached session holds. */
static size_t session_bytes(const struct session *session)
{
    return sizeof(*session) + session->kept_count * sizeof(*session->kept) +
           session->runs_cap * sizeof(*session->runs);
}

static void take_off_list(struct shard *shard, struct session *session)
{
    if (!is_listed(session))
        return;
    list_remove(&session->detached);
    shard->detached_count--;
    shard->detached_bytes -= session_bytes(session);
}

static void take_out_of_table(struct shard *shard, struct session *session)
{
    if (session->listed)
        table_remove(&shard->sessions, &session->by_pid);
    session->listed = false;
}

void session_drop_assembly(struct session *session)
{
    if (!session->assembly)
        return;
    buf_deinit(&session->assembly->text);
    buf_deinit(&session->assembly->bytes);
    mem_free(session->assembly);
    session->assembly = NULL;
}

void session_free(struct shard *shard, struct session *session)
{
    if (!session)
        return;
    take_off_list(shard, session);
    take_out_of_table(shard, session);
    session_drop_assembly(session);
    buf_deinit(&session->later);
    mem_free(session->runs);
    mem_free_wiped(session->kept);
    identity_deinit(&session->who);
    mem_free_wiped(session);
}

uint32_t session_payload_max(const struct shard *shard, enum session_kind kind)
{
    return kind == SESSION_CHAT ? (uint32_t)shard->http_limits.body_bytes_max : TEST_PAYLOAD_MAX;
}

size_t session_out_max(const struct shard *shard, enum session_kind kind)
{
    size_t test_max = kind == SESSION_CHAT ? 0 : 2 * TEST_PAYLOAD_MAX;

    return 2 * CONN_OUT_HIGH + conn_reply_max(shard->settings) + test_max;
}

static bool sid_matches(const struct table_link *link, const void *key)
{
    return memcmp(container_of(link, struct session, by_sid)->sid, key, SESSION_SID_BYTES) == 0;
}

static uint64_t hash_sid(const char *sid)
{
    return hash_bytes(slice_make(sid, SESSION_SID_BYTES));
}

void session_make_known(struct shard *shard, struct session *session)
{
    session->known = true;
    table_insert(&shard->sids, &session->by_sid, hash_sid(session->sid));
}

bool session_is_known(const struct shard *shard, const char *sid)
{
    return table_find(&shard->sids, hash_sid(sid), sid_matches, sid) != NULL;
}

uint32_t session_recoverable_max(const struct shard *shard)
{
    uint32_t count = shard->mesh->count;

    return shard->settings->recoverable_max / count +
           (shard->settings->recoverable_max % count != 0);
}

int session_open(const struct shard *shard, const struct session *session, bool upgrades,
                 struct buf *out)
{
    struct engineio_open open = {.sid = slice_make(session->sid, SESSION_SID_BYTES),
                                 .upgrades = upgrades,
                                 .ping_interval_ms = session->ping_ms,
                                 .ping_timeout_ms = session->timeout_ms,
                                 .max_payload = session_payload_max(shard, session->kind)};

    return engineio_open(out, &open);
}

/* Beating: the server pings, the client answers. */

static void rest_until_ping(struct shard *shard, struct session *session)
{
    uint64_t due_ms = shard->now_ms + session->ping_ms;

    if (session->kind == SESSION_CHAT)
        due_ms -= due_ms % BEAT_GRAIN_MS; /* never later: the client counts as well */
    session->ping_sent = false;
    session->beat_ms = due_ms;
}

static void set_beat(struct client *client)
{
    const struct session *session = client->session;
    uint64_t due_ms = session->beat_ms;

    if (session->connect_ms && session->connect_ms < due_ms)
        due_ms = session->connect_ms;
    if (session->later_ms && session->later_ms < due_ms)
        due_ms = session->later_ms;
    client->carrier->beat_at(client, due_ms);
}

void session_attach(struct session *session, struct client *client)
{
    struct shard *shard = client->shard;
    bool is_new = !session->beat_ms;

    session->client = client;
    client->session = session;
    /* A ping that the client got before a move is answered after it: that answer must not be taken
     * for one to a later ping, since it tells what has arrived. */
    if (is_new)
        rest_until_ping(shard, session);
    if (is_new && session->kind == SESSION_CHAT)
        session->connect_ms = shard->now_ms + (uint64_t)shard->settings->handshake_timeout_s * 1000;
    else if (is_new && session->kind == SESSION_CONFORMANCE)
        session->connect_ms = shard->now_ms + TEST_CONNECT_MS;
    set_beat(client);
}

void session_beat(struct client *client)
{
    struct session *session = client->session;
    struct shard *shard = client->shard;

    if (session->connect_ms && shard->now_ms >= session->connect_ms) {
        metrics_count(shard->metrics, METRIC_LIMITED_HANDSHAKE_TIMEOUT);
        client->carrier->end(client, WS_CODE_NORMAL, "no CONNECT in time");
        return;
    }
    if (session->later_ms && shard->now_ms >= session->later_ms) {
        session->later_ms = 0;
        client->carrier->text(client, buf_slice(&session->later));
        if (client->session != session)
            return;
        buf_release(&session->later);
    }
    if (shard->now_ms >= session->beat_ms) {
        if (session->ping_sent) {
            client->carrier->end(client, WS_CODE_NO_PONG, "no pong");
            return;
        }
        client->carrier->text(client, slice_of("2"));
        if (client->session != session) /* the carrier could not take it, and is gone */
            return;
        session_sent_ping(session);
        session->ping_sent = true;
        session->beat_ms += session->timeout_ms;
    }
    set_beat(client);
}

bool session_send_later(struct client *client, struct slice packet)
{
    struct session *session = client->session;

    /* Two namespaces may be connected at once: the one before goes first. */
    if (session->later.len)
        client->carrier->text(client, buf_slice(&session->later));
    if (client->session != session)
        return true;
    buf_release(&session->later);
    session->later_ms = client->shard->now_ms + TEST_AUTH_MS;
    set_beat(client);
    return buf_append(&session->later, packet.data, packet.len) == 0;
}

void session_pong(struct client *client)
{
    struct session *session = client->session;

    if (session->ping_sent)
        session_confirm_ping(session);
    rest_until_ping(client->shard, session);
    set_beat(client);
}

/* Taken off its client */

static void keep_room(struct session_room *kept, const struct member *member)
{
    struct slice room = view_name(member->view), name = client_name(member->client, member);

    *kept = (struct session_room){.serial = member->serial,
                                  .next = member->history_end ? 0 : member->messages.next,
                                  .confirmed = member->confirmed,
                                  .history_end = member->history_end,
                                  .room_len = (uint8_t)room.len,
                                  .name_len = (uint8_t)name.len};
    memcpy(kept->epoch, member->view->room->epoch, ROOM_EPOCH_BYTES);
    memcpy(kept->text, room.data, room.len);
    if (name.len)
        memcpy(kept->text + room.len, name.data, name.len);
}

static bool keep_rooms(struct session *session, const struct client *client)
{
    struct session_room *kept = NULL;
    uint32_t count = 0;

    if (session->resuming) /* those that it was about to join again */
        return true;
    if (client->rooms && !(kept = mem_alloc(client->rooms * sizeof(*kept))))
        return false;
    list_each(link, &client->members)
    {
        struct member *member = container_of(link, struct member, in_client);
        if (member->state == MEMBER_JOINED)
            keep_room(&kept[count++], member);
    }
    mem_free_wiped(session->kept);
    session->kept = kept;
    session->kept_count = count;
    return true;
}

static void part(struct session *session)
{
    struct client *client = session->client;

    if (session->known)
        table_remove(&client->shard->sids, &session->by_sid);
    session->known = false;
    session->streaming = NULL;
    if (session->kind == SESSION_CHAT)
        buf_release(&session->later);
    session->client = NULL;
    client->session = NULL;
}

void session_settle(struct session *session, struct client *client)
{
    identity_deinit(&client->who);
    identity_move(&client->who, &session->who);
}

bool session_take(struct session *session)
{
    struct client *client = session->client;

    if (!keep_rooms(session, client) || identity_pass_on(&session->who, &client->who) != 0)
        return false;
    take_out_of_table(client->shard, session);
    part(session);
    return true;
}

void session_release(struct shard *shard, struct session *session)
{
    struct errand *errand = session->release;

    session->release = NULL;
    session->moving = false;
    if (errand)
        errand_send(shard, session->release_shard, errand);
}

/* Detached */

static void forget_oldest(struct shard *shard)
{
    struct list *link = shard->detached.next;

    session_free(shard, container_of(link, struct session, detached));
}

static void set_forget_timer(struct shard *shard)
{
    if (list_empty(&shard->detached))
        return;
    struct session *oldest = container_of(shard->detached.next, struct session, detached);
    wheel_set(&shard->wheel, &shard->forget,
              oldest->lost_ms + (uint64_t)shard->settings->recovery_s * 1000);
}

void session_forget_due(struct timer *timer, uint64_t now_ms)
{
    struct shard *shard = container_of(timer, struct shard, forget);
    uint64_t ttl_ms = (uint64_t)shard->settings->recovery_s * 1000;

    while (!list_empty(&shard->detached)) {
        struct session *oldest = container_of(shard->detached.next, struct session, detached);
        if (oldest->lost_ms + ttl_ms > now_ms)
            break;
        metrics_count(shard->metrics, METRIC_LIMITED_RECOVERY);
        forget_oldest(shard);
    }
    set_forget_timer(shard);
}

void session_reload(struct shard *shard)
{
    while (shard->detached_count > session_recoverable_max(shard))
        forget_oldest(shard);
    if (!list_empty(&shard->detached)) /* sooner than before, perhaps */
        wheel_set(&shard->wheel, &shard->forget, shard->now_ms);
}

void session_forget_all(struct shard *shard)
{
    while (!list_empty(&shard->detached))
        forget_oldest(shard);
    wheel_cancel(&shard->wheel, &shard->forget);
}

static bool pid_matches(const struct table_link *link, const void *key)
{
    const struct session *session = container_of(link, struct session, by_pid);

    return memcmp(session->pid, key, SESSION_SID_BYTES) == 0;
}

void session_enlist(struct shard *shard, struct session *session)
{
    session->recoverable = session->listed = true;
    table_insert(&shard->sessions, &session->by_pid,
                 hash_bytes(slice_make(session->pid, SESSION_SID_BYTES)));
}

void session_unlist(struct shard *shard, struct session *session)
{
    take_out_of_table(shard, session);
    session->recoverable = false;
}

void session_shelve(struct shard *shard, struct session *session)
{
    uint32_t most = session_recoverable_max(shard);

    session_release(shard, session);
    session->resuming = 0;
    session_drop_assembly(session);
    if (!session->recoverable || !most || shard->stopping) {
        session_free(shard, session);
        return;
    }
    if (!session->listed)
        session_enlist(shard, session);
    session->lost_ms = shard->now_ms;
    list_append(&shard->detached, &session->detached);
    shard->detached_count++;
    shard->detached_bytes += session_bytes(session);
    while (shard->detached_count > most || shard->detached_bytes > DETACHED_BYTES_MAX) {
        metrics_count(shard->metrics, METRIC_LIMITED_RECOVERABLE);
        forget_oldest(shard);
    }
    set_forget_timer(shard);
}

void session_lost(struct client *client)
{
    struct session *session = client->session;
    struct shard *shard = client->shard;

    if (!session)
        return;
    bool can_return = session->recoverable && keep_rooms(session, client) &&
                      identity_pass_on(&session->who, &client->who) == 0;
    part(session);
    if (!can_return) {
        session_release(shard, session);
        session_free(shard, session);
        return;
    }
    /* A room that it alone was in must still be there, the same, when it comes back in a while. */
    list_each(link, &client->members) container_of(link, struct member, in_client)->lingers = true;
    session_shelve(shard, session);
}

static const struct identity *identity_of(const struct session *session)
{
    return session->client ? &session->client->who : &session->who;
}

struct session *session_find(struct shard *shard, const char *pid, uint64_t user)
{
    struct table_link *link = table_find(
        &shard->sessions, hash_bytes(slice_make(pid, SESSION_SID_BYTES)), pid_matches, pid);
    struct session *session = link ? container_of(link, struct session, by_pid) : NULL;

    if (!session || session->resuming || (user && identity_of(session)->user != user))
        return NULL;
    if (!session->client) {
        take_off_list(shard, session);
        take_out_of_table(shard, session);
        return session;
    }
    /* Its client is back before we have noticed that it was gone. */
    struct client *stale = session->client;
    if (!session_take(session))
        return NULL;
    list_each(at, &stale->members) container_of(at, struct member, in_client)->lingers = true;
    stale->carrier->abort(stale);
    return session;
}
