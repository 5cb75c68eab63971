// sock_diag and the perf ring: the layouts that Swift's parsers rely on, the two memory orderings
// that the ring needs, and constants that Swift cannot import.
#ifndef CLINUX_SOCKETS_H
#define CLINUX_SOCKETS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <linux/inet_diag.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

// Offsets that Swift's parsers use; a header that moves them must fail here and not at a user's.
_Static_assert(sizeof(struct inet_diag_msg) == 72, "inet_diag_msg");
_Static_assert(offsetof(struct inet_diag_msg, idiag_state) == 1, "inet_diag_msg.idiag_state");
_Static_assert(offsetof(struct inet_diag_msg, id.idiag_sport) == 4, "inet_diag_msg.id.idiag_sport");
_Static_assert(offsetof(struct inet_diag_msg, id.idiag_dport) == 6, "inet_diag_msg.id.idiag_dport");
_Static_assert(offsetof(struct inet_diag_msg, id.idiag_src) == 8, "inet_diag_msg.id.idiag_src");
_Static_assert(offsetof(struct inet_diag_msg, id.idiag_dst) == 24, "inet_diag_msg.id.idiag_dst");
_Static_assert(offsetof(struct inet_diag_msg, id.idiag_if) == 40, "inet_diag_msg.id.idiag_if");
_Static_assert(offsetof(struct inet_diag_msg, id.idiag_cookie) == 44, "inet_diag_msg.id.idiag_cookie");
_Static_assert(offsetof(struct inet_diag_msg, idiag_rqueue) == 56, "inet_diag_msg.idiag_rqueue");
_Static_assert(offsetof(struct inet_diag_msg, idiag_uid) == 64, "inet_diag_msg.idiag_uid");
_Static_assert(offsetof(struct inet_diag_msg, idiag_inode) == 68, "inet_diag_msg.idiag_inode");
_Static_assert(sizeof(struct unix_diag_msg) == 16, "unix_diag_msg");
_Static_assert(offsetof(struct unix_diag_msg, udiag_ino) == 4, "unix_diag_msg.udiag_ino");
_Static_assert(offsetof(struct unix_diag_msg, udiag_cookie) == 8, "unix_diag_msg.udiag_cookie");
_Static_assert(sizeof(struct inet_diag_req_v2) == 56, "inet_diag_req_v2");
_Static_assert(sizeof(struct unix_diag_req) == 24, "unix_diag_req");
_Static_assert(sizeof(struct nlmsgerr) == 20, "nlmsgerr");
_Static_assert(sizeof(struct rtgenmsg) == 1, "rtgenmsg");
_Static_assert(sizeof(struct perf_event_header) == 8, "perf_event_header");

// u32 tcpi_data_segs_in (Linux 4.6): fixed ABI behind tcpi_bytes_received (u64), segs_out, segs_in,
// notsent_bytes and min_rtt (u32 each). <linux/tcp.h> cannot be included here, see clinux.h.
enum { clinux_tcp_info_data_segs_in = 152 };

// PERF_FORMAT_LOST, which headers before Linux 6.0 lack.
enum { clinux_PERF_FORMAT_LOST = 1 << 4 };

// Receives one netlink datagram without blocking. `*port` is its sender's, 0 the kernel; `*number` is that of the network
// namespace that it comes from (NETLINK_LISTEN_ALL_NSID, Linux 4.2), or -1 for the socket's own. The CMSG_ macros cannot
// be imported.
static inline ssize_t clinux_receive_netlink(int socket, void *bytes, size_t count, uint32_t *port,
                                             int *number) {
    struct sockaddr_nl sender = {0};
    struct iovec piece = {.iov_base = bytes, .iov_len = count};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_name = &sender,
                             .msg_namelen = sizeof sender,
                             .msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_TRUNC);
    if (received == -1) return -1;
    *port = sender.nl_pid;
    *number = -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_NETLINK && header->cmsg_type == NETLINK_LISTEN_ALL_NSID &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(number, CMSG_DATA(header), sizeof *number);
    return received;
}

// The kernel publishes records by moving data_head, and reuses what data_tail has passed: head must be
// read before the records (acquire), tail written after they were copied (release).
static inline uint64_t clinux_ring_head(const struct perf_event_mmap_page *page) {
    return __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
}
static inline void clinux_ring_set_tail(struct perf_event_mmap_page *page, uint64_t tail) {
    __atomic_store_n(&page->data_tail, tail, __ATOMIC_RELEASE);
}

#endif
