/* client.h - one who speaks: an identity, the rooms it is in, what it asks of them.
 *
 * How its bytes come and go is its carrier's business: a WebSocket connection
 * (conn.h) or a polling session (poller.h), in whose memory the client lies.
 *
 * Threads   its shard's. Its uid is constant from its first join on: a room's owner
 *           reads it while a letter of the client is with it.
 * Bound     letters: the carrier acts on no more requests while above
 *           CLIENT_LETTERS_MAX. */
#pragma once

#include "ringroom/base/list.h"
#include "ringroom/base/wheel.h"
#include "ringroom/shard/ask.h"
#include "ringroom/shard/identity.h"
#include "ringroom/shard/view.h"

enum {
    CLIENT_LETTERS_MAX = 128,  /* letters under way to other shards */
    CLIENT_REFUSALS_MAX = 10,  /* as too fast, in a row, then the client is sent away */
    CLIENT_BAD_TOKENS_MAX = 3, /* bad tokens, then likewise */
};

/* What is limited in rate, each kind apart. */
enum client_rate {
    CLIENT_SENDS,
    CLIENT_TYPING,   /* is refused, but never reason to send a client away */
    CLIENT_REQUESTS, /* all else that costs more than an answer: join, look-ups, tokens, measures */
    CLIENT_RATES
};

struct client;
struct session;

/* What a client needs of the one that carries it. */
struct client_carrier {
    /* An ask is home: takes it over. */
    void (*answer)(struct client *client, struct ask *ask);
    /* A letter is home, after its answer. */
    void (*letter_home)(struct client *client);
    /* A room has news; the member is in `dirty` already. */
    void (*news)(struct client *client);
    /* The member is about to leave. False: what has been sent of its room can't be brought to an
     * end, and the client must go. */
    bool (*leaving)(struct client *client, struct member *member);
    /* Drops the client at once. */
    void (*abort)(struct client *client);
    /* It may act on requests again. */
    void (*go_on)(struct client *client);
    /* A bad token has come with its last request: its address pays for that. */
    void (*bad_request)(struct client *client);

    /* Of the Socket.IO dialect. */

    /* Sends a packet: text with its type's digit, or the bytes of a binary message. */
    void (*text)(struct client *client, struct slice packet);
    void (*binary)(struct client *client, struct slice data);
    /* Says goodbye; WS_CODE_NONE: the client has said it first. */
    void (*end)(struct client *client, uint16_t code, const char *reason);
    /* When session_beat() is to be called. */
    void (*beat_at)(struct client *client, uint64_t due_ms);
};

struct client {
    const struct client_carrier *carrier;
    struct shard *shard;
    struct session *session; /* of the Socket.IO dialect; NULL in the native one */
    struct list members;     /* struct member.in_client */
    struct list dirty;       /* struct member.dirty: rooms with news */
    struct identity who;
    struct timer expiry; /* no token in time; it ends soon; it has ended */
    bool expiry_told;
    uint64_t full_us[CLIENT_RATES]; /* when the bucket is full again (GCRA's arrival time) */
    uint32_t letters;               /* asks and leaves not home yet */
    uint32_t rooms;                 /* in `members` */
    uint8_t refusals;               /* rate-limited in a row */
    uint8_t bad_tokens;             /* that it has brought since it is carried */
    bool waiting;                   /* an answer is due before the next request may be acted on */
    bool lost; /* went without having said so: likewise of rooms whose answer to a join is under way
                */
};

static inline struct slice client_uid(const struct client *client)
{
    return identity_uid(&client->who);
}

void client_init(struct client *client, struct shard *shard, const struct client_carrier *carrier);
/* Has left all rooms, and all its letters are home. */
void client_deinit(struct client *client);
struct member *client_find_member(struct client *client, struct slice room);
/* The member's name for that room, else the client's; empty where none was given. */
struct slice client_name(const struct client *client, const struct member *member);

/* Sends the event or reply that an encoder has left in the shard's scratch; drops the client where
 * the encoder failed. */
void client_say(struct client *client, int error);

/* Requests. `id` comes home with the answer. False: refused, with the reason in *ret_fault; else
 * carrier->answer() follows, perhaps before the call returns. */

struct client_wish {
    struct slice id, room;
    struct slice name; /* empty: none is given */
    struct room_wish at;
};
/* Of a room that the client is in already: its present state, and perhaps a new name. */
bool client_join(struct client *client, const struct client_wish *wish,
                 struct native_fault *ret_fault);
/* No answer comes. */
bool client_leave(struct client *client, struct slice room, struct native_fault *ret_fault);

struct client_message {
    struct slice id;
    struct slice from;
    struct slice text_raw, data_raw, cid; /* empty where absent */
};
bool client_send(struct client *client, struct member *member, const struct client_message *message,
                 struct native_fault *ret_fault);
bool client_typing(struct client *client, struct member *member, struct slice id, struct slice from,
                   bool on, struct native_fault *ret_fault);
/* What is done to a room against its members' will. */
struct client_measure {
    enum post_kind kind; /* POST_DELETE, POST_KICK, POST_MUTE, POST_CLOSE */
    struct slice id, room;
    uint64_t number;     /* delete */
    struct slice target; /* kick, mute: a uid */
    uint64_t seconds;    /* kick, mute */
};
bool client_measure(struct client *client, const struct client_measure *measure,
                    struct native_fault *ret_fault);
/* POST_HISTORY, POST_MEMBERS. */
bool client_look_up(struct client *client, enum post_kind kind, struct slice id, struct slice room,
                    const struct native_range *range, struct native_fault *ret_fault);

/* False: too fast; try again in *ret_retry_ms. */
bool client_within_rate(struct client *client, enum client_rate rate, uint64_t *ret_retry_ms);
/* The connection carries someone else from now on. */
void client_forget_rates(struct client *client);
/* After such a refusal has been told: sends the client away where it was one too many in a row. */
void client_was_too_fast(struct client *client);

/* Of an ask to join that has come home. `stays`: the client is still there; else it leaves again.
 * The member that stays, or NULL. */
struct member *client_joined(struct client *client, struct ask *ask, bool stays);
/* Of an ask for a room's state that has come home. Where the member was made to leave meanwhile,
 * what the answer tells of the room may be gone: then it is a refusal. */
void client_stated(struct ask *ask);
/* `lost`: its connection is gone, and it has not said that it goes. */
void client_leave_all(struct client *client, bool lost);
/* With what code it is told that its connection ends (0: none): does it go without being sent away?
 */
bool client_is_lost(uint16_t code);
/* It is made to leave, and told so. */
void client_expel(struct member *member, const char *reason);

/* client_auth.c: tokens. In open mode everyone may read and write, and nobody moderate. */

/* May it do that (enum token_right) in the room? */
bool client_may(const struct client *client, struct slice room, unsigned right);
/* Its first token, or a fresh one: rooms that it may no longer read are left at once. False: the
 * reason is in *ret_fault, and all is as before. */
bool client_take_token(struct client *client, struct slice text, struct native_fault *ret_fault);
/* That was refused, and the client has been told: a bad token counts, the third ends the client. */
void client_bad_token(struct client *client, const struct native_fault *fault);
/* From the moment it is carried: a token is due in time, or will end. */
void client_watch_token(struct client *client);
