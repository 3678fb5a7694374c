#include "ringroom/base/logger.h"

#include "ringroom/base/clock.h"
#include "ringroom/base/utf8.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    MESSAGE_MAX = 640, /* bytes; what is longer is cut */
    ESCAPE_MAX = 6,    /* one byte becomes at most \u00xx */
    FRAME_MAX = 96,    /* time stamp, level, keys, quotes, newline */
    LINE_MAX_BYTES = MESSAGE_MAX * ESCAPE_MAX + FRAME_MAX,
};
/* What one write(2) may be to a pipe without being torn by another's. */
static_assert(LINE_MAX_BYTES <= PIPE_BUF, "lines of several threads never mix");

/* Level and form may change at any time (relaxed: no memory goes with them); `journal` is written
 * before any thread starts. */
static struct {
    _Atomic(enum logger_level) level;
    _Atomic bool json;
    bool journal; /* standard error is systemd's journal, which stamps lines itself */
} logger = {.level = LOGGER_INFO};

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char level_priorities[] = {'3', '4', '6', '7'}; /* as in syslog(3) */

struct line {
    char bytes[LINE_MAX_BYTES];
    size_t len;
};

void logger_change(enum logger_level level, bool json)
{
    atomic_store_explicit(&logger.level, level, memory_order_relaxed);
    atomic_store_explicit(&logger.json, json, memory_order_relaxed);
}

void logger_init(enum logger_level level, bool json)
{
    logger_change(level, json);
    logger.journal = getenv("JOURNAL_STREAM") != NULL;
}

bool logger_enabled(enum logger_level level)
{
    return level <= atomic_load_explicit(&logger.level, memory_order_relaxed);
}

static void line_add(struct line *line, const char *data, size_t len)
{
    memcpy(line->bytes + line->len, data, len);
    line->len += len;
}

static void line_add_str(struct line *line, const char *text)
{
    line_add(line, text, strlen(text));
}

/* Unix time as 2026-11-24T07:49:28.123Z. */
static void line_add_time(struct line *line, uint64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[64];
    size_t n;

    gmtime_r(&seconds, &tm);
    n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(text + n, sizeof(text) - n, ".%03uZ", (unsigned)(wall_ms % 1000));
    line_add(line, text, n);
}

/* Bytes of the character at the front; 0 where that is no valid UTF-8. */
static size_t character_len(const char *text, size_t len)
{
    struct utf8 utf8 = {0};

    for (size_t n = 1; n <= len; n++) {
        if (!utf8_feed(&utf8, slice_make(text + n - 1, 1)))
            return 0;
        if (utf8_complete(&utf8))
            return n;
    }
    return 0;
}

/* One character of ASCII inside a JSON string. */
static void line_add_json_ascii(struct line *line, char c)
{
    char text[8];

    if (c == '"' || c == '\\') {
        line_add(line, (char[]){'\\', c}, 2);
    } else if ((unsigned char)c < 0x20 || c == 0x7f) {
        snprintf(text, sizeof(text), "\\u%04x", (unsigned)c);
        line_add(line, text, ESCAPE_MAX);
    } else {
        line_add(line, &c, 1);
    }
}

/* Bytes that are no UTF-8 become U+FFFD: a line is valid JSON whatever is logged. */
static void line_add_json(struct line *line, const char *text, size_t len)
{
    for (size_t i = 0, n; i < len; i += n ? n : 1) {
        n = character_len(text + i, len - i);
        if (n == 0)
            line_add_str(line, "\\ufffd");
        else if (n == 1)
            line_add_json_ascii(line, text[i]);
        else
            line_add(line, text + i, n);
    }
}

/* Control characters become spaces: one event stays one line, and cannot move the cursor. */
static void line_add_text(struct line *line, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool control = (unsigned char)text[i] < 0x20 || text[i] == 0x7f;
        line_add(line, control ? " " : &text[i], 1);
    }
}

static void line_make_json(struct line *line, enum logger_level level, const char *text, size_t len)
{
    line_add_str(line, "{\"ts\":\"");
    line_add_time(line, clock_wall_ms());
    line_add_str(line, "\",\"level\":\"");
    line_add_str(line, level_names[level]);
    line_add_str(line, "\",\"message\":\"");
    line_add_json(line, text, len);
    line_add_str(line, "\"}\n");
}

static void line_make_text(struct line *line, enum logger_level level, const char *text, size_t len)
{
    if (logger.journal)
        line_add(line, (char[]){'<', level_priorities[level], '>'}, 3);
    else
        line_add_time(line, clock_wall_ms());
    line_add_str(line, logger.journal ? "" : " ");
    line_add_str(line, level_names[level]);
    line_add_str(line, " ");
    line_add_text(line, text, len);
    line_add_str(line, "\n");
}

/* The length of a message that vsnprintf cut to MESSAGE_MAX, without half a character. */
static size_t cut_len(const char *text)
{
    size_t len = MESSAGE_MAX - 1;
    size_t start = len;

    while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xc0)
        start--;
    return start < len && character_len(text + start, len - start) == 0 ? start : len;
}

void logger_write(enum logger_level level, const char *format, ...)
{
    int saved_errno = errno;
    char text[MESSAGE_MAX];
    struct line line;
    va_list args;

    if (!logger_enabled(level))
        return;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n < 0)
        return;
    size_t len = (size_t)n < sizeof(text) ? (size_t)n : cut_len(text);

    line.len = 0;
    if (atomic_load_explicit(&logger.json, memory_order_relaxed))
        line_make_json(&line, level, text, len);
    else
        line_make_text(&line, level, text, len);
    /* A line that cannot be written has nowhere else to go. */
    while (write(STDERR_FILENO, line.bytes, line.len) < 0 && errno == EINTR)
        ;
    errno = saved_errno;
}
