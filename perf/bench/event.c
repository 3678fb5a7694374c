#include "event.h"

#include <string.h>

static const char *find(const char *json, size_t count, const char *key, size_t *ret_left)
{
    size_t key_bytes = strlen(key);
    const char *at = memmem(json, count, key, key_bytes);
    if (!at)
        return NULL;
    at += key_bytes;
    *ret_left = count - (size_t)(at - json);
    return at;
}

enum event_kind event_kind(const char *json, size_t count)
{
    static const struct {
        const char *name; /* with its closing quote */
        enum event_kind kind;
    } kinds[] = {{"message\"", EVENT_MESSAGE}, {"joined\"", EVENT_JOINED}, {"left\"", EVENT_LEFT},
                 {"ack\"", EVENT_ACK},         {"gap\"", EVENT_GAP},       {"error\"", EVENT_ERROR},
                 {"closed\"", EVENT_CLOSED}};
    size_t left;
    const char *ev = find(json, count, "\"ev\":\"", &left);
    for (size_t i = 0; ev && i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t name_bytes = strlen(kinds[i].name);
        if (left >= name_bytes && memcmp(ev, kinds[i].name, name_bytes) == 0)
            return kinds[i].kind;
    }
    return EVENT_OTHER;
}

bool event_u64(const char *json, size_t count, const char *key, uint64_t *ret_value)
{
    size_t left;
    uint64_t value = 0;
    const char *at = find(json, count, key, &left);
    if (!at || !left || *at < '0' || *at > '9')
        return false;
    for (; left && *at >= '0' && *at <= '9'; at++, left--)
        value = value * 10 + (uint64_t)(*at - '0');
    *ret_value = value;
    return true;
}

static void hex_write(char *to, uint64_t value, unsigned digits)
{
    for (unsigned i = 0; i < digits; i++)
        to[i] = "0123456789abcdef"[value >> (4 * (digits - 1 - i)) & 15];
}

static uint64_t hex_read(const char *from, unsigned digits)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < digits; i++) {
        unsigned c = (unsigned char)from[i];
        value = value << 4 | ((c & 15) + 9 * (c >> 6)); /* '0'…'9' and 'a'…'f' only */
    }
    return value;
}

void stamp_write(char to[STAMP_CHARS], const struct stamp *stamp)
{
    hex_write(to, stamp->sender, 8);
    hex_write(to + 8, stamp->number, 8);
    hex_write(to + 16, stamp->intended_ns, 16);
}

bool event_stamp(const char *json, size_t count, const char *key, struct stamp *ret_stamp)
{
    size_t left;
    const char *text = find(json, count, key, &left);
    if (!text || left < STAMP_CHARS)
        return false;
    *ret_stamp = (struct stamp){.sender = (uint32_t)hex_read(text, 8),
                                .number = (uint32_t)hex_read(text + 8, 8),
                                .intended_ns = hex_read(text + 16, 16)};
    return true;
}
