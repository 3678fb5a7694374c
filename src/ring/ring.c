/* ring.c - setting a ring up, one turn of it, and what its objects share. */
#include "ring_core.h"
#include "ringroom/base/check.h"
#include "ringroom/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Setting up */

/* The number behind `key` in a file of /proc, -1 where it is not there or may not be read. */
static int read_number(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    char line[256];
    int number = -1;

    while (file && number < 0 && fgets(line, sizeof(line), file)) {
        if (strncmp(line, key, strlen(key)) == 0)
            number = atoi(line + strlen(key));
    }
    if (file)
        fclose(file);
    return number;
}

/* Who it is that forbids io_uring: the kernel as it was built or set, or a filter of system calls.
 */
static void explain_refusal(int error, char *why, size_t why_bytes)
{
    int disabled = read_number("/proc/sys/kernel/io_uring_disabled", "");
    int filtered = read_number("/proc/self/status", "Seccomp:");

    if (error != -ENOSYS && disabled == 2)
        snprintf(why, why_bytes,
                 "io_uring is switched off on this machine: set sysctl kernel.io_uring_disabled=0");
    else if (error != -ENOSYS && disabled == 1 && filtered <= 0)
        snprintf(why, why_bytes,
                 "io_uring is for a group only: sysctl kernel.io_uring_disabled=0, or make the "
                 "server's group the one of kernel.io_uring_group");
    else if (filtered > 0)
        snprintf(why, why_bytes,
                 "a seccomp filter forbids io_uring (%s): in a container, give a profile that "
                 "permits io_uring_setup, io_uring_enter and io_uring_register",
                 strerror(-error));
    else if (error == -ENOSYS)
        snprintf(why, why_bytes, "this kernel was built without io_uring");
    else
        snprintf(why, why_bytes,
                 "io_uring is forbidden here (%s): by sysctl kernel.io_uring_disabled, a seccomp "
                 "filter, or a security module",
                 strerror(-error));
}

static int explain(int error, char *why, size_t why_bytes)
{
    struct utsname kernel = {.release = "unknown"};

    uname(&kernel);
    if (error == -ENOSYS || error == -EPERM || error == -EACCES)
        explain_refusal(error, why, why_bytes);
    else if (error == -EINVAL)
        snprintf(why, why_bytes,
                 "this kernel (%s) lacks io_uring features that are needed; Linux 6.1 or newer has "
                 "them",
                 kernel.release);
    else if (error == -ENOMEM)
        snprintf(why, why_bytes,
                 "not enough memory for a ring; raise the locked-memory limit (LimitMEMLOCK=, "
                 "ulimit -l) or lower limits.connections");
    else
        snprintf(why, why_bytes, "io_uring: %s", strerror(-error));
    return error;
}

static int setup_queue(struct ring *ring)
{
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN |
                                              IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CQSIZE,
                                     .cq_entries = RING_CQ_ENTRIES};
    int error = io_uring_queue_init_params(RING_SQ_ENTRIES, &ring->uring, &params);

    if (error)
        return error;
    /* Saves the look-up of the ring's descriptor on each call; doing without is no harm. */
    io_uring_register_ring_fd(&ring->uring);
    return 0;
}

static int setup_files(struct ring *ring, uint32_t files_max)
{
    ring->free_slots = mem_alloc(files_max * sizeof(*ring->free_slots));
    if (!ring->free_slots)
        return -ENOMEM;
    int error = io_uring_register_files_sparse(&ring->uring, files_max);
    if (error)
        return error;
    for (uint32_t i = 0; i < files_max; i++)
        ring->free_slots[i] = (int32_t)(files_max - 1 - i);
    ring->free_slots_count = files_max;
    return 0;
}

