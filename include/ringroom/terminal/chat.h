/* chat.h - `ringroom chat`: a room at a terminal, or in a pipe.
 *
 * Threads   the main thread; it sets up signals for itself.
 * Ownership options are borrowed for the length of the call. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CHAT_HISTORY_ALL UINT64_MAX

struct chat_options {
    const char *url;
    const char *name; /* NULL, as the next three: none */
    const char *token;
    const char *token_file; /* read again for each connection, and before a token runs out */
    const char *ca_file;
    uint64_t history; /* the newest so many, or CHAT_HISTORY_ALL */
    bool insecure;    /* certificates are not checked */
    bool json;        /* events as they come, one a line */
    bool follow;      /* when input has ended, reads on */
};

enum { CHAT_OK = 0, CHAT_FAILED = 1, CHAT_WRONG = 2 /* the options cannot be meant so */ };

/* Talks with standard input and output until told to stop; returns the exit status. What is wrong
 * is told on `err`. */
int chat_run(const struct chat_options *options, FILE *err);
