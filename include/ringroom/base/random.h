/* random.h - unpredictable bytes, from the kernel (getrandom). Any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Fills `dst`. Aborts where the kernel has no randomness to give: nothing safe could follow. */
void random_bytes(void *dst, size_t len);
uint64_t random_u64(void);
