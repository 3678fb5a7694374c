/* native_write.c - events and replies of the native dialect, and a message's wire form. */
#include "ringroom/proto/native.h"
#include "native_parts.h"
#include "ringroom/base/encode.h"
#include "ringroom/base/mem.h"
#include "ringroom/wire/ws.h"

static struct writer begin(struct buf *out, const char *event, struct slice re)
{
    struct writer w = writer_of(out);

    put(&w, "{\"ev\":\"");
    put(&w, event);
    put(&w, "\"");
    if (re.len)
        put_raw(&w, ",\"re\":", re);
    return w;
}

static int end(struct writer *w)
{
    put(w, "}");
    return writer_finish(w);
}

static const struct slice no_re;

int native_hello(struct buf *out, const struct native_hello *hello)
{
    struct writer w = begin(out, "hello", no_re);

    put_string(&w, ",\"sid\":", hello->sid);
    if (hello->uid.len)
        put_string(&w, ",\"uid\":", hello->uid);
    else
        put(&w, ",\"uid\":null");
    put(&w, ",\"server\":\"ringroom\",\"version\":\"" RINGROOM_VERSION "\"");
    put_u64(&w, ",\"ping_ms\":", hello->ping_ms);
    put_u64(&w, ",\"max_message\":", hello->max_message);
    return end(&w);
}

int native_joined(struct buf *out, struct slice re, const struct native_joined *joined)
{
    struct writer w = begin(out, "joined", re);

    put_string(&w, ",\"room\":", joined->room);
    put_string(&w, ",\"epoch\":", joined->epoch);
    put_u64(&w, ",\"first\":", joined->first);
    put_u64(&w, ",\"seq\":", joined->seq);
    put_u64(&w, ",\"members\":", joined->members);
    put_bool(&w, ",\"recovered\":", joined->recovered);
    put_u64(&w, ",\"retention\":{\"ttl\":", joined->retention.ttl_s);
    put_string(&w, ",\"ttl_from\":", slice_of(ttl_from_name(joined->retention.ttl_from)));
    put_u64(&w, ",\"max_messages\":", joined->retention.max_messages);
    put_u64(&w, ",\"max_bytes\":", joined->retention.max_bytes);
    if (joined->expires_in_s)
        put_u64(&w, ",\"expires_in\":", joined->expires_in_s);
    put(&w, "}");
    return end(&w);
}

int native_left(struct buf *out, struct slice re, struct slice room)
{
    struct writer w = begin(out, "left", re);

    put_string(&w, ",\"room\":", room);
    return end(&w);
}

int native_ack(struct buf *out, struct slice re, struct slice room, uint64_t seq, uint64_t ts_ms,
               bool dup)
{
    struct writer w = begin(out, "ack", re);

    put_string(&w, ",\"room\":", room);
    put_u64(&w, ",\"seq\":", seq);
    put_u64(&w, ",\"ts\":", ts_ms);
    if (dup)
        put(&w, ",\"dup\":true");
    return end(&w);
}

int native_done(struct buf *out, struct slice re)
{
    struct writer w = begin(out, "done", re);

    return end(&w);
}

int native_pong(struct buf *out, struct slice re)
{
    struct writer w = begin(out, "pong", re);

    return end(&w);
}

int native_error(struct buf *out, struct slice re, const struct native_fault *fault,
                 uint64_t retry_ms)
{
    struct writer w = begin(out, "error", re);

    put_string(&w, ",\"code\":", slice_of(fault->code));
    put_string(&w, ",\"message\":", slice_of(fault->message));
    if (retry_ms)
        put_u64(&w, ",\"retry_ms\":", retry_ms);
    return end(&w);
}

int native_member(struct buf *out, struct slice room, struct slice uid, struct slice name, bool on,
                  uint64_t count)
{
    struct writer w = begin(out, "member", no_re);

    put_string(&w, ",\"room\":", room);
    put_string(&w, ",\"uid\":", uid);
    put_string(&w, ",\"name\":", name);
    put_bool(&w, ",\"on\":", on);
    put_u64(&w, ",\"count\":", count);
    return end(&w);
}

int native_member_count(struct buf *out, struct slice room, uint64_t count)
{
    struct writer w = begin(out, "member", no_re);

    put_string(&w, ",\"room\":", room);
    put_u64(&w, ",\"count\":", count);
    return end(&w);
}

