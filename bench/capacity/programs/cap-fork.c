// Starts COUNT processes one after the other and waits for each: with a PROGRAM by posix_spawn, without one by
// a fork that ends at once. Prints when it began and when it ended, CLOCK_MONOTONIC.
//
//   cap-fork COUNT [PROGRAM]
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

int main(int count, char **arguments) {
    if (count != 2 && count != 3) return fputs("usage: cap-fork COUNT [PROGRAM]\n", stderr), 2;
    long processes = atol(arguments[1]);
    char *program[] = {arguments[2], NULL}, *environment[] = {NULL};
    double begin = now();
    for (long done = 0; done < processes; done++) {
        pid_t child;
        if (count == 3) {
            errno = posix_spawn(&child, program[0], NULL, NULL, program, environment);
            if (errno) return perror(program[0]), 1;
        } else {
            child = fork();
            if (child < 0) return perror("fork"), 1;
            if (child == 0) _exit(0);
        }
        int status;
        if (waitpid(child, &status, 0) != child || status) return perror("waitpid"), 1;
    }
    printf("%.9f %.9f\n", begin, now());
    return 0;
}
