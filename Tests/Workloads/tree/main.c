// Plays with directories faster than anybody can look: every name must be kept from the events alone.
//
//   tree fleeting FOLDER    FOLDER/<i>/deep/file is opened, then both directories are removed, 101 times
//   tree renamed FOLDER     opens before/inner/old, renames before to after, opens after/inner/new
//   tree swapped FOLDER     a is renamed to b and a new a is made; files in both are opened
//   tree odd FOLDER         names with a newline, a quote, a backslash, bytes that are no UTF-8
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { times = 101 };

static int writeFile(const char *path) {
    int descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0) return 1;
    return write(descriptor, "x", 1) != 1 || close(descriptor) != 0;
}

static int fleeting(void) {
    for (int i = 0; i < times; i++) {
        char outer[64], inner[80], file[96];
        snprintf(outer, sizeof outer, "%d", i);
        snprintf(inner, sizeof inner, "%s/deep", outer);
        snprintf(file, sizeof file, "%s/file", inner);
        if (mkdir(outer, 0700) != 0 || mkdir(inner, 0700) != 0 || writeFile(file) != 0) return 1;
        if (unlink(file) != 0 || rmdir(inner) != 0 || rmdir(outer) != 0) return 1;
    }
    return 0;
}

static int renamed(void) {
    if (mkdir("before", 0700) != 0 || mkdir("before/inner", 0700) != 0) return 1;
    if (writeFile("before/inner/old") != 0 || rename("before", "after") != 0) return 1;
    return writeFile("after/inner/new");
}

static int swapped(void) {
    if (mkdir("a", 0700) != 0 || writeFile("a/one") != 0) return 1;
    if (rename("a", "b") != 0 || mkdir("a", 0700) != 0) return 1;
    return writeFile("a/two") || writeFile("b/three");
}

static int odd(void) {
    return writeFile("new\nline") || writeFile("quo\"te") || writeFile("back\\slash") || writeFile("tab\there")
        || writeFile("broken\xff\xfe") || writeFile("gr\xc3\xbc\xc3\x9f" "e");
}

int main(int count, char **arguments) {
    if (count != 3 || chdir(arguments[2]) != 0) return 2;
    if (strcmp(arguments[1], "fleeting") == 0) return fleeting();
    if (strcmp(arguments[1], "renamed") == 0) return renamed();
    if (strcmp(arguments[1], "swapped") == 0) return swapped();
    if (strcmp(arguments[1], "odd") == 0) return odd();
    return 2;
}
