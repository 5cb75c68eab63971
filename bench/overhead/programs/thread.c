// Starts a thread and waits for its end, OPERATIONS times: it shows no watcher anything about dependencies.

#include "common.h"
#include <pthread.h>

static void *nothing(void *argument) {
    return argument;
}

int main(int argc, char **argv) {
    if (argc != 2) usage("OPERATIONS");
    long operations = count(argv[1]);

    double start = now();
    for (long i = 0; i < operations; i++) {
        pthread_t thread;
        errno = pthread_create(&thread, NULL, nothing, NULL);
        if (errno != 0) fail("pthread_create");
        errno = pthread_join(thread, NULL);
        if (errno != 0) fail("pthread_join");
    }
    report(operations, now() - start);
}
