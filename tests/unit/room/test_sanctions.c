/* Who is kept out, or silent, and until when. Time is passed in. */
#include "ringroom/room/sanctions.h"

#include "ringroom/base/mem.h"
#include "unit.h"
#include <errno.h>

static uint64_t left(const struct sanctions *s, enum sanction_kind kind, const char *uid,
                     uint64_t now_ms)
{
    return sanctions_left_ms(s, kind, slice_of(uid), now_ms);
}

static int set(struct sanctions *s, enum sanction_kind kind, const char *uid, uint64_t until_ms)
{
    return sanctions_set(s, kind, slice_of(uid), until_ms);
}

static void test_sanctions__one_ends_by_itself_at_its_time(void)
{
    struct sanctions s;

    sanctions_init(&s);
    CU_ASSERT(sanctions_none(&s) && left(&s, SANCTION_BAN, "ann", 0) == 0);
    CU_ASSERT_EQUAL(set(&s, SANCTION_BAN, "ann", 1000), 0);
    CU_ASSERT(left(&s, SANCTION_BAN, "ann", 900) == 100 && s.next_ms == 1000);
    CU_ASSERT(!left(&s, SANCTION_MUTE, "ann", 900) && !left(&s, SANCTION_BAN, "an", 900));
    CU_ASSERT_EQUAL(left(&s, SANCTION_BAN, "ann", 999), 1);
    CU_ASSERT_EQUAL(left(&s, SANCTION_BAN, "ann", 1000), 0); /* though nobody has come by */
    sanctions_expire(&s, 999);
    CU_ASSERT(!sanctions_none(&s));
    sanctions_expire(&s, 1000);
    CU_ASSERT(sanctions_none(&s) && s.next_ms == UINT64_MAX);
    sanctions_deinit(&s);
}

static void test_sanctions__the_one_given_last_holds(void)
{
    struct sanctions s;

    sanctions_init(&s);
    CU_ASSERT(set(&s, SANCTION_BAN, "ann", 1000) == 0 && set(&s, SANCTION_BAN, "ann", 500) == 0);
    CU_ASSERT(left(&s, SANCTION_BAN, "ann", 100) == 400 && s.next_ms == 500);
    CU_ASSERT(set(&s, SANCTION_BAN, "ann", 2000) == 0 && s.next_ms == 2000);
    CU_ASSERT(set(&s, SANCTION_BAN, "ann", UINT64_MAX) == 0 && s.next_ms == UINT64_MAX);
    sanctions_expire(&s, UINT64_MAX - 1);
    CU_ASSERT(left(&s, SANCTION_BAN, "ann", 1000) > 0);
    CU_ASSERT(set(&s, SANCTION_BAN, "ann", 0) == 0 && sanctions_none(&s));
    CU_ASSERT(set(&s, SANCTION_BAN, "ann", 0) == 0); /* lifted before */
    sanctions_deinit(&s);
}

static void test_sanctions__lifting_the_ban_leaves_the_mute(void)
{
    struct sanctions s;

    sanctions_init(&s);
    CU_ASSERT(set(&s, SANCTION_BAN, "ann", 500) == 0 && set(&s, SANCTION_MUTE, "ann", 900) == 0);
    CU_ASSERT_EQUAL(s.by_uid.count, 1);
    CU_ASSERT(set(&s, SANCTION_BAN, "ann", 0) == 0 && s.next_ms == 900);
    CU_ASSERT(!left(&s, SANCTION_BAN, "ann", 0) && left(&s, SANCTION_MUTE, "ann", 0) == 900);
    sanctions_deinit(&s);
}

