/* mesh.c - making the mesh, and posting to it from outside. */
#include "ringroom/shard/mesh.h"
#include "ringroom/base/clock.h"
#include "ringroom/base/mem.h"
#include "ringroom/ring/ring.h"

enum { METERED_MIN = 4096 }; /* addresses: those that have gone are remembered too, for a while */

static size_t metered_max(uint32_t connections)
{
    size_t twice = 2 * (size_t)connections;

    return twice > METERED_MIN ? twice : METERED_MIN;
}

struct mesh *mesh_new(uint32_t count, uint32_t connections)
{
    struct mesh *mesh = mem_zalloc_aligned(alignof(struct mesh), sizeof(*mesh));

    if (!mesh)
        return NULL;
    mesh->count = count;
    mesh->made_ms = clock_wall_ms();
    mesh->nodes = mem_zalloc_aligned(alignof(struct mesh_node), count * sizeof(*mesh->nodes));
    mesh->meter = meter_new(metered_max(connections));
    if (!mesh->nodes || !mesh->meter || epoch_init(&mesh->epoch, count) != 0) {
        meter_free(mesh->meter);
        mem_free(mesh->nodes);
        mem_free(mesh);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        inbox_init(&mesh->nodes[i].inbox);
        mesh->nodes[i].ring_fd = -1;
    }
    return mesh;
}

void mesh_free(struct mesh *mesh)
{
    if (!mesh)
        return;
    epoch_deinit(&mesh->epoch);
    meter_free(mesh->meter);
    mem_free(mesh->nodes);
    mem_free(mesh);
}

void mesh_post_outside(struct mesh *mesh, uint32_t to, struct letter *letter)
{
    if (inbox_post(&mesh->nodes[to].inbox, letter))
        ring_wake_once(mesh->nodes[to].ring_fd);
}

void mesh_wake_outside(struct mesh *mesh, uint32_t to)
{
    ring_wake_once(mesh->nodes[to].ring_fd);
}
