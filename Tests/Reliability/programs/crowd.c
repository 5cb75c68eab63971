// Processes that only wait.
//
//   crowd COUNT
//
// Prints `up COUNT`; they end with it, when its input ends.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int count, char **arguments) {
    int up = 0;
    char byte;
    for (int n = count == 2 ? atoi(arguments[1]) : 0; n > 0; n--) {
        pid_t pid = fork();
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;) pause();
        }
        up += pid > 0;
    }
    printf("up %d\n", up);
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {}
    return 0;
}
