/* main.c - the program: what the command line asks for. */
#include "ringroom/proto/native.h"
#include "ringroom/server/cli.h"
#include "ringroom/server/serve.h"

int main(int argc, char **argv, char **environment)
{
    struct config_machine machine;
    struct config config;
    int status;

    native_init(); /* the configuration is JSON too, and may hold secrets */
    config_machine_probe(&machine);
    if (cli_run(argc, (const char *const *)argv, (const char *const *)environment, &machine, stdout,
                stderr, &config, &status)) {
        status = serve(&config);
        config_deinit(&config);
    }
    return status;
}
