/* http_head.h - what a whole request head must be, beyond what http_parser sees to.
 *
 * The library built for Debian is the lenient one: it takes blanks inside a
 * header's name, folded lines, bare line feeds, control bytes. A proxy in front
 * may read such a head differently, which is how requests are smuggled; so all
 * of it is refused here, on the bytes as they came. */
#pragma once

#include "ringroom/wire/http.h"

struct http_fault {
    unsigned status;  /* 0: no fault */
    const char *text; /* a static string */
};

struct http_framing {
    bool chunked;
    uint64_t content_bytes; /* 0 where chunked */
};

/* `head` is the whole head with its last empty line. Of request, target, version, method and
 * headers are filled in; path and query are set here. */
struct http_fault http_head_check(struct slice head, struct http_request *request,
                                  struct http_framing *ret_framing);
