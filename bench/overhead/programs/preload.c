// The published approach, rebuilt to be compared with: a library put in front of libc (LD_PRELOAD) that appends a
// line of CSV to the file RETINUE_BENCH_RECORD for each open, accept and connect that succeeds.
//
//   open,PID,PATH,r|rw
//   accept,SERVER ADDRESS,PORT,PID,CLIENT ADDRESS,PORT
//   connect,CLIENT ADDRESS,PORT,PID,SERVER ADDRESS,PORT
//
// Paths stand as the program gave them, relative ones too. A Unix socket has its path as address and 0 as port.
// Calls that libc makes inside itself, programs without libc and statically linked ones are not seen: so it is with
// this approach.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// The next definition of NAME, looked up once. Two threads may both look: they find the same.
#define REAL(type, name, ...)                                                            \
    static type (*_Atomic real_##name)(__VA_ARGS__);                                     \
    static type (*next_##name(void))(__VA_ARGS__) {                                      \
        type (*found)(__VA_ARGS__) = atomic_load_explicit(&real_##name, memory_order_relaxed); \
        if (found == NULL) {                                                             \
            found = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name);                       \
            atomic_store_explicit(&real_##name, found, memory_order_relaxed);            \
        }                                                                                \
        return found;                                                                    \
    }

REAL(int, open, const char *, int, ...)
REAL(int, open64, const char *, int, ...)
REAL(int, openat, int, const char *, int, ...)
REAL(int, openat64, int, const char *, int, ...)
REAL(int, __open_2, const char *, int)
REAL(int, __open64_2, const char *, int)
REAL(int, __openat_2, int, const char *, int)
REAL(int, __openat64_2, int, const char *, int)
REAL(int, creat, const char *, mode_t)
REAL(int, creat64, const char *, mode_t)
REAL(FILE *, fopen, const char *, const char *)
REAL(FILE *, fopen64, const char *, const char *)
REAL(int, accept, int, struct sockaddr *restrict, socklen_t *restrict)
REAL(int, accept4, int, struct sockaddr *restrict, socklen_t *restrict, int)
REAL(int, connect, int, const struct sockaddr *, socklen_t)

// MARK: The record

enum { UNOPENED = -1, NO_RECORD = -2 };
static _Atomic int record = UNOPENED;

// A high number: programs expect the low ones to be given out in order, and some close all those they know.
enum { RECORD_NUMBER = 900 };

static int record_descriptor(void) {
    int current = atomic_load_explicit(&record, memory_order_acquire);
    if (current != UNOPENED) return current;
    const char *path = getenv("RETINUE_BENCH_RECORD");
    int low = path ? next_open()(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1;
    int opened = NO_RECORD;
    if (low >= 0) {
        opened = fcntl(low, F_DUPFD_CLOEXEC, RECORD_NUMBER);
        if (opened >= 0) close(low);
        else opened = low;
    }
    if (atomic_compare_exchange_strong(&record, &current, opened)) return opened;
    if (opened >= 0) close(opened);  // another thread was first
    return current;
}

__attribute__((format(printf, 1, 2))) static void append(const char *format, ...) {
    int descriptor = record_descriptor();
    if (descriptor < 0) return;
    char line[4096 + 128];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length <= 0 || (size_t)length >= sizeof line) return;
    if (write(descriptor, line, (size_t)length) != length) return;  // nobody to report to
}

static void record_open(const char *path, int writable) {
    int saved = errno;
    append("open,%d,%s,%s\n", getpid(), path, writable ? "rw" : "r");
    errno = saved;
}

// MARK: Files

static int writable(int flags) {
    return (flags & O_ACCMODE) != O_RDONLY;
}

// The mode is there only when a file may be made.
static mode_t mode_of(int flags, va_list arguments) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
}

#define WRAP_OPEN(name)                                                                  \
    int name(const char *path, int flags, ...) {                                         \
        va_list arguments;                                                               \
        va_start(arguments, flags);                                                      \
        mode_t mode = mode_of(flags, arguments);                                         \
        va_end(arguments);                                                               \
        int descriptor = next_##name()(path, flags, mode);                               \
        if (descriptor >= 0) record_open(path, writable(flags));                         \
        return descriptor;                                                               \
    }

#define WRAP_OPENAT(name)                                                                \
    int name(int folder, const char *path, int flags, ...) {                             \
        va_list arguments;                                                               \
        va_start(arguments, flags);                                                      \
        mode_t mode = mode_of(flags, arguments);                                         \
        va_end(arguments);                                                               \
        int descriptor = next_##name()(folder, path, flags, mode);                       \
        if (descriptor >= 0) record_open(path, writable(flags));                         \
        return descriptor;                                                               \
    }

// What programs built with _FORTIFY_SOURCE call when the flags are not known to the compiler.
#define WRAP_OPEN_2(name)                                                                \
    int name(const char *path, int flags);                                               \
    int name(const char *path, int flags) {                                              \
        int descriptor = next_##name()(path, flags);                                     \
        if (descriptor >= 0) record_open(path, writable(flags));                         \
        return descriptor;                                                               \
    }

#define WRAP_OPENAT_2(name)                                                              \
    int name(int folder, const char *path, int flags);                                   \
    int name(int folder, const char *path, int flags) {                                  \
        int descriptor = next_##name()(folder, path, flags);                             \
        if (descriptor >= 0) record_open(path, writable(flags));                         \
        return descriptor;                                                               \
    }

#define WRAP_CREAT(name)                                                                 \
    int name(const char *path, mode_t mode) {                                            \
        int descriptor = next_##name()(path, mode);                                      \
        if (descriptor >= 0) record_open(path, 1);                                       \
        return descriptor;                                                               \
    }

#define WRAP_FOPEN(name)                                                                 \
    FILE *name(const char *restrict path, const char *restrict mode) {                   \
        FILE *stream = next_##name()(path, mode);                                        \
        if (stream != NULL) record_open(path, mode[0] != 'r' || strchr(mode, '+') != NULL); \
        return stream;                                                                   \
    }

WRAP_OPEN(open)
WRAP_OPEN(open64)
WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)
WRAP_OPEN_2(__open_2)
WRAP_OPEN_2(__open64_2)
WRAP_OPENAT_2(__openat_2)
WRAP_OPENAT_2(__openat64_2)
WRAP_CREAT(creat)
WRAP_CREAT(creat64)
WRAP_FOPEN(fopen)
WRAP_FOPEN(fopen64)

