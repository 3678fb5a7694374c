#include "histogram.h"

#include <string.h>

static unsigned bucket_of(uint64_t value)
{
    if (value < (1u << HISTOGRAM_SUB_BITS))
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    unsigned sub = (unsigned)(value >> shift) - (1u << HISTOGRAM_SUB_BITS);
    return ((shift + 1) << HISTOGRAM_SUB_BITS) + sub;
}

/* The largest value of a bucket: percentiles err upward, never in our favour. */
static uint64_t top_of(unsigned bucket)
{
    if (bucket < (1u << HISTOGRAM_SUB_BITS))
        return bucket;
    unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t sub = (bucket & ((1u << HISTOGRAM_SUB_BITS) - 1)) + (1u << HISTOGRAM_SUB_BITS);
    return ((sub + 1) << shift) - 1;
}

void histogram_reset(struct histogram *h)
{
    memset(h, 0, sizeof *h);
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->buckets[bucket_of(value)]++;
    h->count++;
    if (value > h->max)
        h->max = value;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    uint64_t seen = 0;
    double wanted = (double)h->count * percent / 100.0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && h->count; i++) {
        seen += h->buckets[i];
        if (h->buckets[i] && (double)seen >= wanted)
            return top_of(i) < h->max ? top_of(i) : h->max;
    }
    return h->max;
}
