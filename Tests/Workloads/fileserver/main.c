// A file server: mounts itself by FUSE, without any library, and answers for a folder of small files.
//
//   fileserver MOUNTPOINT
//
// Every name but those with a dot is a file that holds "hi". A name `eN` is a file whose every second open fails with
// errno N. SIGUSR1 prints how often what was asked, as one line. Ends when it is unmounted.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 4096, NAME = 64 };
static char names[FILES][NAME]; // node 2 is names[0]
static int opened[FILES];
static int count;
static volatile sig_atomic_t asked;
static unsigned long lookups, attributes, opens, statistics;

static void ask(int signal) {
    (void)signal;
    asked = 1;
}

static void answer(int device, uint64_t unique, int error, const void *body, size_t size) {
    struct {
        struct fuse_out_header header;
        char body[4096];
    } out = {.header = {.len = sizeof out.header + size, .error = -error, .unique = unique}};
    if (size > 0) memcpy(out.body, body, size);
    if (write(device, &out, out.header.len) < 0) return; // The asker was interrupted.
}

static struct fuse_attr attr(uint64_t node) {
    struct fuse_attr attr = {.ino = node, .nlink = 1, .blksize = 4096};
    attr.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
    attr.size = node == FUSE_ROOT_ID ? 0 : 2;
    return attr;
}

static uint64_t node(const char *name) {
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) return i + 2;
    if (count == FILES || strlen(name) >= NAME || strchr(name, '.')) return 0;
    strcpy(names[count], name);
    return ++count + 1;
}

static void serve(int device, struct fuse_in_header *in, char *body) {
    switch (in->opcode) {
    case FUSE_INIT: {
        struct fuse_init_in *init = (void *)body;
        struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
                                    .max_readahead = init->max_readahead, .max_write = 4096};
        answer(device, in->unique, 0, &out, sizeof out);
        return;
    }
    case FUSE_LOOKUP: {
        lookups++;
        uint64_t found = node(body);
        struct fuse_entry_out out = {.nodeid = found, .attr = attr(found)};
        answer(device, in->unique, found ? 0 : ENOENT, &out, found ? sizeof out : 0);
        return;
    }
    case FUSE_GETATTR: {
        attributes++;
        struct fuse_attr_out out = {.attr = attr(in->nodeid)};
        answer(device, in->unique, 0, &out, sizeof out);
        return;
    }
    case FUSE_OPEN: {
        opens++;
        const char *name = names[in->nodeid - 2];
        int error = name[0] == 'e' && ++opened[in->nodeid - 2] % 2 == 0 ? atoi(name + 1) : 0;
        struct fuse_open_out out = {.fh = 1};
        answer(device, in->unique, error, &out, error ? 0 : sizeof out);
        return;
    }
    case FUSE_OPENDIR: {
        struct fuse_open_out out = {.fh = 1};
        answer(device, in->unique, 0, &out, sizeof out);
        return;
    }
    case FUSE_READ: {
        struct fuse_read_in *read = (void *)body;
        answer(device, in->unique, 0, "hi", read->offset == 0 ? 2 : 0);
        return;
    }
    case FUSE_STATFS: {
        statistics++;
        struct fuse_statfs_out out = {.st = {.bsize = 4096, .namelen = NAME}};
        answer(device, in->unique, 0, &out, sizeof out);
        return;
    }
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT: return; // No answer is expected.
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_READDIR: answer(device, in->unique, 0, NULL, 0); return;
    default: answer(device, in->unique, ENOSYS, NULL, 0);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    struct sigaction action = {.sa_handler = ask};
    sigaction(SIGUSR1, &action, NULL);
    int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    char options[128];
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device);
    if (device < 0 || mount("fileserver", argv[1], "fuse.fileserver", MS_NOSUID | MS_NODEV, options) != 0) {
        perror(argv[1]);
        return 1;
    }
    static char buffer[1 << 17];
    puts("serving");
    fflush(stdout);
    while (1) {
        if (asked) {
            asked = 0;
            printf("lookups %lu attributes %lu opens %lu statistics %lu\n", lookups, attributes, opens, statistics);
            fflush(stdout);
        }
        ssize_t size = read(device, buffer, sizeof buffer);
        if (size >= (ssize_t)sizeof(struct fuse_in_header)) {
            serve(device, (void *)buffer, buffer + sizeof(struct fuse_in_header));
        } else if (size < 0 && errno == ENODEV) {
            return 0;
        }
    }
}
