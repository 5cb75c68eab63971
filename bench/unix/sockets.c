// What a Unix connect and a Unix message cost, microseconds.
// sockets SERVER-PATH CONNECTS MESSAGES
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    struct sockaddr_un address = {AF_UNIX, ""};
    strncpy(address.sun_path, arguments[1], sizeof address.sun_path - 1);
    unlink(address.sun_path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (void *)&address, sizeof address) != 0 || listen(listener, 16) != 0) return 1;
    int connects = atoi(arguments[2]), messages = atoi(arguments[3]);
    double begun = now();
    for (int i = 0; i < connects; i++) {
        int one = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(one, (void *)&address, sizeof address) != 0) return 1;
        close(accept(listener, 0, 0));
        close(one);
    }
    double connected = connects ? (now() - begun) / connects : 0;
    int pair[2];
    char bytes[64] = "";
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 1;
    begun = now();
    for (int i = 0; i < messages; i++)
        if (write(pair[0], bytes, sizeof bytes) < 0 || read(pair[1], bytes, sizeof bytes) < 0) return 1;
    printf("%.3f %.3f\n", connected, messages ? (now() - begun) / messages : 0);
    unlink(address.sun_path);
}
