/* OpenSSL's record buffers: kept for reuse, wiped when idle, given back with their thread. */
#include "ringroom/base/slice.h"
#include "ringroom/wire/tls.h"
#include "unit.h"

#include <openssl/crypto.h>
#include <pthread.h>

enum { RECORD = 16704, MARK = 0x5a };

static void test_tls_memory__a_record_buffer_is_reused(void)
{
    void *first = OPENSSL_malloc(RECORD);
    OPENSSL_free(first);
    void *second = OPENSSL_malloc(RECORD);
    CU_ASSERT_PTR_EQUAL(first, second);
    OPENSSL_free(second);
}

static void test_tls_memory__an_idle_buffer_is_wiped(void)
{
    uint8_t *block = OPENSSL_malloc(RECORD);
    memset(block, MARK, RECORD);
    OPENSSL_free(block);
    tls_wipe_idle();
    uint8_t *again = OPENSSL_malloc(RECORD);
    CU_ASSERT_PTR_EQUAL_FATAL(again, block);
    size_t left = 0;
    for (size_t i = 0; i < RECORD; i++)
        left += again[i] == MARK;
    CU_ASSERT_EQUAL(left, 0);
    OPENSSL_free(again);
}

static void test_tls_memory__a_larger_request_gets_a_larger_block(void)
{
    OPENSSL_free(OPENSSL_malloc(16400));
    uint8_t *larger = OPENSSL_malloc(20000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(larger);
    memset(larger, MARK, 20000); /* the sanitizers watch */
    OPENSSL_free(larger);
}

static void test_tls_memory__other_sizes_pass_through(void)
{
    void *small = OPENSSL_malloc(100);
    small = OPENSSL_realloc(small, RECORD);
    CU_ASSERT_PTR_NOT_NULL_FATAL(small);
    memset(small, MARK, RECORD);
    OPENSSL_free(small);
    CU_ASSERT_PTR_NULL(OPENSSL_malloc(0));
    OPENSSL_free(NULL);
}

static void *use_many(void *unused)
{
    void *blocks[20];

    for (size_t i = 0; i < 20; i++)
        blocks[i] = OPENSSL_malloc(RECORD);
    for (size_t i = 0; i < 20; i++)
        OPENSSL_free(blocks[i]);
    return NULL;
}

/* LeakSanitizer is the judge. */
static void test_tls_memory__a_threads_buffers_go_with_it(void)
{
    pthread_t thread;

    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, use_many, NULL), 0);
    pthread_join(thread, NULL);
}

int main(void)
{
    static const struct unit_test tests[] = {
        UNIT_TEST(test_tls_memory__a_record_buffer_is_reused),
        UNIT_TEST(test_tls_memory__an_idle_buffer_is_wiped),
        UNIT_TEST(test_tls_memory__a_larger_request_gets_a_larger_block),
        UNIT_TEST(test_tls_memory__other_sizes_pass_through),
        UNIT_TEST(test_tls_memory__a_threads_buffers_go_with_it),
    };

    if (!tls_init())
        return 2;
    return unit_run("wire/tls_memory", tests, sizeof(tests) / sizeof(tests[0]));
}
