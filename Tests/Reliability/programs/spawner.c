// Spawns a program again and again, one after the other, `%d` in its arguments being the number.
//
//   spawner COUNT PROGRAM [ARGUMENT]...
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

int main(int count, char **arguments) {
    if (count < 3 || count > 16) return 2;
    for (int n = 0, end = atoi(arguments[1]); n < end; n++) {
        char text[16][512], *child[17] = {0};
        for (int i = 2; i < count; i++) {
            char *mark = strstr(arguments[i], "%d");
            if (mark) snprintf(text[i], sizeof text[i], "%.*s%d%s", (int)(mark - arguments[i]), arguments[i], n, mark + 2);
            child[i - 2] = mark ? text[i] : arguments[i];
        }
        pid_t pid;
        int status;
        if (posix_spawn(&pid, child[0], NULL, NULL, child, environ) || waitpid(pid, &status, 0) != pid || status) return 1;
    }
    return 0;
}
