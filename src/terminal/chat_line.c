/* chat_line.c - the connection of a conversation: made, lost, made again; and what comes over it.
 */
#include "chat_core.h"
#include "ringroom/base/hash.h"
#include "ringroom/base/random.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    BACKOFF_MIN_MS =
        1000, /* the first wait is up to this, each further one up to twice as long … */
    BACKOFF_MAX_MS = 30000, /* … up to this */
    STABLE_MS = 5000,       /* a connection that held so long begins the count anew */
    FLOOD_MS = 5000,        /* longer, after being closed for sending too fast */
    GIVE_UP_MS = 60000,     /* where nobody sits there who could stop it */
    TYPING_MS = 5000
};

/* --- tokens --- */

static ssize_t read_file(const char *name, char *dst, size_t bytes)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, dst, bytes);
    int error = errno;

    if (fd >= 0)
        close(fd);
    return n < 0 ? -error : n;
}

bool chat_load_token(struct chat *chat)
{
    char *token = chat->target.token;
    const char *file = chat->options->token_file;

    if (!file)
        return true;
    ssize_t n = read_file(file, token, sizeof(chat->target.token) - 1);
    while (n > 0 && (unsigned char)token[n - 1] <= ' ')
        n--;
    if (n <= 0) {
        token[0] = '\0';
        chat_fail(chat, "--token-file %s: %s", file, n < 0 ? strerror((int)-n) : "is empty");
        return false;
    }
    token[n] = '\0';
    return true;
}

/* The token runs out. True where a fresh one has been handed over. */
static bool renew(struct chat *chat)
{
    char old[sizeof(chat->target.token)];

    memcpy(old, chat->target.token, sizeof(old));
    if (!chat->options->token_file || !chat_load_token(chat) ||
        strcmp(old, chat->target.token) == 0)
        return false;
    talk_auth(&chat->talk, slice_of(chat->target.token));
    return true;
}

/* --- events --- */

static void note_typist(struct chat *chat, const struct event *event, bool types)
{
    uint64_t uid_hash = hash_bytes(event->uid);
    struct chat_typist *free = NULL, *typist = NULL;

    for (size_t i = 0; i < CHAT_TYPISTS_MAX; i++) {
        struct chat_typist *each = &chat->typists[i];
        if (each->until_ms && each->uid_hash == uid_hash)
            typist = each;
        else if (!each->until_ms)
            free = each;
    }
    if (!typist && !types)
        return;
    if (!typist)
        typist = free;
    if (!typist) /* of more nobody needs to know */
        return;
    typist->uid_hash = uid_hash;
    typist->until_ms = types ? chat->now_ms + TYPING_MS : 0;
    render_name(typist->name, event->name, event->uid);
    chat->redraw = true;
}

static void told_joined(struct chat *chat, const struct event *event)
{
    const struct talk *talk = &chat->talk;

    chat->redraw = true;
    chat->ever_joined = true;
    chat->joined_ms = chat->now_ms;
    chat->give_up_ms = 0;
    if (talk->anew)
        chat_tell(chat, "back; the room has begun anew, what was said before is gone");
    else if (talk->again)
        chat_tell(chat, "back");
    else if (chat->interactive)
        chat_tell(chat, "%s: %llu here; kept for %llu s (/help)", talk->wish.room,
                  (unsigned long long)event->count, (unsigned long long)event->ttl_s);
}

/* What an event means here, beside being shown. False: it need not be shown. */
static bool heed(struct chat *chat, const struct event *event)
{
    switch (event->kind) {
    case EVENT_HELLO:
        snprintf(chat->target.session, sizeof(chat->target.session), "%s", chat->talk.sid);
        return true;
    case EVENT_JOINED:
        if (chat->talk.joined && !chat->joined_ms)
            told_joined(chat, event);
        return true;
    case EVENT_MESSAGE:
        note_typist(chat, event, false);
        return true;
    case EVENT_TYPING:
        note_typist(chat, event, event->on);
        return true;
    case EVENT_EXPIRING:
        return !renew(chat);
    case EVENT_RECONNECT:
        chat->come_back_ms = chat->now_ms + event->ms;
        return true;
    default:
        return true;
    }
}

