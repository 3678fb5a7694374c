/* serve.h - runs the server from its start to its last client's leave. */
#pragma once

struct config;

/* Raises RLIMIT_NOFILE, starts the shards, prints the `ready` lines, serves until SIGTERM or
 * SIGINT, drains. Returns the process's exit status: 0 after a clean stop, 1 where it could not
 * start or go on, 2 where the configuration names something unusable (a certificate, an address).
 * The main thread; `config` has been through config_resolve(), stays the caller's, and outlives the
 * call. */
int serve(const struct config *config);
