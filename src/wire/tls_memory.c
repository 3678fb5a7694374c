/* tls_memory.c - OpenSSL's record buffers, reused.
 *
 * A session lets its record buffers go whenever they are empty, so each read and
 * each write of a busy server takes one of about 16.5 KiB and gives it back. They
 * are kept here, a few a thread, instead of going through the heap; and since
 * records are opened in place, the idle ones can be found and wiped. */
#include "ringroom/base/mem.h"
#include "ringroom/wire/tls.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    RECORD_BYTES_MIN = 16384, /* blocks of such sizes are record buffers */
    RECORD_BYTES_MAX = 20480,
    IDLE_MAX = 8, /* a thread's; those that wait for the rest of a record are not idle */
};

static _Thread_local struct idle {
    void *blocks[IDLE_MAX];
    uint32_t count;
    bool watched; /* the thread's end gives them back */
} idle;

static pthread_key_t thread_end;

static bool is_record_buffer(size_t bytes)
{
    return bytes >= RECORD_BYTES_MIN && bytes <= RECORD_BYTES_MAX;
}

static void give_idle_back(void *unused)
{
    idle.watched = false;
    while (idle.count)
        mem_free_wiped(idle.blocks[--idle.count]);
}

static void *reuse(size_t bytes)
{
    for (uint32_t i = idle.count; i-- > 0;) {
        void *block = idle.blocks[i];
        if (malloc_usable_size(block) < bytes)
            continue;
        idle.blocks[i] = idle.blocks[--idle.count];
        return block;
    }
    return NULL;
}

static void *take(size_t bytes, const char *file, int line)
{
    void *block = is_record_buffer(bytes) ? reuse(bytes) : NULL;

    return block || !bytes ? block : malloc(bytes);
}

static void give(void *block, const char *file, int line)
{
    if (!block || !is_record_buffer(malloc_usable_size(block))) {
        free(block);
        return;
    }
    if (idle.count == IDLE_MAX) {
        mem_free_wiped(block);
        return;
    }
    if (!idle.watched)
        idle.watched = pthread_setspecific(thread_end, &idle) == 0;
    idle.blocks[idle.count++] = block;
}

static void *resize(void *block, size_t bytes, const char *file, int line)
{
    if (block && bytes)
        return realloc(block, bytes);
    if (bytes)
        return take(bytes, file, line);
    give(block, file, line);
    return NULL;
}

bool tls_init(void)
{
    return pthread_key_create(&thread_end, give_idle_back) == 0 &&
           CRYPTO_set_mem_functions(take, resize, give) == 1;
}

void tls_wipe_idle(void)
{
    for (uint32_t i = 0; i < idle.count; i++)
        mem_wipe(idle.blocks[i], malloc_usable_size(idle.blocks[i]));
}
