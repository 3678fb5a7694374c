/* cli.c - reads the command line. */
#include "ringroom/server/cli.h"
#include "cli_chat.h"
#include "cli_token.h"
#include "ringroom/base/check.h"
#include "ringroom/base/clock.h"
#include "ringroom/server/api_keys.h"
#include "ringroom/server/auth_keys.h"
#include "ringroom/server/doctor.h"
#include "ringroom/server/nearest.h"
#include "ringroom/wire/tls.h"
#include "serve_parts.h"
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum { SHOWN_WORD_MAX = 120 }; /* bytes of a word that an error repeats */

enum command {
    COMMAND_NONE,
    COMMAND_SERVE,
    COMMAND_CHECK,
    COMMAND_DOCTOR,
    COMMAND_TOKEN,
    COMMAND_CHAT
};
enum wanted { WANTED_RUN, WANTED_HELP, WANTED_VERSION };

/* The command line, taken apart. */
struct request {
    enum command command;
    enum wanted wanted;
    struct config_source source;
    const char **sets; /* owned; what source.sets points to */
    struct cli_token token;
    const char *token_option; /* the first that only `token` takes; NULL: none was given */
    struct cli_chat chat;
};

/* By enum command, from 1. */
static const char *const command_names[] = {"serve", "check", "doctor", "token", "chat"};
/* What may stand for a command; `help` and `version` are --help and --version by another name. */
static const char *const words[] = {"serve", "check", "doctor", "token", "chat", "help", "version"};
static const char *const option_names[] = {"--config", "--set",  "--help", "--version", "--sub",
                                           "--name",   "--room", "--ttl",  "--kid"};
static const char *const token_options[] = {"--sub", "--name", "--room", "--ttl", "--kid"};

#define OPTIONS_TEXT                                                                               \
    "Options:\n"                                                                                   \
    "  --config FILE    read the configuration from this JSON file\n"                              \
    "  --set KEY=VALUE  set one key; VALUE is JSON, or else a string. May be repeated\n"           \
    "  --help           print this\n"                                                              \
    "  --version        print the version\n"                                                       \
    "\n"                                                                                           \
    "A key is taken from --set, else from the environment (limits.burst is\n"                      \
    "RINGROOM_LIMITS__BURST), else from the file, else it has its default.\n"
#define KEYS_TEXT "\nKeys and their defaults:\n"

static void print_help(enum command command, FILE *out)
{
    switch (command) {
    case COMMAND_NONE:
        fputs("Ringroom: live, short-lived chat rooms over TLS WebSockets.\n\n"
              "Usage: ringroom COMMAND [OPTION]...\n\n"
              "Commands:\n"
              "  serve    serve until told to stop (SIGTERM)\n"
              "  check    check the configuration and print what would be in force\n"
              "  doctor   look at what the server needs of this machine, and how to mend it\n"
              "  token    make a token for a client\n"
              "  chat     read and write a room from a terminal, or in a pipe\n"
              "  help     print this; `ringroom help COMMAND` tells more\n"
              "  version  print the version\n\n" OPTIONS_TEXT KEYS_TEXT,
              out);
        break;
    case COMMAND_SERVE:
        fputs("Usage: ringroom serve [--config FILE] [--set KEY=VALUE]...\n\n"
              "Serves until SIGTERM or SIGINT; on SIGHUP it reads its configuration, certificate "
              "and\n"
              "keys again. Once it accepts connections it prints a line\n"
              "`ready https://ADDRESS:PORT` for each listener. Logs go to standard "
              "error.\n\n" OPTIONS_TEXT KEYS_TEXT,
              out);
        break;
    case COMMAND_CHECK:
        fputs("Usage: ringroom check [--config FILE] [--set KEY=VALUE]...\n\n"
              "Checks the configuration as `serve` would, certificate included, and prints what\n"
              "would be in force as a JSON file. Exit status 2, and a line that says what is\n"
              "wrong, where it would be refused.\n\n" OPTIONS_TEXT KEYS_TEXT,
              out);
        break;
    case COMMAND_DOCTOR:
        fputs("Usage: ringroom doctor [--config FILE] [--set KEY=VALUE]...\n\n"
              "Looks at what the server would need with this configuration: the kernel and its\n"
              "io_uring, limits, certificate, ports, clock. A line each, ok, warn or FAIL, and\n"
              "how to mend it. Exit status 1 where one is FAIL. Run it as the server's user.\n"
              "\n" OPTIONS_TEXT KEYS_TEXT,
              out);
        break;
    case COMMAND_TOKEN:
        fputs("Usage: ringroom token --sub WHO [OPTION]...\n\n"
              "Makes a token, signed with a key of auth.keys, and prints it alone. A server whose\n"
              "auth.keys has that key, or its public half, takes it.\n\n"
              "What is in it:\n"
              "  --sub WHO              whose it is: the user's id\n"
              "  --name NAME            the name that others see\n"
              "  --room PATTERN:RIGHTS  what is allowed in which rooms, as game-*:read,write;\n"
              "                         rights are read, write, moderate. May be repeated\n"
              "  --ttl SECONDS          how long it is good; 3600 unless said otherwise\n"
              "  --kid KID              the key to sign with; else the first that "
              "can\n\n" OPTIONS_TEXT KEYS_TEXT,
              out);
        break;
    case COMMAND_CHAT:
        cli_chat_help(out);
        return; /* the configuration is a server's */
    }
    config_print_keys(out);
}

