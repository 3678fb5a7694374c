#include "crowd.h"

#include "clock.h"
#include "scenario.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LEDGER_ENTRIES_TOTAL = 1 << 21, LEDGER_ENTRIES_MAX = 1 << 17, LEDGER_ENTRIES_MIN = 256 };
enum { JOIN_TIMEOUT_S = 120, ERRORS_SHOWN = 5 };

struct names {
    char room[32];
    char member[16];
};

static struct names names_of(const struct crowd *c, uint32_t member)
{
    struct names names;
    snprintf(names.room, sizeof names.room, "b%x-%u", c->tag, c->members[member].room);
    snprintf(names.member, sizeof names.member, "m%u", member);
    return names;
}

void crowd_ask_join(struct crowd *c, uint32_t member)
{
    char request[DIALECT_AROUND_MAX];
    struct conn *conn = &c->engine.conns[member];
    struct names names = names_of(c, member);
    size_t count = dialect_join(conn->dialect, request, names.room, names.member, c->replay);
    engine_text(&c->engine, conn, request, count);
}

static void on_opened(void *scenario, struct conn *conn)
{
    struct crowd *c = scenario;
    c->opened++;
    if (!c->hold)
        crowd_ask_join(c, conn->index);
}

/* A message, old or new, under that number. */
static void note_message(struct crowd *c, struct member *m, uint64_t seq, const struct stamp *stamp)
{
    if (stamp->sender >= c->member_count) {
        c->verdict.malformed++;
        return;
    }
    ledger_message(&c->rooms[m->room].ledger, &m->reader, seq, stamp,
                   &c->members[stamp->sender].last_seen, &c->verdict);
    if (!m->stalled)
        c->delivered++;
}

static void on_joined(struct crowd *c, const struct conn *conn, const char *text, size_t count)
{
    struct joined joined;
    struct stamp stamp;
    uint64_t seq;
    struct member *m = &c->members[conn->index];
    struct room *room = &c->rooms[m->room];
    if (m->joined)
        return;
    m->joined = true;
    c->joined++;
    if (!dialect_joined(conn->dialect, text, count, &joined)) {
        c->verdict.malformed++;
        return;
    }
    m->reader.next_seq = joined.first;
    if (!room->sent) {
        room->base_seq = joined.seq;
        ledger_start(&room->ledger, joined.seq);
    }
    while (dialect_kept_next(&joined, &seq, &stamp)) {
        if (seq)
            note_message(c, m, seq, &stamp);
        else
            c->verdict.malformed++;
    }
}

static void on_message(struct crowd *c, const struct conn *conn, const char *text, size_t count)
{
    uint64_t seq;
    struct stamp stamp;
    struct member *m = &c->members[conn->index];
    if (!dialect_message(conn->dialect, text, count, &seq, &stamp)) {
        c->verdict.malformed++;
        return;
    }
    note_message(c, m, seq, &stamp);
    if (!m->stalled && stamp.intended_ns >= c->measure_from_ns &&
        stamp.intended_ns < c->measure_to_ns)
        histogram_add(&c->latency, now_ns() - stamp.intended_ns);
}

static void on_gap(struct crowd *c, struct member *m, const char *text, size_t count)
{
    uint64_t from, to;
    if (event_u64(text, count, "\"from\":", &from) && event_u64(text, count, "\"to\":", &to))
        ledger_gap(&m->reader, from, to, &c->verdict);
    else
        c->verdict.malformed++;
}

static void on_error(struct crowd *c, const char *text, size_t count)
{
    if (c->errors++ < ERRORS_SHOWN)
        fprintf(stderr, "ringroom-bench: the server says %.*s\n", (int)count, text);
}

static void on_text(void *scenario, struct conn *conn, const char *text, size_t count)
{
    struct crowd *c = scenario;
    switch (dialect_kind(conn->dialect, text, count)) {
    case EVENT_MESSAGE:
        on_message(c, conn, text, count);
        break;
    case EVENT_JOINED:
        on_joined(c, conn, text, count);
        break;
    case EVENT_GAP:
        on_gap(c, &c->members[conn->index], text, count);
        break;
    case EVENT_ACK:
        c->acks++;
        break;
    case EVENT_ERROR:
    case EVENT_CLOSED:
        on_error(c, text, count);
        break;
    case EVENT_LEFT:
    case EVENT_OTHER:
        break;
    }
}

static void on_closed(void *scenario, struct conn *conn, int error)
{
    struct crowd *c = scenario;
    struct member *m = &c->members[conn->index];
    if (c->gone++ < ERRORS_SHOWN)
        fprintf(stderr, "ringroom-bench: connection %u was closed: %s\n", conn->index,
                strerror(-error));
    m->gone = true;
    if (!m->joined)
        c->joined++; /* so that joining does not wait for it */
    if (!conn->opened)
        c->opened++;
}

static uint32_t ledger_entries(uint32_t rooms)
{
    uint32_t entries = LEDGER_ENTRIES_MAX;
    while (entries > LEDGER_ENTRIES_MIN && (uint64_t)entries * rooms > LEDGER_ENTRIES_TOTAL)
        entries /= 2;
    return entries;
}

static void lay_out(struct crowd *c)
{
    for (uint32_t r = 0; r < c->room_count; r++) {
        struct room *room = &c->rooms[r];
        room->first_member = (uint32_t)((uint64_t)r * c->member_count / c->room_count);
        uint32_t end = (uint32_t)((uint64_t)(r + 1) * c->member_count / c->room_count);
        room->member_count = end - room->first_member;
        room->sender_count = room->member_count;
        ledger_init(&room->ledger, ledger_entries(c->room_count));
        for (uint32_t i = room->first_member; i < end; i++)
            c->members[i].room = r;
    }
}

