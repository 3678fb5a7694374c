/* What proxies tell, from arbitrary bytes. The first byte chooses: a PROXY header, cut into pieces
 * of so many bytes, which must read as in one piece and as a plain look at the bytes tells; or
 * lines of X-Forwarded-For, whose answer must be the one that a walk from the left comes to. */
#include "ringroom/base/check.h"
#include "ringroom/wire/forwarded.h"
#include "ringroom/wire/proxy_header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum proxy_result result;
    struct proxy_header header;
    size_t used; /* bytes; where it has failed, of no meaning */
};

/* Lends pieces of their own allocation, so that a sanitizer sees a read beyond them. */
static struct outcome read_in_steps(const uint8_t *data, size_t size, size_t step)
{
    struct outcome outcome = {.result = PROXY_MORE};
    struct proxy_reader reader = {0};
    const char *why = NULL;

    while (outcome.used < size && outcome.result == PROXY_MORE) {
        size_t n = step < size - outcome.used ? step : size - outcome.used;
        uint8_t *copy = malloc(n);

        memcpy(copy, data + outcome.used, n);
        struct slice in = slice_make(copy, n);
        outcome.result = proxy_read(&reader, &in, &outcome.header, &why);
        CHECK(in.len <= n && (outcome.result != PROXY_MORE || in.len == 0));
        CHECK((outcome.result == PROXY_FAILED) == (why != NULL));
        outcome.used += n - in.len;
        free(copy);
    }
    return outcome;
}

static void check_against_bytes(const struct outcome *outcome, const uint8_t *data, size_t size)
{
    CHECK(outcome->used >= PROXY_FIXED_BYTES && outcome->used <= PROXY_HEADER_MAX);
    CHECK(memcmp(data, "\r\n\r\n\0\r\nQUIT\n", 12) == 0 && (data[12] == 0x20 || data[12] == 0x21));
    CHECK(outcome->used == 16u + 256u * data[14] + data[15]);
    CHECK(outcome->header.local == (data[12] == 0x20 || data[13] == 0));
    if (outcome->header.local)
        return;
    struct ip v4 = ip_of_v4(data + 16);
    CHECK(data[13] == 0x11 || data[13] == 0x21);
    CHECK(memcmp(&outcome->header.source, data[13] == 0x11 ? v4.bytes : data + 16, 16) == 0);
}

static void fuzz_header(const uint8_t *data, size_t size, size_t step)
{
    struct outcome whole = read_in_steps(data, size, size);
    struct outcome cut = read_in_steps(data, size, step);

    CHECK(whole.result == cut.result);
    if (whole.result != PROXY_HEADER)
        return;
    CHECK(whole.used == cut.used && whole.header.local == cut.header.local);
    CHECK(whole.header.local || ip_equal(&whole.header.source, &cut.header.source));
    check_against_bytes(&whole, data, size);
}

/* An element alone, where there are no proxies: its address, or false. */
static bool alone(struct slice element, struct ip *ret_ip)
{
    struct http_request request = {.headers_count = 1};
    struct ip peer = {{0}};

    request.headers[0] = (struct http_header){slice_of("x-forwarded-for"), element};
    return forwarded_for(&request, NULL, 0, &peer, ret_ip);
}

static bool is_empty(struct slice element)
{
    while (element.len && (element.data[0] == ' ' || element.data[0] == '\t'))
        element = slice_from(element, 1);
    return element.len == 0;
}

/* From the left: whoever is no proxy is the client, until one further right is; so is an element
 * that is no address, which is a fault then. */
static bool walk(struct slice list, const struct ip_network *proxies, size_t count,
                 const struct ip *peer, struct ip *ret_client)
{
    bool good = true, met = false, first = true;

    *ret_client = *peer;
    for (size_t start = 0, i = 0; i <= list.len; i++) {
        if (i < list.len && list.data[i] != ',' && list.data[i] != '\n')
            continue;
        struct slice element = slice_make(list.data + start, i - start);
        struct ip ip;
        start = i + 1;
        if (is_empty(element))
            continue;
        bool address = alone(element, &ip);
        bool stranger = !address || !ip_networks_have(proxies, count, &ip);
        if (stranger || (first && !met)) {
            good = address;
            if (address)
                *ret_client = ip;
        }
        met = met || stranger;
        first = false;
    }
    return good;
}

static void fuzz_forwarded(const uint8_t *data, size_t size)
{
    struct http_request request = {.headers_count = 0};
    uint8_t *copy = malloc(size);
    struct ip_network proxies[2];
    struct ip peer = {{1}}, client = peer, walked;
    size_t start = 0;

    CHECK(ip_network_parse(slice_of("10.0.0.0/8"), &proxies[0]));
    CHECK(ip_network_parse(slice_of("2001:db8::/32"), &proxies[1]));
    memcpy(copy, data, size);
    for (size_t i = 0; i <= size && request.headers_count < HTTP_HEADERS_MAX; i++) {
        if (i < size && copy[i] != '\n')
            continue;
        request.headers[request.headers_count++] =
            (struct http_header){slice_of("X-Forwarded-For"), slice_make(copy + start, i - start)};
        start = i + 1;
    }
    size_t taken = start ? start - 1 : 0;
    bool good = forwarded_for(&request, proxies, 2, &peer, &client);
    CHECK(good == walk(slice_make(copy, taken), proxies, 2, &peer, &walked));
    CHECK(good ? ip_equal(&client, &walked) : ip_equal(&client, &peer));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (data[0] & 0x80)
        fuzz_forwarded(data + 1, size - 1);
    else
        fuzz_header(data + 1, size - 1, 1 + data[0]);
    return 0;
}
