#include "cli_chat.h"
#include "ringroom/base/mem.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_VARIABLE "RINGROOM_TOKEN="

enum { SHOWN_MAX = 120 }; /* bytes of a word that an error repeats */

const char *const cli_chat_options[] = {"--name",    "--token",      "--token-file", "--ca",
                                        "--history", "--no-history", "--insecure",   "--json",
                                        "--follow",  "--help",       "--version"};
const size_t cli_chat_options_count = array_len(cli_chat_options);

const char **cli_chat_field(struct cli_chat *chat, const char *option)
{
    return strcmp(option, "--name") == 0         ? &chat->name
           : strcmp(option, "--token") == 0      ? &chat->token
           : strcmp(option, "--token-file") == 0 ? &chat->token_file
           : strcmp(option, "--ca") == 0         ? &chat->ca
           : strcmp(option, "--history") == 0    ? &chat->history
                                                 : NULL;
}

bool *cli_chat_flag(struct cli_chat *chat, const char *option)
{
    return strcmp(option, "--insecure") == 0     ? &chat->insecure
           : strcmp(option, "--json") == 0       ? &chat->json
           : strcmp(option, "--follow") == 0     ? &chat->follow
           : strcmp(option, "--no-history") == 0 ? &chat->no_history
                                                 : NULL;
}

void cli_chat_help(FILE *out)
{
    fputs("Usage: ringroom chat wss://HOST[:PORT]/ROOM [OPTION]...\n\n"
          "Reads and writes a room. At a terminal: what the room has kept, then what is said,\n"
          "with a line to type in below; /help tells more, ctrl-d leaves. Of a pipe each line is\n"
          "sent as a message, in order; when all are stored, it leaves. Without input\n"
          "(</dev/null) it prints what the room has kept and leaves.\n\n"
          "ROOM is percent-encoded. In front of it may be a path under which a proxy offers the\n"
          "server. ws:// is without TLS.\n\n"
          "Options:\n"
          "  --name NAME        the name that others see\n"
          "  --history N        begin with the newest N messages; else with all\n"
          "  --no-history       begin with what is said from now on\n"
          "  --follow           read on when the input has ended\n"
          "  --json             print the server's events, one a line, as they come\n"
          "  --token TOKEN      who one is, where the server asks for it. Other users of this\n"
          "                     machine can see it: better in RINGROOM_TOKEN, or\n"
          "  --token-file FILE  in a file, which is read again when the token runs out\n"
          "  --ca FILE          trust these certificates (PEM) besides the system's\n"
          "  --insecure         trust any certificate\n"
          "  --help             print this\n\n"
          "Exit status: 0, also when told to stop with nothing left to send; 1 where the\n"
          "connection or the server failed, or a message was refused; 2 for a wrong option.\n"
          "NO_COLOR in the environment: no colours.\n",
          out);
}

static int parse_history(const struct cli_chat *chat, uint64_t *ret_history, char *ret_error,
                         size_t error_bytes)
{
    char *end;

    *ret_history = chat->no_history ? 0 : CHAT_HISTORY_ALL;
    if (!chat->history)
        return 0;
    errno = 0;
    unsigned long long number = strtoull(chat->history, &end, 10);
    if (errno || *end || chat->history[0] < '0' || chat->history[0] > '9' || number >= 1ULL << 53) {
        snprintf(ret_error, error_bytes, "--history %.*s: must be a whole number of messages",
                 SHOWN_MAX, chat->history);
        return -EINVAL;
    }
    *ret_history = number;
    return 0;
}

static const char *token_of(const char *const *environment)
{
    size_t len = strlen(TOKEN_VARIABLE);

    for (; environment && *environment; environment++)
        if (strncmp(*environment, TOKEN_VARIABLE, len) == 0 && (*environment)[len])
            return *environment + len;
    return NULL;
}

int cli_chat_make(const struct cli_chat *chat, const char *const *environment,
                  struct chat_options *ret_options, char *ret_error, size_t error_bytes)
{
    const char *wrong = NULL;

    if (!chat->url)
        wrong = "chat: the address of a room is needed, as wss://chat.example.org/garden";
    else if (chat->token && chat->token_file)
        wrong = "--token, --token-file: only one of them can be";
    else if (chat->history && chat->no_history)
        wrong = "--history, --no-history: only one of them can be";
    else if (chat->ca && chat->insecure)
        wrong = "--ca, --insecure: only one of them can be";
    if (wrong) {
        snprintf(ret_error, error_bytes, "%s", wrong);
        return -EINVAL;
    }
    *ret_options = (struct chat_options){.url = chat->url,
                                         .name = chat->name,
                                         .token = chat->token,
                                         .token_file = chat->token_file,
                                         .ca_file = chat->ca,
                                         .insecure = chat->insecure,
                                         .json = chat->json,
                                         .follow = chat->follow};
    if (!chat->token && !chat->token_file)
        ret_options->token = token_of(environment);
    return parse_history(chat, &ret_options->history, ret_error, error_bytes);
}
