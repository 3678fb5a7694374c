#include "scenario.h"

#include "load.h"

#include <stdio.h>
#include <string.h>

/* How much each step of the climb adds, and how often the gap above the best one is halved. */
static const double climb = 1.3;
enum { HALVINGS = 3, TRIES = 3, FAILED_IN_A_ROW_MAX = 2 };
/* A step that delivers less than this share of what it offers has failed, whatever its p99. */
static const double delivered_min = 0.95;

struct best {
    double rate;
    double failed_rate; /* the lowest that failed, 0 while none has */
    struct load_result result;
    double p99_ms;
};

struct search {
    struct crowd crowd;
    const struct options *options;
    struct best best[4];
    double most_per_s; /* that came in any step, however late */
};

static void note(struct search *s, double rate, const struct load_result *result, double p99_ms)
{
    bool kept_up = !result->given_up && result->delivered_per_s >= delivered_min * rate;
    for (unsigned i = 0; i < s->options->p99_count; i++) {
        struct best *best = &s->best[i];
        if (kept_up && p99_ms < s->options->p99_ms[i]) {
            /* A lower rate that failed was a hiccup, then. */
            double failed = best->failed_rate > rate ? best->failed_rate : 0;
            if (rate > best->rate)
                *best = (struct best){rate, failed, *result, p99_ms};
        } else if (!best->failed_rate || rate < best->failed_rate) {
            best->failed_rate = rate;
        }
    }
}

static bool passes(const struct search *s, double rate, unsigned bound)
{
    return s->best[bound].rate >= rate;
}

static void show(double rate, const struct load_result *r, double p99_ms)
{
    fprintf(stderr,
            "  %9.0f/s offered, %9.0f/s came, p99 %8.2f ms, %6.3f us a delivery, bench %3.0f%%, "
            "neighbours %2.0f%%, %2.0f%%%s\n",
            rate, r->delivered_per_s, p99_ms, r->cpu_us_per_delivery, r->own_percent,
            r->server_waited_percent, r->own_waited_percent, r->given_up ? ", given up" : "");
}

static void try_once(struct search *s, double rate)
{
    const struct options *o = s->options;
    struct load_result result;
    struct load load = {.rate = rate,
                        .readers_a_room = s->crowd.rooms[0].member_count,
                        .warmup_s = o->warmup_s,
                        .duration_s = o->duration_s,
                        .burst = o->burst,
                        .poisson = o->poisson};
    load_run(&s->crowd, &load, &result);
    double p99_ms = (double)histogram_percentile(&s->crowd.latency, 99) / 1e6;
    show(rate, &result, p99_ms);
    crowd_drain(&s->crowd, 3);
    if (result.delivered_per_s > s->most_per_s)
        s->most_per_s = result.delivered_per_s;
    note(s, rate, &result, p99_ms);
}

/* More than one try, since a neighbour's hiccup of 50 ms fails a step of 2 s. */
static bool try_rate(struct search *s, double rate, unsigned bound)
{
    for (int tried = 0; tried < TRIES && !passes(s, rate, bound); tried++)
        try_once(s, rate);
    return passes(s, rate, bound);
}

static void search(struct search *s)
{
    const struct options *o = s->options;
    unsigned last = o->p99_count - 1;
    int failed = 0;
    for (double rate = o->rate; rate <= o->rate_max && failed < FAILED_IN_A_ROW_MAX; rate *= climb)
        failed = try_rate(s, rate, last) ? 0 : failed + 1;
    for (unsigned i = 0; i < o->p99_count; i++) {
        struct best *best = &s->best[i];
        for (int halving = 0; halving < HALVINGS && best->failed_rate > best->rate; halving++) {
            double between = (best->rate + best->failed_rate) / 2;
            if (!try_rate(s, between, i))
                best->failed_rate = between;
        }
    }
}

static void report_search(const struct search *s)
{
    struct report report;
    const struct options *o = s->options;
    report_begin(&report, o->json, "search");
    report_number(&report, "connections", s->crowd.member_count);
    report_number(&report, "rooms", s->crowd.room_count);
    for (unsigned i = 0; i < o->p99_count; i++) {
        static const char *const keys[] = {"per_s", "cpu_us_per_delivery", "bench_cpu_percent",
                                           "p99_ms"};
        const struct best *best = &s->best[i];
        double values[] = {best->rate, best->result.cpu_us_per_delivery, best->result.own_percent,
                           best->p99_ms};
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            char key[64];
            snprintf(key, sizeof key, "under_%gms_%s", o->p99_ms[i], keys[k]);
            report_number(&report, key, values[k]);
        }
    }
    report_number(&report, "most_per_s", s->most_per_s);
    report_number(&report, "error_events", (double)s->crowd.errors);
    report_number(&report, "connections_lost", s->crowd.gone);
    report_verdict(&report, &s->crowd.verdict);
    report_end(&report);
}

int scenario_search(const struct options *o)
{
    static struct search s; /* holds histograms */
    s.options = o;
    int error = crowd_init(&s.crowd, o, o->connections, o->rooms);
    if (error == 0)
        error = crowd_join(&s.crowd, s.crowd.member_count);
    if (error < 0) {
        fprintf(stderr, "ringroom-bench: joining: %s\n", strerror(-error));
        return SCENARIO_FAILED;
    }
    search(&s);
    crowd_drain(&s.crowd, 3);
    crowd_close_books(&s.crowd);
    report_search(&s);
    crowd_deinit(&s.crowd);
    return verdict_faults(&s.crowd.verdict) || s.crowd.errors ? SCENARIO_FAULTY : SCENARIO_OK;
}
