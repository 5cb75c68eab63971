// Many processes that each open one file of their own, write another of their own and exit at once.
//
//   opener COUNT FOLDER [PROGRAM...]
//
// Child number i reads FOLDER/read/i and writes FOLDER/write/i. It runs PROGRAM number i modulo their
// count (copies of this program, so that each is a program of its own), or this program itself.
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { atOnce = 16 };

static int child(const char *folder, const char *number) {
    char path[4096];
    char byte;
    snprintf(path, sizeof path, "%s/read/%s", folder, number);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0 || read(from, &byte, 1) != 1) return 1;
    snprintf(path, sizeof path, "%s/write/%s", folder, number);
    int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (to < 0 || write(to, &byte, 1) != 1) return 1;
    return 0;
}

static int reap(void) {
    int status = 0;
    while (wait(&status) < 0) {
        if (errno != EINTR) return 1;
    }
    return status != 0;
}

int main(int count, char **arguments) {
    if (count == 4 && strcmp(arguments[1], "child") == 0) return child(arguments[2], arguments[3]);
    if (count < 3) return 2;
    char *self[] = {"/proc/self/exe"};
    char resolved[4096] = {0};
    if (readlink("/proc/self/exe", resolved, sizeof resolved - 1) < 0) return 1;
    self[0] = resolved;
    char **programs = count > 3 ? arguments + 3 : self;
    int different = count > 3 ? count - 3 : 1;
    int total = atoi(arguments[1]);
    int failed = 0;
    for (int i = 0; i < total; i++) {
        if (i >= atOnce) failed += reap();
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        char *program = programs[i % different];
        char *childArguments[] = {program, "child", arguments[2], number, NULL};
        char *environment[] = {NULL};
        pid_t pid;
        if (posix_spawn(&pid, program, NULL, NULL, childArguments, environment) != 0) return 1;
    }
    for (int i = 0; i < total && i < atOnce; i++) failed += reap();
    return failed != 0;
}
