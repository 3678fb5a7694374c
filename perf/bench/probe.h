/* probe.h - what the server uses, seen from outside.
 *
 * CPU comes from the process's CPU clock (all its threads, live and ended, user and system: the
 * sum that /proc/PID/stat gives in 10 ms ticks, here in nanoseconds). Memory comes from
 * /proc/PID/smaps_rollup and status. Several processes (a master and its workers) are summed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PROBE_PIDS_MAX = 16 };

struct probe {
    int pids[PROBE_PIDS_MAX];
    unsigned pid_count; /* 0: nothing is watched, every reading is 0 */
};

struct memory {
    uint64_t anonymous_bytes; /* heap and stacks: what "user memory" means here */
    uint64_t resident_bytes;
    uint64_t peak_bytes; /* highest resident since start or probe_reset_peak() */
};

/* 0, or -errno for a process that cannot be watched. */
int probe_add(struct probe *p, int pid);
uint64_t probe_cpu_ns(const struct probe *p);
/* How long the server's threads, or the bench itself, were ready to run while something else had
 * their core: what neighbours took. Grows only where the kernel keeps schedstat. */
uint64_t probe_waited_ns(const struct probe *p);
uint64_t own_waited_ns(void);
/* Walks the page tables: milliseconds for a large process, so not inside a timed window. */
struct memory probe_memory(const struct probe *p);
/* What the kernel holds for all TCP sockets of the machine: /proc/net/sockstat. */
uint64_t probe_kernel_tcp_bytes(void);
/* Only the peak, cheaply. */
uint64_t probe_peak_bytes(const struct probe *p);
void probe_reset_peak(const struct probe *p);
