// Makes TCP connections over loopback, one after the other, ten bytes each way.
//
//   client PORT COUNT [ADDRESS]
//
// Exit status: 0 if every one was answered.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **arguments) {
    if (count < 3) return 2;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    inet_pton(AF_INET, count > 3 ? arguments[3] : "127.0.0.1", &address.sin_addr);
    for (int left = atoi(arguments[2]); left > 0; left--) {
        char bytes[16];
        int got = 0, more, connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(connection, (void *)&address, sizeof address)) return 1;
        if (write(connection, "abcdefghij", 10) != 10) return 1;
        while ((more = read(connection, bytes, sizeof bytes)) > 0) got += more;
        if (got != 10) return 1;
        close(connection);
    }
    return 0;
}
