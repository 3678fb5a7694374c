/* ws_client.h - the WebSocket protocol from the client's side (RFC 6455): the request to upgrade,
 * the answer to it, then messages; no sockets.
 *
 * Threads   its owner's.
 * Ownership what an event points to is valid until the next call.
 * Bound     message_bytes_max; a longer message fails. Of a refusal's body the first
 *           WS_REFUSAL_MAX bytes are kept. */
#pragma once

#include "ringroom/wire/ws.h"

enum { WS_REFUSAL_MAX = 4096 };

struct ws_client;

/* NULL where memory has run out. */
struct ws_client *ws_client_new(size_t message_bytes_max);
void ws_client_free(struct ws_client *ws); /* takes NULL */

/* Appends the request. `authority` is the Host header; `token` is sent as a bearer's unless NULL.
 * None of them may hold blanks or control characters: -EINVAL. Else 0, -ENOBUFS, -ENOMEM. */
int ws_client_request(struct ws_client *ws, const char *authority, const char *target,
                      const char *token, struct buf *out);
/* The server has agreed: from now on there are frames. */
bool ws_client_opened(const struct ws_client *ws);
/* Takes all of *in, or what comes before the next event; call until WS_MORE. WS_FAILED: the server
 * refused (ws_client_status()), or broke the rules; ws_client_error(). After a close frame, or
 * where it failed, call it no more. */
enum ws_result ws_client_next(struct ws_client *ws, struct slice *in, struct ws_event *ret_event);
const char *ws_client_error(const struct ws_client *ws);
/* Of the answer to the request; 0 where none came. */
unsigned ws_client_status(const struct ws_client *ws);
/* The body of a refusal, as far as it has come. */
struct slice ws_client_refusal(const struct ws_client *ws);

/* Appends a whole frame, masked. 0, -ENOBUFS, -ENOMEM. */
int ws_client_frame(struct ws_client *ws, enum ws_opcode opcode, struct slice payload,
                    struct buf *out);
