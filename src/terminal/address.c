#include "ringroom/terminal/address.h"
#include "ringroom/base/utf8.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static bool refuse(const char **ret_why, const char *why)
{
    *ret_why = why;
    return false;
}

static bool take_scheme(const char **text, bool *ret_tls)
{
    *ret_tls = strncasecmp(*text, "wss://", 6) == 0;
    if (!*ret_tls && strncasecmp(*text, "ws://", 5) != 0)
        return false;
    *text += *ret_tls ? 6 : 5;
    return true;
}

/* What a name or an IPv4 address is made of; within brackets an IPv6 address. */
static bool host_character(char c, bool bracketed)
{
    return bracketed ? isxdigit((unsigned char)c) || c == ':' || c == '.'
                     : isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_';
}

static bool take_host(const char **text, struct address *address, const char **ret_why)
{
    bool bracketed = **text == '[';
    const char *from = *text + bracketed;
    size_t len = 0;

    while (from[len] && host_character(from[len], bracketed))
        len++;
    if (len == 0 || len > ADDRESS_HOST_MAX || (bracketed && from[len] != ']'))
        return refuse(ret_why, "there must be a host behind the //: a name, an IPv4 address, or an "
                               "IPv6 address in brackets");
    memcpy(address->host, from, len);
    address->host[len] = '\0';
    *text = from + len + bracketed;
    return true;
}

static bool take_port(const char **text, struct address *address, const char **ret_why)
{
    unsigned long port = address->tls ? 443 : 80;
    char *end;

    if (**text == ':' && (*text)[1] != '/' && (*text)[1] != '\0') {
        port = isdigit((unsigned char)(*text)[1]) ? strtoul(*text + 1, &end, 10) : 0;
        if (port < 1 || port > 65535)
            return refuse(ret_why, "the port must be a number from 1 to 65535");
        *text = end;
    } else if (**text == ':') {
        ++*text;
    }
    snprintf(address->port, sizeof(address->port), "%u", (unsigned)port);
    bool usual = port == (address->tls ? 443 : 80), v6 = strchr(address->host, ':') != NULL;
    snprintf(address->authority, sizeof(address->authority), "%s%s%s%s%s", v6 ? "[" : "",
             address->host, v6 ? "]" : "", usual ? "" : ":", usual ? "" : address->port);
    return true;
}

static int hex_digit(char c)
{
    return !isxdigit((unsigned char)c) ? -1
           : isdigit((unsigned char)c) ? c - '0'
                                       : (c | 32) - 'a' + 10;
}

/* Percent-decodes into room. False: too long, or a broken sequence. */
static bool decode_room(const char *text, char room[ADDRESS_ROOM_MAX + 1])
{
    size_t len = 0;

    for (; *text; text++) {
        int high = *text == '%' ? hex_digit(text[1]) : 0;
        int low = *text == '%' && high >= 0 ? hex_digit(text[2]) : 0;
        if (high < 0 || low < 0 || len == ADDRESS_ROOM_MAX)
            return false;
        room[len++] = *text == '%' ? (char)(high * 16 + low) : *text;
        text += *text == '%' ? 2 : 0;
    }
    room[len] = '\0';
    return len > 0 && utf8_printable(slice_make(room, len)); /* so no NUL is in it */
}

static bool take_path(const char *text, struct address *address, const char **ret_why)
{
    const char *last = strrchr(text, '/');

    if (!last || text[0] != '/')
        return refuse(ret_why, "a room must be named behind the host, as wss://example.org/garden");
    if (strpbrk(text, "?#"))
        return refuse(ret_why, "'?' and '#' are not expected; in a room's name write %3F and %23");
    if (last - text > ADDRESS_PREFIX_MAX)
        return refuse(ret_why, "the path is too long");
    for (const char *c = text; c < last; c++)
        if (*c <= ' ' || *c > '~')
            return refuse(ret_why, "in front of the room, the path must be percent-encoded");
    if (!decode_room(last + 1, address->room))
        return refuse(ret_why, "the room must have 1 to 128 bytes of UTF-8 without control "
                               "characters; what is special in an address is percent-encoded");
    snprintf(address->target, sizeof(address->target), "%.*s/ws", (int)(last - text), text);
    return true;
}

bool address_parse(const char *text, struct address *ret_address, const char **ret_why)
{
    struct address address;

    if (!take_scheme(&text, &address.tls))
        return refuse(ret_why, "must begin with wss:// or ws://");
    if (strchr(text, '@'))
        return refuse(ret_why, "'@' is not expected; in a room's name write %40");
    if (!take_host(&text, &address, ret_why) || !take_port(&text, &address, ret_why) ||
        !take_path(text, &address, ret_why))
        return false;
    *ret_address = address;
    return true;
}
