// Opens and closes FILES prepared files in order, again and again, until OPERATIONS are done.

#include "names.h"
#include <fcntl.h>
#include <sys/stat.h>

int main(int argc, char **argv) {
    if (argc != 4) usage("FOLDER FILES OPERATIONS");
    long files = count(argv[2]), operations = count(argv[3]);
    char **names = spread_names(argv[1], files);

    // The first look-up of a name reads its directory, which is not what is measured. Looking is not opening.
    struct stat status;
    for (long i = 0; i < files; i++) {
        if (stat(names[i], &status) != 0) fail(names[i]);
    }

    double start = now();
    for (long i = 0, file = 0; i < operations; i++) {
        int descriptor = open(names[file], O_RDONLY | O_CLOEXEC);
        if (descriptor < 0) fail(names[file]);
        close(descriptor);
        if (++file == files) file = 0;
    }
    report(operations, now() - start);
}
