/* load.h - one window of open-loop load on a crowd.
 *
 * The schedule is fixed before the window: when the generator or the server falls behind, messages
 * are sent late but keep their intended time, so waiting counts as latency (no coordinated
 * omission). */
#pragma once

#include "crowd.h"
#include "report.h"

struct load {
    double rate;             /* deliveries a second, to readers that read */
    uint32_t readers_a_room; /* how many of them a message reaches */
    double warmup_s;
    double duration_s;
    uint32_t burst;
    bool poisson;
};

struct load_result {
    double offered_per_s;
    double delivered_per_s;
    double messages_per_s;
    double cpu_us_per_delivery;
    double server_percent;        /* of a core */
    double own_percent;           /* of a core: near 100, the generator was the bound */
    double server_waited_percent; /* of the window: ready to run, but a neighbour had the core */
    double own_waited_percent;
    bool given_up;             /* the backlog passed some seconds of load: the rest was not sent */
    struct histogram lateness; /* of sending, behind the intended time: the generator's own fault */
};

/* Runs the load. Latencies stand in crowd->latency afterwards; the caller drains. */
void load_run(struct crowd *crowd, const struct load *load, struct load_result *ret_result);
/* Adds a result and the crowd's latencies to the report. */
void load_report(const struct crowd *crowd, const struct load_result *result,
                 struct report *report);
