/* JSON is parsed by jansson. Two things are beyond it: numbers of any size, which are tamed for it
 * and shown as they were written, and a value's own text. Both are borrowed from proto/json_text.
 */
#include "ringroom/terminal/event.h"
#include "ringroom/proto/json_text.h"
#include <jansson.h>
#include <stdio.h>

enum {
    PARSE_FLAGS = JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL,
};

static const struct {
    const char *name;
    enum event_kind kind;
} kinds[] = {
    {"hello", EVENT_HELLO},       {"joined", EVENT_JOINED},
    {"ack", EVENT_ACK},           {"done", EVENT_DONE},
    {"pong", EVENT_PONG},         {"members", EVENT_MEMBERS},
    {"message", EVENT_MESSAGE},   {"member", EVENT_MEMBER},
    {"typing", EVENT_TYPING},     {"deleted", EVENT_DELETED},
    {"gap", EVENT_GAP},           {"closed", EVENT_CLOSED},
    {"expiring", EVENT_EXPIRING}, {"reconnect", EVENT_RECONNECT},
    {"error", EVENT_ERROR},
};

static json_t *load(struct slice text)
{
    json_error_t error;
    json_t *json = json_loadb((const char *)text.data, text.len, PARSE_FLAGS, &error);

    if (json || json_error_code(&error) != json_error_numeric_overflow)
        return json;
    struct buf tame;
    buf_init(&tame, text.len);
    if (json_tame_numbers(&tame, text) == 0)
        json = json_loadb((const char *)tame.data, tame.len, PARSE_FLAGS, &error);
    buf_deinit(&tame);
    return json;
}

static struct slice string(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);

    return json_is_string(value) ? slice_make(json_string_value(value), json_string_length(value))
                                 : (struct slice){0};
}

/* A whole number; all of the server's are below 2^53. */
static uint64_t number(const json_t *json, const char *key)
{
    double value = json_number_value(json_object_get(json, key));

    return value >= 0 && value < 9007199254740992.0 ? (uint64_t)value : 0;
}

static enum event_kind kind_of(struct slice name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (slice_is(name, kinds[i].name))
            return kinds[i].kind;
    return EVENT_OTHER;
}

static void fill_message(struct event *event, const json_t *json, struct slice text)
{
    event->name = string(json, "from");
    event->text = string(json, "text");
    event->has_text = json_is_string(json_object_get(json, "text"));
    if (json_object_get(json, "data"))
        event->data = json_raw_member(text, "data");
}

static void fill_times(struct event *event, const json_t *json)
{
    event->ts_ms = number(json, "ts");
    event->ping_ms = number(json, "ping_ms");
    event->ttl_s = number(json_object_get(json, "retention"), "ttl");
    event->has_retry = json_object_get(json, "retry_ms") != NULL;
    event->ms = number(json, event->kind == EVENT_ERROR       ? "retry_ms"
                             : event->kind == EVENT_RECONNECT ? "after_ms"
                                                              : "in_ms");
}

static void fill(struct event *event, const json_t *json)
{
    event->room = string(json, "room");
    event->sid = string(json, "sid");
    event->uid = string(json, "uid");
    event->cid = string(json, "cid");
    event->epoch = string(json, "epoch");
    event->reason = string(json, "reason");
    event->code = string(json, "code");
    event->message = string(json, "message");
    event->name = string(json, event->kind == EVENT_TYPING ? "from" : "name");
    event->named = json_is_string(json_object_get(json, "uid"));
    event->on = json_is_true(json_object_get(json, "on"));
    event->re = number(json, "re");
    event->seq = number(json, "seq");
    event->first = number(json, "first");
    event->from = number(json, "from");
    event->to = number(json, "to");
    event->count = number(json, event->kind == EVENT_JOINED ? "members" : "count");
    event->max_message = number(json, "max_message");
    fill_times(event, json);
}

bool event_parse(struct slice text, struct event *ret_event)
{
    json_t *json = load(text);

    *ret_event = (struct event){.json = json};
    if (!json_is_string(json_object_get(json, "ev")))
        return false;
    ret_event->kind = kind_of(string(json, "ev"));
    fill(ret_event, json);
    if (ret_event->kind == EVENT_MESSAGE)
        fill_message(ret_event, json, text);
    return true;
}

void event_deinit(struct event *event)
{
    json_decref(event->json);
    event->json = NULL;
}

bool event_member(const struct event *event, size_t *index, struct slice *ret_name)
{
    const json_t *members = json_object_get(event->json, "members");

    if (*index >= json_array_size(members))
        return false;
    *ret_name = string(json_array_get(members, (*index)++), "name");
    return true;
}

void event_refusal(struct slice body, char *text, size_t text_bytes)
{
    json_t *json = load(body);
    struct slice message = string(json_object_get(json, "error"), "message");

    snprintf(text, text_bytes, "%.*s", (int)message.len, (const char *)message.data);
    json_decref(json);
}
