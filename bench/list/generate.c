// Makes records of the five calls for `retinue list`: one file a machine, DIR/10.0.0.N.csv.
//
//   generate RECORDS MACHINES SETS DIR
//
// A set is what the published figure counts: a program that opens 5 files, is started by another and
// talks to one: 7 rows of the list. Each life of a process makes 9 records: fork, exec, 5 opens, connect, and
// the accept of a server on another machine. Lives go through the sets and the machines in turn; pids and
// client ports are used again as a kernel does.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    servers = 64,        // on each machine, with pids from 2
    first_pid = 1000,
    last_pid = 32767,
    first_port = 32768,
    last_port = 60999,
    per_life = 9,
};

struct machine {
    FILE *file;
    char *buffer;
    unsigned pid, port;
};

static void die(const char *what) {
    perror(what);
    exit(1);
}

int main(int count, char **arguments) {
    if (count != 5) {
        fprintf(stderr, "usage: %s RECORDS MACHINES SETS DIR\n", arguments[0]);
        return 1;
    }
    const uint64_t records = strtoull(arguments[1], NULL, 10);
    const unsigned machines = (unsigned)strtoul(arguments[2], NULL, 10);
    const unsigned sets = (unsigned)strtoul(arguments[3], NULL, 10);
    if (machines < 2 || machines > 250 || sets < 1) {
        fprintf(stderr, "2 to 250 machines, at least one set\n");
        return 1;
    }

    struct machine *all = calloc(machines, sizeof *all);
    if (all == NULL) die("calloc");
    uint64_t made = 0;
    for (unsigned m = 0; m < machines; m++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/10.0.0.%u.csv", arguments[4], m + 1);
        all[m].file = fopen(path, "w");
        if (all[m].file == NULL) die(path);
        all[m].buffer = malloc(1 << 20);
        setvbuf(all[m].file, all[m].buffer, _IOFBF, 1 << 20);
        all[m].pid = first_pid;
        all[m].port = first_port;
        fprintf(all[m].file, "exec,1,/sbin/init\n");
        made++;
        for (unsigned s = 0; s < servers; s++, made++)
            fprintf(all[m].file, "exec,%u,/usr/sbin/server-%02u\n", s + 2, s);
    }

    for (uint64_t life = 0; made + per_life <= records; life++, made += per_life) {
        const unsigned set = (unsigned)(life % sets);
        const unsigned m = set % machines;
        const unsigned other = (m + 1 + set / machines % (machines - 1)) % machines;
        const unsigned server = set % servers;
        struct machine *own = &all[m];
        FILE *file = own->file;
        const unsigned pid = own->pid, port = own->port;
        own->pid = pid == last_pid ? first_pid : pid + 1;
        own->port = port == last_port ? first_port : port + 1;

        fprintf(file, "fork,1,%u\nexec,%u,/opt/application-%05u/bin/program\n", pid, pid, set);
        for (unsigned f = 0; f < 5; f++)
            fprintf(file, "open,%u,/opt/application-%05u/data/file-%u.dat,%s\n", pid, set, f, f == 4 ? "rw" : "r");
        fprintf(file, "connect,10.0.0.%u,%u,%u,10.0.0.%u,%u\n", m + 1, port, pid, other + 1, 5000 + server);
        fprintf(all[other].file, "accept,10.0.0.%u,%u,%u,10.0.0.%u,%u\n", other + 1, 5000 + server, server + 2, m + 1,
                port);
    }

    for (unsigned m = 0; m < machines; m++)
        if (fclose(all[m].file) != 0) die("fclose");
    printf("%llu\n", (unsigned long long)made);
    return 0;
}
