/* chat.c - the turns: wait, hear, read, draw; and what may be asked for at all. */
#include "chat_core.h"
#include "ringroom/base/clock.h"
#include "ringroom/base/hash.h"
#include "ringroom/base/utf8.h"
#include "ringroom/terminal/tty.h"
#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 128, WORDS_BYTES = 1024 };

/* --- telling --- */

static void tell_error_stream(struct chat *chat, const char *text)
{
    struct buf line;

    buf_init(&line, WORDS_BYTES * 3);
    if (text_put(&line, slice_of(text), 0) == 0)
        fprintf(chat->err, "ringroom: %.*s\n", (int)line.len, (const char *)line.data);
    fflush(chat->err);
    buf_deinit(&line);
}

static void tell(struct chat *chat, const char *format, va_list arguments)
{
    char text[WORDS_BYTES];

    vsnprintf(text, sizeof(text), format, arguments);
    if (!chat->interactive) {
        tell_error_stream(chat, text);
        return;
    }
    chat_make_room(chat);
    if (render_notice(&chat->render, &chat->out, "%s", text) < 0)
        chat->done = true;
}

void chat_tell(struct chat *chat, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tell(chat, format, arguments);
    va_end(arguments);
}

void chat_fail(struct chat *chat, const char *format, ...)
{
    va_list arguments;

    if (chat->done)
        return;
    va_start(arguments, format);
    tell(chat, format, arguments);
    va_end(arguments);
    chat->status = CHAT_FAILED;
    chat->done = true;
}

/* --- drawing --- */

void chat_make_room(struct chat *chat)
{
    if (!chat->interactive)
        return;
    if (screen_clear(&chat->screen, &chat->out) < 0)
        chat->done = true;
    chat->redraw = true;
}

static const char *typing_status(const struct chat *chat, char *text, size_t bytes)
{
    const struct chat_typist *one = NULL;
    size_t count = 0;

    for (size_t i = 0; i < CHAT_TYPISTS_MAX; i++) {
        if (!chat->typists[i].until_ms)
            continue;
        one = &chat->typists[i];
        count++;
    }
    if (count == 1)
        snprintf(text, bytes, "%s is typing", one->name);
    else
        snprintf(text, bytes, "%s", count ? "several are typing" : "");
    return text;
}

/* The most urgent thing to know. */
static const char *status(const struct chat *chat, char *text, size_t bytes)
{
    if (chat->talk.joined && chat->talk.waiting_count == 0)
        return typing_status(chat, text, bytes);
    if (chat->talk.joined && !chat->talk.say_at_ms)
        return ""; /* what was said is on its way */
    snprintf(text, bytes, chat->talk.waiting_count ? "%s; not sent yet: %zu" : "%s",
             chat->talk.joined ? "the server wants it slower" : "not connected",
             chat->talk.waiting_count);
    return text;
}

static void draw(struct chat *chat)
{
    char text[RENDER_NAME_BYTES + 64];
    const char *name = chat->options->name;

    if (!chat->interactive || !chat->redraw || chat->done)
        return;
    if (screen_clear(&chat->screen, &chat->out) < 0 ||
        screen_draw(&chat->screen, slice_of(name ? name : chat->talk.uid), &chat->line,
                    slice_of(status(chat, text, sizeof(text))), &chat->out) < 0)
        chat->done = true;
    chat->redraw = false;
}

