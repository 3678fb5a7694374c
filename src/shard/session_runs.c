/* session_runs.c - what the client has: the order in which rooms' news was handed to the transport
 * is remembered until the client has shown, by a later sign of life, that it got that far. */
#include "ringroom/shard/session.h"
#include "ringroom/base/random.h"

static struct member *member_of_serial(const struct session *session, uint32_t serial)
{
    list_each(link, &session->client->members)
    {
        struct member *member = container_of(link, struct member, in_client);
        if (member->serial == serial)
            return member;
    }
    return NULL;
}

static void confirm_run(const struct session *session, const struct session_run *run)
{
    struct member *member = run->serial ? member_of_serial(session, run->serial) : NULL;

    if (member && run->next > member->confirmed)
        member->confirmed = run->next;
}

/* The oldest `count` runs have arrived, or are taken to have. */
static void fold_runs(struct session *session, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        confirm_run(session, &session->runs[i]);
    session->runs_count -= count;
    if (session->runs_count)
        memmove(session->runs, session->runs + count, session->runs_count * sizeof(*session->runs));
}

static bool grow_runs(struct session *session)
{
    uint32_t cap = session->runs_cap ? session->runs_cap * 2 : 4;
    struct session_run *runs =
        cap > SESSION_RUNS_MAX ? NULL : mem_realloc(session->runs, cap * sizeof(*session->runs));

    if (!runs)
        return false;
    session->runs = runs;
    session->runs_cap = cap;
    return true;
}

static void push_run(struct session *session, struct session_run run)
{
    if (session->runs_count == session->runs_cap && !grow_runs(session)) {
        session->vague = true;
        if (!session->runs_cap) {
            confirm_run(session, &run);
            return;
        }
        fold_runs(session, session->runs_cap / 2);
    }
    session->runs[session->runs_count++] = run;
}

void session_sent(struct member *member)
{
    struct session *session = member->client->session;
    struct session_run *last = session->runs_count ? &session->runs[session->runs_count - 1] : NULL;

    if (last && last->serial == member->serial)
        last->next = member->messages.next;
    else
        push_run(session,
                 (struct session_run){.serial = member->serial, .next = member->messages.next});
}

void session_sent_ping(struct session *session)
{
    push_run(session, (struct session_run){0});
}

void session_sent_history(struct member *member)
{
    uint64_t next = member->messages.next;

    push_run(member->client->session,
             (struct session_run){.serial = member->serial, .next = next, .history = next});
}

uint32_t session_next_serial(struct session *session)
{
    if (!session->serial)
        random_bytes(&session->serial, sizeof(session->serial));
    if (!++session->serial)
        session->serial = 1;
    return session->serial;
}

void session_confirm_ping(struct session *session)
{
    uint32_t count = session->runs_count;

    while (count && session->runs[count - 1].serial)
        count--;
    if (!count) /* it was forgotten, and with it perhaps what came after */
        return;
    session->vague = false;
    fold_runs(session, count);
}

void session_confirm_all(struct session *session)
{
    session->vague = false;
    fold_runs(session, session->runs_count);
}

static struct session_room *kept_of_serial(const struct session *session, uint32_t serial)
{
    for (uint32_t i = 0; i < session->kept_count; i++)
        if (session->kept[i].serial == serial)
            return &session->kept[i];
    return NULL;
}

static void start_from_confirmed(struct session *session)
{
    for (uint32_t i = 0; i < session->kept_count; i++)
        session->kept[i].next = session->kept[i].confirmed;
}

/* An offset older than the `joined` with which the run begins, or of another one: of a membership
 * that was before, of another session even, for clients keep what came last. */
static bool is_stale(const struct session_run *run, uint64_t seq, uint64_t mark)
{
    if (mark)
        return mark != run->serial || seq + 1 != run->history;
    return seq < run->history;
}

/* Replays the runs until the one that brought `seq` of that room. */
static bool replay_runs_to(struct session *session, struct session_room *last, uint64_t seq,
                           uint64_t mark)
{
    for (uint32_t i = 0; i < session->runs_count; i++) {
        const struct session_run *run = &session->runs[i];
        struct session_room *room = run->serial ? kept_of_serial(session, run->serial) : NULL;
        if (room == last && run->history && is_stale(run, seq, mark))
            return false;
        if (room == last && room && run->next > seq) {
            room->next = seq + 1;
            return true;
        }
        if (room)
            room->next = run->next;
    }
    return false;
}

bool session_resolve(struct session *session, struct slice offset)
{
    struct session_room *last = NULL;
    struct slice epoch;
    uint64_t seq, mark;

    start_from_confirmed(session);
    if (!offset.len)
        return !session->vague;
    if (!socketio_offset_parse(offset, &epoch, &seq, &mark))
        return false;
    for (uint32_t i = 0; i < session->kept_count; i++)
        if (slice_equal(slice_make(session->kept[i].epoch, ROOM_EPOCH_BYTES), epoch))
            last = &session->kept[i];
    if (!last)
        return false;
    if (seq + 1 <= last->confirmed)
        return !session->vague;
    return replay_runs_to(session, last, seq, mark);
}
