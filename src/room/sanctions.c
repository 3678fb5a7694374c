/* sanctions.c - a table by uid, looked through as a whole when one is set or ends: it is small. */
#include "ringroom/room/sanctions.h"
#include "ringroom/base/check.h"
#include "ringroom/base/hash.h"

#include <errno.h>

void sanctions_init(struct sanctions *sanctions)
{
    table_init(&sanctions->by_uid);
    sanctions->next_ms = UINT64_MAX;
}

static struct sanction *sanction_of(const struct table_link *link)
{
    return link ? container_of(link, struct sanction, link) : NULL;
}

static bool uid_matches(const struct table_link *link, const void *key)
{
    const struct sanction *sanction = sanction_of(link);

    return slice_equal(slice_make(sanction->uid, sanction->uid_len), *(const struct slice *)key);
}

static struct sanction *find(const struct sanctions *sanctions, struct slice uid)
{
    return sanction_of(table_find(&sanctions->by_uid, hash_bytes(uid), uid_matches, &uid));
}

static void forget(struct sanctions *sanctions, struct sanction *sanction)
{
    table_remove(&sanctions->by_uid, &sanction->link);
    mem_wipe(sanction->uid, sanction->uid_len);
    mem_free(sanction);
}

/* Ends what has ended. True where something of it is still in force. */
static bool refresh(struct sanction *sanction, uint64_t now_ms, uint64_t *next_ms)
{
    bool any = false;

    for (int kind = 0; kind < SANCTION_KINDS; kind++) {
        uint64_t *until_ms = &sanction->until_ms[kind];
        if (*until_ms <= now_ms)
            *until_ms = 0;
        if (*until_ms && *until_ms < *next_ms)
            *next_ms = *until_ms;
        any |= *until_ms != 0;
    }
    return any;
}

/* Looks at all of them: at most SANCTIONS_MAX, and only when one is set or ends. */
void sanctions_expire(struct sanctions *sanctions, uint64_t now_ms)
{
    const struct table_link *kept = NULL, *link;
    uint64_t next_ms = UINT64_MAX;

    while ((link = table_next(&sanctions->by_uid, kept))) {
        struct sanction *sanction = sanction_of(link);
        if (refresh(sanction, now_ms, &next_ms))
            kept = link;
        else
            forget(sanctions, sanction); /* the one before it knows how to go on */
    }
    sanctions->next_ms = next_ms;
}

static struct sanction *sanction_new(struct sanctions *sanctions, struct slice uid)
{
    struct sanction *sanction = mem_zalloc(sizeof(*sanction) + uid.len);

    if (!sanction)
        return NULL;
    sanction->uid_len = (uint8_t)uid.len;
    memcpy(sanction->uid, uid.data, uid.len);
    table_insert(&sanctions->by_uid, &sanction->link, hash_bytes(uid));
    return sanction;
}

int sanctions_set(struct sanctions *sanctions, enum sanction_kind kind, struct slice uid,
                  uint64_t until_ms)
{
    CHECK(uid.len > 0 && uid.len <= UINT8_MAX);
    struct sanction *sanction = find(sanctions, uid);

    if (!sanction && !until_ms)
        return 0;
    if (!sanction) {
        if (sanctions->by_uid.count >= SANCTIONS_MAX)
            return -ENOSPC;
        sanction = sanction_new(sanctions, uid);
        if (!sanction)
            return -ENOMEM;
    }
    sanction->until_ms[kind] = until_ms;
    sanctions_expire(sanctions, 0);
    return 0;
}

uint64_t sanctions_left_ms(const struct sanctions *sanctions, enum sanction_kind kind,
                           struct slice uid, uint64_t now_ms)
{
    const struct sanction *sanction = sanctions_none(sanctions) ? NULL : find(sanctions, uid);

    if (!sanction || sanction->until_ms[kind] <= now_ms)
        return 0;
    return sanction->until_ms[kind] - now_ms;
}

void sanctions_deinit(struct sanctions *sanctions)
{
    struct table_link *link;

    while ((link = table_next(&sanctions->by_uid, NULL)))
        forget(sanctions, sanction_of(link));
    table_deinit(&sanctions->by_uid);
}
