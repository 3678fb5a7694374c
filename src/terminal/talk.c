#include "ringroom/terminal/talk.h"
#include "ringroom/base/encode.h"
#include "ringroom/base/random.h"
#include "ringroom/base/utf8.h"
#include "ringroom/proto/json_text.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    OUT_BYTES_MAX = 64 << 20, /* far beyond what waits: TALK_WAITING_MAX, one of them under way */
    AGAIN_MS = 1000,          /* between two tries where the server names no time */
    TYPING_REPEAT_MS = 3000
};

/* A message that is not stored yet. */
struct say {
    struct list link; /* in talk->waiting */
    char cid[ENCODE_BASE64_BYTES(TALK_CID_BYTES)];
    size_t cid_bytes;
    size_t bytes;
    uint8_t text[];
};

void talk_init(struct talk *talk, const struct talk_wish *wish)
{
    *talk = (struct talk){.wish = *wish};
    buf_init(&talk->out, OUT_BYTES_MAX);
    list_init(&talk->waiting);
}

static struct say *oldest(const struct talk *talk)
{
    return list_empty(&talk->waiting) ? NULL : container_of(talk->waiting.next, struct say, link);
}

/* `say` is the oldest. */
static void drop(struct talk *talk, struct say *say)
{
    list_remove(&say->link);
    talk->waiting_count--;
    talk->saying_id = 0;
    talk->say_at_ms = 0;
    talk->tries = 0;
    mem_free_wiped(say);
}

void talk_deinit(struct talk *talk)
{
    struct say *say;

    while ((say = oldest(talk)))
        drop(talk, say);
    buf_deinit(&talk->out);
}

/* --- requests --- */

static void put(struct talk *talk, const char *text)
{
    if (buf_append_str(&talk->out, text) < 0)
        talk->over = true;
}

static void put_string(struct talk *talk, const char *lead, struct slice text)
{
    put(talk, lead);
    if (json_put_string(&talk->out, text) < 0)
        talk->over = true;
}

static void put_number(struct talk *talk, const char *lead, uint64_t number)
{
    put(talk, lead);
    if (json_put_u64(&talk->out, number) < 0)
        talk->over = true;
}

/* Returns its id. */
static uint64_t begin(struct talk *talk, const char *op)
{
    put(talk, "{\"op\":\"");
    put(talk, op);
    put_number(talk, "\",\"id\":", ++talk->last_id);
    return talk->last_id;
}

static void end(struct talk *talk)
{
    put(talk, "}\n");
    if (talk->over && !talk->trouble[0])
        snprintf(talk->trouble, sizeof(talk->trouble), "out of memory");
}

static void join(struct talk *talk)
{
    talk->join_at_ms = 0;
    talk->joining_id = begin(talk, "join");
    put_string(talk, ",\"room\":", slice_of(talk->wish.room));
    if (talk->wish.name)
        put_string(talk, ",\"name\":", slice_of(talk->wish.name));
    if (talk->epoch[0]) {
        put_string(talk, ",\"since\":{\"epoch\":", slice_of(talk->epoch));
        put_number(talk, ",\"seq\":", talk->seq);
        put(talk, "}");
    } else if (talk->wish.history != UINT64_MAX) {
        put_number(talk, ",\"history\":", talk->wish.history);
    }
    end(talk);
}

/* Says the oldest message that waits, unless one is under way. */
static void flush(struct talk *talk)
{
    struct say *say;

    while (talk->joined && !talk->saying_id && !talk->say_at_ms && (say = oldest(talk))) {
        size_t start = talk->out.len;
        uint64_t id = begin(talk, "send");
        put_string(talk, ",\"room\":", slice_of(talk->wish.room));
        put_string(talk, ",\"text\":", slice_make(say->text, say->bytes));
        put_string(talk, ",\"cid\":", slice_make(say->cid, say->cid_bytes));
        end(talk);
        size_t bytes = talk->out.len - start - 1;
        if (bytes <= talk->max_message) {
            talk->saying_id = id;
            return;
        }
        talk->out.len = start;
        talk->refused++;
        snprintf(talk->trouble, sizeof(talk->trouble),
                 "too_large: the message has %zu bytes on the wire, the server takes %" PRIu64,
                 bytes, talk->max_message);
        drop(talk, say);
    }
}

