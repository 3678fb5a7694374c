#include "scenario.h"

#include "clock.h"
#include "crowd.h"
#include "report.h"

#include <stdio.h>
#include <string.h>

/* What one more connection costs is read off the second half of them: the first pays for pools. */
static int connect_all(struct crowd *crowd, const struct options *o, struct memory m[3])
{
    uint32_t half = crowd->member_count / 2;
    m[0] = probe_memory(&o->probe);
    int error = crowd_join(crowd, half);
    crowd_idle(crowd, 1);
    m[1] = probe_memory(&o->probe);
    if (error == 0)
        error = crowd_join(crowd, crowd->member_count);
    crowd_idle(crowd, 1.5); /* a garbage collector and presence have their say */
    m[2] = probe_memory(&o->probe);
    return error;
}

static double grown(const struct memory *from, const struct memory *to, uint32_t connections)
{
    return ((double)to->anonymous_bytes - (double)from->anonymous_bytes) / connections;
}

static int run(struct crowd *crowd, const struct options *o)
{
    struct report report;
    struct memory m[3];
    uint32_t half = crowd->member_count / 2;
    int error = connect_all(crowd, o, m);
    if (error < 0) {
        fprintf(stderr, "ringroom-bench: joining: %s\n", strerror(-error));
        return SCENARIO_FAILED;
    }
    uint64_t cpu_ns = probe_cpu_ns(&o->probe);
    uint64_t begun_ns = now_ns();
    crowd_idle(crowd, o->duration_s);
    double cpu = (double)(probe_cpu_ns(&o->probe) - cpu_ns);
    double elapsed_ns = (double)(now_ns() - begun_ns);

    report_begin(&report, o->json, "idle");
    report_number(&report, "connections", crowd->member_count);
    report_number(&report, "rooms", crowd->room_count);
    report_number(&report, "bytes_per_connection", grown(&m[0], &m[2], crowd->member_count));
    report_number(&report, "bytes_per_further_connection",
                  grown(&m[1], &m[2], crowd->member_count - half));
    report_number(&report, "resident_bytes", (double)m[2].resident_bytes);
    report_number(&report, "idle_cpu_percent", cpu / elapsed_ns * 100);
    report_number(&report, "connections_lost", crowd->gone);
    report_end(&report);
    return crowd->gone ? SCENARIO_FAULTY : SCENARIO_OK;
}

int scenario_idle(const struct options *o)
{
    return crowd_run(o, o->connections, o->rooms, run);
}
