/* directory.h - the rooms that one shard owns.
 *
 * Threads   the owning shard only. */
#pragma once

#include "ringroom/room/room.h"

/* Called when a room's presence count is due to its members (crowded rooms, once a second). */
typedef void directory_count_fn(void *user, struct room *room, uint64_t now_ms);

/* Called when someone has been absent for too long, or others have for so much shorter: is no
 * member any more. `gone` is freed after the call. */
typedef void directory_gone_fn(void *user, struct room *room, const struct room_user *gone);

/* Writes one entry of the room's log in its other form: at least one byte, valid until the next
 * call. 0, -ENOMEM, -ENOBUFS. Leaves the room alone. */
typedef int room_project_fn(void *user, const struct room *room, struct slice entry,
                            struct slice *ret_bytes);
/* The same of a deleted message: what stands in its place in the other form. */
typedef int room_project_deleted_fn(void *user, const struct room *room, uint64_t seq,
                                    struct slice *ret_bytes);

struct directory {
    struct table rooms; /* struct room, by name */
    struct wheel *wheel;
    struct log_env env;      /* of the rooms' messages */
    struct log_env side_env; /* of notices and projections */
    /* What is in the rooms, and was done to them. */
    uint64_t members, sessions; /* summed up over all rooms */
    uint64_t deleted;           /* messages */
    const struct retention_rules *rules;
    uint64_t delivery_window;
    directory_count_fn *count_due;
    directory_gone_fn *gone;                  /* NULL: nobody needs to be told */
    room_project_fn *project;                 /* NULL where room_project() is never called */
    room_project_deleted_fn *project_deleted; /* NULL where room_delete() is never called, too */
    void *user;
};

void directory_init(struct directory *directory, struct wheel *wheel, const struct log_env *env,
                    const struct retention_rules *rules, uint64_t delivery_window);
/* No shard may read any room any more. */
void directory_deinit(struct directory *directory);

/* Other rules, for rooms that exist too: each is trimmed to its new retention on the next sweep,
 * which is due at once. The old rules are let go of. `bytes_max`: as of struct log_env, for logs of
 * every kind. */
void directory_reload(struct directory *directory, const struct retention_rules *rules,
                      uint64_t delivery_window, uint64_t bytes_max, uint64_t now_ms);

struct room *directory_find(const struct directory *directory, struct slice name);
/* Finds or creates; NULL where memory has run out. */
struct room *directory_open(struct directory *directory, struct slice name);
