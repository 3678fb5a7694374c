/* scenario.h - what the bench can do, one function and one file each.
 *
 * Each prints a report on standard output and returns the exit status: 0; 1 if it could not run;
 * 3 if it ran, and messages were lost, doubled, reordered or differed without a gap event. */
#pragma once

#include "options.h"

enum { SCENARIO_OK = 0, SCENARIO_FAILED = 1, SCENARIO_FAULTY = 3 };

/* Members in rooms under one load. */
int scenario_fanout(const struct options *o);
/* The highest load whose p99 stays under each bound. */
int scenario_search(const struct options *o);
/* A busy room without and with stalled readers. */
int scenario_stalled(const struct options *o);
/* Connections that are joined and silent: memory, idle CPU. */
int scenario_idle(const struct options *o);
/* Full and resumed TLS connects with a join. */
int scenario_connect(const struct options *o);
/* Joins of a room that has a history. */
int scenario_history(const struct options *o);
/* Many rooms with one message each. */
int scenario_rooms(const struct options *o);
