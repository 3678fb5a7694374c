/* send_buffer.c - pools of send buffers by size. */
#include "ringroom/ring/send_buffer.h"
#include "ringroom/base/mem.h"

/* Whole blocks, header included, sized for the allocator. The largest holds one full TLS record. */
static const uint32_t class_bytes[SEND_BUFFER_CLASSES] = {512, 1024, 2048, 4096, 8192, 16640};
/* Kept idle, of each size: a busy turn's worth of small ones, few of the large. */
static const uint32_t class_idle_max[SEND_BUFFER_CLASSES] = {1024, 512, 256, 128, 64, 64};

void send_pool_init(struct send_pool *pool)
{
    *pool = (struct send_pool){0};
}

void send_pool_deinit(struct send_pool *pool)
{
    for (uint32_t i = 0; i < SEND_BUFFER_CLASSES; i++) {
        while (pool->idle[i]) {
            struct send_buffer *buffer = pool->idle[i];
            pool->idle[i] = buffer->next;
            mem_free(buffer);
        }
    }
}

static uint32_t class_for(size_t bytes)
{
    uint32_t i = 0;

    while (i < SEND_BUFFER_CLASSES && class_bytes[i] - sizeof(struct send_buffer) < bytes)
        i++;
    return i;
}

struct send_buffer *send_buffer_get(struct send_pool *pool, size_t bytes)
{
    uint32_t i = class_for(bytes);
    struct send_buffer *buffer;

    if (i < SEND_BUFFER_CLASSES && pool->idle[i]) {
        buffer = pool->idle[i];
        pool->idle[i] = buffer->next;
        pool->idle_count[i]--;
        buffer->len = buffer->sent = 0;
        return buffer;
    }
    size_t block = i < SEND_BUFFER_CLASSES ? class_bytes[i] : sizeof(*buffer) + bytes;
    buffer = mem_alloc(block);
    if (buffer)
        *buffer =
            (struct send_buffer){.class_index = i, .cap = (uint32_t)(block - sizeof(*buffer))};
    return buffer;
}

void send_buffer_put(struct send_pool *pool, struct send_buffer *buffer)
{
    if (!buffer)
        return;
    uint32_t i = buffer->class_index;
    if (buffer->unwiped < buffer->len)
        buffer->unwiped = buffer->len;
    if (i == SEND_BUFFER_CLASSES || pool->idle_count[i] == class_idle_max[i]) {
        mem_wipe(buffer->data, buffer->unwiped);
        mem_free(buffer);
        return;
    }
    buffer->next = pool->idle[i];
    pool->idle[i] = buffer;
    pool->idle_count[i]++;
}

void send_pool_wipe(struct send_pool *pool)
{
    for (uint32_t i = 0; i < SEND_BUFFER_CLASSES; i++) {
        for (struct send_buffer *buffer = pool->idle[i]; buffer; buffer = buffer->next) {
            mem_wipe(buffer->data, buffer->unwiped);
            buffer->unwiped = 0;
        }
    }
}
