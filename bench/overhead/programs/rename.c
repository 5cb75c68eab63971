// Writes OPERATIONS files the way careful programs do: a new file under another name, then renamed to its own.

#include "names.h"
#include <fcntl.h>

int main(int argc, char **argv) {
    if (argc != 3) usage("FOLDER OPERATIONS");
    long operations = count(argv[2]);
    char **names = flat_names(argv[1], operations, "");
    char **temporary = flat_names(argv[1], operations, ".tmp");
    remove_all(names, operations);
    remove_all(temporary, operations);

    double start = now();
    for (long i = 0; i < operations; i++) {
        int descriptor = open(temporary[i], O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
        if (descriptor < 0) fail(temporary[i]);
        if (write(descriptor, "renamed\n", 8) != 8) fail(temporary[i]);
        close(descriptor);
        if (rename(temporary[i], names[i]) != 0) fail(names[i]);
    }
    report(operations, now() - start);
}
