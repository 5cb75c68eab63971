// Processes that share anonymous memory by plain loads and stores, and do not know that pages of it may come from another host.
//
//   pages PAGES COMMAND...   each command is given to a process of its own, in their order
//
// A command is `sleep` (in one nanosleep(2) of a day), `threads` (so with two more threads), `wait` (in epoll_wait(2) for ever), `count SLOT TIMES` (adds one to a 64-bit
// number so many times), `turn OWN OTHERS TIMES` (waits until the number at the second slot is the next one, then stores the one
// behind it at its own), `read SLOT` (has the kernel write to the slot: read(2) of eight bytes of /dev/zero, then adds one) and `fork SLOT TIMES`
// (counts in a child). A slot is PAGE:INDEX. A line of each that has ended: its number, and how often a call has failed (EINTR); and one of its status.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t *memory;

static volatile uint64_t *slot(const char *word) {
    const char *colon = strchr(word, ':');
    return memory + (size_t)atol(word) * 512 + (colon ? (size_t)atol(colon + 1) : 0);
}

static void *day_long(void *nothing) {
    sleep(86400);
    return nothing;
}

static int run(char **words) {
    if (!strcmp(words[0], "sleep") || !strcmp(words[0], "threads")) {
        pthread_t thread;
        for (int i = 0; words[0][0] == 't' && i < 2; i++) pthread_create(&thread, NULL, day_long, NULL);
        struct timespec day = {86400, 0};
        return nanosleep(&day, NULL) == 0 ? 0 : 1;
    }
    if (!strcmp(words[0], "wait")) {
        struct epoll_event event;
        int epoll = epoll_create1(0);
        return epoll_wait(epoll, &event, 1, -1) == 0 ? 0 : 1;
    }
    if (!strcmp(words[0], "read")) {
        int zero = open("/dev/zero", O_RDONLY);
        if (read(zero, (void *)slot(words[1]), 8) != 8) return 1;
        ++*slot(words[1]);
        return 0;
    }
    if (!strcmp(words[0], "turn")) {
        volatile uint64_t *own = slot(words[1]), *other = slot(words[2]);
        for (uint64_t i = 0; i < (uint64_t)atol(words[3]); i++) {
            uint64_t next = *own + (own < other ? 0 : 1);
            while (*other != next) usleep(100);
            ++*own;
        }
        return 0;
    }
    if (!strcmp(words[0], "fork") && fork() != 0) return wait(NULL) < 0;
    for (long i = 0; i < atol(words[2]); i++) ++*slot(words[1]);
    return 0;
}

int main(int count, char **words) {
    if (count < 3) return 2;
    memory = mmap(NULL, (size_t)atol(words[1]) * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 1;
    int number = 0;
    for (int i = 2; i < count; number++) {
        static const struct {
            const char *name;
            int words;
        } kinds[] = {{"sleep", 1}, {"threads", 1}, {"wait", 1}, {"read", 2}, {"turn", 4}, {"count", 3}, {"fork", 3}};
        pid_t child = fork();
        if (child == 0) {
            // Told to begin by a signal, so that nothing is touched before.
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, SIGUSR1);
            sigprocmask(SIG_BLOCK, &set, NULL);
            int signal;
            if (!strchr("sw", words[i][0]) && strcmp(words[i], "threads")) sigwait(&set, &signal);
            int failed = run(words + i);
            printf("%d %d\n", number, failed);
            fflush(stdout);
            _exit(failed);
        }
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
            if (!strcmp(words[i], kinds[k].name)) {
                i += kinds[k].words;
                break;
            }
    }
    int status;
    while (wait(&status) > 0) {
        printf("status %x\n", status);
        fflush(stdout);
    }
    for (int page = 0; page < atoi(words[1]); page++) printf("page %d: %llu\n", page, (unsigned long long)memory[page * 512]);
    return 0;
}
