/* http_fields.h - comparing and cutting what stands in a header, for those who look into one. */
#pragma once

#include "ringroom/base/slice.h"

/* In any case. */
bool http_name_is(struct slice name, const char *text);
/* Without the blanks around it. */
struct slice http_trim(struct slice s);
