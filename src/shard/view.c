/* view.c - rooms as this shard's members see them. */
#include "shard_core.h"
#include "ringroom/base/check.h"
#include "ringroom/base/hash.h"

static bool name_matches(const struct table_link *link, const void *key)
{
    const struct view *view = container_of(link, struct view, link);

    return slice_equal(view_name(view), *(const struct slice *)key);
}

struct view *view_get(struct shard *shard, struct slice name)
{
    uint64_t hash = hash_bytes(name);
    struct table_link *link = table_find(&shard->views, hash, name_matches, &name);
    struct view *view = link ? container_of(link, struct view, link) : NULL;

    if (view) {
        view->refs++;
        return view;
    }
    view = mem_zalloc(sizeof(*view) + name.len);
    if (!view)
        return NULL;
    view->shard = shard;
    view->owner = mesh_owner(shard->mesh, hash);
    view->advanced = (struct post){.kind = POST_ADVANCED, .from = (uint16_t)view->owner};
    view->seat.shard = (uint16_t)shard->index;
    list_init(&view->seat.link);
    list_init(&view->current);
    list_init(&view->behind);
    list_init(&view->dirty);
    view->refs = 1;
    view->name_len = (uint8_t)name.len;
    memcpy(view->name, name.data, name.len);
    table_insert(&shard->views, &view->link, hash);
    return view;
}

/* The last reference goes when the last leave has come home. The owner's letters come in order, so
 * none about this view can be on its way any more. */
void view_put(struct view *view)
{
    if (--view->refs > 0)
        return;
    CHECK(list_empty(&view->current) && list_empty(&view->behind) && view->seat.sessions == 0);
    list_remove(&view->dirty);
    table_remove(&view->shard->views, &view->link);
    mem_free_wiped(view);
}

void member_free(struct member *member)
{
    view_put(member->view);
    mem_free_wiped(member->name);
    mem_free(member);
}

void view_mark(struct view *view, uint64_t since_us)
{
    if (!list_empty(&view->dirty))
        return;
    view->since_us = since_us;
    list_append(&view->shard->dirty, &view->dirty);
}

void view_tell_members(struct view *view)
{
    list_each(link, &view->current)
    {
        struct member *member = container_of(link, struct member, in_view);
        struct client *client = member->client;

        list_append(&client->dirty, &member->dirty);
        client->carrier->news(client);
    }
    list_splice(&view->behind, &view->current);
}

void view_caught_up(struct member *member)
{
    list_remove(&member->in_view);
    list_append(&member->view->current, &member->in_view);
}
