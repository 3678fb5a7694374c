/* metrics_table.h - every metric, one a line: what is counted, under which name, and what it tells.
 *
 * Included wherever something is to be made of each line, with
 * METRIC(id, type, shown, name, label, value, help) defined:
 *   type   COUNTER or GAUGE
 *   shown  SUM: one number for all shards; EACH: one a shard, with the label `shard`
 *   label, value  NULL where the name has one line only
 *   help   in the first line of a name; else NULL
 *
 * The unit ends the name. Lines of one name stand together. Of a name whose lines are found by
 * metrics_count_by(), the last has the value "other". */
#ifndef METRIC
#define METRIC(id, type, shown, name, label, value, help)
#endif

/* One metric, one line. */
/* clang-format off */

METRIC(ACCEPTED_TLS, COUNTER, SUM, "ringroom_connections_accepted_total", "listener", "tls", "Connections accepted, by kind of listener")
METRIC(ACCEPTED_PLAIN, COUNTER, SUM, "ringroom_connections_accepted_total", "listener", "plain", NULL)

METRIC(UNMETERED, COUNTER, SUM, "ringroom_connections_unmetered_total", NULL, NULL, "Connections that limits by address do not count, for want of room in the meter")
METRIC(BAD_REQUESTS, COUNTER, SUM, "ringroom_bad_requests_total", NULL, NULL, "Requests, handshakes, tokens and messages that were bad, as limits.bad_requests_per_ip counts them")

METRIC(LIMITED_CONNECTIONS, COUNTER, SUM, "ringroom_limited_total", "limit", "connections", "Times that something was refused or ended by a limit, by its key of limits.*")
METRIC(LIMITED_CONNECTIONS_PER_IP, COUNTER, SUM, "ringroom_limited_total", "limit", "connections_per_ip", NULL)
METRIC(LIMITED_HANDSHAKES_PER_IP, COUNTER, SUM, "ringroom_limited_total", "limit", "handshakes_per_ip", NULL)
METRIC(LIMITED_BAD_REQUESTS_PER_IP, COUNTER, SUM, "ringroom_limited_total", "limit", "bad_requests_per_ip", NULL)
METRIC(LIMITED_MAX_MESSAGE, COUNTER, SUM, "ringroom_limited_total", "limit", "max_message", NULL)
METRIC(LIMITED_MESSAGES_PER_SECOND, COUNTER, SUM, "ringroom_limited_total", "limit", "messages_per_second", NULL)
METRIC(LIMITED_ROOMS_PER_CONNECTION, COUNTER, SUM, "ringroom_limited_total", "limit", "rooms_per_connection", NULL)
METRIC(LIMITED_MEMBERS_PER_ROOM, COUNTER, SUM, "ringroom_limited_total", "limit", "members_per_room", NULL)
METRIC(LIMITED_MEMORY, COUNTER, SUM, "ringroom_limited_total", "limit", "memory", NULL)
METRIC(LIMITED_HANDSHAKE_TIMEOUT, COUNTER, SUM, "ringroom_limited_total", "limit", "handshake_timeout", NULL)
METRIC(LIMITED_IDLE_TIMEOUT, COUNTER, SUM, "ringroom_limited_total", "limit", "idle_timeout", NULL)

METRIC(ERROR_BAD_JSON, COUNTER, SUM, "ringroom_errors_total", "code", "bad_json", "Errors told to clients, by code")
METRIC(ERROR_BAD_REQUEST, COUNTER, SUM, "ringroom_errors_total", "code", "bad_request", NULL)
METRIC(ERROR_UNKNOWN_OP, COUNTER, SUM, "ringroom_errors_total", "code", "unknown_op", NULL)
METRIC(ERROR_UNAUTHORIZED, COUNTER, SUM, "ringroom_errors_total", "code", "unauthorized", NULL)
METRIC(ERROR_FORBIDDEN, COUNTER, SUM, "ringroom_errors_total", "code", "forbidden", NULL)
METRIC(ERROR_MUTED, COUNTER, SUM, "ringroom_errors_total", "code", "muted", NULL)
METRIC(ERROR_NOT_JOINED, COUNTER, SUM, "ringroom_errors_total", "code", "not_joined", NULL)
METRIC(ERROR_NO_SUCH_ROOM, COUNTER, SUM, "ringroom_errors_total", "code", "no_such_room", NULL)
METRIC(ERROR_ROOM_FULL, COUNTER, SUM, "ringroom_errors_total", "code", "room_full", NULL)
METRIC(ERROR_TOO_MANY_ROOMS, COUNTER, SUM, "ringroom_errors_total", "code", "too_many_rooms", NULL)
METRIC(ERROR_RATE_LIMITED, COUNTER, SUM, "ringroom_errors_total", "code", "rate_limited", NULL)
METRIC(ERROR_UNAVAILABLE, COUNTER, SUM, "ringroom_errors_total", "code", "unavailable", NULL)
METRIC(ERROR_OTHER, COUNTER, SUM, "ringroom_errors_total", "code", "other", NULL)
METRIC(CLOSED_BY_CLIENT, COUNTER, SUM, "ringroom_closes_total", "code", "client", "Clients whose WebSocket was closed or whose polling session was ended, by close code; client: it said goodbye itself; broken: without a goodbye")
METRIC(CLOSED_BROKEN, COUNTER, SUM, "ringroom_closes_total", "code", "broken", NULL)
METRIC(CLOSED_1000, COUNTER, SUM, "ringroom_closes_total", "code", "1000", NULL)
METRIC(CLOSED_1002, COUNTER, SUM, "ringroom_closes_total", "code", "1002", NULL)
METRIC(CLOSED_1003, COUNTER, SUM, "ringroom_closes_total", "code", "1003", NULL)
METRIC(CLOSED_1007, COUNTER, SUM, "ringroom_closes_total", "code", "1007", NULL)
METRIC(CLOSED_1009, COUNTER, SUM, "ringroom_closes_total", "code", "1009", NULL)
METRIC(CLOSED_1011, COUNTER, SUM, "ringroom_closes_total", "code", "1011", NULL)
METRIC(CLOSED_1012, COUNTER, SUM, "ringroom_closes_total", "code", "1012", NULL)
METRIC(CLOSED_4001, COUNTER, SUM, "ringroom_closes_total", "code", "4001", NULL)
METRIC(CLOSED_4008, COUNTER, SUM, "ringroom_closes_total", "code", "4008", NULL)
METRIC(CLOSED_4009, COUNTER, SUM, "ringroom_closes_total", "code", "4009", NULL)
METRIC(CLOSED_4010, COUNTER, SUM, "ringroom_closes_total", "code", "4010", NULL)
METRIC(CLOSED_4011, COUNTER, SUM, "ringroom_closes_total", "code", "4011", NULL)
METRIC(CLOSED_OTHER, COUNTER, SUM, "ringroom_closes_total", "code", "other", NULL)

/* clang-format on */

#undef METRIC
