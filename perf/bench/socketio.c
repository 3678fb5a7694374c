#include "socketio.h"

#include <string.h>

static bool starts_with(const char *text, size_t count, const char *prefix)
{
    size_t prefix_bytes = strlen(prefix);
    return count >= prefix_bytes && memcmp(text, prefix, prefix_bytes) == 0;
}

static bool holds(const char *text, size_t count, const char *piece)
{
    return memmem(text, count, piece, strlen(piece)) != NULL;
}

enum event_kind socketio_kind(const char *packet, size_t count)
{
    static const struct {
        const char *start;
        enum event_kind kind;
    } kinds[] = {{"2[\"message\"", EVENT_MESSAGE}, {"2[\"joined\"", EVENT_JOINED},
                 {"2[\"left\"", EVENT_LEFT},       {"2[\"gap\"", EVENT_GAP},
                 {"2[\"error\"", EVENT_ERROR},     {"2[\"closed\"", EVENT_CLOSED}};
    if (starts_with(packet, count, "3"))
        return holds(packet, count, "\"ok\":true") ? EVENT_ACK : EVENT_ERROR;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (starts_with(packet, count, kinds[i].start))
            return kinds[i].kind;
    return EVENT_OTHER;
}

bool socketio_message(const char *packet, size_t count, uint64_t *ret_seq, struct stamp *ret_stamp)
{
    return event_u64(packet, count, "\\\"seq\\\":", ret_seq) &&
           event_stamp(packet, count, "\\\"message\\\":\\\"", ret_stamp);
}

/* The number in the `…,"EPOCH.SEQ.MARK"]` or `…,"EPOCH.SEQ"]` at the end. */
static bool trailing_seq(const char *packet, size_t count, uint64_t *ret_seq)
{
    uint64_t value = 0;
    if (count < 2 || memcmp(packet + count - 2, "\"]", 2) != 0)
        return false;
    const char *end = packet + count - 2;
    const char *quote = memrchr(packet, '"', count - 2);
    const char *dot = quote ? memchr(quote, '.', (size_t)(end - quote)) : NULL;
    if (!dot)
        return false;
    const char *at = dot + 1;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    if (at == dot + 1 || (at < end && *at != '.'))
        return false;
    *ret_seq = value;
    return true;
}

bool socketio_joined(const char *packet, size_t count, struct joined *ret_joined)
{
    static const char key[] = "\"chatHistory\":[";
    uint64_t seq, first;
    const char *kept = memmem(packet, count, key, sizeof key - 1);
    if (!kept || !trailing_seq(packet, count, &seq))
        return false;
    kept += sizeof key - 1;
    size_t left = count - (size_t)(kept - packet);
    const char *end = memchr(kept, ']', left);
    if (!end)
        return false;
    *ret_joined = (struct joined){
        .first = seq + 1, .seq = seq, .kept = kept, .kept_bytes = (size_t)(end - kept)};
    struct joined ahead = *ret_joined;
    struct stamp stamp;
    if (dialect_kept_next(&ahead, &first, &stamp)) {
        if (!first)
            return false;
        ret_joined->first = first;
    }
    return true;
}
