/* Who owns a room, and how many bytes an ask may carry. */
#include "ringroom/shard/mesh.h"
#include "ringroom/base/hash.h"
#include "ringroom/base/mem.h"
#include "ringroom/shard/ask.h"

#include "unit.h"
#include <sys/wait.h>
#include <unistd.h>

static uint64_t room_hash(unsigned i)
{
    char name[40];

    snprintf(name, sizeof(name), "room-%u", i);
    return hash_bytes(slice_of(name));
}

/* Each shard gets its share, within a quarter: 5 standard deviations at least. */
static void test_mesh__rooms_are_spread_over_all_shards(void)
{
    enum { ROOMS = 64000 };
    static const uint32_t counts[] = {1, 2, 3, 5, 8, 16, 64};

    for (size_t i = 0; i < array_len(counts); i++) {
        struct mesh mesh = {.count = counts[i]};
        uint32_t owned[64] = {0}, share = ROOMS / counts[i];
        for (unsigned room = 0; room < ROOMS; room++) {
            uint32_t owner = mesh_owner(&mesh, room_hash(room));
            CU_ASSERT_FATAL(owner < counts[i]);
            owned[owner]++;
        }
        for (uint32_t shard = 0; shard < counts[i]; shard++)
            CU_ASSERT(owned[shard] >= share - share / 4 && owned[shard] <= share + share / 4);
    }
}

static void test_mesh__a_room_stays_with_its_owner(void)
{
    struct mesh *a = mesh_new(7, 100), *b = mesh_new(7, 100);

    CU_ASSERT_FATAL(a && b);
    for (unsigned room = 0; room < 1000; room++)
        CU_ASSERT(mesh_owner(a, room_hash(room)) == mesh_owner(b, room_hash(room)));
    CU_ASSERT(mesh_owner(a, 0) == 0 && mesh_owner(a, UINT64_MAX) == 6);
    mesh_free(a);
    mesh_free(b);
    mesh_free(NULL);
}

/* The owner says nothing of the table's bucket, which the low bits choose. */
static void test_mesh__the_low_bits_of_a_hash_do_not_choose_the_owner(void)
{
    struct mesh mesh = {.count = 8};

    for (unsigned room = 0; room < 1000; room++) {
        uint64_t hash = room_hash(room);
        CU_ASSERT(mesh_owner(&mesh, hash) == mesh_owner(&mesh, hash ^ 0xffffffff));
    }
}

static void test_mesh__memory_running_out_leaves_nothing(void)
{
#ifdef RINGROOM_DCHECK
    struct mesh *mesh = NULL;

    for (long n = 0; !mesh; n++) {
        CU_ASSERT_FATAL(n < 10);
        mem_fail_after(n);
        mesh = mesh_new(4, 100);
        mem_fail_after(-1);
        CU_ASSERT(mesh != NULL || n < 5);
    }
    mesh_free(mesh);
#endif
}

/* Asks */

static void test_ask__it_carries_copies_up_to_its_size(void)
{
    char name[] = "name", cid[] = "12345";
    struct ask *ask = ask_new(POST_SEND, NULL, 9);

    CU_ASSERT_PTR_NOT_NULL_FATAL(ask);
    CU_ASSERT(ask->post.kind == POST_SEND && !ask->post.answered && !ask->fault.code);
    struct slice first = ask_put(ask, slice_of(name));
    struct slice empty = ask_put(ask, slice_make(NULL, 0));
    struct slice second = ask_put(ask, slice_of(cid));
    memset(name, 'x', 4);
    memset(cid, 'x', 5);
    CU_ASSERT(slice_is(first, "name") && empty.len == 0 && slice_is(second, "12345"));
    CU_ASSERT(ask_put(ask, slice_make(NULL, 0)).len == 0);
    ask_free(ask);
    ask_free(NULL);
}

/* In a process of its own: one byte too many is the end of it. */
static void test_ask__more_than_it_has_room_for_stops_the_program(void)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        struct ask *ask = ask_new(POST_SEND, NULL, 4);
        close(STDERR_FILENO);
        ask_put(ask, slice_of("123"));
        ask_put(ask, slice_of("45"));
        _exit(0);
    }
    CU_ASSERT_FATAL(child > 0 && waitpid(child, &status, 0) == child);
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

UNIT_MAIN("shard/mesh", UNIT_TEST(test_mesh__rooms_are_spread_over_all_shards),
          UNIT_TEST(test_mesh__a_room_stays_with_its_owner),
          UNIT_TEST(test_mesh__the_low_bits_of_a_hash_do_not_choose_the_owner),
          UNIT_TEST(test_mesh__memory_running_out_leaves_nothing),
          UNIT_TEST(test_ask__it_carries_copies_up_to_its_size),
          UNIT_TEST(test_ask__more_than_it_has_room_for_stops_the_program))
