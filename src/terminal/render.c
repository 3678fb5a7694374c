#include "ringroom/terminal/render.h"
#include "ringroom/base/check.h"
#include "ringroom/base/hash.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum {
    NOTICE_BYTES = 2048,
    INDENT = 6,  /* columns, as the time takes */
    NARROW = 24, /* columns: in less, wrapping would leave nothing readable */
    TIME_BYTES = 6
};

/* A byte of JSON that is not safe is written as six. */
#define SAFE_JSON_BYTES(n) (6 * (n))

enum style { STYLE_NONE = 0, STYLE_FAINT = 2 };

/* Colours that are legible on light and on dark grounds. */
static const uint8_t colours[] = {31, 32, 33, 34, 35, 36, 91, 92, 94, 95, 96};

/* Lines under way. After the first failure the rest does nothing. */
struct pen {
    const struct render *render;
    struct buf *out;
    size_t start;    /* out->len before the first piece */
    unsigned column; /* of the terminal */
    int error;
};

static struct pen pen_of(const struct render *render, struct buf *out)
{
    return (struct pen){.render = render, .out = out, .start = out->len};
}

/* Ends the line. The first error, with nothing of it left in out; or 0. */
static int finish(struct pen *pen)
{
    if (!pen->error)
        pen->error = buf_append_str(pen->out, "\n");
    if (pen->error)
        pen->out->len = pen->start;
    return pen->error;
}

static void style(struct pen *pen, unsigned code)
{
    if (pen->render->colour && !pen->error)
        pen->error = buf_printf(pen->out, "\x1b[%um", code);
}

/* Safe text that needs no wrapping. */
static void put(struct pen *pen, const char *text)
{
    if (!pen->error)
        pen->error = buf_append_str(pen->out, text);
    pen->column += text_columns(slice_of(text));
}

static void put_character(struct pen *pen, uint32_t character)
{
    char bytes[TEXT_CHARACTER_MAX];

    if (!pen->error)
        pen->error = buf_append(pen->out, bytes, text_encode(bytes, character));
    pen->column += text_width(character);
}

/* Anyone's text on a terminal: wrapped here rather than by the terminal, so that every row but the
 * first is indented. */
static void put_wrapped(struct pen *pen, struct slice text)
{
    unsigned columns = pen->render->columns;

    while (text.len && !pen->error) {
        uint32_t character = text_take(&text);
        bool ends = character == '\n';
        character = character == '\t' ? ' ' : text_safe(character);
        if (ends || (columns >= NARROW && pen->column + text_width(character) > columns)) {
            pen->error = buf_printf(pen->out, "\n%*s", INDENT, "");
            pen->column = INDENT;
        }
        if (!ends)
            put_character(pen, character);
    }
}

static void put_text(struct pen *pen, struct slice text)
{
    if (pen->error)
        return;
    if (pen->render->columns)
        put_wrapped(pen, text);
    else
        pen->error = text_put(pen->out, text, 0);
}

static void put_data(struct pen *pen, struct slice data)
{
    struct buf line;

    buf_init(&line, SAFE_JSON_BYTES(data.len));
    int error = text_put_json(&line, data);
    if (!pen->error)
        pen->error = error;
    style(pen, STYLE_FAINT);
    put_text(pen, buf_slice(&line));
    style(pen, STYLE_NONE);
    buf_deinit(&line);
}

const char *render_name(char dst[RENDER_NAME_BYTES + 1], struct slice name, struct slice uid)
{
    struct buf shown;

    buf_init(&shown, RENDER_NAME_BYTES);
    int error = text_put(&shown, name.len ? name : uid, RENDER_NAME_COLUMNS);
    snprintf(dst, RENDER_NAME_BYTES + 1, "%.*s", error ? 0 : (int)shown.len,
             (const char *)shown.data);
    buf_deinit(&shown);
    return dst;
}

/* The same name has the same colour, wherever and whenever. */
static unsigned colour_of(const char *name)
{
    static const struct hash_key key = {1, 2};

    return colours[hash_keyed(&key, slice_of(name)) % array_len(colours)];
}

static const char *format_time(char dst[TIME_BYTES], uint64_t ts_ms)
{
    time_t seconds = (time_t)(ts_ms / 1000);
    struct tm tm;

    if (!localtime_r(&seconds, &tm) || strftime(dst, TIME_BYTES, "%H:%M", &tm) == 0)
        snprintf(dst, TIME_BYTES, "--:--");
    return dst;
}

