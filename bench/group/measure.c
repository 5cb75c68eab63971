// Runs a command and prints what it took: wall, user and system seconds, peak resident KiB, exit status (or "timeout").
//
//   measure SECONDS OUTPUT COMMAND [ARGUMENT...]
//
// A program of its own because a child's peak memory counts what it had before its exec: started by Python, nothing
// would seem to need less than Python does.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile pid_t child;
static volatile sig_atomic_t late;

// The command has a process group of its own, so that what it started goes with it.
static void onAlarm(int signal) {
    (void)signal;
    late = 1;
    kill(-child, SIGKILL);
}

// Interrupted by hand: the command must not outlive this.
static void onInterrupt(int signal) {
    kill(-child, SIGKILL);
    _exit(128 + signal);
}

static double seconds(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int count, char **arguments) {
    if (count < 4) {
        fputs("measure: SECONDS OUTPUT COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    int output = open(arguments[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (output < 0) {
        perror(arguments[2]);
        return 2;
    }
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    child = fork();
    if (child < 0) {
        perror("fork");
        return 2;
    }
    if (child == 0) {
        setpgid(0, 0);
        dup2(output, STDOUT_FILENO);
        execvp(arguments[3], arguments + 3);
        perror(arguments[3]);
        _exit(127);
    }
    setpgid(child, child);
    signal(SIGALRM, onAlarm);
    signal(SIGINT, onInterrupt);
    signal(SIGTERM, onInterrupt);
    alarm((unsigned)atoi(arguments[1]));
    int status;
    struct rusage usage;
    while (wait4(child, &status, 0, &usage) < 0)
        if (errno != EINTR) {
            perror("wait4");
            return 2;
        }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.6f %.6f %.6f %ld ",
           (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9,
           seconds(usage.ru_utime), seconds(usage.ru_stime), usage.ru_maxrss);
    if (late) puts("timeout");
    else printf("%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
