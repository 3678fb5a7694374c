/* Frames from arbitrary bytes. The first byte says how the rest is cut; the events must be those of
 * the same bytes in one piece. */
#include "ringroom/base/check.h"
#include "ringroom/wire/ws.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ws_limits limits = {70000, 8};

struct trace {
    uint64_t sum;
    unsigned events;
    enum ws_result last;
    uint16_t code;
};

static void note(struct trace *trace, const struct ws_event *event)
{
    CHECK(event->payload.len <=
          (event->opcode >= WS_CLOSE ? (size_t)WS_CONTROL_MAX : limits.message_bytes_max));
    CHECK(event->opcode != WS_TEXT || utf8_valid(event->payload));
    for (size_t i = 0; i < event->payload.len; i++)
        trace->sum = (trace->sum ^ event->payload.data[i]) * 1099511628211u;
    trace->sum = (trace->sum ^ event->payload.len ^ event->opcode ^ event->code) * 1099511628211u;
    trace->events++;
}

static void feed_piece(struct ws *ws, struct trace *trace, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    struct slice in = slice_make(copy, size);
    struct ws_event event;

    memcpy(copy, data, size);
    while ((trace->last = ws_next(ws, &in, &event)) == WS_EVENT)
        note(trace, &event);
    CHECK(trace->last != WS_MORE || in.len == 0);
    free(copy);
}

static struct trace run(struct ws_pool *pool, const uint8_t *data, size_t size, size_t step)
{
    struct trace trace = {0};
    struct ws ws;

    ws_init(&ws, pool, &limits);
    for (size_t at = 0; at < size && trace.last == WS_MORE; at += step)
        feed_piece(&ws, &trace, data + at, step < size - at ? step : size - at);
    trace.code = ws.code;
    CHECK((trace.code != 0) == (trace.last != WS_MORE));
    CHECK(ws_error(&ws));
    ws_deinit(&ws);
    return trace;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct ws_pool *pool = ws_pool_new();
    CHECK(pool);
    struct trace whole = run(pool, data + 1, size - 1, size - 1);
    struct trace cut = run(pool, data + 1, size - 1, 1 + data[0] % 64);

    CHECK(whole.events == cut.events && whole.sum == cut.sum);
    CHECK(whole.last == cut.last && whole.code == cut.code);
    ws_pool_free(pool); /* every reader has come home */
    return 0;
}
