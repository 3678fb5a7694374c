/* doctor.c - `ringroom doctor`: whether this machine and this configuration go together. One line
 * for each thing that is looked at, and under it how to mend it. */
#include "ringroom/server/doctor.h"
#include "ringroom/base/check.h"
#include "ringroom/base/clock.h"
#include "ringroom/base/mem.h"
#include "ringroom/ring/ring.h"
#include "ringroom/server/api_keys.h"
#include "ringroom/server/auth_keys.h"
#include "ringroom/wire/tls.h"
#include "serve_parts.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

enum verdict { GOOD, DOUBTFUL, BAD };

enum {
    FEW_CONNECTIONS = 1024,
    EXPIRY_SOON_S = 14 * 86400,
    RINGS_MAX = CONFIG_SHARDS_MAX,
    EARLIEST_S = 1735689600, /* 2025-01-01: before any release */
};

struct doctor {
    FILE *out;
    bool colour;
    bool failed;
    struct config config;
    const struct config_machine *machine;
    bool resolved; /* shards and connections are numbers */
};

__attribute__((format(printf, 4, 5))) static void
report(struct doctor *doctor, enum verdict verdict, const char *subject, const char *format, ...)
{
    static const char *const words[] = {"ok", "warn", "FAIL"};
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[1;31m"};
    va_list arguments;

    fprintf(doctor->out, "%s%-4s%s  %-13s  ", doctor->colour ? colours[verdict] : "",
            words[verdict], doctor->colour ? "\033[0m" : "", subject);
    va_start(arguments, format);
    vfprintf(doctor->out, format, arguments);
    va_end(arguments);
    fputc('\n', doctor->out);
    doctor->failed |= verdict == BAD;
}

/* Under the line that it belongs to. */
static void mend(struct doctor *doctor, const char *text)
{
    fprintf(doctor->out, "%21s%s\n", "", text);
}

/* The configuration; where it is refused, the rest is looked at with the defaults. */
static int look_at_configuration(struct doctor *doctor, const struct config_source *source)
{
    const struct config_source nothing = {.not_served = true};
    char text[CONFIG_ERROR_BYTES];
    int error = config_load(source, &doctor->config, text, sizeof(text));

    if (error == 0) {
        report(doctor, GOOD, "configuration", "%s",
               source->file ? source->file : "without a file (--config FILE)");
        return 0;
    }
    report(doctor, BAD, "configuration", "%s", text);
    mend(doctor, "what follows is about the defaults, without TLS");
    error = config_load(&nothing, &doctor->config, text, sizeof(text));
    if (error == 0) {
        mem_free(doctor->config.listen.list);
        doctor->config.listen = (struct config_listeners){0};
    }
    return error;
}

static void look_at_files(struct doctor *doctor)
{
    char text[CONFIG_ERROR_BYTES];
    struct config *config = &doctor->config;

    doctor->resolved = config_resolve(config, doctor->machine, text, sizeof(text)) == 0;
    if (!doctor->resolved) {
        report(doctor, BAD, "open files", "%s", text);
        return;
    }
    bool few = config->connections < FEW_CONNECTIONS;
    report(doctor, few ? DOUBTFUL : GOOD, "open files", "%llu allowed: %u connections, %u shard%s",
           (unsigned long long)doctor->machine->files, config->connections, config->shards,
           config->shards == 1 ? "" : "s");
    if (few)
        mend(doctor, "for more: LimitNOFILE= in the unit, `ulimit -Hn`, or limits.connections");
}

static void look_at_kernel(struct doctor *doctor)
{
    struct utsname kernel;
    unsigned major = 0, minor = 0;

    if (uname(&kernel) != 0 || sscanf(kernel.release, "%u.%u", &major, &minor) != 2) {
        report(doctor, DOUBTFUL, "kernel", "its version can't be read");
        return;
    }
    bool old = major < 6 || (major == 6 && minor < 1);
    report(doctor, old ? BAD : GOOD, "kernel", "%s %s", kernel.sysname, kernel.release);
    if (old)
        mend(doctor, "Linux 6.1 or newer is needed");
}

/* The rings that the shards would have, all at once, and by the same way. 0 or what stands against
 * them. */
static int try_rings(const struct config *config, uint32_t rings_count, char *why, size_t why_bytes)
{
    const struct ring_config ring_config = shard_ring_config(&config->settings);
    struct ring *rings[RINGS_MAX] = {NULL};
    int error = 0;

    for (uint32_t i = 0; i < rings_count && !error; i++)
        error = ring_new(&ring_config, &rings[i], why, why_bytes);
    for (uint32_t i = 0; i < rings_count; i++)
        ring_free(rings[i]);
    return error;
}

static void report_memory(struct doctor *doctor, int ring_error)
{
    struct rlimit limit = {.rlim_cur = 0};

    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        return;
    const char *enough = ring_error ? "" : ", enough for the rings";
    if (limit.rlim_cur == RLIM_INFINITY)
        report(doctor, GOOD, "locked memory", "without limit");
    else
        report(doctor, ring_error == -ENOMEM ? BAD : GOOD, "locked memory", "%llu KiB allowed%s",
               (unsigned long long)limit.rlim_cur / 1024, enough);
    if (ring_error == -ENOMEM)
        mend(doctor, "LimitMEMLOCK=infinity in the unit, or `ulimit -l`; or fewer shards");
}

static void look_at_rings(struct doctor *doctor)
{
    struct config *config = &doctor->config;
    uint32_t count = doctor->resolved ? config->shards : 1;
    char why[512];

    if (!doctor->resolved)
        config->settings.connections_max = 1;
    int error = try_rings(config, count, why, sizeof(why));
    if (error)
        report(doctor, BAD, "io_uring", "%s", why);
    else
        report(doctor, GOOD, "io_uring", "%u ring%s set up as they would be", count,
               count == 1 ? "" : "s");
    report_memory(doctor, error);
}

/* Whoever can read the key can pose as the server. */
static void look_at_key_file(struct doctor *doctor)
{
    struct stat file;

    if (stat(doctor->config.tls_key, &file) != 0 || !(file.st_mode & (S_IROTH | S_IWOTH)))
        return;
    report(doctor, DOUBTFUL, "private key", "%s is open to every user", doctor->config.tls_key);
    mend(doctor, "chmod 600, and see that the server's user may read it");
}

static void report_certificate(struct doctor *doctor, const struct tls_certificate *certificate)
{
    int64_t left_s = certificate->until_s - (int64_t)(clock_wall_ms() / 1000);
    int64_t life_s = certificate->until_s - certificate->from_s;
    bool soon = left_s < EXPIRY_SOON_S && left_s < life_s / 3;

    report(doctor, soon ? DOUBTFUL : GOOD, "certificate", "%lld days left; for %s",
           (long long)(left_s / 86400), certificate->names);
    if (soon)
        mend(doctor, "renew it, then `systemctl reload` or SIGHUP");
}

static void look_at_certificate(struct doctor *doctor)
{
    const struct config *config = &doctor->config;
    struct tls_certificate certificate;
    struct tls_server *server;
    char text[CONFIG_ERROR_BYTES];

    if (config->listen.count == 0) {
        report(doctor, GOOD, "certificate", "none needed: nothing listens with TLS");
        return;
    }
    if (tls_server_new(config->tls_cert, config->tls_key, &server, text, sizeof(text)) < 0) {
        report(doctor, BAD, "certificate", "%s", text);
        return;
    }
    tls_server_certificate(server, &certificate);
    report_certificate(doctor, &certificate);
    look_at_key_file(doctor);
    if (config->tls_ocsp) {
        int stale = tls_server_staple(server, config->tls_ocsp, text, sizeof(text));
        report(doctor,
               stale < 0 ? BAD
               : stale   ? DOUBTFUL
                         : GOOD,
               "OCSP response", "%s", stale ? text : "good");
    }
    tls_server_free(server);
}

static void look_at_api_keys(struct doctor *doctor)
{
    struct api_keys keys;
    char text[CONFIG_ERROR_BYTES];

    if (api_keys_open(&doctor->config, &keys, text, sizeof(text)) != 0)
        report(doctor, BAD, "API keys", "%s", text);
}

static void look_at_token_keys(struct doctor *doctor)
{
    struct token_keys *keys;
    char text[CONFIG_ERROR_BYTES];

    if (auth_keys_open(&doctor->config, &keys, text, sizeof(text)) != 0) {
        report(doctor, BAD, "token keys", "%s", text);
        return;
    }
    token_keys_free(keys);
    if (doctor->config.settings.auth_mode == AUTH_OPEN) {
        report(doctor, DOUBTFUL, "who may enter", "everyone: auth.mode is \"open\"");
        mend(doctor, "auth.mode \"token\" asks for a token");
    } else {
        report(doctor, GOOD, "who may enter", "who has a token; %zu key%s",
               doctor->config.auth_keys.count, doctor->config.auth_keys.count == 1 ? "" : "s");
    }
}

static void look_at_user(struct doctor *doctor)
{
    struct identity identity;
    char text[CONFIG_ERROR_BYTES];

    if (identity_find(&doctor->config, &identity, text, sizeof(text)) != 0) {
        report(doctor, BAD, "user", "%s", text);
    } else if (geteuid() == 0 && !identity.wanted) {
        report(doctor, DOUBTFUL, "user", "root, now; a service should be another");
        mend(doctor, "set `user`, or start it by the systemd unit; ask again as that user");
    } else {
        report(doctor, GOOD, "user", "%u", identity.wanted ? identity.uid : geteuid());
    }
}

static void look_at_port(struct doctor *doctor, const struct config_listener *at)
{
    char text[CONFIG_ADDRESS_BYTES];
    struct port_holder holder;
    int error = sockets_check(at);

    config_address_text(at, text);
    if (error != -EADDRINUSE) {
        report(doctor, error ? BAD : GOOD, "port", "%s%s%s", text, error ? ": " : " is free",
               error ? strerror(-error) : "");
        if (error == -EACCES)
            mend(doctor, "below 1024: CAP_NET_BIND_SERVICE, or systemd/ringroom.socket");
        return;
    }
    if (!port_holder_find(at, &holder)) {
        report(doctor, BAD, "port", "%s is taken; by whom, only root may see", text);
        return;
    }
    bool expected = strcmp(holder.name, "ringroom") == 0 || holder.pid == 1;
    report(doctor, expected ? DOUBTFUL : BAD, "port", "%s is taken by %s (pid %d)", text,
           holder.name, holder.pid);
    mend(doctor, expected ? "it runs already, or systemd keeps the port for it"
                          : "stop that, or choose another port");
}

static void look_at_ports(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->config.listen.count; i++)
        look_at_port(doctor, &doctor->config.listen.list[i]);
    for (size_t i = 0; i < doctor->config.listen_plain.count; i++)
        look_at_port(doctor, &doctor->config.listen_plain.list[i]);
}

