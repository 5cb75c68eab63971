// Counts: a line with each number, on standard output, or at the end of a file. SIGTERM ends it with the status 7.
//
//     counted [FILE [MICROSECONDS [BYTES]]]
//
// With BYTES as many bytes of memory are written before, and looked at with each number.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void end(int number) {
    (void)number;
    _exit(7);
}

int main(int count, char **words) {
    int file = count > 1 && strcmp(words[1], "-") ? open(words[1], O_WRONLY | O_CREAT | O_APPEND, 0644) : 1;
    unsigned pause = count > 2 ? (unsigned)atol(words[2]) : 5000;
    size_t size = count > 3 ? (size_t)atol(words[3]) : 0;
    unsigned char *memory = size ? malloc(size) : NULL;
    for (size_t place = 0; place < size; place++) memory[place] = (unsigned char)(place * 131 + place / 4096);
    signal(SIGTERM, end);
    for (unsigned long number = 0;; number++) {
        char line[32];
        int length = snprintf(line, sizeof line, "%lu\n", number);
        if (write(file, line, (size_t)length) != length) return 1;
        for (size_t place = number * 4099 % 65536; place < size; place += 65536)
            if (memory[place] != (unsigned char)(place * 131 + place / 4096)) return 2;
        usleep(pause);
    }
}
