/* metrics_process.h - what the process uses, as the kernel tells it; looked up for each scrape. */
#pragma once

#include <stdint.h>

struct process_usage {
    uint64_t resident_bytes, virtual_bytes;
    uint64_t cpu_us;
    uint64_t fds, fds_max; /* fds_max UINT64_MAX: no limit */
};

/* What can't be had is 0. */
void process_usage(struct process_usage *ret_usage);
