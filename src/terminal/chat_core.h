/* chat_core.h - what the parts of `ringroom chat` share. Private to src/terminal: chat.c (the
 * turns), chat_input.c (what is typed or piped in), chat_line.c (the connection, and what comes
 * over it). */
#pragma once

#include "ringroom/terminal/chat.h"
#include "ringroom/terminal/link.h"
#include "ringroom/terminal/render.h"
#include "ringroom/terminal/screen.h"
#include "ringroom/terminal/talk.h"

enum {
    CHAT_TYPISTS_MAX = 4, /* of whom it is shown */
    CHAT_OUT_MAX = 256 << 20,
    CHAT_INPUT_MAX = 24 << 20 /* bytes of a line that is piped in */
};

/* Who types. */
struct chat_typist {
    uint64_t until_ms; /* 0: nobody */
    uint64_t uid_hash;
    char name[RENDER_NAME_BYTES + 1];
};

struct chat {
    const struct chat_options *options;
    FILE *err;
    bool interactive; /* lines are edited and drawn here */
    uint64_t now_ms;  /* of the turn */
    int status;       /* to exit with */
    bool done;

    /* The connection */
    struct link_target target;
    struct link link;
    struct talk talk;
    bool ever_joined;
    uint64_t joined_ms;    /* on this connection; 0: not yet */
    unsigned attempt;      /* connections in a row that did not last */
    uint64_t connect_ms;   /* when to connect again; 0: no connection is wanted now */
    uint64_t come_back_ms; /* the server has told us when; 0: it has not */
    uint64_t give_up_ms;   /* when to stop trying; 0: never */

    /* Input */
    struct buf input; /* piped, not taken yet */
    bool input_ended;
    struct line line;

    /* Output */
    struct render render;
    struct screen screen;
    struct buf out; /* for standard output, written at the end of the turn */
    bool redraw;    /* the lowest rows have changed */
    struct chat_typist typists[CHAT_TYPISTS_MAX];
};

/* Tells the one who sits here; where nobody does, standard error. Others' words may be in it. */
void chat_tell(struct chat *chat, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, and that it is over: exit status CHAT_FAILED. */
void chat_fail(struct chat *chat, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes the lowest rows away, for something to be appended to chat->out. */
void chat_make_room(struct chat *chat);

/* chat_line.c */

void chat_connect(struct chat *chat);
/* Whatever poll has found. Hands on requests, notices the end of the connection. */
void chat_line_turn(struct chat *chat, short revents);
uint64_t chat_line_due_ms(const struct chat *chat);
/* The token for the next connection. False: told, and over. */
bool chat_load_token(struct chat *chat);

/* chat_input.c */

bool chat_input_wanted(const struct chat *chat);
void chat_input_turn(struct chat *chat, bool readable);
