#include "probe.h"

#include "clock.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int probe_add(struct probe *p, int pid)
{
    clockid_t clock;
    if (p->pid_count == PROBE_PIDS_MAX)
        return -E2BIG;
    int error = clock_getcpuclockid(pid, &clock);
    if (error)
        return -error;
    p->pids[p->pid_count++] = pid;
    return 0;
}

uint64_t probe_cpu_ns(const struct probe *p)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < p->pid_count; i++) {
        clockid_t clock;
        if (clock_getcpuclockid(p->pids[i], &clock) == 0)
            sum += clock_read_ns(clock);
    }
    return sum;
}

/* The second number of a schedstat file. */
static uint64_t schedstat_waited_ns(const char *path)
{
    unsigned long long ran, waited = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%llu %llu", &ran, &waited) != 2)
        waited = 0;
    fclose(f);
    return waited;
}

static uint64_t threads_waited_ns(int pid)
{
    char path[64 + NAME_MAX];
    uint64_t sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    for (struct dirent *task; tasks && (task = readdir(tasks));) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
        sum += schedstat_waited_ns(path);
    }
    if (tasks)
        closedir(tasks);
    return sum;
}

uint64_t probe_waited_ns(const struct probe *p)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < p->pid_count; i++)
        sum += threads_waited_ns(p->pids[i]);
    return sum;
}

uint64_t own_waited_ns(void)
{
    return schedstat_waited_ns("/proc/self/schedstat");
}

/* The value in bytes of a line "Key:   123 kB" of /proc/PID/file; 0 where there is none. */
static uint64_t proc_bytes(int pid, const char *file, const char *key)
{
    char line[256];
    unsigned long long kilobytes = 0;
    snprintf(line, sizeof line, "/proc/%d/%s", pid, file);
    FILE *f = fopen(line, "r");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f)) {
        size_t key_bytes = strlen(key);
        if (strncmp(line, key, key_bytes) == 0 &&
            sscanf(line + key_bytes, ": %llu", &kilobytes) == 1)
            break;
    }
    fclose(f);
    return kilobytes * 1024;
}

struct memory probe_memory(const struct probe *p)
{
    struct memory m = {0};
    for (unsigned i = 0; i < p->pid_count; i++) {
        m.anonymous_bytes += proc_bytes(p->pids[i], "smaps_rollup", "Anonymous");
        m.resident_bytes += proc_bytes(p->pids[i], "smaps_rollup", "Rss");
    }
    m.peak_bytes = probe_peak_bytes(p);
    return m;
}

uint64_t probe_peak_bytes(const struct probe *p)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < p->pid_count; i++)
        sum += proc_bytes(p->pids[i], "status", "VmHWM");
    return sum;
}

uint64_t probe_kernel_tcp_bytes(void)
{
    char line[256];
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/net/sockstat", "r");
    while (f && fgets(line, sizeof line, f)) {
        const char *mem = strncmp(line, "TCP:", 4) == 0 ? strstr(line, " mem ") : NULL;
        if (mem && sscanf(mem, " mem %llu", &pages) == 1)
            break;
    }
    if (f)
        fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void probe_reset_peak(const struct probe *p)
{
    for (unsigned i = 0; i < p->pid_count; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/clear_refs", p->pids[i]);
        FILE *f = fopen(path, "w");
        if (!f)
            continue;
        fputs("5", f); /* 5 sets the peak to the present size and clears nothing else */
        fclose(f);
    }
}
