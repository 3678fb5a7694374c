#include "ringroom/server/nearest.h"
#include <stdbool.h>
#include <string.h>

enum { PREFIX_MIN = 3 }; /* bytes: fewer begin too many names */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t nearest_distance(const char *a, const char *b)
{
    size_t a_len = strnlen(a, NEAREST_NAME_MAX);
    size_t b_len = strnlen(b, NEAREST_NAME_MAX);
    /* rows[i % 3][j]: from the first i bytes of a to the first j of b. */
    size_t rows[3][NEAREST_NAME_MAX + 1];

    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *two_above = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

static bool is_near(const char *a, const char *b, size_t distance)
{
    size_t a_len = strnlen(a, NEAREST_NAME_MAX);
    size_t b_len = strnlen(b, NEAREST_NAME_MAX);
    size_t shorter = least(a_len, b_len);

    return 3 * distance <= a_len + b_len - shorter + 1 ||
           (shorter >= PREFIX_MIN && memcmp(a, b, shorter) == 0);
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
    nearest_offer_part(nearest, candidate, candidate);
}

void nearest_offer_part(struct nearest *nearest, const char *part, const char *candidate)
{
    size_t distance = nearest_distance(nearest->wanted, part);

    if (is_near(nearest->wanted, part, distance) &&
        (!nearest->best || distance < nearest->distance)) {
        nearest->best = candidate;
        nearest->distance = distance;
    }
}
