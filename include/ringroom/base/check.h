/* check.h - stop at once when the impossible has happened.
 *
 * CHECK is always on: memory safety, state machines. DCHECK is compiled into
 * dev and sanitizer builds only: costly checks, "am I on the owning thread?".
 * Neither is ever used on a peer's input or on a system call's result: those
 * can fail, and are handled. */
#pragma once

#include "ringroom/base/mem.h"

/* Prints where and what to standard error and aborts. Any thread. */
_Noreturn void check_failed(const char *file, int line, const char *what);

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

#ifdef RINGROOM_DCHECK
#define DCHECK(condition) CHECK(condition)
#else
#define DCHECK(condition) ((void)sizeof(condition))
#endif
