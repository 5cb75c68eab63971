// Two processes that share memory in each way that Linux has, and hand a number to and fro through it.
//
//     sharers PORT
//
// One writes to one place what the other writes to the next, each waits for the other's; what is not the next number is wrong. To
// each line that comes to PORT: rounds, what was wrong, and what a third process finds by the names and keys.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { size = 3 << 20, kinds = 5, key = 0x52455449 };
static const char name[] = "/retinue-sharers", unlinked[] = "/retinue-unlinked";

// At the beginning of each memory; the rest is filled with what is known.
struct head {
    _Atomic uint64_t there, back, wrong;
    sem_t go;
};
static struct head *heads[kinds];

static void need(int holds, const char *what) {
    if (holds) return;
    perror(what);
    exit(1);
}

static void *mapped(int file, size_t length) {
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | (file < 0 ? MAP_ANONYMOUS : 0), file, 0);
    need(memory != MAP_FAILED, "mmap");
    return memory;
}

static void *made(const char *path, size_t length) {
    int file = shm_open(path, O_RDWR | O_CREAT | O_EXCL, 0640);
    need(file >= 0 && ftruncate(file, (off_t)length) == 0, path);
    void *memory = mapped(file, length);
    close(file);
    return memory;
}

// Of those that are brought with a limit of a megabyte, less.
static size_t length(int kind) { return kind == 2 ? 256 << 10 : size; }

static unsigned sum(const void *memory, size_t length) {
    unsigned value = 1;
    for (size_t i = sizeof(struct head); i < length; i++) value = value * 31 + ((const uint8_t *)memory)[i];
    return value;
}

static void hand_on(int is_second) {
    for (uint64_t number = 1;; number++)
        for (int kind = 0; kind < kinds; kind++) {
            struct head *head = heads[kind];
            if (is_second) {
                sem_wait(&head->go);
                if (head->there != number) head->wrong++;
                head->back = number;
            } else {
                head->there = number;
                sem_post(&head->go);
                struct timespec moment = {0, 1000000};
                while (head->back < number) nanosleep(&moment, NULL);
                if (head->back != number) head->wrong++;
            }
        }
}

int main(int count, char **words) {
    need(count == 2, "sharers PORT");
    int segment = shmget(key, size, IPC_CREAT | IPC_EXCL | 0640), queue = msgget(key, IPC_CREAT | IPC_EXCL | 0600);
    need(segment >= 0 && queue >= 0, "System V");
    heads[0] = shmat(segment, NULL, 0);
    heads[1] = made(name, size);
    heads[2] = made(unlinked, length(2));
    shm_unlink(unlinked);
    heads[3] = mapped(-1, size);
    int memory = memfd_create("sharers", 0);
    need(memory >= 0 && ftruncate(memory, size) == 0, "memfd");
    heads[4] = mapped(memory, size);
    unsigned sums[kinds];
    for (int kind = 0; kind < kinds; kind++) {
        for (size_t i = 0; i < length(kind); i++) ((uint8_t *)heads[kind])[i] = (uint8_t)((i * 7 + (i >> 12) + (size_t)kind) % 251);
        memset(heads[kind], 0, sizeof(struct head));
        sem_init(&heads[kind]->go, 1, 0);
        sums[kind] = sum(heads[kind], length(kind));
    }
    struct {
        long type;
        char text[8];
    } message = {7, "waiting"};
    need(msgsnd(queue, &message, sizeof message.text, 0) == 0, "msgsnd");
    for (int second = 0; second < 2; second++)
        if (!fork()) hand_on(second);
    int server = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    need(bind(server, (struct sockaddr *)&address, sizeof address) == 0 && listen(server, 5) == 0, "listen");
    for (;;) {
        int client = accept(server, NULL, NULL);
        char line[64];
        while (client >= 0 && read(client, line, sizeof line) > 0) {
            uint64_t wrong = 0;
            for (int kind = 0; kind < kinds; kind++) wrong += heads[kind]->wrong + (sum(heads[kind], length(kind)) != sums[kind]);
            // By its key and by its name there is the same memory.
            struct head *other = shmat(shmget(key, 0, 0), NULL, SHM_RDONLY);
            int file = shm_open(name, O_RDWR, 0);
            struct head *third = file < 0 ? NULL : mapped(file, size);
            struct shmid_ds status = {0};
            shmctl(segment, IPC_STAT, &status);
            uint64_t before = heads[0]->there;
            int same = other != (void *)-1 && third && other->there >= before && sum(other, size) == sums[0] && third->there >= before &&
                       sum(third, size) == sums[1];
            dprintf(client, "%llu %llu %d %o %lu %lu\n", (unsigned long long)heads[kinds - 1]->back, (unsigned long long)wrong, same,
                    status.shm_perm.mode & 0777, (unsigned long)status.shm_segsz, (unsigned long)status.shm_nattch);
            if (other != (void *)-1) shmdt(other);
            if (third) munmap(third, size);
            if (file >= 0) close(file);
            if (!strncmp(line, "message", 7)) {
                memset(&message, 0, sizeof message);
                ssize_t got = msgrcv(queue, &message, sizeof message.text, 7, IPC_NOWAIT);
                dprintf(client, "%zd %s\n", got, message.text);
            }
        }
        close(client);
    }
}
