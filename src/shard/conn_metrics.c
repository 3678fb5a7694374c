/* conn_metrics.c - GET /metrics: who may have it, and the answer; and HTTP's answers counted. */
#include "ringroom/proto/exposition.h"
#include "ringroom/shard/conn.h"
#include "ringroom/shard/metrics_answer.h"
#include "shard_core.h"

/* The whole answer. Leaves `out` as it was where it fails. */
static int write_answer(struct conn *conn, const struct http_request *request, struct slice text,
                        bool keep_alive)
{
    struct buf *out = &conn->out;
    size_t before = out->len;
    int error = http_answer_begin(out, 200, conn->shard->wall_ms);

    if (!error)
        error = http_answer_header(out, "Content-Type", EXPOSITION_CONTENT_TYPE);
    if (!error)
        error = http_answer_header(out, "Cache-Control", "no-store");
    if (!error)
        error = http_answer_end(out, text, keep_alive, request->method == HTTP_M_HEAD);
    if (error)
        out->len = before;
    return error;
}

static void answered(struct conn *conn, int error, bool keep_alive)
{
    if (error)
        conn_abort(conn);
    else
        conn_http_answered(conn, keep_alive);
}

static void answer_metrics(struct conn *conn, const struct http_request *request)
{
    struct shard *shard = conn->shard;
    bool keep_alive = request->keep_alive && !shard->stopping;
    size_t most = metrics_answer_max(shard->mesh, shard->settings);
    struct buf text;

    buf_init(&text, most);
    int error = metrics_answer(&text, shard->mesh, shard->settings);
    if (conn->out.max < conn->out.len + most + CONN_OUT_HIGH)
        conn->out.max = conn->out.len + most + CONN_OUT_HIGH;
    if (!error)
        error = write_answer(conn, request, buf_slice(&text), keep_alive);
    buf_deinit(&text);
    answered(conn, error, keep_alive);
}

static void refuse(struct conn *conn, const struct http_request *request, unsigned status,
                   const char *code, const char *message, const char *extra)
{
    bool keep_alive = request->keep_alive && !conn->shard->stopping;

    answered(conn,
             http_answer_error(&conn->out, status, code, message, extra, keep_alive,
                               request->method == HTTP_M_HEAD, conn->shard->wall_ms),
             keep_alive);
}

bool conn_is_scraper(const struct conn *conn, const struct ip *ip)
{
    const struct settings_networks *scrapers = &conn->shard->settings->scrapers;

    return ip_networks_have(scrapers->list, scrapers->count, ip);
}

bool conn_metrics_request(struct conn *conn, const struct http_request *request)
{
    bool here = conn->listener == LISTENER_METRICS;

    if (!slice_is(request->path, "/metrics")) {
        if (!here || slice_is(request->path, "/healthz") || slice_is(request->path, "/readyz"))
            return false;
        refuse(conn, request, 404, "not_found", "there is nothing at this path", NULL);
        return true;
    }
    if (!here && !conn->scraper)
        return false;
    if (request->method == HTTP_M_GET || request->method == HTTP_M_HEAD)
        answer_metrics(conn, request);
    else
        refuse(conn, request, 405, "method_not_allowed", "only GET and HEAD are answered here",
               "Allow: GET, HEAD\r\n");
    return true;
}

/* Counting */

void conn_answer_begins(struct conn *conn)
{
    conn->answer_at = conn->out.len;
}

void conn_answer_ends(struct conn *conn)
{
    static const char version[] = "HTTP/1.1 ";
    char status[] = "000";
    struct slice out = buf_slice(&conn->out);

    if (out.len < conn->answer_at + sizeof(version) - 1 + sizeof(status) - 1)
        return;
    memcpy(status, out.data + conn->answer_at + sizeof(version) - 1, sizeof(status) - 1);
    metrics_count_by(conn->shard->metrics, METRIC_HTTP_200, status);
    conn->answer_at = conn->out.len; /* once */
}
