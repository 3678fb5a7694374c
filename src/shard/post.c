/* post.c - letters between shards: sent, taken, answered, and home again. */
#include "shard_core.h"
#include "ringroom/base/check.h"
#include "ringroom/shard/errand.h"
#include "ringroom/shard/poller.h"

#include <assert.h>

void shard_post(struct shard *shard, uint32_t to, struct post *post)
{
    struct mesh_node *node = &shard->mesh->nodes[to];

    metrics_count(shard->metrics, METRIC_LETTERS);
    if (inbox_post(&node->inbox, &post->letter))
        ring_wake(shard->ring, node->ring_fd);
}

void shard_ask(struct shard *shard, uint32_t owner, struct ask *ask)
{
    static const struct native_fault busy = {"unavailable", "the server is too busy; try again"};

    ask->post.from = (uint16_t)shard->index;
    if (owner == shard->index) {
        owner_answer(shard, ask);
        ask->client->carrier->answer(ask->client, ask);
    } else if (shard->asks_count >= ASKS_MAX) {
        ask->fault = busy;
        ask->client->carrier->answer(ask->client, ask);
    } else {
        shard->asks_count++;
        ask->client->letters++;
        shard_post(shard, owner, &ask->post);
    }
}

void shard_leave(struct shard *shard, struct member *member)
{
    uint32_t owner = member->view->owner;

    member->leave = (struct post){.kind = POST_LEAVE, .from = (uint16_t)shard->index};
    if (owner == shard->index) {
        owner_leave(shard, member);
        member_free(member);
    } else {
        member->client->letters++;
        shard_post(shard, owner, &member->leave);
    }
}

static void came_home(struct shard *shard, struct post *post)
{
    struct client *client;

    if (post->kind == POST_LEAVE) {
        struct member *member = container_of(post, struct member, leave);
        client = member->client;
        member_free(member);
    } else {
        struct ask *ask = container_of(post, struct ask, post);
        client = ask->client;
        shard->asks_count--;
        client->carrier->answer(client, ask);
    }
    CHECK(client->letters > 0);
    client->letters--;
    client->carrier->letter_home(client);
}

static void answer(struct shard *shard, struct post *post)
{
    if (post->kind == POST_LEAVE)
        owner_leave(shard, container_of(post, struct member, leave));
    else
        owner_answer(shard, container_of(post, struct ask, post));
    post->answered = true;
    shard_post(shard, post->from, post);
}

static void look_at(struct view *view)
{
    view_mark(view, view->seat.news_us);
    /* Pairs with the exchange in owner.c: see there. */
    atomic_exchange_explicit(&view->seat.told, false, memory_order_acq_rel);
}

static struct member *first_of(const struct list *members, struct slice uid)
{
    list_each(link, members)
    {
        struct member *member = container_of(link, struct member, in_view);
        if (!uid.len || slice_equal(client_uid(member->client), uid))
            return member;
    }
    return NULL;
}

void shard_expel(struct view *view, struct slice uid, const char *reason)
{
    struct member *member;

    view->refs++; /* stays until the last of them is gone */
    while ((member = first_of(&view->current, uid)) || (member = first_of(&view->behind, uid)))
        client_expel(member, reason);
    view_put(view);
}

/* The view is there still: the letters of those who have left meanwhile are answered after it. */
static void carry_out(struct shard *shard, struct verdict *verdict)
{
    shard_expel(verdict->view, slice_make(verdict->uid, verdict->uid_len), verdict->reason);
    verdict->post.answered = true;
    shard_post(shard, verdict->post.from, &verdict->post);
}

static void verdict_home(struct shard *shard, struct verdict *verdict)
{
    shard->verdicts_count--;
    mem_free_wiped(verdict);
}

static struct poller *any_poller(const struct shard *shard)
{
    struct table_link *link = table_next(&shard->pollers, NULL);

    return link ? container_of(link, struct poller, by_sid) : NULL;
}

static struct shard_command *command_of(struct post *post)
{
    return container_of(&post->letter, struct shard_command, letter);
}