int native_typing(struct buf *out, struct slice room, struct slice uid, struct slice from, bool on)
{
    struct writer w = begin(out, "typing", no_re);

    put_string(&w, ",\"room\":", room);
    put_string(&w, ",\"uid\":", uid);
    put_string(&w, ",\"from\":", from);
    put_bool(&w, ",\"on\":", on);
    return end(&w);
}

int native_gap(struct buf *out, struct slice room, struct slice epoch, uint64_t from, uint64_t to)
{
    struct writer w = begin(out, "gap", no_re);

    put_string(&w, ",\"room\":", room);
    put_string(&w, ",\"epoch\":", epoch);
    put_u64(&w, ",\"from\":", from);
    put_u64(&w, ",\"to\":", to);
    return end(&w);
}

int native_deleted(struct buf *out, struct slice room, uint64_t seq)
{
    struct writer w = begin(out, "deleted", no_re);

    put_string(&w, ",\"room\":", room);
    put_u64(&w, ",\"seq\":", seq);
    return end(&w);
}

int native_closed(struct buf *out, struct slice room, const char *reason)
{
    struct writer w = begin(out, "closed", no_re);

    put_string(&w, ",\"room\":", room);
    put_string(&w, ",\"reason\":", slice_of(reason));
    return end(&w);
}

int native_expiring(struct buf *out, uint64_t in_ms)
{
    struct writer w = begin(out, "expiring", no_re);

    put_u64(&w, ",\"in_ms\":", in_ms);
    return end(&w);
}

int native_reconnect(struct buf *out, uint64_t after_ms)
{
    struct writer w = begin(out, "reconnect", no_re);

    put_u64(&w, ",\"after_ms\":", after_ms);
    return end(&w);
}

/* Messages */

static const char message_head[] = "{\"ev\":\"message\",\"seq\":";
static const char message_ts[] = ",\"ts\":";

int native_body(struct buf *out, const struct native_body *body)
{
    struct writer w = writer_of(out);

    put_string(&w, ",\"room\":", body->room);
    put_string(&w, ",\"from\":", body->from);
    put_string(&w, ",\"uid\":", body->uid);
    if (body->text_raw.len)
        put_raw(&w, ",\"text\":", body->text_raw);
    if (body->data_raw.len)
        put_raw(&w, ",\"data\":", body->data_raw);
    if (body->cid.len)
        put_string(&w, ",\"cid\":", body->cid);
    return end(&w);
}

size_t native_frame_bytes_max(size_t body_bytes)
{
    return WS_HEADER_MAX + sizeof(message_head) + sizeof(message_ts) + 2 * ENCODE_U64_MAX +
           body_bytes;
}

size_t native_frame(uint8_t *dst, uint64_t seq, uint64_t ts_ms, struct slice body)
{
    char head[sizeof(message_head) + sizeof(message_ts) + 2 * ENCODE_U64_MAX];
    size_t len = sizeof(message_head) - 1;

    memcpy(head, message_head, len);
    len += encode_u64(head + len, seq);
    memcpy(head + len, message_ts, sizeof(message_ts) - 1);
    len += sizeof(message_ts) - 1;
    len += encode_u64(head + len, ts_ms);

    size_t at = ws_header(dst, WS_TEXT, len + body.len);
    memcpy(dst + at, head, len);
    memcpy(dst + at + len, body.data, body.len);
    return at + len + body.len;
}

struct slice native_payload(struct slice frame)
{
    uint8_t mark = frame.data[1];

    return slice_from(frame, mark < 126 ? 2 : mark == 126 ? 4 : 10);
}

bool native_is_message(struct slice entry)
{
    struct slice text = native_payload(entry);

    return text.len > sizeof(message_head) &&
           memcmp(text.data, message_head, sizeof(message_head) - 1) == 0;
}

/* History */

/* Takes numbers off the front of [*start, stop) until the rest fits a reply. */
static void fit_from_behind(const struct room *room, uint64_t *start, uint64_t stop,
                            uint64_t now_ms)
{
    struct log_cursor all, front;
    struct slice bytes;
    struct log_read read;
    uint64_t sum = 0;

    log_cursor_init(&all, *start);
    while (all.next < stop && log_next(&room->log, &all, now_ms, &bytes, &read) == LOG_BYTES)
        sum += bytes.len;
    log_cursor_init(&front, *start);
    while (sum > NATIVE_HISTORY_BYTES_MAX && front.next + 1 < stop &&
           log_next(&room->log, &front, now_ms, &bytes, &read) == LOG_BYTES)
        sum -= bytes.len;
    *start = front.next;
}

