#include "ringroom/terminal/screen.h"
#include "ringroom/terminal/text.h"

enum { COLUMNS_MIN = 8, PROMPT_COLUMNS_MAX = 24 };

/* Rows that so many columns take on a terminal of this width. */
static unsigned rows(const struct screen *screen, unsigned columns)
{
    return columns ? (columns - 1) / screen->columns + 1 : 0;
}

int screen_clear(struct screen *screen, struct buf *out)
{
    unsigned above = rows(screen, screen->status_columns) + screen->cursor_column / screen->columns;

    if (!screen->drawn)
        return 0;
    screen->drawn = false;
    int error = buf_append_str(out, "\r");
    if (!error && above)
        error = buf_printf(out, "\x1b[%uA", above);
    return error ? error : buf_append_str(out, "\x1b[J");
}

/* Where to begin to show the line so that the cursor is within `room` columns. */
static size_t window(const struct line *line, unsigned room)
{
    struct slice before = slice_make(line->text.data, line->cursor);
    unsigned columns = text_columns(before);

    while (columns > room)
        columns -= text_width(text_safe(text_take(&before)));
    return line->cursor - before.len;
}

/* As much of the line from `start` on as fits. */
static int put_window(struct buf *out, const struct line *line, size_t start, unsigned room,
                      unsigned *ret_columns)
{
    struct slice text = slice_from(buf_slice(&line->text), start);
    unsigned columns = 0;
    int error = 0;

    while (text.len && !error) {
        char bytes[TEXT_CHARACTER_MAX];
        uint32_t character = text_safe(text_take(&text));
        unsigned width = text_width(character);
        if (columns + width > room)
            break;
        columns += width;
        error = buf_append(out, bytes, text_encode(bytes, character));
    }
    *ret_columns = columns;
    return error;
}

static int put_status(struct screen *screen, struct slice status, struct buf *out)
{
    size_t start;
    int error;

    screen->status_columns = 0;
    if (status.len == 0)
        return 0;
    error = buf_append_str(out, screen->colour ? "\x1b[2m" : "");
    start = out->len;
    if (!error)
        error = text_put(out, status, screen->columns - 1);
    screen->status_columns = text_columns(slice_from(buf_slice(out), start));
    return error ? error : buf_append_str(out, screen->colour ? "\x1b[0m\n" : "\n");
}

int screen_draw(struct screen *screen, struct slice prompt, const struct line *line,
                struct slice status, struct buf *out)
{
    unsigned prompt_columns, shown = 0;
    int error = put_status(screen, status, out);
    size_t prompt_at = out->len;

    if (!error)
        error = text_put(out, prompt,
                         PROMPT_COLUMNS_MAX < screen->columns / 2 ? PROMPT_COLUMNS_MAX
                                                                  : screen->columns / 2);
    if (!error)
        error = buf_append_str(out, "> ");
    if (error)
        return error;
    prompt_columns = text_columns(slice_from(buf_slice(out), prompt_at));
    unsigned room = screen->columns - 1 > prompt_columns ? screen->columns - 1 - prompt_columns : 1;
    size_t start = window(line, room);
    error = put_window(out, line, start, room, &shown);
    screen->drawn = true;
    screen->cursor_column =
        prompt_columns + text_columns(slice_make(line->text.data + start, line->cursor - start));
    return error ? error : buf_printf(out, "\r\x1b[%uC", screen->cursor_column);
}

void screen_resize(struct screen *screen, unsigned columns)
{
    screen->columns = columns < COLUMNS_MIN ? COLUMNS_MIN : columns;
}
