// Puts itself into a control group, then becomes another program: so that the program is in the group
// from its first instruction, and the records of a test can be told from those of the rest of the host.
//
//   enter FOLDER-OF-THE-GROUP PROGRAM [ARGUMENT...]
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char **arguments) {
    if (count < 3) return 2;
    char path[4096];
    snprintf(path, sizeof path, "%s/cgroup.procs", arguments[1]);
    int group = open(path, O_WRONLY | O_CLOEXEC);
    // 0 stands for the process that writes it.
    if (group < 0 || write(group, "0", 1) != 1) {
        perror(path);
        return 1;
    }
    close(group);
    execvp(arguments[2], arguments + 2);
    perror(arguments[2]);
    return 127;
}
