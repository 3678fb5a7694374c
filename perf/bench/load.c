#include "load.h"

#include "clock.h"

#include <math.h>

/* So many messages between two turns at most: receiving must go on while sending catches up. */
enum { SENDS_A_TURN = 64 };
/* Seconds of undelivered load at which a window is given up: memory of server and sockets. */
static const double backlog_max_s = 3.0;

struct snapshot {
    uint64_t at_ns;
    uint64_t server_cpu_ns;
    uint64_t own_busy_ns;
    uint64_t server_waited_ns;
    uint64_t own_waited_ns;
    uint64_t delivered;
    uint64_t sent;
};

struct pacer {
    double interval_ns; /* between two bursts */
    double due_ns;
    uint64_t end_ns;
    uint32_t room;
    uint64_t random;
    uint64_t sent;
};

static struct snapshot snapshot(const struct crowd *crowd, const struct pacer *p)
{
    return (struct snapshot){.at_ns = now_ns(),
                             .server_cpu_ns = probe_cpu_ns(&crowd->options->probe),
                             .own_busy_ns = own_cpu_ns() - crowd->engine.idle_ns,
                             .server_waited_ns = probe_waited_ns(&crowd->options->probe),
                             .own_waited_ns = own_waited_ns(),
                             .delivered = crowd->delivered,
                             .sent = p->sent};
}

static double next_interval(struct pacer *p, bool poisson)
{
    if (!poisson)
        return p->interval_ns;
    p->random = p->random * 6364136223846793005ull + 1442695040888963407ull;
    double uniform = ((double)(p->random >> 11) + 1) / 9007199254740993.0; /* in (0, 1] */
    return -log(uniform) * p->interval_ns;
}

static void send_due(struct crowd *crowd, const struct load *load, struct pacer *p,
                     struct histogram *lateness)
{
    uint64_t now = now_ns();
    for (unsigned sent = 0;
         sent < SENDS_A_TURN && p->due_ns <= (double)now && p->due_ns < (double)p->end_ns;
         sent += load->burst) {
        uint64_t due = (uint64_t)p->due_ns;
        for (uint32_t i = 0; i < load->burst; i++)
            crowd_send(crowd, p->room, due);
        p->sent += load->burst;
        p->room = (p->room + 1) % crowd->room_count;
        p->due_ns += next_interval(p, load->poisson);
        if (due >= crowd->measure_from_ns)
            histogram_add(lateness, now - due);
    }
}

/* What was scheduled until now and has not been delivered yet, in seconds of load. */
static double backlog_s(const struct crowd *crowd, const struct load *load, const struct pacer *p,
                        uint64_t delivered_before)
{
    double behind_schedule = ((double)now_ns() - p->due_ns) / 1e9;
    double sent = (double)p->sent * load->readers_a_room;
    double unseen = sent - (double)(crowd->delivered - delivered_before);
    return unseen / load->rate + (behind_schedule > 0 ? behind_schedule : 0);
}

/* Runs until until_ns; false if the backlog grew too long. */
static bool run_until(struct crowd *crowd, const struct load *load, struct pacer *p,
                      uint64_t until_ns, uint64_t delivered_before, struct histogram *lateness)
{
    while (now_ns() < until_ns) {
        send_due(crowd, load, p, lateness);
        uint64_t deadline = p->due_ns < (double)until_ns ? (uint64_t)p->due_ns : until_ns;
        engine_turn(&crowd->engine, deadline);
        if (backlog_s(crowd, load, p, delivered_before) > backlog_max_s)
            return false;
    }
    return true;
}

static void conclude(const struct load *load, const struct snapshot *from,
                     const struct snapshot *to, struct load_result *r)
{
    double ns = (double)(to->at_ns - from->at_ns);
    double deliveries = (double)(to->delivered - from->delivered);
    double cpu_ns = (double)(to->server_cpu_ns - from->server_cpu_ns);
    r->offered_per_s = load->rate;
    r->delivered_per_s = deliveries / ns * 1e9;
    r->messages_per_s = (double)(to->sent - from->sent) / ns * 1e9;
    r->cpu_us_per_delivery = deliveries > 0 ? cpu_ns / deliveries / 1e3 : 0;
    r->server_percent = cpu_ns / ns * 100;
    r->server_waited_percent = (double)(to->server_waited_ns - from->server_waited_ns) / ns * 100;
    r->own_waited_percent = (double)(to->own_waited_ns - from->own_waited_ns) / ns * 100;
    r->own_percent = (double)(to->own_busy_ns - from->own_busy_ns) / ns * 100;
}

void load_run(struct crowd *crowd, const struct load *load, struct load_result *ret_result)
{
    uint64_t start = now_ns() + 5 * NS_PER_MS;
    uint64_t delivered_before = crowd->delivered;
    crowd->measure_from_ns = start + (uint64_t)(load->warmup_s * 1e9);
    crowd->measure_to_ns = crowd->measure_from_ns + (uint64_t)(load->duration_s * 1e9);
    histogram_reset(&crowd->latency);
    *ret_result = (struct load_result){0};

    double bursts_per_s = load->rate / load->readers_a_room / load->burst;
    struct pacer p = {.interval_ns = 1e9 / bursts_per_s,
                      .due_ns = (double)start,
                      .end_ns = crowd->measure_to_ns,
                      .random = start};
    bool kept_up =
        run_until(crowd, load, &p, crowd->measure_from_ns, delivered_before, &ret_result->lateness);
    struct snapshot from = snapshot(crowd, &p);
    kept_up = kept_up && run_until(crowd, load, &p, crowd->measure_to_ns, delivered_before,
                                   &ret_result->lateness);
    struct snapshot to = snapshot(crowd, &p);
    conclude(load, &from, &to, ret_result);
    ret_result->given_up = !kept_up;
}

void load_report(const struct crowd *crowd, const struct load_result *r, struct report *report)
{
    report_number(report, "offered_per_s", r->offered_per_s);
    report_number(report, "delivered_per_s", r->delivered_per_s);
    report_number(report, "messages_per_s", r->messages_per_s);
    report_number(report, "cpu_us_per_delivery", r->cpu_us_per_delivery);
    report_number(report, "server_cpu_percent", r->server_percent);
    report_number(report, "bench_cpu_percent", r->own_percent);
    report_number(report, "server_waited_percent", r->server_waited_percent);
    report_number(report, "bench_waited_percent", r->own_waited_percent);
    report_number(report, "given_up", r->given_up);
    report_latency(report, "", &crowd->latency);
    report_latency(report, "send_late_", &r->lateness);
}
