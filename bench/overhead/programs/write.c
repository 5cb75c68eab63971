// Writes 64 bytes OPERATIONS times into one file, opened once before the clock starts.

#include "common.h"
#include <fcntl.h>

enum { RECORD = 64, FILE_SIZE = 1 << 20 };  // it goes round in 1 MiB, so that the file does not grow with the count

int main(int argc, char **argv) {
    if (argc != 3) usage("FILE OPERATIONS");
    long operations = count(argv[2]);
    char record[RECORD];
    memset(record, 'w', sizeof record);
    int descriptor = open(argv[1], O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (descriptor < 0) fail(argv[1]);

    double start = now();
    for (long i = 0; i < operations; i++) {
        if (pwrite(descriptor, record, RECORD, i * RECORD % FILE_SIZE) != RECORD) fail(argv[1]);
    }
    report(operations, now() - start);
}
