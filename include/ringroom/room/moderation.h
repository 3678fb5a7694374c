/* moderation.h - what may be done to a room against its members' will: messages deleted, users
 * banned and muted, the room closed. Who may ask for it, the caller knows.
 *
 * Threads   the room's owner shard only.
 *
 * Deleting  leaves the number in place, and other bytes under it: a reader that
 *           comes to it later is told in its place. Who has read the message
 *           already, the caller tells. In the other form (room_project()) the
 *           directory's project_deleted writes them.
 * Bans      and mutes stand beside membership: a banned user who is in the room
 *           is made to leave by the caller. A room that is empty but for them
 *           lives until the last one ends, so that it forgets none.
 * Closing   wipes at once, for readers on every shard, and marks the room; it
 *           keeps its name, its place in the directory and its epoch until the
 *           last session has left. Meanwhile nobody comes in and nothing is said
 *           (-ESHUTDOWN: to be told "unavailable, try again"). Then room_settle()
 *           frees it, or, where bans are in force, begins its next life in place:
 *           new epoch, numbers from 1.
 *
 *           Why not a new room under the name at once, the old one out of sight?
 *           A join that was sent before its shard heard of the closing brings a
 *           seat that is still lent to the old room, and a shard knows a room by
 *           its name: both would have to tell two lives apart. Why not a new
 *           epoch at once? Other shards read it without a lock while they tell
 *           gaps. One name is one room, one view a shard, one epoch; the price is
 *           a refusal in the few turns that letters take: leaving waits for no
 *           peer and no network. */
#pragma once

#include "ringroom/room/room.h"

/* `bytes` take the place of the message. 0; -EALREADY (it was deleted before: nothing to tell);
 * -ENOENT (dropped, expired, or never there); -ENOMEM, or as room_project_deleted_fn: nothing has
 * changed. Not refused where the memory for messages is used up. Its sender's cid stays taken: a
 * retry does not bring it back. */
int room_delete(struct room *room, uint64_t seq, struct slice bytes, uint64_t now_ms);
/* That message is there, deleted or not, and that user's. Goes by a keyed hash of 63 bits, another
 * one for each number. */
bool room_is_author(const struct room *room, uint64_t seq, struct slice uid);

/* Until that monotonic moment, whatever was before; 0 lifts it: call room_settle() when done. 0,
 * -ENOMEM, -ENOSPC (SANCTIONS_MAX; see there). */
int room_ban(struct room *room, struct slice uid, uint64_t until_ms);
int room_mute(struct room *room, struct slice uid, uint64_t until_ms);
/* ret_left_ms is written where it is true. */
bool room_is_banned(const struct room *room, struct slice uid, uint64_t now_ms,
                    uint64_t *ret_left_ms);
bool room_is_muted(const struct room *room, struct slice uid, uint64_t now_ms,
                   uint64_t *ret_left_ms);

/* Closes it: messages in both forms, notices and cids are gone for every reader, and wiped when
 * none can be inside; it does not linger. Bans and mutes stand. The caller tells the seats, whose
 * shards look at room_is_closed(): a shard that meets the gap of what was wiped also sees the mark.
 * Then room_settle(): without sessions the room goes at once. Twice is once. */
void room_close(struct room *room);
