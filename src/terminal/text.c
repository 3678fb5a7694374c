#include "ringroom/terminal/text.h"
#include "ringroom/base/utf8.h"
#include <errno.h>
#include <wchar.h>

enum {
    PICTURES = 0x2400, /* of the controls from U+0000 on */
    PICTURE_DELETE = 0x2421,
    ELLIPSIS = 0x2026
};

uint32_t text_take(struct slice *text)
{
    const uint8_t *data = text->data;
    size_t len = data[0] < 0x80 ? 1 : data[0] < 0xe0 ? 2 : data[0] < 0xf0 ? 3 : 4;
    uint32_t character = data[0] & (0xff >> (len == 1 ? 0 : len + 1));

    if (len > text->len || (len > 1 && !utf8_valid(slice_make(data, len)))) {
        *text = slice_from(*text, 1);
        return TEXT_REPLACEMENT;
    }
    for (size_t i = 1; i < len; i++)
        character = character << 6 | (data[i] & 0x3f);
    *text = slice_from(*text, len);
    return len == 1 && data[0] >= 0x80 ? TEXT_REPLACEMENT : character;
}

size_t text_encode(char dst[TEXT_CHARACTER_MAX], uint32_t c)
{
    if (c < 0x80) {
        dst[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        dst[i] = (char)(0x80 | (c & 0x3f));
    dst[0] = (char)(0xf00 >> len | c);
    return len;
}

/* Marks that turn or isolate the direction of writing, and separators that some take for line ends.
 */
static bool misleads(uint32_t c)
{
    return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || (c >= 0xfff9 && c <= 0xfffb) || c == 0xfeff;
}

uint32_t text_safe(uint32_t c)
{
    if (c < 0x20)
        return PICTURES + c;
    if (c == 0x7f)
        return PICTURE_DELETE;
    if ((c >= 0x80 && c <= 0x9f) || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff || misleads(c))
        return TEXT_REPLACEMENT;
    return c;
}

unsigned text_width(uint32_t character)
{
    int width = wcwidth((wchar_t)character);

    return width < 0 ? 1 : (unsigned)width;
}

unsigned text_columns(struct slice text)
{
    unsigned columns = 0;

    while (text.len)
        columns += text_width(text_safe(text_take(&text)));
    return columns;
}

static int put_character(struct buf *out, uint32_t character)
{
    char bytes[TEXT_CHARACTER_MAX];

    return buf_append(out, bytes, text_encode(bytes, character));
}

int text_put(struct buf *out, struct slice text, unsigned columns_max)
{
    unsigned columns = 0, marks = 0;
    int error = 0;

    while (text.len && !error) {
        uint32_t character = text_safe(text_take(&text));
        unsigned width = text_width(character);
        marks = width ? 0 : marks + 1;
        if (marks > TEXT_MARKS_MAX)
            continue;
        columns += width;
        /* The last column is kept for the ellipsis, unless the text just fits. */
        if (columns_max && (columns > columns_max || (columns == columns_max && text.len)))
            return put_character(out, ELLIPSIS);
        error = put_character(out, character);
    }
    return error;
}

int text_put_json(struct buf *out, struct slice json)
{
    int error = 0;

    while (json.len && !error) {
        uint32_t character = text_take(&json);
        if (character < 0x20) /* between two values: in a string it would be escaped */
            error = buf_append(out, " ", 1);
        else if (text_safe(character) != character)
            error = buf_printf(out, "\\u%04x", character);
        else
            error = put_character(out, character);
    }
    return error;
}
