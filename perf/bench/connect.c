#include "scenario.h"

#include "clock.h"
#include "engine.h"
#include "event.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SESSIONS_MAX = 4096 };

/* Connections that come, join a room of their own and go, `parallel` at once. */
struct churn {
    struct engine engine;
    struct tls_client tls;
    const struct options *options;
    uint64_t *begun_ns; /* by slot */
    /* By slot: a copy of the session it began with. OpenSSL lets a client use one only once. */
    SSL_SESSION **spares;
    SSL_SESSION *sessions[SESSIONS_MAX];
    uint32_t session_count;
    uint64_t done;
    uint64_t resumed; /* of done */
    uint64_t failed;
    struct histogram took; /* from connect to `joined` */
    unsigned tag;
};

static void on_opened(void *scenario, struct conn *conn)
{
    struct churn *c = scenario;
    char request[DIALECT_AROUND_MAX], room[32];
    snprintf(room, sizeof room, "c%x-%u", c->tag, conn->index);
    engine_text(&c->engine, conn, request, dialect_join(conn->dialect, request, room, "m", true));
}

/* The connection's newest ticket, or else that which it was resumed with: Node gives no new one in
 * a resumed handshake, and the price of resuming is what is measured. */
static void keep_session(struct churn *c, struct conn *conn)
{
    SSL_SESSION **spare = &c->spares[conn->index];
    SSL_SESSION *session = tls_take_session(&conn->tls);
    c->resumed += (uint64_t)SSL_session_reused(conn->tls.ssl);
    if (!session) {
        session = *spare;
        *spare = NULL;
    }
    if (session && c->session_count < SESSIONS_MAX)
        c->sessions[c->session_count++] = session;
    else
        SSL_SESSION_free(session);
}

static void on_text(void *scenario, struct conn *conn, const char *text, size_t count)
{
    struct churn *c = scenario;
    if (dialect_kind(conn->dialect, text, count) != EVENT_JOINED)
        return;
    c->done++;
    histogram_add(&c->took, now_ns() - c->begun_ns[conn->index]);
    if (conn->secure)
        keep_session(c, conn);
    engine_close(&c->engine, conn);
}

static void on_closed(void *scenario, struct conn *conn, int error)
{
    struct churn *c = scenario;
    if (error < 0 && c->failed++ < 5)
        fprintf(stderr, "ringroom-bench: a connection failed: %s\n", strerror(-error));
}

static void begin(struct churn *c, uint32_t slot, bool resume)
{
    SSL_SESSION *session = resume && c->session_count ? c->sessions[--c->session_count] : NULL;
    SSL_SESSION_free(c->spares[slot]);
    c->spares[slot] = session ? SSL_SESSION_dup(session) : NULL;
    c->begun_ns[slot] = now_ns();
    if (engine_connect(&c->engine, slot, session) < 0)
        c->failed++;
    SSL_SESSION_free(session);
}

static void churn_for(struct churn *c, double seconds, bool resume)
{
    uint64_t until = now_ns() + (uint64_t)(seconds * 1e9);
    while (now_ns() < until && c->failed < 1000) {
        for (uint32_t i = 0; i < c->engine.connections_max; i++)
            if (c->engine.conns[i].state == CONN_FREE)
                begin(c, i, resume);
        engine_turn(&c->engine, now_ns() + 10 * NS_PER_MS);
    }
}

/* One phase, reported under keys that begin with prefix. */
static void measure(struct churn *c, const char *prefix, bool resume, struct report *report)
{
    char key[64];
    const struct options *o = c->options;
    churn_for(c, o->warmup_s, resume);
    c->done = c->resumed = 0;
    histogram_reset(&c->took);
    uint64_t cpu_ns = probe_cpu_ns(&o->probe), own_ns = own_cpu_ns(), begun_ns = now_ns();
    churn_for(c, o->duration_s, resume);
    double elapsed_ns = (double)(now_ns() - begun_ns);
    double done = (double)c->done;
    double values[] = {
        done / elapsed_ns * 1e9, (double)(probe_cpu_ns(&o->probe) - cpu_ns) / done / 1e3,
        (double)c->resumed / done * 100, (double)(own_cpu_ns() - own_ns) / elapsed_ns * 100};
    static const char *const names[] = {"per_s", "cpu_us", "resumed_percent", "bench_cpu_percent"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(key, sizeof key, "%s%s", prefix, names[i]);
        report_number(report, key, values[i]);
    }
    report_latency(report, prefix, &c->took);
}

int scenario_connect(const struct options *o)
{
    static struct churn c;
    struct report report;
    struct conn_events events = {&c, on_opened, on_text, on_closed};
    struct engine_options engine = {.target = &o->target,
                                    .proto = o->proto,
                                    .connections_max = o->parallel,
                                    .source_base = o->source_base,
                                    .spin = o->spin,
                                    .keep_sessions = true};
    c.options = o;
    c.tag = (unsigned)getpid() ^ (unsigned)now_ns();
    c.begun_ns = must_calloc(o->parallel, sizeof *c.begun_ns);
    c.spares = must_calloc(o->parallel, sizeof *c.spares);
    int error = engine_init(&c.engine, &c.tls, &engine, &events);
    if (error < 0) {
        fprintf(stderr, "ringroom-bench: io_uring: %s\n", strerror(-error));
        return SCENARIO_FAILED;
    }
    report_begin(&report, o->json, "connect");
    measure(&c, "full_", false, &report);
    measure(&c, "resumed_", true, &report);
    report_number(&report, "failed", (double)c.failed);
    report_end(&report);
    while (c.session_count)
        SSL_SESSION_free(c.sessions[--c.session_count]);
    for (uint32_t i = 0; i < o->parallel; i++)
        SSL_SESSION_free(c.spares[i]);
    engine_deinit(&c.engine);
    free(c.begun_ns);
    free(c.spares);
    return c.failed ? SCENARIO_FAULTY : SCENARIO_OK;
}
