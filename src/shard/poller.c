/* poller.c - long-polling: requests acted on, packets gathered for whoever asks for them. */
#include "ringroom/shard/poller.h"
#include "shard_core.h"
#include "ringroom/base/check.h"
#include "ringroom/base/hash.h"

enum {
    POLLERS_MAX = 1 << 17, /* of a shard; they hold no file, and some 700 bytes each */
    WAIT_MS = 100,         /* until it is tried again */
    GHOST_MS = 10000,      /* how long a moved session's sid is remembered here */
    RELEASE_MS = 50,       /* how long a poll still waits once a WebSocket is about to take over */
    OVERTAKE_MS = 100,     /* how long a closed one's: a poll may have been overtaken by the POST */
};

static const struct client_carrier carrier;

static struct poller *poller_of(struct client *client)
{
    return container_of(client, struct poller, client);
}

/* Making */

static bool sid_matches(const struct table_link *link, const void *key)
{
    const struct poller *poller = container_of(link, struct poller, by_sid);

    return memcmp(poller->sid, key, SESSION_SID_BYTES) == 0;
}

struct poller *poller_find(struct shard *shard, const char *sid)
{
    uint64_t hash = hash_bytes(slice_make(sid, SESSION_SID_BYTES));
    struct table_link *link = table_find(&shard->pollers, hash, sid_matches, sid);

    return link ? container_of(link, struct poller, by_sid) : NULL;
}

static void timer_fired(struct timer *timer, uint64_t now_ms);

struct poller *poller_new(struct shard *shard, enum session_kind kind)
{
    struct session *session;
    struct poller *poller;

    if (shard->pollers.count >= POLLERS_MAX)
        return NULL;
    session = session_new(shard, kind);
    poller = mem_zalloc(sizeof(*poller));
    if (!session || !poller) {
        session_free(shard, session);
        mem_free(poller);
        return NULL;
    }
    client_init(&poller->client, shard, &carrier);
    list_init(&poller->ready);
    timer_init(&poller->timer, timer_fired);
    buf_init(&poller->out, session_out_max(shard, kind));
    memcpy(poller->sid, session->sid, SESSION_SID_BYTES);
    poller->listed = true;
    shard->pollers_count++;
    metrics_count(shard->metrics, METRIC_CLIENTS_POLLING);
    table_insert(&shard->pollers, &poller->by_sid,
                 hash_bytes(slice_make(poller->sid, SESSION_SID_BYTES)));
    session_attach(session, &poller->client);
    return poller;
}

void poller_free(struct poller *poller)
{
    CHECK(!timer_is_set(&poller->timer) && !poller->poll && !poller->body);
    client_deinit(&poller->client);
    buf_deinit(&poller->out);
    mem_free_wiped(poller);
}

/* Going */

/* Freed at the turn's end, when nobody refers to it any more. */
static void bury_husk(struct poller *poller)
{
    if (!poller->husk || poller->listed || poller->moved || poller->client.letters ||
        poller->acting)
        return;
    list_remove(&poller->ready);
    list_append(&poller->client.shard->dead_pollers, &poller->ready);
}

static void answer_poll(struct poller *poller, enum errand_outcome outcome)
{
    struct errand *errand = poller->poll;

    poller->poll = NULL;
    if (errand)
        errand_return(poller->client.shard, errand, outcome);
}

static void answer_body(struct poller *poller, enum errand_outcome outcome)
{
    struct errand *errand = poller->body;

    poller->body = NULL;
    if (errand)
        errand_return(poller->client.shard, errand, outcome);
}

static void answer_upgrade(struct poller *poller, enum errand_outcome outcome)
{
    struct errand *errand = poller->upgrade;

    poller->upgrade = NULL;
    if (errand)
        errand_return(poller->client.shard, errand, outcome);
}

/* A long payload has been received, or never will be. */
static void release_heavy(struct poller *poller)
{
    poller->client.shard->heavy_bytes -= poller->heavy_bytes;
    poller->heavy_bytes = 0;
}

static void become_husk(struct poller *poller)
{
    release_heavy(poller);
    metrics_uncount(poller->client.shard->metrics, METRIC_CLIENTS_POLLING);
    poller->husk = true;
    wheel_cancel(&poller->client.shard->wheel, &poller->timer);
    wheel_cancel(&poller->client.shard->wheel, &poller->client.expiry);
    list_remove(&poller->ready);
}