static void show(struct chat *chat, const struct event *event, struct slice raw)
{
    chat_make_room(chat);
    if (render_event(&chat->render, event, raw, &chat->out) < 0)
        chat_fail(chat, "out of memory");
}

static void on_text(void *user, struct slice text)
{
    struct chat *chat = user;
    struct event event;

    if (!event_parse(text, &event))
        chat_fail(chat, "%s: what it says is not Ringroom's protocol",
                  chat->target.address.authority);
    else if (talk_receive(&chat->talk, &event, chat->now_ms) && heed(chat, &event))
        show(chat, &event, text);
    event_deinit(&event);
}

/* --- the connection --- */

void chat_connect(struct chat *chat)
{
    chat->connect_ms = 0;
    chat->joined_ms = 0;
    chat->redraw = true;
    if (chat_load_token(chat))
        link_open(&chat->link, &chat->target, chat->now_ms);
}

/* Coming back by itself would be wrong: the server has said why. */
static bool is_final(const struct chat *chat)
{
    switch (chat->link.code) {
    case WS_CODE_UNAUTHORIZED:
        return !chat->options->token_file || !chat->joined_ms; /* else there may be a fresh one */
    case WS_CODE_FORBIDDEN:
    case WS_CODE_KICKED:
        return true;
    default:
        return chat->link.refused;
    }
}

static uint64_t wait_ms(struct chat *chat)
{
    unsigned doubled = chat->attempt < 5 ? chat->attempt : 5;
    uint64_t bound = (uint64_t)BACKOFF_MIN_MS << doubled;
    /* Anything up to the bound: those whom one server lost do not return in step. */
    uint64_t ms = random_u64() % (bound < BACKOFF_MAX_MS ? bound : BACKOFF_MAX_MS);

    chat->attempt++;
    if (chat->come_back_ms)
        ms = chat->come_back_ms > chat->now_ms ? chat->come_back_ms - chat->now_ms : 0;
    chat->come_back_ms = 0;
    return ms + (chat->link.code == WS_CODE_RATE ? FLOOD_MS : 0);
}

static void lost(struct chat *chat)
{
    const char *why = chat->link.why;

    if (!chat->ever_joined || is_final(chat)) {
        chat_fail(chat, "%s", why);
        return;
    }
    if (chat->joined_ms && chat->now_ms - chat->joined_ms >= STABLE_MS)
        chat->attempt = 0;
    if (!chat->give_up_ms && !chat->interactive && !chat->options->follow)
        chat->give_up_ms = chat->now_ms + GIVE_UP_MS;
    if (chat->give_up_ms && chat->now_ms >= chat->give_up_ms) {
        chat_fail(chat, "%s; given up", why);
        return;
    }
    uint64_t ms = wait_ms(chat);
    chat_tell(chat, "%s; trying again in %llu s", why, (unsigned long long)(ms + 999) / 1000);
    talk_lost(&chat->talk);
    link_close(&chat->link);
    memset(chat->typists, 0, sizeof(chat->typists));
    chat->connect_ms = chat->now_ms + ms;
    chat->joined_ms = 0;
}

/* Each line of the talk's requests is a message. */
static void hand_over(struct chat *chat)
{
    struct buf *out = &chat->talk.out;

    while (out->len > 0 && chat->link.state == LINK_OPEN) {
        const uint8_t *end = memchr(out->data, '\n', out->len);
        size_t bytes = (size_t)(end - out->data);
        if (link_send(&chat->link, slice_make(out->data, bytes)) < 0) {
            chat_fail(chat, "out of memory");
            return;
        }
        buf_consume(out, bytes + 1);
    }
}

void chat_line_turn(struct chat *chat, short revents)
{
    if (chat->connect_ms) {
        if (chat->now_ms >= chat->connect_ms)
            chat_connect(chat);
        return;
    }
    link_turn(&chat->link, revents, chat->now_ms, on_text, chat);
    talk_turn(&chat->talk, chat->now_ms);
    if (chat->link.state == LINK_GONE && !chat->done && !chat->talk.over)
        lost(chat);
    hand_over(chat);
}

uint64_t chat_line_due_ms(const struct chat *chat)
{
    uint64_t talk_at = talk_due_ms(&chat->talk);
    uint64_t line_at = chat->connect_ms ? chat->connect_ms : link_due_ms(&chat->link);

    return talk_at < line_at ? talk_at : line_at;
}
