/* metrics_table.h - every metric, one a line: what is counted, under which name, and what it tells.
 *
 * Included wherever something is to be made of each line, with either defined:
 * METRIC(id, type, shown, name, label, value, help)
 *   type   COUNTER or GAUGE
 *   shown  SUM: one number for all shards; EACH: one a shard, with the label `shard`; ONCE: of the
 *          process, looked up for each answer; LIMITS: one for each limit that is configured
 *   label, value  NULL where the name has one line only
 *   help   in the first line of a name; else NULL
 * HISTOGRAM(id, name, help): one for all shards
 *
 * The unit ends the name; what a name calls seconds is counted in microseconds. Lines of one name
 * stand together. Of a name whose lines are found by metrics_count_by(), the last has the value
 * "other". */
#ifndef METRIC
#define METRIC(id, type, shown, name, label, value, help)
#endif
#ifndef HISTOGRAM
#define HISTOGRAM(id, name, help)
#endif

/* One metric, one line. */
/* clang-format off */

METRIC(BUILD, GAUGE, ONCE, "ringroom_build_info", "version", RINGROOM_VERSION, "The version that runs; always 1")

METRIC(SHARDS, GAUGE, ONCE, "ringroom_shards", NULL, NULL, "Threads that serve")

METRIC(CONNECTIONS_TLS, GAUGE, EACH, "ringroom_connections", "listener", "tls", "Connections open, by kind of listener")
METRIC(CONNECTIONS_PLAIN, GAUGE, EACH, "ringroom_connections", "listener", "plain", NULL)
METRIC(CONNECTIONS_METRICS, GAUGE, EACH, "ringroom_connections", "listener", "metrics", NULL)

METRIC(ACCEPTED_TLS, COUNTER, SUM, "ringroom_connections_accepted_total", "listener", "tls", "Connections accepted, by kind of listener")
METRIC(ACCEPTED_PLAIN, COUNTER, SUM, "ringroom_connections_accepted_total", "listener", "plain", NULL)
METRIC(ACCEPTED_METRICS, COUNTER, SUM, "ringroom_connections_accepted_total", "listener", "metrics", NULL)

METRIC(REFUSED, COUNTER, SUM, "ringroom_connections_refused_total", NULL, NULL, "Of these, connections closed at once: a limit was reached, or memory had run out")

METRIC(UNMETERED, COUNTER, SUM, "ringroom_connections_unmetered_total", NULL, NULL, "Connections that limits by address do not count, for want of room in the meter")

METRIC(BAD_REQUESTS, COUNTER, SUM, "ringroom_bad_requests_total", NULL, NULL, "Requests, handshakes, tokens and messages that were bad, as limits.bad_requests_per_ip counts them")

METRIC(TLS_FULL, COUNTER, SUM, "ringroom_tls_handshakes_total", "result", "full", "TLS handshakes that have come to an end, by how")
METRIC(TLS_RESUMED, COUNTER, SUM, "ringroom_tls_handshakes_total", "result", "resumed", NULL)
METRIC(TLS_FAILED, COUNTER, SUM, "ringroom_tls_handshakes_total", "result", "failed", NULL)

METRIC(HTTP_200, COUNTER, SUM, "ringroom_http_requests_total", "status", "200", "HTTP requests answered, by status; 101 is an upgrade to WebSocket")
METRIC(HTTP_101, COUNTER, SUM, "ringroom_http_requests_total", "status", "101", NULL)
METRIC(HTTP_201, COUNTER, SUM, "ringroom_http_requests_total", "status", "201", NULL)
METRIC(HTTP_204, COUNTER, SUM, "ringroom_http_requests_total", "status", "204", NULL)
METRIC(HTTP_304, COUNTER, SUM, "ringroom_http_requests_total", "status", "304", NULL)
METRIC(HTTP_400, COUNTER, SUM, "ringroom_http_requests_total", "status", "400", NULL)
METRIC(HTTP_401, COUNTER, SUM, "ringroom_http_requests_total", "status", "401", NULL)
METRIC(HTTP_403, COUNTER, SUM, "ringroom_http_requests_total", "status", "403", NULL)
METRIC(HTTP_404, COUNTER, SUM, "ringroom_http_requests_total", "status", "404", NULL)
METRIC(HTTP_405, COUNTER, SUM, "ringroom_http_requests_total", "status", "405", NULL)
METRIC(HTTP_408, COUNTER, SUM, "ringroom_http_requests_total", "status", "408", NULL)
METRIC(HTTP_413, COUNTER, SUM, "ringroom_http_requests_total", "status", "413", NULL)
METRIC(HTTP_414, COUNTER, SUM, "ringroom_http_requests_total", "status", "414", NULL)
METRIC(HTTP_415, COUNTER, SUM, "ringroom_http_requests_total", "status", "415", NULL)
METRIC(HTTP_426, COUNTER, SUM, "ringroom_http_requests_total", "status", "426", NULL)
METRIC(HTTP_429, COUNTER, SUM, "ringroom_http_requests_total", "status", "429", NULL)
METRIC(HTTP_431, COUNTER, SUM, "ringroom_http_requests_total", "status", "431", NULL)
METRIC(HTTP_500, COUNTER, SUM, "ringroom_http_requests_total", "status", "500", NULL)
METRIC(HTTP_501, COUNTER, SUM, "ringroom_http_requests_total", "status", "501", NULL)
METRIC(HTTP_503, COUNTER, SUM, "ringroom_http_requests_total", "status", "503", NULL)
METRIC(HTTP_505, COUNTER, SUM, "ringroom_http_requests_total", "status", "505", NULL)
METRIC(HTTP_OTHER, COUNTER, SUM, "ringroom_http_requests_total", "status", "other", NULL)

