/* room_parts.h - what the parts of a room share (room.c, moderation.c, directory.c). */
#pragma once

#include "ringroom/room/room.h"

/* Who wrote message `seq`: a keyed hash, another one for each number, so that two users whom chance
 * makes alike are so in one message only. */
uint64_t room_author_mark(struct slice uid, uint64_t seq);
