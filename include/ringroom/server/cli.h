/* cli.h - the command line: which command, with which configuration.
 *
 * Threads   the main thread, before any other starts.
 * Ownership what is passed in is borrowed for the length of the call. */
#pragma once

#include "ringroom/server/config.h"

enum {
    CLI_OK = 0,
    CLI_FAILED = 1, /* the machine's fault: no memory, output not writable; a FAIL of `doctor` */
    CLI_WRONG = 2   /* a wrong option or configuration */
};

/* Where a served configuration came from, to be read again. */
struct cli_source {
    struct config_source source;
    const char **sets; /* the caller's to mem_free(); source.sets points to it, it into argv */
};

/* Does all that a command line asks for but serving: help, version, `check` and `doctor` print to
 * `out`, errors are one line on `err`. True: serve `ret_config`, which is loaded and resolved for
 * `machine`, then config_deinit() it, and *ret_source is set. False: exit with *ret_status. */
bool cli_run(int argc, const char *const *argv, const char *const *environment,
             const struct config_machine *machine, FILE *out, FILE *err, struct config *ret_config,
             struct cli_source *ret_source, int *ret_status);
