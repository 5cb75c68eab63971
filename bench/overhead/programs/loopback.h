// Sockets on 127.0.0.1.
//
// Connections have to end without TIME_WAIT, or the ports run out after 28,000. SO_LINGER of 0 would do that, but
// it wipes the peer's address off the socket before it dies, which no usual program does to those that listen for
// dying sockets. So the server leaves a byte that the client does not read: its close() then resets the
// connection, and both ends keep their addresses to the end.
#pragma once

#include "common.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static inline struct sockaddr_in loopback(long port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// A socket bound to `address`; of streams a listening one.
static inline int server(int type, const struct sockaddr_in *address) {
    int one = 1, descriptor = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (descriptor < 0) fail("socket");
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0) fail("SO_REUSEADDR");
    if (bind(descriptor, (const struct sockaddr *)address, sizeof *address) != 0) fail("bind");
    if (type == SOCK_STREAM && listen(descriptor, 16) != 0) fail("listen");
    return descriptor;
}

static inline int client(int type, const struct sockaddr_in *address) {
    int descriptor = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (descriptor < 0) fail("socket");
    if (connect(descriptor, (const struct sockaddr *)address, sizeof *address) != 0) fail("connect");
    return descriptor;
}
