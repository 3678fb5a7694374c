/* event.h - what the server says, as fields (docs/protocol.md sections 4 and 5).
 *
 * Threads   its owner's.
 * Ownership an event owns its JSON until event_deinit(); its slices point into that, or into the
 * text that it was parsed from. Failure   the server's text is judged: what is no JSON object with
 * an `ev` is no event. A field that is missing or of another kind is as if empty. */
#pragma once

#include "ringroom/base/slice.h"

enum event_kind {
    EVENT_OTHER, /* none that concerns us: clients ignore what they do not know */
    EVENT_HELLO,
    EVENT_JOINED,
    EVENT_ACK,
    EVENT_DONE,
    EVENT_PONG,
    EVENT_MEMBERS,
    EVENT_MESSAGE,
    EVENT_MEMBER,
    EVENT_TYPING,
    EVENT_DELETED,
    EVENT_GAP,
    EVENT_CLOSED,
    EVENT_EXPIRING,
    EVENT_RECONNECT,
    EVENT_ERROR
};

struct event {
    enum event_kind kind;
    struct slice room, sid, uid, name /* also `from` of a message or of who types */;
    struct slice text, data /* as JSON */, cid, epoch, reason, code, message;
    uint64_t re; /* of a request of ours; 0: of none */
    uint64_t seq, first, from, to, ts_ms, count, ms /* after_ms, in_ms, retry_ms */;
    uint64_t ping_ms, max_message, ttl_s;
    bool on, named; /* of a member event: `named` where it tells of one user */
    bool has_text, has_retry;
    void *json;
};

/* False: it is none. In both cases event_deinit() it. */
bool event_parse(struct slice text, struct event *ret_event);
void event_deinit(struct event *event);
/* Of EVENT_MEMBERS: the next member's name, empty at the end. *index begins at 0. */
bool event_member(const struct event *event, size_t *index, struct slice *ret_name);
/* What a refused upgrade's body says, {"error":{"message"}}: appended to text, or nothing. */
void event_refusal(struct slice body, char *text, size_t text_bytes);
