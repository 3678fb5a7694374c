/* shard_metrics.c - what a turn leaves for /metrics: its time, its deliveries' times, and the
 * numbers that others keep.
 *
 * One look at the clock serves all of a turn: a delivery's time ends where the turn does, for then
 * its sends are prepared, and the next call of the loop hands them to the kernel. */
#include "shard_core.h"
#include "ringroom/base/clock.h"

void shard_note_news(struct shard *shard, uint64_t since_us)
{
    struct news *last = shard->news_count ? &shard->news[shard->news_count - 1] : NULL;

    if (last && last->since_us == since_us)
        last->views++;
    else if (shard->news_count < SHARD_NEWS_MAX)
        shard->news[shard->news_count++] = (struct news){.since_us = since_us, .views = 1};
}

/* Clocks of two CPUs may be a little apart. */
static uint64_t time_since(uint64_t since_us, uint64_t now_us)
{
    return now_us > since_us ? now_us - since_us : 0;
}

static void observe_turn(struct shard *shard)
{
    uint64_t now_us = clock_mono_ns() / 1000;

    metrics_observe(shard->metrics, HISTOGRAM_TURN, time_since(shard->now_us, now_us), 1);
    for (uint32_t i = 0; i < shard->news_count; i++)
        metrics_observe(shard->metrics, HISTOGRAM_DELIVERY,
                        time_since(shard->news[i].since_us, now_us), shard->news[i].views);
    shard->news_count = 0;
}

static void copy_rooms(struct metrics *metrics, const struct directory *directory)
{
    const struct log_counts *counts = &directory->env.counts;

    metrics_set(metrics, METRIC_ROOMS, directory->rooms.count);
    metrics_set(metrics, METRIC_MEMBERS, directory->members);
    metrics_set(metrics, METRIC_MEMBERSHIPS, directory->sessions);
    metrics_set(metrics, METRIC_MESSAGES, counts->appended);
    metrics_set(metrics, METRIC_MESSAGE_BYTES, counts->appended_bytes);
    metrics_set(metrics, METRIC_KEPT, counts->kept);
    metrics_set(metrics, METRIC_EXPIRED, counts->expired);
    metrics_set(metrics, METRIC_TRIMMED, counts->trimmed);
    metrics_set(metrics, METRIC_CLEARED, counts->cleared);
    metrics_set(metrics, METRIC_DELETED, directory->deleted);
    metrics_set(metrics, METRIC_WIPED_BYTES, counts->wiped_bytes);
}

static void copy_ring(struct metrics *metrics, const struct ring_stats *stats)
{
    metrics_set(metrics, METRIC_TURNS, stats->turns);
    metrics_set(metrics, METRIC_IO_SUBMITTED, stats->submitted);
    metrics_set(metrics, METRIC_IO_COMPLETED, stats->completed);
    metrics_set(metrics, METRIC_IO_OVERFLOWS, stats->overflows);
    metrics_set(metrics, METRIC_NO_BUFFERS, stats->no_buffers);
    metrics_set(metrics, METRIC_LATE_SENDS, stats->late_sends);
    metrics_set(metrics, METRIC_RECEIVED_BYTES, stats->received_bytes);
    metrics_set(metrics, METRIC_SENT_BYTES, stats->sent_bytes);
}

void shard_publish_metrics(struct shard *shard)
{
    observe_turn(shard);
    copy_rooms(shard->metrics, &shard->directory);
    copy_ring(shard->metrics, ring_stats(shard->ring));
    metrics_set(shard->metrics, METRIC_DETACHED, shard->detached_count);
}
