#include "ws_pool.h"

#include "ringroom/base/check.h"

enum { POOL_IDLE_MAX = 64 }; /* readers kept, about 4.5 KiB each; more are freed */

struct ws_pool {
    struct ws_frame_reader *idle; /* last given first: its memory is warm */
    size_t idle_count;
    size_t borrowed_count;
};

/* wslay asks for bytes: the header at first, then payload, never past the end of the frame. */
static ssize_t lend(uint8_t *dst, size_t room, int flags, void *user)
{
    struct ws_frame_reader *reader = user;
    size_t header = 0;

    if (!reader->header_lent) {
        header = reader->header_bytes;
        CHECK(room >= header);
        memcpy(dst, reader->header, header);
        reader->header_lent = true;
    }
    size_t n = room - header;
    if (n > reader->unlent_bytes)
        n = (size_t)reader->unlent_bytes;
    if (n > reader->in->len)
        n = reader->in->len;
    if (n > 0) {
        memcpy(dst + header, reader->in->data, n);
        *reader->in = slice_from(*reader->in, n);
        reader->unlent_bytes -= n;
    }
    return header + n > 0 ? (ssize_t)(header + n) : -1;
}

static struct ws_frame_reader *reader_new(void)
{
    static const struct wslay_frame_callbacks callbacks = {.recv_callback = lend};
    struct ws_frame_reader *reader = mem_zalloc(sizeof(*reader));

    if (!reader)
        return NULL;
    if (wslay_frame_context_init(&reader->context, &callbacks, reader) != 0) {
        mem_free(reader);
        return NULL;
    }
    return reader;
}

static void reader_free(struct ws_frame_reader *reader)
{
    wslay_frame_context_free(reader->context);
    mem_free(reader);
}

struct ws_pool *ws_pool_new(void)
{
    return mem_zalloc(sizeof(struct ws_pool));
}

void ws_pool_free(struct ws_pool *pool)
{
    if (!pool)
        return;
    CHECK(pool->borrowed_count == 0);
    while (pool->idle) {
        struct ws_frame_reader *reader = pool->idle;

        pool->idle = reader->next;
        reader_free(reader);
    }
    mem_free(pool);
}

struct ws_frame_reader *ws_pool_take(struct ws_pool *pool)
{
    struct ws_frame_reader *reader = pool->idle;

    if (reader) {
        pool->idle = reader->next;
        pool->idle_count--;
    } else {
        reader = reader_new();
    }
    pool->borrowed_count += reader != NULL;
    return reader;
}

void ws_reader_wipe(struct ws_frame_reader *reader)
{
    mem_wipe((void *)(uintptr_t)reader->piece.data, reader->piece.len);
    reader->piece = (struct slice){0};
}

void ws_pool_give(struct ws_pool *pool, struct ws_frame_reader *reader)
{
    ws_reader_wipe(reader);
    CHECK(pool->borrowed_count > 0);
    pool->borrowed_count--;
    if (reader->header_bytes > 0 || pool->idle_count == POOL_IDLE_MAX) {
        reader_free(reader);
        return;
    }
    reader->next = pool->idle;
    pool->idle = reader;
    pool->idle_count++;
}
