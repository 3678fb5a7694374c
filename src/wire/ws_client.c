#include "ringroom/wire/ws_client.h"

#include "ringroom/base/encode.h"
#include "ringroom/base/mem.h"
#include "ringroom/base/random.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <wslay/wslay.h>

/* http_parser.h has two names of ours: they are renamed while it is read. */
#define http_method  parser_method
#define HTTP_REQUEST PARSER_REQUEST
#include <http_parser.h>
#undef http_method
#undef HTTP_REQUEST

enum {
    ANSWER_BYTES_MAX = 16384, /* of the server's, that it is worth reading */
    FIELD_MAX = 32,           /* bytes: the names and values that count are shorter */
};

/* One header line of the answer, as far as it fits. */
struct field {
    char name[FIELD_MAX], value[FIELD_MAX];
    size_t name_len, value_len;
    bool in_value; /* the parser's last word was of the value */
};

struct ws_client {
    /* The answer */
    char accept[WS_ACCEPT_BYTES];
    http_parser parser;
    struct field field;
    struct buf refusal;
    size_t answer_bytes;
    bool accepted; /* the header with our key's answer has come */
    bool answered; /* all of the answer has come */
    bool opened;

    /* Frames */
    wslay_frame_context_ptr frames;
    struct slice *in; /* of the call under way */
    struct buf *out;
    struct buf message;    /* what has come of the message under way */
    struct buf control;    /* of the control frame under way */
    uint64_t unread_bytes; /* payload of the frame under way that wslay has not handed out */
    bool in_frame;
    uint8_t opcode; /* of the message under way; 0 between messages */
    const char *error;
};

static ssize_t lend(uint8_t *dst, size_t room, int flags, void *user)
{
    struct ws_client *ws = user;
    size_t n = ws->in->len < room ? ws->in->len : room;

    if (n == 0)
        return -1;
    memcpy(dst, ws->in->data, n);
    *ws->in = slice_from(*ws->in, n);
    return (ssize_t)n;
}

static ssize_t take(const uint8_t *data, size_t bytes, int flags, void *user)
{
    struct ws_client *ws = user;

    return buf_append(ws->out, data, bytes) == 0 ? (ssize_t)bytes : -1;
}

static int mask(uint8_t *dst, size_t bytes, void *user)
{
    random_bytes(dst, bytes);
    return 0;
}

struct ws_client *ws_client_new(size_t message_bytes_max)
{
    static const struct wslay_frame_callbacks callbacks = {
        .recv_callback = lend, .send_callback = take, .genmask_callback = mask};
    struct ws_client *ws = mem_zalloc(sizeof(*ws));

    if (!ws)
        return NULL;
    if (wslay_frame_context_init(&ws->frames, &callbacks, ws) != 0) {
        mem_free(ws);
        return NULL;
    }
    http_parser_init(&ws->parser, HTTP_RESPONSE);
    ws->parser.data = ws;
    ws->error = "";
    buf_init(&ws->refusal, WS_REFUSAL_MAX);
    buf_init(&ws->message, message_bytes_max);
    buf_init(&ws->control, WS_CONTROL_MAX);
    return ws;
}

void ws_client_free(struct ws_client *ws)
{
    if (!ws)
        return;
    wslay_frame_context_free(ws->frames);
    buf_deinit(&ws->refusal);
    buf_deinit(&ws->message);
    buf_deinit(&ws->control);
    mem_free_wiped(ws);
}

/* --- the handshake --- */

static bool word_valid(const char *word)
{
    for (; *word; word++)
        if (*word <= ' ' || *word == 0x7f)
            return false;
    return true;
}

