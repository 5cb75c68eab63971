// Processes that share anonymous memory by plain loads and stores, and do not know at how many hosts they run.
//
//     across sum WORKERS TIMES FOLDER    each worker counts to TIMES in its own number of one page that all have, as a scoreboard, and in a
//                                        page of its own; the parent reads all numbers all the time, none may become less, and writes the
//                                        sums to FOLDER/sum when the workers have ended
//     across unlinked WORKERS TIMES FOLDER    the same in POSIX memory that has no name any longer
//     across turns TIMES FOLDER          two workers store the next number in turn, TIMES each; each writes how often it was wrong
//     across watch WORKERS FOLDER        each worker counts for ever, and reads all numbers; one that is less than it was is written to FOLDER/less
//     across signals FOLDER              the parent sends each of two workers five signals, one when the one before has come; they end with 10 and 11
//     across late FOLDER                 two workers take a process-shared lock and keep it, once they are told to begin
//     across mutex|robust|semaphore|sysv|locked|file|named|memfd FOLDER    two workers that share something that cannot be passed on
//
// All begin once FOLDER/go is there, which each looks for by itself.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { page = 512, most = 64 };
static volatile uint64_t *memory;
static const char *folder;

static void need(int holds, const char *what) {
    if (holds) return;
    perror(what);
    exit(1);
}

static void put(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    need(file >= 0 && write(file, text, strlen(text)) > 0, path);
    close(file);
}

static void wait_for(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct timespec moment = {0, 10000000};
    while (access(path, F_OK) != 0)
        if (nanosleep(&moment, NULL) != 0) put("eintr", "nanosleep\n");
}

// The first page is the scoreboard, then each worker has one of its own.
static int count(int worker, uint64_t times) {
    for (uint64_t i = 0; i < times; i++) {
        memory[worker]++;
        memory[(worker + 1) * page]++;
        // A little of something else, as a server has between two requests.
        if (i % 64 == 0) usleep(50);
    }
    return 0;
}

// What is there before the tree is written down, so that there are pages at each host which must not be used.
enum { before = 1000 };

static int sum(int workers, uint64_t times) {
    for (int i = 0; i < workers; i++) memory[i] = memory[(i + 1) * page] = before;
    for (int i = 0; i < workers; i++)
        if (!fork()) {
            wait_for("go");
            _exit(count(i, times));
        }
    wait_for("go");
    uint64_t last[most] = {0}, wrong = 0, looks = 0;
    int left = workers, failed = 0, status;
    while (left > 0) {
        for (int i = 0; i < workers; i++) {
            uint64_t now = memory[i];
            if (now < last[i] || now < before || now > before + times) wrong++;
            last[i] = now;
        }
        looks++;
        while (waitpid(-1, &status, WNOHANG) > 0) {
            left--;
            if (status != 0) failed++;
        }
        usleep(1000);
    }
    uint64_t board = 0, own = 0;
    for (int i = 0; i < workers; i++) {
        board += memory[i] - before;
        own += memory[(i + 1) * page] - before;
    }
    char text[200];
    snprintf(text, sizeof text, "%llu %llu %llu %d %llu\n", (unsigned long long)board, (unsigned long long)own,
             (unsigned long long)wrong, failed, (unsigned long long)looks);
    put("sum", text);
    return 0;
}

static int turns(uint64_t times) {
    for (int second = 0; second < 2; second++)
        if (!fork()) {
            wait_for("go");
            uint64_t wrong = 0;
            for (uint64_t i = 0; i < times; i++) {
                // 0, 1, 2, ...: even ones are the first one's to replace.
                uint64_t mine = 2 * i + (uint64_t)second, found;
                while ((found = memory[0]) < mine) continue;
                if (found != mine) wrong++;
                memory[0] = mine + 1;
            }
            char name[16], text[64];
            snprintf(name, sizeof name, "turns-%d", second);
            snprintf(text, sizeof text, "%llu\n", (unsigned long long)wrong);
            put(name, text);
            _exit(0);
        }
    int status, failed = 0;
    while (wait(&status) > 0) failed += status != 0;
    char text[64];
    snprintf(text, sizeof text, "%llu %d\n", (unsigned long long)memory[0], failed);
    put("sum", text);
    return 0;
}

static int watch(int workers) {
    for (int i = 0; i < workers; i++)
        if (!fork()) {
            wait_for("go");
            uint64_t last[most] = {0};
            for (;;) {
                memory[i]++;
                for (int k = 0; k < workers; k++) {
                    uint64_t now = memory[k];
                    if (now < last[k]) put("less", "less\n");
                    last[k] = now;
                }
                usleep(200);
            }
        }
    while (wait(NULL) > 0) continue;
    return 0;
}

