/* tty.h - the terminal itself: keys one by one while we have it, as it was when we give it back;
 * and the signals that concern one who sits at it.
 *
 * Threads   the main thread. There is one terminal a process, so its state is the module's own:
 *           signal handlers reach it. */
#pragma once

#include <stdbool.h>

/* What has happened since it was asked last. */
struct tty_news {
    bool stopped; /* SIGINT, SIGTERM or SIGHUP */
    bool resized; /* SIGWINCH, or it came back from being suspended */
};

/* Blocks those signals but in tty_wait(), and ignores SIGPIPE. */
void tty_signals(void);
struct tty_news tty_take_news(void);

struct pollfd;
/* poll(2) that those signals end. Its result. */
int tty_wait(struct pollfd *fds, unsigned count, int timeout_ms);

/* Takes the terminal `fd`; false where it is none. */
bool tty_take(int fd);
/* Gives it back. Without tty_take() it does nothing. */
void tty_give_back(void);
/* Takes it again after a shell had it. */
void tty_retake(void);
/* 80 where it does not say. */
unsigned tty_columns(int fd);
