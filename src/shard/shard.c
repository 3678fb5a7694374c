/* shard.c - a shard's making and its loop: wait, run, drain, fire, deliver, reap. */
#include "shard_core.h"
#include "ringroom/base/check.h"
#include "ringroom/base/clock.h"
#include "ringroom/base/logger.h"
#include "ringroom/shard/poller.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum {
    POLL_BODY_MIN =
        64 << 10,         /* bytes of packets that a polling client may send at once, at least */
    TRIM_COUNT = 1000,    /* clients gone before the heap is worth a look ... */
    TRIM_QUIET_MS = 2000, /* ... when no more go for so long */
    TEST_BYTES_MAX = 1 << 20, /* of a message to the conformance servers */
};

/* Making */

static void accepted(struct listener *listener, int fd)
{
    struct accepting *accepting = container_of(listener, struct accepting, listener);

    conn_accept(accepting->shard, fd, accepting->kind);
}

static void retry_accepting(struct timer *timer, uint64_t now_ms)
{
    struct shard *shard = container_of(timer, struct shard, accept_retry);

    for (size_t i = 0; i < shard->accepting_count; i++)
        listener_resume(&shard->accepting[i].listener);
}

/* A message lives for at least a second, and passes through scratch memory only while it lives:
 * with two wipes a second nothing of it is left a second after its end. Likewise of names and
 * secrets, which also stand in the frames of calls that have returned: after the last thing that
 * was done with one, its going at the latest, a wipe follows. */
static void scrub(struct timer *timer, uint64_t now_ms)
{
    struct shard *shard = container_of(timer, struct shard, scrub);

    mem_wipe(shard->plain, sizeof(shard->plain));
    buf_release(&shard->text);
    ring_wipe_idle(shard->ring);
    tls_wipe_idle();
    mem_wipe_stack();
}

/* The heap has holes where thousands of clients were. */
static void trim(struct timer *timer, uint64_t now_ms)
{
    struct shard *shard = container_of(timer, struct shard, trim);

    shard->trim_count = 0;
    mem_trim();
}

static void start_listening(struct shard *shard)
{
    for (size_t i = 0; i < shard->accepting_count; i++) {
        struct listener *listener = &shard->accepting[i].listener;
        listener_start(listener, shard->ring, listener->fd, listener->shared, accepted);
    }
}

static void tick(struct shard *shard)
{
    uint64_t now_ns = clock_mono_ns();

    shard->now_us = now_ns / 1000;
    shard->now_ms = now_ns / 1000000;
    shard->wall_ms = clock_wall_ms();
}

static void init_lists(struct shard *shard)
{
    struct list *lists[] = {&shard->dirty,        &shard->conns,     &shard->dead,
                            &shard->ready,        &shard->unblocked, &shard->ready_pollers,
                            &shard->dead_pollers, &shard->detached};

    for (size_t i = 0; i < array_len(lists); i++)
        list_init(lists[i]);
}

static void init_limits(struct shard *shard)
{
    shard->native_limits = (struct ws_limits){.message_bytes_max = shard->settings->max_message,
                                              .fragments_max = SHARD_FRAGMENTS_MAX};
    shard->echo_limits = (struct ws_limits){.message_bytes_max = SHARD_ECHO_BYTES_MAX,
                                            .fragments_max = SHARD_FRAGMENTS_MAX};
    bool conformance = shard->settings->conformance;
    size_t engine_bytes = conformance ? TEST_BYTES_MAX : shard->settings->max_message;
    shard->engine_limits =
        (struct ws_limits){.message_bytes_max = engine_bytes, .fragments_max = SHARD_FRAGMENTS_MAX};
    shard->http_limits = (struct http_limits){
        .target_bytes_max = 4096,
        .head_bytes_max = 16384,
        .body_bytes_max = engine_bytes > POLL_BODY_MIN ? engine_bytes : POLL_BODY_MIN,
        .body_bytes_for = conn_api_body_bytes,
        .user = shard};
}

