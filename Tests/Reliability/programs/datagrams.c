// Two ends that stay: a UDP pair (`udp`) or a Unix stream pair (`unix`), server and client being two programs.
//
//   datagrams udp-server PORT | udp-client PORT | unix-server PATH | unix-client PATH
//
// Prints `up` once the other end has answered (a server: once it waits), and stays until it is killed.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void up(void) {
    puts("up");
    fflush(stdout);
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    int udp = !strncmp(arguments[1], "udp", 3), serves = strstr(arguments[1], "server") != NULL;
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[2]))};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    strncpy(local.sun_path, arguments[2], sizeof local.sun_path - 1);
    struct sockaddr *address = udp ? (void *)&inet : (void *)&local;
    socklen_t length = udp ? sizeof inet : sizeof local;
    int end = socket(udp ? AF_INET : AF_UNIX, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
    char byte = 'x';
    if (!serves) {
        if (connect(end, address, length) || send(end, &byte, 1, 0) != 1 || recv(end, &byte, 1, 0) != 1) return 1;
        up();
        for (;;) pause();
    }
    if (bind(end, address, length) || (!udp && listen(end, 8))) return 1;
    up();
    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        if (udp) {
            if (recvfrom(end, &byte, 1, 0, (void *)&from, &size) == 1) sendto(end, &byte, 1, 0, (void *)&from, size);
        } else {
            int connection = accept(end, NULL, NULL);
            if (read(connection, &byte, 1) == 1 && write(connection, &byte, 1) != 1) return 1;
        }
    }
}
