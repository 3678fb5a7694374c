/* pulse.c - is every shard alive? Asked by letters that must come home, told to the service
 * manager.
 *
 * A shard that sleeps in its ring is woken by the letter and answers; one that hangs, or goes round
 * in a loop of its own, does not. WATCHDOG=1 is sent when all letters of one round are home, so it
 * always speaks of a moment at which each shard has finished a turn. A round begins three times in
 * the manager's interval. */
#include "ringroom/base/clock.h"
#include "server_core.h"

#include <stdlib.h>
#include <unistd.h>

enum { STATUS_EVERY_MS = 10000 }; /* where nothing but the status line depends on it */

/* The manager's interval, 0 where it does not watch this process. */
static uint64_t watchdog_us(void)
{
    const char *pid = getenv("WATCHDOG_PID"), *us = getenv("WATCHDOG_USEC");

    if (!us || (pid && strtoull(pid, NULL, 10) != (unsigned long long)getpid()))
        return 0;
    return strtoull(us, NULL, 10);
}

void pulse_init(struct pulse *pulse)
{
    uint64_t us = getenv("NOTIFY_SOCKET") ? watchdog_us() : 0;

    *pulse = (struct pulse){.watched = us > 0};
    if (us > 0)
        pulse->every_ms = us < 3000 ? 1 : us / 3000;
    else if (getenv("NOTIFY_SOCKET"))
        pulse->every_ms = STATUS_EVERY_MS;
}

static void ask_all(struct server *server)
{
    for (uint32_t i = 0; i < server->config->shards; i++)
        shard_command(server->mesh, i, &server->workers[i].pulse, SHARD_PULSE);
}

/* The first shard that has not answered; the number of shards where all have. */
static uint32_t first_missing(const struct server *server)
{
    uint32_t i = 0;

    while (i < server->config->shards && shard_command_is_obeyed(&server->workers[i].pulse))
        i++;
    return i;
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* As of the last round. */
void pulse_status(const struct server *server, char text[PULSE_STATUS_BYTES])
{
    uint64_t clients = 0, rooms = 0;

    for (uint32_t i = 0; i < server->config->shards; i++) {
        clients += server->workers[i].pulse.clients;
        rooms += server->workers[i].pulse.rooms;
    }
    if (server->stopping)
        snprintf(text, PULSE_STATUS_BYTES, "STATUS=Stopping; %llu client%s still to go",
                 (unsigned long long)clients, plural(clients));
    else
        snprintf(text, PULSE_STATUS_BYTES,
                 "STATUS=Serving %llu client%s in %llu room%s, %u shard%s",
                 (unsigned long long)clients, plural(clients), (unsigned long long)rooms,
                 plural(rooms), server->config->shards, plural(server->config->shards));
}

static void tell(struct server *server)
{
    char status[PULSE_STATUS_BYTES], text[PULSE_STATUS_BYTES + 16];

    pulse_status(server, status);
    snprintf(text, sizeof(text), "%s%s", server->pulse.watched ? "WATCHDOG=1\n" : "", status);
    notify_manager(text);
}

/* Once for each time that the shards keep us waiting. The wake-up may be what was lost. */
static void complain(struct server *server, uint32_t missing, uint64_t now_ms)
{
    if (!server->pulse.late)
        logger_write(LOGGER_WARN, "shard %u has not answered for %llu ms", missing,
                     (unsigned long long)(now_ms - server->pulse.asked_ms));
    server->pulse.late = true;
    mesh_wake_outside(server->mesh, missing);
}

uint64_t pulse_turn(struct server *server, uint64_t now_ms)
{
    struct pulse *pulse = &server->pulse;

    if (!pulse->every_ms)
        return UINT64_MAX;
    uint32_t missing = pulse->asked ? first_missing(server) : 0;
    if (pulse->asked && missing == server->config->shards) {
        tell(server);
        if (pulse->late)
            logger_write(LOGGER_WARN, "every shard answers again, after %llu ms",
                         (unsigned long long)(now_ms - pulse->asked_ms));
        pulse->asked = pulse->late = false;
    }
    if (now_ms < pulse->due_ms)
        return pulse->due_ms;
    pulse->due_ms = now_ms + pulse->every_ms;
    if (pulse->asked) {
        complain(server, missing, now_ms);
    } else {
        ask_all(server);
        pulse->asked = true;
        pulse->asked_ms = now_ms;
    }
    return pulse->due_ms;
}
