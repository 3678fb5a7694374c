#include "ringroom/base/list.h"

#include "unit.h"

struct member {
    int id;
    struct list link;
};

/* The ids in list order as one decimal number: 1, 2, 3 is 123. */
static int ids(const struct list *head)
{
    int all = 0;

    for (const struct list *link = head->next; link != head; link = link->next)
        all = all * 10 +
              ((const struct member *)((const char *)link - offsetof(struct member, link)))->id;
    return all;
}

static void fill(struct list *head, struct member *members, int count, int first_id)
{
    list_init(head);
    for (int i = 0; i < count; i++) {
        members[i].id = first_id + i;
        list_append(head, &members[i].link);
    }
}

static void test_list__members_stay_in_the_order_of_appending(void)
{
    struct list head;
    struct member members[4];

    fill(&head, members, 4, 1);
    CU_ASSERT_EQUAL(ids(&head), 1234);
    list_remove(&members[1].link);
    CU_ASSERT_EQUAL(ids(&head), 134);
    CU_ASSERT_PTR_EQUAL(list_pop(&head), &members[0].link);
    CU_ASSERT_EQUAL(ids(&head), 34);
}

static void test_list__removing_twice_is_harmless(void)
{
    struct list head;
    struct member members[2];

    fill(&head, members, 2, 1);
    list_remove(&members[0].link);
    list_remove(&members[0].link);
    CU_ASSERT(list_empty(&members[0].link));
    CU_ASSERT_EQUAL(ids(&head), 2);
}

static void test_list__an_empty_list_pops_nothing(void)
{
    struct list head;

    list_init(&head);
    CU_ASSERT(list_empty(&head));
    CU_ASSERT_PTR_NULL(list_pop(&head));
}

static void test_list__splicing_moves_all_to_the_end(void)
{
    struct list to, from;
    struct member a[2], b[3];

    fill(&to, a, 2, 1);
    fill(&from, b, 3, 3);
    list_splice(&to, &from);
    CU_ASSERT_EQUAL(ids(&to), 12345);
    CU_ASSERT(list_empty(&from));
    list_splice(&to, &from);
    CU_ASSERT_EQUAL(ids(&to), 12345);
    list_splice(&from, &to);
    CU_ASSERT_EQUAL(ids(&from), 12345);
    CU_ASSERT(list_empty(&to));
}

static void test_list__the_current_member_may_leave_during_a_walk(void)
{
    struct list head;
    struct member members[6];

    fill(&head, members, 6, 1);
    list_each(link, &head)
    {
        if (container_of(link, struct member, link)->id % 2 == 0)
            list_remove(link);
    }
    CU_ASSERT_EQUAL(ids(&head), 135);
}

UNIT_MAIN("list", UNIT_TEST(test_list__members_stay_in_the_order_of_appending),
          UNIT_TEST(test_list__removing_twice_is_harmless),
          UNIT_TEST(test_list__an_empty_list_pops_nothing),
          UNIT_TEST(test_list__splicing_moves_all_to_the_end),
          UNIT_TEST(test_list__the_current_member_may_leave_during_a_walk))
