// What every program of this folder needs: a clock, a way to fail, numbers from the command line.
#pragma once

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static inline void fail(const char *what) {
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

static inline void usage(const char *arguments) {
    fprintf(stderr, "usage: %s %s\n", program_invocation_short_name, arguments);
    exit(2);
}

static inline long count(const char *text) {
    char *end;
    long number = strtol(text, &end, 10);
    if (*end != '\0' || number < 1) {
        fprintf(stderr, "%s: not a count: %s\n", program_invocation_short_name, text);
        exit(2);
    }
    return number;
}

static inline void report(long operations, double seconds) {
    printf("%ld %.9f\n", operations, seconds);
}
