/* exposition.h - numbers written in Prometheus' text format, version 0.0.4.
 *
 * Threads   any; a struct exposition is its user's.
 * Order     exposition_family(), then its samples, then the next family. A
 *           histogram's samples are written by one call.
 * Bound     the buffer's. The first error stays, and nothing is written after it. */
#pragma once

#include "ringroom/base/buf.h"

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct exposition {
    struct buf *out;
    int error;        /* 0, -ENOBUFS, -ENOMEM */
    const char *name; /* of the family */
};

struct exposition_label {
    const char *name, *value;
};

static inline void exposition_init(struct exposition *exposition, struct buf *out)
{
    *exposition = (struct exposition){.out = out};
}

/* `name` is a valid one and stays until the last of its samples; type: "counter", "gauge",
 * "histogram". `help` may hold anything. */
void exposition_family(struct exposition *exposition, const char *name, const char *type,
                       const char *help);
/* A whole number. Label values may hold anything. */
void exposition_number(struct exposition *exposition, const struct exposition_label *labels,
                       size_t labels_count, uint64_t value);
/* Microseconds, written as seconds. */
void exposition_seconds(struct exposition *exposition, const struct exposition_label *labels,
                        size_t labels_count, uint64_t us);

/* Durations in buckets, in microseconds. */
struct exposition_histogram {
    const uint64_t *bounds_us; /* ascending */
    const uint64_t *counts;    /* bounds_count + 1, not cumulative; the last has no bound */
    size_t bounds_count;
    uint64_t sum_us;
};
/* Written as seconds. */
void exposition_histogram(struct exposition *exposition,
                          const struct exposition_histogram *histogram);