int talk_say(struct talk *talk, struct slice text)
{
    uint8_t random[TALK_CID_BYTES];

    if (talk->waiting_count == TALK_WAITING_MAX)
        return -ENOBUFS;
    if (!utf8_valid(text))
        return -EILSEQ;
    struct say *say = mem_alloc(sizeof(*say) + text.len);
    if (!say)
        return -ENOMEM;
    random_bytes(random, sizeof(random));
    say->cid_bytes = encode_base64url(say->cid, random, sizeof(random));
    say->bytes = text.len;
    if (text.len)
        memcpy(say->text, text.data, text.len);
    list_append(&talk->waiting, &say->link);
    talk->waiting_count++;
    flush(talk);
    return 0;
}

void talk_typing(struct talk *talk, bool on, uint64_t now_ms)
{
    if (!talk->joined ||
        (on ? talk->typed_ms && now_ms - talk->typed_ms < TYPING_REPEAT_MS : !talk->typed_ms))
        return;
    talk->typed_ms = on ? now_ms : 0;
    begin(talk, "typing"); /* a refusal is passed over: nobody has to know */
    put_string(talk, ",\"room\":", slice_of(talk->wish.room));
    put(talk, on ? ",\"on\":true" : ",\"on\":false");
    end(talk);
}

void talk_ask_members(struct talk *talk)
{
    begin(talk, "members");
    put_string(talk, ",\"room\":", slice_of(talk->wish.room));
    end(talk);
}

void talk_auth(struct talk *talk, struct slice token)
{
    talk->auth_id = begin(talk, "auth");
    put_string(talk, ",\"token\":", token);
    end(talk);
}

/* --- events --- */

static void keep(char *dst, size_t bytes_max, struct slice text)
{
    size_t bytes = text.len <= bytes_max ? text.len : 0;

    if (bytes)
        memcpy(dst, text.data, bytes);
    dst[bytes] = '\0';
}

static void tell(struct talk *talk, const struct event *event, const char *advice)
{
    snprintf(talk->trouble, sizeof(talk->trouble), "%.*s: %.*s%s", (int)event->code.len,
             (const char *)event->code.data, (int)event->message.len,
             (const char *)event->message.data, advice);
}

static void greeted(struct talk *talk, const struct event *event)
{
    talk->greeted = true;
    talk->max_message = event->max_message;
    keep(talk->sid, TALK_SID_MAX, event->sid);
    keep(talk->uid, TALK_UID_MAX, event->uid);
    join(talk);
}

static void joined(struct talk *talk, const struct event *event)
{
    talk->joining_id = 0;
    talk->joined = true;
    talk->horizon = event->seq;
    talk->again = talk->epoch[0] != '\0';
    talk->anew = talk->again && !slice_is(event->epoch, talk->epoch);
    if (!talk->again || talk->anew) {
        keep(talk->epoch, TALK_EPOCH_MAX, event->epoch);
        talk->seq = event->first ? event->first - 1 : 0;
        talk->stored = 0;
    }
    flush(talk);
}

/* The oldest message is. */
static void stored(struct talk *talk, uint64_t seq)
{
    struct say *say = oldest(talk);

    if (seq > talk->stored)
        talk->stored = seq;
    if (say)
        drop(talk, say);
    flush(talk);
}

static bool received(struct talk *talk, const struct event *event)
{
    struct say *say = oldest(talk);

    if (!talk->joined || event->seq <= talk->seq)
        return false;
    talk->seq = event->seq;
    /* Stored on an earlier connection, or now, with the `ack` to come. */
    if (say && slice_equal(event->cid, slice_make(say->cid, say->cid_bytes)) &&
        slice_is(event->uid, talk->uid))
        stored(talk, event->seq);
    return true;
}

static uint64_t later(const struct event *event, uint64_t now_ms)
{
    return now_ms + (event->ms ? event->ms : AGAIN_MS);
}

static bool passes(const struct event *event)
{
    return slice_is(event->code, "rate_limited") || slice_is(event->code, "unavailable");
}

