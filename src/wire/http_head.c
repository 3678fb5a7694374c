#include "http_head.h"

#include <strings.h>

#define FAULT(status, text) ((struct http_fault){status, text})
#define NO_FAULT            FAULT(0, NULL)

enum { CONTENT_LENGTH_DIGITS_MAX = 18 }; /* so that the number fits 63 bits */

static bool is_token(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c));
}

static bool line_is_text(struct slice line)
{
    for (size_t i = 0; i < line.len; i++)
        if ((line.data[i] < ' ' && line.data[i] != '\t') || line.data[i] == 0x7f)
            return false;
    return true;
}

/* A token, then at once a colon. */
static bool line_has_name(struct slice line)
{
    size_t i = 0;

    while (i < line.len && is_token(line.data[i]))
        i++;
    return i > 0 && i < line.len && line.data[i] == ':';
}

/* "METHOD target HTTP/1.1" with one blank each; http_parser has seen to the words. */
static bool request_line_is_strict(struct slice line)
{
    size_t blanks = 0;

    for (size_t i = 0; i < line.len; i++)
        blanks += line.data[i] == ' ' || line.data[i] == '\t';
    return blanks == 2 && line.len > 9 && memcmp(line.data + line.len - 9, " HTTP/1.", 8) == 0;
}

/* Every line ends in CRLF, or every line in LF; holds text only; is a header of its own. */
static struct http_fault check_lines(struct slice head, size_t headers_count)
{
    size_t lines = 0;
    bool crlf = false;

    for (;; lines++) {
        const uint8_t *end = memchr(head.data, '\n', head.len);

        if (!end)
            return FAULT(400, "the head has no end");
        struct slice line = slice_make(head.data, (size_t)(end - head.data));
        bool cr = line.len > 0 && line.data[line.len - 1] == '\r';
        if (lines == 0)
            crlf = cr;
        if (cr != crlf)
            return FAULT(400, "lines end in different ways");
        line.len -= cr;
        head = slice_from(head, (size_t)(end - head.data) + 1);
        if (line.len == 0)
            break;
        if (!line_is_text(line))
            return FAULT(400, "a control byte in the head");
        if (lines == 0 && !request_line_is_strict(line))
            return FAULT(400, "a malformed request line");
        if (lines > 0 && !line_has_name(line))
            return FAULT(400, "a malformed header line");
    }
    if (head.len > 0 || lines != headers_count + 1)
        return FAULT(400, "a malformed head");
    return NO_FAULT;
}

/* Of an absolute-form target: what follows scheme and authority. */
static bool strip_authority(struct slice *target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]);

        if (target->len <= n || strncasecmp((const char *)target->data, schemes[i], n) != 0)
            continue;
        struct slice rest = slice_from(*target, n);
        size_t authority = 0;
        while (authority < rest.len && rest.data[authority] != '/' && rest.data[authority] != '?')
            authority++;
        *target = slice_from(rest, authority);
        return authority > 0;
    }
    return false;
}

static struct http_fault check_target(struct http_request *request)
{
    struct slice target = request->target;
    bool asterisk = request->method == HTTP_M_OPTIONS && slice_is(target, "*");

    for (size_t i = 0; i < target.len; i++)
        if (target.data[i] <= ' ' || target.data[i] >= 0x7f || target.data[i] == '#')
            return FAULT(400, "a bad byte in the request target");
    if (!asterisk && (target.len == 0 || target.data[0] != '/') && !strip_authority(&target))
        return FAULT(400, "a bad request target");

    const uint8_t *mark = target.len > 0 ? memchr(target.data, '?', target.len) : NULL;
    size_t path_bytes = mark ? (size_t)(mark - target.data) : target.len;
    request->path = path_bytes > 0 ? slice_make(target.data, path_bytes) : slice_of("/");
    request->query = mark ? slice_from(target, path_bytes + 1) : slice_make(NULL, 0);
    return NO_FAULT;
}

/* The first header of that name, and how many there are. */
static struct slice count_header(const struct http_request *request, const char *name,
                                 size_t *ret_count)
{
    *ret_count = 0;
    for (size_t i = 0; i < request->headers_count; i++) {
        struct slice at = request->headers[i].name;

        if (at.len == strlen(name) && strncasecmp((const char *)at.data, name, at.len) == 0)
            ++*ret_count;
    }
    return http_header(request, name);
}

static struct http_fault check_host(const struct http_request *request)
{
    size_t count;
    struct slice host = count_header(request, "Host", &count);

    if (count > 1 || (count == 0 && request->version_minor > 0))
        return FAULT(400, count ? "more than one Host header" : "no Host header");
    for (size_t i = 0; i < host.len; i++)
        if (!is_token(host.data[i]) && !strchr("()[],;=:", host.data[i]))
            return FAULT(400, "a bad Host header");
    return NO_FAULT;
}

static bool parse_length(struct slice value, uint64_t *ret_bytes)
{
    uint64_t bytes = 0;

    if (value.len == 0 || value.len > CONTENT_LENGTH_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
        bytes = bytes * 10 + (value.data[i] - '0');
    }
    *ret_bytes = bytes;
    return true;
}

static struct http_fault check_framing(const struct http_request *request,
                                       struct http_framing *ret_framing)
{
    size_t lengths, codings;
    struct slice length = count_header(request, "Content-Length", &lengths);
    struct slice coding = count_header(request, "Transfer-Encoding", &codings);
    struct http_framing framing = {0};

    if (lengths + codings > 1)
        return FAULT(400, "the body's length is said more than once");
    if (codings > 0 && request->version_minor == 0)
        return FAULT(400, "HTTP/1.0 has no Transfer-Encoding");
    if (codings > 0 && !http_header_lists(request, "Transfer-Encoding", "chunked"))
        return FAULT(501, "unknown Transfer-Encoding");
    if (codings > 0 && coding.len != strlen("chunked"))
        return FAULT(501, "Transfer-Encoding other than chunked alone");
    if (lengths > 0 && !parse_length(length, &framing.content_bytes))
        return FAULT(400, "a bad Content-Length");
    framing.chunked = codings > 0;
    *ret_framing = framing;
    return NO_FAULT;
}

struct http_fault http_head_check(struct slice head, struct http_request *request,
                                  struct http_framing *ret_framing)
{
    struct http_fault fault = check_lines(head, request->headers_count);

    if (!fault.status)
        fault = check_target(request);
    if (!fault.status)
        fault = check_host(request);
    if (!fault.status)
        fault = check_framing(request, ret_framing);
    return fault;
}
