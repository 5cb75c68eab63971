// Opens a new file, once each, at every interval, and says when.
//
//   marker FOLDER MILLISECONDS FIRST
//
// Creates FOLDER/m-N for N from FIRST on and prints `N BEFORE AFTER`, wall-clock times in nanoseconds around the
// open, until it is killed.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int count, char **arguments) {
    if (count != 4 || chdir(arguments[1]) != 0) return 2;
    long pause = atol(arguments[2]);
    struct timespec interval = {pause / 1000, pause % 1000 * 1000000};
    for (long n = atol(arguments[3]);; n++) {
        char name[32];
        snprintf(name, sizeof name, "m-%ld", n);
        long long before = now();
        int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (file < 0) return 1;
        close(file);
        printf("%ld %lld %lld\n", n, before, now());
        fflush(stdout);
        nanosleep(&interval, NULL);
    }
}
