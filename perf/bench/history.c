#include "scenario.h"

#include "clock.h"
#include "crowd.h"
#include "report.h"

#include <stdio.h>
#include <string.h>

/* Member 0 fills the room; the others join it. */
static int fill(struct crowd *crowd, const struct options *o)
{
    crowd->rooms[0].sender_count = 1;
    int error = crowd_join(crowd, 1);
    for (uint32_t i = 0; i < o->messages && error == 0; i++) {
        crowd_send(crowd, 0, now_ns());
        if (i % 16 == 15)
            crowd_drain(crowd, 2);
    }
    crowd_drain(crowd, 2);
    return error;
}

/* Keeps `parallel` joins under way until all have their history; notes how long each took. */
static void join_all(struct crowd *crowd, uint32_t parallel, struct histogram *took)
{
    static uint64_t asked_ns[1 << 16];
    uint32_t asked = 1, done = 1, oldest = 1;
    uint64_t give_up = now_ns() + 60 * NS_PER_S;
    while (done < crowd->member_count && now_ns() < give_up) {
        while (asked < crowd->member_count && asked - done < parallel) {
            asked_ns[asked] = now_ns();
            crowd_ask_join(crowd, asked++);
        }
        engine_turn(&crowd->engine, now_ns() + 10 * NS_PER_MS);
        for (uint32_t i = oldest; i < asked; i++) {
            if (!asked_ns[i] || !crowd_is_current(crowd, i))
                continue;
            histogram_add(took, now_ns() - asked_ns[i]);
            asked_ns[i] = 0;
            done++;
        }
        while (oldest < asked && !asked_ns[oldest])
            oldest++;
    }
}

static int run(struct crowd *crowd, const struct options *o)
{
    static struct histogram took;
    struct report report;
    int error = fill(crowd, o);
    crowd->replay = true;
    if (error == 0)
        error = crowd_open(crowd, crowd->member_count);
    if (error < 0) {
        fprintf(stderr, "ringroom-bench: connecting: %s\n", strerror(-error));
        return SCENARIO_FAILED;
    }
    crowd_idle(crowd, 0.5);
    probe_reset_peak(&o->probe);
    uint64_t peak = probe_peak_bytes(&o->probe);
    uint64_t delivered = crowd->delivered;
    uint64_t cpu_ns = probe_cpu_ns(&o->probe);
    join_all(crowd, o->parallel, &took);
    cpu_ns = probe_cpu_ns(&o->probe) - cpu_ns;
    peak = probe_peak_bytes(&o->probe) - peak;
    crowd_close_books(crowd);

    report_begin(&report, o->json, "history");
    report_number(&report, "messages", o->messages);
    report_number(&report, "joins", (double)took.count);
    report_number(&report, "parallel", o->parallel);
    report_number(&report, "replayed_per_join",
                  (double)(crowd->delivered - delivered) / (double)took.count);
    report_number(&report, "cpu_us_per_join", (double)cpu_ns / 1e3 / (double)took.count);
    report_number(&report, "peak_grew_bytes", (double)peak);
    report_latency(&report, "join_", &took);
    report_verdict(&report, &crowd->verdict);
    report_end(&report);
    return verdict_faults(&crowd->verdict) ? SCENARIO_FAULTY : SCENARIO_OK;
}

int scenario_history(const struct options *o)
{
    uint32_t joiners = o->joiners < (1 << 16) - 1 ? o->joiners : (1 << 16) - 2;
    return crowd_run(o, 1 + joiners, 1, run);
}