static void join_refused(struct talk *talk, const struct event *event, uint64_t now_ms)
{
    talk->joining_id = 0;
    if (passes(event)) {
        talk->join_at_ms = later(event, now_ms);
    } else if (slice_is(event->code, "bad_request") && talk->epoch[0]) {
        talk->epoch[0] = '\0'; /* a position that the server does not know: begin afresh */
        talk->seq = 0;
        join(talk);
    } else {
        talk->over = true;
        tell(talk, event, slice_is(event->code, "unauthorized") ? " (--token, --token-file)" : "");
    }
}

static void say_refused(struct talk *talk, const struct event *event, uint64_t now_ms)
{
    bool full = slice_is(event->code, "unavailable");
    struct say *say = oldest(talk);

    talk->saying_id = 0;
    if (passes(event) && !(full && ++talk->tries >= TALK_TRIES_MAX)) {
        talk->say_at_ms = later(event, now_ms);
        return;
    }
    talk->refused++;
    tell(talk, event, "");
    if (say)
        drop(talk, say);
    flush(talk);
}

static void failed(struct talk *talk, const struct event *event, uint64_t now_ms)
{
    if (event->re && event->re == talk->joining_id)
        join_refused(talk, event, now_ms);
    else if (event->re && event->re == talk->saying_id)
        say_refused(talk, event, now_ms);
    else if (event->re == 0 || event->re == talk->auth_id)
        tell(talk, event, "");
}

static void closed(struct talk *talk, const struct event *event)
{
    talk->over = true;
    if (slice_is(event->reason, "kicked"))
        snprintf(talk->trouble, sizeof(talk->trouble), "you were made to leave the room");
    else
        snprintf(talk->trouble, sizeof(talk->trouble), "the room was closed");
}

static bool ours(const struct talk *talk, const struct event *event)
{
    return slice_is(event->room, talk->wish.room);
}

bool talk_receive(struct talk *talk, const struct event *event, uint64_t now_ms)
{
    switch (event->kind) {
    case EVENT_HELLO:
        greeted(talk, event);
        return true;
    case EVENT_JOINED:
        if (ours(talk, event) && event->re == talk->joining_id)
            joined(talk, event);
        return true;
    case EVENT_ACK:
        if (event->re && event->re == talk->saying_id)
            stored(talk, event->seq);
        return true;
    case EVENT_MESSAGE:
        return ours(talk, event) && received(talk, event);
    case EVENT_DELETED:
        if (ours(talk, event) && event->seq == talk->seq + 1) /* in the message's place */
            talk->seq = event->seq;
        return ours(talk, event) && event->seq <= talk->seq;
    case EVENT_GAP:
        if (!ours(talk, event) || event->to <= talk->seq)
            return false;
        talk->seq = event->to;
        return true;
    case EVENT_CLOSED:
        if (ours(talk, event))
            closed(talk, event);
        return true;
    case EVENT_ERROR:
        failed(talk, event, now_ms);
        return true;
    case EVENT_DONE:
    case EVENT_PONG:
        return false;
    default:
        return true;
    }
}

void talk_lost(struct talk *talk)
{
    talk->greeted = talk->joined = false;
    talk->joining_id = talk->saying_id = talk->auth_id = 0;
    talk->join_at_ms = talk->say_at_ms = 0;
    talk->typed_ms = 0;
    mem_wipe(talk->out.data, talk->out.len);
    talk->out.len = 0;
}

void talk_turn(struct talk *talk, uint64_t now_ms)
{
    if (talk->join_at_ms && now_ms >= talk->join_at_ms)
        join(talk);
    if (talk->say_at_ms && now_ms >= talk->say_at_ms) {
        talk->say_at_ms = 0;
        flush(talk);
    }
}

uint64_t talk_due_ms(const struct talk *talk)
{
    uint64_t join_at = talk->join_at_ms ? talk->join_at_ms : UINT64_MAX;
    uint64_t say_at = talk->say_at_ms ? talk->say_at_ms : UINT64_MAX;

    return join_at < say_at ? join_at : say_at;
}

bool talk_settled(const struct talk *talk)
{
    return talk->joined && list_empty(&talk->waiting) && talk->seq >= talk->horizon &&
           talk->seq >= talk->stored;
}
