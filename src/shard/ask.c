/* ask.c - making and freeing asks. */
#include "ringroom/shard/ask.h"
#include "ringroom/base/check.h"
#include "ringroom/base/mem.h"

struct ask *ask_new(enum post_kind kind, struct client *client, size_t bytes)
{
    struct ask *ask = mem_alloc(sizeof(*ask) + bytes);

    if (!ask)
        return NULL;
    *ask = (struct ask){.post.kind = (uint8_t)kind, .client = client, .cap = (uint32_t)bytes};
    buf_init(&ask->reply, 0); /* who expects a long reply says how long */
    return ask;
}

void ask_free(struct ask *ask)
{
    if (!ask)
        return;
    buf_deinit(&ask->reply);
    mem_free(ask->api);              /* its slices point into what is wiped here */
    mem_wipe(ask->bytes, ask->used); /* it may hold a message */
    mem_free(ask);
}

struct slice ask_put(struct ask *ask, struct slice from)
{
    CHECK(from.len <= ask->cap - ask->used);
    uint8_t *at = ask->bytes + ask->used;

    if (from.len)
        memcpy(at, from.data, from.len);
    ask->used += (uint32_t)from.len;
    return slice_make(at, from.len);
}
