// What it would cost programs to have further events reported: calls that change a file by its path, and writes, on the
// filesystem of the folder that is given, with no watcher, with the marks that Retinue sets, and with each further bit
// beside them. A thread reads the group in batches every 10 ms, as the daemon does. Rounds are interleaved; printed is,
// for each call and each mask, the median of the nanoseconds a call took and its ratio to Retinue's own marks.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define OBSERVED (FAN_OPEN | FAN_OPEN_EXEC | FAN_CLOSE_WRITE | FAN_CREATE | FAN_RENAME | FAN_ONDIR)

static const struct {
    const char *name;
    uint64_t mask;
} masks[] = {
    {"none", 0},
    {"retinue", OBSERVED},
    {"+DELETE", OBSERVED | FAN_DELETE},
    {"+ATTRIB", OBSERVED | FAN_ATTRIB},
    {"+MODIFY", OBSERVED | FAN_MODIFY},
};
enum { MASKS = sizeof masks / sizeof *masks, CALLS = 2000, MOST_ROUNDS = 99 };

static const char *const calls[] = {"unlink", "chmod", "setxattr", "truncate", "mkdir", "mknod", "write", "create+write+close"};
enum { KINDS = sizeof calls / sizeof *calls };

static volatile int group;

static void *reader(void *unused) {
    static char buffer[1 << 16];
    for (;;) {
        struct pollfd waiting = {.fd = group, .events = POLLIN};
        if (group < 0) {
            usleep(1000);
            continue;
        }
        poll(&waiting, 1, 100);
        usleep(10000);
        while (group >= 0 && read(group, buffer, sizeof buffer) > 0) continue;
    }
    return unused;
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void check(int result, const char *what) {
    if (result < 0) {
        perror(what);
        exit(1);
    }
}

static void make(int count) {
    char name[32];
    for (int i = 0; i < count; i++) {
        sprintf(name, "f%d", i);
        int file = open(name, O_CREAT | O_RDWR, 0600);
        check(file, name);
        check(write(file, "xy", 2), "write");
        close(file);
    }
}

static void clear(void) {
    char name[32];
    for (int i = 0; i < CALLS; i++) {
        sprintf(name, "f%d", i);
        if (unlink(name) < 0) rmdir(name);
    }
}

// Nanoseconds a call, in a process of its own.
static double measure(int kind) {
    int pipes[2];
    check(pipe(pipes), "pipe");
    pid_t child = fork();
    check(child, "fork");
    if (child == 0) {
        char name[32];
        int file = -1;
        uint64_t begin = now();
        for (int i = 0; i < CALLS; i++) {
            sprintf(name, "f%d", i);
            switch (kind) {
            case 0: check(unlink(name), "unlink"); break;
            case 1: check(chmod(name, 0640), "chmod"); break;
            case 2: check(setxattr(name, "trusted.k", "v", 1, 0), "setxattr"); break;
            case 3: check(truncate(name, 1), "truncate"); break;
            case 4: check(mkdir(name, 0700), "mkdir"); break;
            case 5: check(mknod(name, S_IFIFO | 0600, 0), "mknod"); break;
            case 6:
                if (file < 0) check(file = open(name, O_WRONLY), "open");
                check(write(file, "xy", 2), "write");
                break;
            case 7:
                check(file = open(name, O_CREAT | O_WRONLY, 0600), "create");
                check(write(file, "xy", 2), "write");
                close(file);
                break;
            }
        }
        uint64_t took = now() - begin;
        check(write(pipes[1], &took, sizeof took), "pipe");
        _exit(0);
    }
    uint64_t took;
    check(read(pipes[0], &took, sizeof took) == sizeof took ? 0 : -1, "child");
    waitpid(child, NULL, 0);
    close(pipes[0]);
    close(pipes[1]);
    return (double)took / CALLS;
}

static int compare(const void *a, const void *b) {
    double one = *(const double *)a, other = *(const double *)b;
    return one < other ? -1 : one > other;
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: measure FOLDER ROUNDS\n");
        return 2;
    }
    check(chdir(arguments[1]), arguments[1]);
    int rounds = atoi(arguments[2]) < MOST_ROUNDS ? atoi(arguments[2]) : MOST_ROUNDS;
    static double times[KINDS][MASKS][MOST_ROUNDS];
    group = -1;
    pthread_t thread;
    pthread_create(&thread, NULL, reader, NULL);
    for (int round = 0; round < rounds; round++)
        for (int kind = 0; kind < KINDS; kind++)
            for (int step = 0; step < MASKS; step++) {
                int mask = (step + round) % MASKS;
                if (kind < 4) make(CALLS);
                if (kind == 6) make(1);
                if (masks[mask].mask) {
                    int opened = fanotify_init(FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE | FAN_REPORT_DFID_NAME_TARGET, O_RDONLY);
                    check(opened, "fanotify_init");
                    check(fanotify_mark(opened, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, masks[mask].mask, AT_FDCWD, "."), "fanotify_mark");
                    group = opened;
                }
                times[kind][mask][round] = measure(kind);
                int opened = group;
                group = -1;
                if (opened >= 0) {
                    usleep(15000);
                    close(opened);
                }
                clear();
            }
    printf("call,mask,nanoseconds,ratio\n");
    for (int kind = 0; kind < KINDS; kind++) {
        for (int mask = 0; mask < MASKS; mask++) qsort(times[kind][mask], rounds, sizeof(double), compare);
        for (int mask = 0; mask < MASKS; mask++)
            printf("%s,%s,%.0f,%.2f\n", calls[kind], masks[mask].name, times[kind][mask][rounds / 2],
                   times[kind][mask][rounds / 2] / times[kind][1][rounds / 2]);
    }
    return 0;
}
