#include "ringroom/base/mem.h"

#include "ringroom/base/check.h"
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifdef RINGROOM_DCHECK

/* Allocations of this thread that still succeed before one fails; negative: off. Of the thread,
 * so that a test's other threads (and the program's) run on undisturbed. */
static _Thread_local long fail_countdown = -1;

void mem_fail_after(long n)
{
    fail_countdown = n;
}

/* True once, where the countdown passes zero; off afterwards. */
static bool told_to_fail(void)
{
    if (fail_countdown < 0)
        return false;
    return fail_countdown-- == 0;
}

#else

void mem_fail_after(long n)
{
}

static inline bool told_to_fail(void)
{
    return false;
}

#endif

/* By default glibc gives the end of a heap back at 128 KiB and takes it again with the next burst:
 * on each round a system call, and a page fault for every 4 KiB. */
void mem_init(void)
{
    mallopt(M_TOP_PAD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 8 << 20);
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
}

void mem_trim(void)
{
    malloc_trim(0);
}

void *mem_alloc(size_t bytes)
{
    CHECK(bytes > 0);
    return told_to_fail() ? NULL : malloc(bytes);
}

void *mem_zalloc(size_t bytes)
{
    CHECK(bytes > 0);
    return told_to_fail() ? NULL : calloc(1, bytes);
}

void *mem_zalloc_aligned(size_t alignment, size_t bytes)
{
    CHECK(bytes > 0 && alignment > 0 && bytes % alignment == 0);
    void *block = told_to_fail() ? NULL : aligned_alloc(alignment, bytes);
    return block ? memset(block, 0, bytes) : NULL;
}

void *mem_realloc(void *old, size_t bytes)
{
    CHECK(bytes > 0);
    return told_to_fail() ? NULL : realloc(old, bytes);
}

void mem_free(void *block)
{
    free(block);
}

void mem_wipe(void *block, size_t bytes)
{
    if (bytes) /* an empty block may be NULL */
        explicit_bzero(block, bytes);
}

/* Not inlined: its frame is to lie below the caller's. */
__attribute__((noinline)) void mem_wipe_stack(void)
{
    uint8_t left[MEM_STACK_BYTES];

    mem_wipe(left, sizeof(left));
}

void mem_free_wiped(void *block)
{
    if (!block)
        return;
    mem_wipe(block, malloc_usable_size(block));
    free(block);
}
