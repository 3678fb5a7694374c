#include "ringroom/terminal/tty.h"
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>

enum { COLUMNS_USUAL = 80 };

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT};

/* Mutable and of the process: what handlers write, and the terminal that was taken. */
static volatile sig_atomic_t stopped, resized;
static sigset_t waiting_mask; /* of signals, as it was before tty_signals() */
static struct termios before, taken;
static int tty_fd = -1;

static void on_signal(int number)
{
    if (number == SIGWINCH || number == SIGCONT)
        resized = 1;
    else
        stopped = 1;
}

void tty_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked;

    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        sigaddset(&blocked, signals[i]);
        sigaction(signals[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &blocked, &waiting_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigdelset(&waiting_mask, signals[i]);
    signal(SIGPIPE, SIG_IGN);
}

struct tty_news tty_take_news(void)
{
    struct tty_news news = {.stopped = stopped, .resized = resized};

    stopped = resized = 0; /* signals are blocked: none is lost between the lines */
    return news;
}

int tty_wait(struct pollfd *fds, unsigned count, int timeout_ms)
{
    struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                               .tv_nsec = timeout_ms % 1000 * 1000000L};

    return ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, &waiting_mask);
}

bool tty_take(int fd)
{
    if (tcgetattr(fd, &before) < 0)
        return false;
    taken = before;
    /* Keys come one by one, and are not written by the terminal. ctrl-c and ctrl-z stay signals. */
    taken.c_lflag &= (tcflag_t) ~(ICANON | ECHO | IEXTEN);
    taken.c_iflag &= (tcflag_t) ~(ICRNL | INLCR | IXON | ISTRIP);
    taken.c_cc[VMIN] = 1;
    taken.c_cc[VTIME] = 0;
    tty_fd = fd;
    return tcsetattr(fd, TCSADRAIN, &taken) == 0;
}

void tty_retake(void)
{
    if (tty_fd >= 0)
        tcsetattr(tty_fd, TCSADRAIN, &taken);
}

void tty_give_back(void)
{
    if (tty_fd >= 0)
        tcsetattr(tty_fd, TCSADRAIN, &before);
    tty_fd = -1;
}

unsigned tty_columns(int fd)
{
    struct winsize size;

    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : COLUMNS_USUAL;
}
