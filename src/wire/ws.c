/* Frames in, messages out. The reader (ws_pool.h) stands for wslay and the frame under way; struct
 * ws for the message under way, which may span frames with control frames between them. */
#include "ringroom/wire/ws.h"

#include "ringroom/base/check.h"
#include "ws_pool.h"

#include <errno.h>

enum fault {
    FAULT_NONE,
    FAULT_RSV,
    FAULT_OPCODE,
    FAULT_UNMASKED,
    FAULT_CONTROL_FRAGMENTED,
    FAULT_CONTROL_LONG,
    FAULT_NOT_BEGUN,
    FAULT_NOT_ENDED,
    FAULT_LENGTH,
    FAULT_FRAME,
    FAULT_CLOSE_SHORT,
    FAULT_CLOSE_CODE,
    FAULT_CLOSE_UTF8,
    FAULT_UTF8,
    FAULT_TOO_BIG,
    FAULT_FRAGMENTS,
    FAULT_NOMEM
};

static const struct {
    uint16_t code;
    const char *text;
} faults[] = {
    [FAULT_NONE] = {0, ""},
    [FAULT_RSV] = {WS_CODE_PROTOCOL, "a reserved bit is set"},
    [FAULT_OPCODE] = {WS_CODE_PROTOCOL, "unknown opcode"},
    [FAULT_UNMASKED] = {WS_CODE_PROTOCOL, "a frame is not masked"},
    [FAULT_CONTROL_FRAGMENTED] = {WS_CODE_PROTOCOL, "a control frame is fragmented"},
    [FAULT_CONTROL_LONG] = {WS_CODE_PROTOCOL, "a control frame is longer than 125 bytes"},
    [FAULT_NOT_BEGUN] = {WS_CODE_PROTOCOL, "a continuation of no message"},
    [FAULT_NOT_ENDED] = {WS_CODE_PROTOCOL, "a new message inside a fragmented one"},
    [FAULT_LENGTH] = {WS_CODE_PROTOCOL, "a length is not encoded in the shortest way"},
    [FAULT_FRAME] = {WS_CODE_PROTOCOL, "a malformed frame"},
    [FAULT_CLOSE_SHORT] = {WS_CODE_PROTOCOL, "a close frame of one byte"},
    [FAULT_CLOSE_CODE] = {WS_CODE_PROTOCOL, "a close code that must not be sent"},
    [FAULT_CLOSE_UTF8] = {WS_CODE_BAD_DATA, "a close reason is not UTF-8"},
    [FAULT_UTF8] = {WS_CODE_BAD_DATA, "a text message is not UTF-8"},
    [FAULT_TOO_BIG] = {WS_CODE_TOO_BIG, "the message is too long"},
    /* 1009, not 1008: to its sender a limit of size, not of conduct. */
    [FAULT_FRAGMENTS] = {WS_CODE_TOO_BIG, "the message has too many fragments"},
    [FAULT_NOMEM] = {WS_CODE_INTERNAL, "out of memory"},
};

static bool is_control(uint8_t opcode)
{
    return opcode & 8;
}

/* --- life --- */

void ws_init(struct ws *ws, struct ws_pool *pool, const struct ws_limits *limits)
{
    *ws = (struct ws){.pool = pool, .limits = limits};
    buf_init(&ws->message, limits->message_bytes_max);
}

void ws_deinit(struct ws *ws)
{
    if (ws->reader)
        ws_pool_give(ws->pool, ws->reader);
    ws->reader = NULL;
    buf_deinit(&ws->message);
}

const char *ws_error(const struct ws *ws)
{
    return faults[ws->fault].text;
}

/* --- headers --- */

static enum fault check_first_byte(const struct ws *ws, uint8_t byte)
{
    uint8_t opcode = byte & 0x0f;

    if (byte & 0x70)
        return FAULT_RSV;
    if ((opcode > WS_BINARY && opcode < WS_CLOSE) || opcode > WS_PONG)
        return FAULT_OPCODE;
    if (is_control(opcode))
        return byte & 0x80 ? FAULT_NONE : FAULT_CONTROL_FRAGMENTED;
    if (opcode == WS_CONTINUATION && ws->opcode == 0)
        return FAULT_NOT_BEGUN;
    if (opcode != WS_CONTINUATION && ws->opcode != 0)
        return FAULT_NOT_ENDED;
    if (ws->fragments >= ws->limits->fragments_max)
        return FAULT_FRAGMENTS;
    return FAULT_NONE;
}

