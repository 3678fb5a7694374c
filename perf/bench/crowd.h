/* crowd.h - members joined to rooms, each delivery of theirs verified.
 *
 * Member i is connection i. Room r holds the members r * N / R to (r + 1) * N / R - 1; a member is
 * in one room. In a mixed crowd every other member speaks Socket.IO. Rooms get names that no other
 * run uses.
 *
 * Threads   one.
 * Ownership the crowd owns its engine.
 * Bound     one ledger a room; together at most LEDGER_ENTRIES_TOTAL entries. */
#pragma once

#include "engine.h"
#include "histogram.h"
#include "ledger.h"
#include "options.h"

struct member {
    struct reader reader;
    uint32_t room;
    uint32_t sent;      /* by this member */
    uint32_t last_seen; /* its own count, as receivers saw it last */
    bool joined;
    bool stalled;
    bool gone; /* the server closed it, or it never came */
};

struct room {
    struct ledger ledger;
    uint32_t first_member;
    uint32_t member_count;
    uint32_t sender_count; /* its first members, who send in turn */
    uint32_t next_sender;
    uint64_t base_seq; /* its newest number when we came */
    uint64_t sent;
};

struct crowd {
    struct engine engine;
    struct tls_client tls;
    const struct options *options;
    struct member *members;
    struct room *rooms;
    uint32_t member_count;
    uint32_t room_count;
    uint32_t begun;  /* connections */
    uint32_t opened; /* … that are through TLS and the upgrade */
    uint32_t joined; /* … that have joined, or are gone */
    bool hold;       /* members that open now wait for crowd_ask_join() */
    bool replay;     /* members that join now ask for the whole history; Socket.IO ones always do */
    uint32_t gone;
    struct verdict verdict;
    uint64_t delivered; /* to live members, ever */
    uint64_t errors;    /* error events */
    uint64_t acks;
    uint64_t measure_from_ns; /* latencies are of messages intended in [from, to) */
    uint64_t measure_to_ns;
    struct histogram latency;
    unsigned tag; /* in the rooms' names */
};

/* 0 or -errno. */
int crowd_init(struct crowd *c, const struct options *options, uint32_t members, uint32_t rooms);
void crowd_deinit(struct crowd *c);
/* A scenario with a crowd: made, run, ended. The scenario's exit status. */
int crowd_run(const struct options *options, uint32_t members, uint32_t rooms,
              int (*run)(struct crowd *c, const struct options *options));

/* Connects and joins members until `upto` have been, stall or not; 0, or negative if one was
 * refused or time ran out. */
int crowd_join(struct crowd *c, uint32_t upto);
/* As crowd_join(), but the members wait for crowd_ask_join(). */
int crowd_open(struct crowd *c, uint32_t upto);
void crowd_ask_join(struct crowd *c, uint32_t member);
/* True once the member has all that was sent to its room. */
bool crowd_is_current(const struct crowd *c, uint32_t member);
/* Runs turns until then. */
void crowd_idle(struct crowd *c, double seconds);
/* The next member of the room sends one message that was due at intended_ns. */
void crowd_send(struct crowd *c, uint32_t room, uint64_t intended_ns);
void crowd_stall(struct crowd *c, uint32_t member);
void crowd_resume(struct crowd *c, uint32_t member);
/* Waits until every live member has all that was sent, or nothing comes for quiet_s. */
void crowd_drain(struct crowd *c, double quiet_s);
/* Adds what is missing now to the verdict. Once, at the end. */
void crowd_close_books(struct crowd *c);
