// Accepts OPERATIONS connections, each from a process of its own that is forked for it.

#include "loopback.h"
#include <sys/wait.h>

static void talk(const struct sockaddr_in *address) {
    char byte;
    int descriptor = client(SOCK_STREAM, address);
    if (read(descriptor, &byte, 1) != 1) fail("read");  // the second byte stays: see loopback.h
    close(descriptor);
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc != 3) usage("PORT OPERATIONS");
    struct sockaddr_in address = loopback(count(argv[1]));
    long operations = count(argv[2]);
    int listening = server(SOCK_STREAM, &address);

    double start = now();
    for (long i = 0; i < operations; i++) {
        int status;
        pid_t child = fork();
        if (child < 0) fail("fork");
        if (child == 0) talk(&address);
        int far = accept(listening, NULL, NULL);
        if (far < 0) fail("accept");
        if (send(far, "xy", 2, MSG_NOSIGNAL) != 2) fail("send");
        close(far);
        if (waitpid(child, &status, 0) < 0) fail("waitpid");
        if (status != 0) return 1;
    }
    report(operations, now() - start);
}
