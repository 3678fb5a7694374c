/* conn.h - one connection: its socket, TLS, HTTP, WebSocket; and the client that it carries.
 *
 * Threads   the shard that accepted it, for good.
 * Ownership the shard's list. Freed by the shard's reaper when the socket is
 *           closed and all its letters are home (client.letters == 0).
 * Bound     `out`: input is not read while it is above CONN_OUT_HIGH; `stash`:
 *           likewise. */
#pragma once

#include "ringroom/base/ip.h"
#include "ringroom/ring/stream.h"
#include "ringroom/shard/session.h"
#include "ringroom/shard/settings.h"
#include "ringroom/wire/http.h"
#include "ringroom/wire/tls.h"
#include "ringroom/wire/ws.h"

enum {
    CONN_OUT_HIGH = 64 << 10,   /* bytes waiting above which no more requests are read */
    CONN_STASH_HIGH = 64 << 10, /* bytes read but not yet acted on, above which receiving pauses */
    CONN_TURN_FRAMES = 256,     /* of a connection acted on in one turn of the loop */
    CONN_LINGER_MS = 1000,      /* for the peer's end after ours */
    CONN_CLOSE_MS = 3000,       /* for a closing connection to take its last bytes */
};

struct conn_proxy;
struct conn_refusal;

enum conn_phase {
    CONN_HTTP,         /* a proxy's header, TLS handshake and HTTP requests */
    CONN_NATIVE,       /* WebSocket, the native dialect */
    CONN_ECHO,         /* WebSocket, the conformance echo */
    CONN_ENGINE_PROBE, /* WebSocket, about to take over an Engine.IO session from polling */
    CONN_ENGINE,       /* WebSocket, carries an Engine.IO session */
    CONN_CLOSING,      /* says its last words; input is dropped, but for the peer's close frame */
    CONN_LINGER,       /* has ended its direction; waits for the peer's end */
    CONN_DEAD          /* stream_close() has been called */
};

struct conn {
    struct stream stream;
    struct client client; /* from the upgrade on */
    struct shard *shard;
    struct list link;      /* in the shard's connections */
    struct list ready;     /* in the shard's list of those to flush; in none otherwise */
    struct list unblocked; /* in the shard's list of those whose stash can go on; or in none */
    struct timer timer;
    struct meter_entry *account; /* its address's; NULL: it is not known, not metered, or no more */

    struct conn_proxy *proxy; /* the peer is a proxy of ours that has not said all yet: until its
                               * header is whole, or the upgrade. NULL otherwise */

    struct tls *tls;   /* NULL: plain, or closed */
    struct http *http; /* while CONN_HTTP */
    struct ws *ws;     /* from the upgrade on */

    struct member *cut; /* a frame of this room's log is sent in part: nothing else may go before
                         * its rest */
    struct buf out;     /* plain bytes that go before any room's news */
    struct buf sealed;  /* TLS bytes that go before anything: handshake, tickets, alerts */
    struct buf stash;   /* plain bytes received while blocked */

    uint32_t ping_interval_s, idle_timeout_s; /* as they were when it came */
    size_t answer_at;                         /* where the present answer begins in `out` */
    uint64_t turn_us;                         /* the turn in which input was acted on last ... */
    uint32_t turn_frames;                     /* ... and how many frames of it */
    uint64_t heard_ms;                        /* when a frame last came, or the upgrade was made */
    uint8_t listener;                         /* enum listener_kind */
    bool scraper;        /* its client, as far as it is known, may have /metrics at any listener */
    uint8_t phase;       /* enum conn_phase */
    bool asked;          /* a request has come whole */
    bool close_received; /* the peer's close frame has come */
    bool peer_done;  /* nothing more is due from the peer: its close frame, or its last request, has
                      * come whole */
    bool close_sent; /* ours is in `out`, or gone */
    bool finishing;  /* closing: when `out` has gone, this side ends */
    bool shut;       /* close_notify is in `sealed`, or gone */
    bool stopping;   /* the server is going away */
    bool polling;    /* a GET of ours waits at its session */
    bool refused;    /* it was not let in, and is only told so: counted by the shard */
    bool calling;    /* true exactly while a call of the HTTP API waits for its answer */
    char sid[SESSION_SID_BYTES]; /* the client's secret; of Engine.IO, the session that it uses */
};