static void unlist(struct poller *poller)
{
    struct shard *shard = poller->client.shard;

    poller->listed = false;
    table_remove(&shard->pollers, &poller->by_sid);
    wheel_cancel(&shard->wheel, &poller->timer);
    bury_husk(poller);
}

static void want_flush(struct poller *poller)
{
    if (poller->poll && list_empty(&poller->ready))
        list_append(&poller->client.shard->ready_pollers, &poller->ready);
}

static void timer_fired(struct timer *timer, uint64_t now_ms)
{
    struct poller *poller = container_of(timer, struct poller, timer);

    if (poller->husk) {
        unlist(poller);
        return;
    }
    if (poller->postponed)
        want_flush(poller);
    poller->postponed = false;
    if (poller->probed && poller->poll && !poller->out.len)
        poller->client.carrier->text(&poller->client, slice_of("6"));
    if (!poller->husk)
        session_beat(&poller->client);
}

/* So that the client can end its polling and take the session over. */
static void release_soon(struct poller *poller)
{
    struct shard *shard = poller->client.shard;

    if (poller->probed && poller->poll)
        wheel_set(&shard->wheel, &poller->timer, shard->now_ms + RELEASE_MS);
}

/* Ends the session on this transport. What waits is not sent any more, but `last`, a packet, to a
 * poll that waits. `lost`: unless it has said DISCONNECT before, its client may come back. */
static void end_as(struct poller *poller, const char *last, enum errand_outcome outcome, bool lost)
{
    if (poller->husk)
        return;
    become_husk(poller);
    session_lost(&poller->client);
    client_leave_all(&poller->client, lost);
    if (poller->poll && engineio_put(&poller->poll->bytes, slice_of(last)) != 0)
        outcome = ERRAND_BUSY;
    answer_poll(poller, outcome);
    if (!poller->acting) /* else its packets are still being walked over */
        answer_body(poller, outcome);
    answer_upgrade(poller, outcome == ERRAND_BUSY ? outcome : ERRAND_UNKNOWN);
    if (poller->farewell)
        wheel_set(&poller->client.shard->wheel, &poller->timer,
                  poller->client.shard->now_ms + OVERTAKE_MS);
    else
        unlist(poller);
}

static void end_with(struct poller *poller, const char *last, enum errand_outcome outcome)
{
    end_as(poller, last, outcome, true);
}

void poller_stop(struct poller *poller)
{
    if (poller->husk)
        unlist(poller);
    else
        end_with(poller, "6", ERRAND_BUSY);
}

void poller_disconnect(struct poller *poller)
{
    bool told = poller->poll && poller->client.session->connected &&
                engineio_put(&poller->poll->bytes, slice_of(SESSION_DISCONNECT)) == 0;

    metrics_count_close(poller->client.shard->metrics, WS_CODE_KICKED);
    /* Not the transport's end as well: a client would act on that first, and come back. */
    end_as(poller, told ? "6" : "1", ERRAND_DONE, false);
}

void poller_abandon(struct poller *poller)
{
    end_with(poller, "6", ERRAND_DONE);
}

void poller_release(struct poller *poller)
{
    poller->moved = false;
    client_leave_all(&poller->client, true);
    bury_husk(poller);
}

/* As a carrier */

static void carrier_answer(struct client *client, struct ask *ask)
{
    session_answer(client, ask);
}

static void act_on_body(struct poller *poller);
static void hand_over(struct poller *poller);

static void carrier_go_on(struct client *client)
{
    struct poller *poller = poller_of(client);

    if (poller->body && !poller->acting)
        act_on_body(poller);
    if (poller->upgrade)
        hand_over(poller);
}

static void carrier_letter_home(struct client *client)
{
    struct poller *poller = poller_of(client);

    if (poller->husk)
        bury_husk(poller);
    else
        carrier_go_on(client);
}

static void carrier_news(struct client *client)
{
    want_flush(poller_of(client));
}

static bool carrier_leaving(struct client *client, struct member *member)
{
    return true; /* a payload holds whole packets */
}

static void carrier_abort(struct client *client)
{
    end_with(poller_of(client), "1", ERRAND_DONE);
}

