// Opens and closes OPENS files below the current folder, one after the other through the first NAMES names and
// over again, at RATE a second (0: as fast as it can). Prints when it began and when it ended, CLOCK_MONOTONIC.
//
//   cap-open NAMES PER_FOLDER OPENS RATE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "names.h"

// Opens between two looks at the clock: small, so that the rate holds within a fraction of a millisecond too.
#define BURST 16

int main(int count, char **arguments) {
    if (count != 5) return fputs("usage: cap-open NAMES PER_FOLDER OPENS RATE\n", stderr), 2;
    long names = atol(arguments[1]), per_folder = atol(arguments[2]), opens = atol(arguments[3]);
    double rate = atof(arguments[4]);
    char name[NAME_SIZE];
    double begin = now();
    for (long done = 0, index = 0; done < opens; done++) {
        if (rate > 0 && done % BURST == 0)
            while ((now() - begin) * rate < (double)done) continue;
        name_of(index, per_folder, name);
        int file = open(name, O_RDONLY | O_CLOEXEC);
        if (file < 0) return perror(name), 1;
        close(file);
        if (++index == names) index = 0;
    }
    printf("%.9f %.9f\n", begin, now());
    return 0;
}
