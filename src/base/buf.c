#include "ringroom/base/buf.h"

#include "ringroom/base/check.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { BUF_FIRST_BYTES = 256 };

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_deinit(struct buf *buf)
{
    buf_release(buf);
}

/* Doubles, so that n appends copy O(n) bytes; never past max. `need` <= max. */
static size_t grown_cap(const struct buf *buf, size_t need)
{
    size_t cap = buf->cap < BUF_FIRST_BYTES / 2 ? BUF_FIRST_BYTES : buf->cap * 2;

    if (cap < need)
        cap = need;
    return cap < buf->max ? cap : buf->max;
}

/* Moves what is in use to the front of the allocation. */
static void reclaim_skipped(struct buf *buf)
{
    if (!buf->skipped)
        return;
    memmove(buf->data - buf->skipped, buf->data, buf->len);
    buf->data -= buf->skipped;
    buf->cap += buf->skipped;
    buf->skipped = 0;
}

/* Messages pass through buffers: nothing of them stays in freed memory. */
static void give_back(struct buf *buf)
{
    if (!buf->data)
        return;
    uint8_t *block = buf->data - buf->skipped;
    mem_wipe(block, buf->cap + buf->skipped);
    mem_free(block);
}

int buf_reserve(struct buf *buf, size_t more)
{
    DCHECK(buf->len <= buf->cap && buf->cap + buf->skipped <= buf->max);
    if (more > buf->max - buf->len)
        return -ENOBUFS;
    if (more <= buf->cap - buf->len)
        return 0;
    /* Moving `len` bytes is paid for by the bytes consumed since the last move, or by growing. */
    bool paid = buf->skipped >= buf->len;
    reclaim_skipped(buf);
    if (more <= buf->cap - buf->len && (paid || buf->cap == buf->max))
        return 0;

    size_t cap = grown_cap(buf, buf->len + more);
    if (cap == SIZE_MAX)
        return -ENOMEM;
    /* One byte past cap belongs to the NUL that vsnprintf always writes. */
    uint8_t *data = mem_alloc(cap + 1);
    if (!data)
        return -ENOMEM;
    if (buf->len)
        memcpy(data, buf->data, buf->len);
    give_back(buf);
    buf->data = data;
    buf->cap = cap;
    return 0;
}

int buf_append(struct buf *buf, const void *data, size_t len)
{
    int rc = buf_reserve(buf, len);

    if (rc < 0 || len == 0)
        return rc;
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    return 0;
}

int buf_append_str(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

/* Formats into what room there is. Returns the bytes the whole text takes. */
static size_t format_tail(struct buf *buf, const char *format, va_list args)
{
    size_t room = buf->data ? buf->cap - buf->len + 1 : 0;
    char *tail = buf->data ? (char *)buf->data + buf->len : NULL;
    int n = vsnprintf(tail, room, format, args);

    CHECK(n >= 0);
    return (size_t)n;
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    size_t n = format_tail(buf, format, args);
    bool fits = n <= buf->cap - buf->len;
    int rc = buf_reserve(buf, n);
    if (rc == 0 && !fits)
        format_tail(buf, format, again);
    if (rc == 0)
        buf->len += n;
    va_end(again);
    va_end(args);
    return rc;
}

void buf_consume(struct buf *buf, size_t n)
{
    CHECK(n <= buf->len);
    if (n == 0)
        return;
    buf->data += n;
    buf->skipped += n;
    buf->len -= n;
    buf->cap -= n;
    if (buf->len == 0)
        reclaim_skipped(buf);
}

void buf_release(struct buf *buf)
{
    give_back(buf);
    buf->data = NULL;
    buf->len = buf->cap = buf->skipped = 0;
}
