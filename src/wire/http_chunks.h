/* http_chunks.h - the chunked transfer coding, read strictly (RFC 9112 section 7.1).
 *
 * http_parser's own reader accepts any two bytes after a chunk and line feeds
 * inside a chunk's extension, which a proxy in front may read differently.
 *
 * Bound     the body: the buffer's max. One size line, and all trailers together:
 *           HTTP_CHUNK_LINE_MAX. Extensions and trailers are dropped. */
#pragma once

#include "ringroom/base/buf.h"

enum { HTTP_CHUNK_LINE_MAX = 1024 };

/* Zeroed = before the first chunk. */
struct http_chunks {
    uint64_t left;       /* bytes of the chunk still to come */
    uint16_t line_bytes; /* of the size line or trailers, so far */
    uint8_t state;
};

/* Takes bytes from the front of *in (moved past them), at most up to the body's end, and appends
 * what they carry to body. 0: more must come; 1: the body is whole; -EBADMSG: malformed;
 * -ENOBUFS: larger than body->max (known as soon as a size line says so); -ENOMEM. */
int http_chunks_feed(struct http_chunks *chunks, struct slice *in, struct buf *body);