static void carrier_text(struct client *client, struct slice packet)
{
    struct poller *poller = poller_of(client);

    if (poller->husk)
        return;
    if (engineio_put(&poller->out, packet) != 0)
        carrier_abort(client);
    else
        want_flush(poller);
}

static void carrier_binary(struct client *client, struct slice data)
{
    struct poller *poller = poller_of(client);

    if (poller->husk)
        return;
    if (engineio_put_binary(&poller->out, data) != 0)
        carrier_abort(client);
    else
        want_flush(poller);
}

/* What it has done wrong came by a POST: the address is known where that is answered. */
static void carrier_bad_request(struct client *client)
{
    struct errand *body = poller_of(client)->body;

    if (body && body->faults < UINT8_MAX)
        body->faults++;
}

static void carrier_end(struct client *client, uint16_t code, const char *reason)
{
    struct poller *poller = poller_of(client);

    if (poller->husk)
        return;
    if (conn_code_is_bad(code))
        carrier_bad_request(client);
    if (code == WS_CODE_NONE)
        metrics_count(client->shard->metrics, METRIC_CLOSED_BY_CLIENT);
    else
        metrics_count_close(client->shard->metrics, code);
    poller->farewell = code == WS_CODE_NONE && !poller->poll;
    end_as(poller, code == WS_CODE_NONE ? "6" : "1", ERRAND_DONE, client_is_lost(code));
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void carrier_beat_at(struct client *client, uint64_t due_ms)
{
    struct poller *poller = poller_of(client);

    if (poller->husk)
        return;
    if (poller->probed && poller->poll) /* a poll that is to be released soon stays so */
        due_ms = sooner(due_ms, client->shard->now_ms + RELEASE_MS);
    wheel_set(&client->shard->wheel, &poller->timer, due_ms);
}

static const struct client_carrier carrier = {.answer = carrier_answer,
                                              .letter_home = carrier_letter_home,
                                              .news = carrier_news,
                                              .leaving = carrier_leaving,
                                              .abort = carrier_abort,
                                              .go_on = carrier_go_on,
                                              .bad_request = carrier_bad_request,
                                              .text = carrier_text,
                                              .binary = carrier_binary,
                                              .end = carrier_end,
                                              .beat_at = carrier_beat_at};

/* POST: packets in. Answered when the last of them has been acted on, so that a client which asks
 * faster than rooms answer is slowed down. */

static bool is_blocked(const struct poller *poller)
{
    return poller->client.waiting || poller->client.letters >= CLIENT_LETTERS_MAX ||
           poller->out.len > poller->out.max / 2;
}

static void act_on_body(struct poller *poller)
{
    struct shard *shard = poller->client.shard;
    struct engineio_packet packet;
    struct buf decoded;
    enum engineio_result result = ENGINEIO_PACKET;

    buf_init(&decoded, poller->body->bytes.len);
    poller->acting = true;
    while (!poller->husk && !is_blocked(poller)) {
        result = engineio_next(&poller->rest, &decoded, &packet);
        if (result != ENGINEIO_PACKET)
            break;
        session_packet(&poller->client, &packet);
    }
    poller->acting = false;
    shard->scratched = true;
    buf_deinit(&decoded);
    if (poller->husk) {
        answer_body(poller, ERRAND_DONE);
        bury_husk(poller);
    } else if (result == ENGINEIO_END)
        answer_body(poller, ERRAND_DONE);
    else if (result != ENGINEIO_PACKET) {
        answer_body(poller, ERRAND_BAD);
        carrier_end(&poller->client, WS_CODE_NORMAL, "");
    }
}

/* The timer may not have come by yet. */
static void check_overdue(struct poller *poller)
{
    if (!poller->husk && poller->client.shard->now_ms >= poller->client.session->beat_ms)
        session_beat(&poller->client);
}

void poller_post(struct poller *poller, struct errand *errand)
{
    check_overdue(poller);
    if (poller->husk || poller->body) { /* one at a time */
        errand_return(poller->client.shard, errand, ERRAND_BAD);
        end_with(poller, "1", ERRAND_DONE);
        return;
    }
    poller->body = errand;
    poller->rest = buf_slice(&errand->bytes);
    carrier_go_on(&poller->client);
}

/* GET: packets out. */

/* A poll that comes when there is no session here any more. */
static void get_from_husk(struct poller *poller, struct errand *errand)
{
    struct shard *shard = poller->client.shard;
    bool moved = poller->listed && !poller->farewell;

    if (poller->farewell && engineio_put(&errand->bytes, slice_of("6")) == 0)
        errand_return(shard, errand, ERRAND_DONE);
    else
        errand_return(shard, errand, moved ? ERRAND_BAD : ERRAND_UNKNOWN);
    if (poller->farewell) {
        poller->farewell = false;
        unlist(poller);
    }
}

void poller_get(struct poller *poller, struct errand *errand)
{
    check_overdue(poller);
    if (poller->husk) {
        get_from_husk(poller, errand);
        return;
    }
    if (poller->poll) {
        end_with(poller, "1", ERRAND_DONE);
        errand_return(poller->client.shard, errand, ERRAND_BAD);
        return;
    }
    /* Who asks again has dealt with the answer before. */
    session_confirm_all(poller->client.session);
    release_heavy(poller);
    poller->poll = errand;
    poller->poll_is_late = poller->probing;
    release_soon(poller);
    want_flush(poller);
}

void poller_flush(struct poller *poller)
{
    struct shard *shard = poller->client.shard;

    if (!poller->poll || poller->husk)
        return;
    struct buf *payload = &poller->poll->bytes;
    bool fits = buf_append(payload, poller->out.data, poller->out.len) == 0;
    if (fits) {
        buf_release(&poller->out);
        fits = poller_gather(poller, payload);
    }
    shard->scratched = true;
    if (!fits) {
        buf_release(payload);
        carrier_abort(&poller->client);
        return;
    }
    if (payload->len > POLL_FULL) {
        poller->heavy_bytes = payload->len;
        shard->heavy_bytes += payload->len;
    }
    if (payload->len)
        answer_poll(poller, ERRAND_DONE);
    if (poller->postponed && !poller->husk)
        wheel_set(&shard->wheel, &poller->timer, shard->now_ms + WAIT_MS);
    carrier_go_on(&poller->client);
}

/* The upgrade */

void poller_probe(struct poller *poller, struct errand *errand)
{
    bool taken = poller->husk || poller->probing;

    poller->probing = true;
    errand_return(poller->client.shard, errand, taken ? ERRAND_TAKEN : ERRAND_DONE);
}

void poller_unprobe(struct poller *poller, struct errand *errand)
{
    poller->probing = poller->probed = false;
    errand_return(poller->client.shard, errand, ERRAND_DONE);
}

void poller_probed(struct poller *poller, struct errand *errand)
{
    poller->probed = !poller->husk;
    release_soon(poller);
    errand_return(poller->client.shard, errand, ERRAND_DONE);
}

/* Once its requests on the old transport have been answered, so that none of the answers is lost.
 */
static void hand_over(struct poller *poller)
{
    struct session *session = poller->client.session;
    struct errand *errand = poller->upgrade;

    if (poller->client.letters || poller->client.waiting || poller->body)
        return;
    if (!session_take(session)) {
        answer_upgrade(poller, ERRAND_BUSY);
        return;
    }
    poller->upgrade = NULL;
    errand->session = session;
    errand->husk = poller;
    buf_deinit(&errand->bytes);
    errand->bytes = poller->out;
    buf_init(&poller->out, 0);
    become_husk(poller);
    poller->moved = true;
    wheel_set(&poller->client.shard->wheel, &poller->timer,
              poller->client.shard->now_ms + GHOST_MS);
    /* A client ends its polling before it takes over: one that comes as late as this is wrong. */
    if (poller->poll && engineio_put(&poller->poll->bytes, slice_of("6")) != 0)
        answer_poll(poller, ERRAND_BUSY);
    else
        answer_poll(poller, poller->poll_is_late ? ERRAND_BAD : ERRAND_DONE);
    errand_return(poller->client.shard, errand, ERRAND_DONE);
}

void poller_hand_over(struct poller *poller, struct errand *errand)
{
    if (poller->upgrade || poller->husk) {
        errand_return(poller->client.shard, errand, ERRAND_BAD);
        return;
    }
    poller->upgrade = errand;
    hand_over(poller);
}