int crowd_init(struct crowd *c, const struct options *options, uint32_t members, uint32_t rooms)
{
    memset(c, 0, sizeof *c);
    c->options = options;
    c->member_count = members;
    c->room_count = rooms < members ? rooms : members;
    c->tag = (unsigned)getpid() ^ (unsigned)now_ns();
    c->members = must_calloc(members, sizeof *c->members);
    c->rooms = must_calloc(c->room_count, sizeof *c->rooms);
    lay_out(c);
    struct conn_events events = {c, on_opened, on_text, on_closed};
    struct engine_options engine = {.target = &options->target,
                                    .proto = options->proto,
                                    .connections_max = members,
                                    .source_base = options->source_base,
                                    .spin = options->spin};
    return engine_init(&c->engine, &c->tls, &engine, &events);
}

void crowd_deinit(struct crowd *c)
{
    engine_deinit(&c->engine);
    for (uint32_t r = 0; r < c->room_count; r++)
        ledger_deinit(&c->rooms[r].ledger);
    free(c->rooms);
    free(c->members);
}

int crowd_run(const struct options *options, uint32_t members, uint32_t rooms,
              int (*run)(struct crowd *c, const struct options *options))
{
    static struct crowd crowd; /* holds histograms */
    int error = crowd_init(&crowd, options, members, rooms);
    if (error < 0) {
        fprintf(stderr, "ringroom-bench: io_uring: %s\n", strerror(-error));
        return SCENARIO_FAILED;
    }
    int status = run(&crowd, options);
    crowd_deinit(&crowd);
    return status;
}

/* Connects members until *done, which the events advance, has reached upto. */
static int connect_until(struct crowd *c, uint32_t upto, const uint32_t *done)
{
    uint64_t give_up = now_ns() + JOIN_TIMEOUT_S * NS_PER_S;
    uint32_t gone_before = c->gone;
    while (*done < upto) {
        while (c->begun < upto && c->begun - *done < c->options->parallel) {
            int result = engine_connect(&c->engine, c->begun, NULL);
            if (result < 0)
                return result;
            c->begun++;
        }
        engine_turn(&c->engine, now_ns() + 100 * NS_PER_MS);
        if (now_ns() > give_up)
            return -ETIMEDOUT;
    }
    return c->gone > gone_before ? -ECONNREFUSED : 0;
}

int crowd_join(struct crowd *c, uint32_t upto)
{
    c->hold = false;
    return connect_until(c, upto, &c->joined);
}

int crowd_open(struct crowd *c, uint32_t upto)
{
    c->hold = true;
    return connect_until(c, upto, &c->opened);
}

void crowd_idle(struct crowd *c, double seconds)
{
    uint64_t until = now_ns() + (uint64_t)(seconds * 1e9);
    while (now_ns() < until)
        engine_turn(&c->engine, until);
}

/* The room's next sender that can send; false if none can. */
static bool next_sender(struct crowd *c, struct room *room, uint32_t *ret_sender)
{
    for (uint32_t tried = 0; tried < room->sender_count; tried++) {
        uint32_t sender = room->first_member + room->next_sender;
        const struct member *m = &c->members[sender];
        room->next_sender = (room->next_sender + 1) % room->sender_count;
        if (m->joined && !m->gone && !m->stalled) {
            *ret_sender = sender;
            return true;
        }
    }
    return false;
}

void crowd_send(struct crowd *c, uint32_t room_index, uint64_t intended_ns)
{
    static char request[OPTIONS_SIZE_MAX + DIALECT_AROUND_MAX]; /* one thread */
    struct room *room = &c->rooms[room_index];
    uint32_t sender;
    if (!next_sender(c, room, &sender))
        return;
    struct conn *conn = &c->engine.conns[sender];
    struct names names = names_of(c, sender);
    struct post post = {
        .room = names.room,
        .name = names.member,
        .stamp = {.sender = sender,
                  .number = ++c->members[sender].sent,
                  .intended_ns = intended_ns},
        .text_bytes = c->options->size,
        .ack = c->options->acks,
    };
    engine_text(&c->engine, conn, request, dialect_send(conn->dialect, request, &post));
    room->sent++;
}

void crowd_stall(struct crowd *c, uint32_t member)
{
    c->members[member].stalled = true;
    engine_stall(&c->engine, &c->engine.conns[member]);
}

void crowd_resume(struct crowd *c, uint32_t member)
{
    c->members[member].stalled = false;
    if (!c->members[member].gone)
        engine_resume(&c->engine, &c->engine.conns[member]);
}

static uint64_t missing_of(const struct crowd *c, const struct member *m)
{
    const struct room *room = &c->rooms[m->room];
    uint64_t end = room->base_seq + room->sent + 1;
    return m->gone || m->stalled || m->reader.next_seq >= end ? 0 : end - m->reader.next_seq;
}

bool crowd_is_current(const struct crowd *c, uint32_t member)
{
    return c->members[member].gone ||
           (c->members[member].joined && missing_of(c, &c->members[member]) == 0);
}

static uint64_t missing(const struct crowd *c)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < c->begun; i++)
        sum += missing_of(c, &c->members[i]);
    return sum;
}

void crowd_drain(struct crowd *c, double quiet_s)
{
    uint64_t quiet_ns = (uint64_t)(quiet_s * 1e9);
    uint64_t left = missing(c);
    uint64_t heard = now_ns();
    while (left && now_ns() - heard < quiet_ns) {
        engine_turn(&c->engine, now_ns() + 10 * NS_PER_MS);
        uint64_t now_left = missing(c);
        if (now_left != left)
            heard = now_ns();
        left = now_left;
    }
}

void crowd_close_books(struct crowd *c)
{
    c->verdict.missing_at_end += missing(c);
}
