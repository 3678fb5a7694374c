/* forwarded.h - X-Forwarded-For: who sent a request, as the proxies in between tell it.
 *
 * Every proxy writes whom it got the request from behind what it was given, so the right end is the
 * word of the peer itself, and what stands left of the first stranger is that stranger's word: it
 * is not looked at.
 *
 * Threads   any; no state.
 * Bound     the request's head. */
#pragma once

#include "ringroom/base/ip.h"
#include "ringroom/wire/http.h"

/* The client of a request that the proxy `peer` has passed on: from right to left the first address
 * that is not within `proxies`, or the leftmost where all are; without the header, `peer`. Elements
 * are "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]" and "[2001:db8::1]:4711";
 * several lines are one list (RFC 9110 section 5.3), and empty elements do not count (5.6.1).
 * False: an element that had to be looked at is no address. */
bool forwarded_for(const struct http_request *request, const struct ip_network *proxies,
                   size_t proxies_count, const struct ip *peer, struct ip *ret_client);