int ws_client_request(struct ws_client *ws, const char *authority, const char *target,
                      const char *token, struct buf *out)
{
    uint8_t nonce[16];
    char key[WS_KEY_BYTES];

    if (!word_valid(authority) || !word_valid(target) || (token && !word_valid(token)))
        return -EINVAL;
    random_bytes(nonce, sizeof(nonce));
    encode_base64(key, nonce, sizeof(nonce));
    ws_accept_key(slice_make(key, sizeof(key)), ws->accept);
    return buf_printf(
        out,
        "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %.*s\r\n"
        "Sec-WebSocket-Protocol: ringroom.v1\r\nUser-Agent: ringroom/" RINGROOM_VERSION
        "\r\n%s%s%s\r\n",
        target, authority, (int)sizeof(key), key, token ? "Authorization: Bearer " : "",
        token ? token : "", token ? "\r\n" : "");
}

static void keep(char dst[FIELD_MAX], size_t *len, const char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++, ++*len)
        if (*len < FIELD_MAX)
            dst[*len] = at[i];
}

static void field_ended(struct ws_client *ws)
{
    static const char name[] = "Sec-WebSocket-Accept";
    const struct field *field = &ws->field;

    if (field->name_len == sizeof(name) - 1 && field->value_len == WS_ACCEPT_BYTES &&
        strncasecmp(field->name, name, field->name_len) == 0 &&
        memcmp(field->value, ws->accept, WS_ACCEPT_BYTES) == 0)
        ws->accepted = true;
    ws->field = (struct field){0};
}

static int on_name(http_parser *parser, const char *at, size_t bytes)
{
    struct ws_client *ws = parser->data;

    if (ws->field.in_value)
        field_ended(ws);
    keep(ws->field.name, &ws->field.name_len, at, bytes);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t bytes)
{
    struct ws_client *ws = parser->data;

    ws->field.in_value = true;
    keep(ws->field.value, &ws->field.value_len, at, bytes);
    return 0;
}

static int on_head(http_parser *parser)
{
    field_ended(parser->data);
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t bytes)
{
    struct ws_client *ws = parser->data;
    size_t room = WS_REFUSAL_MAX - ws->refusal.len;

    buf_append(&ws->refusal, at, bytes < room ? bytes : room); /* or less, where memory is short */
    return 0;
}

static int on_end(http_parser *parser)
{
    struct ws_client *ws = parser->data;

    ws->answered = true;
    return 0;
}

static enum ws_result fail(struct ws_client *ws, const char *error)
{
    ws->error = error;
    return WS_FAILED;
}

static enum ws_result read_answer(struct ws_client *ws, struct slice *in)
{
    static const http_parser_settings settings = {.on_header_field = on_name,
                                                  .on_header_value = on_value,
                                                  .on_headers_complete = on_head,
                                                  .on_body = on_body,
                                                  .on_message_complete = on_end};

    if (in->len == 0)
        return WS_MORE;
    size_t used = http_parser_execute(&ws->parser, &settings, (const char *)in->data, in->len);
    ws->answer_bytes += used;
    if (ws->parser.upgrade) {
        *in = slice_from(*in, used);
        ws->opened = ws->accepted;
        return ws->opened ? WS_MORE : fail(ws, "it gives a wrong answer to the WebSocket's key");
    }
    if (HTTP_PARSER_ERRNO(&ws->parser) != HPE_OK)
        return fail(ws, "what answers there does not speak HTTP");
    *in = slice_from(*in, used);
    if (ws->answered || ws->answer_bytes > ANSWER_BYTES_MAX)
        return fail(ws, "it refuses to speak WebSocket");
    return WS_MORE;
}

/* --- frames --- */

static bool is_control(uint8_t opcode)
{
    return opcode >= WS_CLOSE;
}

/* The first piece of a frame. NULL, or what is wrong with it. */
static const char *begin_frame(struct ws_client *ws, const struct wslay_frame_iocb *frame)
{
    if (frame->rsv || frame->mask)
        return "it sends frames that a server must not send";
    if (frame->opcode > WS_PONG || (frame->opcode > WS_BINARY && frame->opcode < WS_CLOSE))
        return "it sends a frame of an unknown kind";
    ws->in_frame = true;
    ws->unread_bytes = frame->payload_length;
    if (is_control(frame->opcode)) {
        ws->control.len = 0;
        return NULL;
    }
    if ((frame->opcode == WS_CONTINUATION) != (ws->opcode != 0))
        return "it mixes up messages";
    if (frame->opcode != WS_CONTINUATION) {
        ws->opcode = frame->opcode;
        ws->message.len = 0;
    }
    if (frame->payload_length > ws->message.max - ws->message.len)
        return "it sends a message that is too long";
    return NULL;
}