static inline struct conn *conn_of(struct client *client)
{
    return container_of(client, struct conn, client);
}

/* The longest reply to one request, in bytes: a page of history, or one message of any size. */
static inline size_t conn_reply_max(const struct settings *settings)
{
    return 2 * (NATIVE_HISTORY_BYTES_MAX + (size_t)settings->max_message);
}

/* conn.c: life. Takes over fd. */
void conn_accept(struct shard *shard, int fd, enum listener_kind listener);
/* Gives the client a sid, from which in open mode its uid follows; or the one it comes back with,
 * so that it is the same user as before. What is no sid is passed over. Before the hello. */
void conn_take_sid(struct conn *conn, struct slice sid);
/* Goes on to that phase. */
void conn_enter(struct conn *conn, enum conn_phase phase);
/* Drops the connection at once. */
void conn_abort(struct conn *conn);
/* Says goodbye: WebSocket peers get a close frame with that code and reason. */
void conn_close(struct conn *conn, uint16_t code, const char *reason);
/* Ends an HTTP connection, or a WebSocket whose close handshake is through, after what is in
 * `out` has gone. */
void conn_finish(struct conn *conn);
void conn_free(struct conn *conn);
/* It is not let in: closed before TLS, else told so, as far as there is room for that. */
void conn_refuse(struct conn *conn, const struct conn_refusal *refusal);
/* Its last bytes are gone: ends this side and waits a moment for the peer's end. */
void conn_linger(struct conn *conn);
/* From the upgrade on: pings, and the time-out without an answer. */
void conn_start_alive_checks(struct conn *conn);
/* The server is going away: come back after so long. */
void conn_stop(struct conn *conn, uint64_t after_ms);

/* conn_address.c: what one address may have at a time and by the second. */

enum conn_limit { CONN_LIMIT_CONNECTIONS, CONN_LIMIT_HANDSHAKES, CONN_LIMIT_BAD_REQUESTS };

struct conn_refusal {
    enum conn_limit limit;
    uint64_t retry_us; /* when another try makes sense */
};

/* It is now known, or known better, from where the connection comes: it counts as one of that
 * address from here on, as a new one where it `opens`, and no more as one of the address before, if
 * any. The same address once more changes nothing. False: that address has as much as it may, and
 * nothing has changed. */
bool conn_set_address(struct conn *conn, const struct ip *ip, bool opens,
                      struct conn_refusal *ret_refusal);
/* It counts no more. */
void conn_leave_address(struct conn *conn);
/* Is a request answered so, or a WebSocket closed so, for what the client has done wrong? */
bool conn_status_is_bad(unsigned status);
bool conn_code_is_bad(uint16_t code);
/* A bad request has come from it: a breach of protocol, or a bad token. False: one too many, and
 * why, unless ret_refusal is NULL. */
bool conn_bad_request(struct conn *conn, struct conn_refusal *ret_refusal);
/* A request is about to be answered so. False: it is a bad one too many, and has been answered
 * conn_answer_refused() instead. */
bool conn_may_answer(struct conn *conn, unsigned status);
/* Answers 429, and ends the connection. */
void conn_answer_refused(struct conn *conn, const struct conn_refusal *refusal);

/* conn_proxy.c: a connection that a proxy has made for somebody else. */

/* The peer is a proxy whose word is taken. */
bool conn_proxy_is_trusted(const struct shard *shard, const struct ip *peer);
/* It is such a one: whose connection it is will be said. False: memory has run out. */
bool conn_proxy_begin(struct conn *conn, const struct ip *peer);
/* It has said all. */
void conn_proxy_end(struct conn *conn);
/* Bytes have come: takes those of the header that is due, if any. True where *in is somebody's to
 * act on; else all is taken, or the connection has come to its end. */
