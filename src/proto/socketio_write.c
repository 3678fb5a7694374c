/* socketio_write.c - Socket.IO packets written, and the native form of messages made into them. */
#include "ringroom/proto/socketio.h"
#include "json_writer.h"
#include "ringroom/base/encode.h"
#include "ringroom/wire/ws.h"

static const struct slice default_nsp = {(const uint8_t *)"/", 1};

static struct writer begin(struct buf *out, enum socketio_type type, uint32_t attachments,
                           struct slice nsp)
{
    struct writer w = writer_of(out);

    DCHECK(nsp.len && nsp.len <= SOCKETIO_NAMESPACE_MAX && nsp.data[0] == '/');
    put_u64(&w, "4", type);
    if (attachments) {
        put_u64(&w, "", attachments);
        put(&w, "-");
    }
    if (!slice_equal(nsp, default_nsp)) {
        put_raw(&w, "", nsp);
        put(&w, ",");
    }
    return w;
}

static int end(struct writer *w, const char *closing)
{
    put(w, closing);
    return writer_finish(w);
}

/* Connections */

int socketio_connected(struct buf *out, struct slice nsp, struct slice sid, struct slice pid)
{
    struct writer w = begin(out, SOCKETIO_CONNECT, 0, nsp);

    put_string(&w, "{\"sid\":", sid);
    if (pid.len)
        put_string(&w, ",\"pid\":", pid);
    return end(&w, "}");
}

int socketio_connect_error(struct buf *out, struct slice nsp, const char *message)
{
    struct writer w = begin(out, SOCKETIO_CONNECT_ERROR, 0, nsp);

    put_string(&w, "{\"message\":", slice_of(message));
    return end(&w, "}");
}

int socketio_disconnect(struct buf *out, struct slice nsp)
{
    struct writer w = begin(out, SOCKETIO_DISCONNECT, 0, nsp);

    return end(&w, "");
}

/* Events and acknowledgements */

int socketio_put_event(struct buf *out, struct slice nsp, uint32_t attachments, const char *name,
                       struct slice args)
{
    enum socketio_type type = attachments ? SOCKETIO_BINARY_EVENT : SOCKETIO_EVENT;
    struct writer w = begin(out, type, attachments, nsp);

    put_string(&w, "[", slice_of(name));
    if (args.len)
        put_raw(&w, ",", args);
    return end(&w, "]");
}

int socketio_put_ack(struct buf *out, struct slice nsp, uint64_t id, uint32_t attachments,
                     struct slice args)
{
    enum socketio_type type = attachments ? SOCKETIO_BINARY_ACK : SOCKETIO_ACK;
    struct writer w = begin(out, type, attachments, nsp);

    put_u64(&w, "", id);
    put_raw(&w, "[", args);
    return end(&w, "]");
}

static struct writer begin_ack(struct buf *out, uint64_t id)
{
    struct writer w = begin(out, SOCKETIO_ACK, 0, default_nsp);

    put_u64(&w, "", id);
    return w;
}

int socketio_ack(struct buf *out, uint64_t id, uint64_t seq, uint64_t ts_ms, bool dup)
{
    struct writer w = begin_ack(out, id);

    put(&w, "[{\"ok\":true");
    if (seq) {
        put_u64(&w, ",\"seq\":", seq);
        put_u64(&w, ",\"ts\":", ts_ms);
        if (dup)
            put(&w, ",\"dup\":true");
    }
    return end(&w, "}]");
}

static void put_retry(struct writer *w, uint64_t retry_ms)
{
    if (retry_ms)
        put_u64(w, ",\"retry_ms\":", retry_ms);
}

int socketio_ack_fault(struct buf *out, uint64_t id, const struct native_fault *fault,
                       uint64_t retry_ms)
{
    struct writer w = begin_ack(out, id);

    put_string(&w, "[{\"ok\":false,\"error\":", slice_of(fault->code));
    put_string(&w, ",\"message\":", slice_of(fault->message));
    put_retry(&w, retry_ms);
    return end(&w, "}]");
}

int socketio_error(struct buf *out, struct slice event_raw, const struct native_fault *fault,
                   uint64_t retry_ms)
{
    struct writer w = begin(out, SOCKETIO_EVENT, 0, default_nsp);

    DCHECK(event_raw.len);
    put_raw(&w, "[\"error\",{\"event\":", event_raw);
    put_string(&w, ",\"code\":", slice_of(fault->code));
    put_string(&w, ",\"message\":", slice_of(fault->message));
    put_retry(&w, retry_ms);
    return end(&w, "}]");
}

int socketio_gap(struct buf *out, struct slice room, struct slice epoch, uint64_t from, uint64_t to)
{
    struct writer w = begin(out, SOCKETIO_EVENT, 0, default_nsp);

    put_string(&w, "[\"gap\",{\"room\":", room);
    put_string(&w, ",\"epoch\":", epoch);
    put_u64(&w, ",\"from\":", from);
    put_u64(&w, ",\"to\":", to);
    return end(&w, "}]");
}

size_t socketio_offset(char dst[SOCKETIO_OFFSET_MAX], struct slice epoch, uint64_t seq)
{
    CHECK(epoch.len <= ROOM_EPOCH_BYTES);
    memcpy(dst, epoch.data, epoch.len);
    dst[epoch.len] = '.';
    return epoch.len + 1 + encode_u64(dst + epoch.len + 1, seq);
}

