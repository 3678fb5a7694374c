/* conn_api.h - what conn_api.c and conn_api_ask.c share. */
#pragma once

#include "ringroom/proto/api.h"
#include "ringroom/shard/conn.h"

/* Answers the request: with JSON, or with 204 where there is none. */
void conn_api_say(struct conn *conn, unsigned status, struct slice json);
/* `where`: what is put before the message; NULL: nothing. */
void conn_api_refuse(struct conn *conn, const struct native_fault *fault, const char *where);
/* Answers the call, or sends an ask and has the connection wait. */
void conn_api_call(struct conn *conn, const struct api_target *target);
