/* chat_input.c - what is typed, key by key, or piped in, line by line. */
#include "chat_core.h"
#include <errno.h>
#include <unistd.h>

enum { READ_BYTES = 65536 };

/* --- a terminal --- */

static void command(struct chat *chat, const char *word)
{
    if (strcmp(word, "/quit") == 0)
        chat->done = true;
    else if (strcmp(word, "/who") == 0 && chat->talk.joined)
        talk_ask_members(&chat->talk);
    else if (strcmp(word, "/who") == 0)
        chat_tell(chat, "not connected at present");
    else if (strcmp(word, "/help") == 0)
        chat_tell(chat, "/who: who is here; /quit, or ctrl-d: leave; // begins a message with a "
                        "slash; ctrl-u, ctrl-w: take back the line, the word");
    else
        chat_tell(chat,
                  "%s: no such command (/who, /quit, /help; a message that begins with a "
                  "slash begins with two)",
                  word);
}

/* True where the line has done its work. */
static bool enter(struct chat *chat, struct slice text)
{
    if (text.len == 0)
        return false;
    bool slash = text.data[0] == '/', twice = slash && text.len > 1 && text.data[1] == '/';
    if (slash && !twice) {
        char word[64];
        snprintf(word, sizeof(word), "%.*s", (int)text.len, (const char *)text.data);
        command(chat, word);
        return true;
    }
    int error = talk_say(&chat->talk, slice_from(text, twice));
    if (error == -ENOBUFS)
        chat_tell(chat, "%d messages wait to be sent: not another one now", TALK_WAITING_MAX);
    else if (error)
        chat_fail(chat, "%s", strerror(-error));
    return error == 0;
}

static void key(struct chat *chat, uint8_t byte)
{
    switch (line_key(&chat->line, byte)) {
    case LINE_NOTHING:
        return;
    case LINE_DONE:
        if (enter(chat, buf_slice(&chat->line.text))) {
            line_clear(&chat->line);
            chat->talk.typed_ms = 0; /* what is said ends it */
        }
        break;
    case LINE_END:
        chat->done = true;
        break;
    case LINE_EDITED:
        talk_typing(&chat->talk, chat->line.text.len > 0 && chat->line.text.data[0] != '/',
                    chat->now_ms);
        break;
    case LINE_REDRAW:
        chat->screen.drawn = false;
        buf_append_str(&chat->out, "\x1b[H\x1b[2J");
        break;
    }
    chat->redraw = true;
}

/* --- a pipe --- */

static void say_line(struct chat *chat, struct slice line)
{
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    int error = talk_say(&chat->talk, line);
    if (error == -EILSEQ)
        chat_fail(chat, "a line of the input is not UTF-8");
    else if (error)
        chat_fail(chat, "%s", strerror(-error));
}

/* Takes as many lines as may wait; the last one may lack its end. */
static void take_lines(struct chat *chat)
{
    struct buf *input = &chat->input;

    while (input->len > 0 && chat->talk.waiting_count < TALK_WAITING_MAX && !chat->done) {
        const uint8_t *end = memchr(input->data, '\n', input->len);
        if (!end && !chat->input_ended)
            return;
        size_t bytes = end ? (size_t)(end - input->data) : input->len;
        say_line(chat, slice_make(input->data, bytes));
        buf_consume(input, bytes + (end != NULL));
    }
}

static void take_piped(struct chat *chat, struct slice bytes)
{
    int error = buf_append(&chat->input, bytes.data, bytes.len);

    if (error == -ENOBUFS)
        chat_fail(chat, "a line of the input is too long");
    else if (error)
        chat_fail(chat, "out of memory");
}

/* --- both --- */

bool chat_input_wanted(const struct chat *chat)
{
    return !chat->input_ended && (chat->interactive || chat->talk.waiting_count < TALK_WAITING_MAX);
}

static void read_some(struct chat *chat)
{
    uint8_t bytes[READ_BYTES];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n < 0)
        chat_fail(chat, "cannot read standard input: %s", strerror(errno));
    if (n <= 0) {
        chat->input_ended = true;
        chat->done = chat->done || chat->interactive;
        return;
    }
    for (ssize_t i = 0; i < n && chat->interactive && !chat->done; i++)
        key(chat, bytes[i]);
    if (!chat->interactive)
        take_piped(chat, slice_make(bytes, (size_t)n));
    mem_wipe(bytes, (size_t)n);
}

void chat_input_turn(struct chat *chat, bool readable)
{
    if (readable)
        read_some(chat);
    if (!chat->interactive)
        take_lines(chat);
}