static int own;
static void note(int signal) {
    (void)signal;
    memory[own]++;
}

static int signals(void) {
    pid_t workers[2];
    signal(SIGUSR1, note);
    for (own = 0; own < 2; own++)
        if (!(workers[own] = fork())) {
            wait_for("go");
            while (memory[own] < 5) usleep(1000);
            _exit(10 + own);
        }
    wait_for("go");
    for (uint64_t k = 1; k <= 5; k++)
        for (int i = 0; i < 2; i++) {
            kill(workers[i], SIGUSR1);
            while (memory[i] < k) usleep(1000);
        }
    int first = 0, second = 0;
    waitpid(workers[0], &first, 0);
    waitpid(workers[1], &second, 0);
    char text[100];
    snprintf(text, sizeof text, "%llu %llu %x %x\n", (unsigned long long)memory[0], (unsigned long long)memory[1], first, second);
    put("sum", text);
    return 0;
}

struct locks {
    pthread_mutex_t mutex;
};

static int refused(const char *kind) {
    struct locks *locks = (void *)memory;
    pthread_mutexattr_t shared;
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    if (!strcmp(kind, "robust")) pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&locks->mutex, &shared);
    int set = -1;
    if (!strcmp(kind, "semaphore")) need((set = semget(IPC_PRIVATE, 1, 0600)) >= 0, "semget");
    if (!strcmp(kind, "sysv")) {
        int segment = shmget(IPC_PRIVATE, 4096, 0600);
        need(segment >= 0 && shmat(segment, NULL, 0) != (void *)-1, "shmat");
        shmctl(segment, IPC_RMID, NULL);
    }
    if (!strcmp(kind, "locked")) need(mlock((void *)memory, 4096) == 0, "mlock");
    if (!strcmp(kind, "file")) {
        char path[256];
        snprintf(path, sizeof path, "%s/mapped", folder);
        int file = open(path, O_RDWR | O_CREAT, 0644);
        need(file >= 0 && ftruncate(file, 4096) == 0, path);
        need(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) != MAP_FAILED, "mmap");
        close(file);
    }
    int named = !strcmp(kind, "named");
    if (named || !strcmp(kind, "memfd")) {
        int file = named ? shm_open("/retinue-across", O_RDWR | O_CREAT, 0600) : memfd_create("across", 0);
        need(file >= 0 && ftruncate(file, 4096) == 0, kind);
        need(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) != MAP_FAILED, "mmap");
        if (named) close(file);
    }
    for (int second = 0; second < 2; second++)
        if (!fork()) {
            if (!strcmp(kind, "semaphore")) {
                struct sembuf down = {0, -1, 0};
                semop(set, &down, 1);
            }
            if (!strcmp(kind, "late")) {
                wait_for("go");
                pthread_mutex_lock(&locks->mutex);
            }
            if (!strcmp(kind, "mutex") || (!strcmp(kind, "robust") && second == 0)) pthread_mutex_lock(&locks->mutex);
            pause();
        }
    while (wait(NULL) > 0) continue;
    if (named) shm_unlink("/retinue-across");
    if (set >= 0) semctl(set, 0, IPC_RMID);
    return 0;
}

int main(int many, char **words) {
    need(many >= 3, "across KIND ... FOLDER");
    folder = words[many - 1];
    int isUnlinked = !strcmp(words[1], "unlinked"), file = -1;
    if (isUnlinked) {
        file = shm_open("/retinue-across", O_RDWR | O_CREAT | O_EXCL, 0600);
        need(file >= 0 && shm_unlink("/retinue-across") == 0 && ftruncate(file, (most + 1) * 4096) == 0, "shm_open");
    }
    memory = mmap(NULL, (most + 1) * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | (file < 0 ? MAP_ANONYMOUS : 0), file, 0);
    need(memory != MAP_FAILED, "mmap");
    if (file >= 0) close(file);
    if (isUnlinked || !strcmp(words[1], "sum")) return sum(atoi(words[2]), (uint64_t)atoll(words[3]));
    if (!strcmp(words[1], "watch")) return watch(atoi(words[2]));
    if (!strcmp(words[1], "signals")) return signals();
    if (!strcmp(words[1], "turns")) return turns((uint64_t)atoll(words[2]));
    return refused(words[1]);
}
