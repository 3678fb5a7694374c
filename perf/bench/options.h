/* options.h - the bench's command line. */
#pragma once

#include "probe.h"
#include "target.h"

#include <stdbool.h>
#include <stdint.h>

enum { OPTIONS_SIZE_MIN = 32, OPTIONS_SIZE_MAX = 16000 };

struct options {
    const char *scenario;
    struct target target;
    enum proto proto;
    struct probe probe;
    uint32_t connections;
    uint32_t rooms;
    double rate; /* deliveries a second, over all reading connections */
    double rate_max;
    uint32_t size; /* bytes of a message's text */
    double duration_s;
    double warmup_s;
    double stalled_percent;
    uint32_t stalled; /* connections beside the live ones, in the stalled scenario */
    uint32_t burst;
    uint32_t messages;
    uint32_t joiners;
    uint32_t parallel; /* connects or joins under way at once */
    double p99_ms[4];  /* the bounds of a search, ascending */
    unsigned p99_count;
    unsigned source_base;
    bool poisson;
    bool acks;
    bool spin;
    bool json;
};

/* 0; 1 if the help was asked for and printed; 2 with a line on standard error. */
int options_parse(int argc, char **argv, struct options *ret_options);