bool conn_proxy_header(struct conn *conn, struct slice *in);
/* Who has sent this request, by what the proxy says. False: that can't be understood, and the
 * operator has been told. */
bool conn_proxy_client(struct conn *conn, const struct http_request *request,
                       struct ip *ret_client);

/* conn_input.c: bytes in. */
void conn_bytes(struct stream *stream, struct slice bytes);
/* Acts on what was stashed. */
void conn_go_on(struct conn *conn);
/* A reason to wait may have gone: the stash will be looked at in this turn. */
void conn_unblock(struct conn *conn);

/* conn_http.c */
void conn_http_input(struct conn *conn, struct slice *in);
/* The answer is in `out`: the next request, or the end. */
void conn_http_answered(struct conn *conn, bool keep_alive);
/* Where a browser says from which page it comes, that page must be ours, or an allowed one. */
bool conn_origin_allowed(const struct conn *conn, const struct http_request *request);
/* A WebSocket upgrade as it should be. */
bool conn_upgradable(const struct conn *conn, const struct http_request *request);
/* Answers 101, with that sub-protocol (NULL: none). False: memory has run out. The phase is the
 * caller's to set. */
bool conn_become_websocket(struct conn *conn, const struct ws_limits *limits, const char *protocol);

/* conn_metrics.c: /metrics, and all else that the listener for it has. False: the request is not
 * about that. */
bool conn_metrics_request(struct conn *conn, const struct http_request *request);
/* A client at that address may have /metrics at any listener. */
bool conn_is_scraper(const struct conn *conn, const struct ip *ip);
/* Around what may answer a request: its status is counted. An answer that comes later has the two
 * around itself. */
void conn_answer_begins(struct conn *conn);
void conn_answer_ends(struct conn *conn);

/* conn_auth.c. Where tokens are asked for, takes the one that the request brings, if any. False: it
 * is not good. */
bool conn_take_token(struct conn *conn, const struct http_request *request,
                     struct native_fault *ret_fault);

/* What an Authorization header brings as `Bearer`; empty where there is none. */
struct slice conn_bearer(const struct http_request *request);

/* conn_api.c: the HTTP API. */
void conn_api_request(struct conn *conn);
/* Takes the ask over. */
void conn_api_answer(struct conn *conn, struct ask *ask);
/* http_limits.body_bytes_for, of a shard: only who has a key may send much. */
size_t conn_api_body_bytes(void *shard, const struct http_request *request);

/* conn_engine.c: Engine.IO. */
void conn_engine_request(struct conn *conn, enum session_kind kind);
void conn_engine_message(struct conn *conn, const struct ws_event *event);
/* Takes the errand over. */
void conn_engine_home(struct conn *conn, struct errand *errand);
/* The connection goes: POST_ABANDON while a GET of its waits, the answer to which would be lost;
 * POST_UNPROBE while it probes. Tells the session. */
void conn_engine_tell(struct conn *conn, enum post_kind kind);

/* conn_native.c: requests, and answers coming home. */
void conn_native_hello(struct conn *conn);
void conn_native_request(struct conn *conn, struct slice text);
void conn_native_answer(struct conn *conn, struct ask *ask);

/* conn_output.c: bytes out. */
/* Appends a WebSocket frame to `out`; a connection that cannot take it is dropped. */
void conn_send_frame(struct conn *conn, enum ws_opcode opcode, struct slice payload);
/* The rest of the frame that is sent in part goes before `out`. False: it can't be had any more. */
bool conn_complete_cut(struct conn *conn);
/* It has something to send: it will be flushed in this turn's delivery. */
void conn_want_flush(struct conn *conn);
/* The last send is through. */
void conn_writable(struct conn *conn);
void conn_flush(struct conn *conn);
/* Brings the `joined` that is being sent in fragments to an end. False: memory has run out, and the
 * connection must go. */
bool conn_end_history(struct conn *conn);
void conn_send_gap(struct conn *conn, struct member *member, const struct log_read *gap);
