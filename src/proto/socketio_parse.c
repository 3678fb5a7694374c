/* socketio_parse.c - Socket.IO packets, and the chat's events in them.
 *
 * A packet's head is digits and a path in front of JSON. Its JSON stays text: a
 * tree is built to see that it is right, and again for the one argument of an
 * event of ours; what is passed on is what the sender wrote. */
#include "ringroom/proto/socketio.h"
#include "request.h"
#include "ringroom/base/mem.h"
#include "ringroom/base/utf8.h"
#include "ringroom/proto/json_text.h"

#include <assert.h>

static const uint64_t ACK_ID_MAX = (UINT64_C(1) << 53) - 1; /* what a JavaScript number counts to */

/* The head: each part is taken off the front of *text. */

static bool starts_with_digit(struct slice text)
{
    return text.len && text.data[0] >= '0' && text.data[0] <= '9';
}

/* As many digits as there are, leading zeros too; false where they say more than max. */
static bool take_number(struct slice *text, uint64_t max, uint64_t *ret_number)
{
    uint64_t number = 0;

    for (; starts_with_digit(*text); *text = slice_from(*text, 1)) {
        uint64_t digit = text->data[0] - '0';
        if (number > max / 10 || number * 10 > max - digit)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return true;
}

static bool take_type(struct slice *text, struct socketio_packet *packet)
{
    if (!text->len || text->data[0] < '0' || text->data[0] > '0' + SOCKETIO_BINARY_ACK)
        return false;
    packet->type = (enum socketio_type)(text->data[0] - '0');
    *text = slice_from(*text, 1);
    return true;
}

static bool is_binary(enum socketio_type type)
{
    return type == SOCKETIO_BINARY_EVENT || type == SOCKETIO_BINARY_ACK;
}

static bool take_attachments(struct slice *text, struct socketio_packet *packet)
{
    uint64_t number;

    if (!is_binary(packet->type))
        return true;
    if (!take_number(text, SOCKETIO_ATTACHMENTS_MAX, &number) || number == 0 || !text->len ||
        text->data[0] != '-')
        return false;
    packet->attachments = (uint32_t)number;
    *text = slice_from(*text, 1);
    return true;
}

/* Up to a comma, or all there is. */
static bool take_namespace(struct slice *text, struct socketio_packet *packet)
{
    if (!text->len || text->data[0] != '/')
        return true;
    const uint8_t *comma = memchr(text->data, ',', text->len);
    struct slice nsp = slice_make(text->data, comma ? (size_t)(comma - text->data) : text->len);
    const uint8_t *query = memchr(nsp.data, '?', nsp.len);

    *text = slice_from(*text, nsp.len + (comma != NULL));
    packet->nsp = slice_make(nsp.data, query ? (size_t)(query - nsp.data) : nsp.len);
    return packet->nsp.len <= SOCKETIO_NAMESPACE_MAX && utf8_printable(packet->nsp);
}

static bool take_id(struct slice *text, struct socketio_packet *packet)
{
    packet->has_id = starts_with_digit(*text);
    return take_number(text, ACK_ID_MAX, &packet->id);
}

/* The JSON */

static bool is_reserved(struct slice name)
{
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};

    for (size_t i = 0; i < array_len(reserved); i++)
        if (slice_is(name, reserved[i]))
            return true;
    return false;
}

static bool names_an_event(const json_t *value)
{
    return json_is_number(value) || (json_is_string(value) && !is_reserved(request_string(value)));
}

static bool data_fits(const struct socketio_packet *packet)
{
    enum socketio_type type = packet->type;
    char opening = type == SOCKETIO_CONNECT ? '{' : '[';

    if (!packet->data.len)
        return type == SOCKETIO_CONNECT || type == SOCKETIO_DISCONNECT;
    if (type == SOCKETIO_DISCONNECT || type == SOCKETIO_CONNECT_ERROR ||
        packet->data.data[0] != opening)
        return false;
    json_t *json = request_load(packet->data);
    bool is_event = type == SOCKETIO_EVENT || type == SOCKETIO_BINARY_EVENT;
    bool fits = json && (!is_event || names_an_event(json_array_get(json, 0)));
    json_decref(json);
    return fits;
}

