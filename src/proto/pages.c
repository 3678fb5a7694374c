/* pages.c - plain HTTP answers: embedded files with ETag, health, and what is not there. */
#include "ringroom/proto/pages.h"
#include "ringroom/base/mem.h"
#include "ringroom/proto/assets.h"

#include <stdio.h>

/* The page loads nothing from elsewhere, runs nothing inline, and can't be framed. */
static const char *const security_headers[][2] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
     "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
};

/* One answer being made. */
struct answer {
    struct buf *out;
    bool keep_alive, head_only;
    uint64_t wall_ms;
};

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".json", "application/json"},
        {".png", "image/png"},
        {".webmanifest", "application/manifest+json"},
        {".ico", "image/x-icon"},
    };
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < array_len(types); i++)
        if (strcmp(dot, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

static const struct asset *find_asset(struct slice path)
{
    if (slice_is(path, "/"))
        path = slice_of("/index.html");
    for (size_t i = 0; i < assets_count; i++)
        if (slice_is(path, assets[i].path))
            return &assets[i];
    return NULL;
}

/* RFC 9110 section 13.1.2: "*", or a list that holds our tag, perhaps marked weak. */
static bool has_it_already(const struct http_request *request, const struct asset *asset)
{
    struct slice tags = http_header(request, "If-None-Match");

    return slice_is(tags, "*") ||
           (tags.len && memmem(tags.data, tags.len, asset->etag, strlen(asset->etag)));
}

static int answer_asset(const struct answer *a, const struct http_request *request,
                        const struct asset *asset)
{
    bool unchanged = has_it_already(request, asset);
    int error = http_answer_begin(a->out, unchanged ? 304 : 200, a->wall_ms);

    if (!error)
        error = http_answer_header(a->out, "ETag", asset->etag);
    if (!error)
        error = http_answer_header(a->out, "Cache-Control", "no-cache");
    if (!error && !unchanged)
        error = http_answer_header(a->out, "Content-Type", type_of(asset->path));
    for (size_t i = 0; i < array_len(security_headers) && !error; i++)
        error = http_answer_header(a->out, security_headers[i][0], security_headers[i][1]);
    if (!error)
        error = http_answer_end(a->out, slice_make(asset->data, asset->len), a->keep_alive,
                                a->head_only);
    return error ? error : unchanged ? 304 : 200;
}

static int answer_status(const struct answer *a, unsigned status, const char *json)
{
    int error = http_answer_begin(a->out, status, a->wall_ms);

    if (!error)
        error = http_answer_header(a->out, "Content-Type", "application/json");
    if (!error)
        error = http_answer_header(a->out, "Cache-Control", "no-store");
    if (!error)
        error = http_answer_end(a->out, slice_of(json), a->keep_alive, a->head_only);
    return error ? error : (int)status;
}

static int refuse(const struct answer *a, unsigned status, const char *code, const char *message,
                  const char *extra)
{
    int error = http_answer_error(a->out, status, code, message, extra, a->keep_alive, a->head_only,
                                  a->wall_ms);

    return error ? error : (int)status;
}

int pages_answer(struct buf *out, const struct http_request *request, bool keep_alive, bool ready,
                 uint64_t wall_ms)
{
    struct answer a = {.out = out,
                       .keep_alive = keep_alive,
                       .head_only = request->method == HTTP_M_HEAD,
                       .wall_ms = wall_ms};
    const struct asset *asset = find_asset(request->path);
    bool healthz = slice_is(request->path, "/healthz");
    bool readyz = slice_is(request->path, "/readyz");

    if (!asset && !healthz && !readyz)
        return refuse(&a, 404, "not_found", "there is nothing at this path", NULL);
    if (request->method != HTTP_M_GET && request->method != HTTP_M_HEAD)
        return refuse(&a, 405, "method_not_allowed", "only GET and HEAD are answered here",
                      "Allow: GET, HEAD\r\n");
    if (asset)
        return answer_asset(&a, request, asset);
    if (readyz && !ready)
        return answer_status(&a, 503, "{\"status\":\"stopping\"}");
    return answer_status(&a, 200, readyz ? "{\"status\":\"ready\"}" : "{\"status\":\"ok\"}");
}
