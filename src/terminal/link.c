#include "ringroom/terminal/link.h"
#include "ringroom/terminal/event.h"
#include "ringroom/base/mem.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 65536 };

/* Whose bytes are opened during a turn. */
struct reading {
    struct link *link;
    link_text_fn *on_text;
    void *user;
};

__attribute__((format(printf, 2, 3))) static void gone(struct link *link, const char *format, ...)
{
    va_list arguments;

    if (link->state == LINK_GONE)
        return;
    link->state = LINK_GONE;
    va_start(arguments, format);
    vsnprintf(link->why, sizeof(link->why), format, arguments);
    va_end(arguments);
}

static void drop_socket(struct link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

/* Tries this address and those behind it. */
static void try_addresses(struct link *link, int error)
{
    for (; link->address; link->address = link->address->ai_next) {
        const struct addrinfo *address = link->address;
        int one = 1;

        link->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (link->fd < 0) {
            error = errno;
            continue;
        }
        setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (connect(link->fd, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS)
            return;
        error = errno;
        drop_socket(link);
    }
    gone(link, "cannot connect to %s: %s", link->target->address.authority, strerror(error));
}

void link_open(struct link *link, const struct link_target *target, uint64_t now_ms)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    const struct address *address = &target->address;

    *link =
        (struct link){.state = LINK_CONNECTING, .target = target, .fd = -1, .opened_ms = now_ms};
    buf_init(&link->plain, LINK_OUT_MAX);
    buf_init(&link->out, LINK_OUT_MAX);
    int error = getaddrinfo(address->host, address->port, &hints, &link->addresses);
    if (error) {
        gone(link, "cannot find %s: %s", address->host, gai_strerror(error));
        return;
    }
    link->address = link->addresses;
    try_addresses(link, 0);
}

/* --- writing --- */

/* Makes what is to be written of what is to be said. */
static int seal(struct link *link)
{
    while (link->plain.len > 0) {
        size_t bytes =
            link->plain.len < TLS_RECORD_PLAIN_MAX ? link->plain.len : TLS_RECORD_PLAIN_MAX;
        struct slice piece = slice_make(link->plain.data, bytes);
        int error = buf_reserve(&link->out, bytes + TLS_SEAL_OVERHEAD);
        if (!error && link->tls) {
            struct tls_out out = {link->out.data, link->out.len, link->out.cap};
            error = tls_seal(link->tls, piece, &out);
            link->out.len = out.len;
        } else if (!error) {
            error = buf_append(&link->out, piece.data, piece.len);
        }
        if (error)
            return error;
        buf_consume(&link->plain, bytes);
    }
    return 0;
}

static void write_out(struct link *link)
{
    int error = seal(link);

    if (error)
        gone(link, "cannot go on: %s", strerror(-error));
    while (link->out.len > 0) {
        ssize_t n = send(link->fd, link->out.data, link->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            gone(link, "the connection broke: %s", strerror(errno));
        if (n < 0)
            return;
        buf_consume(&link->out, (size_t)n);
    }
}

static int put_frame(struct link *link, enum ws_opcode opcode, struct slice payload)
{
    return ws_client_frame(link->ws, opcode, payload, &link->plain);
}

int link_send(struct link *link, struct slice text)
{
    return put_frame(link, WS_TEXT, text);
}

/* --- opening --- */

/* The way is there: asks for a WebSocket. */
static void ask(struct link *link)
{
    const struct link_target *target = link->target;
    char path[LINK_TARGET_BYTES];

    link->state = LINK_ASKING;
    snprintf(path, sizeof(path), "%s%s%s", target->address.target,
             target->session[0] ? "?session=" : "", target->session);
    link->ws = ws_client_new(LINK_MESSAGE_MAX);
    int error = link->ws ? ws_client_request(link->ws, target->address.authority, path,
                                             target->token[0] ? target->token : NULL, &link->plain)
                         : -ENOMEM;
    if (error)
        gone(link, "cannot ask for a WebSocket: %s", strerror(-error));
}

static bool hear(void *user, struct slice plain);

/* Sealed bytes, or none to begin. */
static void open_sealed(struct link *link, struct slice sealed, struct reading *reading)
{
    if (buf_reserve(&link->out, TLS_HANDSHAKE_OUT_MAX) < 0) {
        gone(link, "out of memory");
        return;
    }
    struct tls_out out = {link->out.data, link->out.len, link->out.cap};
    enum tls_status status = tls_open(link->tls, sealed, &out, hear, reading);
    link->out.len = out.len;
    if (status == TLS_FAILED) {
        bool young = link->state == LINK_SECURING;
        tls_client_why(link->tls, link->target->address.host, link->why, sizeof(link->why));
        write_out(link); /* the alert */
        link->state = LINK_GONE;
        link->refused = young;
    } else if (status == TLS_CLOSED) {
        gone(link, "the server has ended the connection");
    } else if (link->state == LINK_SECURING && tls_established(link->tls)) {
        ask(link);
    }
}

static void secure(struct link *link)
{
    struct reading none = {.link = link};

    link->state = LINK_SECURING;
    link->tls = tls_client_session(link->target->tls, link->target->address.host);
    if (link->tls)
        open_sealed(link, (struct slice){0}, &none);
    else
        gone(link, "out of memory");
}

static void connected(struct link *link, uint64_t now_ms)
{
    int error = 0;
    socklen_t bytes = sizeof(error);

    getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
    if (error) {
        drop_socket(link);
        link->address = link->address->ai_next;
        try_addresses(link, error);
        return;
    }
    link->heard_ms = now_ms;
    if (link->target->tls)
        secure(link);
    else
        ask(link);
}

/* --- reading --- */

static void explain_refusal(struct link *link)
{
    unsigned status = ws_client_status(link->ws);
    char said[LINK_WHY_BYTES / 2];

    event_refusal(ws_client_refusal(link->ws), said, sizeof(said));
    link->refused = status < 500 && status != 408 && status != 429;
    if (status < 400)
        gone(link, "%s: %s%s", link->target->address.authority, ws_client_error(link->ws),
             link->tls ? "" : ": is it a wss:// address?");
    else
        gone(link, "%s refuses the connection: %u%s%s%s", link->target->address.authority, status,
             said[0] ? ", " : "", said,
             status == 401   ? " (--token, --token-file)"
             : status == 404 ? " (there is no Ringroom at this address)"
                             : "");
}

static void act(struct link *link, const struct ws_event *event, struct reading *reading)
{
    switch (event->opcode) {
    case WS_TEXT:
        reading->on_text(reading->user, event->payload);
        break;
    case WS_PING:
        if (put_frame(link, WS_PONG, event->payload) < 0)
            gone(link, "out of memory");
        break;
    case WS_CLOSE:
        link->code = event->code;
        gone(link, "the server has ended the connection: %u%s%.*s", event->code,
             event->payload.len ? " " : "", (int)event->payload.len,
             (const char *)event->payload.data);
        break;
    default: /* a pong; what is binary is none of ours */
        break;
    }
}

/* Plain bytes, from the socket or from TLS. */
static bool hear(void *user, struct slice plain)
{
    struct reading *reading = user;
    struct link *link = reading->link;
    struct ws_event event;
    enum ws_result result;

    if (!link->ws) /* what is said before it was asked */
        return false;
    while ((result = ws_client_next(link->ws, &plain, &event)) == WS_EVENT) {
        act(link, &event, reading);
        if (link->state == LINK_GONE)
            return false;
    }
    if (result == WS_NOMEM)
        gone(link, "out of memory");
    else if (result == WS_FAILED && !ws_client_opened(link->ws))
        explain_refusal(link);
    else if (result == WS_FAILED)
        gone(link, "%s: %s", link->target->address.authority, ws_client_error(link->ws));
    else if (ws_client_opened(link->ws))
        link->state = LINK_OPEN;
    return link->state != LINK_GONE;
}

static void ended(struct link *link)
{
    if (link->ws && !ws_client_opened(link->ws) && ws_client_status(link->ws) >= 400)
        explain_refusal(link);
    else if (link->state == LINK_SECURING)
        gone(link, "%s has ended the connection during the TLS handshake",
             link->target->address.authority);
    else if (link->state == LINK_ASKING)
        gone(link, "%s has ended the connection without an answer%s",
             link->target->address.authority, link->tls ? "" : ": is it a wss:// address?");
    else
        gone(link, "the connection broke");
}

static void read_some(struct link *link, uint64_t now_ms, struct reading *reading)
{
    static uint8_t bytes[READ_BYTES]; /* one link is read at a time; wiped below */
    ssize_t n = recv(link->fd, bytes, sizeof(bytes), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0)
        gone(link, "the connection broke: %s", strerror(errno));
    if (n == 0)
        ended(link);
    if (n <= 0)
        return;
    link->heard_ms = now_ms;
    link->pinged_ms = 0;
    if (link->tls)
        open_sealed(link, slice_make(bytes, (size_t)n), reading);
    else
        hear(reading, slice_make(bytes, (size_t)n));
    mem_wipe(bytes, (size_t)n);
}

/* --- turns --- */

struct pollfd link_poll(const struct link *link)
{
    bool writes = link->state == LINK_CONNECTING || link->plain.len > 0 || link->out.len > 0;

    return (struct pollfd){
        .fd = link->fd,
        .events = (short)((link->state == LINK_CONNECTING ? 0 : POLLIN) | (writes ? POLLOUT : 0))};
}

uint64_t link_due_ms(const struct link *link)
{
    if (link->state < LINK_OPEN)
        return link->opened_ms + LINK_OPEN_MS;
    return link->pinged_ms ? link->pinged_ms + LINK_ANSWER_MS : link->heard_ms + LINK_SILENT_MS;
}

static void check_time(struct link *link, uint64_t now_ms)
{
    if (now_ms < link_due_ms(link))
        return;
    if (link->state < LINK_OPEN)
        gone(link, "%s does not answer", link->target->address.authority);
    else if (link->pinged_ms)
        gone(link, "nothing is heard of the server any more");
    else if (put_frame(link, WS_PING, (struct slice){0}) < 0)
        gone(link, "out of memory");
    else
        link->pinged_ms = now_ms;
}

void link_turn(struct link *link, short revents, uint64_t now_ms, link_text_fn *on_text, void *user)
{
    struct reading reading = {.link = link, .on_text = on_text, .user = user};

    if (link->state == LINK_CONNECTING && (revents & (POLLOUT | POLLERR | POLLHUP)))
        connected(link, now_ms);
    else if (link->state != LINK_CONNECTING && (revents & (POLLIN | POLLERR | POLLHUP)))
        read_some(link, now_ms, &reading);
    if (link->state != LINK_GONE)
        check_time(link, now_ms);
    if (link->state != LINK_GONE && link->state != LINK_CONNECTING)
        write_out(link);
}

void link_close(struct link *link)
{
    uint8_t code[2] = {WS_CODE_NORMAL >> 8, WS_CODE_NORMAL & 0xff};

    if (link->state == LINK_OPEN && put_frame(link, WS_CLOSE, slice_make(code, 2)) == 0)
        write_out(link);
    if (link->state == LINK_OPEN && link->tls &&
        buf_reserve(&link->out, TLS_HANDSHAKE_OUT_MAX) == 0) {
        struct tls_out out = {link->out.data, link->out.len, link->out.cap};
        tls_shutdown(link->tls, &out);
        link->out.len = out.len;
        write_out(link);
    }
    drop_socket(link);
    tls_free(link->tls);
    ws_client_free(link->ws);
    buf_deinit(&link->plain);
    buf_deinit(&link->out);
    if (link->addresses)
        freeaddrinfo(link->addresses);
    *link = (struct link){.state = LINK_GONE, .fd = -1};
}
