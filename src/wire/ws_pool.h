/* ws_pool.h - the frame readers that parsers borrow: wslay's context, and what we keep beside it.
 *
 * wslay decodes and unmasks, but tells of a frame only when some of its payload
 * has come. So that a frame can be refused as soon as its header says what is
 * wrong, each reader watches the header itself, and lends wslay the bytes of one
 * frame at a time: after a frame's last byte wslay holds nothing. */
#pragma once

#include "ringroom/wire/ws.h"

#include <wslay/wslay.h>

enum { WS_CLIENT_HEADER_MAX = 14 };

struct ws_frame_reader {
    struct ws_frame_reader *next; /* in the pool's idle list */
    wslay_frame_context_ptr context;
    struct slice *in;       /* the input of the ws_next() under way; wslay is lent from it */
    struct slice piece;     /* payload handed out last, in wslay's buffer; wiped before the next */
    uint64_t payload_bytes; /* of this frame, once its header is whole */
    uint64_t unlent_bytes;  /* payload not yet lent to wslay */
    uint64_t unread_bytes;  /* payload that wslay has not yet handed out */
    uint8_t header_bytes;   /* that have come; 0: between two frames */
    uint8_t header_need;    /* the header's length; meant once its second byte has come */
    bool header_lent;       /* to wslay */
    uint8_t control_bytes;  /* that have come of a control frame's payload, if in pieces */
    uint8_t header[WS_CLIENT_HEADER_MAX];
    uint8_t control[WS_CONTROL_MAX];
};

/* NULL where memory has run out. */
struct ws_frame_reader *ws_pool_take(struct ws_pool *pool);
/* Wipes the piece of payload handed out last: wslay will not look at it again. */
void ws_reader_wipe(struct ws_frame_reader *reader);
/* Takes it back; one that stands inside a frame is freed, for wslay cannot be reset. */
void ws_pool_give(struct ws_pool *pool, struct ws_frame_reader *reader);
