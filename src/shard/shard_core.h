/* shard_core.h - a shard from the inside: what its connections, views and rooms share. */
#pragma once

#include "ringroom/base/table.h"
#include "ringroom/base/wheel.h"
#include "ringroom/ring/listener.h"
#include "ringroom/room/directory.h"
#include "ringroom/shard/conn.h"
#include "ringroom/shard/shard.h"
#include "ringroom/shard/view.h"

enum {
    SHARD_RECV_BUFFERS = 512,
    SHARD_RECV_BUFFER_BYTES = 4096,
    SHARD_ACCEPT_RETRY_MS = 100, /* after descriptors or memory ran out */
    SHARD_SCRUB_MS =
        500, /* messages that passed through scratch memory are wiped from it by then */
    SHARD_GARBAGE_MS = 10,   /* how long a shard sleeps while others may be inside its garbage */
    SHARD_SCRAPERS_MAX = 16, /* connections by listeners for metrics, beside limits.connections */
    SHARD_NEWS_MAX = 64, /* moments of one turn's news that are told apart; later ones go untimed */
    SHARD_ECHO_BYTES_MAX = 16 << 20,
    SHARD_FRAGMENTS_MAX = 65536,
};

struct shard {
    uint32_t index;
    struct mesh *mesh;
    struct metrics *metrics; /* its own in the mesh */
    const struct settings *settings;
    struct tls_server *tls;
    void (*on_obeyed)(void *user);
    void *user;

    struct ring *ring;
    struct accepting {
        struct listener listener;
        struct shard *shard;
        enum listener_kind kind;
    } accepting[SHARD_LISTENERS_MAX];
    size_t accepting_count;
    struct timer accept_retry;

    /* Of this turn. */
    uint64_t now_ms, now_us, wall_ms;

    struct wheel wheel;
    struct directory directory; /* rooms that this shard owns */
    struct epoch_bin bin;
    bool garbage; /* the bin holds what others may still read */

    struct table views;    /* rooms in which this shard has members */
    struct list dirty;     /* struct view.dirty */
    struct news {          /* that this turn delivers */
        uint64_t since_us; /* when they were accepted by their rooms' owner */
        uint32_t views;    /* that had news from then on */
    } news[SHARD_NEWS_MAX];
    uint32_t news_count;

    struct table pollers;      /* struct poller, by sid, those that have moved too, for a while */
    struct list ready_pollers; /* struct poller.ready: something to send, or to look for */
    struct list dead_pollers;  /* struct poller.ready: to be freed at the turn's end */
    struct table sids;         /* struct session, by sid: those that never polled */
    struct table sessions;     /* struct session, by pid: those that can be come back to */
    struct list detached;      /* struct session.detached, longest ago first */
    uint32_t detached_count;
    size_t detached_bytes; /* what they hold */
    size_t heavy_bytes;    /* of long polling payloads on their way to clients */
    struct timer forget;   /* when the first of them has been remembered long enough */

    struct list conns; /* struct conn.link, until closed and free of letters */
    struct list dead;  /* to be freed at the turn's end */
    uint32_t conns_count;
    uint32_t refused_count;  /* of those: not let in, and told so */
    uint32_t scrapers_count; /* of those: not closed yet, and by a listener for metrics */
    uint32_t pollers_count;  /* not freed yet, husks among them */
    uint32_t errands_count;  /* of ours, not home yet */
    uint32_t asks_count;     /* under way to other shards */
    uint32_t verdicts_count; /* of ours, not home yet */
    struct list ready;       /* struct conn.ready */
    struct list unblocked;   /* struct conn.unblocked */

    struct ws_pool *ws_pool;
    struct ws_limits native_limits, echo_limits, engine_limits;
    struct http_limits http_limits;

    uint64_t tell_of_proxies_ms; /* before then, no further line of the log about them */

    bool stopping;              /* no new clients; those here are being sent away */
    struct shard_command *stop; /* to be obeyed when they have gone; NULL before and after */
    bool exiting;

