// Inter-process communication: semctl(2) is variadic, and mqueue's magic number is in no header.
#ifndef CLINUX_IPC_H
#define CLINUX_IPC_H

#include <stdint.h>

// semctl(set, number, GETPID): the process that last operated on a semaphore.
int clinux_semaphore_pid(int set, int number);

enum {
    // f_type of statfs(2): MQUEUE_MAGIC of ipc/mqueue.c (kernel ABI).
    clinux_MQUEUE_MAGIC = 0x19800202,
};

#endif