static int setup_buffers(struct ring *ring, uint32_t count, uint32_t bytes)
{
    long page = sysconf(_SC_PAGESIZE);

    ring->buffers_count = count;
    ring->buffer_bytes = bytes;
    ring->buffers_bytes = count * sizeof(struct io_uring_buf);
    if (posix_memalign((void **)&ring->buffers, (size_t)page, ring->buffers_bytes) != 0)
        return -ENOMEM;
    ring->buffer_memory = mem_alloc((size_t)count * bytes);
    if (!ring->buffer_memory)
        return -ENOMEM;
    struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)(uintptr_t)ring->buffers,
                                   .ring_entries = count,
                                   .bgid = RING_BUFFER_GROUP};
    int error = io_uring_register_buf_ring(&ring->uring, &reg, 0);
    if (error)
        return error;
    io_uring_buf_ring_init(ring->buffers);
    for (uint32_t i = 0; i < count; i++)
        io_uring_buf_ring_add(ring->buffers, ring->buffer_memory + (size_t)i * bytes, bytes,
                              (unsigned short)i, io_uring_buf_ring_mask(count), (int)i);
    io_uring_buf_ring_advance(ring->buffers, (int)count);
    return 0;
}

int ring_new(const struct ring_config *config, struct ring **ret_ring, char *ret_why,
             size_t why_bytes)
{
    struct ring *ring = mem_zalloc(sizeof(*ring));

    if (!ring)
        return explain(-ENOMEM, ret_why, why_bytes);
    ring->uring.ring_fd = -1;
    send_pool_init(&ring->send_pool);
    int error = setup_queue(ring);
    if (error)
        ring->uring.ring_fd = -1;
    ring->completions = mem_alloc(RING_CQ_ENTRIES * sizeof(*ring->completions));
    if (!error && !ring->completions)
        error = -ENOMEM;
    if (!error)
        error = setup_files(ring, config->files_max);
    if (!error)
        error = setup_buffers(ring, config->recv_buffers, config->recv_buffer_bytes);
    if (error) {
        ring_free(ring);
        return explain(error, ret_why, why_bytes);
    }
    *ret_ring = ring;
    return 0;
}

void ring_free(struct ring *ring)
{
    if (!ring)
        return;
    if (ring->uring.ring_fd >= 0)
        io_uring_queue_exit(&ring->uring);
    send_pool_deinit(&ring->send_pool);
    free(ring->buffers);
    mem_free(ring->buffer_memory);
    mem_free(ring->free_slots);
    mem_free(ring->completions);
    mem_free(ring);
}

int ring_fd(const struct ring *ring)
{
    return ring->uring.ring_fd;
}

const struct ring_stats *ring_stats(const struct ring *ring)
{
    return &ring->stats;
}

void ring_wipe_idle(struct ring *ring)
{
    send_pool_wipe(&ring->send_pool);
}

/* Requests */

/* Copies completions out, as many as there is room for: running them makes new requests. */
static void reap(struct ring *ring)
{
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;

    if (io_uring_cq_has_overflow(&ring->uring))
        ring->stats.overflows++;
    io_uring_for_each_cqe(&ring->uring, head, cqe)
    {
        if (ring->completions_count == RING_CQ_ENTRIES)
            break;
        struct ring_op *op = io_uring_cqe_get_data(cqe);
        if (op)
            ring->completions[ring->completions_count++] =
                (struct ring_completion){.op = op, .res = cqe->res, .flags = cqe->flags};
        seen++;
    }
    io_uring_cq_advance(&ring->uring, seen);
}

struct io_uring_sqe *ring_sqe(struct ring *ring)
{
    struct io_uring_sqe *sqe;

    /* A submit empties the queue, whatever becomes of its requests; it can only be put off while
     * the kernel has completions to hand over or is out of memory for the moment. */
    while (!(sqe = io_uring_get_sqe(&ring->uring))) {
        int submitted = io_uring_submit(&ring->uring);
        if (submitted > 0)
            ring->stats.submitted += (uint64_t)submitted;
        else if (submitted != -EBUSY && submitted != -EAGAIN && submitted != -EINTR)
            CHECK(!"io_uring_submit() failed");
    }
    return sqe;
}

