/* engineio.c - packets of Engine.IO 4, alone and in payloads. */
#include "ringroom/proto/engineio.h"

#include "ringroom/base/check.h"
#include "ringroom/base/encode.h"
#include "ringroom/base/utf8.h"
#include "ringroom/proto/json_text.h"

/* Before a binary packet's base64, where others have their type. */
#define BINARY_MARK 'b'

/* What is left of a payload behind its last packet. An empty slice alone would not tell: behind a
 * separator, or as a whole body, it is an empty packet, which is bad. */
static const uint8_t end_mark[1];

bool engineio_parse(struct slice text, struct engineio_packet *ret_packet)
{
    if (text.len == 0 || text.data[0] < ENGINEIO_OPEN || text.data[0] > ENGINEIO_NOOP)
        return false;
    *ret_packet = (struct engineio_packet){.type = (enum engineio_type)text.data[0],
                                           .data = slice_from(text, 1)};
    return true;
}

static struct slice cut_packet(struct slice *payload)
{
    struct slice packet = *payload;
    const uint8_t *separator =
        packet.len > 0 ? memchr(packet.data, ENGINEIO_SEPARATOR, packet.len) : NULL;

    if (!separator) {
        *payload = slice_make(end_mark, 0);
        return packet;
    }
    packet.len = (size_t)(separator - packet.data);
    *payload = slice_from(*payload, packet.len + 1);
    return packet;
}

static enum engineio_result decode_binary(struct slice text, struct buf *decoded,
                                          struct engineio_packet *ret_packet)
{
    decoded->len = 0;
    if (buf_reserve(decoded, DECODE_BASE64_BYTES(text.len)) < 0)
        return ENGINEIO_NOMEM;
    ssize_t len = decode_base64(decoded->data, text);
    if (len < 0)
        return ENGINEIO_BAD;
    decoded->len = (size_t)len;
    *ret_packet = (struct engineio_packet){
        .type = ENGINEIO_MESSAGE, .binary = true, .data = buf_slice(decoded)};
    return ENGINEIO_PACKET;
}

enum engineio_result engineio_next(struct slice *payload, struct buf *decoded,
                                   struct engineio_packet *ret_packet)
{
    if (payload->data == end_mark)
        return ENGINEIO_END;
    struct slice packet = cut_packet(payload);
    if (packet.len > 0 && packet.data[0] == BINARY_MARK)
        return decode_binary(slice_from(packet, 1), decoded, ret_packet);
    if (!utf8_valid(packet) || !engineio_parse(packet, ret_packet))
        return ENGINEIO_BAD;
    return ENGINEIO_PACKET;
}

/* Makes room for a packet of `bytes` and puts the separator before it. 0, -ENOBUFS, -ENOMEM. */
static int begin_packet(struct buf *payload, size_t bytes)
{
    bool first = payload->len == 0;
    int error = buf_reserve(payload, bytes + !first);

    if (!error && !first)
        payload->data[payload->len++] = ENGINEIO_SEPARATOR;
    return error;
}

int engineio_put(struct buf *payload, struct slice packet)
{
    DCHECK(packet.len > 0 && !memchr(packet.data, ENGINEIO_SEPARATOR, packet.len));
    int error = begin_packet(payload, packet.len);
    return error ? error : buf_append(payload, packet.data, packet.len);
}

int engineio_put_binary(struct buf *payload, struct slice data)
{
    int error = begin_packet(payload, 1 + ENCODE_BASE64_BYTES(data.len));

    if (error)
        return error;
    payload->data[payload->len++] = BINARY_MARK;
    payload->len += encode_base64((char *)payload->data + payload->len, data.data, data.len);
    return 0;
}

int engineio_open(struct buf *out, const struct engineio_open *open)
{
    size_t before = out->len;
    int error = buf_append_str(out, "0{\"sid\":");

    if (!error)
        error = json_put_string(out, open->sid);
    if (!error)
        error = buf_printf(out,
                           ",\"upgrades\":[%s],\"pingInterval\":%u,\"pingTimeout\":%u,"
                           "\"maxPayload\":%u}",
                           open->upgrades ? "\"websocket\"" : "", open->ping_interval_ms,
                           open->ping_timeout_ms, open->max_payload);
    if (error)
        out->len = before;
    return error;
}
