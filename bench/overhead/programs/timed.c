// Times a command: timed [-c CLEANING] [-r REPEATS] OPERATIONS COMMAND...
// CLEANING is a line for the shell, run before the clock starts. The command's own output is thrown away.

#include "common.h"
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

static void run(char **arguments, const posix_spawn_file_actions_t *actions) {
    pid_t child;
    int status;
    errno = posix_spawnp(&child, arguments[0], actions, NULL, arguments, environ);
    if (errno != 0) fail(arguments[0]);
    if (waitpid(child, &status, 0) < 0) fail("waitpid");
    if (status != 0) {
        fprintf(stderr, "timed: %s ended with status %d\n", arguments[0], status);
        exit(1);
    }
}

int main(int argc, char **argv) {
    const char *synopsis = "[-c CLEANING] [-r REPEATS] OPERATIONS COMMAND...";
    char *cleaning = NULL;
    long repeats = 1;
    for (int option; (option = getopt(argc, argv, "+c:r:")) != -1;) {
        if (option == 'c') cleaning = optarg;
        else if (option == 'r') repeats = count(optarg);
        else usage(synopsis);
    }
    if (argc - optind < 2) usage(synopsis);
    long operations = count(argv[optind]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (cleaning != NULL) run((char *[]){"sh", "-c", cleaning, NULL}, &actions);

    double start = now();
    for (long i = 0; i < repeats; i++) run(argv + optind + 1, &actions);
    report(operations, now() - start);
}