void ring_bind(struct io_uring_sqe *sqe, struct ring_op *op)
{
    io_uring_sqe_set_data(sqe, op);
    if (!op)
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void ring_cancel(struct ring *ring, struct ring_op *op)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);

    io_uring_prep_cancel(sqe, op, 0);
    ring_bind(sqe, NULL);
}

/* Waiting */

static void submit_and_wait(struct ring *ring, uint64_t timeout_ms)
{
    struct io_uring_cqe *cqe;
    struct __kernel_timespec timeout = {.tv_sec = (int64_t)(timeout_ms / 1000),
                                        .tv_nsec = (long long)(timeout_ms % 1000) * 1000000};
    int submitted;

    if (timeout_ms == 0)
        submitted = io_uring_submit_and_get_events(&ring->uring);
    else if (timeout_ms == UINT64_MAX)
        submitted = io_uring_submit_and_wait(&ring->uring, 1);
    else
        submitted = io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, &timeout, NULL);
    if (submitted > 0)
        ring->stats.submitted += (uint64_t)submitted;
}

void ring_wait(struct ring *ring, uint64_t timeout_ms)
{
    submit_and_wait(ring, timeout_ms);
    ring->turn++;
    ring->stats.turns++;
    reap(ring);
}

void ring_run(struct ring *ring)
{
    for (uint32_t i = 0; i < ring->completions_count; i++) {
        struct ring_completion *c = &ring->completions[i];
        c->op->done(c->op, c->res, c->flags);
    }
    ring->stats.completed += ring->completions_count;
    ring->completions_count = 0;
}

void ring_wake(struct ring *ring, int other_fd)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);

    io_uring_prep_msg_ring(sqe, other_fd, 0, 0, 0);
    ring_bind(sqe, NULL);
}

int ring_wake_once(int other_fd)
{
    struct io_uring uring;
    struct io_uring_cqe *cqe;
    int error = io_uring_queue_init(2, &uring, 0);

    if (error)
        return error;
    io_uring_prep_msg_ring(io_uring_get_sqe(&uring), other_fd, 0, 0, 0);
    error = io_uring_submit(&uring);
    if (error == 1 && (error = io_uring_wait_cqe(&uring, &cqe)) == 0)
        error = cqe->res;
    io_uring_queue_exit(&uring);
    return error;
}

/* The shared file table and buffers */

int32_t ring_file_install(struct ring *ring, int fd)
{
    int32_t slot = -ENFILE;

    if (ring->free_slots_count) {
        slot = ring->free_slots[ring->free_slots_count - 1];
        int updated = io_uring_register_files_update(&ring->uring, (unsigned)slot, &fd, 1);
        if (updated == 1)
            ring->free_slots_count--;
        else
            slot = updated < 0 ? updated : -ENFILE;
    }
    close(fd);
    return slot;
}

void ring_file_freed(struct ring *ring, int32_t slot)
{
    ring->free_slots[ring->free_slots_count++] = slot;
}

uint8_t *ring_buffer(struct ring *ring, uint32_t flags)
{
    uint32_t id = flags >> IORING_CQE_BUFFER_SHIFT;

    return ring->buffer_memory + (size_t)id * ring->buffer_bytes;
}

void ring_buffer_return(struct ring *ring, uint32_t flags, size_t used)
{
    uint32_t id = flags >> IORING_CQE_BUFFER_SHIFT;

    mem_wipe(ring_buffer(ring, flags), used);
    io_uring_buf_ring_add(ring->buffers, ring_buffer(ring, flags), ring->buffer_bytes,
                          (unsigned short)id, io_uring_buf_ring_mask(ring->buffers_count), 0);
    io_uring_buf_ring_advance(ring->buffers, 1);
}
