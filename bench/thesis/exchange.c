// The two halves of a simple socket program: a server, and a client that asks it once and ends.
//
//   exchange serve         prints its port; answers until it is ended
//   exchange ask PORT      connects, sends 1 KiB, reads 1 KiB, ends
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { bytes = 1024 };

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void receive(int number) {
    char buffer[bytes];
    if (recv(number, buffer, bytes, MSG_WAITALL) != bytes) die("recv");
}

static void transmit(int number) {
    static const char buffer[bytes];
    if (send(number, buffer, bytes, MSG_NOSIGNAL) != bytes) die("send");
}

static void serve(void) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof place;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&place, sizeof place) != 0 || listen(listener, 16) != 0
        || getsockname(listener, (struct sockaddr *)&place, &size) != 0)
        die("listen");
    printf("%d\n", ntohs(place.sin_port));
    fflush(stdout);
    for (;;) {
        const int client = accept(listener, NULL, NULL);
        if (client < 0) die("accept");
        receive(client);
        transmit(client);
        close(client);
    }
}

static void ask(const char *port) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons((unsigned short)atoi(port))};
    const int server = socket(AF_INET, SOCK_STREAM, 0);
    if (server < 0 || connect(server, (struct sockaddr *)&place, sizeof place) != 0) die("connect");
    transmit(server);
    receive(server);
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "serve") == 0) {
        serve();
    } else if (count == 3 && strcmp(arguments[1], "ask") == 0) {
        ask(arguments[2]);
    } else {
        fprintf(stderr, "usage: exchange serve | exchange ask PORT\n");
        return 2;
    }
    return 0;
}
