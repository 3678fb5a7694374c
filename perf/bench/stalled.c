#include "scenario.h"

#include "load.h"

#include <stdio.h>
#include <string.h>

/* Small, so that a stalled reader's socket is full within a second or two of load. */
enum { STALLED_RCVBUF = 16384 };

/* The warm-up must fill the stalled readers' sockets: a few seconds at 1,000 messages a second. */
static struct load load_of(const struct options *o)
{
    return (struct load){.rate = o->rate,
                         .readers_a_room = o->connections,
                         .warmup_s = o->warmup_s,
                         .duration_s = o->duration_s,
                         .burst = o->burst,
                         .poisson = o->poisson};
}

static int add_stalled(struct crowd *crowd, uint32_t live)
{
    crowd->engine.stalled_rcvbuf = STALLED_RCVBUF;
    int error = crowd_join(crowd, crowd->member_count);
    for (uint32_t i = live; i < crowd->member_count; i++)
        crowd_stall(crowd, i);
    crowd_idle(crowd, 1);
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
    struct load load = load_of(o);
    static struct load_result alone, beside; /* they hold histograms */
    crowd->rooms[0].sender_count = o->connections;
    int error = crowd_join(crowd, o->connections);
    if (error == 0) {
        load_run(crowd, &load, &alone);
        crowd_drain(crowd, 3);
        error = add_stalled(crowd, o->connections);
    }
    if (error < 0) {
        fprintf(stderr, "ringroom-bench: joining: %s\n", strerror(-error));
        return SCENARIO_FAILED;
    }
    struct memory before = probe_memory(&o->probe);
    load_run(crowd, &load, &beside);
    struct memory after = probe_memory(&o->probe);
    report_begin(&report, o->json, "stalled");
    report_number(&report, "live", o->connections);
    report_number(&report, "stalled", o->stalled);
    report_number(&report, "alone_cpu_us_per_delivery", alone.cpu_us_per_delivery);
    load_report(crowd, &beside, &report);
    report_number(&report, "memory_grew_bytes",
                  (double)after.anonymous_bytes - (double)before.anonymous_bytes);
    resume_stalled(crowd, o->connections);
    report_number(&report, "connections_lost", crowd->gone);
    report_number(&report, "error_events", (double)crowd->errors);
    report_verdict(&report, &crowd->verdict);
    report_end(&report);
    return verdict_faults(&crowd->verdict) ? SCENARIO_FAULTY : SCENARIO_OK;
}

int scenario_stalled(const struct options *o)
{
    static struct crowd crowd;
    int error = crowd_init(&crowd, o, o->connections + o->stalled, 1);
    if (error < 0) {
        fprintf(stderr, "ringroom-bench: io_uring: %s\n", strerror(-error));
        return SCENARIO_FAILED;
    }
    int status = run(&crowd, o);
    crowd_deinit(&crowd);
    return status;
}
