#include "ringroom/base/utf8.h"

/* How many bytes at the front are ASCII, in steps of eight. */
static size_t ascii_run(const uint8_t *data, size_t len)
{
    size_t i = 0;

    for (uint64_t word; len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, data + i, sizeof(word));
        if (word & 0x8080808080808080u)
            break;
    }
    return i;
}

/* Takes the first byte of a character. The narrowed ranges of its second byte keep out overlong
 * forms (E0, F0), surrogates (ED) and what lies past U+10FFFF (F4): RFC 3629, section 4. */
static bool feed_first(struct utf8 *utf8, uint8_t byte)
{
    utf8->low = 0x80;
    utf8->high = 0xbf;
    if (byte < 0x80)
        return true;
    if (byte < 0xc2 || byte > 0xf4)
        return false;
    utf8->needed = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    switch (byte) {
    case 0xe0:
        utf8->low = 0xa0;
        break;
    case 0xed:
        utf8->high = 0x9f;
        break;
    case 0xf0:
        utf8->low = 0x90;
        break;
    case 0xf4:
        utf8->high = 0x8f;
        break;
    }
    return true;
}

static bool feed_next(struct utf8 *utf8, uint8_t byte)
{
    if (byte < utf8->low || byte > utf8->high)
        return false;
    utf8->low = 0x80;
    utf8->high = 0xbf;
    utf8->needed--;
    return true;
}

bool utf8_feed(struct utf8 *utf8, struct slice piece)
{
    size_t i = 0;

    while (i < piece.len) {
        if (utf8->needed == 0) {
            i += ascii_run(piece.data + i, piece.len - i);
            if (i == piece.len)
                break;
        }
        uint8_t byte = piece.data[i++];
        if (!(utf8->needed ? feed_next(utf8, byte) : feed_first(utf8, byte)))
            return false;
    }
    return true;
}

bool utf8_valid(struct slice text)
{
    struct utf8 utf8 = {0};

    return utf8_feed(&utf8, text) && utf8_complete(&utf8);
}

bool utf8_printable(struct slice text)
{
    if (!utf8_valid(text))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte < 0x20 || byte == 0x7f)
            return false;
        /* U+0080 to U+009F are C2 80 to C2 9F; valid text has a byte after C2. */
        if (byte == 0xc2 && text.data[i + 1] < 0xa0)
            return false;
    }
    return true;
}
