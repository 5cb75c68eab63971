// Writes a dependency list of any length to standard output, and to standard error where the search for the move
// group starts and how many members it must find.
//
//   generate --sets N [--hosts 5] [--shape chain|groups] [--order listed|shuffled] [--form four|nine] [--seed 1]
//
// A set is one program with five files, one child program and one connection: seven rows, as in the thesis.
// No row depends on one written before: each is computed from its number alone, so a hundred million rows need no
// memory, and the same parameters and seed give the same bytes.

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 5, ROWS = 7, FORK = FILES, SOCKET = FILES + 1 };

// Each block of 210 sets holds one group of every size from 1 to 20 (their sum is 210), in one of 64 orders.
enum { LARGEST = 20, BLOCK = LARGEST * (LARGEST + 1) / 2, ORDERS = 64 };

static uint64_t sets = 50000, rows, seed = 1;
static unsigned hosts = 5;
static bool groups, shuffled, nine;

// A bijection on 64 bits whose output bits all depend on all input bits (the finaliser of SplitMix64).
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

// The random number of a set (or block) for one purpose.
static uint64_t number(uint64_t set, unsigned purpose) {
    return mix(mix(seed * 16 + purpose) ^ set);
}

enum { HOST = 1, LINK, MEANS, SHARED, OTHER, ORDER, COUNT, SHUFFLE };

// MARK: Order of the rows

static unsigned shuffleBits;

// A permutation of the row numbers: bijective rounds on the next power of two, walked until inside.
static uint64_t permuted(uint64_t row) {
    const uint64_t mask = (1ull << shuffleBits) - 1;
    const unsigned half = shuffleBits / 2 + 1;
    do {
        for (unsigned round = 0; round < 3; round++) {
            row = (row * (mix(seed * 64 + round) | 1) + mix(seed * 64 + 32 + round)) & mask;
            row ^= row >> half;
        }
    } while (row >= rows);
    return row;
}

// MARK: Groups

static uint8_t groupFirst[ORDERS][BLOCK], groupSize[ORDERS][BLOCK];

static void layGroups(void) {
    for (unsigned order = 0; order < ORDERS; order++) {
        unsigned sizes[LARGEST];
        for (unsigned i = 0; i < LARGEST; i++) {
            unsigned at = (unsigned)(number(order * LARGEST + i, ORDER) % (i + 1));
            sizes[i] = sizes[at];
            sizes[at] = i + 1;
        }
        unsigned first = 0;
        for (unsigned i = 0; i < LARGEST; first += sizes[i++])
            for (unsigned j = 0; j < sizes[i]; j++) {
                groupFirst[order][first + j] = (uint8_t)first;
                groupSize[order][first + j] = (uint8_t)sizes[i];
            }
    }
}

typedef struct { uint64_t first, size; } Group;

static Group groupOf(uint64_t set) {
    uint64_t block = set / BLOCK;
    unsigned order = number(block, ORDER) % ORDERS;
    Group group = { block * BLOCK + groupFirst[order][set % BLOCK], groupSize[order][set % BLOCK] };
    if (group.first + group.size > sets) group.size = sets - group.first;
    return group;
}

static unsigned hostOf(uint64_t set) {
    return 1 + (unsigned)((groups ? number(set, HOST) : set) % hosts);
}

// An earlier set of the same group, to which this one is linked; itself where it is the first.
static uint64_t linkOf(uint64_t set, Group group) {
    return set == group.first ? set : group.first + number(set, LINK) % (set - group.first);
}

// Whether that link is a file that both use (only where both run on one host) and not a connection.
static bool linkedByFile(uint64_t set, uint64_t other) {
    return set != other && hostOf(set) == hostOf(other) && number(set, MEANS) % 2 == 0;
}

// MARK: Output

static char buffer[1 << 20], *at = buffer;

static void flush(void) {
    for (char *from = buffer; from < at;) {
        ssize_t written = write(STDOUT_FILENO, from, (size_t)(at - from));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) { perror("generate"); exit(1); }
        from += written;
    }
    at = buffer;
}

static void text(const char *string) {
    size_t length = strlen(string);
    memcpy(at, string, length);
    at += length;
}

static void decimal(uint64_t value, int digits) {
    char reversed[20];
    int count = 0;
    do reversed[count++] = (char)('0' + value % 10); while ((value /= 10) || count < digits);
    while (count) *at++ = reversed[--count];
}

static void address(unsigned host) {
    text("10.0.");
    decimal(host / 250, 1);
    *at++ = '.';
    decimal(host % 250, 1);
}

static void program(unsigned host, uint64_t set) {
    address(host);
    text(",/opt/ap/ap");
    decimal(set, 6);
}

