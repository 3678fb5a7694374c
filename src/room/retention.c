#include "ringroom/room/retention.h"
#include "ringroom/base/check.h"

struct retention retention_for(const struct retention_rules *rules, struct slice room_name)
{
    for (size_t i = 0; i < rules->rules_count; i++) {
        if (pattern_match(slice_of(rules->rules[i].match), room_name))
            return rules->rules[i].retention;
    }
    return rules->defaults;
}

/* Only the latest '*' is ever stretched: what an earlier one could still take, the latest can take
 * too. So at most pattern.len * text.len steps, without recursion. */
bool pattern_match(struct slice pattern, struct slice text)
{
    size_t p = 0, t = 0;
    size_t after_star = 0,
           star_end = 0; /* in the pattern; in the text, where its run ends so far */
    bool starred = false;

    while (t < text.len) {
        if (p < pattern.len && pattern.data[p] == '*') {
            starred = true;
            after_star = ++p;
            star_end = t;
        } else if (p < pattern.len && pattern.data[p] == text.data[t]) {
            p++;
            t++;
        } else if (starred) {
            p = after_star;
            t = ++star_end;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*')
        p++;
    return p == pattern.len;
}

const char *ttl_from_name(enum ttl_from ttl_from)
{
    switch (ttl_from) {
    case TTL_FROM_LAST_MESSAGE:
        return "last_message";
    case TTL_FROM_MESSAGE:
        return "message";
    case TTL_FROM_FIRST_MESSAGE:
        return "first_message";
    }
    CHECK(!"a ttl_from that is none");
    return NULL;
}
