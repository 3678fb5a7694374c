/* report.h - what a scenario found, as lines to read or as one JSON object. */
#pragma once

#include "histogram.h"
#include "ledger.h"

#include <stdbool.h>

struct report {
    bool json;
};

void report_begin(struct report *r, bool json, const char *scenario);
/* key holds its unit: "p99_ms". */
void report_number(struct report *r, const char *key, double value);
/* p50, p90, p99, p99.9 and max in ms, each key beginning with prefix. */
void report_latency(struct report *r, const char *prefix, const struct histogram *h);
void report_verdict(struct report *r, const struct verdict *v);
void report_end(struct report *r);
