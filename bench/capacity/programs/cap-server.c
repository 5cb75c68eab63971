// Listens on PORTS ports of 127.0.0.1, prints their numbers, and answers every connection: takes one byte and
// closes. Ends when its standard input does.
//
//   cap-server PORTS
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_PORTS 64

static void answer(int listener) {
    for (;;) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0) return;
        char byte;
        if (recv(connection, &byte, 1, 0) != 1) perror("cap-server: recv");
        close(connection);
    }
}

int main(int count, char **arguments) {
    int ports = count == 2 ? atoi(arguments[1]) : 0;
    if (ports < 1 || ports > MOST_PORTS) return fputs("usage: cap-server PORTS\n", stderr), 2;
    struct pollfd polled[MOST_PORTS + 1];
    for (int index = 0; index < ports; index++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t length = sizeof address;
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) || listen(listener, 512) ||
            getsockname(listener, (struct sockaddr *)&address, &length))
            return perror("cap-server"), 1;
        printf("%d%c", ntohs(address.sin_port), index + 1 == ports ? '\n' : ' ');
        polled[index] = (struct pollfd){.fd = listener, .events = POLLIN};
    }
    fflush(stdout);
    polled[ports] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(polled, (nfds_t)ports + 1, -1) > 0 && !polled[ports].revents)
        for (int index = 0; index < ports; index++)
            if (polled[index].revents) answer(polled[index].fd);
    return 0;
}