static int put_message(struct render *render, const struct event *event, struct buf *out)
{
    struct render_known *known = &render->known[event->seq % RENDER_KNOWN_MAX];
    struct pen pen = pen_of(render, out);
    char time[TIME_BYTES];

    known->seq = event->seq;
    known->ts_ms = event->ts_ms;
    known->deleted = false;
    render_name(known->name, event->name, event->uid);

    style(&pen, STYLE_FAINT);
    put(&pen, format_time(time, event->ts_ms));
    style(&pen, STYLE_NONE);
    put(&pen, " ");
    style(&pen, colour_of(known->name));
    put(&pen, known->name);
    style(&pen, STYLE_NONE);
    put(&pen, "  ");
    put_text(&pen, event->text);
    if (event->text.len && event->data.len)
        put(&pen, " ");
    if (event->data.len)
        put_data(&pen, event->data);
    return finish(&pen);
}

int render_notice(const struct render *render, struct buf *out, const char *format, ...)
{
    struct pen pen = pen_of(render, out);
    char text[NOTICE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    style(&pen, STYLE_FAINT);
    put(&pen, "-- ");
    put_text(&pen, slice_of(text));
    style(&pen, STYLE_NONE);
    return finish(&pen);
}

static int put_deleted(struct render *render, const struct event *event, struct buf *out)
{
    struct render_known *known = &render->known[event->seq % RENDER_KNOWN_MAX];
    char time[TIME_BYTES];

    if (known->seq == event->seq && known->deleted) /* it may be told twice */
        return 0;
    bool had = known->seq == event->seq;
    known->seq = event->seq;
    known->deleted = true;
    if (!had)
        return render_notice(render, out, "message %" PRIu64 " was deleted", event->seq);
    return render_notice(render, out, "the message of %s by %s was deleted",
                         format_time(time, known->ts_ms), known->name);
}

static int put_member(const struct render *render, const struct event *event, struct buf *out)
{
    char name[RENDER_NAME_BYTES + 1];

    if (!event->named)
        return render_notice(render, out, "%" PRIu64 " here", event->count);
    return render_notice(render, out, "%s %s (%" PRIu64 " here)",
                         render_name(name, event->name, event->uid), event->on ? "came" : "left",
                         event->count);
}

/* As many names as a notice holds. */
static int put_members(const struct render *render, const struct event *event, struct buf *out)
{
    char names[NOTICE_BYTES - 64] = "", name[RENDER_NAME_BYTES + 1];
    size_t index = 0, listed = 0, len = 0;
    struct slice member;

    for (; event_member(event, &index, &member); listed++) {
        size_t left = sizeof(names) - len;
        size_t bytes = (size_t)snprintf(names + len, left, "%s%s", listed ? ", " : ": ",
                                        render_name(name, member, slice_of("?")));
        if (bytes >= left) {
            names[len] = '\0';
            break;
        }
        len += bytes;
    }
    return render_notice(render, out, "%" PRIu64 " here%s%s", event->count, names,
                         listed < event->count ? ", …" : "");
}

static int put_gap(const struct render *render, const struct event *event, struct buf *out)
{
    if (event->from == event->to)
        return render_notice(render, out, "message %" PRIu64 " can no longer be had", event->from);
    return render_notice(render, out, "messages %" PRIu64 " to %" PRIu64 " can no longer be had",
                         event->from, event->to);
}

static int put_json(const struct render *render, struct slice raw, struct buf *out)
{
    struct pen pen = pen_of(render, out);

    pen.error = text_put_json(out, raw);
    return finish(&pen);
}

int render_event(struct render *render, const struct event *event, struct slice raw,
                 struct buf *out)
{
    if (render->json)
        return put_json(render, raw, out);
    switch (event->kind) {
    case EVENT_MESSAGE:
        return put_message(render, event, out);
    case EVENT_DELETED:
        return put_deleted(render, event, out);
    case EVENT_GAP:
        return put_gap(render, event, out);
    case EVENT_MEMBER:
        return put_member(render, event, out);
    case EVENT_MEMBERS:
        return put_members(render, event, out);
    case EVENT_EXPIRING:
        return render_notice(render, out, "the token is good for %" PRIu64 " s yet",
                             event->ms / 1000);
    case EVENT_RECONNECT:
        return render_notice(render, out, "the server is going away");
    default:
        return 0;
    }
}
