// crowd COUNT: so many processes, each with four descriptors and a pair of sockets, asleep; ends with its standard input.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 0, made = 0;
    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        if (child < 0) break;
        made++;
        if (child > 0) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int pair[2];
        if (open("/dev/null", O_RDWR) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) _exit(1);
        while (1) pause();
    }
    printf("%d\n", made);
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) continue;
    return 0;
}
