/* What a server sends beside messages' bytes: frame headers and close frames. */
#include "ringroom/wire/ws.h"

size_t ws_header(uint8_t dst[WS_HEADER_MAX], enum ws_opcode opcode, uint64_t payload_bytes)
{
    size_t extended = payload_bytes > UINT16_MAX ? 8 : payload_bytes > WS_CONTROL_MAX ? 2 : 0;

    dst[0] = (uint8_t)(0x80 | opcode);
    dst[1] = (uint8_t)(extended == 8 ? 127 : extended == 2 ? 126 : payload_bytes);
    for (size_t i = 0; i < extended; i++)
        dst[2 + i] = (uint8_t)(payload_bytes >> 8 * (extended - 1 - i));
    return 2 + extended;
}

size_t ws_fragment_header(uint8_t dst[WS_HEADER_MAX], enum ws_opcode opcode, uint64_t payload_bytes,
                          bool last)
{
    size_t bytes = ws_header(dst, opcode, payload_bytes);

    if (!last)
        dst[0] &= 0x7f;
    return bytes;
}

struct slice ws_frame_payload(struct slice frame)
{
    uint8_t mark = frame.data[1];

    return slice_from(frame, mark < 126 ? 2 : mark == 126 ? 4 : 10);
}

size_t ws_close_frame(uint8_t dst[2 + WS_CONTROL_MAX], uint16_t code, const char *reason)
{
    uint8_t *payload = dst + 2;
    size_t len = reason ? strlen(reason) : 0;

    if (code == 0)
        return ws_header(dst, WS_CLOSE, 0);
    if (len > WS_CONTROL_MAX - 2) {
        len = WS_CONTROL_MAX - 2;
        while (len > 0 && ((uint8_t)reason[len] & 0xc0) == 0x80)
            len--;
    }
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    if (len > 0)
        memcpy(payload + 2, reason, len);
    return ws_header(dst, WS_CLOSE, 2 + len) + 2 + len;
}
