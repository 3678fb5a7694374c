/* metrics_answer.h - all metrics of the process as one text.
 *
 * Threads   any: counters are read relaxed, so lines of one answer may be some
 *           events apart, but no counter goes back from one answer to the next.
 * Bound     metrics_answer_max(). */
#pragma once

#include "ringroom/base/buf.h"
#include "ringroom/shard/mesh.h"
#include "ringroom/shard/settings.h"

/* Bytes of an answer, at most. */
size_t metrics_answer_max(const struct mesh *mesh, const struct settings *settings);
/* Appends it. 0, -ENOMEM, -ENOBUFS. */
int metrics_answer(struct buf *out, const struct mesh *mesh, const struct settings *settings);
