/* address.h - which room of which server: wss://HOST[:PORT]/[PREFIX/]ROOM.
 *
 * The last part of the path names the room, percent-encoded; what is in front of
 * it is where the server is mounted: of wss://example.org/chat/garden the room
 * `garden` is found at wss://example.org/chat/ws.
 *
 * Threads   any; no state. */
#pragma once

#include "ringroom/base/slice.h"

enum {
    ADDRESS_HOST_MAX = 253,   /* bytes, as a name in DNS */
    ADDRESS_ROOM_MAX = 128,   /* bytes, decoded */
    ADDRESS_PREFIX_MAX = 1024 /* bytes */
};

struct address {
    char host[ADDRESS_HOST_MAX + 1]; /* an IPv6 address without brackets */
    char port[6];
    char authority[ADDRESS_HOST_MAX + 10]; /* for the Host header: the port only if not the usual */
    char target[ADDRESS_PREFIX_MAX + 8];   /* "/ws", behind the prefix */
    char room[ADDRESS_ROOM_MAX + 1];
    bool tls;
};

/* False with a few words on what is wrong in *ret_why. */
bool address_parse(const char *text, struct address *ret_address, const char **ret_why);
