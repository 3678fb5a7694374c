#include "ringroom/base/random.h"

#include "ringroom/base/check.h"
#include <errno.h>
#include <sys/random.h>

void random_bytes(void *dst, size_t len)
{
    uint8_t *at = dst;

    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        /* A system call's result, and checked all the same: keys and session ids made without
         * randomness would be open doors. */
        CHECK(n > 0);
        at += n;
        len -= (size_t)n;
    }
}

uint64_t random_u64(void)
{
    uint64_t value;

    random_bytes(&value, sizeof(value));
    return value;
}
