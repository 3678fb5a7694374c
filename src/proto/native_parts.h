/* native_parts.h - pieces of native replies that the HTTP API gives, too. Inside proto only. */
#pragma once

#include "json_writer.h"
#include "ringroom/proto/native.h"

/* The fields of an object, without its brackets. */
void put_history(struct writer *w, const struct room *room, const struct native_range *range,
                 uint64_t now_ms);
void put_members(struct writer *w, const struct room *room);