/* Messages */

/* Fields of a log entry: raw JSON, pointing into it; empty where absent. */
struct entry {
    struct slice seq, ts, from, uid, text, data;
};

/* The next field, if it is the one that begins with `lead`. */
static struct slice take_field(struct slice *rest, const char *lead)
{
    size_t lead_len = strlen(lead);

    if (rest->len < lead_len || memcmp(rest->data, lead, lead_len) != 0)
        return (struct slice){0};
    *rest = slice_from(*rest, lead_len);
    return json_raw_take(rest);
}

/* native_body() and native_frame() write the fields in this order and without blanks: one pass
 * forward finds them all. */
static struct entry read_entry(struct slice native)
{
    struct slice rest = json_raw_inside(native_payload(native));
    struct slice ev = take_field(&rest, "\"ev\":");
    struct entry entry;

    entry.seq = take_field(&rest, "\"seq\":");
    entry.ts = take_field(&rest, "\"ts\":");
    struct slice room = take_field(&rest, "\"room\":");
    entry.from = take_field(&rest, "\"from\":");
    entry.uid = take_field(&rest, "\"uid\":");
    entry.text = take_field(&rest, "\"text\":");
    entry.data = take_field(&rest, "\"data\":");
    DCHECK(slice_is(ev, "\"message\"") && entry.seq.len && entry.ts.len && room.len);
    DCHECK(entry.from.len && entry.uid.len && (entry.text.len || entry.data.len));
    take_field(&rest, "\"cid\":");
    DCHECK(slice_is(rest, "}"));
    return entry;
}

enum nesting {
    AS_VALUE, /* an object */
    IN_STRING /* its text, inside a string */
};

static void put_piece(struct writer *w, enum nesting nesting, const char *lead, struct slice raw)
{
    if (nesting == AS_VALUE) {
        put_raw(w, lead, raw);
        return;
    }
    if (!w->error)
        w->error = json_put_escaped(w->out, slice_of(lead));
    if (!w->error)
        w->error = json_put_escaped(w->out, raw);
}

static void put_entry(struct writer *w, enum nesting nesting, const struct entry *entry)
{
    bool has_text = entry->text.len > 0;

    put_piece(w, nesting, "{\"username\":", entry->from);
    put_piece(w, nesting, ",\"message\":", has_text ? entry->text : entry->data);
    if (has_text && entry->data.len)
        put_piece(w, nesting, ",\"data\":", entry->data);
    put_piece(w, nesting, ",\"seq\":", entry->seq);
    put_piece(w, nesting, ",\"ts\":", entry->ts);
    put_piece(w, nesting, ",\"uid\":", entry->uid);
    put(w, "}");
}

int socketio_put_entry(struct buf *out, struct slice native)
{
    struct entry entry = read_entry(native);
    struct writer w = writer_of(out);

    put_entry(&w, AS_VALUE, &entry);
    return writer_finish(&w);
}

/* Room for a header, until what it has to tell is known. */
static void put_header_space(struct writer *w)
{
    static const uint8_t space[WS_HEADER_MAX];

    if (!w->error)
        w->error = buf_append(w->out, space, sizeof(space));
}

/* Puts the header of a text frame into the space in front of the payload, and closes up. */
static void fill_header_space(struct writer *w)
{
    if (w->error)
        return;
    uint8_t *frame = w->out->data + w->start;
    size_t payload_bytes = w->out->len - w->start - WS_HEADER_MAX;
    uint8_t header[WS_HEADER_MAX];
    size_t header_bytes = ws_header(header, WS_TEXT, payload_bytes);

    memmove(frame + header_bytes, frame + WS_HEADER_MAX, payload_bytes);
    memcpy(frame, header, header_bytes);
    w->out->len -= WS_HEADER_MAX - header_bytes;
}

int socketio_project(struct buf *out, struct slice native, struct slice room, struct slice epoch)
{
    struct entry entry = read_entry(native);
    struct writer w = writer_of(out);

    put_header_space(&w);
    put_string(&w, "42[\"message\",{\"room\":", room);
    put(&w, ",\"chatMessage\":\"");
    put_entry(&w, IN_STRING, &entry);
    put_raw(&w, "\"},\"", epoch);
    put_raw(&w, ".", entry.seq);
    put(&w, "\"]");
    fill_header_space(&w);
    return writer_finish(&w);
}

int socketio_joined_head(struct buf *out, struct slice room)
{
    struct writer w = begin(out, SOCKETIO_EVENT, 0, default_nsp);

    put_string(&w, "[\"joined\",{\"room\":", room);
    return end(&w, ",\"chatHistory\":[");
}

int socketio_joined_tail(struct buf *out, struct slice epoch, uint64_t seq, uint64_t mark)
{
    struct writer w = writer_of(out);

    put_raw(&w, "]},\"", epoch);
    put_u64(&w, ".", seq);
    put_u64(&w, ".", mark);
    return end(&w, "\"]");
}

int socketio_notice(struct buf *out, struct slice native)
{
    struct slice fields = json_raw_inside(native_payload(native));
    struct slice ev = take_field(&fields, "\"ev\":");
    struct writer w = begin(out, SOCKETIO_EVENT, 0, default_nsp);

    DCHECK(ev.len && fields.len && fields.data[fields.len - 1] == '}');
    put_raw(&w, "[", ev);
    put_raw(&w, ",{", fields);
    return end(&w, "]");
}
