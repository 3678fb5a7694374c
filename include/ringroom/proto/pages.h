/* pages.h - what a browser or a probe gets by plain HTTP: the chat page, /healthz, /readyz. */
#pragma once

#include "ringroom/wire/http.h"

/* Appends the whole answer to out. `ready`: whether new clients are welcome. Its status, or -ENOBUFS,
 * -ENOMEM. */
int pages_answer(struct buf *out, const struct http_request *request, bool keep_alive, bool ready,
                 uint64_t wall_ms);
