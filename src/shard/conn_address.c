/* conn_address.c - what one address may have at a time and by the second.
 *
 * An address's account is its entry in the meter of the process; who holds a /64 of IPv6 has one. A
 * connection has it from the moment its address is known until it is closed. What an address has
 * done wrong makes the server refuse its new connections and its next bad request, never one that
 * is in order. */
#include "ringroom/shard/conn.h"
#include "shard_core.h"
#include "ringroom/base/hash.h"

#include <errno.h>
#include <stdio.h>

enum {
    BURST_S = 60,             /* how many seconds' worth an address may take at once */
    FULL_RETRY_US = 10000000, /* nobody knows when a connection ends */
    RETRY_LINE_MAX = 40,
};

static const struct {
    const char *reason;
    enum metric metric;
} limits[] = {
    [CONN_LIMIT_CONNECTIONS] = {"this address has too many connections",
                                METRIC_LIMITED_CONNECTIONS_PER_IP},
    [CONN_LIMIT_HANDSHAKES] = {"this address opens connections too fast; slow down",
                               METRIC_LIMITED_HANDSHAKES_PER_IP},
    [CONN_LIMIT_BAD_REQUESTS] = {"too many bad requests come from this address; slow down",
                                 METRIC_LIMITED_BAD_REQUESTS_PER_IP},
};

static struct meter_rate rate_of(uint32_t per_second)
{
    return (struct meter_rate){.per_second = per_second, .burst = per_second * BURST_S};
}

static struct conn_refusal refusal_by(struct shard *shard, enum conn_limit limit, uint64_t retry_us)
{
    metrics_count(shard->metrics, limits[limit].metric);
    return (struct conn_refusal){limit, retry_us};
}

/* One more connection of that address, a new one where it `opens`. False: there is no room for it.
 */
static bool admit(struct shard *shard, uint64_t hash, bool opens, struct meter_entry **ret_account,
                  struct conn_refusal *ret_refusal)
{
    const struct settings *settings = shard->settings;
    struct meter_rate connects = rate_of(settings->handshakes_per_ip);
    struct meter_rate faults = rate_of(settings->bad_requests_per_ip);
    struct meter_entry *account;
    uint64_t retry_us;
    int error = meter_hold(shard->mesh->meter, hash, settings->connections_per_ip, &account);

    if (error == -EUSERS) {
        *ret_refusal = refusal_by(shard, CONN_LIMIT_CONNECTIONS, FULL_RETRY_US);
        return false;
    }
    if (error) { /* the meter is full: bad luck, and not the client's fault */
        metrics_count(shard->metrics, METRIC_UNMETERED);
        *ret_account = NULL;
        return true;
    }
    if (opens && !meter_has(account, METER_FAULTS, &faults, shard->now_us, &retry_us)) {
        *ret_refusal = refusal_by(shard, CONN_LIMIT_BAD_REQUESTS, retry_us);
    } else if (opens && !meter_take(account, METER_CONNECTS, &connects, shard->now_us, &retry_us)) {
        *ret_refusal = refusal_by(shard, CONN_LIMIT_HANDSHAKES, retry_us);
    } else {
        *ret_account = account;
        return true;
    }
    meter_release(account);
    return false;
}

bool conn_set_address(struct conn *conn, const struct ip *ip, bool opens,
                      struct conn_refusal *ret_refusal)
{
    struct ip holder = ip_holder(ip);
    uint64_t hash = hash_bytes(slice_make(holder.bytes, sizeof(holder.bytes)));
    struct meter_entry *account;

    if (!conn->account || !meter_is(conn->account, hash)) {
        if (!admit(conn->shard, hash, opens, &account, ret_refusal))
            return false;
        conn_leave_address(conn);
        conn->account = account;
    }
    conn->scraper = conn_is_scraper(conn, ip);
    return true;
}

void conn_leave_address(struct conn *conn)
{
    meter_release(conn->account);
    conn->account = NULL;
}

bool conn_bad_request(struct conn *conn, struct conn_refusal *ret_refusal)
{
    struct meter_rate faults = rate_of(conn->shard->settings->bad_requests_per_ip);
    uint64_t retry_us;

    metrics_count(conn->shard->metrics, METRIC_BAD_REQUESTS);
    if (!conn->account ||
        meter_take(conn->account, METER_FAULTS, &faults, conn->shard->now_us, &retry_us))
        return true;
    if (ret_refusal)
        *ret_refusal = refusal_by(conn->shard, CONN_LIMIT_BAD_REQUESTS, retry_us);
    return false;
}

/* What is refused for its form or for want of rights; not what the server cannot do just now. */
bool conn_status_is_bad(unsigned status)
{
    return (status >= 400 && status < 500) || status == 501 || status == 505;
}

bool conn_code_is_bad(uint16_t code)
{
    return code == WS_CODE_PROTOCOL || code == WS_CODE_UNSUPPORTED || code == WS_CODE_BAD_DATA ||
           code == WS_CODE_TOO_BIG || code == WS_CODE_RATE;
}

bool conn_may_answer(struct conn *conn, unsigned status)
{
    struct conn_refusal refusal;

    if (!conn_status_is_bad(status) || conn_bad_request(conn, &refusal))
        return true;
    conn_answer_refused(conn, &refusal);
    return false;
}

void conn_answer_refused(struct conn *conn, const struct conn_refusal *refusal)
{
    char retry[RETRY_LINE_MAX];
    uint64_t seconds = (refusal->retry_us + 999999) / 1000000; /* never 0: nor is retry_us */

    snprintf(retry, sizeof(retry), "Retry-After: %llu\r\n", (unsigned long long)seconds);
    if (http_answer_error(&conn->out, 429, "rate_limited", limits[refusal->limit].reason, retry,
                          false, false, conn->shard->wall_ms) != 0)
        conn_abort(conn);
    else
        conn_finish(conn);
}
