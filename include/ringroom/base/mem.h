/* mem.h - the heap: every allocation of our own code passes through here.
 *
 * Threads   all functions: any thread.
 * Ownership what these return is the caller's, given back with mem_free().
 * Failure   NULL when memory has run out. The caller hurts one client, never
 *           the process. Test builds can make the n-th allocation fail. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Sets the heap up for a server. Once, before any thread starts. */
void mem_init(void);

/* Gives the kernel back what the heap holds unused, in its middle too. Takes milliseconds where
 * that is much: after a storm, not during one. */
void mem_trim(void);

/* Uninitialised memory of `bytes` (> 0) bytes, or NULL. */
void *mem_alloc(size_t bytes);
/* The same, zeroed. */
void *mem_zalloc(size_t bytes);
/* The same, for types with alignas: `bytes` a multiple of `alignment`, a power of two. */
void *mem_zalloc_aligned(size_t alignment, size_t bytes);
/* As realloc(3): on failure NULL, and the old block is still the caller's. */
void *mem_realloc(void *old, size_t bytes);
/* Takes NULL. */
void mem_free(void *block);

/* Overwrites the whole block, then frees it. Takes NULL. */
void mem_free_wiped(void *block);
/* Overwrites with zeros; never optimised away. For secrets and expired messages. */
void mem_wipe(void *block, size_t bytes);

/* Overwrites what earlier calls have left on this thread's stack below the caller, MEM_STACK_BYTES of
 * it: locals, and what libraries kept in theirs. */
enum { MEM_STACK_BYTES = 128 << 10 };
void mem_wipe_stack(void);

/* Tests only (no effect unless RINGROOM_DCHECK): of this thread's allocations to come, let `n`
 * succeed and fail the one after, once. A negative `n` switches it off. */
void mem_fail_after(long n);

#define container_of(pointer, type, member) ((type *)((uintptr_t)(pointer)-offsetof(type, member)))
#define array_len(array)                    (sizeof(array) / sizeof((array)[0]))
