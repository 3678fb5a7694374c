/* serve.h - runs the server from its start to its last client's leave. */
#pragma once

struct config;
struct config_source;

/* Raises RLIMIT_NOFILE, starts the shards, prints the `ready` lines, serves until SIGTERM or
 * SIGINT, drains. Returns the process's exit status: 0 after a clean stop, 1 where it could not
 * start or go on, 2 where the configuration names something unusable (a certificate, an address).
 * The main thread; `config` has been through config_resolve(); what it owns is the server's from
 * here on. SIGHUP reads it again from `source`, which outlives the call. */
int serve(struct config *config, const struct config_source *source);