static void adopt_plan(struct shard *shard, const struct shard_plan *plan)
{
    shard->index = plan->index;
    shard->mesh = plan->mesh;
    shard->metrics = &plan->mesh->nodes[plan->index].metrics;
    shard->settings = plan->settings;
    shard->tls = plan->tls;
    shard->on_obeyed = plan->on_obeyed;
    shard->user = plan->user;
    shard->accepting_count = plan->listeners_count;
    for (size_t i = 0; i < plan->listeners_count; i++) {
        shard->accepting[i].shard = shard;
        shard->accepting[i].kind = plan->listeners[i].kind;
        shard->accepting[i].listener.fd = plan->listeners[i].fd;
        shard->accepting[i].listener.shared = plan->listeners[i].shared;
    }
}

static void init_rooms(struct shard *shard)
{
    struct log_env env = {.bin = &shard->bin,
                          .bytes_used = &shard->mesh->log_bytes,
                          .bytes_max = shard->settings->memory_max};

    epoch_bin_init(&shard->bin, &shard->mesh->epoch);
    directory_init(&shard->directory, &shard->wheel, &env, &shard->settings->retention,
                   shard->settings->delivery_window);
    shard->directory.count_due = owner_count_due;
    shard->directory.gone = owner_gone;
    shard->directory.project = owner_project;
    shard->directory.project_deleted = owner_project_deleted;
    shard->directory.user = shard;
}

struct ring_config shard_ring_config(const struct settings *settings)
{
    return (struct ring_config){.files_max = settings->connections_max + SHARD_SCRAPERS_MAX,
                                .recv_buffers = SHARD_RECV_BUFFERS,
                                .recv_buffer_bytes = SHARD_RECV_BUFFER_BYTES};
}

int shard_new(const struct shard_plan *plan, struct shard **ret_shard, char *ret_why,
              size_t why_bytes)
{
    struct ring_config config = shard_ring_config(plan->settings);
    struct shard *shard = mem_zalloc(sizeof(*shard));

    if (!shard) {
        snprintf(ret_why, why_bytes, "out of memory");
        return -ENOMEM;
    }
    adopt_plan(shard, plan);
    tick(shard);
    init_lists(shard);
    init_limits(shard);
    wheel_init(&shard->wheel, shard->now_ms);
    timer_init(&shard->accept_retry, retry_accepting);
    timer_init(&shard->scrub, scrub);
    timer_init(&shard->trim, trim);
    timer_init(&shard->forget, session_forget_due);
    table_init(&shard->views);
    table_init(&shard->pollers);
    table_init(&shard->sids);
    table_init(&shard->sessions);
    buf_init(&shard->text, 4 * shard->engine_limits.message_bytes_max + 65536);
    init_rooms(shard);
    int error = ring_new(&config, &shard->ring, ret_why, why_bytes);
    if (!error && !(shard->ws_pool = ws_pool_new())) {
        snprintf(ret_why, why_bytes, "out of memory");
        error = -ENOMEM;
    }
    if (error) {
        shard_free(shard);
        return error;
    }
    plan->mesh->nodes[plan->index].ring_fd = ring_fd(shard->ring);
    *ret_shard = shard;
    return 0;
}

void shard_free(struct shard *shard)
{
    if (!shard)
        return;
    session_forget_all(shard);
    CHECK(list_empty(&shard->conns) && shard->views.count == 0 && shard->pollers.count == 0);
    directory_deinit(&shard->directory);
    epoch_bin_drain(&shard->bin);
    table_deinit(&shard->views);
    table_deinit(&shard->pollers);
    table_deinit(&shard->sids);
    table_deinit(&shard->sessions);
    ws_pool_free(shard->ws_pool);
    ring_free(shard->ring);
    buf_deinit(&shard->text);
    mem_free(shard);
}

void shard_reload(struct shard *shard, const struct settings *settings, struct tls_server *tls)
{
    DCHECK(settings->max_message == shard->settings->max_message); /* what buffers are made for */
    shard->settings = settings;
    shard->tls = tls;
    directory_reload(&shard->directory, &settings->retention, settings->delivery_window,
                     settings->memory_max, shard->now_ms);
    session_reload(shard);
}

/* One turn */

static uint64_t wait_ms(const struct shard *shard)
{
    if (!list_empty(&shard->ready) || !list_empty(&shard->unblocked) ||
        !list_empty(&shard->dirty) || !list_empty(&shard->dead) ||
        !list_empty(&shard->ready_pollers) || !list_empty(&shard->dead_pollers))
        return 0;
    uint64_t wait = wheel_wait_ms(&shard->wheel, shard->now_ms);
    return shard->garbage && wait > SHARD_GARBAGE_MS ? SHARD_GARBAGE_MS : wait;
}

