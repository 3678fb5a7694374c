/* Socket.IO packets from arbitrary bytes. What is accepted must hold what the parser promises; a
 * chat message that is taken goes the whole way: into the log's native form, and from there to what
 * the other clients read. */
#include "json_value.h"
#include "ringroom/base/utf8.h"
#include "ringroom/proto/socketio.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct slice epoch = {(const uint8_t *)"Ab-_56789012", 12};

/* What must be JSON. */
static json_t *load(struct slice text)
{
    json_t *json = load_json(text);

    CHECK(json);
    return json;
}

static struct slice string_at(const json_t *value)
{
    CHECK(json_is_string(value));
    return slice_make(json_string_value(value), json_string_length(value));
}

/* The entry's message has the value that the sender gave it. */
static void check_entry(struct slice entry, const struct native_body *body, bool exact)
{
    json_t *json = load(entry);
    struct slice raw = body->text_raw.len ? body->text_raw : body->data_raw;
    json_t *said = load(raw);

    CHECK(json_object_size(json) == 5);
    CHECK(slice_equal(string_at(json_object_get(json, "username")), body->from));
    /* Numbers out of a double's reach are cut alike in both. */
    CHECK(json_equal(json_object_get(json, "message"), said));
    CHECK(!exact || slice_equal(json_raw_member(entry, "message"), raw));
    json_decref(said);
    json_decref(json);
}

static void check_projection(const struct native_body *body, struct slice native)
{
    struct buf out, entry;

    buf_init(&out, 16 << 20);
    buf_init(&entry, 16 << 20);
    CHECK(socketio_project(&out, native, body->room, epoch) == 0);
    CHECK(out.len <= 2 * native.len + SOCKETIO_PROJECT_EXTRA);
    struct slice payload = native_payload(buf_slice(&out));
    CHECK(payload.len > 2 && memcmp(payload.data, "42", 2) == 0);
    json_t *json = load(slice_from(payload, 2));
    const json_t *said = json_array_get(json, 1);
    CHECK(slice_equal(string_at(json_object_get(said, "room")), body->room));
    struct slice inner = string_at(json_object_get(said, "chatMessage"));
    check_entry(inner, body, true);
    CHECK(socketio_put_entry(&entry, native) == 0 && slice_equal(buf_slice(&entry), inner));
    CHECK(slice_is(string_at(json_array_get(json, 2)), "Ab-_56789012.18446744073709551615"));
    json_decref(json);
    buf_deinit(&entry);
    buf_deinit(&out);
}

static void check_message(const struct socketio_event *event)
{
    struct native_body body = {.room = event->room,
                               .from = event->name,
                               .uid = slice_of("u"),
                               .text_raw = event->text_raw,
                               .data_raw = event->data_raw,
                               .cid = event->cid};
    struct buf out;

    CHECK(!event->text_raw.len != !event->data_raw.len);
    CHECK(event->cid.len <= ROOM_CID_MAX);
    buf_init(&out, 16 << 20);
    CHECK(native_body(&out, &body) == 0);
    uint8_t *frame = malloc(native_frame_bytes_max(out.len));
    CHECK(frame);
    size_t bytes = native_frame(frame, UINT64_MAX, 0, buf_slice(&out));
    check_projection(&body, slice_make(frame, bytes));
    free(frame);
    buf_deinit(&out);
}

static void check_refused(struct slice name, const struct native_fault *fault)
{
    struct buf out;

    CHECK(fault->code && fault->message);
    buf_init(&out, 1 << 20);
    CHECK(socketio_error(&out, name, fault, 5) == 0);
    json_decref(load(slice_from(buf_slice(&out), 2)));
    buf_deinit(&out);
}

static void check_event(const struct socketio_packet *packet, struct slice name)
{
    struct socketio_event event;
    struct native_fault fault = {0};

    if (!socketio_event(packet, &event, &fault)) {
        check_refused(name, &fault);
    } else if (event.kind != SOCKETIO_OTHER) {
        CHECK(room_name_valid(event.room));
        CHECK(event.name.len <= ROOM_USER_NAME_MAX && utf8_printable(event.name));
        if (event.kind == SOCKETIO_MESSAGE)
            check_message(&event);
    }
    socketio_event_deinit(&event);
}

/* An event's arguments put together again make the same packet. */
static void check_echo(const struct socketio_packet *packet, struct slice name, struct slice args)
{
    struct socketio_packet again;
    struct buf out, all;

    buf_init(&out, 1 << 20);
    buf_init(&all, 1 << 20);
    CHECK(buf_append(&all, name.data, name.len) == 0);
    CHECK(!args.len || buf_append_str(&all, ",") == 0);
    CHECK(buf_append(&all, args.data, args.len) == 0);
    CHECK(socketio_put_ack(&out, packet->nsp, packet->id, packet->attachments, buf_slice(&all)) ==
          0);
    CHECK(socketio_parse(slice_from(buf_slice(&out), 1), &again));
    CHECK(slice_equal(again.nsp, packet->nsp) && again.id == packet->id);
    CHECK(again.has_id && again.attachments == packet->attachments);
    json_t *was = load(packet->data), *is = load(again.data);
    CHECK(json_equal(was, is));
    json_decref(was);
    json_decref(is);
    buf_deinit(&all);
    buf_deinit(&out);
}

static void check_packet(const struct socketio_packet *packet)
{
    bool binary = packet->type == SOCKETIO_BINARY_EVENT || packet->type == SOCKETIO_BINARY_ACK;
    char scratch[SOCKETIO_AUTH_BYTES];
    struct socketio_auth auth;
    struct slice name, args, position;
    uint64_t seq, mark;

    CHECK(packet->nsp.len >= 1 && packet->nsp.len <= SOCKETIO_NAMESPACE_MAX);
    CHECK(packet->nsp.data[0] == '/' && utf8_printable(packet->nsp));
    CHECK(packet->has_id || packet->id == 0);
    CHECK(binary == (packet->attachments > 0) && packet->attachments <= SOCKETIO_ATTACHMENTS_MAX);
    switch (packet->type) {
    case SOCKETIO_CONNECT:
        socketio_auth(packet->data, scratch, &auth);
        CHECK(auth.pid.len <= 64 && auth.offset.len <= 64);
        if (socketio_offset_parse(auth.offset, &position, &seq, &mark))
            CHECK(position.len >= 1 && position.len <= ROOM_EPOCH_BYTES);
        break;
    case SOCKETIO_EVENT:
    case SOCKETIO_BINARY_EVENT:
        socketio_split(packet->data, &name, &args);
        json_decref(load(name));
        check_echo(packet, name, args);
        check_event(packet, name);
        break;
    case SOCKETIO_ACK:
    case SOCKETIO_BINARY_ACK:
        json_decref(load(packet->data));
        break;
    default:
        CHECK(packet->type == SOCKETIO_DISCONNECT && packet->data.len == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct socketio_packet packet;
    /* A copy of its own, so that a sanitizer sees a read beyond it. */
    uint8_t *copy = malloc(size ? size : 1);

    if (size)
        memcpy(copy, data, size);
    if (socketio_parse(slice_make(copy, size), &packet))
        check_packet(&packet);
    free(copy);
    return 0;
}
