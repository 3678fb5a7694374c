/* client_auth.c - tokens on a live client: taken, looked at, running out. */
#include "ringroom/shard/session.h"
#include "shard_core.h"

#include <errno.h>

enum {
    TELL_MS = 60000, /* how long before its end a client is told to bring a fresh token */
};

static bool tokens_are_asked(const struct client *client)
{
    return client->shard->settings->auth_mode == AUTH_TOKEN;
}

bool client_may(const struct client *client, struct slice room, unsigned right)
{
    if (!tokens_are_asked(client))
        return right != TOKEN_MODERATE;
    return client->who.token && (token_rights(client->who.token, room) & right);
}

static struct member *first_forbidden(const struct client *client)
{
    list_each(link, &client->members)
    {
        struct member *member = container_of(link, struct member, in_client);
        if (member->state == MEMBER_JOINED &&
            !client_may(client, view_name(member->view), TOKEN_READ))
            return member;
    }
    return NULL;
}

/* Rooms that a fresh token does not open any more. */
static void leave_forbidden(struct client *client)
{
    /* From the front each time: leaving may end the client, which then has left all rooms. */
    for (struct member *member; (member = first_forbidden(client));)
        client_expel(member, "kicked");
}

bool client_take_token(struct client *client, struct slice text, struct native_fault *ret_fault)
{
    const struct settings *settings = client->shard->settings;
    struct token *token;

    if (!tokens_are_asked(client) || !settings->token_keys) {
        *ret_fault = (struct native_fault){"bad_request", "this server asks for no tokens"};
        return false;
    }
    bool good = token_parse(settings->token_keys, text, client->shard->wall_ms, &token, ret_fault);
    metrics_count(client->shard->metrics, good ? METRIC_TOKENS_VERIFIED : METRIC_TOKENS_REFUSED);
    if (!good)
        return false;
    int error = identity_take_token(&client->who, token);
    if (error) {
        token_free(token);
        *ret_fault = error == -EPERM
                         ? (struct native_fault){"forbidden", "token: is another user's"}
                         : fault_no_memory;
        return false;
    }
    client->expiry_told = false;
    leave_forbidden(client);
    return true;
}

/* Not for want of something. */
static bool is_bad(const struct native_fault *fault)
{
    return strcmp(fault->code, "unauthorized") == 0 || strcmp(fault->code, "forbidden") == 0;
}

void client_bad_token(struct client *client, const struct native_fault *fault)
{
    if (!is_bad(fault))
        return;
    client->carrier->bad_request(client);
    if (++client->bad_tokens >= CLIENT_BAD_TOKENS_MAX)
        client->carrier->end(client, WS_CODE_UNAUTHORIZED, "too many bad tokens");
}

/* Monotonic. */
static uint64_t end_of_token_ms(const struct client *client)
{
    const struct shard *shard = client->shard;
    uint64_t exp_ms = client->who.token->exp_ms;

    return shard->now_ms + (exp_ms > shard->wall_ms ? exp_ms - shard->wall_ms : 0);
}

static void set_expiry(struct client *client)
{
    uint64_t end_ms = end_of_token_ms(client);
    uint64_t left_ms = end_ms - client->shard->now_ms;
    uint64_t before_ms = left_ms > 2 * TELL_MS ? TELL_MS : left_ms / 2;

    wheel_set(&client->shard->wheel, &client->expiry,
              client->expiry_told ? end_ms : end_ms - before_ms);
}

static void tell(struct client *client)
{
    struct buf *text = shard_text(client->shard);
    uint64_t in_ms = end_of_token_ms(client) - client->shard->now_ms;
    int error = client->session ? session_put_expiring(text, in_ms) : native_expiring(text, in_ms);

    client->expiry_told = true;
    client_say(client, error);
}

void client_expiry_fired(struct timer *timer, uint64_t now_ms)
{
    struct client *client = container_of(timer, struct client, expiry);

    if (!client->who.token) {
        client->carrier->end(client, WS_CODE_UNAUTHORIZED, "no token in time");
    } else if (end_of_token_ms(client) <= now_ms) {
        client->carrier->end(client, WS_CODE_UNAUTHORIZED, "the token has expired");
    } else if (end_of_token_ms(client) - now_ms > 2 * TELL_MS) {
        client->expiry_told = false; /* the wheel reaches no further, or the clock was set back */
        set_expiry(client);
    } else {
        set_expiry(client); /* first: telling may end it */
        if (!client->expiry_told)
            tell(client);
        if (timer_is_set(&client->expiry))
            set_expiry(client);
    }
}

void client_watch_token(struct client *client)
{
    const struct settings *settings = client->shard->settings;

    if (!tokens_are_asked(client) || (client->session && client->session->kind != SESSION_CHAT))
        return;
    if (client->who.token)
        set_expiry(client);
    else
        wheel_set(&client->shard->wheel, &client->expiry,
                  client->shard->now_ms + (uint64_t)settings->auth_timeout_s * 1000);
}