bool socketio_parse(struct slice text, struct socketio_packet *ret_packet)
{
    struct socketio_packet packet = {.nsp = slice_of("/")};

    if (!take_type(&text, &packet) || !take_attachments(&text, &packet) ||
        !take_namespace(&text, &packet) || !take_id(&text, &packet))
        return false;
    packet.data = text;
    if (!data_fits(&packet))
        return false;
    *ret_packet = packet;
    return true;
}

/* CONNECT */

enum { AUTH_FIELD_MAX = 64 };

static struct slice copy_short(const json_t *value, char dst[AUTH_FIELD_MAX])
{
    struct slice text = request_string(value);

    if (!text.len || text.len > AUTH_FIELD_MAX)
        return (struct slice){0};
    memcpy(dst, text.data, text.len);
    return slice_make(dst, text.len);
}

/* What stands between the quotes; empty where it is not what it says. */
static struct slice plain_string(struct slice raw)
{
    if (raw.len < 2 || memchr(raw.data, '\\', raw.len))
        return (struct slice){0};
    return slice_make(raw.data + 1, raw.len - 2);
}

void socketio_auth(struct slice data, char scratch[SOCKETIO_AUTH_BYTES],
                   struct socketio_auth *ret_auth)
{
    json_t *json = data.len ? request_load(data) : NULL;

    static_assert(SOCKETIO_AUTH_BYTES == 2 * AUTH_FIELD_MAX, "one half for each field");
    ret_auth->pid = copy_short(json_object_get(json, "pid"), scratch);
    ret_auth->offset = copy_short(json_object_get(json, "offset"), scratch + AUTH_FIELD_MAX);
    ret_auth->token = (struct slice){0};
    if (json_is_string(json_object_get(json, "token")))
        ret_auth->token = plain_string(json_raw_member(data, "token"));
    json_decref(json);
}

bool socketio_offset_parse(struct slice offset, struct slice *ret_epoch, uint64_t *ret_seq,
                           uint64_t *ret_mark)
{
    const uint8_t *dot = offset.len ? memchr(offset.data, '.', offset.len) : NULL;
    size_t epoch_len = dot ? (size_t)(dot - offset.data) : 0;
    uint64_t seq, mark = 0;

    if (epoch_len == 0 || epoch_len > ROOM_EPOCH_BYTES)
        return false;
    struct slice digits = slice_from(offset, epoch_len + 1);
    if (!digits.len || !take_number(&digits, UINT64_MAX, &seq))
        return false;
    if (digits.len > 1 && digits.data[0] == '.') {
        digits = slice_from(digits, 1);
        if (!take_number(&digits, UINT64_MAX, &mark))
            return false;
    }
    if (digits.len)
        return false;
    *ret_epoch = slice_make(offset.data, epoch_len);
    *ret_seq = seq;
    *ret_mark = mark;
    return true;
}

/* Events */

void socketio_split(struct slice data, struct slice *ret_name, struct slice *ret_args)
{
    struct slice rest = json_raw_inside(data);

    *ret_name = json_raw_take(&rest);
    /* Behind an array there is nothing but blanks: its bracket is the last one. */
    const uint8_t *closing = memrchr(rest.data, ']', rest.len);
    *ret_args = slice_make(rest.data, closing ? (size_t)(closing - rest.data) : 0);
}

static enum socketio_event_kind kind_of(struct slice name_raw)
{
    static const char *const names[] = {
        [SOCKETIO_JOIN] = "join", [SOCKETIO_MESSAGE] = "message", [SOCKETIO_LEAVE] = "leave"};