METRIC(CLIENTS_NATIVE, GAUGE, SUM, "ringroom_clients", "kind", "native", "Clients connected, by dialect and transport")
METRIC(CLIENTS_SOCKETIO, GAUGE, SUM, "ringroom_clients", "kind", "socketio_websocket", NULL)
METRIC(CLIENTS_POLLING, GAUGE, SUM, "ringroom_clients", "kind", "socketio_polling", NULL)

METRIC(DETACHED, GAUGE, SUM, "ringroom_detached_sessions", NULL, NULL, "Socket.IO sessions whose connection was lost and that can be resumed")

METRIC(CLOSED_BY_CLIENT, COUNTER, SUM, "ringroom_closes_total", "code", "client", "Clients gone, by the close code that they were told; client: closed it themselves; broken: without a goodbye")
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

METRIC(ROOMS, GAUGE, EACH, "ringroom_rooms", NULL, NULL, "Rooms in memory, by the shard that owns them")

METRIC(MEMBERS, GAUGE, SUM, "ringroom_members", NULL, NULL, "Users in rooms: one in two rooms counts twice")

METRIC(MEMBERSHIPS, GAUGE, SUM, "ringroom_memberships", NULL, NULL, "Clients in rooms: a user with two clients in a room counts twice")

METRIC(MESSAGES, COUNTER, EACH, "ringroom_messages_accepted_total", NULL, NULL, "Messages appended to a room, by the shard that owns it")

METRIC(MESSAGE_BYTES, COUNTER, SUM, "ringroom_accepted_bytes_total", NULL, NULL, "Bytes of these messages, as they are stored")

METRIC(KEPT, GAUGE, SUM, "ringroom_messages_kept", NULL, NULL, "Messages in the histories of all rooms")

METRIC(EXPIRED, COUNTER, SUM, "ringroom_messages_removed_total", "reason", "expired", "Messages that have left a history: their time was up, the room kept as many as it may, or it was closed. Deleted: replaced in their place, which leaves the history later")
METRIC(TRIMMED, COUNTER, SUM, "ringroom_messages_removed_total", "reason", "trimmed", NULL)
METRIC(CLEARED, COUNTER, SUM, "ringroom_messages_removed_total", "reason", "closed", NULL)
METRIC(DELETED, COUNTER, SUM, "ringroom_messages_removed_total", "reason", "deleted", NULL)

METRIC(WIPED_BYTES, COUNTER, SUM, "ringroom_wiped_bytes_total", NULL, NULL, "Bytes of messages overwritten with zeros when nobody could be reading them any more")

METRIC(LOG_BYTES, GAUGE, ONCE, "ringroom_log_bytes", NULL, NULL, "Memory of all logs, which limits.memory bounds")

METRIC(DELIVERIES, COUNTER, EACH, "ringroom_deliveries_total", NULL, NULL, "Messages handed to a send of a client, live or from the history, by the shard of the client")

METRIC(DELIVERED_BYTES, COUNTER, SUM, "ringroom_delivered_bytes_total", NULL, NULL, "Bytes of these messages, as they go over the wire before TLS")

METRIC(GAPS, COUNTER, SUM, "ringroom_gaps_total", NULL, NULL, "Gaps told to clients: messages had gone before they were sent")

METRIC(GAP_MESSAGES, COUNTER, SUM, "ringroom_gap_messages_total", NULL, NULL, "Messages in these gaps")

