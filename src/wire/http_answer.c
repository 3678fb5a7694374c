/* Answers. A function that fails leaves the buffer as it found it. */
#include "ringroom/wire/http.h"

#include "ringroom/base/check.h"
#include "ringroom/base/encode.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define DATE_MARK "\r\nDate: "
#define VERSION   "HTTP/1.1 "

static int append(struct buf *out, const char *text, int error)
{
    return error ? error : buf_append(out, text, strlen(text));
}

static int append_date(struct buf *out, uint64_t wall_ms)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    return buf_printf(out, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
                      months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

int http_answer_begin(struct buf *out, unsigned status, uint64_t wall_ms)
{
    size_t before = out->len;
    int error = buf_printf(out, VERSION "%03u %s" DATE_MARK, status, http_reason(status));

    if (!error)
        error = append_date(out, wall_ms);
    error = append(out, "\r\nServer: ringroom\r\n", error);
    if (error)
        out->len = before;
    return error;
}

int http_answer_header(struct buf *out, const char *name, const char *value)
{
    size_t before = out->len;

    if (strpbrk(value, "\r\n") || strpbrk(name, "\r\n: "))
        return -EINVAL; /* it would end the header and begin another */
    int error = append(out, name, 0);
    error = append(out, ": ", error);
    error = append(out, value, error);
    error = append(out, "\r\n", error);
    if (error)
        out->len = before;
    return error;
}

/* The status of the answer begun last, read back from its status line. No header can hold the line
 * break of DATE_MARK, so its last place is that of http_answer_begin(). */
static unsigned status_begun(const struct buf *out)
{
    const size_t mark = strlen(DATE_MARK), version = strlen(VERSION);
    size_t at = out->len;

    while (at > 0 && (out->len - at < mark || memcmp(out->data + at, DATE_MARK, mark) != 0))
        at--;
    while (at > 0 && (out->len - at < version || memcmp(out->data + at, VERSION, version) != 0))
        at--;
    if (out->len - at < version + 3)
        return 0;
    const uint8_t *digits = out->data + at + version;
    return (unsigned)((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0'));
}

int http_answer_end(struct buf *out, struct slice body, bool keep_alive, bool head_only)
{
    unsigned status = status_begun(out);
    bool interim = status >= 100 && status < 200;
    bool bodiless = interim || status == 204 || status == 304;
    size_t before = out->len;
    int error = 0;

    if (!bodiless)
        error = buf_printf(out, "Content-Length: %zu\r\n", body.len);
    if (!interim) /* 101's Connection header is its sender's */
        error =
            append(out, keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n", error);
    error = append(out, "\r\n", error);
    if (!error && !bodiless && !head_only && body.len > 0)
        error = buf_append(out, body.data, body.len);
    if (error)
        out->len = before;
    return error;
}

int http_answer_error(struct buf *out, unsigned status, const char *code, const char *message,
                      const char *extra, bool keep_alive, bool head_only, uint64_t wall_ms)
{
    char json[512];
    size_t before = out->len;

    DCHECK(!strpbrk(message, "\"\\"));
    /* The newline is for people who look with curl. */
    int len = snprintf(json, sizeof(json), "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}\n",
                       code, message);

    if (len < 0 || (size_t)len >= sizeof(json))
        return -ENOBUFS;
    int error = http_answer_begin(out, status, wall_ms);
    error = append(out, "Content-Type: application/json\r\n", error);
    error = append(out, extra ? extra : "", error);
    if (!error)
        error = http_answer_end(out, slice_make(json, (size_t)len), keep_alive, head_only);
    if (error)
        out->len = before;
    return error;
}
