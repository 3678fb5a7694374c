#include "frame.h"

#include <string.h>

/* The longest frame that is believed; above it the stream is taken to be broken. */
static const uint64_t frame_bytes_max = 64u << 20;

static bool header_parse(const uint8_t *data, size_t count, size_t *ret_header,
                         uint64_t *ret_payload)
{
    size_t header = 2;
    uint64_t payload = data[1] & 0x7f;
    if (payload == 126) {
        header = 4;
        if (count < header)
            return false;
        payload = (uint64_t)data[2] << 8 | data[3];
    } else if (payload == 127) {
        header = 10;
        if (count < header)
            return false;
        payload = 0;
        for (int i = 2; i < 10; i++)
            payload = payload << 8 | data[i];
    }
    *ret_header = header;
    *ret_payload = payload;
    return true;
}

bool frame_parse(const uint8_t *data, size_t count, struct frame *ret_frame, bool *ret_broken)
{
    size_t header;
    uint64_t payload;
    if (count < 2)
        return false;
    bool final = data[0] & 0x80, control = data[0] & 0x08;
    if (data[0] & 0x70 || data[1] & 0x80 || (control && !final)) {
        *ret_broken = true;
        return false;
    }
    if (!header_parse(data, count, &header, &payload))
        return false;
    if (payload > frame_bytes_max) {
        *ret_broken = true;
        return false;
    }
    if (count - header < payload)
        return false;
    *ret_frame = (struct frame){.opcode = data[0] & 0x0f,
                                .final = final,
                                .payload = (const char *)data + header,
                                .payload_bytes = (size_t)payload,
                                .frame_bytes = header + (size_t)payload};
    return true;
}

static uint32_t next_mask(void)
{
    static uint32_t state = 0x9e3779b9; /* any key will do: nothing here defends a proxy */
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static void mask_copy(uint8_t *to, const uint8_t *from, size_t count, const uint8_t key[4])
{
    uint64_t wide;
    uint64_t word;
    size_t i = 0;
    memcpy(&wide, key, 4);
    memcpy((uint8_t *)&wide + 4, key, 4);
    for (; i + 8 <= count; i += 8) {
        memcpy(&word, from + i, 8);
        word ^= wide;
        memcpy(to + i, &word, 8);
    }
    for (; i < count; i++)
        to[i] = from[i] ^ key[i & 3];
}

void frame_append(struct bytes *out, enum frame_opcode opcode, const void *payload, size_t count)
{
    uint8_t *start = bytes_reserve(out, count + 14);
    uint8_t *p = start;
    uint32_t key = next_mask();
    *p++ = (uint8_t)(0x80 | opcode);
    if (count < 126) {
        *p++ = (uint8_t)(0x80 | count);
    } else if (count < 65536) {
        *p++ = 0x80 | 126;
        *p++ = (uint8_t)(count >> 8);
        *p++ = (uint8_t)count;
    } else {
        *p++ = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            *p++ = (uint8_t)((uint64_t)count >> shift);
    }
    memcpy(p, &key, 4);
    mask_copy(p + 4, payload, count, p);
    out->count += (size_t)(p + 4 - start) + count;
}
