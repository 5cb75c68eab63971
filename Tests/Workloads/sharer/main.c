// Shares one object of each kind with another sharer: what a daemon must find in its scans.
//
//   sharer first KEY NAME       makes them, and holds them until it is killed
//   sharer second KEY NAME ID   joins those that the first one made, and holds them likewise
//   sharer send KEY NAME        sends a message, works the second semaphore, and ends
//   sharer remove KEY NAME      removes whatever is there
//
// KEY is that of System V shared memory, semaphores (a set of three) and a message queue; there is a private
// segment besides, whose id the first one prints and the second one is given. /NAME is shared memory, a
// semaphore and a message queue as POSIX has them. The first one works the first semaphore of the set and
// sends the message, the second one works the second semaphore and receives it; the first one has the shared
// memory mapped, without a descriptor, the second one has a descriptor alone.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

enum { size = 4096 };
struct message {
    long type;
    char text[8];
};

static void check(int isGood, const char *what) {
    if (isGood) return;
    perror(what);
    exit(1);
}

static void removeAll(key_t key, const char *name) {
    int id;
    if ((id = shmget(key, 0, 0)) >= 0) shmctl(id, IPC_RMID, NULL);
    if ((id = semget(key, 0, 0)) >= 0) semctl(id, 0, IPC_RMID);
    if ((id = msgget(key, 0)) >= 0) msgctl(id, IPC_RMID, NULL);
    shm_unlink(name);
    sem_unlink(name);
    mq_unlink(name);
}

static void sendMessage(key_t key) {
    struct message message = {.type = 1};
    int queue = msgget(key, IPC_CREAT | 0600);
    check(queue >= 0 && msgsnd(queue, &message, sizeof message.text, 0) == 0, "msgsnd");
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    key_t key = (key_t)strtoul(arguments[2], NULL, 0);
    char name[256];
    snprintf(name, sizeof name, "/%s", arguments[3]);
    int isFirst = strcmp(arguments[1], "first") == 0;
    if (strcmp(arguments[1], "remove") == 0) {
        removeAll(key, name);
        return 0;
    }
    if (strcmp(arguments[1], "send") == 0) {
        sendMessage(key);
        int set = semget(key, 0, 0);
        check(set >= 0 && semop(set, &(struct sembuf){.sem_num = 1, .sem_op = 1}, 1) == 0, "semaphore");
        return 0;
    }
    if (!isFirst && count < 5) return 2;
    int make = isFirst ? IPC_CREAT | IPC_EXCL | 0600 : 0;
    int own = isFirst ? shmget(IPC_PRIVATE, size, 0600) : atoi(arguments[4]);
    check(own >= 0 && shmat(own, NULL, 0) != (void *)-1, "private segment");
    // Nobody has to remove it: it goes with its last user, who may come while the first is there (Linux).
    if (isFirst) check(shmctl(own, IPC_RMID, NULL) == 0, "IPC_RMID");
    int segment = shmget(key, size, make);
    check(segment >= 0 && shmat(segment, NULL, 0) != (void *)-1, "segment");
    int set = semget(key, 3, make);
    struct sembuf step = {.sem_num = isFirst ? 0 : 1, .sem_op = 1};
    check(set >= 0 && semop(set, &step, 1) == 0, "semaphores");
    if (isFirst) {
        sendMessage(key);
    } else {
        struct message message;
        check(msgrcv(msgget(key, 0), &message, sizeof message.text, 0, 0) >= 0, "msgrcv");
    }
    int memory = shm_open(name, isFirst ? O_RDWR | O_CREAT | O_EXCL : O_RDWR, 0600);
    check(memory >= 0, "shm_open");
    if (isFirst) {
        check(ftruncate(memory, size) == 0, "ftruncate");
        check(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0) != MAP_FAILED, "mmap");
        close(memory);
    }
    check(sem_open(name, isFirst ? O_CREAT | O_EXCL : 0, 0600, 1) != SEM_FAILED, "sem_open");
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
    check(mq_open(name, isFirst ? O_RDWR | O_CREAT | O_EXCL : O_RDONLY, 0600, &attributes) >= 0, "mq_open");
    printf("%d\n", own);
    fflush(stdout);
    for (;;) pause();
}
