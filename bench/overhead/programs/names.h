// Paths made before the clock starts, so that the measured loop holds nothing but the calls it is about.
#pragma once

#include "common.h"

// FOLDER/00/000000, FOLDER/01/000001 ... FOLDER/00/000100: neighbours lie in different directories.
static inline char **spread_names(const char *folder, long files) {
    char **names = calloc((size_t)files, sizeof *names);
    if (names == NULL) fail("calloc");
    for (long i = 0; i < files; i++) {
        if (asprintf(&names[i], "%s/%02ld/%06ld", folder, i % 100, i) < 0) fail("asprintf");
    }
    return names;
}

// FOLDER/000000SUFFIX, FOLDER/000001SUFFIX ...
static inline char **flat_names(const char *folder, long files, const char *suffix) {
    char **names = calloc((size_t)files, sizeof *names);
    if (names == NULL) fail("calloc");
    for (long i = 0; i < files; i++) {
        if (asprintf(&names[i], "%s/%06ld%s", folder, i, suffix) < 0) fail("asprintf");
    }
    return names;
}

// What an earlier run left: a new file costs more than one that is there, and each run shall make new ones.
static inline void remove_all(char **names, long files) {
    for (long i = 0; i < files; i++) {
        if (unlink(names[i]) != 0 && errno != ENOENT) fail(names[i]);
    }
}
