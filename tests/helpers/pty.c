/* pty COLUMNS ROWS PROGRAM [ARG]... - runs the program at a terminal of its own. What comes on standard
 * input is typed there, what the program draws goes to standard output. A line "COLUMNS ROWS" on
 * descriptor 3 gives the terminal another size. Exits with the program's status. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void pass(int from, int to, struct pollfd *ended)
{
    char bytes[4096];
    ssize_t n = read(from, bytes, sizeof(bytes));

    if (n <= 0)
        ended->fd = -1;
    for (ssize_t at = 0; at < n;) {
        ssize_t written = write(to, bytes + at, (size_t)(n - at));
        if (written < 0)
            exit(1);
        at += written;
    }
}

static void resize(int terminal, struct pollfd *orders)
{
    struct winsize size = {0};
    char line[64];
    ssize_t n = read(orders->fd, line, sizeof(line) - 1);

    if (n <= 0) {
        orders->fd = -1;
        return;
    }
    line[n] = '\0';
    if (sscanf(line, "%hu %hu", &size.ws_col, &size.ws_row) == 2)
        ioctl(terminal, TIOCSWINSZ, &size);
}

int main(int argc, char **argv)
{
    struct winsize size = {0};
    int terminal, status;

    if (argc < 4)
        return 2;
    size.ws_col = (unsigned short)atoi(argv[1]);
    size.ws_row = (unsigned short)atoi(argv[2]);
    pid_t child = forkpty(&terminal, NULL, NULL, &size);
    if (child < 0)
        return 1;
    if (child == 0) {
        close(3);
        execv(argv[3], argv + 3);
        _exit(127);
    }
    struct pollfd fds[3] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = terminal, .events = POLLIN},
                            {.fd = 3, .events = POLLIN}};
    while (fds[1].fd >= 0) { /* until the program has let go of the terminal */
        if (poll(fds, 3, -1) < 0 && errno != EINTR)
            return 1;
        if (fds[0].revents)
            pass(STDIN_FILENO, terminal, &fds[0]);
        if (fds[2].revents)
            resize(terminal, &fds[2]);
        if (fds[1].revents)
            pass(terminal, STDOUT_FILENO, &fds[1]);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
