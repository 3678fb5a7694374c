/* process.c - what the process may do, and what others may see of it. */
#include "serve_parts.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* RLIMIT_CORE alone does not stop a core dump that the kernel pipes to a program; not being
 * dumpable does, and it keeps other processes of the same user out of our memory. */
void process_close(bool core_dumps)
{
    struct rlimit limit;

    if (!core_dumps)
        limit = (struct rlimit){0};
    else if (getrlimit(RLIMIT_CORE, &limit) == 0)
        limit.rlim_cur = limit.rlim_max;
    else
        return;
    setrlimit(RLIMIT_CORE, &limit); /* lowering cannot fail, nor raising up to the hard limit */
    prctl(PR_SET_DUMPABLE, core_dumps ? 1 : 0, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* we run no other program, set-user-ID or not */
}

void process_raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void process_warn_if_root(void)
{
    if (geteuid() == 0)
        logger_write(LOGGER_WARN, "running as root: set `user`, whom to become once the sockets "
                                  "are open and the key is read");
}
