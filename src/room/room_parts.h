/* room_parts.h - what the parts of a room share (room.c, room_batch.c, moderation.c,
 * directory.c). */
#pragma once

#include "ringroom/room/room.h"

/* Who wrote message `seq`: a keyed hash, another one for each number, so that two users whom chance
 * makes alike are so in one message only. */
uint64_t room_author_mark(struct slice uid, uint64_t seq);

/* That user's mark of a message that is stored, or about to be, after all older ones. 0, -ENOMEM.
 */
int room_remember_cid(struct room *room, struct slice uid, struct slice cid, uint64_t seq,
                      uint64_t ts_ms);
/* Forgets the marks of messages from that number on: they are not stored after all. */
void room_forget_cids_from(struct room *room, uint64_t seq);

/* Those are no members any more who have been absent for too long. */
void room_end_absences(struct room *room, uint64_t now_ms);
/* All who are absent are no members any more; nobody is told. */
void room_forget_absent(struct room *room);
