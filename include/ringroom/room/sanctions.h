/* sanctions.h - who is kept out of a room, or silent in it, and until when.
 *
 * Threads   the room's owner shard only. Time is passed in, monotonic.
 * Bound     SANCTIONS_MAX users a room. One more is refused: were the one that
 *           ends first to go instead, whoever comes with many names could push
 *           his own ban out, and nobody would be told. The moderator is told,
 *           and can lift one or close the room. */
#pragma once

#include "ringroom/base/slice.h"
#include "ringroom/base/table.h"

enum { SANCTIONS_MAX = 1024 };

enum sanction_kind { SANCTION_BAN, SANCTION_MUTE, SANCTION_KINDS };

struct sanction {
    struct table_link link;
    uint64_t until_ms[SANCTION_KINDS]; /* 0 where that one is not in force */
    uint8_t uid_len;
    char uid[];
};

struct sanctions {
    struct table by_uid; /* struct sanction */
    uint64_t next_ms;    /* when the first of them ends; UINT64_MAX where none does */
};

void sanctions_init(struct sanctions *sanctions);
void sanctions_deinit(struct sanctions *sanctions);

/* In force until that moment, whatever was before; 0 lifts it; UINT64_MAX never ends. 0, -ENOMEM,
 * -ENOSPC. Lifting does not fail. */
int sanctions_set(struct sanctions *sanctions, enum sanction_kind kind, struct slice uid,
                  uint64_t until_ms);
/* For how long it is in force yet; 0 where it is not. */
uint64_t sanctions_left_ms(const struct sanctions *sanctions, enum sanction_kind kind,
                           struct slice uid, uint64_t now_ms);
/* Forgets what has ended. */
void sanctions_expire(struct sanctions *sanctions, uint64_t now_ms);
static inline bool sanctions_none(const struct sanctions *sanctions)
{
    return sanctions->by_uid.count == 0;
}
