#include "conn.h"

#include "frame.h"

#include <errno.h>
#include <string.h>

static void write_plain(struct conn *c, const void *data, size_t count)
{
    if (c->secure)
        tls_seal(&c->tls, data, count);
    else
        bytes_append(&c->waiting, data, count);
}

static void send_frame(struct conn *c, enum frame_opcode opcode, const void *data, size_t count)
{
    static struct bytes scratch; /* one thread; kept, to spare an allocation a message */
    scratch.count = 0;
    frame_append(&scratch, opcode, data, count);
    write_plain(c, scratch.data, scratch.count);
}

/* Engine.IO packet types, and the Socket.IO ones that the session needs. */
enum { PACKET_OPEN = '0', PACKET_CLOSE = '1', PACKET_PING = '2', PACKET_MESSAGE = '4' };
enum { SIO_CONNECT = '0', SIO_DISCONNECT = '1', SIO_CONNECT_ERROR = '4' };

void conn_text(struct conn *c, const char *text, size_t count)
{
    static struct bytes packet; /* as in send_frame() */
    if (c->dialect == DIALECT_NATIVE) {
        send_frame(c, FRAME_TEXT, text, count);
        return;
    }
    packet.count = 0;
    bytes_append(&packet, &(char){PACKET_MESSAGE}, 1);
    bytes_append(&packet, text, count);
    send_frame(c, FRAME_TEXT, packet.data, packet.count);
}

static void begin_upgrade(struct conn *c, const char *request)
{
    c->state = CONN_UPGRADE;
    write_plain(c, request, strlen(request));
}

static int continue_handshake(struct conn *c, const char *request)
{
    int result = tls_handshake(&c->tls);
    if (result == 1)
        begin_upgrade(c, request);
    return result < 0 ? result : 0;
}

int conn_start(struct conn *c, struct tls_client *tls, SSL_SESSION *resume, const char *request)
{
    c->secure = tls != NULL;
    if (!c->secure) {
        begin_upgrade(c, request);
        return 0;
    }
    int result = tls_init(&c->tls, tls, &c->waiting, resume);
    if (result < 0)
        return result;
    c->state = CONN_HANDSHAKE;
    return continue_handshake(c, request);
}

static void become_open(struct conn *c, const struct conn_events *events)
{
    c->opened = true;
    events->opened(events->scenario, c);
}

/* A Socket.IO packet: what belongs to the session stays here, events go up. */
static int take_socketio(struct conn *c, const struct conn_events *events, const char *packet,
                         size_t count)
{
    switch (count ? packet[0] : 0) {
    case SIO_CONNECT:
        if (c->opened)
            return -EPROTO;
        become_open(c, events);
        return 0;
    case SIO_DISCONNECT:
        return -ECONNRESET;
    case SIO_CONNECT_ERROR:
        return -ECONNREFUSED;
    default:
        events->text(events->scenario, c, packet, count);
        return 0;
    }
}

/* An Engine.IO packet. Noops and packets of later versions are nothing to us. */
static int take_packet(struct conn *c, const struct conn_events *events, const char *packet,
                       size_t count)
{
    switch (count ? packet[0] : 0) {
    case PACKET_OPEN:
        send_frame(c, FRAME_TEXT, "40", 2);
        return 0;
    case PACKET_CLOSE:
        return -ECONNRESET;
    case PACKET_PING:
        send_frame(c, FRAME_TEXT, "3", 1);
        return 0;
    case PACKET_MESSAGE:
        return take_socketio(c, events, packet + 1, count - 1);
    default:
        return 0;
    }
}

static int take_text(struct conn *c, const struct conn_events *events, const char *text,
                     size_t count)
{
    if (c->dialect == DIALECT_SOCKETIO)
        return take_packet(c, events, text, count);
    events->text(events->scenario, c, text, count);
    return 0;
}

/* A text message whole, or a piece of one. */
static int take_data(struct conn *c, const struct conn_events *events, const struct frame *frame)
{
    bool begins = frame->opcode == FRAME_TEXT;
    if (begins == c->fragmented)
        return -EPROTO; /* a message within a message, or the rest of none */
    if (begins && frame->final)
        return take_text(c, events, frame->payload, frame->payload_bytes);
    if (c->message.count + frame->payload_bytes > CONN_MESSAGE_MAX)
        return -EMSGSIZE;
    bytes_append(&c->message, frame->payload, frame->payload_bytes);
    c->fragmented = !frame->final;
    if (c->fragmented)
        return 0;
    int result = take_text(c, events, (const char *)c->message.data, c->message.count);
    bytes_free(&c->message);
    return result;
}

