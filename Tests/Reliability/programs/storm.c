// A mixed load in which every fact has a name of its own, and a log that says when each was caused.
//
//   storm FOLDER SECONDS OPENS SPAWNS CONNECTIONS PORT UNIT LOG [NAMES]
//
// OPENS, SPAWNS and CONNECTIONS are rates a second, 0 for none and -1 for as fast as it goes. Files are FOLDER/fD/N,
// a spawned UNIT creates FOLDER/uD/N, connection N goes from this program to port PORT of 127.A.B.C, one address each.
// LOG.f, LOG.u and LOG.c get `NAME BEFORE AFTER` a line, wall-clock times in nanoseconds, and at last `= COUNT 0`. With
// NAMES, so many of each kind are used, over and over, and logged the first time.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static volatile sig_atomic_t ended;
static const char *folder, *unit;
static int port;
static long names;

static void end(int signal) { ended = signal; }

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void name(char *to, size_t size, char kind, long n) {
    snprintf(to, size, "%s/%c%ld", folder, kind, n / 1000);
    if (n % 1000 == 0) mkdir(to, 0755);
    snprintf(to, size, "%s/%c%ld/%ld", folder, kind, n / 1000, n);
}

static int open_file(long n, char *to, size_t size) {
    name(to, size, 'f', n);
    int file = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (file < 0) return -1;
    close(file);
    return 0;
}

static int spawn_unit(long n, char *to, size_t size) {
    name(to, size, 'u', n);
    char *child[] = {(char *)unit, to, NULL};
    pid_t pid;
    int status;
    if (posix_spawn(&pid, unit, NULL, NULL, child, environ)) return -1;
    return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static int connect_once(long n, char *to, size_t size) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    snprintf(to, size, "127.%ld.%ld.%ld", 1 + n / 62500 % 250, n / 250 % 250, 1 + n % 250);
    inet_pton(AF_INET, to, &address.sin_addr);
    char bytes[16];
    int result = -1, connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!connect(connection, (void *)&address, sizeof address) && write(connection, "abcdefghij", 10) == 10) {
        while (read(connection, bytes, sizeof bytes) > 0) {}
        result = 0;
    }
    close(connection);
    return result;
}

static pid_t cause(const char *log, char kind, double seconds, double rate, int (*once)(long, char *, size_t)) {
    pid_t pid = rate == 0 ? 0 : fork();
    if (rate == 0 || pid > 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // What was begun is finished, and said.
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = end, .sa_flags = SA_RESTART}, NULL);
    char path[4096];
    snprintf(path, sizeof path, "%s.%c", log, kind);
    FILE *lines = fopen(path, "we");
    long long start = now(), stop = start + seconds * 1e9, before;
    long done = 0;
    for (long n = 0; !ended && (before = now()) < stop; n++) {
        // Sleeping costs more than a fact: some are caused together.
        long long early = rate > 0 ? start + (long long)(n / rate * 1e9) - before : 0;
        if (early > 1000000) {
            nanosleep(&(struct timespec){early / 1000000000, early % 1000000000}, NULL);
            before = now();
        }
        if (once(names ? n % names : n, path, sizeof path)) continue;
        done++;
        if (!names || n < names) fprintf(lines, "%s %lld %lld\n", path, before, now());
    }
    fprintf(lines, "= %ld 0\n", done);
    fclose(lines);
    _exit(0);
}

int main(int count, char **arguments) {
    if (count < 9) return 2;
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    folder = arguments[1], unit = arguments[7], port = atoi(arguments[6]);
    names = count > 9 ? atol(arguments[9]) : 0;
    double seconds = atof(arguments[2]);
    pid_t children[] = {
        cause(arguments[8], 'f', seconds, atof(arguments[3]), open_file),
        cause(arguments[8], 'u', seconds, atof(arguments[4]), spawn_unit),
        cause(arguments[8], 'c', seconds, atof(arguments[5]), connect_once),
    };
    for (int i = 0; i < 3; i++)
        while (children[i] > 0 && waitpid(children[i], NULL, 0) < 0 && errno == EINTR)
            for (int j = 0; j < 3; j++)
                if (children[j] > 0) kill(children[j], SIGTERM);
    return 0;
}
