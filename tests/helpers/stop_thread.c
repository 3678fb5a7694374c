/* stop_thread.c - stops one thread of a process, by its thread id, as if it hung; prints "stopped".
 * It goes on when this program's standard input ends. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    pid_t thread = argc == 2 ? atoi(argv[1]) : 0;
    char c;

    if (thread <= 0 || ptrace(PTRACE_SEIZE, thread, 0, 0) != 0 ||
        ptrace(PTRACE_INTERRUPT, thread, 0, 0) != 0 || waitpid(thread, NULL, __WALL) != thread) {
        perror("stop_thread THREAD");
        return 1;
    }
    puts("stopped");
    fflush(stdout);
    while (read(STDIN_FILENO, &c, 1) > 0)
        ;
    ptrace(PTRACE_DETACH, thread, 0, 0);
    return 0;
}
