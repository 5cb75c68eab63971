// Connects to a Unix socket of another program, which it starts, and closes its end when that one has closed its own, OPERATIONS
// times. The other program is this one under another name: a socket that one program has for itself binds nothing to
// anything. It is there for two seconds more, as a server is that outlives its clients.

#include "common.h"
#include <libgen.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/un.h>

// Says on standard output when it listens.
static void serve(const struct sockaddr_un *address, long operations) {
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listening < 0) fail("socket");
    if (unlink(address->sun_path) != 0 && errno != ENOENT) fail(address->sun_path);
    if (bind(listening, (const struct sockaddr *)address, sizeof *address) != 0) fail("bind");
    if (listen(listening, 16) != 0) fail("listen");
    if (write(STDOUT_FILENO, "l", 1) != 1) fail("write");
    // Whoever waits for the end of what the client writes does not wait for this one.
    if (freopen("/dev/null", "w", stderr) == NULL) fail("/dev/null");
    close(STDOUT_FILENO);
    for (long i = 0; i < operations; i++) {
        int end = accept(listening, NULL, NULL);
        if (end < 0) fail("accept");
        close(end);
    }
    sleep(2);
}

static void start_server(char **argv) {
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0) fail("/proc/self/exe");
    path[length] = '\0';
    char server[PATH_MAX + 16];
    snprintf(server, sizeof server, "%s/unix-server", dirname(path));
    int said[2];
    if (pipe(said) != 0) fail("pipe");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        dup2(said[1], STDOUT_FILENO);
        close(said[0]);
        close(said[1]);
        execl(server, server, argv[1], argv[2], (char *)NULL);
        fail(server);
    }
    close(said[1]);
    char byte;
    if (read(said[0], &byte, 1) != 1) fail("the server does not listen");
    close(said[0]);
}

int main(int argc, char **argv) {
    if (argc != 3) usage("PATH OPERATIONS");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    long operations = count(argv[2]);
    if (strlen(argv[1]) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        fail(argv[1]);
    }
    strcpy(address.sun_path, argv[1]);
    if (strcmp(program_invocation_short_name, "unix-server") == 0) {
        serve(&address, operations);
        return 0;
    }
    start_server(argv);

    double start = now();
    for (long i = 0; i < operations; i++) {
        int near = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (near < 0) fail("socket");
        if (connect(near, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
        char byte;
        if (read(near, &byte, 1) != 0) fail("read");
        close(near);
    }
    report(operations, now() - start);
}
