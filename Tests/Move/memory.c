// A program whose memory is known: it sends numbered lines to each connection, and answers a line "digest" with what its memory has.
//
//     memory PORT WRITTEN-MiB [CHANGED-PAGES [KINDS-MiB FILE]]
//
// WRITTEN-MiB are written with noise, and CHANGED-PAGES of them are written again every 5 ms, one after the other. With KINDS-MiB
// as much each is mapped of FILE and read, mapped without a file and read, and mapped and never touched; and a quarter of it is written
// and then protected, half of that against writing, half against reading too.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, MOST = 64 };
static const int mib = 1 << 20;

static void need(int holds, const char *what) {
    if (holds) return;
    perror(what);
    exit(1);
}

static uint8_t *map(size_t size, int protection, int file) {
    uint8_t *place = mmap(NULL, size ? size : PAGE, protection, MAP_PRIVATE | (file < 0 ? MAP_ANONYMOUS : 0), file, 0);
    need(place != MAP_FAILED, "mmap");
    return place;
}

static uint64_t seed = 88172645463325252u;

static void fill(uint8_t *place, size_t size) {
    for (size_t at = 0; at + 8 <= size; at += 8) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        memcpy(place + at, &seed, 8);
    }
}

static uint64_t digest(uint64_t hash, const uint8_t *place, size_t size) {
    for (size_t at = 0; at + 8 <= size; at += 8) {
        uint64_t word;
        memcpy(&word, place + at, 8);
        hash = (hash ^ word) * 1099511628211u;
        hash ^= hash >> 29;
    }
    return hash;
}

int main(int count, char **words) {
    need(count >= 3, "memory PORT WRITTEN-MiB [CHANGED-PAGES [KINDS-MiB FILE]]");
    signal(SIGPIPE, SIG_IGN);
    size_t size = (size_t)atol(words[2]) * mib, kinds = count > 5 ? (size_t)atol(words[4]) * mib : 0, half = kinds / 8;
    size_t changed = count > 3 ? (size_t)atol(words[3]) : 0, next = 0, sum = 0;
    uint8_t *written = map(size, PROT_READ | PROT_WRITE, -1), *file = NULL, *zeros = NULL, *read_only = NULL, *hidden = NULL;
    fill(written, size);
    if (kinds) {
        int number = open(words[5], O_RDONLY | O_CLOEXEC);
        need(number >= 0, words[5]);
        file = map(kinds, PROT_READ | PROT_WRITE, number);
        close(number);
        zeros = map(kinds, PROT_READ | PROT_WRITE, -1);
        map(kinds, PROT_READ | PROT_WRITE, -1);
        read_only = map(half, PROT_READ | PROT_WRITE, -1), hidden = map(half, PROT_READ | PROT_WRITE, -1);
        fill(read_only, half), fill(hidden, half);
        need(mprotect(read_only, half, PROT_READ) == 0 && mprotect(hidden, half, PROT_NONE) == 0, "mprotect");
        for (size_t at = 0; at < kinds; at += PAGE) sum += file[at] + zeros[at];
    }
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    need(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 16) == 0, "listen");
    struct pollfd waiting[MOST] = {{.fd = listener, .events = POLLIN}};
    unsigned long numbers[MOST] = {0};
    int open_ones = 1;
    while (1) {
        struct timespec rest = {0, 5000000};
        if (poll(waiting, (nfds_t)open_ones, 0) < 0) continue;
        for (int one = 1; one < open_ones; one++) {
            char line[256];
            int length = 0;
            if (waiting[one].revents & POLLIN) {
                ssize_t got = read(waiting[one].fd, line, sizeof line);
                if (got <= 0) {
                    close(waiting[one].fd);
                    waiting[one] = waiting[--open_ones], numbers[one] = numbers[open_ones];
                    break;
                }
                // The areas that are written at any time are those of the digest only where nothing is changed.
                uint64_t hash = digest(14695981039346656037u, written, changed ? 0 : size);
                if (kinds) {
                    need(mprotect(hidden, half, PROT_READ) == 0, "mprotect");
                    hash = digest(digest(digest(digest(hash, read_only, half), hidden, half), file, kinds), zeros, kinds);
                    need(mprotect(hidden, half, PROT_NONE) == 0, "mprotect");
                }
                // Each page that is changed has the number of its last change: they are consecutive.
                size_t pages = size / PAGE, wrong = 0, begin = next > pages ? next - pages : 0;
                for (size_t at = begin; changed && at < next; at++) {
                    uint64_t value;
                    memcpy(&value, written + at % pages * PAGE, 8);
                    wrong += value != at;
                }
                length = snprintf(line, sizeof line, "digest %016llx %zu %zu\n", (unsigned long long)hash, wrong, next);
            } else {
                length = snprintf(line, sizeof line, "%lu\n", numbers[one]++);
            }
            if (write(waiting[one].fd, line, (size_t)length) != length) {}
        }
        if (waiting[0].revents & POLLIN && open_ones < MOST) {
            int made = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (made >= 0) waiting[open_ones] = (struct pollfd){.fd = made, .events = POLLIN}, numbers[open_ones++] = 0;
        }
        for (size_t at = 0; size && at < changed; at++, next++) {
            uint64_t value = next;
            memcpy(written + next % (size / PAGE) * PAGE, &value, 8);
        }
        nanosleep(&rest, NULL);
    }
    return (int)sum;
}
