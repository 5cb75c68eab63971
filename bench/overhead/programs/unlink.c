// Makes OPERATIONS files, each removed at once: who asks for a name later finds none.

#include "names.h"
#include <fcntl.h>

int main(int argc, char **argv) {
    if (argc != 3) usage("FOLDER OPERATIONS");
    long operations = count(argv[2]);
    char **names = flat_names(argv[1], operations, "");
    remove_all(names, operations);

    double start = now();
    for (long i = 0; i < operations; i++) {
        int descriptor = open(names[i], O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
        if (descriptor < 0) fail(names[i]);
        close(descriptor);
        if (unlink(names[i]) != 0) fail(names[i]);
    }
    report(operations, now() - start);
}