/* Certificates, tokens and expiry go by it. */
static void look_at_clock(struct doctor *doctor)
{
    struct timex state = {.modes = 0};
    int64_t now_s = (int64_t)(clock_wall_ms() / 1000);

    if (now_s < EARLIEST_S) {
        report(doctor, BAD, "clock", "it is wrong by years");
        mend(doctor, "set it; tokens and certificates are judged by it");
    } else if (adjtimex(&state) == TIME_ERROR && (state.status & STA_UNSYNC)) {
        report(doctor, DOUBTFUL, "clock", "plausible, but nothing keeps it right");
        mend(doctor, "run chrony or systemd-timesyncd: tokens are judged by it");
    } else {
        report(doctor, GOOD, "clock", "kept right");
    }
}

static void look_at_kernel_tls(struct doctor *doctor)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool there = fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls") - 1) != 0 &&
                 errno != ENOENT && errno != ENOPROTOOPT;

    if (fd >= 0)
        close(fd);
    report(doctor, GOOD, "kernel TLS", "%s; the server does without",
           there ? "there" : "not there");
}

int doctor_run(const struct config_source *source, const struct config_machine *machine, FILE *out)
{
    const char *no_colour = getenv("NO_COLOR");
    struct doctor doctor = {.out = out,
                            .machine = machine,
                            .colour = isatty(fileno(out)) && !(no_colour && *no_colour)};

    int error = look_at_configuration(&doctor, source);
    if (error)
        return error;
    look_at_kernel(&doctor);
    look_at_files(&doctor);
    look_at_rings(&doctor);
    look_at_certificate(&doctor);
    look_at_token_keys(&doctor);
    look_at_api_keys(&doctor);
    look_at_user(&doctor);
    look_at_ports(&doctor);
    look_at_clock(&doctor);
    look_at_kernel_tls(&doctor);
    config_deinit(&doctor.config);
    return doctor.failed;
}
