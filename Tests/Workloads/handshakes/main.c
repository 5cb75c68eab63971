// Takes TCP connections whose handshake two processors complete at once, so that the kernel makes two sockets of one handshake
// and throws one of them away (`inet_csk_complete_hashdance`).
//
//   handshakes COUNT
//
// In a network namespace of its own, on a TUN device with two queues: what is written to a queue is received on the writer's
// processor. The client is packets alone, from 10.9.0.2; each connection carries ten bytes each way, and the client ends it. Needs
// two processors and CAP_NET_ADMIN.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 4000, PAYLOAD = 10 };

struct packet {
    struct iphdr ip;
    struct tcphdr tcp;
    char payload[PAYLOAD];
};

static int queues[2];
static int processors[2];
static int rounds;
static struct packet data;
static atomic_int asked, written;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint32_t add(const void *bytes, int count, uint32_t sum) {
    for (const unsigned char *at = bytes; count > 1; count -= 2, at += 2) sum += at[0] << 8 | at[1];
    return sum;
}

static uint16_t fold(uint32_t sum) {
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return htons(~sum);
}

// Makes a packet of the client's. `sequence` and `answer` count from its first number, 1000, and from the server's, `server`.
static int make(struct packet *packet, uint16_t port, uint32_t sequence, uint32_t server, bool syn, bool fin, bool carries) {
    int count = sizeof packet->ip + sizeof packet->tcp + (carries ? PAYLOAD : 0);
    *packet = (struct packet){
        .ip = {.version = 4, .ihl = 5, .tot_len = htons(count), .ttl = 64, .protocol = IPPROTO_TCP,
               .saddr = inet_addr("10.9.0.2"), .daddr = inet_addr("10.9.0.1")},
        .tcp = {.source = htons(port), .dest = htons(PORT), .seq = htonl(sequence), .ack_seq = htonl(server), .doff = 5,
                .syn = syn, .ack = !syn, .fin = fin, .psh = carries, .window = htons(65000)}};
    memcpy(packet->payload, "abcdefghij", PAYLOAD);
    packet->ip.check = fold(add(&packet->ip, sizeof packet->ip, 0));
    int length = count - sizeof packet->ip;
    packet->tcp.check = fold(add(&packet->tcp, length, add(&packet->ip.saddr, 8, IPPROTO_TCP + length)));
    return count;
}

static void put(int queue, const struct packet *packet, int count) {
    if (write(queues[queue], packet, count) != count) fail("write to the device");
}

static void pin(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    if (sched_setaffinity(0, sizeof set, &set)) fail("sched_setaffinity");
}

static void *race(void *unused) {
    (void)unused;
    pin(processors[1]);
    for (int round = 1; round <= rounds; round++) {
        while (atomic_load(&asked) < round) {}
        put(1, &data, sizeof data);
        atomic_store(&written, round);
    }
    return NULL;
}

// Waits for the server's answer to a SYN; its first number.
static uint32_t answer(uint16_t port) {
    for (;;) {
        struct pollfd waits[2] = {{.fd = queues[0], .events = POLLIN}, {.fd = queues[1], .events = POLLIN}};
        if (poll(waits, 2, 10000) < 1) fail("no answer to a SYN");
        for (int queue = 0; queue < 2; queue++) {
            struct {
                struct packet packet;
                char rest[2048];
            } got;
            while (read(queues[queue], &got, sizeof got) > 0)
                if (got.packet.ip.version == 4 && got.packet.tcp.syn && got.packet.tcp.ack && got.packet.tcp.dest == htons(port))
                    return ntohl(got.packet.tcp.seq);
        }
    }
}

static void drain(void) {
    char unread[2048];
    for (int queue = 0; queue < 2; queue++)
        while (read(queues[queue], unread, sizeof unread) > 0) {}
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    rounds = atoi(argv[1]);
    cpu_set_t allowed;
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (int processor = 0, found = 0; found < 2; processor++) {
        if (processor == CPU_SETSIZE) return fputs("needs two processors\n", stderr), 1;
        if (CPU_ISSET(processor, &allowed)) processors[found++] = processor;
    }
    for (int queue = 0; queue < 2; queue++) {
        struct ifreq request = {.ifr_name = "handshakes", .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE};
        queues[queue] = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (queues[queue] < 0 || ioctl(queues[queue], TUNSETIFF, &request)) fail("/dev/net/tun");
    }
    if (system("ip address add 10.9.0.1/24 dev handshakes && ip link set handshakes up")) return 1;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = inet_addr("10.9.0.1")};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 64)) fail("listen");
    pthread_t racer;
    if (pthread_create(&racer, NULL, race, NULL)) fail("pthread_create");
    pin(processors[0]);

    for (int round = 1; round <= rounds; round++) {
        uint16_t port = 10000 + round % 50000;
        struct packet packet = {0};
        put(0, &packet, make(&packet, port, 1000, 0, true, false, false));
        uint32_t server = answer(port) + 1;
        // What completes the handshake, and what follows it, at the same moment.
        int count = make(&packet, port, 1001, server, false, false, false);
        make(&data, port, 1001, server, false, false, true);
        atomic_store(&asked, round);
        // Not always the same distance between the two.
        for (volatile int spin = round % 64 * 10; spin > 0; spin--) {}
        put(0, &packet, count);
        while (atomic_load(&written) < round) {}
        int connection = accept(listener, NULL, NULL);
        if (connection < 0) fail("accept");
        char bytes[PAYLOAD];
        for (int got = 0, more; got < PAYLOAD; got += more) {
            struct pollfd wait = {.fd = connection, .events = POLLIN};
            // The socket that was thrown away may have taken the bytes with it: then the client sends them again.
            while (poll(&wait, 1, 200) == 0) put(0, &data, sizeof data);
            if ((more = read(connection, bytes, PAYLOAD - got)) <= 0) fail("read");
        }
        if (write(connection, "0123456789", PAYLOAD) != PAYLOAD) fail("write");
        close(connection);
        put(0, &packet, make(&packet, port, 1001 + PAYLOAD, server + PAYLOAD + 1, false, true, false));
        drain();
    }
}
