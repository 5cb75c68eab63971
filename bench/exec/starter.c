/* Executes a program so many times, one after the other: starter COUNT PROGRAM. */
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

int main(int count, char **arguments) {
    if (count < 3) return 2;
    for (int left = atoi(arguments[1]); left > 0; left--) {
        char *child[] = {arguments[2], NULL};
        pid_t pid;
        if (posix_spawn(&pid, arguments[2], NULL, NULL, child, environ) != 0) return 1;
        waitpid(pid, NULL, 0);
    }
}
