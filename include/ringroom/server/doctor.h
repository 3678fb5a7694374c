/* doctor.h - looks at what a server needs of this machine, and says what is wrong and how to mend
 * it.
 *
 * Threads   the main thread, before any other starts. */
#pragma once

#include "ringroom/server/config.h"

/* Prints a line for each thing, in colour on a terminal unless NO_COLOR is set. 0 where nothing is
 * FAIL, 1 where something is, or -ENOMEM. */
int doctor_run(const struct config_source *source, const struct config_machine *machine, FILE *out);
