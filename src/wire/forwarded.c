/* forwarded.c - X-Forwarded-For, read from its right end. */
#include "ringroom/wire/forwarded.h"
#include "http_fields.h"

/* ":4711", or nothing. */
static bool is_port(struct slice text)
{
    unsigned port = 0;

    if (text.len == 0)
        return true;
    if (text.data[0] != ':' || text.len < 2 || text.len > 6)
        return false;
    for (size_t i = 1; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        port = port * 10 + (unsigned)(text.data[i] - '0');
    }
    return port <= UINT16_MAX;
}

/* An address, and a port that is passed over. */
static bool parse_element(struct slice element, struct ip *ret_ip)
{
    const uint8_t *colon = memchr(element.data, ':', element.len);

    if (element.data[0] == '[') {
        const uint8_t *end = memchr(element.data, ']', element.len);
        if (!colon || !end)
            return false;
        size_t bytes = (size_t)(end - element.data);
        struct slice inside = slice_make(element.data + 1, bytes - 1);
        return memchr(inside.data, ':', inside.len) && ip_parse(inside, ret_ip) &&
               is_port(slice_from(element, bytes + 1));
    }
    if (!colon)
        return ip_parse(element, ret_ip);
    size_t bytes = (size_t)(colon - element.data);
    if (memchr(colon + 1, ':', element.len - bytes - 1)) /* IPv6 */
        return ip_parse(element, ret_ip);
    return ip_parse(slice_make(element.data, bytes), ret_ip) && is_port(slice_from(element, bytes));
}

/* Takes the last element off; empty where there is none, or nothing in it. */
static struct slice take_last(struct slice *list)
{
    const uint8_t *comma = list->len ? memrchr(list->data, ',', list->len) : NULL;
    size_t start = comma ? (size_t)(comma - list->data) + 1 : 0;
    struct slice element = slice_from(*list, start);

    list->len = comma ? start - 1 : 0;
    return http_trim(element);
}

enum walk { WALK_ON, WALK_FOUND, WALK_FAILED };

/* One line, from its right end on. *client is the last address that was looked at. */
static enum walk walk_line(struct slice line, const struct ip_network *proxies,
                           size_t proxies_count, struct ip *client)
{
    while (line.len > 0) {
        struct slice element = take_last(&line);

        if (element.len == 0)
            continue;
        if (!parse_element(element, client))
            return WALK_FAILED;
        if (!ip_networks_have(proxies, proxies_count, client))
            return WALK_FOUND;
    }
    return WALK_ON;
}

bool forwarded_for(const struct http_request *request, const struct ip_network *proxies,
                   size_t proxies_count, const struct ip *peer, struct ip *ret_client)
{
    struct ip client = *peer;
    enum walk walk = WALK_ON;

    for (size_t i = request->headers_count; i > 0 && walk == WALK_ON; i--) {
        const struct http_header *header = &request->headers[i - 1];

        if (http_name_is(header->name, "X-Forwarded-For"))
            walk = walk_line(header->value, proxies, proxies_count, &client);
    }
    if (walk == WALK_FAILED)
        return false;
    *ret_client = client;
    return true;
}
