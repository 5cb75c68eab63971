// Holds things open until it is killed: what a daemon that starts later must find in its scan.
//
//   holder FOLDER
//
// Holds FOLDER/read and FOLDER/written open, FOLDER/mapped mapped (its descriptor closed), a TCP socket
// that listens on 127.0.0.1, and a connection to it. Prints the port when all of that is so.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int openIn(const char *folder, const char *name, int flags) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return open(path, flags | O_CLOEXEC, 0600);
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    if (openIn(arguments[1], "read", O_RDONLY) < 0) return 1;
    if (openIn(arguments[1], "written", O_WRONLY | O_CREAT) < 0) return 1;
    int mapped = openIn(arguments[1], "mapped", O_RDONLY);
    if (mapped < 0 || mmap(NULL, 1, PROT_READ, MAP_PRIVATE, mapped, 0) == MAP_FAILED) return 1;
    close(mapped);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0) return 1;
    if (listen(listener, 1) != 0) return 1;
    if (getsockname(listener, (struct sockaddr *)&address, &size) != 0) return 1;
    int caller = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (caller < 0 || connect(caller, (struct sockaddr *)&address, size) != 0) return 1;
    if (accept4(listener, NULL, NULL, SOCK_CLOEXEC) < 0) return 1;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) pause();
}
