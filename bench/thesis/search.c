// The published search rebuilt: from the finished dependency list to the environment of one program.
//
//   search FILE ADDRESS PATH    prints: members found, seconds to read the list, seconds to search it
//
// Rows (address A, path A, address B, path B) are sorted by each of their sides; then everything related to what was
// found is looked up by bisection, until nothing new appears. That is O(n log n), as the publication has it; the
// names themselves are compared, no numbers stand in for them.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Which of its two fields a name ends with does not matter: "ADDRESS,PATH" is one text, and so is compared.
struct row {
    const char *from, *to;
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void die(const char *what) {
    fprintf(stderr, "search: %s\n", what);
    exit(1);
}

static int by_from(const void *left, const void *right) {
    return strcmp(((const struct row *)left)->from, ((const struct row *)right)->from);
}

static char *all_of(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) die("cannot read the list");
    const long size = ftell(file);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    if (text == NULL || fread(text, 1, (size_t)size, file) != (size_t)size) die("cannot read the list");
    text[size] = 0;
    fclose(file);
    return text;
}

// The lists of bench/group/generate.c have no quotes in them.
static size_t parse(char *text, struct row **rows) {
    size_t count = 0, room = 1 << 16;
    *rows = malloc(room * sizeof **rows);
    for (char *line = text; *rows != NULL && *line != 0;) {
        char *end = strchr(line, '\n');
        if (end == NULL) die("the last row has no end");
        *end = 0;
        char *middle = strchr(line, ',');
        if (middle != NULL) middle = strchr(middle + 1, ',');
        if (middle == NULL) die("a row has too few fields");
        *middle = 0;
        if (count + 2 > room) *rows = realloc(*rows, (room *= 2) * sizeof **rows);
        if (*rows == NULL) break;
        // Every relation holds both ways.
        (*rows)[count++] = (struct row){line, middle + 1};
        (*rows)[count++] = (struct row){middle + 1, line};
        line = end + 1;
    }
    if (*rows == NULL) die("no memory");
    return count;
}

static size_t first_at_or_behind(const struct row *rows, size_t count, const char *name) {
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(rows[middle].from, name) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

int main(int count, char **arguments) {
    if (count != 4) die("usage: search FILE ADDRESS PATH");
    const double start = now();
    char *text = all_of(arguments[1]);
    struct row *rows;
    const size_t length = parse(text, &rows);
    const double parsed = now();

    qsort(rows, length, sizeof *rows, by_from);
    bool *found = calloc(length, sizeof *found);  // by the first row of a name
    size_t *waiting = malloc(length * sizeof *waiting);
    char *name = malloc(strlen(arguments[2]) + strlen(arguments[3]) + 2);
    if (found == NULL || waiting == NULL || name == NULL) die("no memory");
    sprintf(name, "%s,%s", arguments[2], arguments[3]);
    size_t members = 0, todo = 0;
    const size_t first = first_at_or_behind(rows, length, name);
    if (first == length || strcmp(rows[first].from, name) != 0) die("that program is not in the list");
    found[first] = true;
    waiting[todo++] = first;
    while (todo > 0) {
        const size_t place = waiting[--todo];
        members++;
        for (size_t row = place; row < length && strcmp(rows[row].from, rows[place].from) == 0; row++) {
            const size_t other = first_at_or_behind(rows, length, rows[row].to);
            if (found[other]) continue;
            found[other] = true;
            waiting[todo++] = other;
        }
    }
    printf("%zu %.4f %.4f\n", members, parsed - start, now() - parsed);
    return 0;
}
