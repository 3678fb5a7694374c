/* Looking things up in a request that has been read. */
#include "http_fields.h"
#include "ringroom/wire/http.h"

#include <errno.h>
#include <strings.h>

bool http_name_is(struct slice name, const char *text)
{
    return name.len == strlen(text) &&
           (name.len == 0 || strncasecmp((const char *)name.data, text, name.len) == 0);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

struct slice http_trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0]))
        s = slice_from(s, 1);
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

/* Cuts *rest after the next `separator` and returns what stood before it. */
static struct slice cut(struct slice *rest, uint8_t separator)
{
    const uint8_t *at = memchr(rest->data, separator, rest->len);
    size_t n = at ? (size_t)(at - rest->data) : rest->len;
    struct slice part = slice_make(rest->data, n);

    *rest = slice_from(*rest, at ? n + 1 : n);
    return part;
}

struct slice http_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->headers_count; i++)
        if (http_name_is(request->headers[i].name, name))
            return request->headers[i].value;
    return slice_make(NULL, 0);
}

bool http_header_lists(const struct http_request *request, const char *name, const char *token)
{
    for (size_t i = 0; i < request->headers_count; i++) {
        struct slice rest = request->headers[i].value;

        if (!http_name_is(request->headers[i].name, name))
            continue;
        while (rest.len > 0)
            if (http_name_is(http_trim(cut(&rest, ',')), token))
                return true;
    }
    return false;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int percent_decode(struct slice from, bool plus_is_blank, char *dst, size_t dst_bytes)
{
    size_t n = 0;

    for (size_t i = 0; i < from.len; i++) {
        uint8_t c = from.data[i];

        if (c == '%') {
            int high = i + 2 < from.len ? hex_digit(from.data[i + 1]) : -1;
            int low = i + 2 < from.len ? hex_digit(from.data[i + 2]) : -1;

            if (high < 0 || low < 0)
                return -EINVAL;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (n == dst_bytes)
            return -ENOBUFS;
        dst[n++] = (char)c;
    }
    return (int)n;
}

int http_decode(struct slice piece, char *dst, size_t dst_bytes)
{
    return percent_decode(piece, false, dst, dst_bytes);
}

int http_query(const struct http_request *request, const char *name, char *dst, size_t dst_bytes)
{
    struct slice rest = request->query;

    while (rest.len > 0) {
        struct slice value = cut(&rest, '&');

        if (slice_is(cut(&value, '='), name))
            return percent_decode(value, true, dst, dst_bytes);
    }
    return -ENOENT;
}
