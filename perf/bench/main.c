/* ringroom-bench: a load generator that verifies what it receives. See perf/README.md. */
#include "options.h"
#include "scenario.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(const struct options *o);
} scenarios[] = {
    {"fanout", scenario_fanout}, {"search", scenario_search},   {"stalled", scenario_stalled},
    {"idle", scenario_idle},     {"connect", scenario_connect}, {"history", scenario_history},
    {"rooms", scenario_rooms},
};

int main(int argc, char **argv)
{
    struct options options;
    int result = options_parse(argc, argv, &options);
    if (result)
        return result == 1 ? 0 : result;
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
        if (strcmp(options.scenario, scenarios[i].name) == 0)
            return scenarios[i].run(&options);
    fprintf(stderr, "ringroom-bench: --scenario %s is not one of those --help names\n",
            options.scenario);
    return 2;
}