/* Messages among the numbers [start, stop): not what was deleted. */
static uint64_t count_messages(const struct room *room, uint64_t start, uint64_t stop,
                               uint64_t now_ms)
{
    struct log_cursor cursor;
    struct slice frame;
    struct log_read read;
    uint64_t count = 0;

    log_cursor_init(&cursor, start);
    while (cursor.next < stop && log_next(&room->log, &cursor, now_ms, &frame, &read) == LOG_BYTES)
        count += native_is_message(frame);
    return count;
}

/* From where to `stop` there are `wanted` messages, or all from `first` on: were deleted numbers
 * counted, a page could be empty, and tell no number to go on from. */
static uint64_t start_from_behind(const struct room *room, uint64_t first, uint64_t stop,
                                  uint64_t wanted, uint64_t now_ms)
{
    uint64_t start = stop;

    while (wanted && start > first) {
        uint64_t opened = start - first > wanted ? start - wanted : first;
        wanted -= count_messages(room, opened, start, now_ms);
        start = opened;
    }
    return start;
}

struct span {
    uint64_t start, stop; /* numbers [start, stop) */
};

/* What is asked for, within what the history holds. */
static struct span choose_span(const struct room *room, const struct native_range *range,
                               uint64_t now_ms)
{
    uint64_t first = log_first(&room->log, now_ms), end_number = log_end(&room->log);
    struct span span = {.start = first, .stop = end_number};

    if (range->has_after) {
        if (range->after >= span.start)
            span.start = range->after + 1 < end_number ? range->after + 1 : end_number;
        return span;
    }
    if (range->has_before && range->before < span.stop)
        span.stop = range->before > first ? range->before : first;
    span.start = start_from_behind(room, first, span.stop, range->limit, now_ms);
    fit_from_behind(room, &span.start, span.stop, now_ms);
    return span;
}

void put_history(struct writer *w, const struct room *room, const struct native_range *range,
                 uint64_t now_ms)
{
    struct span span = choose_span(room, range, now_ms);
    struct log_cursor cursor;
    struct slice frame;
    struct log_read read;
    size_t start_len = w->out->len;
    uint64_t count = 0;

    put_string(w, "\"room\":", room_name(room));
    put_string(w, ",\"epoch\":", room_epoch(room));
    put(w, ",\"messages\":[");
    log_cursor_init(&cursor, span.start);
    while (!w->error && cursor.next < span.stop && count < range->limit &&
           w->out->len - start_len < NATIVE_HISTORY_BYTES_MAX) {
        if (log_next(&room->log, &cursor, now_ms, &frame, &read) != LOG_BYTES)
            break;
        if (!native_is_message(frame)) /* deleted */
            continue;
        put_raw(w, count++ ? "," : "", native_payload(frame));
    }
    bool more = range->has_after ? cursor.next < log_end(&room->log)
                                 : span.start > log_first(&room->log, now_ms);
    put_bool(w, "],\"more\":", more);
}

int native_history(struct buf *out, struct slice re, const struct room *room,
                   const struct native_range *range, uint64_t now_ms)
{
    struct writer w = begin(out, "history", re);

    put(&w, ",");
    put_history(&w, room, range, now_ms);
    return end(&w);
}

void put_members(struct writer *w, const struct room *room)
{
    const struct table_link *link = NULL;

    put_string(w, "\"room\":", room_name(room));
    put_u64(w, ",\"count\":", room_members(room));
    put(w, ",\"members\":[");
    for (int i = 0; i < NATIVE_MEMBERS_MAX && (link = table_next(&room->users, link)); i++) {
        const struct room_user *user = container_of(link, struct room_user, link);
        put_string(w, i ? ",{\"uid\":" : "{\"uid\":", room_user_uid(user));
        put_string(w, ",\"name\":", room_user_name(user));
        put_u64(w, ",\"sessions\":", user->sessions);
        put(w, "}");
    }
    put(w, "]");
}

int native_members(struct buf *out, struct slice re, const struct room *room)
{
    struct writer w = begin(out, "members", re);

    put(&w, ",");
    put_members(&w, room);
    return end(&w);
}