METRIC(LIMITED_CONNECTIONS, COUNTER, SUM, "ringroom_limited_total", "limit", "connections", "Times that something was refused, ended or dropped by a limit, by its key of limits.*")
METRIC(LIMITED_CONNECTIONS_PER_IP, COUNTER, SUM, "ringroom_limited_total", "limit", "connections_per_ip", NULL)
METRIC(LIMITED_HANDSHAKES_PER_IP, COUNTER, SUM, "ringroom_limited_total", "limit", "handshakes_per_ip", NULL)
METRIC(LIMITED_BAD_REQUESTS_PER_IP, COUNTER, SUM, "ringroom_limited_total", "limit", "bad_requests_per_ip", NULL)
METRIC(LIMITED_MAX_MESSAGE, COUNTER, SUM, "ringroom_limited_total", "limit", "max_message", NULL)
METRIC(LIMITED_MESSAGES_PER_SECOND, COUNTER, SUM, "ringroom_limited_total", "limit", "messages_per_second", NULL)
METRIC(LIMITED_REQUESTS_PER_SECOND, COUNTER, SUM, "ringroom_limited_total", "limit", "requests_per_second", NULL)
METRIC(LIMITED_ROOMS_PER_CONNECTION, COUNTER, SUM, "ringroom_limited_total", "limit", "rooms_per_connection", NULL)
METRIC(LIMITED_MEMBERS_PER_ROOM, COUNTER, SUM, "ringroom_limited_total", "limit", "members_per_room", NULL)
METRIC(LIMITED_MEMORY, COUNTER, SUM, "ringroom_limited_total", "limit", "memory", NULL)
METRIC(LIMITED_HANDSHAKE_TIMEOUT, COUNTER, SUM, "ringroom_limited_total", "limit", "handshake_timeout", NULL)
METRIC(LIMITED_IDLE_TIMEOUT, COUNTER, SUM, "ringroom_limited_total", "limit", "idle_timeout", NULL)
METRIC(LIMITED_RECOVERY, COUNTER, SUM, "ringroom_limited_total", "limit", "recovery", NULL)
METRIC(LIMITED_RECOVERABLE, COUNTER, SUM, "ringroom_limited_total", "limit", "recoverable", NULL)

METRIC(LIMIT, GAUGE, LIMITS, "ringroom_limit", NULL, NULL, "What the limit is set to, by its key of limits.*; 0: as configuration.md says")

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

METRIC(TOKENS_VERIFIED, COUNTER, SUM, "ringroom_tokens_total", "result", "verified", "Tokens looked at")
METRIC(TOKENS_REFUSED, COUNTER, SUM, "ringroom_tokens_total", "result", "refused", NULL)

METRIC(TURNS, COUNTER, EACH, "ringroom_turns_total", NULL, NULL, "Turns of the loop")

METRIC(LETTERS, COUNTER, EACH, "ringroom_letters_total", NULL, NULL, "Letters posted to other shards")

METRIC(IO_SUBMITTED, COUNTER, EACH, "ringroom_io_submitted_total", NULL, NULL, "Requests handed to io_uring")

METRIC(IO_COMPLETED, COUNTER, EACH, "ringroom_io_completed_total", NULL, NULL, "Completions taken from io_uring")

METRIC(IO_OVERFLOWS, COUNTER, SUM, "ringroom_io_overflows_total", NULL, NULL, "Turns that found more completions than the queue holds: the kernel kept the rest")

METRIC(NO_BUFFERS, COUNTER, SUM, "ringroom_receive_shortages_total", NULL, NULL, "Receive requests that found no free buffer, and were made again")

METRIC(LATE_SENDS, COUNTER, SUM, "ringroom_late_sends_total", NULL, NULL, "Sends that a socket did not take whole at once: slow readers")

METRIC(RECEIVED_BYTES, COUNTER, SUM, "ringroom_received_bytes_total", NULL, NULL, "Bytes received from sockets")

METRIC(SENT_BYTES, COUNTER, SUM, "ringroom_sent_bytes_total", NULL, NULL, "Bytes taken by sockets")

METRIC(PROCESS_START, GAUGE, ONCE, "process_start_time_seconds", NULL, NULL, "When the process started, in Unix time")

METRIC(PROCESS_RESIDENT, GAUGE, ONCE, "process_resident_memory_bytes", NULL, NULL, "Resident memory")

METRIC(PROCESS_VIRTUAL, GAUGE, ONCE, "process_virtual_memory_bytes", NULL, NULL, "Virtual memory")

METRIC(PROCESS_CPU, COUNTER, ONCE, "process_cpu_seconds_total", NULL, NULL, "CPU time used, of the process and of the kernel for it")

METRIC(PROCESS_FDS, GAUGE, ONCE, "process_open_fds", NULL, NULL, "Open file descriptors; a connection is in the file table of a ring and has none")

METRIC(PROCESS_FDS_MAX, GAUGE, ONCE, "process_max_fds", NULL, NULL, "How many file descriptors may be open")

HISTOGRAM(DELIVERY, "ringroom_delivery_seconds", "Time from the turn in which the owner of a room accepted something to the end of the turn in which a shard with members has written it: one for each room, shard and turn")
HISTOGRAM(TURN, "ringroom_turn_seconds", "Time of one turn of the loop, without its sleep")
/* clang-format on */

#undef METRIC
#undef HISTOGRAM
