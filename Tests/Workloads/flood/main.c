// Opens many different files: more than a limited event queue holds.
//
//   flood COUNT FOLDER HELD
//
// Creates FOLDER/0 … FOLDER/COUNT-1, keeps the last HELD of them open, prints `done` and holds on until
// it is killed.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **arguments) {
    if (count != 4 || chdir(arguments[2]) != 0) return 2;
    int total = atoi(arguments[1]);
    int held = atoi(arguments[3]);
    for (int i = 0; i < total; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        int descriptor = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (descriptor < 0) return 1;
        if (i < total - held) close(descriptor);
    }
    puts("done");
    fflush(stdout);
    for (;;) pause();
}
