// Packets that arrive and are given to the kernel again: packet(7), the TUN device, ICMPv6. The CMSG_ macros and ioctl(2)
// cannot be imported.
#ifndef CLINUX_PACKETS_H
#define CLINUX_PACKETS_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>

// Receives one packet of a SOCK_DGRAM packet socket with PACKET_AUXDATA without blocking: `*from` says at which interface and
// to whom, `*status` is tp_status of struct tpacket_auxdata.
static inline ssize_t clinux_receive_packet(int socket, void *bytes, size_t count, struct sockaddr_ll *from,
                                            uint32_t *status) {
    struct iovec piece = {.iov_base = bytes, .iov_len = count};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } control;
    struct msghdr message = {.msg_name = from,
                             .msg_namelen = sizeof *from,
                             .msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t received = recvmsg(socket, &message, MSG_DONTWAIT);
    if (received == -1) return -1;
    *status = 0;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_PACKET && header->cmsg_type == PACKET_AUXDATA) {
        struct tpacket_auxdata data;
        memcpy(&data, CMSG_DATA(header), sizeof data);
        *status = data.tp_status;
    }
    return received;
}

// A network device that goes with the descriptor: what is written to it arrives at it, an IP packet each time. The
// descriptor, or -1 and errno.
static inline int clinux_open_tun(const char *pattern, char name[IFNAMSIZ]) {
    int device = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (device == -1) return -1;
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    strncpy(request.ifr_name, pattern, IFNAMSIZ - 1);
    if (ioctl(device, TUNSETIFF, &request) != 0) {
        int code = errno;
        close(device);
        errno = code;
        return -1;
    }
    memcpy(name, request.ifr_name, IFNAMSIZ);
    return device;
}

#endif
