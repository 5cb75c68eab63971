// What the kernel alone costs and allows: a fanotify group with the daemon's mask and flags, on the file system
// that holds FOLDER, whose events are read in the daemon's way and dropped. Every INTERVAL milliseconds the
// queue is emptied; with 0 it waits in read. On SIGTERM prints how many events it read.
//
//   cap-discard FOLDER INTERVAL
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ended;
static void end(int signal) { ended = signal; }

int main(int count, char **arguments) {
    if (count != 3) return fputs("usage: cap-discard FOLDER INTERVAL\n", stderr), 2;
    long interval = atol(arguments[2]);
    unsigned flags = FAN_CLOEXEC | FAN_CLASS_NOTIF | FAN_UNLIMITED_MARKS | FAN_UNLIMITED_QUEUE |
                     FAN_REPORT_DFID_NAME_TARGET | (interval ? FAN_NONBLOCK : 0);
    int group = fanotify_init(flags, O_RDONLY | O_CLOEXEC | O_LARGEFILE | O_NOATIME);
    unsigned long mask = FAN_OPEN | FAN_OPEN_EXEC | FAN_CLOSE_WRITE | FAN_CREATE | FAN_RENAME | FAN_ONDIR;
    if (group < 0 || fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, mask, AT_FDCWD, arguments[1]))
        return perror("cap-discard"), 1;
    struct sigaction action = {.sa_handler = end}; // without SA_RESTART: read and nanosleep return
    sigaction(SIGTERM, &action, NULL);
    static char buffer[64 << 10];
    unsigned long events = 0, lost = 0;
    puts("ready");
    fflush(stdout);
    while (!ended) {
        ssize_t length = read(group, buffer, sizeof buffer);
        if (length < 0 && errno == EAGAIN) {
            struct timespec pause = {interval / 1000, interval % 1000 * 1000000};
            nanosleep(&pause, NULL);
        } else if (length < 0 && errno != EINTR) {
            return perror("cap-discard: read"), 1;
        }
        struct fanotify_event_metadata *event = (struct fanotify_event_metadata *)buffer;
        for (; length > 0 && FAN_EVENT_OK(event, length); event = FAN_EVENT_NEXT(event, length)) {
            if (event->mask & FAN_Q_OVERFLOW) lost++;
            else events++;
        }
    }
    printf("%lu %lu\n", events, lost);
    return 0;
}
