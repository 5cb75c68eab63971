// criu(8) where root has no CAP_SYS_RESOURCE, as in a container: limits of a process of another user are then refused by
// prlimit(2), but root may read them in /proc/PID/limits. For hosts of the laboratory alone.
//
// As a program it is the loader that runs criu, with itself, as a library, loaded first; the loader is beside it by that name.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef PROGRAM
int main(int count, char **words) {
    char loader[512], library[512], *more[count + 3];
    char *end = strrchr(words[0], '/');
    if (!end) return 127;
    snprintf(loader, sizeof loader, "%.*s/loader", (int)(end - words[0]), words[0]);
    snprintf(library, sizeof library, "%.*s/limits.so", (int)(end - words[0]), words[0]);
    more[0] = loader, more[1] = "--preload", more[2] = library;
    memcpy(more + 3, words + 1, (size_t)count * sizeof *words);
    execv(loader, more);
    return 127;
}
#else
// Of Linux's sixteen the names that /proc/PID/limits has.
static const char *const names[] = {
    "Max cpu time", "Max file size", "Max data size", "Max stack size", "Max core file size", "Max resident set", "Max processes",
    "Max open files", "Max locked memory", "Max address space", "Max file locks", "Max pending signals", "Max msgqueue size",
    "Max nice priority", "Max realtime priority", "Max realtime timeout",
};

static rlim_t value(const char *text) { return strcmp(text, "unlimited") ? strtoull(text, NULL, 10) : RLIM_INFINITY; }

long syscall(long number, ...) {
    static long (*next)(long, ...);
    if (!next) next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    va_list more;
    va_start(more, number);
    long a = va_arg(more, long), b = va_arg(more, long), c = va_arg(more, long), d = va_arg(more, long), e = va_arg(more, long),
         f = va_arg(more, long);
    va_end(more);
    long done = next(number, a, b, c, d, e, f);
    if (number != SYS_prlimit64 || done == 0 || errno != EPERM || c || b < 0 || b >= 16) return done;
    char line[256], soft[64], hard[64];
    snprintf(line, sizeof line, "/proc/%ld/limits", a);
    FILE *file = fopen(line, "re");
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file))
        found = !strncmp(line, names[b], strlen(names[b])) && sscanf(line + 26, "%63s %63s", soft, hard) == 2;
    if (file) fclose(file);
    if (!found) return errno = EPERM, -1;
    *(struct rlimit *)d = (struct rlimit){value(soft), value(hard)};
    return 0;
}
#endif
