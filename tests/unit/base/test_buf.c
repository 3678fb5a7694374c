#include "ringroom/base/buf.h"

#include "ringroom/base/mem.h"
#include "unit.h"
#include <errno.h>

enum { MODEL_MAX = 3000 };

/* The naive twin: a plain array, moved about byte by byte. */
struct model {
    uint8_t data[MODEL_MAX];
    size_t len;
};

static bool model_append(struct model *model, const void *data, size_t len)
{
    if (len > MODEL_MAX - model->len)
        return false;
    for (size_t i = 0; i < len; i++)
        model->data[model->len++] = ((const uint8_t *)data)[i];
    return true;
}

static void model_consume(struct model *model, size_t n)
{
    for (size_t i = n; i < model->len; i++)
        model->data[i - n] = model->data[i];
    model->len -= n;
}

static bool same(const struct buf *buf, const struct model *model)
{
    return buf->len <= buf->cap && buf->cap <= buf->max &&
           slice_equal(buf_slice(buf), slice_make(model->data, model->len));
}

/* One random operation on both. */
static void step(struct buf *buf, struct model *model, uint64_t *random)
{
    uint8_t bytes[700];
    size_t n = unit_random(random) % sizeof(bytes);

    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)('a' + unit_random(random) % 26);
    switch (unit_random(random) % 8) {
    case 0:
    case 1:
    case 2:
        CU_ASSERT_EQUAL(buf_append(buf, bytes, n), model_append(model, bytes, n) ? 0 : -ENOBUFS);
        break;
    case 3:
    case 4:
        CU_ASSERT_EQUAL(buf_printf(buf, "%.*s", (int)n, (const char *)bytes),
                        model_append(model, bytes, n) ? 0 : -ENOBUFS);
        break;
    case 5:
        CU_ASSERT_EQUAL(buf_reserve(buf, n), n <= MODEL_MAX - model->len ? 0 : -ENOBUFS);
        break;
    case 6:
        n = model->len ? unit_random(random) % (model->len + 1) : 0;
        buf_consume(buf, n);
        model_consume(model, n);
        break;
    default:
        if (unit_random(random) % 8 == 0) {
            buf_release(buf);
            model->len = 0;
        }
    }
}

static void test_buf__any_operations_keep_it_equal_to_a_plain_array(void)
{
    uint64_t random = unit_seed();
    struct buf buf;
    struct model model = {.len = 0};

    buf_init(&buf, MODEL_MAX);
    for (unsigned i = 0; i < unit_rounds(20000); i++) {
        step(&buf, &model, &random);
        CU_ASSERT_FATAL(same(&buf, &model));
    }
    buf_deinit(&buf);
}

static void test_buf__growing_past_max_is_refused_and_changes_nothing(void)
{
    struct buf buf;

    buf_init(&buf, 10);
    CU_ASSERT_EQUAL(buf_append_str(&buf, "12345678"), 0);
    CU_ASSERT_EQUAL(buf_append_str(&buf, "9ab"), -ENOBUFS);
    CU_ASSERT_EQUAL(buf_printf(&buf, "%d", 123), -ENOBUFS);
    CU_ASSERT_EQUAL(buf_reserve(&buf, SIZE_MAX), -ENOBUFS);
    CU_ASSERT(slice_is(buf_slice(&buf), "12345678"));
    CU_ASSERT_EQUAL(buf_printf(&buf, "%d", 90), 0);
    CU_ASSERT(slice_is(buf_slice(&buf), "1234567890"));
    buf_deinit(&buf);
}

static void test_buf__printf_may_fill_it_to_the_last_byte(void)
{
    for (size_t max = 1; max < 600; max++) {
        struct buf buf;
        buf_init(&buf, max);
        CU_ASSERT_EQUAL(buf_printf(&buf, "%*d", (int)max, 7), 0);
        CU_ASSERT_EQUAL(buf.len, max);
        CU_ASSERT_EQUAL(buf.data[max - 1], '7');
        CU_ASSERT_EQUAL(buf_printf(&buf, "x"), -ENOBUFS);
        CU_ASSERT_EQUAL(buf_printf(&buf, "%s", ""), 0);
        buf_deinit(&buf);
    }
}

static void test_buf__it_holds_no_memory_before_use_and_after_release(void)
{
    struct buf buf;

    buf_init(&buf, 100);
    CU_ASSERT_PTR_NULL(buf.data);
    CU_ASSERT_EQUAL(buf_append(&buf, NULL, 0), 0);
    buf_consume(&buf, 0);
    CU_ASSERT_EQUAL(buf_append_str(&buf, "text"), 0);
    buf_release(&buf);
    CU_ASSERT_PTR_NULL(buf.data);
    CU_ASSERT_EQUAL(buf.len + buf.cap, 0);
    CU_ASSERT_EQUAL(buf_append_str(&buf, "again"), 0);
    CU_ASSERT(slice_is(buf_slice(&buf), "again"));
    buf_deinit(&buf);
}

static void test_buf__reserved_room_needs_no_further_allocation(void)
{
    struct buf buf;

    buf_init(&buf, 1 << 20);
    CU_ASSERT_EQUAL(buf_reserve(&buf, 5000), 0);
    uint8_t *data = buf.data;
    for (int i = 0; i < 5000; i++)
        CU_ASSERT_EQUAL(buf_append(&buf, "x", 1), 0);
    CU_ASSERT_PTR_EQUAL(buf.data, data);
    buf_deinit(&buf);
}

/* Appends and formats until an allocation fails; the buffer must then be as it was. */
static void test_buf__a_failed_allocation_changes_nothing(void)
{
#ifdef RINGROOM_DCHECK
    for (long n = 0; n < 8; n++) {
        struct buf buf;
        size_t len = 0;
        int rc = 0;
        buf_init(&buf, 1 << 20);
        mem_fail_after(n);
        for (int i = 0; rc == 0; i++) {
            len = buf.len;
            rc =
                i % 2 ? buf_append_str(&buf, "0123456789abcdef") : buf_printf(&buf, "%0*d", 500, 1);
        }
        mem_fail_after(-1);
        CU_ASSERT_EQUAL(rc, -ENOMEM);
        CU_ASSERT_EQUAL(buf.len, len);
        CU_ASSERT_EQUAL(buf_append_str(&buf, "x"), 0);
        CU_ASSERT_EQUAL(buf.data[len], 'x');
        buf_deinit(&buf);
    }
#endif
}

UNIT_MAIN("buf", UNIT_TEST(test_buf__any_operations_keep_it_equal_to_a_plain_array),
          UNIT_TEST(test_buf__growing_past_max_is_refused_and_changes_nothing),
          UNIT_TEST(test_buf__printf_may_fill_it_to_the_last_byte),
          UNIT_TEST(test_buf__it_holds_no_memory_before_use_and_after_release),
          UNIT_TEST(test_buf__reserved_room_needs_no_further_allocation),
          UNIT_TEST(test_buf__a_failed_allocation_changes_nothing))
