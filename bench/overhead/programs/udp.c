// Sends a datagram to itself from a new connected socket, OPERATIONS times.

#include "loopback.h"

int main(int argc, char **argv) {
    if (argc != 3) usage("PORT OPERATIONS");
    struct sockaddr_in address = loopback(count(argv[1]));
    long operations = count(argv[2]);
    int receiving = server(SOCK_DGRAM, &address);

    double start = now();
    for (long i = 0; i < operations; i++) {
        char byte;
        int sending = client(SOCK_DGRAM, &address);
        if (send(sending, "x", 1, 0) != 1) fail("send");
        if (recv(receiving, &byte, 1, 0) != 1) fail("recv");
        close(sending);
    }
    report(operations, now() - start);
}
