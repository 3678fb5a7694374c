/* Checks that fail stop the program, and say where. */
#include "ringroom/base/check.h"

#include "unit.h"
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs `doomed` in a child of its own; returns its wait status and what it wrote. */
static int run_doomed(void (*doomed)(void), char *text, size_t text_bytes)
{
    int ends[2];
    int status = 0;

    CU_ASSERT_FATAL(pipe(ends) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(ends[1], STDERR_FILENO);
        doomed();
        _exit(0);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], text, text_bytes - 1);
    text[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    waitpid(pid, &status, 0);
    return status;
}

static void check_two_is_three(void)
{
    int two = 2;

    CHECK(two == 3);
}

static void check_two_is_two(void)
{
    int two = 2;

    CHECK(two == 2);
    DCHECK(two == 2);
}

static void dcheck_two_is_three(void)
{
    int two = 2;

    DCHECK(two == 3);
}

static void test_check__a_failed_check_says_where_and_aborts(void)
{
    char text[256];
    int status = run_doomed(check_two_is_three, text, sizeof(text));

    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "test_check.c:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "two == 3"));
}

static void test_check__a_check_that_holds_does_nothing(void)
{
    char text[256];
    int status = run_doomed(check_two_is_two, text, sizeof(text));

    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CU_ASSERT_STRING_EQUAL(text, "");
}

static void test_check__dcheck_acts_in_debug_builds_only(void)
{
    char text[256];
    int status = run_doomed(dcheck_two_is_three, text, sizeof(text));

#ifdef RINGROOM_DCHECK
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
#else
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#endif
}

UNIT_MAIN("check", UNIT_TEST(test_check__a_failed_check_says_where_and_aborts),
          UNIT_TEST(test_check__a_check_that_holds_does_nothing),
          UNIT_TEST(test_check__dcheck_acts_in_debug_builds_only))