/* One line, whatever was typed: control characters become '?'. Returns -EINVAL. */
__attribute__((format(printf, 2, 3))) static int complain(FILE *err, const char *format, ...)
{
    char line[CONFIG_ERROR_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    for (char *c = line; *c; c++) {
        if (iscntrl((unsigned char)*c))
            *c = '?';
    }
    fprintf(err, "ringroom: %s\n", line);
    return -EINVAL;
}

/* "ringroom: WORD: no such KIND; the nearest is NAME (allowed are ALLOWED)". */
static int unknown(const char *word, const char *kind, const char *const *names, size_t count,
                   const char *allowed, FILE *err)
{
    char name[NEAREST_NAME_MAX];

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
    struct nearest nearest = nearest_to(name);
    for (size_t i = 0; i < count; i++)
        nearest_offer(&nearest, names[i]);
    return complain(err, "%.*s: no such %s%s%s (allowed are %s)", SHOWN_WORD_MAX, word, kind,
                    nearest.best ? "; the nearest is " : "", nearest.best ? nearest.best : "",
                    allowed);
}

/* `--option VALUE` at *index, which moves on, or `--option=VALUE`. False: it is another option. */
static bool option_value(const char *option, int argc, const char *const *argv, int *index,
                         const char **ret_value)
{
    size_t len = strlen(option);
    const char *word = argv[*index];

    if (strncmp(word, option, len) != 0 || (word[len] != '=' && word[len] != '\0'))
        return false;
    if (word[len] == '=')
        *ret_value = word + len + 1;
    else
        *ret_value = *index + 1 < argc ? argv[++*index] : NULL;
    return true;
}

static int take_config(struct request *request, const char *file, FILE *err)
{
    if (!file || !*file)
        return complain(err, "--config: must be followed by a file name");
    if (request->source.file)
        return complain(err, "--config %.*s: may be given once only; %.*s is given already",
                        SHOWN_WORD_MAX, file, SHOWN_WORD_MAX, request->source.file);
    request->source.file = file;
    return 0;
}

static int take_set(struct request *request, const char *set, FILE *err)
{
    if (!set)
        return complain(err, "--set: must be followed by KEY=VALUE, as --set limits.burst=100");
    request->sets[request->source.sets_count++] = set;
    return 0;
}

static int take_command(struct request *request, const char *word, FILE *err)
{
    if (request->command != COMMAND_NONE)
        return complain(err,
                        "%.*s: not expected after `%s`; files and keys are given by --config FILE "
                        "and --set KEY=VALUE",
                        SHOWN_WORD_MAX, word, command_names[request->command - 1]);
    for (size_t i = 0; i < array_len(command_names); i++) {
        if (strcmp(word, command_names[i]) == 0) {
            request->command = (enum command)(i + 1);
            return 0;
        }
    }
    if (strcmp(word, "help") == 0)
        request->wanted = WANTED_HELP;
    else if (strcmp(word, "version") == 0)
        request->wanted = WANTED_VERSION;
    else
        return unknown(word, "command", words, array_len(words),
                       "serve, check, doctor, token, chat, help, version", err);
    return 0;
}

/* An option of `token` at *index. False: it is another one. */
static bool take_token_option(struct request *request, int argc, const char *const *argv,
                              int *index, FILE *err, int *ret_error)
{
    struct cli_token *token = &request->token;

    for (size_t i = 0; i < array_len(token_options); i++) {
        const char *option = token_options[i], *value;

        if (!option_value(option, argc, argv, index, &value))
            continue;
        const char **field = cli_token_field(token, option);
        request->token_option = request->token_option ? request->token_option : option;
        if (!value)
            *ret_error = complain(err, "%s: must be followed by a value", option);
        else if (field && *field)
            *ret_error = complain(err, "%s: may be given once only", option);
        else if (field)
            *field = value;
        else if (token->rooms_count == TOKEN_ROOMS_MAX)
            *ret_error =
                complain(err, "--room: may be given %d times; use patterns", TOKEN_ROOMS_MAX);
        else
            token->rooms[token->rooms_count++] = value;
        return true;
    }
    return false;
}

/* A word behind `chat`, which takes no configuration. */
static int take_chat_word(struct cli_chat *chat, int argc, const char *const *argv, int *index,
                          FILE *err)
{
    const char *word = argv[*index];
    bool *flag = cli_chat_flag(chat, word);

    for (size_t i = 0; i < cli_chat_options_count; i++) {
        const char **field = cli_chat_field(chat, cli_chat_options[i]), *value;

        if (!field || !option_value(cli_chat_options[i], argc, argv, index, &value))
            continue;
        if (!value)
            return complain(err, "%s: must be followed by a value", cli_chat_options[i]);
        if (*field)
            return complain(err, "%s: may be given once only", cli_chat_options[i]);
        *field = value;
        return 0;
    }
    if (flag)
        *flag = true;
    else if (word[0] == '-')
        return unknown(word, "option", cli_chat_options, cli_chat_options_count,
                       "--name, --history, --no-history, --follow, --json, --token, --token-file, "
                       "--ca, --insecure, --help",
                       err);
    else if (chat->url)
        return complain(err, "%.*s: not expected after %.*s: one room at a time", SHOWN_WORD_MAX,
                        word, SHOWN_WORD_MAX, chat->url);
    else
        chat->url = word;
    return 0;
}

/* request->sets has room for argc of them. */
static int parse(int argc, const char *const *argv, struct request *request, FILE *err)
{
    request->source.sets = request->sets;
    for (int i = 1; i < argc; i++) {
        const char *value;
        int error = 0;

        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            request->wanted = WANTED_HELP;
        else if (strcmp(argv[i], "--version") == 0)
            request->wanted = WANTED_VERSION;
        else if (request->command == COMMAND_CHAT)
            error = take_chat_word(&request->chat, argc, argv, &i, err);
        else if (option_value("--config", argc, argv, &i, &value))
            error = take_config(request, value, err);
        else if (option_value("--set", argc, argv, &i, &value))
            error = take_set(request, value, err);
        else if (take_token_option(request, argc, argv, &i, err, &error))
            ;
        else if (argv[i][0] == '-')
            error = unknown(argv[i], "option", option_names, array_len(option_names),
                            "--config FILE, --set KEY=VALUE, --help, --version; for token --sub, "
                            "--name, --room, --ttl, --kid",
                            err);
        else
            error = take_command(request, argv[i], err);
        if (error < 0)
            return error;
    }
    if (request->command == COMMAND_NONE && request->wanted == WANTED_RUN)
        return complain(err, "a command is needed: serve, check, doctor, token or chat (`ringroom "
                             "--help` tells more)");
    if (request->token_option && request->command != COMMAND_TOKEN && request->wanted == WANTED_RUN)
        return complain(err, "%s: only `ringroom token` takes it", request->token_option);
    return 0;
}

static int status_of(int error)
{
    return error == 0 ? CLI_OK : error == -ENOMEM ? CLI_FAILED : CLI_WRONG;
}

/* What is checked at all times; loading a config_deinit()able configuration where CLI_OK. */
static int prepare(const struct config_source *source, const struct config_machine *machine,
                   FILE *err, struct config *ret_config)
{
    char text[CONFIG_ERROR_BYTES];
    int error = config_load(source, ret_config, text, sizeof(text));

    if (error == 0 && (error = config_resolve(ret_config, machine, text, sizeof(text))) < 0)
        config_deinit(ret_config);
    if (error < 0)
        complain(err, "%s", text);
    return status_of(error);
}

static int written(FILE *out, FILE *err)
{
    if (fflush(out) == 0 && !ferror(out))
        return CLI_OK;
    complain(err, "cannot write to standard output: %s", strerror(errno));
    return CLI_FAILED;
}

/* Whether `serve` could use the certificate. */
static int check_certificate(const struct config *config, FILE *err)
{
    struct tls_server *server;
    char text[CONFIG_ERROR_BYTES];

    if (config->listen.count == 0)
        return CLI_OK;
    if (tls_server_new(config->tls_cert, config->tls_key, &server, text, sizeof(text)) < 0) {
        complain(err, "tls.cert: %s, tls.key: %s: %s", config->tls_cert, config->tls_key, text);
        return CLI_WRONG;
    }
    int stale =
        config->tls_ocsp ? tls_server_staple(server, config->tls_ocsp, text, sizeof(text)) : 0;
    tls_server_free(server);
    if (stale) /* `serve` warns where it is positive */
        complain(err, "tls.ocsp: %s: %s", config->tls_ocsp, text);
    return stale < 0 ? CLI_WRONG : CLI_OK;
}

/* Whether there is the user that `serve` would become. */
static int check_identity(const struct config *config, FILE *err)
{
    struct identity identity;
    char text[CONFIG_ERROR_BYTES];

    if (identity_find(config, &identity, text, sizeof(text)) == 0)
        return CLI_OK;
    complain(err, "%s", text);
    return CLI_WRONG;
}

/* Whether the keys of auth.keys are there and good. */
static int check_auth_keys(const struct config *config, FILE *err)
{
    struct token_keys *keys;
    char text[CONFIG_ERROR_BYTES];
    int error = auth_keys_open(config, &keys, text, sizeof(text));

    if (error == 0)
        token_keys_free(keys);
    else
        complain(err, "%s", text);
    return status_of(error);
}

/* The same of api.keys. */
static int check_api_keys(const struct config *config, FILE *err)
{
    struct api_keys keys;
    char text[CONFIG_ERROR_BYTES];
    int error = api_keys_open(config, &keys, text, sizeof(text));

    if (error)
        complain(err, "%s", text);
    return status_of(error);
}

static int check(const struct config *config, FILE *out, FILE *err)
{
    int status = check_certificate(config, err);

    if (status == CLI_OK)
        status = check_auth_keys(config, err);

    if (status == CLI_OK)
        status = check_api_keys(config, err);

    if (status == CLI_OK)
        status = check_identity(config, err);

    if (status == CLI_OK && config_print(config, out) == -ENOMEM) {
        complain(err, "out of memory while printing the configuration");
        return CLI_FAILED;
    }
    return status == CLI_OK ? written(out, err) : status;
}

/* Of the configuration only the keys count: no server is started by it. */
static int make_token(struct request *request, FILE *out, FILE *err)
{
    char text[CONFIG_ERROR_BYTES];
    struct config config;
    struct buf token;

    request->source.not_served = true;
    int error = config_load(&request->source, &config, text, sizeof(text));
    if (error) {
        complain(err, "%s", text);
        return status_of(error);
    }
    buf_init(&token, TOKEN_TEXT_MAX);
    error = cli_token_make(&request->token, &config, clock_wall_ms() / 1000, &token, text,
                           sizeof(text));
    config_deinit(&config);
    if (error)
        complain(err, "%s", text);
    else
        fprintf(out, "%.*s\n", (int)token.len, (const char *)token.data);
    buf_deinit(&token);
    return error ? status_of(error) : written(out, err);
}

static int see_doctor(const struct config_source *source, const struct config_machine *machine,
                      FILE *out, FILE *err)
{
    int found = doctor_run(source, machine, out);

    if (found < 0) {
        complain(err, "out of memory");
        return CLI_FAILED;
    }
    int status = written(out, err);
    return status == CLI_OK && found ? CLI_FAILED : status;
}

static int run_chat(const struct cli_chat *chat, const char *const *environment, FILE *err)
{
    static_assert((int)CHAT_OK == CLI_OK && (int)CHAT_FAILED == CLI_FAILED &&
                      (int)CHAT_WRONG == CLI_WRONG,
                  "an exit status means the same everywhere");
    struct chat_options options;
    char text[CONFIG_ERROR_BYTES];

    if (cli_chat_make(chat, environment, &options, text, sizeof(text)) < 0) {
        complain(err, "%s", text);
        return CLI_WRONG;
    }
    return chat_run(&options, err);
}

bool cli_run(int argc, const char *const *argv, const char *const *environment,
             const struct config_machine *machine, FILE *out, FILE *err, struct config *ret_config,
             struct cli_source *ret_source, int *ret_status)
{
    struct request request = {.source.environment = environment};
    struct config config;
    int status = CLI_WRONG;
    bool serve = false;

    request.sets = mem_alloc(((size_t)argc + 1) * sizeof(*request.sets));
    if (!request.sets) {
        complain(err, "out of memory while reading the command line");
        *ret_status = CLI_FAILED;
        return false;
    }
    if (parse(argc, argv, &request, err) < 0) {
        status = CLI_WRONG;
    } else if (request.wanted == WANTED_HELP) {
        print_help(request.command, out);
        status = written(out, err);
    } else if (request.wanted == WANTED_VERSION) {
        fprintf(out, "ringroom %s\n", RINGROOM_VERSION);
        status = written(out, err);
    } else if (request.command == COMMAND_DOCTOR) {
        status = see_doctor(&request.source, machine, out, err);
    } else if (request.command == COMMAND_CHAT) {
        status = run_chat(&request.chat, environment, err);
    } else if (request.command == COMMAND_TOKEN) {
        status = make_token(&request, out, err);
    } else if ((status = prepare(&request.source, machine, err, &config)) == CLI_OK) {
        serve = request.command == COMMAND_SERVE;
        if (serve) {
            *ret_config = config;
            *ret_source = (struct cli_source){.source = request.source, .sets = request.sets};
        } else {
            status = check(&config, out, err);
            config_deinit(&config);
        }
    }
    if (!serve)
        mem_free(request.sets);
    *ret_status = status;
    return serve;
}