static void row(uint64_t set, unsigned kind) {
    const unsigned host = hostOf(set);
    const Group group = groups ? groupOf(set) : (Group){ 0, sets };
    const uint64_t link = groups ? linkOf(set, group) : 0;
    const bool byFile = groups && linkedByFile(set, link);
    const bool shared = byFile && kind == 0;
    program(host, set);
    if (nine) text(kind < FILES ? shared ? ",file,rw" : ",file,r" : kind == FORK ? ",spawn," : ",connect,");
    *at++ = ',';
    if (kind < FILES) {
        // The first file of a set may be one shared with an earlier set; the one shared is never a first one.
        uint64_t file = shared ? link * FILES + 1 + number(set, SHARED) % (FILES - 1) : set * FILES + kind;
        address(host);
        text(",/srv/data/f");
        decimal(file, 7);
    } else if (kind == FORK || (groups && group.size == 1)) {
        // A set that is alone in its group talks to its own child.
        address(host);
        text(",/opt/ap/child");
        decimal(set, 6);
    } else if (!groups) {
        // The last one talks to a server that has no set, on the host that would be next.
        program(hostOf(set + 1), set + 1);
    } else {
        uint64_t other = link;
        if (byFile || set == group.first)
            other = group.first + (set - group.first + 1 + number(set, OTHER) % (group.size - 1)) % group.size;
        program(hostOf(other), other);
    }
    if (nine) {
        *at++ = ',';
        decimal(1 + number(set, COUNT) % 900, 1);
        text(",2026-11-20T22:14:05.002Z,2026-11-21T01:00:00.417Z");
    }
    *at++ = '\n';
    if (at - buffer > (long)sizeof buffer - 1024) flush();
}

// MARK: The answer

static void tellAnswer(void) {
    uint64_t start = 0, members = 7 * sets + 1;
    if (groups) {
        // A group of the largest size, from the middle of the list.
        start = sets / 2 / BLOCK * BLOCK;
        for (uint64_t set = start; set < start + BLOCK && set < sets; set++)
            if (groupOf(set).size > groupOf(start).size) start = set;
        Group group = groupOf(start);
        members = 7 * group.size;
        for (uint64_t set = group.first; set < group.first + group.size; set++)
            members -= linkedByFile(set, linkOf(set, group));
    }
    at = buffer;
    program(hostOf(start), start);
    *at = 0;
    fprintf(stderr, "start %s\nmembers %llu\nrows %llu\n", buffer, (unsigned long long)members,
            (unsigned long long)rows);
}

static void usage(void) {
    fputs("generate: --sets N [--hosts N] [--shape chain|groups] [--order listed|shuffled] [--form four|nine]"
          " [--seed N]\n", stderr);
    exit(2);
}

static uint64_t whole(const char *argument, uint64_t most) {
    char *end;
    errno = 0;
    uint64_t value = strtoull(argument, &end, 10);
    if (errno || *end || end == argument || *argument == '-' || value > most) usage();
    return value;
}

static bool second(const char *argument, const char *one, const char *two) {
    if (strcmp(argument, one) && strcmp(argument, two)) usage();
    return !strcmp(argument, two);
}

int main(int count, char **arguments) {
    const struct option options[] = {
        { "sets", 1, 0, 's' }, { "hosts", 1, 0, 'h' }, { "shape", 1, 0, 'g' }, { "order", 1, 0, 'o' },
        { "form", 1, 0, 'f' }, { "seed", 1, 0, 'r' }, { 0 },
    };
    bool ordered = false;
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;)
        switch (option) {
        case 's': sets = whole(optarg, 1ull << 40); break;
        case 'h': hosts = (unsigned)whole(optarg, 50000); break;
        case 'g': groups = second(optarg, "chain", "groups"); break;
        case 'o': shuffled = second(optarg, "listed", "shuffled"); ordered = true; break;
        case 'f': nine = second(optarg, "four", "nine"); break;
        case 'r': seed = whole(optarg, UINT64_MAX); break;
        default: usage();
        }
    if (optind != count || sets == 0 || hosts == 0) usage();
    // Without --order: the chain set after set, groups in no order at all.
    if (!ordered) shuffled = groups;
    rows = sets * ROWS;
    while (1ull << shuffleBits < rows) shuffleBits++;
    layGroups();

    if (nine) text("host A,path A,relation,access,host B,path B,count,first,last\n");
    for (uint64_t i = 0; i < rows; i++) {
        uint64_t place = shuffled ? permuted(i) : i;
        row(place / ROWS, (unsigned)(place % ROWS));
    }
    flush();
    tellAnswer();
}
