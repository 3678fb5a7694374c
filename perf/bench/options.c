#include "options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum type { TYPE_COUNT, TYPE_NUMBER, TYPE_FLAG };

#define FIELD(name) offsetof(struct options, name)

/* Options that fill one field; the others have a branch in take(). */
static const struct {
    const char *name;
    enum type type;
    size_t field;
    const char *help;
} fields[] = {
    {"--connections", TYPE_COUNT, FIELD(connections), "connections, spread evenly over the rooms"},
    {"--rooms", TYPE_COUNT, FIELD(rooms), "rooms; in `rooms`: how many are made"},
    {"--rate", TYPE_NUMBER, FIELD(rate),
     "deliveries a second offered: messages a second times members of a room; `search` starts "
     "here"},
    {"--rate-max", TYPE_NUMBER, FIELD(rate_max), "where `search` ends"},
    {"--size", TYPE_COUNT, FIELD(size), "bytes of a message's text, at least 32"},
    {"--duration", TYPE_NUMBER, FIELD(duration_s), "seconds measured"},
    {"--warmup", TYPE_NUMBER, FIELD(warmup_s), "seconds before, under the same load"},
    {"--burst", TYPE_COUNT, FIELD(burst), "messages sent to one room at one intended time"},
    {"--stalled", TYPE_NUMBER, FIELD(stalled_percent), "percent of connections that stop reading"},
    {"--stalled-count", TYPE_COUNT, FIELD(stalled), "stalled readers added in `stalled`"},
    {"--messages", TYPE_COUNT, FIELD(messages), "messages of history in `history`"},
    {"--joiners", TYPE_COUNT, FIELD(joiners), "joins in `history`"},
    {"--parallel", TYPE_COUNT, FIELD(parallel), "connects, joins or rooms under way at once"},
    {"--source-base", TYPE_COUNT, FIELD(source_base), "first source address is 127.0.0.(1 + this)"},
    {"--poisson", TYPE_FLAG, FIELD(poisson), "random instead of even intervals"},
    {"--acks", TYPE_FLAG, FIELD(acks), "ask for an ack of every message"},
    {"--spin", TYPE_FLAG, FIELD(spin), "never sleep: spares the server our wake-ups"},
    {"--json", TYPE_FLAG, FIELD(json), "one JSON object instead of lines"},
};

static void print_help(void)
{
    puts("ringroom-bench --url wss://127.0.0.1:PORT [--pid SERVER_PID]… [options]\n"
         "  --scenario       fanout (default) search idle connect history rooms stalled\n"
         "  --proto          what the connections speak: native (default) socketio mixed;\n"
         "                   mixed: every other one Socket.IO\n"
         "  --pid            a server process to watch; several may be given\n"
         "  --p99-ms         bounds of `search`, as 10,50");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        printf("  %-16s %s\n", fields[i].name, fields[i].help);
}

static bool parse_number(const char *value, double *ret_number)
{
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end || !(number >= 0 && number <= 1e12))
        return false;
    *ret_number = number;
    return true;
}

static bool fill(struct options *o, size_t i, const char *value)
{
    char *field = (char *)o + fields[i].field;
    double number = 1;
    if (fields[i].type != TYPE_FLAG && !parse_number(value, &number))
        return false;
    if (fields[i].type == TYPE_NUMBER)
        memcpy(field, &number, sizeof number);
    else if (fields[i].type == TYPE_FLAG)
        *(bool *)field = true;
    else if (number <= UINT32_MAX)
        memcpy(field, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
    else
        return false;
    return true;
}

static bool parse_bounds(struct options *o, const char *value)
{
    char *end;
    for (o->p99_count = 0; o->p99_count < 4; value = end + 1) {
        o->p99_ms[o->p99_count++] = strtod(value, &end);
        if (end == value)
            return false;
        if (*end != ',')
            return *end == 0;
    }
    return false;
}

static bool parse_proto(struct options *o, const char *value)
{
    static const char *const names[] = {
        [PROTO_NATIVE] = "native", [PROTO_SOCKETIO] = "socketio", [PROTO_MIXED] = "mixed"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(value, names[i]) == 0) {
            o->proto = (enum proto)i;
            return true;
        }
    }
    return false;
}

/* True if taken; *ret_used says whether the value was. */
static bool take(struct options *o, const char *name, const char *value, bool *ret_used)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(name, fields[i].name) != 0)
            continue;
        *ret_used = fields[i].type != TYPE_FLAG;
        return (value || !*ret_used) && fill(o, i, value);
    }
    *ret_used = true;
    if (!value)
        return false;
    if (strcmp(name, "--scenario") == 0) {
        o->scenario = value;
        return true;
    }
    if (strcmp(name, "--url") == 0)
        return target_parse(value, &o->target);
    if (strcmp(name, "--proto") == 0)
        return parse_proto(o, value);
    if (strcmp(name, "--pid") == 0)
        return probe_add(&o->probe, atoi(value)) == 0;
    return strcmp(name, "--p99-ms") == 0 && parse_bounds(o, value);
}

static const char *wrong(const struct options *o)
{
    if (!o->target.requests[0][0])
        return "--url is missing";
    if (o->proto != PROTO_NATIVE && strcmp(o->scenario, "rooms") == 0)
        return "--scenario rooms speaks the native form only";
    if (o->connections == 0 || o->rooms == 0)
        return "--connections and --rooms must be at least 1";
    if (o->size < OPTIONS_SIZE_MIN || o->size > OPTIONS_SIZE_MAX)
        return "--size must be 32 to 16000";
    if (o->burst == 0 || o->parallel == 0)
        return "--burst and --parallel must be at least 1";
    if (o->rate <= 0 || o->duration_s <= 0 || o->stalled_percent > 100)
        return "--rate and --duration must be above 0, --stalled at most 100";
    return NULL;
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
    struct options o = {.scenario = "fanout",
                        .connections = 1000,
                        .rooms = 100,
                        .rate = 20000,
                        .rate_max = 4e6,
                        .size = 200,
                        .duration_s = 5,
                        .warmup_s = 1,
                        .burst = 1,
                        .stalled = 1000,
                        .messages = 1000,
                        .joiners = 200,
                        .parallel = 16,
                        .p99_ms = {10, 50},
                        .p99_count = 2};
    for (int i = 1; i < argc; i++) {
        bool used = false;
        if (strcmp(argv[i], "--help") == 0) {
            print_help();
            return 1;
        }
        if (!take(&o, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used)) {
            fprintf(stderr, "ringroom-bench: %s%s%s is not understood; see --help\n", argv[i],
                    used ? " " : "", used && i + 1 < argc ? argv[i + 1] : "");
            return 2;
        }
        i += used;
    }
    const char *fault = wrong(&o);
    if (fault) {
        fprintf(stderr, "ringroom-bench: %s\n", fault);
        return 2;
    }
    *ret_options = o;
    return 0;
}
