// Accepts TCP connections on loopback, takes ten bytes of each and answers ten.
//
//   server PORT
//
// Prints `listening`, then serves until it is killed.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **arguments) {
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    if (count != 2 || bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) return 1;
    puts("listening");
    fflush(stdout);
    for (;;) {
        char bytes[10];
        int got = 0, more, connection = accept(listener, NULL, NULL);
        if (connection < 0) continue;
        while (got < 10 && (more = read(connection, bytes, 10 - got)) > 0) got += more;
        if (got == 10 && write(connection, "0123456789", 10) != 10) perror("write");
        close(connection);
    }
}
