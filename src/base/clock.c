#include "ringroom/base/clock.h"

#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec at;

    clock_gettime(id, &at); /* fails only for an unknown clock or a bad address */
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

uint64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

uint64_t clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000;
}
