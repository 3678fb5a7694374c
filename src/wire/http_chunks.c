#include "http_chunks.h"

#include "ringroom/base/check.h"

#include <errno.h>

enum {
    SIZE_FIRST, /* the first digit of a size */
    SIZE_MORE,  /* further digits */
    SIZE_EXT,   /* an extension, up to CR */
    SIZE_LF,    /* the LF of a size line */
    DATA,       /* `left` bytes */
    DATA_CR,    /* the line end after them */
    DATA_LF,
    TRAILER_LINE, /* the first byte of a trailer line, or the CR of the last line */
    TRAILER_MORE, /* the rest of a trailer line, up to CR */
    TRAILER_LF,
    LAST_LF,
    WHOLE
};

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(uint8_t c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static int size_digit(struct http_chunks *chunks, uint8_t c, const struct buf *body)
{
    int digit = hex_digit(c);

    if (digit < 0)
        return -EBADMSG;
    /* body->max - len never grows here, so the sum cannot overflow either. */
    if (chunks->left > (body->max - body->len) >> 4)
        return -ENOBUFS;
    chunks->left = chunks->left << 4 | (unsigned)digit;
    if (chunks->left > body->max - body->len)
        return -ENOBUFS;
    chunks->state = SIZE_MORE;
    return 0;
}

/* One byte of a size line. */
static int size_byte(struct http_chunks *chunks, uint8_t c, const struct buf *body)
{
    switch (chunks->state) {
    case SIZE_FIRST:
        return size_digit(chunks, c, body);
    case SIZE_MORE:
        if (c != '\r' && c != ';' && c != ' ' && c != '\t')
            return size_digit(chunks, c, body);
        chunks->state = c == '\r' ? SIZE_LF : SIZE_EXT;
        return 0;
    case SIZE_EXT:
        if (c == '\r')
            chunks->state = SIZE_LF;
        else if (!is_text(c))
            return -EBADMSG;
        return 0;
    default:
        if (c != '\n')
            return -EBADMSG;
        chunks->line_bytes = 0;
        chunks->state = chunks->left > 0 ? DATA : TRAILER_LINE;
        return 0;
    }
}

/* One byte after the data of a chunk, or of the trailers. */
static int tail_byte(struct http_chunks *chunks, uint8_t c)
{
    static const struct {
        uint8_t want, next;
    } ends[] = {[DATA_CR] = {'\r', DATA_LF},
                [DATA_LF] = {'\n', SIZE_FIRST},
                [TRAILER_LF] = {'\n', TRAILER_LINE},
                [LAST_LF] = {'\n', WHOLE}};

    switch (chunks->state) {
    case TRAILER_LINE:
        if (c != '\r' && (!is_text(c) || c == ' ' || c == '\t'))
            return -EBADMSG;
        chunks->state = c == '\r' ? LAST_LF : TRAILER_MORE;
        return 0;
    case TRAILER_MORE:
        if (c == '\r')
            chunks->state = TRAILER_LF;
        else if (!is_text(c))
            return -EBADMSG;
        return 0;
    default:
        if (c != ends[chunks->state].want)
            return -EBADMSG;
        if (chunks->state == DATA_LF)
            chunks->line_bytes = 0;
        chunks->state = ends[chunks->state].next;
        return 0;
    }
}

static int data_bytes(struct http_chunks *chunks, struct slice *in, struct buf *body)
{
    size_t n = in->len < chunks->left ? in->len : (size_t)chunks->left;
    int error = buf_append(body, in->data, n);

    if (error)
        return error;
    *in = slice_from(*in, n);
    chunks->left -= n;
    if (chunks->left == 0)
        chunks->state = DATA_CR;
    return 0;
}

int http_chunks_feed(struct http_chunks *chunks, struct slice *in, struct buf *body)
{
    while (in->len > 0 && chunks->state != WHOLE) {
        int error;

        if (chunks->state == DATA) {
            error = data_bytes(chunks, in, body);
        } else {
            uint8_t c = in->data[0];

            *in = slice_from(*in, 1);
            if (++chunks->line_bytes > HTTP_CHUNK_LINE_MAX)
                return -EBADMSG;
            error = chunks->state < DATA ? size_byte(chunks, c, body) : tail_byte(chunks, c);
        }
        if (error)
            return error;
    }
    return chunks->state == WHOLE;
}
