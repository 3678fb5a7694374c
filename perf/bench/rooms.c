#include "scenario.h"

#include "clock.h"
#include "engine.h"
#include "event.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAKERS = 8, GIVE_UP_S = 120 };

/* A few connections that join a room, send one message and leave, one room after another. */
struct makers {
    struct engine engine;
    struct tls_client tls;
    const struct options *options;
    uint32_t opened;
    uint32_t begun[MAKERS]; /* rooms, by maker */
    uint32_t left[MAKERS];
    uint32_t left_total;
    uint64_t acks; /* not the messages themselves: their sender may have left before they come */
    uint64_t errors;
    unsigned tag;
};

static void on_opened(void *scenario, struct conn *conn)
{
    ((struct makers *)scenario)->opened++;
}

static void on_text(void *scenario, struct conn *conn, const char *json, size_t count)
{
    struct makers *m = scenario;
    enum event_kind kind = event_kind(json, count);
    if (kind == EVENT_ACK) {
        m->acks++;
    } else if (kind == EVENT_LEFT) {
        m->left[conn->index]++;
        m->left_total++;
    } else if (kind == EVENT_ERROR && m->errors++ < 5) {
        fprintf(stderr, "ringroom-bench: the server says %.*s\n", (int)count, json);
    }
}

static void on_closed(void *scenario, struct conn *conn, int error)
{
    struct makers *m = scenario;
    m->errors++;
    fprintf(stderr, "ringroom-bench: connection %u was closed: %s\n", conn->index,
            strerror(-error));
}

static void make_room(struct makers *m, struct conn *conn)
{
    static char json[17000];
    char name[64];
    snprintf(name, sizeof name, "r%x-%u-%u", m->tag, conn->index, m->begun[conn->index]++);
    int count = snprintf(json, sizeof json, "{\"op\":\"join\",\"room\":\"%s\"}", name);
    engine_text(&m->engine, conn, json, (size_t)count);
    count =
        snprintf(json, sizeof json, "{\"op\":\"send\",\"id\":2,\"room\":\"%s\",\"text\":\"", name);
    memset(json + count, 'x', m->options->size);
    memcpy(json + count + m->options->size, "\"}", 2);
    engine_text(&m->engine, conn, json, (size_t)count + m->options->size + 2);
    count = snprintf(json, sizeof json, "{\"op\":\"leave\",\"id\":1,\"room\":\"%s\"}", name);
    engine_text(&m->engine, conn, json, (size_t)count);
}

static int open_makers(struct makers *m)
{
    uint64_t give_up = now_ns() + 10 * NS_PER_S;
    for (uint32_t i = 0; i < MAKERS; i++) {
        int result = engine_connect(&m->engine, i, NULL);
        if (result < 0)
            return result;
    }
    while (m->opened < MAKERS && !m->errors && now_ns() < give_up)
        engine_turn(&m->engine, now_ns() + 10 * NS_PER_MS);
    return m->opened == MAKERS ? 0 : -ETIMEDOUT;
}

static void make_all(struct makers *m, uint32_t upto)
{
    uint64_t give_up = now_ns() + GIVE_UP_S * NS_PER_S;
    uint32_t begun = m->left_total;
    while (m->left_total < upto && m->errors < 1000 && now_ns() < give_up) {
        for (uint32_t i = 0; i < MAKERS; i++)
            for (; begun < upto && m->begun[i] - m->left[i] < m->options->parallel; begun++)
                make_room(m, &m->engine.conns[i]);
        engine_turn(&m->engine, now_ns() + 10 * NS_PER_MS);
    }
}

static void measure(struct makers *m)
{
    struct report report;
    const struct options *o = m->options;
    uint32_t half = o->rooms / 2;
    struct memory before = probe_memory(&o->probe);
    uint64_t cpu_ns = probe_cpu_ns(&o->probe), begun_ns = now_ns();
    make_all(m, half);
    struct memory between = probe_memory(&o->probe);
    make_all(m, o->rooms);
    double rooms = m->left_total;
    cpu_ns = probe_cpu_ns(&o->probe) - cpu_ns;
    double elapsed_s = (double)(now_ns() - begun_ns) / 1e9;
    struct memory after = probe_memory(&o->probe);

    report_begin(&report, o->json, "rooms");
    report_number(&report, "rooms", rooms);
    report_number(&report, "bytes_per_room",
                  ((double)after.anonymous_bytes - (double)before.anonymous_bytes) / rooms);
    report_number(&report, "bytes_per_further_room",
                  ((double)after.anonymous_bytes - (double)between.anonymous_bytes) /
                      (rooms - half));
    report_number(&report, "cpu_us_per_room", (double)cpu_ns / 1e3 / rooms);
    report_number(&report, "rooms_per_s", rooms / elapsed_s);
    report_number(&report, "acks_missing", rooms - (double)m->acks);
    report_number(&report, "error_events", (double)m->errors);
    report_end(&report);
}

int scenario_rooms(const struct options *o)
{
    static struct makers m;
    struct conn_events events = {&m, on_opened, on_text, on_closed};
    struct engine_options engine = {.target = &o->target,
                                    .connections_max = MAKERS,
                                    .source_base = o->source_base,
                                    .spin = o->spin};
    m.options = o;
    m.tag = (unsigned)getpid() ^ (unsigned)now_ns();
    int error = engine_init(&m.engine, &m.tls, &engine, &events);
    if (error == 0)
        error = open_makers(&m);
    if (error < 0) {
        fprintf(stderr, "ringroom-bench: connecting: %s\n", strerror(-error));
        return SCENARIO_FAILED;
    }
    measure(&m);
    engine_deinit(&m.engine);
    return m.errors || m.left_total < o->rooms || m.acks != m.left_total ? SCENARIO_FAULTY
                                                                         : SCENARIO_OK;
}