static void write_out(struct chat *chat)
{
    while (chat->out.len > 0) {
        ssize_t n = write(STDOUT_FILENO, chat->out.data, chat->out.len);
        if (n < 0 && errno == EAGAIN) { /* someone else made it non-blocking */
            struct pollfd pollfd = {.fd = STDOUT_FILENO, .events = POLLOUT};
            poll(&pollfd, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            int error = errno;
            chat->out.len = 0;
            chat->interactive = false;
            chat_fail(chat, "cannot write to standard output: %s", strerror(error));
        } else if (n > 0) {
            buf_consume(&chat->out, (size_t)n);
        }
    }
}

/* --- turns --- */

static void forget_typists(struct chat *chat)
{
    for (size_t i = 0; i < CHAT_TYPISTS_MAX; i++) {
        struct chat_typist *typist = &chat->typists[i];
        if (typist->until_ms && chat->now_ms >= typist->until_ms) {
            typist->until_ms = 0;
            chat->redraw = true;
        }
    }
}

static int wait_ms(const struct chat *chat)
{
    uint64_t due = chat_line_due_ms(chat);

    for (size_t i = 0; i < CHAT_TYPISTS_MAX; i++)
        if (chat->typists[i].until_ms && chat->typists[i].until_ms < due)
            due = chat->typists[i].until_ms;
    uint64_t ms = due > chat->now_ms ? due - chat->now_ms : 0;
    return ms < 60000 ? (int)ms : 60000;
}

static void heed_signals(struct chat *chat)
{
    struct tty_news news = tty_take_news();

    if (news.stopped) {
        bool unsent = chat->talk.waiting_count > 0 || chat->input.len > 0;
        chat->status = unsent ? CHAT_FAILED : chat->status;
        chat->done = true;
    }
    if (!news.resized)
        return;
    tty_retake();
    if (chat->render.columns)
        chat->render.columns = tty_columns(STDOUT_FILENO);
    screen_resize(&chat->screen, chat->render.columns);
    chat->redraw = true;
}

/* What the conversation has to tell, and whether it has come to its end. */
static void conclude(struct chat *chat)
{
    struct talk *talk = &chat->talk;
    bool refused = talk->refused > 0 && !chat->interactive;

    if (talk->trouble[0] && (talk->over || refused))
        chat_fail(chat, "%s", talk->trouble);
    else if (talk->trouble[0])
        chat_tell(chat, "%s", talk->trouble);
    talk->trouble[0] = '\0';
    if (chat->input_ended && !chat->options->follow && chat->input.len == 0 && talk_settled(talk))
        chat->done = true;
}

static void turn(struct chat *chat)
{
    struct pollfd fds[2] = {{.fd = -1}, {.fd = -1}};

    if (chat_input_wanted(chat))
        fds[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    if (!chat->connect_ms)
        fds[1] = link_poll(&chat->link);
    if (tty_wait(fds, 2, wait_ms(chat)) < 0)
        fds[0].revents = fds[1].revents = 0; /* a signal */
    chat->now_ms = clock_mono_ms();
    heed_signals(chat);
    chat_input_turn(chat, fds[0].revents != 0);
    chat_line_turn(chat, fds[1].revents);
    forget_typists(chat);
    conclude(chat);
    draw(chat);
    write_out(chat);
}

/* --- beginning and end --- */

static int wrong(FILE *err, const char *what, const char *why)
{
    struct chat chat = {.err = err};

    chat_tell(&chat, "%s%s", what, why);
    return CHAT_WRONG;
}

static bool token_valid(const char *token)
{
    size_t len = strlen(token);

    for (size_t i = 0; i < len; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return false;
    return len > 0 && len < sizeof(((struct link_target *)0)->token);
}

static int check_options(const struct chat_options *options, struct link_target *target, FILE *err)
{
    char text[WORDS_BYTES];
    const char *why;

    if (!address_parse(options->url, &target->address, &why)) {
        snprintf(text, sizeof(text), "%.120s: ", options->url);
        return wrong(err, text, why);
    }
    if (options->name && (strlen(options->name) > NAME_MAX_BYTES || !options->name[0] ||
                          !utf8_printable(slice_of(options->name))))
        return wrong(err, "--name: ", "must be 1 to 128 bytes of UTF-8 without control characters");
    if (options->token && !token_valid(options->token))
        return wrong(err, "--token: ", "must be a token, 1 to 8192 characters without blanks");
    if (options->token)
        snprintf(target->token, sizeof(target->token), "%s", options->token);
    if (!target->address.tls && (options->ca_file || options->insecure))
        return wrong(err, options->ca_file ? "--ca: " : "--insecure: ", "is for wss:// addresses");
    if (target->address.tls &&
        tls_client_new(options->ca_file, !options->insecure, &target->tls, text, sizeof(text)) < 0)
        return wrong(err, options->ca_file ? "--ca: " : "", text);
    return CHAT_OK;
}

/* Widths of characters are those of the locale; where it is not UTF-8, of the C library's own. */
static void choose_locale(void)
{
    if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value && value[0];
}

static void open_terminal(struct chat *chat)
{
    bool shown = isatty(STDOUT_FILENO), json = chat->options->json;
    const char *term = getenv("TERM");
    bool dumb = !term || strcmp(term, "dumb") == 0;

    chat->render.json = json;
    chat->render.colour = shown && !json && !dumb && !is_set("NO_COLOR");
    chat->render.columns = shown && !json ? tty_columns(STDOUT_FILENO) : 0;
    chat->screen.colour = chat->render.colour;
    screen_resize(&chat->screen, chat->render.columns);
    chat->interactive = shown && !json && !dumb && isatty(STDIN_FILENO) && tty_take(STDIN_FILENO);
    chat->redraw = true;
}

static void begin(struct chat *chat)
{
    struct talk_wish wish = {.room = chat->target.address.room,
                             .name = chat->options->name,
                             .history = chat->options->history};

    talk_init(&chat->talk, &wish);
    line_init(&chat->line);
    buf_init(&chat->input, CHAT_INPUT_MAX);
    buf_init(&chat->out, CHAT_OUT_MAX);
    chat->link = (struct link){.state = LINK_GONE, .fd = -1};
    choose_locale();
    tty_signals();
    open_terminal(chat);
    if (chat->options->insecure)
        chat_tell(chat, "--insecure: whoever is on the way to %s can read and write all of this",
                  chat->target.address.host);
}

static void end(struct chat *chat)
{
    chat_make_room(chat);
    write_out(chat);
    tty_give_back();
    link_close(&chat->link);
    talk_deinit(&chat->talk);
    line_deinit(&chat->line);
    buf_deinit(&chat->input);
    buf_deinit(&chat->out);
}

int chat_run(const struct chat_options *options, FILE *err)
{
    struct chat *chat = mem_zalloc(sizeof(*chat));

    if (!chat)
        return wrong(err, "", "out of memory");
    chat->options = options;
    chat->err = err;
    int status = check_options(options, &chat->target, err);
    if (status == CHAT_OK) {
        hash_init();
        begin(chat);
        chat->now_ms = clock_mono_ms();
        chat_connect(chat);
        while (!chat->done)
            turn(chat);
        end(chat);
        status = chat->status;
    }
    tls_client_free(chat->target.tls);
    mem_free_wiped(chat);
    return status;
}