static int take_frame(struct conn *c, const struct conn_events *events, const struct frame *frame)
{
    switch (frame->opcode) {
    case FRAME_TEXT:
    case FRAME_CONTINUATION:
        return take_data(c, events, frame);
    case FRAME_PING:
        send_frame(c, FRAME_PONG, frame->payload, frame->payload_bytes);
        return 0;
    case FRAME_CLOSE:
        return -ECONNRESET;
    default:
        return 0;
    }
}

/* Takes whole frames from data; returns how many bytes they were, or negative. */
static ssize_t take_frames(struct conn *c, const struct conn_events *events, const uint8_t *data,
                           size_t count)
{
    size_t taken = 0;
    struct frame frame;
    bool broken = false;
    while (c->state == CONN_OPEN && frame_parse(data + taken, count - taken, &frame, &broken)) {
        int result = take_frame(c, events, &frame);
        if (result < 0)
            return result;
        taken += frame.frame_bytes;
    }
    return broken ? -EPROTO : (ssize_t)taken;
}

/* As take_frames(), for the response to the upgrade. */
static ssize_t take_response(struct conn *c, const struct conn_events *events, const uint8_t *data,
                             size_t count)
{
    const uint8_t *end = memmem(data, count, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (memcmp(data, "HTTP/1.1 101", 12) != 0)
        return -EPROTO;
    c->state = CONN_OPEN;
    if (c->dialect == DIALECT_NATIVE)
        become_open(c, events);
    return end + 4 - data;
}

static ssize_t take(struct conn *c, const struct conn_events *events, const uint8_t *data,
                    size_t count)
{
    ssize_t head = 0;
    if (c->state == CONN_UPGRADE) {
        head = take_response(c, events, data, count);
        if (head <= 0)
            return head;
    }
    ssize_t frames = take_frames(c, events, data + head, count - (size_t)head);
    return frames < 0 ? frames : head + frames;
}

/* Plain bytes: straight from where they lie, unless a frame began in earlier ones. */
static int take_plain(struct conn *c, const struct conn_events *events, const uint8_t *data,
                      size_t count)
{
    ssize_t taken;
    if (c->rest.count) {
        bytes_append(&c->rest, data, count);
        taken = take(c, events, c->rest.data, c->rest.count);
        if (taken > 0)
            bytes_drop(&c->rest, (size_t)taken);
    } else {
        taken = take(c, events, data, count);
        if (taken >= 0 && (size_t)taken < count)
            bytes_append(&c->rest, data + taken, count - (size_t)taken);
    }
    if (!c->rest.count && c->rest.room > 4096)
        bytes_free(&c->rest); /* thousands of connections: keep none large for nothing */
    return taken < 0 ? (int)taken : 0;
}

static int take_sealed(struct conn *c, const struct conn_events *events)
{
    static uint8_t plain[16384]; /* a record opens to no more; one thread */
    int opened = 0;
    int result = 0;
    while (result == 0 && c->state != CONN_CLOSING &&
           (opened = tls_open(&c->tls, plain, sizeof plain)) > 0)
        result = take_plain(c, events, plain, (size_t)opened);
    return result < 0 ? result : opened < 0 ? opened : 0;
}

int conn_receive(struct conn *c, const struct conn_events *events, const char *request,
                 const uint8_t *data, size_t count)
{
    if (c->state == CONN_CLOSING)
        return 0;
    if (!c->secure)
        return take_plain(c, events, data, count);
    tls_feed(&c->tls, data, count);
    if (c->state == CONN_HANDSHAKE) {
        int result = continue_handshake(c, request);
        if (result < 0 || c->state == CONN_HANDSHAKE)
            return result;
    }
    return take_sealed(c, events);
}

void conn_deinit(struct conn *c)
{
    if (c->secure)
        tls_deinit(&c->tls);
    bytes_free(&c->waiting);
    bytes_free(&c->flying);
    bytes_free(&c->rest);
    bytes_free(&c->message);
    *c = (struct conn){.index = c->index};
}
