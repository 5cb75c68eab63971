// Starts PROGRAM and waits for its end, OPERATIONS times.

#include "common.h"
#include <spawn.h>
#include <sys/wait.h>

int main(int argc, char **argv) {
    if (argc != 3) usage("PROGRAM OPERATIONS");
    long operations = count(argv[2]);
    char *arguments[] = {argv[1], NULL};

    double start = now();
    for (long i = 0; i < operations; i++) {
        pid_t child;
        int status;
        errno = posix_spawn(&child, argv[1], NULL, NULL, arguments, environ);
        if (errno != 0) fail(argv[1]);
        if (waitpid(child, &status, 0) < 0) fail("waitpid");
        if (status != 0) {
            fprintf(stderr, "%s ended with status %d\n", argv[1], status);
            return 1;
        }
    }
    report(operations, now() - start);
}
