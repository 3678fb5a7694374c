/* api_write.c - answers of the HTTP API. */
#include "native_parts.h"
#include "ringroom/base/mem.h"
#include "ringroom/proto/api.h"

#include <stdio.h>

/* Of a room */

/* What its history holds at that moment; the numbers of deleted messages count. */
static void put_kept(struct writer *w, const struct room *room, uint64_t now_ms)
{
    uint64_t messages = log_end(&room->log) - log_first(&room->log, now_ms);

    put_u64(w, ",\"messages\":", messages);
    put_u64(w, ",\"bytes\":", messages ? log_kept_bytes(&room->log) : 0);
}

int api_put_room(struct buf *out, const struct room *room, uint32_t members_max, uint64_t now_ms)
{
    struct writer w = writer_of(out);
    uint64_t expires_in_s = room_expires_in_s(room, now_ms);

    put_string(&w, "{\"name\":", room_name(room));
    put_u64(&w, ",\"members\":", room_members(room));
    put_kept(&w, room, now_ms);
    put_string(&w, ",\"epoch\":", room_epoch(room));
    put_u64(&w, ",\"seq\":", log_end(&room->log) - 1);
    put_u64(&w, ",\"ttl\":", room->retention.ttl_s);
    put_string(&w, ",\"ttl_from\":", slice_of(ttl_from_name(room->retention.ttl_from)));
    put_u64(&w, ",\"max_messages\":", room->retention.max_messages);
    put_u64(&w, ",\"max_bytes\":", room->retention.max_bytes);
    put_u64(&w, ",\"max_members\":", members_max);
    if (expires_in_s)
        put_u64(&w, ",\"expires_in\":", expires_in_s);
    put(&w, "}");
    return writer_finish(&w);
}

static void put_one_published(struct writer *w, const struct room *room,
                              const struct room_batch_message *message)
{
    put_string(w, "{\"epoch\":", room_epoch(room));
    put_u64(w, ",\"seq\":", message->seq);
    put_u64(w, ",\"ts\":", message->ts_ms);
    if (message->dup)
        put(w, ",\"dup\":true");
    put(w, "}");
}

int api_put_published(struct buf *out, const struct room *room,
                      const struct room_batch_message *messages, size_t count, bool array)
{
    struct writer w = writer_of(out);

    put(&w, array ? "[" : "");
    for (size_t i = 0; i < count; i++) {
        put(&w, i ? "," : "");
        put_one_published(&w, room, &messages[i]);
    }
    put(&w, array ? "]" : "");
    return writer_finish(&w);
}

int api_put_history(struct buf *out, const struct room *room, const struct native_range *range,
                    uint64_t now_ms)
{
    struct writer w = writer_of(out);

    put(&w, "{");
    put_history(&w, room, range, now_ms);
    put(&w, "}");
    return writer_finish(&w);
}

int api_put_members(struct buf *out, const struct room *room)
{
    struct writer w = writer_of(out);

    put(&w, "{");
    put_members(&w, room);
    put(&w, "}");
    return writer_finish(&w);
}

/* Others */

int api_put_list(struct buf *out, struct slice rooms, const struct api_cursor *cursor)
{
    struct writer w = writer_of(out);
    char text[API_CURSOR_BYTES];

    put_raw(&w, "{\"rooms\":[", rooms);
    if (cursor) {
        api_cursor_write(cursor, text);
        put_string(&w, "],\"cursor\":", slice_make(text, sizeof(text)));
    } else {
        put(&w, "],\"cursor\":null");
    }
    put(&w, "}");
    return writer_finish(&w);
}

int api_put_disconnected(struct buf *out, uint64_t count)
{
    struct writer w = writer_of(out);

    put_u64(&w, "{\"disconnected\":", count);
    put(&w, "}");
    return writer_finish(&w);
}

int api_put_token(struct buf *out, struct slice token, uint64_t exp_s)
{
    struct writer w = writer_of(out);

    put_string(&w, "{\"token\":", token);
    put_u64(&w, ",\"exp\":", exp_s);
    put(&w, "}");
    return writer_finish(&w);
}

/* HTTP */

/* What a back end may not be told by a cache, nor a browser take for a page. */
static int answer_begin(const struct api_answer *answer, unsigned status)
{
    int error = http_answer_begin(answer->out, status, answer->wall_ms);

    if (!error)
        error = http_answer_header(answer->out, "Cache-Control", "no-store");
    return error ? error : http_answer_header(answer->out, "X-Content-Type-Options", "nosniff");
}

int api_answer(const struct api_answer *answer, unsigned status, struct slice json)
{
    size_t before = answer->out->len;
    int error = answer_begin(answer, json.len ? status : 204);

    if (!error && json.len)
        error = http_answer_header(answer->out, "Content-Type", "application/json");
    if (!error)
        error = http_answer_end(answer->out, json, answer->keep_alive, answer->head_only);
    if (error)
        answer->out->len = before;
    return error;
}

int api_answer_allow(const struct api_answer *answer, const char *allow)
{
    size_t before = answer->out->len;
    int error = answer_begin(answer, 204);

    if (!error)
        error = http_answer_header(answer->out, "Allow", allow);
    if (!error)
        error = http_answer_end(answer->out, (struct slice){0}, answer->keep_alive, false);
    if (error)
        answer->out->len = before;
    return error;
}

static unsigned status_of(const char *code)
{
    static const struct {
        const char *code;
        unsigned status;
    } statuses[] = {
        {"bad_request", 400},  {"bad_json", 400},
        {"unauthorized", 401}, {"forbidden", 403},
        {"not_found", 404},    {"no_such_room", 404},
        {"too_large", 413},    {"method_not_allowed", 405},
        {"rate_limited", 429}, {"unsupported_media_type", 415},
        {"unavailable", 503},
    };

    for (size_t i = 0; i < array_len(statuses); i++)
        if (strcmp(code, statuses[i].code) == 0)
            return statuses[i].status;
    CHECK(!"a code without a status");
    return 500;
}

/* The header that goes with a status, "" where there is none. */
static void extra_header(unsigned status, const char *allow, uint64_t retry_ms, char *line,
                         size_t line_bytes)
{
    line[0] = '\0';
    if (status == 401)
        snprintf(line, line_bytes, "WWW-Authenticate: Bearer\r\n");
    else if (status == 405)
        snprintf(line, line_bytes, "Allow: %s\r\n", allow);
    else if (status == 429 || status == 503)
        snprintf(line, line_bytes, "Retry-After: %llu\r\n",
                 (unsigned long long)(retry_ms ? (retry_ms + 999) / 1000 : 1));
}

int api_answer_fault(const struct api_answer *answer, const struct native_fault *fault,
                     const char *where, const char *allow, uint64_t retry_ms)
{
    unsigned status = status_of(fault->code);
    char extra[128], message[256];

    extra_header(status, allow, retry_ms, extra, sizeof(extra));
    snprintf(message, sizeof(message), "%s%s", where ? where : "", fault->message);
    return http_answer_error(answer->out, status, fault->code, message, extra[0] ? extra : NULL,
                             answer->keep_alive, answer->head_only, answer->wall_ms);
}
