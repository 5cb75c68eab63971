// Opens a file, signals the daemon at once, and looks for the file in the dump that follows.
//
//   barrier DAEMON-PID LATEST FOLDER COUNT
//
// LATEST is the path of latest.ndjson. Does so COUNT times, each with a file of its own; prints how often
// the file was found, and the names of those that were not. Even numbers are created by the open, odd ones
// are there before (made by mknod, which is no open).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { patience = 20 };

struct identity {
    char target[4096];
    dev_t device;
    ino_t inode;
    struct timespec changed;
};

// What latest.ndjson names now, whether it is a symbolic link or a hard one.
static void look(const char *latest, struct identity *identity) {
    struct stat status;
    memset(identity, 0, sizeof *identity);
    if (readlink(latest, identity->target, sizeof identity->target - 1) < 0) identity->target[0] = 0;
    if (lstat(latest, &status) != 0) return;
    identity->device = status.st_dev;
    identity->inode = status.st_ino;
    identity->changed = status.st_mtim;
}

static int waitForNew(const char *latest, const struct identity *before) {
    time_t end = time(NULL) + patience;
    while (time(NULL) <= end) {
        struct identity now;
        look(latest, &now);
        if (now.inode != 0 && memcmp(&now, before, sizeof now) != 0) return 0;
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    return 1;
}

static int contains(const char *file, const char *text) {
    int descriptor = open(file, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status) != 0) return 0;
    char *bytes = malloc((size_t)status.st_size + 1);
    size_t have = 0;
    ssize_t got;
    while ((got = read(descriptor, bytes + have, (size_t)status.st_size - have)) > 0) have += (size_t)got;
    close(descriptor);
    int found = memmem(bytes, have, text, strlen(text)) != NULL;
    free(bytes);
    return found;
}

int main(int count, char **arguments) {
    if (count != 5) return 2;
    pid_t daemon = atoi(arguments[1]);
    const char *latest = arguments[2];
    int total = atoi(arguments[4]);
    int found = 0;
    for (int i = 0; i < total; i++) {
        char path[4096];
        char quoted[4100];
        struct identity before;
        snprintf(path, sizeof path, "%s/barrier-%d", arguments[3], i);
        snprintf(quoted, sizeof quoted, "\"%s\"", path);
        if (i % 2 == 1 && mknod(path, S_IFREG | 0600, 0) != 0) return 1;
        look(latest, &before);
        int descriptor = open(path, i % 2 == 0 ? O_WRONLY | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);
        if (descriptor < 0) return 1;
        if (kill(daemon, SIGUSR1) != 0) return 1;
        if (waitForNew(latest, &before) != 0) {
            printf("no dump after %s\n", path);
            return 1;
        }
        close(descriptor);
        if (contains(latest, quoted)) {
            found++;
        } else {
            printf("missing %s\n", path);
        }
    }
    printf("found %d of %d\n", found, total);
    return found != total;
}