void shard_obeyed(struct shard *shard, struct shard_command *command)
{
    /* Pairs with shard_command_is_obeyed(). */
    atomic_store_explicit(&command->obeyed, true, memory_order_release);
    shard->on_obeyed(shard->user);
}

static void show_pulse(struct shard *shard, struct shard_command *command)
{
    command->clients = shard->conns_count + shard->pollers_count;
    command->rooms = (uint32_t)shard->directory.rooms.count;
    shard_obeyed(shard, command);
}

static void stop(struct shard *shard, struct shard_command *command)
{
    struct poller *poller;

    shard->stopping = true;
    shard->stop = command;
    for (size_t i = 0; i < shard->accepting_count; i++)
        listener_stop(&shard->accepting[i].listener);
    /* Spread over more time the more there are, so that they do not all come back at once. */
    uint64_t spread_ms = 1000 + (uint64_t)shard->conns_count * shard->mesh->count;
    if (spread_ms > 30000)
        spread_ms = 30000;
    while ((poller = any_poller(shard)))
        poller_stop(poller);
    session_forget_all(shard);
    list_each(link, &shard->conns)
    {
        struct conn *conn = container_of(link, struct conn, link);
        conn_stop(conn, 100 + conn->client.who.user % spread_ms);
    }
}

static void cut(struct shard *shard, struct shard_command *command)
{
    list_each(link, &shard->conns) conn_abort(container_of(link, struct conn, link));
    shard_obeyed(shard, command);
}

static void act_on_errand(struct shard *shard, struct errand *errand)
{
    if (errand->post.answered)
        errand_home(shard, errand);
    else
        errand_arrived(shard, errand);
}

static void act(struct shard *shard, struct post *post)
{
    if (post->kind >= POST_POLL) {
        act_on_errand(shard, container_of(post, struct errand, post));
        return;
    }
    switch (post->kind) {
    case POST_ADVANCED:
        look_at(container_of(post, struct view, advanced));
        break;
    case POST_EXPEL:
        if (post->answered)
            verdict_home(shard, container_of(post, struct verdict, post));
        else
            carry_out(shard, container_of(post, struct verdict, post));
        break;
    case POST_STOP:
        stop(shard, command_of(post));
        break;
    case POST_CUT:
        cut(shard, command_of(post));
        break;
    case POST_EXIT:
        shard->exiting = true;
        break;
    case POST_PULSE:
        show_pulse(shard, command_of(post));
        break;
    case POST_RELOAD:
        shard_reload(shard, command_of(post)->settings, command_of(post)->tls);
        shard_obeyed(shard, command_of(post));
        break;
    default:
        if (post->answered)
            came_home(shard, post);
        else
            answer(shard, post);
    }
}

void shard_drain_inbox(struct shard *shard)
{
    struct letter *letter = inbox_take(&shard->mesh->nodes[shard->index].inbox);

    if (letter)
        shard->scratched = true;
    while (letter) {
        struct letter *next = letter->next; /* acting may send the letter on */
        act(shard, container_of(letter, struct post, letter));
        letter = next;
    }
}

void shard_command(struct mesh *mesh, uint32_t index, struct shard_command *command,
                   enum shard_order order)
{
    static const enum post_kind kinds[] = {[SHARD_STOP] = POST_STOP,
                                           [SHARD_CUT] = POST_CUT,
                                           [SHARD_EXIT] = POST_EXIT,
                                           [SHARD_PULSE] = POST_PULSE,
                                           [SHARD_RELOAD] = POST_RELOAD};
    struct post *post = container_of(&command->letter, struct post, letter);

    static_assert(sizeof(struct post) <= offsetof(struct shard_command, obeyed),
                  "an order is a letter");
    *post = (struct post){.kind = (uint8_t)kinds[order]};
    atomic_store_explicit(&command->obeyed, false, memory_order_relaxed); /* posting releases it */
    mesh_post_outside(mesh, index, &post->letter);
}
