/* session.h - an Engine.IO session and the Socket.IO socket in it: what outlives one transport.
 *
 * A session begins on the shard that took its handshake. It is carried there by a
 * polling session (poller.h), or by a WebSocket connection (conn.h). On the
 * upgrade it moves, as a whole, to the shard of the WebSocket; when its transport
 * breaks it stays, detached, on the shard where it was, until its client comes
 * back for it or it is forgotten.
 *
 * Threads   the shard that has it: it is passed on inside an errand.
 * Ownership attached: its client's carrier. Detached: the shard's list.
 * Bound     runs: SESSION_RUNS_MAX; kept rooms: as many as the client was in;
 *           detached sessions of a shard: settings (recoverable_max, recovery_s). */
#pragma once

#include "ringroom/base/table.h"
#include "ringroom/proto/engineio.h"
#include "ringroom/proto/socketio.h"
#include "ringroom/shard/client.h"

enum {
    /* A secret, then the number of the shard that began it as three hexadecimal digits. */
    SESSION_SID_BYTES = IDENTITY_SECRET_BYTES + 3,
    SESSION_ID_BYTES = 16,  /* base64url of 96 bits: the socket's id, which others may see */
    SESSION_RUNS_MAX = 128, /* remembered deliveries that the client has not confirmed */
};

/* The packet by which the server ends a socket for good: its client does not come back by itself.
 */
#define SESSION_DISCONNECT "41"

enum session_kind {
    SESSION_CHAT,
    SESSION_CONFORMANCE, /* the test server of the public Socket.IO suite */
    SESSION_ECHO         /* the test server of the public Engine.IO suite */
};

/* A stretch of one room's log that was handed to the transport; in the order of all rooms. */
struct session_run {
    uint32_t serial;  /* of the member; 0: a ping was sent here */
    uint64_t next;    /* up to this number */
    uint64_t history; /* begins with `joined`, up to this number; else 0 */
};

/* A room as it is remembered while its session is between two clients. */
struct session_room {
    char epoch[ROOM_EPOCH_BYTES];
    uint32_t serial;
    uint64_t next;        /* the number to be sent next; 0: `joined` is to be sent first */
    uint64_t confirmed;   /* up to this number the client certainly has it; 0: not even `joined` */
    uint64_t history_end; /* `joined` has not been begun: it ends below this number; else 0 */
    uint8_t room_len, name_len;
    char text[ROOM_NAME_MAX + ROOM_USER_NAME_MAX];
};

struct errand;

/* A binary packet whose attachments have not all come. */
struct session_assembly {
    struct buf text;                       /* the packet */
    struct buf bytes;                      /* its attachments, end to end */
    uint32_t expected;                     /* attachments */
    uint32_t count;                        /* that have come */
    size_t ends[SOCKETIO_ATTACHMENTS_MAX]; /* where each ends in `bytes` */
};

struct session {
    struct table_link by_sid; /* WebSocket from the start: in the shard's table */
    struct table_link by_pid; /* in the shard's sessions, while its client can come back to it */
    struct list detached;     /* in the shard's list; in none while attached */
    struct client *client;    /* who carries it; NULL: detached, or inside an errand */

    uint64_t beat_ms;    /* when the next ping is due, or the pong to the last one */
    uint64_t connect_ms; /* by when the first CONNECT must have come; 0: it has */
    uint64_t lost_ms;    /* detached: since when */

    struct session_run *runs;     /* not confirmed yet, oldest first */
    uint32_t ping_ms, timeout_ms; /* as the client has been told */
    uint32_t runs_count, runs_cap;
    uint32_t serial; /* of the last member; by chance at first, so that they mark offsets */
    struct session_room *kept;
    uint32_t kept_count;
    uint32_t resuming; /* rooms that are being joined again, and one more while more may follow */

    struct member *streaming;          /* its `joined` has begun and not ended */
    bool streamed;                     /* at least one message of it has been written */
    struct session_assembly *assembly; /* NULL: none is under way */
    struct buf later;  /* chat: frames that must not come among a message's fragments */
    uint64_t later_ms; /* conformance: `later` is a packet to be sent then; 0: there is none */

    uint8_t kind;        /* enum session_kind */
    bool resume_failed;  /* one of the rooms could not be joined as it was left */
    bool vague;          /* runs were forgotten unconfirmed: what the client has can't be told */
    bool ping_sent;      /* a pong is due */
    bool connected;      /* to the namespace "/" */
    bool connected_more; /* to "/custom", which only the conformance server has */
    bool recoverable;    /* the client knows its pid */
    bool listed;         /* in the shard's table by pid */
    bool known;          /* in the shard's table by sid */

    /* Of a move to another transport: the memberships at the old place stand until those at the new
     * one are made, so that nobody is told of someone's going. */
    bool moving;
    struct errand *release; /* what ends those; NULL: none stand */
    uint32_t release_shard;

    /* The client's, while it is between two carriers. */
    struct identity who;

