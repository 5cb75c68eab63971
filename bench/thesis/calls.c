// What one accept, one connect and one program start cost: the calls alone are timed, and each kind by itself.
//
//   calls sockets COUNT     prints: nanoseconds per connect, nanoseconds per accept
//   calls spawn COUNT PATH [ARGUMENT...]
//                           prints: nanoseconds from posix_spawn to the end of PATH
//
// The means over COUNT calls, as the published figures are means.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void sockets(long count) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof place;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&place, sizeof place) != 0 || listen(listener, 16) != 0
        || getsockname(listener, (struct sockaddr *)&place, &size) != 0)
        die("listen");
    double connects = 0, accepts = 0;
    for (long turn = 0; turn < count; turn++) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        if (client < 0) die("socket");
        const double before = now();
        if (connect(client, (struct sockaddr *)&place, sizeof place) != 0) die("connect");
        const double between = now();
        struct sockaddr_in peer;
        socklen_t length = sizeof peer;
        int server = accept(listener, (struct sockaddr *)&peer, &length);
        const double after = now();
        if (server < 0) die("accept");
        connects += between - before;
        accepts += after - between;
        // A reset leaves no port in TIME_WAIT, so that any number of turns has ports enough.
        const struct linger hard = {.l_onoff = 1};
        setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(client);
        close(server);
    }
    printf("%.1f %.1f\n", connects / (double)count, accepts / (double)count);
}

static void spawn(long count, char **arguments) {
    char *path = arguments[0];
    const double before = now();
    for (long turn = 0; turn < count; turn++) {
        pid_t child;
        int status;
        if (posix_spawn(&child, path, NULL, NULL, arguments, environ) != 0) die(path);
        if (waitpid(child, &status, 0) != child || status != 0) die("waitpid");
    }
    printf("%.1f\n", (now() - before) / (double)count);
}

int main(int count, char **arguments) {
    if (count == 3 && strcmp(arguments[1], "sockets") == 0) {
        sockets(atol(arguments[2]));
    } else if (count >= 4 && strcmp(arguments[1], "spawn") == 0) {
        spawn(atol(arguments[2]), arguments + 3);
    } else {
        fprintf(stderr, "usage: calls sockets COUNT | calls spawn COUNT PATH [ARGUMENT...]\n");
        return 2;
    }
    return 0;
}
