// Connects to its own Unix socket, accepts and closes both ends, OPERATIONS times.

#include "common.h"
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv) {
    if (argc != 3) usage("PATH OPERATIONS");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    long operations = count(argv[2]);
    if (strlen(argv[1]) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        fail(argv[1]);
    }
    strcpy(address.sun_path, argv[1]);
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listening < 0) fail("socket");
    if (unlink(argv[1]) != 0 && errno != ENOENT) fail(argv[1]);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
    if (listen(listening, 16) != 0) fail("listen");

    double start = now();
    for (long i = 0; i < operations; i++) {
        int near = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (near < 0) fail("socket");
        if (connect(near, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
        int far = accept(listening, NULL, NULL);
        if (far < 0) fail("accept");
        close(far);
        close(near);
    }
    report(operations, now() - start);
}
