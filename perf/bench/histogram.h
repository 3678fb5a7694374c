/* histogram.h - latencies in buckets of constant relative width.
 *
 * Values below 2^HISTOGRAM_SUB_BITS are kept exactly, all others to 1 part in 2^HISTOGRAM_SUB_BITS
 * (under 0.8 %): fine enough for percentiles, small enough to stay in the cache. */
#pragma once

#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 7 };
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count;
    uint64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_reset(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t value);
/* The smallest value that `percent` of all values do not exceed, to a bucket's width; 0 if none. */
uint64_t histogram_percentile(const struct histogram *h, double percent);
