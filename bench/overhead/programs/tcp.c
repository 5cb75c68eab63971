// Connects to itself, accepts and closes both ends, OPERATIONS times, one connection at a time.

#include "loopback.h"

int main(int argc, char **argv) {
    if (argc != 3) usage("PORT OPERATIONS");
    struct sockaddr_in address = loopback(count(argv[1]));
    long operations = count(argv[2]);
    int listening = server(SOCK_STREAM, &address);

    double start = now();
    for (long i = 0; i < operations; i++) {
        int near = client(SOCK_STREAM, &address);  // the backlog completes it before anybody accepts
        int far = accept(listening, NULL, NULL);
        if (far < 0) fail("accept");
        if (send(far, "x", 1, MSG_NOSIGNAL) != 1) fail("send");
        close(far);
        close(near);
    }
    report(operations, now() - start);
}