static void test_sanctions__one_more_than_the_most_is_refused(void)
{
    struct sanctions s;
    char uid[16];

    sanctions_init(&s);
    for (unsigned i = 0; i < SANCTIONS_MAX; i++) {
        snprintf(uid, sizeof(uid), "u%u", i);
        CU_ASSERT_EQUAL(set(&s, SANCTION_BAN, uid, 1000 + i), 0);
    }
    CU_ASSERT_EQUAL(set(&s, SANCTION_BAN, "ann", 9000), -ENOSPC);
    CU_ASSERT(!left(&s, SANCTION_BAN, "ann", 0) && left(&s, SANCTION_BAN, "u0", 0) == 1000);
    CU_ASSERT_EQUAL(set(&s, SANCTION_MUTE, "u0", 9000), 0); /* is there already */
    CU_ASSERT_EQUAL(set(&s, SANCTION_BAN, "u1", 0), 0);
    CU_ASSERT_EQUAL(set(&s, SANCTION_BAN, "ann", 9000), 0);
    sanctions_deinit(&s);
}

/* Against a plain array. */
static void test_sanctions__any_operations_agree_with_the_naive_twin(void)
{
    enum { USERS = 40 };
    uint64_t until[USERS][SANCTION_KINDS] = {{0}}, random = unit_seed() | 1, now_ms = 1;
    struct sanctions s;
    char uid[16];

    sanctions_init(&s);
    for (unsigned step = 0; step < unit_rounds(50000); step++) {
        unsigned u = (unsigned)(unit_random(&random) % USERS), choice = unit_random(&random) % 10;
        enum sanction_kind kind = (enum sanction_kind)(unit_random(&random) % SANCTION_KINDS);
        snprintf(uid, sizeof(uid), "u%u", u);
        if (choice < 4) {
            until[u][kind] = choice ? now_ms + 1 + unit_random(&random) % 300 : 0;
            CU_ASSERT_EQUAL(set(&s, kind, uid, until[u][kind]), 0);
        } else if (choice < 6) {
            now_ms += unit_random(&random) % 40;
        } else if (s.next_ms <= now_ms) {
            sanctions_expire(&s, now_ms);
            CU_ASSERT(s.next_ms > now_ms);
        }
        uint64_t next_ms = UINT64_MAX;
        for (unsigned i = 0; i < USERS; i++)
            for (int k = 0; k < SANCTION_KINDS; k++)
                if (until[i][k] > now_ms && until[i][k] < next_ms)
                    next_ms = until[i][k];
        CU_ASSERT(s.next_ms <= next_ms); /* never late */
        uint64_t right = until[u][kind] > now_ms ? until[u][kind] - now_ms : 0;
        CU_ASSERT_EQUAL(left(&s, kind, uid, now_ms), right);
    }
    sanctions_expire(&s, now_ms + 1000);
    CU_ASSERT(sanctions_none(&s));
    sanctions_deinit(&s);
}

static void test_sanctions__a_failed_allocation_changes_nothing(void)
{
#ifdef RINGROOM_DCHECK
    struct sanctions s;

    sanctions_init(&s);
    CU_ASSERT_EQUAL(set(&s, SANCTION_MUTE, "bob", 500), 0);
    mem_fail_after(0);
    CU_ASSERT_EQUAL(set(&s, SANCTION_BAN, "ann", 1000), -ENOMEM);
    mem_fail_after(-1);
    CU_ASSERT(s.by_uid.count == 1 && s.next_ms == 500);
    mem_fail_after(0);
    CU_ASSERT_EQUAL(set(&s, SANCTION_MUTE, "bob", 0), 0); /* lifting needs none */
    mem_fail_after(-1);
    CU_ASSERT(sanctions_none(&s));
    sanctions_deinit(&s);
#endif
}

UNIT_MAIN("room/sanctions", UNIT_TEST(test_sanctions__one_ends_by_itself_at_its_time),
          UNIT_TEST(test_sanctions__the_one_given_last_holds),
          UNIT_TEST(test_sanctions__lifting_the_ban_leaves_the_mute),
          UNIT_TEST(test_sanctions__one_more_than_the_most_is_refused),
          UNIT_TEST(test_sanctions__any_operations_agree_with_the_naive_twin),
          UNIT_TEST(test_sanctions__a_failed_allocation_changes_nothing))
