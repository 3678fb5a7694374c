#include "scenario.h"

#include "load.h"

#include <stdio.h>
#include <string.h>

static void stall_percent(struct crowd *crowd, double percent)
{
    double owed = 0;
    for (uint32_t i = 0; i < crowd->member_count; i++) {
        owed += percent / 100;
        if (owed >= 1) {
            crowd_stall(crowd, i);
            owed -= 1;
        }
    }
}

static int run(struct crowd *crowd, const struct options *o)
{
    struct report report;
    struct load_result result;
    int error = crowd_join(crowd, crowd->member_count);
    if (error < 0) {
        fprintf(stderr, "ringroom-bench: joining: %s\n", strerror(-error));
        return SCENARIO_FAILED;
    }
    stall_percent(crowd, o->stalled_percent);
    double readers = crowd->member_count * (1 - o->stalled_percent / 100) / crowd->room_count;
    struct load load = {.rate = o->rate,
                        .readers_a_room = readers < 1 ? 1 : (uint32_t)(readers + 0.5),
                        .warmup_s = o->warmup_s,
                        .duration_s = o->duration_s,
                        .burst = o->burst,
                        .poisson = o->poisson};
    load_run(crowd, &load, &result);
    crowd_drain(crowd, 3);
    crowd_close_books(crowd);

    report_begin(&report, o->json, "fanout");
    report_number(&report, "connections", crowd->member_count);
    report_number(&report, "rooms", crowd->room_count);
    load_report(crowd, &result, &report);
    report_number(&report, "acks", (double)crowd->acks);
    report_number(&report, "error_events", (double)crowd->errors);
    report_number(&report, "connections_lost", crowd->gone);
    report_verdict(&report, &crowd->verdict);
    report_end(&report);
    return verdict_faults(&crowd->verdict) || crowd->errors ? SCENARIO_FAULTY : SCENARIO_OK;
}

int scenario_fanout(const struct options *o)
{
    return crowd_run(o, o->connections, o->rooms, run);
}
