/* main.c - the program: what the command line asks for. */
#include "ringroom/base/mem.h"
#include "ringroom/proto/native.h"
#include "ringroom/server/cli.h"
#include "ringroom/server/serve.h"

int main(int argc, char **argv, char **environment)
{
    struct config_machine machine;
    struct config config;
    struct cli_source source;
    int status;

    native_init(); /* the configuration is JSON too, and may hold secrets */
    config_machine_probe(&machine);
    if (cli_run(argc, (const char *const *)argv, (const char *const *)environment, &machine, stdout,
                stderr, &config, &source, &status)) {
        status = serve(&config, &source.source);
        mem_free(source.sets);
    }
    return status;
}
