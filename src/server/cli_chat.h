/* cli_chat.h - `ringroom chat`: its options as words, and what they mean. For cli.c alone. */
#pragma once

#include "ringroom/terminal/chat.h"
#include <stddef.h>

/* What the command line says, as it stands there; borrowed. NULL: not given. */
struct cli_chat {
    const char *url, *name, *token, *token_file, *ca, *history;
    bool insecure, json, follow, no_history;
};

extern const char *const cli_chat_options[]; /* all of them, for who has mistyped one */
extern const size_t cli_chat_options_count;

/* Where the value of this option goes; NULL where it is none of ours, or takes no value. */
const char **cli_chat_field(struct cli_chat *chat, const char *option);
/* The same for one without a value. */
bool *cli_chat_flag(struct cli_chat *chat, const char *option);
void cli_chat_help(FILE *out);

/* 0 and what to run, or -EINVAL with a line in ret_error. The environment may
 * have the token. */
int cli_chat_make(const struct cli_chat *chat, const char *const *environment,
                  struct chat_options *ret_options, char *ret_error, size_t error_bytes);