// MARK: Sockets

struct end {
    char address[sizeof(struct sockaddr_un)];
    unsigned port;
};

// False of a family that isn't recorded (netlink and the like).
static int describe(const struct sockaddr *address, socklen_t length, struct end *end) {
    memset(end, 0, sizeof *end);
    if (length < sizeof address->sa_family) return 0;
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *inet = (const struct sockaddr_in *)address;
        end->port = ntohs(inet->sin_port);
        return inet_ntop(AF_INET, &inet->sin_addr, end->address, sizeof end->address) != NULL;
    }
    if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        const struct sockaddr_in6 *inet = (const struct sockaddr_in6 *)address;
        end->port = ntohs(inet->sin6_port);
        return inet_ntop(AF_INET6, &inet->sin6_addr, end->address, sizeof end->address) != NULL;
    }
    if (address->sa_family == AF_UNIX) {
        const struct sockaddr_un *local = (const struct sockaddr_un *)address;
        size_t bytes = length - offsetof(struct sockaddr_un, sun_path);
        if (bytes > sizeof local->sun_path) bytes = sizeof local->sun_path;
        memcpy(end->address, local->sun_path, bytes);  // the rest is zero
        if (bytes > 0 && end->address[0] == '\0') end->address[0] = '@';  // an abstract name
        return 1;
    }
    return 0;
}

static int own_end(int descriptor, struct end *end) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    return getsockname(descriptor, (struct sockaddr *)&address, &length) == 0
        && describe((struct sockaddr *)&address, length, end);
}

static void record_accept(int descriptor, const struct sockaddr *peer, socklen_t length) {
    int saved = errno;
    struct end server, client;
    if (own_end(descriptor, &server) && describe(peer, length, &client)) {
        append("accept,%s,%u,%d,%s,%u\n", server.address, server.port, getpid(), client.address, client.port);
    }
    errno = saved;
}

static void record_connect(int descriptor, const struct sockaddr *peer, socklen_t length) {
    int saved = errno;
    struct end server, client;
    if (describe(peer, length, &server) && own_end(descriptor, &client)) {
        append("connect,%s,%u,%d,%s,%u\n", client.address, client.port, getpid(), server.address, server.port);
    }
    errno = saved;
}

// The client's address is always asked for: accept itself gives it more surely than a later getpeername, which
// fails once the client is gone. The caller then gets as much of it as it asked for.
static int accepted(int descriptor, const struct sockaddr_storage *peer, socklen_t length,
                    struct sockaddr *address, socklen_t *size) {
    if (descriptor < 0) return descriptor;
    if (address != NULL && size != NULL) {
        memcpy(address, peer, length < *size ? length : *size);
        *size = length;
    }
    record_accept(descriptor, (const struct sockaddr *)peer, length);
    return descriptor;
}

int accept(int listening, struct sockaddr *restrict address, socklen_t *restrict size) {
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    int descriptor = next_accept()(listening, (struct sockaddr *)&peer, &length);
    return accepted(descriptor, &peer, length, address, size);
}

int accept4(int listening, struct sockaddr *restrict address, socklen_t *restrict size, int flags) {
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    int descriptor = next_accept4()(listening, (struct sockaddr *)&peer, &length, flags);
    return accepted(descriptor, &peer, length, address, size);
}

int connect(int descriptor, const struct sockaddr *address, socklen_t length) {
    int result = next_connect()(descriptor, address, length);
    if (result == 0 || errno == EINPROGRESS) record_connect(descriptor, address, length);
    return result;
}
