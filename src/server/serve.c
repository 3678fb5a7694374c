/* serve.c - the server's life: sockets, threads, ready, signals, drain, exit. */
#include "ringroom/server/serve.h"
#include "ringroom/base/clock.h"
#include "ringroom/base/hash.h"
#include "ringroom/base/mem.h"
#include "ringroom/wire/tls.h"
#include "server_core.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_WRONG = 2, CUT_MS = 10000, OBEYED_SIGNAL = SIGUSR1 };

/* Workers */

static void obeyed(void *user)
{
    const struct worker *worker = user;

    pthread_kill(worker->server->main_thread, OBEYED_SIGNAL);
}

static void pin(const struct worker *worker)
{
    cpu_set_t set;

    if (worker->cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET(worker->cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* A shard can serve only when all are made, for it may post to any of them. True: serve. */
static bool wait_for_the_others(struct worker *worker, int error, const char *why)
{
    struct server *server = worker->server;

    pthread_mutex_lock(&server->lock);
    if (error) {
        if (!server->failed++)
            snprintf(server->why, sizeof(server->why), "%s", why);
    } else
        server->made++;
    pthread_cond_broadcast(&server->changed);
    while (!server->go && !server->give_up)
        pthread_cond_wait(&server->changed, &server->lock);
    bool go = server->go;
    pthread_mutex_unlock(&server->lock);
    return go;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    char why[512] = "";

    pin(worker);
    int error = shard_new(&worker->plan, &worker->shard, why, sizeof(why));
    if (wait_for_the_others(worker, error, why))
        shard_run(worker->shard);
    return NULL;
}

/* The n-th CPU that this process may use; -1 where threads are more than CPUs. */
static int cpu_for(uint32_t n, uint32_t threads)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0 || threads > (uint32_t)CPU_COUNT(&set))
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set) && n-- == 0)
            return cpu;
    return -1;
}

static void plan_worker(struct server *server, uint32_t index)
{
    struct worker *worker = &server->workers[index];
    const struct sockets *sockets = &server->sockets;

    worker->server = server;
    worker->cpu = cpu_for(index, server->config->shards);
    worker->plan = (struct shard_plan){.index = index,
                                       .mesh = server->mesh,
                                       .settings = &server->config->settings,
                                       .tls = server->now->tls,
                                       .listeners_count = sockets->count,
                                       .on_obeyed = obeyed,
                                       .user = worker};
    for (size_t i = 0; i < sockets->count; i++)
        worker->plan.listeners[i] = sockets->list[index * sockets->count + i];
}

static void join_workers(struct server *server, uint32_t started)
{
    for (uint32_t i = 0; i < started; i++)
        pthread_join(server->workers[i].thread, NULL);
    for (uint32_t i = 0; i < started; i++)
        shard_free(server->workers[i].shard);
}

/* Makes all shards, then lets them go together. 0, or -1 with server->why. */
static int start_workers(struct server *server)
{
    uint32_t shards = server->config->shards, started = 0;
    int error = 0;

    for (; started < shards && !error; started++) {
        plan_worker(server, started);
        error =
            pthread_create(&server->workers[started].thread, NULL, work, &server->workers[started]);
        if (error) {
            snprintf(server->why, sizeof(server->why), "can't start a thread: %s", strerror(error));
            break;
        }
    }
    pthread_mutex_lock(&server->lock);
    while (!error && server->made + server->failed < started)
        pthread_cond_wait(&server->changed, &server->lock);
    server->go = !error && !server->failed;
    server->give_up = !server->go;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    if (server->go)
        return 0;
    join_workers(server, started);
    return -1;
}

/* Start */

static int fail(int status, const char *why)
{
    fprintf(stderr, "ringroom: %s\n", why);
    return status;
}

static void print_ready(const struct sockets *sockets)
{
    static const char *const schemes[] = {
        [LISTENER_TLS] = "https", [LISTENER_PLAIN] = "http", [LISTENER_METRICS] = "metrics"};
    char text[CONFIG_ADDRESS_BYTES];

    for (size_t i = 0; i < sockets->count; i++) {
        config_address_text(&sockets->addresses[i], text);
        printf("ready %s://%s\n", schemes[sockets->list[i].kind], text);
    }
    fflush(stdout);
}

/* Names the first address that others can reach. */
static void warn_if_open(const struct server *server)
{
    char text[CONFIG_ADDRESS_BYTES];

    if (server->config->settings.auth_mode != AUTH_OPEN)
        return;
    for (size_t i = 0; i < server->sockets.count; i++) {
        if (server->sockets.list[i].kind == LISTENER_METRICS ||
            config_address_is_loopback(&server->sockets.addresses[i]))
            continue;
        config_address_text(&server->sockets.addresses[i], text);
        logger_write(LOGGER_WARN,
                     "auth.mode is open: anyone who reaches %s can read and write every room; set "
                     "auth.mode to \"token\"",
                     text);
        return;
    }
}

/* What may be over by the next try; all else stays wrong until the configuration is mended. */
static bool is_shortage(int error)
{
    return error == -ENOMEM || error == -ENOBUFS || error == -EMFILE || error == -ENFILE;
}