    for (size_t i = 0; i < array_len(names); i++)
        if (json_raw_is(name_raw, names[i]))
            return (enum socketio_event_kind)i;
    return SOCKETIO_OTHER;
}

/* Something binary stood here. The parser's bound of depth bounds this. */
static bool holds_placeholder(json_t *value)
{
    const char *key;
    json_t *inner;
    size_t i;

    if (json_is_true(json_object_get(value, "_placeholder")))
        return true;
    json_object_foreach(value, key, inner) if (holds_placeholder(inner)) return true;
    json_array_foreach(value, i, inner) if (holds_placeholder(inner)) return true;
    return false;
}

static bool placeholders_fit(json_t *value, uint32_t attachments)
{
    const char *key;
    json_t *inner;
    size_t i;

    if (json_is_true(json_object_get(value, "_placeholder"))) {
        double number = json_number_value(json_object_get(value, "num"));
        return json_is_number(json_object_get(value, "num")) && number >= 0 &&
               number < attachments && number == (double)(uint32_t)number;
    }
    json_object_foreach(value, key, inner) if (!placeholders_fit(inner, attachments)) return false;
    json_array_foreach(value, i, inner) if (!placeholders_fit(inner, attachments)) return false;
    return true;
}

bool socketio_placeholders_fit(const struct socketio_packet *packet)
{
    json_t *json = request_load(packet->data);
    bool fit = json && placeholders_fit(json, packet->attachments);

    json_decref(json);
    return fit;
}

static bool parse_room(const json_t *arg, struct socketio_event *event, struct native_fault *fault)
{
    return request_room(json_is_string(arg) ? arg : json_object_get(arg, "room"), &event->room,
                        fault);
}

static bool parse_join(const json_t *arg, struct socketio_event *event, struct native_fault *fault)
{
    return parse_room(arg, event, fault) &&
           request_name(json_object_get(arg, "name"), &event->name, fault);
}

static bool parse_message(struct slice raw, const json_t *arg, bool binary,
                          struct socketio_event *event, struct native_fault *fault)
{
    json_t *value = json_object_get(arg, "message");

    if (!json_is_object(arg))
        return request_refuse(fault, "message: the event needs an object with room and message");
    if (!request_room(json_object_get(arg, "room"), &event->room, fault) ||
        !request_name(json_object_get(arg, "name"), &event->name, fault) ||
        !request_cid(json_object_get(arg, "cid"), &event->cid, fault))
        return false;
    if (!value)
        return request_refuse(fault, "message: is missing");
    if (binary && holds_placeholder(value))
        return request_refuse(fault, "message: binary values can't be kept, send text or JSON");
    raw = json_raw_member(raw, "message");
    *(json_is_string(value) ? &event->text_raw : &event->data_raw) = raw;
    return true;
}

bool socketio_event(const struct socketio_packet *packet, struct socketio_event *event,
                    struct native_fault *ret_fault)
{
    struct slice name, args;

    socketio_split(packet->data, &name, &args);
    *event = (struct socketio_event){.kind = kind_of(name)};
    if (event->kind == SOCKETIO_OTHER)
        return true;
    struct slice raw = json_raw_take(&args);
    json_t *arg = raw.len ? request_load(raw) : NULL;
    event->json = arg;
    if (raw.len && !arg) {
        *ret_fault = (struct native_fault){"unavailable", "the server is short of memory"};
        return false;
    }
    switch (event->kind) {
    case SOCKETIO_JOIN:
        return parse_join(arg, event, ret_fault);
    case SOCKETIO_MESSAGE:
        return parse_message(raw, arg, packet->type == SOCKETIO_BINARY_EVENT, event, ret_fault);
    default:
        return parse_room(arg, event, ret_fault);
    }
}

void socketio_event_deinit(struct socketio_event *event)
{
    json_decref(event->json);
    event->json = NULL;
}
