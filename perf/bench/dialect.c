#include "dialect.h"

#include "socketio.h"

#include <stdio.h>
#include <string.h>

enum dialect dialect_of(enum proto proto, uint32_t index)
{
    switch (proto) {
    case PROTO_NATIVE:
        return DIALECT_NATIVE;
    case PROTO_SOCKETIO:
        return DIALECT_SOCKETIO;
    case PROTO_MIXED:
        break;
    }
    return index & 1 ? DIALECT_SOCKETIO : DIALECT_NATIVE;
}

size_t dialect_join(enum dialect d, char *to, const char *room, const char *name, bool history)
{
    if (d == DIALECT_SOCKETIO)
        return (size_t)snprintf(to, DIALECT_AROUND_MAX,
                                "2[\"join\",{\"room\":\"%s\",\"name\":\"%s\"}]", room, name);
    return (size_t)snprintf(to, DIALECT_AROUND_MAX,
                            "{\"op\":\"join\",\"id\":1,\"room\":\"%s\",\"name\":\"%s\"%s}", room,
                            name, history ? "" : ",\"history\":0");
}

/* head, the text, tail; returns their bytes. */
static size_t write_around(char *to, size_t head_bytes, const struct post *post, const char *tail)
{
    size_t tail_bytes = strlen(tail);
    stamp_write(to + head_bytes, &post->stamp);
    memset(to + head_bytes + STAMP_CHARS, 'x', post->text_bytes - STAMP_CHARS);
    memcpy(to + head_bytes + post->text_bytes, tail, tail_bytes);
    return head_bytes + post->text_bytes + tail_bytes;
}

size_t dialect_send(enum dialect d, char *to, const struct post *post)
{
    char tail[64];
    int head;
    if (d == DIALECT_SOCKETIO) {
        head = snprintf(to, DIALECT_AROUND_MAX, "2%s[\"message\",{\"room\":\"%s\",\"message\":\"",
                        post->ack ? "7" : "", post->room);
        snprintf(tail, sizeof tail, "\",\"name\":\"%s\"}]", post->name);
        return write_around(to, (size_t)head, post, tail);
    }
    head = snprintf(to, DIALECT_AROUND_MAX, "{\"op\":\"send\",%s\"room\":\"%s\",\"text\":\"",
                    post->ack ? "\"id\":2," : "", post->room);
    return write_around(to, (size_t)head, post, "\"}");
}

enum event_kind dialect_kind(enum dialect d, const char *text, size_t count)
{
    return d == DIALECT_SOCKETIO ? socketio_kind(text, count) : event_kind(text, count);
}

bool dialect_message(enum dialect d, const char *text, size_t count, uint64_t *ret_seq,
                     struct stamp *ret_stamp)
{
    if (d == DIALECT_SOCKETIO)
        return socketio_message(text, count, ret_seq, ret_stamp);
    return event_u64(text, count, "\"seq\":", ret_seq) &&
           event_stamp(text, count, "\"text\":\"", ret_stamp);
}

bool dialect_joined(enum dialect d, const char *text, size_t count, struct joined *ret_joined)
{
    uint64_t seq;
    if (d == DIALECT_SOCKETIO)
        return socketio_joined(text, count, ret_joined);
    if (!event_u64(text, count, "\"seq\":", &seq))
        return false;
    uint64_t first = seq + 1; /* where replay begins, if there is any */
    event_u64(text, count, "\"first\":", &first);
    *ret_joined = (struct joined){.first = first, .seq = seq};
    return true;
}

bool dialect_kept_next(struct joined *joined, uint64_t *ret_seq, struct stamp *ret_stamp)
{
    if (!joined->kept_bytes)
        return false;
    const char *begin = memchr(joined->kept, '{', joined->kept_bytes);
    if (!begin)
        return false;
    size_t left = joined->kept_bytes - (size_t)(begin - joined->kept);
    const char *end = memchr(begin, '}', left);
    size_t entry_bytes = end ? (size_t)(end + 1 - begin) : left;
    *ret_seq = 0;
    if (!event_stamp(begin, entry_bytes, "\"message\":\"", ret_stamp) ||
        !event_u64(begin, entry_bytes, "\"seq\":", ret_seq))
        *ret_seq = 0;
    joined->kept = begin + entry_bytes;
    joined->kept_bytes = left - entry_bytes;
    return true;
}
