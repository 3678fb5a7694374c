/* assets.h - the chat page's files, compiled into the program from web/. */
#pragma once

#include "ringroom/base/slice.h"

struct asset {
    const char *path; /* as in the request, "/index.html" */
    const uint8_t *data;
    size_t len;
    const char *etag; /* with its quotes */
};

extern const struct asset assets[];
extern const size_t assets_count;
