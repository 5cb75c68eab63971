// COUNT processes that do nothing. Prints "ready" once all are there; they end with it, and it ends when its
// standard input does.
//
//   cap-idle COUNT
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **arguments) {
    if (count != 2) return fputs("usage: cap-idle COUNT\n", stderr), 2;
    long processes = atol(arguments[1]);
    pid_t *children = calloc((size_t)processes, sizeof *children);
    pid_t parent = getpid();
    long made = 0;
    while (children && made < processes) {
        pid_t child = fork();
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent) _exit(0); // it died before the line above
            for (;;) pause();
        }
        if (child < 0) break;
        children[made++] = child;
    }
    if (made == processes) {
        puts("ready");
        fflush(stdout);
        char byte;
        while (read(STDIN_FILENO, &byte, 1) > 0) continue;
    } else {
        perror("cap-idle: fork");
    }
    for (long index = 0; index < made; index++) kill(children[index], SIGKILL);
    while (wait(NULL) > 0) continue;
    return made == processes ? 0 : 1;
}