    char sid[SESSION_SID_BYTES]; /* Engine.IO's: a secret */
    char pid[SESSION_SID_BYTES]; /* what the client comes back with: a secret */
    char id[SESSION_ID_BYTES];   /* Socket.IO's: others may see it */
};

/* session.c: life. */
struct session *session_new(struct shard *shard, enum session_kind kind);
/* Not in an errand; out of the shard's table and list it goes. Takes NULL. */
void session_free(struct shard *shard, struct session *session);
void session_new_sid(const struct shard *shard, char sid[SESSION_SID_BYTES]);
uint32_t session_payload_max(const struct shard *shard, enum session_kind kind);
/* Bytes that may wait for a client of such a session. */
size_t session_out_max(const struct shard *shard, enum session_kind kind);
/* One that has never polled: late requests for it are told that they are wrong. */
void session_make_known(struct shard *shard, struct session *session);
bool session_is_known(const struct shard *shard, const char *sid);
/* How many lost ones a shard remembers. */
/* The settings are others: how long, and how many, lost sessions are remembered. */
void session_reload(struct shard *shard);
uint32_t session_recoverable_max(const struct shard *shard);
/* The open packet. 0, -ENOBUFS, -ENOMEM. */
int session_open(const struct shard *shard, const struct session *session, bool upgrades,
                 struct buf *out);
/* The client carries it from now on, and its heart beats. */
void session_attach(struct session *session, struct client *client);
/* The identity that came with it is its new client's. Before session_attach(). */
void session_settle(struct session *session, struct client *client);
/* The carrier is about to go, with its memberships still standing: what can be come back to is
 * detached, the rest freed. */
void session_lost(struct client *client);
/* Takes the session off its client, for an errand, with its rooms and identity. False where memory
 * has run out: nothing has changed. */
bool session_take(struct session *session);
/* The client can come back with its pid from now on. */
void session_enlist(struct shard *shard, struct session *session);
/* And not any more: it has said goodbye. */
void session_unlist(struct shard *shard, struct session *session);
/* The old memberships of a move may go. */
void session_release(struct shard *shard, struct session *session);
/* A session that came in an errand and finds no client: detached again. */
void session_shelve(struct shard *shard, struct session *session);
/* The session with that pid, and of that user (0: of any), taken off whoever has it; NULL: not
 * here.
 */
struct session *session_find(struct shard *shard, const char *pid, uint64_t user);
void session_forget_all(struct shard *shard);
/* The shard's timer: some have been remembered for long enough. */
void session_forget_due(struct timer *timer, uint64_t now_ms);

/* The carrier's timer fired, or the pong came. */
void session_beat(struct client *client);
void session_pong(struct client *client);
/* Conformance: sends it in a moment. False: memory has run out. */
bool session_send_later(struct client *client, struct slice packet);

/* session_runs.c: what the client has. */

/* Entries of the member's room have been handed to the transport. */
void session_sent(struct member *member);
/* A ping has: its answer tells that all before it has arrived. */
void session_sent_ping(struct session *session);
/* `joined` has: the first that is sent of a room. */
void session_sent_history(struct member *member);
/* Never 0. */
uint32_t session_next_serial(struct session *session);
/* All that was sent before the last ping has arrived; or simply all. */
void session_confirm_ping(struct session *session);
void session_confirm_all(struct session *session);
/* Sets every kept room's `next` to what a client with that offset lacks. False: it can't be told.
 */
bool session_resolve(struct session *session, struct slice offset);

/* Gives up a binary packet that is not complete. */
void session_drop_assembly(struct session *session);

/* session_packet.c: packets in. Not while the client waits. */
void session_packet(struct client *client, const struct engineio_packet *packet);
/* An errand to find an older session is home. */
void session_found(struct client *client, struct errand *errand);
/* Joins the kept rooms again; then a move is complete, or CONNECT is answered. */
void session_rejoin(struct client *client);

/* session_chat.c: the chat's events, and answers coming home. */
void session_chat_event(struct client *client, const struct socketio_packet *packet);
void session_answer(struct client *client, struct ask *ask);

/* A kept room has been joined again, or not. */
void session_rejoined(struct client *client, struct ask *ask);

/* session_history.c: `joined` with a room's whole history, piece by piece, never held in memory.
 * What expires meanwhile is left out. Pieces are written to `text`, empty before. 0, -ENOBUFS,
 * -ENOMEM. */
int session_history_begin(struct member *member, struct buf *text);
/* Until session->streaming is NULL. ret_gap->to: not 0 where numbers have gone since, to be told
 * once the piece has been sent. */
int session_history_next(struct session *session, struct buf *text, struct log_read *ret_gap);
/* Ends it with what has been written: its member leaves. */
int session_history_end(struct session *session, struct buf *text);
/* The events `closed` {room, reason} and `expiring` {in_ms}. */
int session_put_closed(struct buf *text, struct slice room, const char *reason);
int session_put_expiring(struct buf *text, uint64_t in_ms);
/* Passing events were missed: the count at least is set right. */
int session_put_count(struct buf *text, const struct room *room);