static enum fault check_second_byte(const uint8_t header[2])
{
    if (!(header[1] & 0x80))
        return FAULT_UNMASKED;
    if (is_control(header[0]) && (header[1] & 0x7f) > WS_CONTROL_MAX)
        return FAULT_CONTROL_LONG;
    return FAULT_NONE;
}

/* The whole header is there: its length, checked. */
static enum fault check_length(const struct ws *ws, const uint8_t *header, uint64_t *ret_bytes)
{
    uint64_t length = header[1] & 0x7f;
    size_t extended = length == 127 ? 8 : length == 126 ? 2 : 0;

    if (extended > 0) {
        length = 0;
        for (size_t i = 0; i < extended; i++)
            length = length << 8 | header[2 + i];
        if (length < (extended == 2 ? 126 : 65536) || length >> 63)
            return FAULT_LENGTH;
    }
    if (!is_control(header[0]) && length > ws->message.max - ws->message.len)
        return FAULT_TOO_BIG;
    *ret_bytes = length;
    return FAULT_NONE;
}

static void header_take(struct ws_frame_reader *reader, struct slice *in, size_t need)
{
    size_t n = need - reader->header_bytes;

    if (n > in->len)
        n = in->len;
    memcpy(reader->header + reader->header_bytes, in->data, n);
    reader->header_bytes += (uint8_t)n;
    *in = slice_from(*in, n);
}

static void frame_begin(struct ws *ws, uint64_t payload_bytes)
{
    struct ws_frame_reader *reader = ws->reader;
    uint8_t opcode = reader->header[0] & 0x0f;

    reader->payload_bytes = reader->unlent_bytes = reader->unread_bytes = payload_bytes;
    reader->header_lent = false;
    reader->control_bytes = 0;
    if (is_control(opcode))
        return;
    if (opcode != WS_CONTINUATION) {
        ws->opcode = opcode;
        ws->utf8 = (struct utf8){0};
    }
    ws->fragments++;
}

/* Takes the header as far as it has come, and fails at its first bad byte. *ret_whole: it is there,
 * now or since an earlier call. */
static enum fault take_header(struct ws *ws, struct slice *in, bool *ret_whole)
{
    struct ws_frame_reader *reader = ws->reader;
    uint64_t payload_bytes = 0;
    enum fault fault = FAULT_NONE;

    *ret_whole = reader->header_bytes >= 2 && reader->header_bytes == reader->header_need;
    if (*ret_whole || in->len == 0)
        return FAULT_NONE;
    if (reader->header_bytes < 2) {
        header_take(reader, in, 2);
        fault = check_first_byte(ws, reader->header[0]);
        if (fault || reader->header_bytes < 2)
            return fault;
        fault = check_second_byte(reader->header);
        if (fault)
            return fault;
        uint8_t length = reader->header[1] & 0x7f;
        reader->header_need = 2 + (length == 127 ? 8 : length == 126 ? 2 : 0) + 4;
    }
    if (in->len > 0)
        header_take(reader, in, reader->header_need);
    if (reader->header_bytes < reader->header_need)
        return FAULT_NONE;
    fault = check_length(ws, reader->header, &payload_bytes);
    if (!fault)
        frame_begin(ws, payload_bytes);
    *ret_whole = true;
    return fault;
}

/* --- payloads --- */

