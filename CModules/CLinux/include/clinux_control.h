// The control socket: credentials of a peer, and one descriptor passed along with a message
// (SCM_RIGHTS). The CMSG_ macros cannot be imported, and glibc shows `struct ucred` only to
// _GNU_SOURCE.
#ifndef CLINUX_CONTROL_H
#define CLINUX_CONTROL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == 108, "sockaddr_un.sun_path");

static const int clinux_MSG_DONTWAIT = MSG_DONTWAIT;
static const int clinux_MSG_TRUNC = MSG_TRUNC;
static const int clinux_MSG_CTRUNC = MSG_CTRUNC;

// The effective user of the peer when it connected. Returns 0, or -1 with errno.
static inline int clinux_peer_user(int socket, uint32_t *user) {
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == -1) return -1;
    *user = peer.uid;
    return 0;
}

// Whether the peer was in a group when it connected, by its primary group or a supplementary one
// (SO_PEERGROUPS, since Linux 4.13). Returns 1 or 0, or -1 with errno; ERANGE for more groups than
// there is room for, as the groups of a process have no small bound.
static inline int clinux_peer_is_member(int socket, uint32_t group) {
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == -1) return -1;
    if (peer.gid == group) return 1;
    gid_t groups[1024];
    size = sizeof groups;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == -1) return -1;
    for (socklen_t i = 0; i < size / sizeof groups[0]; i++)
        if (groups[i] == group) return 1;
    return 0;
}

// Makes what a memfd holds final. fcntl is variadic.
static inline int clinux_seal(int file) {
    return fcntl(file, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

// accept4 without the address, which for our peers is none.
static inline int clinux_accept4(int socket, int flags) { return accept4(socket, NULL, NULL, flags); }

// Room for exactly one descriptor. CMSG_SPACE rounds up to room for two: the length that is given
// to the kernel must be CMSG_LEN, or a hostile peer could leave us with one that nobody closes.
union clinux_one_descriptor {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

// Sends one datagram without blocking and without SIGPIPE; with a descriptor unless that is -1.
static inline ssize_t clinux_send_message(int socket, const void *bytes, size_t count, int descriptor) {
    struct iovec piece = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    union clinux_one_descriptor control;
    memset(&control, 0, sizeof control);
    if (descriptor != -1) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_LEN(sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// Receives one datagram without blocking; `*descriptor` is the one that came along, or -1, and
// `*flags` says what was cut off (MSG_TRUNC, MSG_CTRUNC).
static inline ssize_t clinux_receive_message(int socket, void *bytes, size_t count, int *descriptor,
                                             int *flags) {
    struct iovec piece = {.iov_base = bytes, .iov_len = count};
    union clinux_one_descriptor control;
    memset(&control, 0, sizeof control);
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_LEN(sizeof(int))};
    *descriptor = -1;
    *flags = 0;
    ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (received == -1) return -1;
    *flags = message.msg_flags;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(descriptor, CMSG_DATA(header), sizeof *descriptor);
    return received;
}

#endif
