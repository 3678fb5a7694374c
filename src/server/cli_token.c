/* cli_token.c - words to a grant, the configuration to keys, both to a token. */
#include "cli_token.h"
#include "ringroom/base/check.h"
#include "ringroom/server/auth_keys.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

enum {
    TTL_DEFAULT_S = 3600,
    TTL_MAX_S = 366 * 86400,
    SHOWN_MAX = 120 /* bytes of a word that an error repeats */
};

struct complaint {
    char *text;
    size_t bytes;
};

__attribute__((format(printf, 2, 3))) static int complain(struct complaint *complaint,
                                                          const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(complaint->text, complaint->bytes, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

const char **cli_token_field(struct cli_token *wish, const char *option)
{
    return strcmp(option, "--sub") == 0    ? &wish->sub
           : strcmp(option, "--name") == 0 ? &wish->name
           : strcmp(option, "--ttl") == 0  ? &wish->ttl
           : strcmp(option, "--kid") == 0  ? &wish->kid
                                           : NULL;
}

/* "read,write" */
static bool parse_rights(const char *text, unsigned *ret_rights)
{
    unsigned rights = 0;

    for (;;) {
        size_t len = strcspn(text, ",");
        unsigned right = token_right_parse(slice_make(text, len));
        if (!right)
            return false;
        rights |= right;
        if (text[len] == '\0')
            break;
        text += len + 1;
    }
    *ret_rights = rights;
    return true;
}

/* A room's name may have colons in it: the last one counts. */
static int parse_room(const char *text, struct token_rule *ret_rule, struct complaint *complaint)
{
    const char *colon = strrchr(text, ':');
    unsigned rights;

    if (!colon || colon == text || !parse_rights(colon + 1, &rights))
        return complain(complaint,
                        "--room %.*s: must be PATTERN:RIGHTS, as game-*:read,write; rights are "
                        "read, write, moderate",
                        SHOWN_MAX, text);
    *ret_rule = (struct token_rule){slice_make(text, (size_t)(colon - text)), rights};
    return 0;
}

static int parse_ttl(const char *text, uint64_t *ret_ttl_s, struct complaint *complaint)
{
    char *end;

    if (!text)
        return 0;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || *end || *text < '0' || *text > '9' || number < 1 || number > TTL_MAX_S)
        return complain(complaint, "--ttl %.*s: must be a whole number of seconds from 1 to %d",
                        SHOWN_MAX, text, TTL_MAX_S);
    *ret_ttl_s = number;
    return 0;
}

/* rules has room for wish->rooms_count. */
static int parse_wish(const struct cli_token *wish, uint64_t now_s, struct token_rule *rules,
                      struct token_grant *ret_grant, struct complaint *complaint)
{
    uint64_t ttl_s = TTL_DEFAULT_S;

    if (!wish->sub)
        return complain(complaint, "--sub: is needed: whose token it is, as --sub user-17");
    int error = parse_ttl(wish->ttl, &ttl_s, complaint);
    for (size_t i = 0; i < wish->rooms_count && !error; i++)
        error = parse_room(wish->rooms[i], &rules[i], complaint);
    *ret_grant = (struct token_grant){.sub = slice_of(wish->sub),
                                      .name = slice_of(wish->name ? wish->name : ""),
                                      .iat_s = now_s,
                                      .exp_s = now_s + ttl_s,
                                      .rules = rules,
                                      .rules_count = wish->rooms_count};
    return error;
}

static int mint(const struct token_keys *keys, const char *kid, const struct token_grant *grant,
                struct buf *out, struct complaint *complaint)
{
    int error = token_mint(keys, slice_of(kid ? kid : ""), grant, out);

    switch (error) {
    case -EINVAL:
        return complain(complaint,
                        "--sub, --name, --room: must be UTF-8 without control characters: sub of 1 "
                        "to %d bytes, name of at most %d, a room of 1 to %d",
                        ROOM_UID_MAX, ROOM_USER_NAME_MAX, TOKEN_PATTERN_MAX);
    case -ENOENT:
        return complain(complaint, "--kid %.*s: no key of auth.keys has this kid", SHOWN_MAX, kid);
    case -ENOKEY:
        return complain(
            complaint, "auth.keys: %s can only verify: to make tokens, give the private key's file",
            kid ? "the key of that kid" : "its keys");
    case -ENOBUFS:
        return complain(complaint,
                        "--room: the token would have more than %d bytes; use patterns for rooms",
                        TOKEN_TEXT_MAX);
    default:
        return error;
    }
}

int cli_token_make(const struct cli_token *wish, const struct config *config, uint64_t now_s,
                   struct buf *out, char *ret_error, size_t error_bytes)
{
    struct complaint complaint = {.text = ret_error, .bytes = error_bytes};
    struct token_rule rules[TOKEN_ROOMS_MAX];
    struct token_keys *keys = NULL;
    struct token_grant grant;

    int error = parse_wish(wish, now_s, rules, &grant, &complaint);
    if (!error)
        error = auth_keys_open(config, &keys, ret_error, error_bytes);
    if (!error && !keys)
        error = complain(&complaint,
                         "auth.keys: has no key to sign with: name the server's configuration by "
                         "--config FILE, or set auth.keys");
    if (!error)
        error = mint(keys, wish->kid, &grant, out, &complaint);
    if (error == -ENOMEM)
        complain(&complaint, "out of memory while making the token");
    token_keys_free(keys);
    return error;
}
