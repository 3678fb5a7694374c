/* nearest.h - what someone probably meant: the known name that is nearest to a wrong one.
 *
 *     struct nearest nearest = nearest_to("lisen");
 *     nearest_offer(&nearest, "listen");
 *     nearest_offer(&nearest, "drain");
 *     nearest.best is "listen"; of distant words alone it would be NULL
 *
 * Threads   any.
 * Ownership the names are borrowed.
 * Bound     of a name longer than NEAREST_NAME_MAX only the front is looked at. */
#pragma once

#include <stddef.h>

enum { NEAREST_NAME_MAX = 64 }; /* bytes */

struct nearest {
    const char *wanted;
    const char *best; /* NULL: nothing near was offered. Of equals the one offered first */
    size_t distance;  /* of best */
};

static inline struct nearest nearest_to(const char *wanted)
{
    return (struct nearest){.wanted = wanted};
}

/* Near is what differs in at most a third of the longer one's bytes, rounded, or has the shorter
 * one as its beginning: a distant word would only puzzle. */
void nearest_offer(struct nearest *nearest, const char *candidate);
/* The same for `candidate` as it is known by one of its parts. */
void nearest_offer_part(struct nearest *nearest, const char *part, const char *candidate);
/* How many bytes to insert, remove or replace, or neighbours to swap, to turn one into the other.
 */
size_t nearest_distance(const char *a, const char *b);
