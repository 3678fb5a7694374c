#include "scenario.h"

#include "clock.h"
#include "load.h"

#include <stdio.h>
#include <string.h>

/* Small, so that the kernel holds little for a stalled reader. */
enum { STALLED_RCVBUF = 16384 };
/* What is sent to fill them, live readers keeping up: about what both sockets of a connection hold
 * (Linux lets a send buffer grow to 4 MiB if the server does not say less). The load that follows
 * would else be a fan-out to all the stalled ones at first. */
enum { FILL_BYTES = 2 << 20, FILL_AT_ONCE = 64 };

static struct load load_of(const struct options *o)
{
    return (struct load){.rate = o->rate,
                         .readers_a_room = o->connections,
                         .warmup_s = o->warmup_s,
                         .duration_s = o->duration_s,
                         .burst = o->burst,
                         .poisson = o->poisson};
}

static void fill_sockets(struct crowd *crowd, uint32_t text_bytes)
{
    for (uint32_t i = 1; i <= FILL_BYTES / text_bytes; i++) {
        crowd_send(crowd, 0, now_ns());
        if (i % FILL_AT_ONCE == 0)
            crowd_drain(crowd, 3);
    }
    crowd_drain(crowd, 3);
}

/* ret_memory: with them connected, before anything piles up for them. */
static int add_stalled(struct crowd *crowd, uint32_t live, struct memory *ret_memory)
{
    crowd->engine.stalled_rcvbuf = STALLED_RCVBUF;
    int error = crowd_join(crowd, crowd->member_count);
    for (uint32_t i = live; i < crowd->member_count; i++)
        crowd_stall(crowd, i);
    crowd_idle(crowd, 1);
    *ret_memory = probe_memory(&crowd->options->probe);
    fill_sockets(crowd, crowd->options->size);
    return error;
}

/* The stalled ones read again: what they cannot have any more must be told as gaps. */
static void resume_stalled(struct crowd *crowd, uint32_t live)
{
    for (uint32_t i = live; i < crowd->member_count; i++)
        crowd_resume(crowd, i);
    crowd_drain(crowd, 3);
    crowd_close_books(crowd);
}

static int run(struct crowd *crowd, const struct options *o)
{
    struct report report;
    struct memory before = {0};
    struct load load = load_of(o);
    static struct load_result alone, beside; /* they hold histograms */
    crowd->rooms[0].sender_count = o->connections;
    int error = crowd_join(crowd, o->connections);
    if (error == 0) {
        load_run(crowd, &load, &alone);
        crowd_drain(crowd, 3);
        error = add_stalled(crowd, o->connections, &before);
    }
    if (error < 0) {
        fprintf(stderr, "ringroom-bench: joining: %s\n", strerror(-error));
        return SCENARIO_FAILED;
    }
    load_run(crowd, &load, &beside);
    struct memory after = probe_memory(&o->probe);
    report_begin(&report, o->json, "stalled");
    report_number(&report, "live", o->connections);
    report_number(&report, "stalled", o->stalled);
    report_number(&report, "alone_cpu_us_per_delivery", alone.cpu_us_per_delivery);
    load_report(crowd, &beside, &report);
    report_number(&report, "memory_grew_bytes",
                  (double)after.anonymous_bytes - (double)before.anonymous_bytes);
    report_number(&report, "kernel_tcp_bytes", (double)probe_kernel_tcp_bytes());
    resume_stalled(crowd, o->connections);
    report_number(&report, "connections_lost", crowd->gone);
    report_number(&report, "error_events", (double)crowd->errors);
    report_verdict(&report, &crowd->verdict);
    report_end(&report);
    return verdict_faults(&crowd->verdict) ? SCENARIO_FAULTY : SCENARIO_OK;
}

int scenario_stalled(const struct options *o)
{
    return crowd_run(o, o->connections + o->stalled, 1, run);
}
