/* Joins the groups in which the kernel reports that sockets have ended, and throws the notices away.
 *
 *     dropper GROUP...     tcp 1, udp 2, tcp6 3, udp6 4 (enum sknetlink_groups)
 */
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **arguments) {
    int number = socket(PF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    int room = 32 << 20;
    setsockopt(number, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    if (bind(number, (struct sockaddr *)&address, sizeof address) != 0) return perror("bind"), 1;
    for (int index = 1; index < count; index++) {
        int group = atoi(arguments[index]);
        if (setsockopt(number, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) return perror("join"), 1;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        static char bytes[1 << 16];
        /* As a watcher reads them that works in batches: the socket's owner is not woken for each. */
        while (recv(number, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {}
        usleep(10000);
    }
}
