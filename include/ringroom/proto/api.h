/* api.h - the HTTP API at /v1 as text: requests read, answers written (docs/api.md).
 *
 * Nothing is decided here but whether a request is one.
 *
 * Threads   none of its own: pure functions over the caller's memory.
 * Ownership slices point into the request, or into what says so. */
#pragma once

#include "ringroom/proto/native.h"
#include "ringroom/proto/token.h"
#include "ringroom/wire/http.h"

enum {
    API_LIST_LIMIT = 100, /* rooms of one page, unless asked otherwise */
    API_LIST_LIMIT_MAX = 1000,
    API_MESSAGES_MAX = 1000,  /* of one array */
    API_TTL_DEFAULT_S = 3600, /* of a token */
    API_TTL_MAX_S = 86400,
    API_MESSAGES_KEPT_MAX = 10000000, /* what a room may be set to; as the configuration's keys */
    API_MEMBERS_MAX = 16 << 20,
};

#define API_BYTES_KEPT_MAX ((uint64_t)64 << 30)

enum api_call {
    API_LIST,
    API_STATE,
    API_PUT,
    API_CLOSE,
    API_PUBLISH,
    API_HISTORY,
    API_DELETE,
    API_MEMBERS,
    API_KICK,
    API_MUTE,
    API_DISCONNECT,
    API_TOKEN,
    API_OPTIONS, /* what the path allows */
};

/* Which call, and what its path names. */
struct api_target {
    enum api_call call;
    const char *allow; /* the path's methods, as a header tells them */
    uint64_t seq;
    uint8_t room_len, uid_len;
    char room[ROOM_NAME_MAX];
    char uid[ROOM_UID_MAX];
};

/* True for paths that belong to the API. */
bool api_is_path(struct slice path);
/* False: *ret_fault says why; where that is the method, ret_target->allow is set. */
bool api_route(const struct http_request *request, struct api_target *ret_target,
               struct native_fault *ret_fault);
/* A request with a body says that it is JSON. */
bool api_is_json(const struct http_request *request);

/* Where a listing goes on: on that shard, from there. */
struct api_cursor {
    uint32_t shard;
    uint64_t from;
};
enum { API_CURSOR_BYTES = 19 };
void api_cursor_write(const struct api_cursor *cursor, char text[API_CURSOR_BYTES]);
/* False for what is none, or another process's: their orders differ. */
bool api_cursor_read(struct slice text, struct api_cursor *ret_cursor);

/* Queries. False: *ret_fault says why. */

struct api_list {
    struct api_cursor cursor; /* zeros: from the beginning */
    uint32_t limit;
    uint8_t prefix_len;
    char prefix[ROOM_NAME_MAX];
};
bool api_parse_list(const struct http_request *request, struct api_list *ret_list,
                    struct native_fault *ret_fault);
bool api_parse_history(const struct http_request *request, struct native_range *ret_range,
                       struct native_fault *ret_fault);

/* Bodies: parsed, then read by the functions below. Slices point into its text and its tree. */
struct api_body {
    struct slice text;
    void *json;
};
/* False: it is no JSON. Deinit in either case. */
bool api_body_load(struct slice text, struct api_body *ret_body, struct native_fault *ret_fault);
void api_body_deinit(struct api_body *body);

struct api_message {
    struct slice from, uid; /* uid empty: none */
    struct slice text_raw, data_raw, cid;
};
struct api_messages {
    bool array;
    size_t count;
    struct api_message *list; /* api_messages_deinit() frees it */
    size_t wrong;             /* of an array, where it is refused: which one; else SIZE_MAX */
};
/* One object, or an array of them, none of more than bytes_max bytes. Deinit in either case. */
bool api_parse_messages(const struct api_body *body, size_t bytes_max,
                        struct api_messages *ret_messages, struct native_fault *ret_fault);
void api_messages_deinit(struct api_messages *messages);

/* What a room is to have of its own. */
bool api_parse_limits(const struct api_body *body, struct room_own *ret_own,
                      struct native_fault *ret_fault);
bool api_parse_sanction(const struct api_body *body, bool needs_seconds, struct slice *ret_uid,
                        uint64_t *ret_seconds, struct native_fault *ret_fault);
/* `rules` has room for TOKEN_ROOMS_MAX. Sets the grant's sub, name and rules. */
bool api_parse_token(const struct api_body *body, struct token_rule *rules,
                     struct token_grant *ret_grant, uint64_t *ret_ttl_s,
                     struct native_fault *ret_fault);

/* Answers. Each 0, -ENOBUFS, -ENOMEM: out as before. */

/* members_max: the room's, or everywhere's; 0: no limit. */
int api_put_room(struct buf *out, const struct room *room, uint32_t members_max, uint64_t now_ms);
/* One object, or an array of them. */
int api_put_published(struct buf *out, const struct room *room,
                      const struct room_batch_message *messages, size_t count, bool array);
int api_put_history(struct buf *out, const struct room *room, const struct native_range *range,
                    uint64_t now_ms);
int api_put_members(struct buf *out, const struct room *room);
/* `rooms`: objects of api_put_room(), comma-separated; `cursor` NULL: there are no more. */
int api_put_list(struct buf *out, struct slice rooms, const struct api_cursor *cursor);
int api_put_disconnected(struct buf *out, uint64_t count);
int api_put_token(struct buf *out, struct slice token, uint64_t exp_s);

/* A whole HTTP answer. */
struct api_answer {
    struct buf *out;
    bool keep_alive, head_only;
    uint64_t wall_ms;
};
/* `json` empty: 204. */
int api_answer(const struct api_answer *answer, unsigned status, struct slice json);
/* With the status that fits the code. `where` is put before the message (NULL: nothing); `allow`
 * NULL: no such header. retry_ms 0: not known. */
int api_answer_fault(const struct api_answer *answer, const struct native_fault *fault,
                     const char *where, const char *allow, uint64_t retry_ms);
/* What OPTIONS is answered. */
int api_answer_allow(const struct api_answer *answer, const char *allow);
