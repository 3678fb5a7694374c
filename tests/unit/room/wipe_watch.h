/* wipe_watch.h - tells a test of every mem_wipe(): the program's own explicit_bzero() stands before
 * the C library's. The including test defines note_wiped() above the include. */
#pragma once

#include <stdint.h>
#include <string.h>

void explicit_bzero(void *block, size_t bytes)
{
    note_wiped((uintptr_t)block, bytes);
    memset(block, 0, bytes);
    __asm__ __volatile__("" : : "r"(block) : "memory");
}

/* The same where the headers are told to check sizes. */
void __explicit_bzero_chk(void *block, size_t bytes, size_t size);
void __explicit_bzero_chk(void *block, size_t bytes, size_t size)
{
    explicit_bzero(block, bytes);
}
