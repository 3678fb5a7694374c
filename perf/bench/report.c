#include "report.h"

#include <math.h>
#include <stdio.h>

void report_begin(struct report *r, bool json, const char *scenario)
{
    *r = (struct report){.json = json};
    printf(json ? "{\"scenario\":\"%s\"" : "scenario %s\n", scenario);
}

void report_number(struct report *r, const char *key, double value)
{
    if (!isfinite(value))
        value = 0; /* a share of nothing; JSON knows no NaN */
    printf(r->json ? ",\"%s\":%.10g" : "  %-28s %.6g\n", key, value);
}

void report_latency(struct report *r, const char *prefix, const struct histogram *h)
{
    static const struct {
        const char *name;
        double percent;
    } points[] = {
        {"p50_ms", 50}, {"p90_ms", 90}, {"p99_ms", 99}, {"p999_ms", 99.9}, {"max_ms", 100}};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s%s", prefix, points[i].name);
        report_number(r, key, (double)histogram_percentile(h, points[i].percent) / 1e6);
    }
}

void report_verdict(struct report *r, const struct verdict *v)
{
    report_number(r, "faults", (double)verdict_faults(v));
    report_number(r, "lost", (double)v->lost);
    report_number(r, "missing_at_end", (double)v->missing_at_end);
    report_number(r, "doubled", (double)v->doubled);
    report_number(r, "reordered", (double)v->reordered);
    report_number(r, "order_differs", (double)v->order_differs);
    report_number(r, "sender_disorder", (double)v->sender_disorder);
    report_number(r, "malformed", (double)v->malformed);
    report_number(r, "gaps_reported", (double)v->gaps_reported);
    report_number(r, "unchecked", (double)v->unchecked);
}

void report_end(struct report *r)
{
    if (r->json)
        puts("}");
    fflush(stdout);
}
