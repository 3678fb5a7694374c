/* clock.h - what time it is. Any thread.
 *
 * Deadlines and expiry count in monotonic milliseconds, which never jump;
 * time stamps shown to people are Unix milliseconds. */
#pragma once

#include <stdint.h>

uint64_t clock_mono_ms(void);
uint64_t clock_mono_ns(void);
uint64_t clock_wall_ms(void);
