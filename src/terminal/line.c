#include "ringroom/terminal/line.h"
#include "ringroom/base/mem.h"
#include "ringroom/terminal/text.h"

enum {
    CTRL_A = 1,
    CTRL_B = 2,
    CTRL_D = 4,
    CTRL_E = 5,
    CTRL_F = 6,
    BACKSPACE = 8,
    CTRL_K = 11,
    CTRL_L = 12,
    CTRL_U = 21,
    CTRL_W = 23,
    ESCAPE = 27,
    DELETE = 127
};

void line_init(struct line *line)
{
    *line = (struct line){0};
    buf_init(&line->text, LINE_BYTES_MAX);
}

void line_deinit(struct line *line)
{
    buf_deinit(&line->text);
}

void line_clear(struct line *line)
{
    mem_wipe(line->text.data, line->text.len);
    line->text.len = 0;
    line->cursor = 0;
}

/* The character that begins at `at`, and where the next one does. */
static uint32_t character_at(const struct line *line, size_t at, size_t *ret_end)
{
    struct slice rest = slice_from(buf_slice(&line->text), at);
    uint32_t character = text_take(&rest);

    *ret_end = line->text.len - rest.len;
    return character;
}

/* Where what is shown as one begins in front of `at` > 0: a character with the marks on it. */
static size_t before(const struct line *line, size_t at)
{
    size_t end;

    do {
        do
            at--;
        while (at > 0 && (line->text.data[at] & 0xc0) == 0x80);
    } while (at > 0 && text_width(character_at(line, at, &end)) == 0);
    return at;
}

static size_t behind(const struct line *line, size_t at)
{
    size_t next;

    character_at(line, at, &at);
    while (at < line->text.len && text_width(character_at(line, at, &next)) == 0)
        at = next;
    return at;
}

static size_t word_before(const struct line *line, size_t at)
{
    const uint8_t *data = line->text.data;

    while (at > 0 && data[at - 1] == ' ')
        at--;
    while (at > 0 && data[at - 1] != ' ')
        at--;
    return at;
}

static enum line_event cut(struct line *line, size_t from, size_t to)
{
    struct buf *text = &line->text;

    if (from == to)
        return LINE_NOTHING;
    memmove(text->data + from, text->data + to, text->len - to);
    mem_wipe(text->data + text->len - (to - from), to - from);
    text->len -= to - from;
    line->cursor = from;
    return LINE_EDITED;
}

static enum line_event move_to(struct line *line, size_t at)
{
    if (at == line->cursor)
        return LINE_NOTHING;
    line->cursor = at;
    return LINE_EDITED;
}

static enum line_event left(struct line *line)
{
    return move_to(line, line->cursor > 0 ? before(line, line->cursor) : 0);
}

static enum line_event right(struct line *line)
{
    return move_to(line, line->cursor < line->text.len ? behind(line, line->cursor) : line->cursor);
}

static enum line_event delete (struct line *line) {
    return line->cursor < line->text.len ? cut(line, line->cursor, behind(line, line->cursor))
                                         : LINE_NOTHING;
}

static enum line_event insert(struct line *line, const char *bytes, size_t len)
{
    struct buf *text = &line->text;

    if (buf_reserve(text, len) < 0)
        return LINE_NOTHING;
    memmove(text->data + line->cursor + len, text->data + line->cursor, text->len - line->cursor);
    memcpy(text->data + line->cursor, bytes, len);
    text->len += len;
    line->cursor += len;
    return LINE_EDITED;
}

/* A byte of text. Broken UTF-8 is dropped, up to where a character can begin again. */
static enum line_event type(struct line *line, uint8_t byte)
{
    if (!utf8_feed(&line->utf8, slice_make(&byte, 1))) {
        bool cut_short = line->character_bytes > 0;
        line->utf8 = (struct utf8){0};
        line->character_bytes = 0;
        return cut_short ? line_key(line, byte) : LINE_NOTHING;
    }
    line->character[line->character_bytes++] = (char)byte;
    if (!utf8_complete(&line->utf8))
        return LINE_NOTHING;
    size_t len = line->character_bytes;
    line->character_bytes = 0;
    if (!utf8_printable(slice_make(line->character, len)))
        return LINE_NOTHING;
    return insert(line, line->character, len);
}

static enum line_event control(struct line *line, uint8_t byte)
{
    switch (byte) {
    case '\r':
    case '\n':
        return LINE_DONE;
    case '\t':
        return insert(line, " ", 1);
    case CTRL_D:
        return line->text.len == 0 ? LINE_END : delete (line);
    case BACKSPACE:
    case DELETE:
        return line->cursor > 0 ? cut(line, before(line, line->cursor), line->cursor)
                                : LINE_NOTHING;
    case CTRL_A:
        return move_to(line, 0);
    case CTRL_E:
        return move_to(line, line->text.len);
    case CTRL_B:
        return left(line);
    case CTRL_F:
        return right(line);
    case CTRL_K:
        return cut(line, line->cursor, line->text.len);
    case CTRL_L:
        return LINE_REDRAW;
    case CTRL_U:
        return cut(line, 0, line->cursor);
    case CTRL_W:
        return cut(line, word_before(line, line->cursor), line->cursor);
    case ESCAPE:
        line->state = LINE_ESCAPE;
        return LINE_NOTHING;
    default:
        return LINE_NOTHING;
    }
}

/* The last byte of ESC [ … or ESC O …. Those that no key of ours has do nothing. */
static enum line_event sequence(struct line *line, uint8_t byte)
{
    struct slice parameters = slice_make(line->parameters, line->parameters_len);

    line->state = LINE_PLAIN;
    switch (byte) {
    case 'C':
        return right(line);
    case 'D':
        return left(line);
    case 'H':
        return move_to(line, 0);
    case 'F':
        return move_to(line, line->text.len);
    case '~':
        if (slice_is(parameters, "3"))
            return delete (line);
        if (slice_is(parameters, "1") || slice_is(parameters, "7"))
            return move_to(line, 0);
        if (slice_is(parameters, "4") || slice_is(parameters, "8"))
            return move_to(line, line->text.len);
        return LINE_NOTHING;
    default:
        return LINE_NOTHING;
    }
}

static enum line_event escape(struct line *line, uint8_t byte)
{
    if (line->state == LINE_ESCAPE) {
        line->parameters_len = 0;
        line->state = byte == '[' ? LINE_CSI : byte == 'O' ? LINE_SS3 : LINE_PLAIN;
        return LINE_NOTHING; /* another byte is a key with Alt: none of ours */
    }
    if (byte >= 0x40 && byte <= 0x7e)
        return sequence(line, byte);
    if (byte < 0x20 || byte > 0x7e) { /* no sequence has it */
        line->state = LINE_PLAIN;
        return line_key(line, byte);
    }
    if (line->parameters_len < LINE_SEQUENCE_MAX)
        line->parameters[line->parameters_len++] = (char)byte;
    return LINE_NOTHING;
}

enum line_event line_key(struct line *line, uint8_t byte)
{
    if (line->state != LINE_PLAIN)
        return escape(line, byte);
    if (line->character_bytes == 0 && (byte < 0x20 || byte == DELETE))
        return control(line, byte);
    return type(line, byte);
}
