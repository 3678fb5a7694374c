/* view.h - a room as a shard with members in it sees it: who of ours is in, who is to be told.
 *
 * Threads   the shard's own, but for `seat` and `advanced`, which the room's owner
 *           holds from the first join until the last leave has come home.
 * Ownership the shard's table of views. A view is freed when no member and no
 *           letter refers to it (refs).
 * Life      of a member: made for a join; in the view's list once the answer has
 *           come; out of it, and of the client's, when it leaves; freed when
 *           its leave letter is home. */
#pragma once

#include "ringroom/room/room.h"
#include "ringroom/shard/ask.h"

struct shard;

struct view {
    struct table_link link; /* in the shard's views, by room name */
    struct shard *shard;
    struct post advanced;
    struct room_seat seat;
    uint64_t since_us;   /* while in `dirty`: since when there are news */
    struct room *room;   /* ours to read while a member is in; the owner goes by seat.room */
    struct list current; /* members who have been sent everything: to be told of news */
    struct list behind;  /* members with news to send: they need not be told of more */
    struct list dirty;   /* in the shard's list of views with news; in none otherwise */
    uint32_t refs;       /* members not yet freed, and joins under way */
    uint32_t owner;      /* shard */
    uint8_t name_len;
    char name[];
};

enum member_state { MEMBER_JOINING, MEMBER_JOINED, MEMBER_LEAVING };

/* One client in one room. */
struct member {
    struct post leave;
    struct client *client;
    struct view *view;
    struct list in_view;   /* while joined: in the view's `current` or `behind` */
    struct list in_client; /* from the request to join until it leaves */
    struct list dirty;     /* in the client's list of rooms with news; in none otherwise */
    char *name;            /* NULL: the client's own */
    struct log_cursor messages;
    uint64_t notices; /* the next one to read; their log is short, so a hint would not pay */
    /* Of the Socket.IO dialect. */
    uint64_t history_end; /* `joined` is due, with the history below this number; 0: it is not */
    uint64_t confirmed;   /* below this number the client certainly has all; 0: not even `joined` */
    uint32_t serial;      /* within its session */
    uint8_t state;        /* enum member_state */
    bool projected;       /* reads the room's projection */
    bool lingers;         /* its client may come back: the room is to stay for a while */
    bool lost;            /* left without having said so: the user is to be waited for */
};

/* Finds or creates; NULL where memory has run out. Takes a reference. */
struct view *view_get(struct shard *shard, struct slice room_name);
void view_put(struct view *view);
/* Of a member in no list any more. */
void member_free(struct member *member);
static inline struct slice view_name(const struct view *view)
{
    return slice_make(view->name, view->name_len);
}

/* The room has advanced, at that moment: its members will be looked at in this turn's delivery. */
void view_mark(struct view *view, uint64_t since_us);
/* The members who had been sent everything have news to send. Costs what they are, not what the
 * room holds: who is behind already, stalled perhaps, is not looked at. */
void view_tell_members(struct view *view);
/* It has been sent everything. */
void view_caught_up(struct member *member);