/* Close codes that may stand on the wire: RFC 6455 section 7.4 and IANA's registry. */
static bool close_code_valid(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static enum fault read_close(struct slice payload, struct ws_event *event)
{
    event->code = WS_CODE_NONE;
    event->payload = slice_make(payload.data, 0);
    if (payload.len == 0)
        return FAULT_NONE;
    if (payload.len == 1)
        return FAULT_CLOSE_SHORT;
    event->code = (uint16_t)(payload.data[0] << 8 | payload.data[1]);
    event->payload = slice_from(payload, 2);
    if (!close_code_valid(event->code))
        return FAULT_CLOSE_CODE;
    return utf8_valid(event->payload) ? FAULT_NONE : FAULT_CLOSE_UTF8;
}

/* A piece of a control frame. Sets event->opcode when the frame is whole. */
static enum fault take_control(struct ws_frame_reader *reader, struct slice piece,
                               struct ws_event *event)
{
    if (piece.len < reader->payload_bytes) {
        CHECK(piece.len <= sizeof(reader->control) - reader->control_bytes);
        memcpy(reader->control + reader->control_bytes, piece.data, piece.len);
        reader->control_bytes += (uint8_t)piece.len;
        piece = slice_make(reader->control, reader->control_bytes);
    }
    if (reader->unread_bytes > 0)
        return FAULT_NONE;
    *event = (struct ws_event){.opcode = reader->header[0] & 0x0f, .payload = piece};
    return event->opcode == WS_CLOSE ? read_close(piece, event) : FAULT_NONE;
}

static enum fault gather(struct ws *ws, struct slice piece)
{
    if (piece.len == 0)
        return FAULT_NONE;
    switch (buf_append(&ws->message, piece.data, piece.len)) {
    case 0:
        return FAULT_NONE;
    case -ENOBUFS:
        return FAULT_TOO_BIG;
    default:
        return FAULT_NOMEM;
    }
}

/* A piece of a data frame. Sets event->opcode when the message is whole. */
static enum fault take_data(struct ws *ws, struct slice piece, struct ws_event *event)
{
    bool last = ws->reader->unread_bytes == 0 && (ws->reader->header[0] & 0x80);

    if (ws->opcode == WS_TEXT &&
        (!utf8_feed(&ws->utf8, piece) || (last && !utf8_complete(&ws->utf8))))
        return FAULT_UTF8;
    if (!last || ws->message.len > 0) {
        enum fault fault = gather(ws, piece);

        if (fault || !last)
            return fault;
        piece = buf_slice(&ws->message);
    }
    *event = (struct ws_event){.opcode = ws->opcode, .payload = piece};
    ws->opcode = 0;
    ws->fragments = 0;
    return FAULT_NONE;
}

/* Lets wslay read on in the frame under way. *ret_more: it wants more input first. */
static enum fault read_frame(struct ws *ws, struct slice *in, struct ws_event *event,
                             bool *ret_more)
{
    struct ws_frame_reader *reader = ws->reader;
    struct wslay_frame_iocb frame;

    ws_reader_wipe(reader);
    reader->in = in;
    ssize_t n = wslay_frame_recv(reader->context, &frame);
    reader->in = NULL;
    *ret_more = n == WSLAY_ERR_WANT_READ;
    if (*ret_more)
        return FAULT_NONE;
    if (n < 0)
        return FAULT_FRAME;
    CHECK((uint64_t)n <= reader->unread_bytes && (size_t)n == frame.data_length);
    DCHECK(frame.payload_length == reader->payload_bytes && frame.mask == 1 && frame.rsv == 0);
    DCHECK(frame.opcode == (reader->header[0] & 0x0f) && frame.fin == reader->header[0] >> 7);

    reader->unread_bytes -= (uint64_t)n;
    struct slice piece = slice_make(frame.data, frame.data_length);
    reader->piece = piece;
    enum fault fault =
        is_control(frame.opcode) ? take_control(reader, piece, event) : take_data(ws, piece, event);
    if (reader->unread_bytes == 0) {
        CHECK(reader->unlent_bytes == 0); /* wslay holds none of it: ready for any parser */
        reader->header_bytes = 0;
    }
    return fault;
}

static enum ws_result fail(struct ws *ws, enum fault fault)
{
    ws->fault = (uint8_t)fault;
    ws->code = faults[fault].code;
    buf_release(&ws->message);
    return fault == FAULT_NOMEM ? WS_NOMEM : WS_FAILED;
}

/* Between two frames with no input: gives the reader back. With input: borrows one. */
static enum fault borrow(struct ws *ws, bool input)
{
    if (!input && ws->reader) {
        ws_pool_give(ws->pool, ws->reader);
        ws->reader = NULL;
    }
    if (input && !ws->reader)
        ws->reader = ws_pool_take(ws->pool);
    return input && !ws->reader ? FAULT_NOMEM : FAULT_NONE;
}

enum ws_result ws_next(struct ws *ws, struct slice *in, struct ws_event *ret_event)
{
    struct ws_event event = {0};
    enum fault fault = FAULT_NONE;

    if (ws->fault)
        return ws->fault == FAULT_NOMEM ? WS_NOMEM : WS_FAILED;
    if (ws->opcode == 0 && ws->message.cap > 0)
        buf_release(&ws->message); /* the event of the last call */
    for (;;) {
        bool whole = false, more = false;

        if (!ws->reader || ws->reader->header_bytes == 0) {
            fault = borrow(ws, in->len > 0);
            if (fault || in->len == 0)
                break;
        }
        fault = take_header(ws, in, &whole);
        if (fault || !whole)
            break;
        fault = read_frame(ws, in, &event, &more);
        if (fault || more)
            break;
        if (event.opcode != 0) {
            *ret_event = event;
            return WS_EVENT;
        }
    }
    return fault ? fail(ws, fault) : WS_MORE;
}
