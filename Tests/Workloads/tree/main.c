// Plays with directories faster than anybody can look: every name must be kept from the events alone.
//
//   tree fleeting FOLDER    FOLDER/<i>/deep/file is opened, then both directories are removed, 101 times
//   tree renamed FOLDER     opens before/inner/old, renames before to after, opens after/inner/new
//   tree swapped FOLDER     a is renamed to b and a new a is made; files in both are opened
//   tree restless FOLDER    a/inner is made; a is renamed to b, back and to b again; b/inner/file is opened
//   tree deep FOLDER        1,500 directories in one another, and a file in the last
//   tree deeper FOLDER      opens another file there, without a look at what lies between
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

static int restless(void) {
    if (mkdir("a", 0700) != 0 || mkdir("a/inner", 0700) != 0 || writeFile("a/inner/first") != 0) return 1;
    usleep(100000);
    if (rename("a", "b") != 0 || rename("b", "a") != 0 || rename("a", "b") != 0) return 1;
    return writeFile("b/inner/file");
}

// From level to level: the path would be too long for one call.
static int deep(int isMade) {
    for (int i = 0; i < 1500; i++) {
        if (isMade && mkdir("level", 0700) != 0) return 1;
        if (chdir("level") != 0) return 1;
    }
    return writeFile(isMade ? "file" : "other");
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
    if (strcmp(arguments[1], "restless") == 0) return restless();
    if (strcmp(arguments[1], "deep") == 0) return deep(1);
    if (strcmp(arguments[1], "deeper") == 0) return deep(0);
    if (strcmp(arguments[1], "odd") == 0) return odd();
    return 2;
}