/* Sleeps in the ring, unless there is work or a letter; asleep, it is no reader of anything. */
static void wait_for_work(struct shard *shard)
{
    struct inbox *inbox = &shard->mesh->nodes[shard->index].inbox;
    uint64_t timeout_ms = wait_ms(shard);
    bool sleeps = timeout_ms > 0 && inbox_sleep(inbox);

    if (sleeps)
        epoch_offline(&shard->mesh->epoch, shard->index);
    ring_wait(shard->ring, sleeps ? timeout_ms : 0);
    if (sleeps) {
        epoch_online(&shard->mesh->epoch, shard->index);
        inbox_awake(inbox);
    }
}

static void watch_listeners(struct shard *shard)
{
    for (size_t i = 0; i < shard->accepting_count; i++) {
        if (!shard->accepting[i].listener.starved || timer_is_set(&shard->accept_retry))
            continue;
        logger_write(LOGGER_WARN, "out of file descriptors or memory: new connections wait");
        wheel_set(&shard->wheel, &shard->accept_retry, shard->now_ms + SHARD_ACCEPT_RETRY_MS);
    }
}

static void go_on_with_unblocked(struct shard *shard)
{
    struct list batch;

    list_init(&batch);
    list_splice(&batch, &shard->unblocked);
    for (struct list *link; (link = list_pop(&batch));)
        conn_go_on(container_of(link, struct conn, unblocked));
}

static void deliver(struct shard *shard)
{
    struct list batch, *link;

    while ((link = list_pop(&shard->dirty))) {
        struct view *view = container_of(link, struct view, dirty);
        shard_note_news(shard, view->since_us);
        view_tell_members(view);
    }
    while ((link = list_pop(&shard->ready_pollers)))
        poller_flush(container_of(link, struct poller, ready));
    list_init(&batch);
    list_splice(&batch, &shard->ready);
    while ((link = list_pop(&batch)))
        conn_flush(container_of(link, struct conn, ready));
}

static void schedule_scrub(struct shard *shard)
{
    if (shard->scratched && !timer_is_set(&shard->scrub))
        wheel_set(&shard->wheel, &shard->scrub, shard->now_ms + SHARD_SCRUB_MS);
    shard->scratched = false;
}

static void schedule_trim(struct shard *shard, uint32_t gone)
{
    shard->trim_count += gone;
    if (gone && shard->trim_count > TRIM_COUNT)
        wheel_set(&shard->wheel, &shard->trim, shard->now_ms + TRIM_QUIET_MS);
}

static void reap(struct shard *shard)
{
    struct list *link;

    uint32_t before = shard->pollers_count + shard->conns_count;

    while ((link = list_pop(&shard->dead_pollers))) {
        poller_free(container_of(link, struct poller, ready));
        shard->pollers_count--;
    }
    while ((link = list_pop(&shard->dead))) {
        conn_free(container_of(link, struct conn, link));
        shard->conns_count--;
    }
    if (before > shard->pollers_count + shard->conns_count)
        shard->scratched = true;
    schedule_trim(shard, before - shard->pollers_count - shard->conns_count);
    /* Errands without a client may still be away, and verdicts; pollers wait for their leave
     * letters. */
    bool empty = !shard->conns_count && !shard->pollers_count && !shard->errands_count &&
                 !shard->verdicts_count;
    if (shard->stop && empty) {
        struct shard_command *stop = shard->stop;
        shard->stop = NULL;
        shard_obeyed(shard, stop);
    }
}

static void turn(struct shard *shard)
{
    wait_for_work(shard);
    tick(shard);
    ring_run(shard->ring);
    shard_drain_inbox(shard);
    wheel_advance(&shard->wheel, shard->now_ms);
    go_on_with_unblocked(shard);
    deliver(shard);
    watch_listeners(shard);
    reap(shard);
    schedule_scrub(shard);
    epoch_quiesce(&shard->mesh->epoch, shard->index);
    shard->garbage = epoch_collect(&shard->bin);
    shard_publish_metrics(shard);
}

void shard_run(struct shard *shard)
{
    epoch_online(&shard->mesh->epoch, shard->index);
    start_listening(shard);
    while (!shard->exiting)
        turn(shard);
    epoch_offline(&shard->mesh->epoch, shard->index);
}