static void control_event(struct ws_client *ws, enum ws_opcode opcode, struct ws_event *event)
{
    struct slice payload = buf_slice(&ws->control);

    *event = (struct ws_event){.opcode = opcode, .payload = payload};
    if (opcode != WS_CLOSE)
        return;
    event->code = WS_CODE_NONE;
    if (payload.len >= 2) {
        event->code = (uint16_t)(payload.data[0] << 8 | payload.data[1]);
        event->payload = slice_from(payload, 2);
    }
}

/* A frame's last byte has come. True where that makes an event. */
static bool end_frame(struct ws_client *ws, const struct wslay_frame_iocb *frame,
                      struct ws_event *event)
{
    ws->in_frame = false;
    if (is_control(frame->opcode)) {
        control_event(ws, frame->opcode, event);
        return true;
    }
    if (!frame->fin)
        return false;
    *event = (struct ws_event){.opcode = ws->opcode, .payload = buf_slice(&ws->message)};
    ws->opcode = 0;
    return true;
}

static enum ws_result read_frames(struct ws_client *ws, struct slice *in,
                                  struct ws_event *ret_event)
{
    struct wslay_frame_iocb frame;
    struct ws_event event;

    for (;;) {
        ws->in = in;
        ssize_t n = wslay_frame_recv(ws->frames, &frame);
        ws->in = NULL;
        if (n == WSLAY_ERR_WANT_READ)
            return WS_MORE;
        const char *error = n < 0           ? "it breaks the WebSocket protocol"
                            : !ws->in_frame ? begin_frame(ws, &frame)
                                            : NULL;
        if (error)
            return fail(ws, error);
        struct buf *into = is_control(frame.opcode) ? &ws->control : &ws->message;
        if (n > 0 && buf_append(into, frame.data, (size_t)n) < 0)
            return WS_NOMEM;
        ws->unread_bytes -= (uint64_t)n;
        if (ws->unread_bytes > 0 || !end_frame(ws, &frame, &event))
            continue;
        if (event.opcode == WS_TEXT && !utf8_valid(event.payload))
            return fail(ws, "it sends text that is not UTF-8");
        *ret_event = event;
        return WS_EVENT;
    }
}

enum ws_result ws_client_next(struct ws_client *ws, struct slice *in, struct ws_event *ret_event)
{
    if (!ws->opened) {
        enum ws_result result = read_answer(ws, in);
        if (!ws->opened)
            return result;
    }
    return read_frames(ws, in, ret_event);
}

bool ws_client_opened(const struct ws_client *ws)
{
    return ws->opened;
}

const char *ws_client_error(const struct ws_client *ws)
{
    return ws->error;
}

unsigned ws_client_status(const struct ws_client *ws)
{
    return ws->parser.status_code;
}

struct slice ws_client_refusal(const struct ws_client *ws)
{
    return buf_slice(&ws->refusal);
}

int ws_client_frame(struct ws_client *ws, enum ws_opcode opcode, struct slice payload,
                    struct buf *out)
{
    struct wslay_frame_iocb frame = {.fin = 1,
                                     .opcode = opcode,
                                     .payload_length = payload.len,
                                     .mask = 1,
                                     .data = payload.data,
                                     .data_length = payload.len};
    size_t start = out->len;
    size_t sent = 0;

    ws->out = out;
    do {
        frame.data = payload.data + sent;
        frame.data_length = payload.len - sent;
        ssize_t n = wslay_frame_send(ws->frames, &frame);
        if (n < 0) {
            out->len = start;
            ws->out = NULL;
            return -ENOBUFS;
        }
        sent += (size_t)n;
    } while (sent < payload.len);
    ws->out = NULL;
    return 0;
}