    /* Scratch, used within one call, wiped some time after. */
    struct timer trim;   /* set after many have gone, until it has been quiet for a while */
    uint32_t trim_count; /* connections and polling sessions that have gone since the last one */
    struct timer scrub;  /* set while it may hold a message ... */
    bool scratched;      /* ... or this turn has used it */
    struct buf text;     /* JSON being written */
    uint8_t plain[TLS_RECORD_PLAIN_MAX]; /* gathered for one record */
    uint8_t handshake[TLS_HANDSHAKE_OUT_MAX];
};

/* client.c */
extern const struct native_fault fault_no_memory, fault_not_joined, fault_too_fast;

/* So many messages are on their way to the client. */
static inline void client_delivers(struct client *client, uint64_t messages, size_t bytes)
{
    metrics_add(client->shard->metrics, METRIC_DELIVERIES, messages);
    metrics_add(client->shard->metrics, METRIC_DELIVERED_BYTES, bytes);
}
/* It is told of that gap. */
static inline void client_missed(struct client *client, const struct log_read *gap)
{
    metrics_count(client->shard->metrics, METRIC_GAPS);
    metrics_add(client->shard->metrics, METRIC_GAP_MESSAGES, gap->to - gap->from + 1);
}

/* client_auth.c */
void client_expiry_fired(struct timer *timer, uint64_t now_ms);

/* post.c: letters. */
void shard_drain_inbox(struct shard *shard);
/* shard.c: lets go of the old ones. No pointer into settings is kept beyond a turn, but here. */
void shard_reload(struct shard *shard, const struct settings *settings, struct tls_server *tls);
/* An order has been carried out: the command is the server's again. */
void shard_obeyed(struct shard *shard, struct shard_command *command);
/* Sends an ask to the owner of its room, or answers it on the spot. The answer, or a refusal, goes
 * to its client's carrier, perhaps before this returns. */
void shard_ask(struct shard *shard, uint32_t owner, struct ask *ask);
/* Sends a member's leave letter; the member is freed when it is home. */
void shard_leave(struct shard *shard, struct member *member);
void shard_post(struct shard *shard, uint32_t to, struct post *post);
/* Makes the view's members of that uid (empty: all of them) leave. The view may be gone then. */
void shard_expel(struct view *view, struct slice uid, const char *reason);

/* shard_metrics.c. Notes a view whose news are being delivered in this turn. */
void shard_note_news(struct shard *shard, uint64_t since_us);
/* At the turn's end: what /metrics can be told now. */
void shard_publish_metrics(struct shard *shard);

/* owner.c: what a room's owner does. */
void owner_answer(struct shard *shard, struct ask *ask);
void owner_leave(struct shard *shard, struct member *member);
int owner_project(void *user, const struct room *room, struct slice entry, struct slice *ret_bytes);
int owner_project_deleted(void *user, const struct room *room, uint64_t seq,
                          struct slice *ret_bytes);
/* Tells every shard with members in the room, each at most once until it has looked. */
void owner_advanced(struct shard *shard, struct room *room);
/* 0: no limit. */
uint32_t owner_members_max(const struct shard *shard, const struct room *room);
/* A message is not stored: says why, by the error of room_prepare(), room_commit() or
 * room_append_all(). */
void owner_refuse_message(struct shard *shard, struct ask *ask, int error);
extern const struct native_fault fault_closing, fault_no_room;
/* owner_api.c: what the HTTP API asks. */
void owner_answer_api(struct shard *shard, struct ask *ask);
/* disconnect.c: closes this shard's connections and sessions of that user; how many they were. */
uint64_t shard_disconnect(struct shard *shard, struct slice uid);

void owner_count_due(void *user, struct room *room, uint64_t now_ms);
void owner_gone(void *user, struct room *room, const struct room_user *gone);

/* The scratch text, empty: for one event or reply to be written. */
static inline struct buf *shard_text(struct shard *shard)
{
    shard->text.len = 0;
    shard->scratched = true;
    return &shard->text;
}
