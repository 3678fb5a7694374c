/* errand.c - errands made, sent, dealt with, and home again. */
#include "ringroom/shard/errand.h"
#include "shard_core.h"
#include "ringroom/base/check.h"
#include "ringroom/shard/poller.h"

struct errand *errand_new(enum post_kind kind, struct client *client, const char *sid)
{
    struct errand *errand = mem_zalloc(sizeof(*errand));

    if (!errand)
        return NULL;
    errand->post.kind = (uint8_t)kind;
    errand->client = client;
    buf_init(&errand->bytes, ERRAND_BYTES_MAX);
    memcpy(errand->sid, sid, SESSION_SID_BYTES);
    return errand;
}

void errand_free(struct errand *errand)
{
    buf_deinit(&errand->bytes);
    mem_free_wiped(errand);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int errand_shard(const struct shard *shard, struct slice sid)
{
    uint32_t index = 0;

    if (sid.len != SESSION_SID_BYTES)
        return -1;
    for (size_t i = IDENTITY_SECRET_BYTES; i < SESSION_SID_BYTES; i++) {
        int digit = hex_digit(sid.data[i]);
        if (digit < 0)
            return -1;
        index = index * 16 + (uint32_t)digit;
    }
    return index < shard->mesh->count ? (int)index : -1;
}

void errand_send(struct shard *shard, uint32_t to, struct errand *errand)
{
    errand->post.from = (uint16_t)shard->index;
    errand->post.answered = false;
    shard->errands_count++;
    if (errand->client)
        errand->client->letters++;
    if (to == shard->index)
        errand_arrived(shard, errand);
    else
        shard_post(shard, to, &errand->post);
}

void errand_return(struct shard *shard, struct errand *errand, enum errand_outcome outcome)
{
    errand->outcome = (uint8_t)outcome;
    errand->post.answered = true;
    if (errand->post.from == shard->index)
        errand_home(shard, errand);
    else
        shard_post(shard, errand->post.from, &errand->post);
}

/* From shard to shard: a session may have moved since its id named one. */
static void find(struct shard *shard, struct errand *errand)
{
    errand->session = session_find(shard, errand->sid, errand->user);
    if (errand->session || ++errand->visited == shard->mesh->count) {
        errand_return(shard, errand, ERRAND_DONE);
        return;
    }
    shard_post(shard, (shard->index + 1) % shard->mesh->count, &errand->post);
}

/* What a request comes to whose session does not poll here. */
static enum errand_outcome without_poller(const struct shard *shard, const struct errand *errand)
{
    if (shard->stopping)
        return ERRAND_BUSY;
    if (!session_is_known(shard, errand->sid))
        return ERRAND_UNKNOWN;
    return errand->post.kind == POST_PROBE ? ERRAND_TAKEN : ERRAND_BAD;
}

void errand_arrived(struct shard *shard, struct errand *errand)
{
    struct poller *poller;

    if (errand->post.kind == POST_FIND) {
        find(shard, errand);
        return;
    }
    if (errand->post.kind == POST_RELEASE) {
        poller_release(errand->husk);
        errand_return(shard, errand, ERRAND_DONE);
        return;
    }
    poller = poller_find(shard, errand->sid);
    if (!poller) {
        errand_return(shard, errand, without_poller(shard, errand));
        return;
    }
    switch (errand->post.kind) {
    case POST_POLL:
        poller_get(poller, errand);
        break;
    case POST_BODY:
        poller_post(poller, errand);
        break;
    case POST_PROBE:
        poller_probe(poller, errand);
        break;
    case POST_UNPROBE:
        poller_unprobe(poller, errand);
        break;
    case POST_PROBED:
        poller_probed(poller, errand);
        break;
    case POST_UPGRADE:
        poller_hand_over(poller, errand);
        break;
    case POST_ABANDON:
        poller_abandon(poller);
        errand_return(shard, errand, ERRAND_DONE);
        break;
    default:
        CHECK(!"a letter that is no errand");
    }
}

void errand_home(struct shard *shard, struct errand *errand)
{
    struct client *client = errand->client;

    shard->errands_count--;
    if (!client) {
        errand_free(errand);
        return;
    }
    if (errand->post.kind == POST_FIND)
        session_found(client, errand);
    else
        conn_engine_home(conn_of(client), errand);
    CHECK(client->letters > 0);
    client->letters--;
    client->carrier->letter_home(client);
}
