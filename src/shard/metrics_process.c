/* metrics_process.c - /proc/self and getrusage(2): some ten system calls, more with the descriptors
 * that are open. */
#include "metrics_process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void memory(struct process_usage *usage)
{
    uint64_t pages = (uint64_t)sysconf(_SC_PAGESIZE), size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (!file)
        return;
    if (fscanf(file, "%" SCNu64 " %" SCNu64, &size, &resident) == 2) {
        usage->virtual_bytes = size * pages;
        usage->resident_bytes = resident * pages;
    }
    fclose(file);
}

static uint64_t microseconds(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

static void cpu(struct process_usage *usage)
{
    struct rusage used;

    if (getrusage(RUSAGE_SELF, &used) == 0)
        usage->cpu_us = microseconds(&used.ru_utime) + microseconds(&used.ru_stime);
}

static void descriptors(struct process_usage *usage)
{
    DIR *dir = opendir("/proc/self/fd");
    struct rlimit limit;
    uint64_t entries = 0;

    while (dir && readdir(dir))
        entries++;
    if (dir)
        closedir(dir);
    if (entries > 3)
        usage->fds = entries - 3; /* ".", "..", and the directory's own */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        usage->fds_max = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

void process_usage(struct process_usage *ret_usage)
{
    memset(ret_usage, 0, sizeof(*ret_usage));
    memory(ret_usage);
    cpu(ret_usage);
    descriptors(ret_usage);
}
