// Many processes that each make one TCP connection and exit at once; over loopback, unless an address is given.
//
//   connector serve COUNT [ADDRESS [PORT]]    prints its port, takes COUNT connections, exits
//   connector run PORT COUNT [ADDRESS]        starts COUNT processes, each of which makes connection number i
//
// Connection i carries 100 + i bytes to the server and 50 + 2 i bytes back, so that the sums over all
// of them tell whether one is missing or counted twice.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { atOnce = 8, largest = 1 << 16 };

static char buffer[largest];

static int sendAll(int descriptor, int size) {
    for (int done = 0; done < size;) {
        ssize_t sent = send(descriptor, buffer + done, (size_t)(size - done), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return 1;
        done += (int)sent;
    }
    return 0;
}

static int receiveAll(int descriptor, int size) {
    for (int done = 0; done < size;) {
        ssize_t got = recv(descriptor, buffer + done, (size_t)(size - done), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return 1;
        done += (int)got;
    }
    return 0;
}

static struct sockaddr_in endpoint(const char *text, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, text, &address.sin_addr);
    return address;
}

static int serve(int count, const char *text, int port) {
    struct sockaddr_in address = endpoint(text, port);
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (listener >= 0) setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0) return 1;
    if (listen(listener, 1024) != 0) return 1;
    if (getsockname(listener, (struct sockaddr *)&address, &size) != 0) return 1;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (int taken = 0; taken < count; taken++) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        uint32_t number;
        if (connection < 0 || receiveAll(connection, 100) != 0) return 1;
        memcpy(&number, buffer, sizeof number);
        if (number >= largest / 2 - 100 || receiveAll(connection, (int)number) != 0) return 1;
        if (sendAll(connection, 50 + 2 * (int)number) != 0) return 1;
        close(connection);
    }
    return 0;
}

static int call(const char *text, int port, uint32_t number) {
    struct sockaddr_in address = endpoint(text, port);
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) != 0) return 1;
    memcpy(buffer, &number, sizeof number);
    return sendAll(connection, 100 + (int)number) || receiveAll(connection, 50 + 2 * (int)number);
}

static int reap(void) {
    int status = 0;
    while (wait(&status) < 0) {
        if (errno != EINTR) return 1;
    }
    return status != 0;
}

static int run(const char *program, char *port, int count, char *text) {
    int failed = 0;
    for (int i = 0; i < count; i++) {
        if (i >= atOnce) failed += reap();
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        char *arguments[] = {(char *)program, "call", port, number, text, NULL};
        char *environment[] = {NULL};
        pid_t pid;
        if (posix_spawn(&pid, program, NULL, NULL, arguments, environment) != 0) return 1;
    }
    for (int i = 0; i < count && i < atOnce; i++) failed += reap();
    return failed != 0;
}

int main(int count, char **arguments) {
    if (count < 3 || count > 5) return 2;
    if (strcmp(arguments[1], "serve") == 0) {
        return serve(
            atoi(arguments[2]), count > 3 ? arguments[3] : "127.0.0.1", count > 4 ? atoi(arguments[4]) : 0);
    }
    if (count < 4) return 2;
    char *address = count > 4 ? arguments[4] : "127.0.0.1";
    if (strcmp(arguments[1], "call") == 0) {
        return call(address, atoi(arguments[2]), (uint32_t)atoi(arguments[3]));
    }
    if (strcmp(arguments[1], "run") == 0) return run(arguments[0], arguments[2], atoi(arguments[3]), address);
    return 2;
}
