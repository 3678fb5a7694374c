/* json_writer.h - a text written piece by piece, with one look at the error at its end.
 *
 * Inside proto only, where every encoder is a list of these calls. */
#pragma once

#include "ringroom/base/check.h"
#include "ringroom/proto/json_text.h"

/* After the first failure the rest does nothing. */
struct writer {
    struct buf *out;
    size_t start; /* out->len before the first piece */
    int error;
};

static inline struct writer writer_of(struct buf *out)
{
    return (struct writer){.out = out, .start = out->len};
}

static inline void put(struct writer *w, const char *text)
{
    if (!w->error)
        w->error = buf_append_str(w->out, text);
}

static inline void put_raw(struct writer *w, const char *lead, struct slice raw)
{
    put(w, lead);
    if (!w->error)
        w->error = buf_append(w->out, raw.data, raw.len);
}

static inline void put_string(struct writer *w, const char *lead, struct slice text)
{
    put(w, lead);
    if (!w->error)
        w->error = json_put_string(w->out, text);
}

static inline void put_u64(struct writer *w, const char *lead, uint64_t value)
{
    put(w, lead);
    if (!w->error)
        w->error = json_put_u64(w->out, value);
}

static inline void put_bool(struct writer *w, const char *lead, bool value)
{
    put(w, lead);
    put(w, value ? "true" : "false");
}

/* The first error, with nothing of the text left in out; or 0. */
static inline int writer_finish(struct writer *w)
{
    if (w->error) {
        DCHECK(w->out->len >= w->start);
        w->out->len = w->start;
    }
    return w->error;
}