/* 0, or the exit status with its reason printed. */
static int prepare(struct server *server)
{
    const struct config *config = server->config;
    struct activation activation;
    struct identity identity;
    char why[1024] = "";

    if (identity_find(config, &identity, why, sizeof(why)) != 0)
        return fail(EXIT_WRONG, why);
    if (activation_take(&activation, config, why, sizeof(why)) != 0)
        return fail(EXIT_WRONG, why);
    bool tls = activation.count ? activation.tls_count > 0 : config->listen.count > 0;
    int error = generation_open(server->now, tls, why, sizeof(why));
    if (error)
        return fail(is_shortage(error) ? EXIT_FAILURE : EXIT_WRONG, why);
    error = sockets_open(&server->sockets, config, &activation, why, sizeof(why));
    if (error)
        return fail(is_shortage(error) ? EXIT_FAILURE : EXIT_WRONG, why);
    /* All that takes root is open and read; threads and rings are still to be made. */
    if (identity_become(&identity, why, sizeof(why)) != 0)
        return fail(EXIT_WRONG, why);
    process_close(config->core_dumps);
    server->mesh = mesh_new(config->shards, config->connections);
    server->workers = mem_zalloc(config->shards * sizeof(*server->workers));
    if (!server->mesh || !server->workers)
        return fail(EXIT_FAILURE, "out of memory");
    return 0;
}

/* Stop */

static bool all_stopped(const struct server *server)
{
    for (uint32_t i = 0; i < server->config->shards; i++) {
        if (!shard_command_is_obeyed(&server->workers[i].stop))
            return false;
    }
    return true;
}

/* True when all clients have gone; false when the time is up, or, where `impatient` is heard,
 * someone asks a second time. */
static bool wait_stopped(struct server *server, uint64_t until_ms, bool impatient)
{
    while (!all_stopped(server)) {
        int signal = server_wait(server, until_ms);
        if (signal == 0 || (impatient && (signal == SIGTERM || signal == SIGINT)))
            return false;
    }
    return true;
}

/* True when every connection has gone: the shards may exit and be freed. */
static bool stop(struct server *server)
{
    uint32_t shards = server->config->shards;
    uint64_t drain_ms = (uint64_t)server->config->settings.drain_s * 1000;

    logger_write(LOGGER_INFO, "stopping: sending the clients away");
    notify_manager("STOPPING=1\nSTATUS=Stopping: sending the clients away");
    server->stopping = true;
    for (uint32_t i = 0; i < shards; i++)
        shard_command(server->mesh, i, &server->workers[i].stop, SHARD_STOP);
    if (wait_stopped(server, clock_mono_ms() + drain_ms, true))
        return true;
    for (uint32_t i = 0; i < shards; i++)
        shard_command(server->mesh, i, &server->workers[i].cut, SHARD_CUT);
    return wait_stopped(server, clock_mono_ms() + CUT_MS, false);
}

void server_tell_ready(const struct server *server)
{
    char status[PULSE_STATUS_BYTES], text[PULSE_STATUS_BYTES + 16];

    pulse_status(server, status);
    snprintf(text, sizeof(text), "READY=1\n%s", status);
    notify_manager(text);
}

int server_wait(struct server *server, uint64_t until_ms)
{
    for (;;) {
        uint64_t now_ms = clock_mono_ms(), due_ms = pulse_turn(server, now_ms);
        int signal;

        if (now_ms >= until_ms)
            return 0;
        if (due_ms > until_ms)
            due_ms = until_ms;
        struct timespec left = {.tv_sec = (time_t)((due_ms - now_ms) / 1000),
                                .tv_nsec = (long)((due_ms - now_ms) % 1000) * 1000000};
        signal = due_ms == UINT64_MAX ? sigwaitinfo(&server->signals, NULL)
                                      : sigtimedwait(&server->signals, NULL, &left);
        if (signal > 0)
            return signal;
    }
}

static bool run_until_signal(struct server *server)
{
    int signal;

    print_ready(&server->sockets);
    logger_write(LOGGER_INFO, "serving with %u shard%s", server->config->shards,
                 server->config->shards == 1 ? "" : "s");
    warn_if_open(server);
    process_warn_if_root();
    server_tell_ready(server);
    do {
        signal = server_wait(server, UINT64_MAX);
        if (signal == SIGHUP)
            reload_begin(server);
        else
            reload_turn(server);
    } while (signal != SIGTERM && signal != SIGINT);
    return stop(server);
}

static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigaddset(signals, OBEYED_SIGNAL);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* The process is made ready; the rest can be undone. 0, or the exit status with its reason printed.
 */
static int make_ready(struct server *server)
{
    logger_init(server->config->log_level, server->config->log_format == LOG_FORMAT_JSON);
    block_signals(&server->signals);
    process_close(server->config->core_dumps);
    process_raise_files();
    mem_init();
    if (!tls_init())
        return fail(EXIT_FAILURE, "OpenSSL was in use before its allocator could be set");
    hash_init();
    pulse_init(&server->pulse);
    return prepare(server);
}

/* From the start of the threads to their end. */
static int run(struct server *server, bool *ret_taken)
{
    if (start_workers(server) != 0)
        return fail(EXIT_FAILURE, server->why);
    *ret_taken = true;
    if (!run_until_signal(server)) {
        logger_write(LOGGER_ERROR, "connections did not end when cut: leaving all the same");
        _exit(EXIT_FAILURE);
    }
    for (uint32_t i = 0; i < server->config->shards; i++)
        shard_command(server->mesh, i, &server->workers[i].exit, SHARD_EXIT);
    join_workers(server, server->config->shards);
    logger_write(LOGGER_INFO, "stopped");
    return EXIT_SUCCESS;
}

int serve(struct config *config, const struct config_source *source)
{
    struct server server = {.source = source,
                            .now = generation_new(),
                            .main_thread = pthread_self(),
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER};
    bool taken = false; /* the shards have the sockets */

    if (!server.now) {
        config_deinit(config);
        return fail(EXIT_FAILURE, "out of memory");
    }
    server.now->config = *config;
    server.config = &server.now->config;
    int status = make_ready(&server);
    if (!status)
        status = run(&server, &taken);
    sockets_free(&server.sockets, !taken);
    mesh_free(server.mesh);
    mem_free(server.workers);
    generation_free(server.old);
    generation_free(server.now);
    return status;
}
