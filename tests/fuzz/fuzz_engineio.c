/* Engine.IO from arbitrary bytes: as a payload and as a single packet, put into a payload again and
 * read back; as a request's query; as values that an answer names back. */
#include "ringroom/base/check.h"
#include "ringroom/base/utf8.h"
#include "ringroom/proto/engineio.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 16 << 20 };

static void check_packet(const struct engineio_packet *packet)
{
    CHECK(packet->type >= ENGINEIO_OPEN && packet->type <= ENGINEIO_NOOP);
    CHECK(!packet->binary || packet->type == ENGINEIO_MESSAGE);
    CHECK(packet->binary || utf8_valid(packet->data));
}

static void put(struct buf *payload, const struct engineio_packet *packet)
{
    if (packet->binary) {
        CHECK(engineio_put_binary(payload, packet->data) == 0);
        return;
    }
    /* A text packet's type is the byte before its data. */
    CHECK(packet->data.data[-1] == (uint8_t)packet->type);
    CHECK(engineio_put(payload, slice_make(packet->data.data - 1, packet->data.len + 1)) == 0);
}

/* Reads a payload to its end, and puts each packet into `again`. Returns how many there are. */
static size_t read_all(struct slice payload, struct buf *again, enum engineio_result *ret_last)
{
    struct engineio_packet packet, alone;
    enum engineio_result result;
    struct buf decoded;
    size_t count = 0;

    buf_init(&decoded, payload.len);
    while ((result = engineio_next(&payload, &decoded, &packet)) == ENGINEIO_PACKET) {
        check_packet(&packet);
        put(again, &packet);
        if (!packet.binary) {
            struct slice whole = slice_make(packet.data.data - 1, packet.data.len + 1);
            CHECK(engineio_parse(whole, &alone) && alone.type == packet.type);
            CHECK(slice_equal(alone.data, packet.data));
        }
        count++;
    }
    CHECK(result != ENGINEIO_NOMEM);
    buf_deinit(&decoded);
    *ret_last = result;
    return count;
}

static size_t separators(struct slice payload)
{
    size_t count = 0;

    for (size_t i = 0; i < payload.len; i++)
        count += payload.data[i] == ENGINEIO_SEPARATOR;
    return count;
}

/* What is written for the packets read reads as the same, and is written the same again. */
static void fuzz_payload(struct slice payload)
{
    enum engineio_result last;
    struct buf once, twice;

    buf_init(&once, ROOM);
    buf_init(&twice, ROOM);
    size_t count = read_all(payload, &once, &last);
    CHECK(last == ENGINEIO_BAD ? count <= separators(payload) : count == separators(payload) + 1);
    if (count > 0) {
        CHECK(read_all(buf_slice(&once), &twice, &last) == count && last == ENGINEIO_END);
        CHECK(slice_equal(buf_slice(&once), buf_slice(&twice)));
    }
    buf_deinit(&once);
    buf_deinit(&twice);
}

static void fuzz_bytes(struct slice bytes)
{
    struct engineio_packet packet;
    struct buf payload, decoded;

    buf_init(&payload, ROOM);
    buf_init(&decoded, ROOM);
    CHECK(engineio_put_binary(&payload, bytes) == 0);
    struct slice rest = buf_slice(&payload);
    CHECK(engineio_next(&rest, &decoded, &packet) == ENGINEIO_PACKET && packet.binary);
    CHECK(slice_equal(packet.data, bytes));
    CHECK(engineio_next(&rest, &decoded, &packet) == ENGINEIO_END);
    buf_deinit(&payload);
    buf_deinit(&decoded);
}

static void fuzz_query(struct slice query)
{
    struct http_request request = {.query = query};
    struct engineio_request asked;

    for (request.method = HTTP_M_GET; request.method <= HTTP_M_OTHER; request.method++) {
        for (int upgrade = 0; upgrade < 2; upgrade++) {
            request.upgrade = upgrade;
            enum engineio_fault fault = engineio_check(&request, &asked);
            CHECK(asked.sid_len <= ENGINEIO_SID_MAX && (asked.has_sid || asked.sid_len == 0));
            CHECK(fault != ENGINEIO_FORBIDDEN);
            if (fault == ENGINEIO_FINE) {
                CHECK(!asked.websocket || (upgrade && request.method == HTTP_M_GET));
                CHECK(!asked.has_sid || asked.sid_len > 0);
            }
            CHECK(fault != ENGINEIO_BAD_METHOD || request.method != HTTP_M_GET);
        }
    }
}

/* How many lines an answer's head has; the blank one ends it. */
static size_t head_lines(const struct buf *out)
{
    struct slice rest = buf_slice(out);

    for (size_t lines = 0;; lines++) {
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        CHECK(end && end > rest.data && end[-1] == '\r');
        size_t bytes = (size_t)(end - rest.data) + 1;
        CHECK(!memchr(rest.data, '\r', bytes - 2) && !memchr(rest.data, '\0', bytes));
        rest = slice_from(rest, bytes);
        if (bytes == 2) {
            CHECK(rest.len == 0 || slice_is(rest, "ok"));
            return lines;
        }
    }
}

static void fuzz_values(struct slice value)
{
    struct http_request request = {.headers_count = 1};
    struct buf out;
    struct engineio_answer answer = {.out = &out, .origin = value};

    request.headers[0].name = slice_of("access-control-request-headers");
    request.headers[0].value = value;
    buf_init(&out, ROOM);
    CHECK(engineio_answer_ok(&answer) == 0);
    size_t lines = head_lines(&out);
    CHECK(lines == 7 || lines == 10);
    out.len = 0;
    CHECK(engineio_answer_preflight(&answer, &request) == 0);
    lines = head_lines(&out);
    CHECK(lines == 4 || lines == 9 || lines == 10);
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of its own, so that a sanitizer sees a read beyond it. */
    uint8_t *copy = malloc(size ? size : 1);
    struct slice bytes = slice_make(copy, size);

    if (size)
        memcpy(copy, data, size);
    fuzz_payload(bytes);
    fuzz_bytes(bytes);
    fuzz_query(bytes);
    fuzz_values(bytes);
    free(copy);
    return 0;
}
