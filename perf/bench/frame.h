/* frame.h - WebSocket framing as a client needs it: masked out, unmasked in.
 *
 * No sockets, no allocation but in the caller's buffer. */
#pragma once

#include "bytes.h"

#include <stdbool.h>

enum frame_opcode {
    FRAME_CONTINUATION = 0,
    FRAME_TEXT = 1,
    FRAME_BINARY = 2,
    FRAME_CLOSE = 8,
    FRAME_PING = 9,
    FRAME_PONG = 10
};

struct frame {
    enum frame_opcode opcode;
    bool final; /* false: the message goes on in the next frame */
    const char *payload;
    size_t payload_bytes;
    size_t frame_bytes; /* header and payload */
};

/* True if data begins with a whole frame. One that no server may send (masked, compressed, a
 * control frame in pieces) sets *ret_broken. */
bool frame_parse(const uint8_t *data, size_t count, struct frame *ret_frame, bool *ret_broken);

/* Appends one masked frame. */
void frame_append(struct bytes *out, enum frame_opcode opcode, const void *payload, size_t count);
