// Makes NAMES files in folders of PER_FOLDER each, below the current folder; of LINKS names in a row all but
// the first are hard links to it. The names are those that cap-open opens.
//
//   cap-make NAMES PER_FOLDER LINKS
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names.h"

int main(int count, char **arguments) {
    if (count != 4) return fputs("usage: cap-make NAMES PER_FOLDER LINKS\n", stderr), 2;
    long names = atol(arguments[1]), per_folder = atol(arguments[2]), links = atol(arguments[3]);
    char name[NAME_SIZE], first[NAME_SIZE], folder[NAME_SIZE];
    for (long index = 0; index < names; index++) {
        name_of(index, per_folder, name);
        if (index % per_folder == 0) {
            snprintf(folder, sizeof folder, "%.*s", FOLDER_LENGTH, name);
            if (mkdir(folder, 0755)) return perror(folder), 1;
        }
        if (index % links) {
            if (link(first, name)) return perror(name), 1;
            continue;
        }
        int file = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
        if (file < 0 || close(file)) return perror(name), 1;
        snprintf(first, sizeof first, "%s", name);
    }
    return 0;
}
