// Connects COUNT times to the PORTs of 127.0.0.1 in turn: connect, send a byte, wait for the server's close,
// close. Several ports, because the kernel keeps a closed connection's pair of ports for a minute. Prints when
// it began and when it ended, CLOCK_MONOTONIC.
//
//   cap-client COUNT PORT...
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

int main(int count, char **arguments) {
    if (count < 3) return fputs("usage: cap-client COUNT PORT...\n", stderr), 2;
    long connections = atol(arguments[1]);
    int ports = count - 2;
    double begin = now();
    for (long done = 0; done < connections; done++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                      .sin_port = htons((unsigned short)atoi(arguments[2 + done % ports]))};
        int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address))
            return perror("cap-client: connect"), 1;
        char byte = 0;
        if (send(connection, &byte, 1, 0) != 1 || recv(connection, &byte, 1, 0) != 0)
            return perror("cap-client: exchange"), 1;
        close(connection);
    }
    printf("%.9f %.9f\n", begin, now());
    return 0;
}
