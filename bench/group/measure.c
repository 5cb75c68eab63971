// Runs a command and prints what it took: wall, user and system seconds, peak resident KiB, exit status (or "timeout").
//
//   measure SECONDS MIB OUTPUT COMMAND [ARGUMENT...]
//
// Before it, MIB of memory are taken, written and given back. A hypervisor may take back what a guest does not use; then
// the first use of each page is an exit to it, several times what the page costs on a machine of its own, and how many of
// them a command meets depends on how much the command before it gave back. Now none of the commands meets any.
//
// A program of its own because a child's peak memory counts what it had before its exec: started by Python, nothing
// would seem to need less than Python does.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
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

// In a process of its own: what this one had would be counted as its child's peak.
static int haveMemory(size_t bytes) {
    pid_t warmer = fork();
    if (warmer < 0) return -1;
    if (warmer == 0) {
        char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) _exit(1);
        for (size_t place = 0; place < bytes; place += 4096) memory[place] = 1;
        _exit(0);
    }
    int status;
    while (waitpid(warmer, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return status == 0 ? 0 : -1;
}

int main(int count, char **arguments) {
    if (count < 5) {
        fputs("measure: SECONDS MIB OUTPUT COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    size_t bytes = strtoul(arguments[2], NULL, 10) << 20;
    if (bytes > 0 && haveMemory(bytes) < 0) {
        fputs("measure: no memory to begin with\n", stderr);
        return 2;
    }
    int output = open(arguments[3], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (output < 0) {
        perror(arguments[3]);
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
        execvp(arguments[4], arguments + 4);
        perror(arguments[4]);
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
