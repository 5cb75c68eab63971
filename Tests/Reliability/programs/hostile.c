// What an unprivileged user can do to grow the tables of whoever watches.
//
//   hostile programs COUNT FOLDER PROGRAM   links of one program under ever new names, each run once
//   hostile names COUNT FOLDER              new files of 250-byte names, each removed again
//   hostile deep COUNT FOLDER LENGTH        folders below folders, names of LENGTH bytes, a file in each; they stay
//   hostile connections COUNT ADDRESSES     connections that are refused, each to another port or address
//   hostile listeners COUNT SECONDS         listening sockets, held
//   hostile unix COUNT SECONDS              abstract Unix sockets with names of 90 bytes, each connected, held
//   hostile control COUNT SECONDS PATH      connections to a control socket that say nothing, held
//   hostile garbage COUNT PATH              connections to a control socket that say nonsense
//   hostile groups COUNT FOLDER PROGRAM     control groups below FOLDER, where the user may, a program run in each
//
// Prints how many it made; stops at the first error of the system (a limit) and says which.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char path[8192];

static int run(char *program) {
    char *arguments[] = {program, NULL};
    pid_t pid;
    int status = posix_spawn(&pid, program, NULL, NULL, arguments, environ);
    if (status) {
        errno = status;
        return -1;
    }
    return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static int create(const char *name) {
    int file = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    return file < 0 ? -1 : close(file);
}

static int one_program(long n, char **words) {
    snprintf(path, sizeof path, "%s/p%ld", words[0], n);
    if (link(words[1], path) || run(path)) return -1;
    return unlink(path);
}

static int one_name(long n, char **words) {
    int used = snprintf(path, sizeof path, "%s/%ld-", words[0], n);
    size_t end = strlen(words[0]) + 1 + 250;
    memset(path + used, 'a', end - used);
    path[end] = 0;
    return create(path) || unlink(path) ? -1 : 0;
}

static int one_level(long n, char **words) {
    if (n == 0 && chdir(words[0])) return -1;
    size_t length = atoi(words[1]);
    memset(path, 'd', length);
    path[length] = 0;
    return mkdir(path, 0700) || chdir(path) || create("f") ? -1 : 0;
}

static int one_connection(long n, char **words) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(1 + n % 65000)};
    address.sin_addr.s_addr = htonl(0x7f010001u + n / 65000 * 7 + n % atol(words[0]));
    int end = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (end < 0) return -1;
    if (connect(end, (void *)&address, sizeof address) && errno != ECONNREFUSED) perror("connect");
    return close(end);
}

static int one_listener(long n, char **words) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(0x7f020001u + n);
    int end = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)words;
    return end < 0 || bind(end, (void *)&address, sizeof address) || listen(end, 1) ? -1 : 0;
}

static int one_unix(long n, char **words) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int used = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "hostile\x1b[31m\n%d-%0*ld", getpid(), 70, n);
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + 1 + used;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)words;
    if (listener < 0 || end < 0 || bind(listener, (void *)&address, length) || listen(listener, 1)) return -1;
    return connect(end, (void *)&address, length) || accept(listener, NULL, NULL) < 0 ? -1 : close(listener);
}

static int control(const char *where) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, where, sizeof address.sun_path - 1);
    int end = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (end < 0 || (connect(end, (void *)&address, sizeof address) && errno != EAGAIN)) return -1;
    return end;
}

static int one_client(long n, char **words) { return control(words[n * 0 + 1]) < 0 ? -1 : 0; }

static int one_nonsense(long n, char **words) {
    char bytes[60000];
    int end = control(words[0]);
    if (end < 0) return -1;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = rand();
    send(end, n % 3 ? bytes : "status", n % 3 == 1 ? sizeof bytes : 6, MSG_NOSIGNAL);
    return close(end);
}

static int one_group(long n, char **words) {
    char file[8300];
    snprintf(path, sizeof path, "%s/hostile-%ld-%0*d", words[0], n, 200, 0);
    if (mkdir(path, 0755)) return -1;
    snprintf(file, sizeof file, "%s/cgroup.procs", path);
    pid_t pid = fork();
    if (pid == 0) {
        int procs = open(file, O_WRONLY);
        if (procs < 0 || write(procs, "0", 1) != 1) _exit(1);
        execl(words[1], words[1], NULL);
        _exit(1);
    }
    int status;
    return waitpid(pid, &status, 0) != pid || status || rmdir(path) ? -1 : 0;
}

int main(int count, char **words) {
    static const struct {
        const char *name;
        int (*once)(long, char **);
        int holds;
    } modes[] = {{"programs", one_program, 0}, {"names", one_name, 0},         {"deep", one_level, 0},
                 {"connections", one_connection, 0}, {"listeners", one_listener, 1}, {"unix", one_unix, 1},
                 {"control", one_client, 1}, {"garbage", one_nonsense, 0}, {"groups", one_group, 0}};
    struct rlimit files;
    if (count < 4) return 2;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(modes[i].name, words[1])) continue;
        long n = 0, end = atol(words[2]);
        while (n < end && modes[i].once(n, words + 3) == 0) n++;
        printf("%s: %ld%s%s\n", words[1], n, n < end ? ", then " : "", n < end ? strerror(errno) : "");
        fflush(stdout);
        if (modes[i].holds) sleep(atoi(words[3]));
        return 0;
    }
    return 2;
}
