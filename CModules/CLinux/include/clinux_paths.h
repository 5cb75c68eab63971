// Looking at files without waiting for whoever serves them: openat2 and statx with flags that Debian 12's C library
// or Swift's importer do not have.
#ifndef CLINUX_PATHS_H
#define CLINUX_PATHS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const uint64_t clinux_RESOLVE_CACHED = 0x20; // Linux 5.12
static const uint32_t clinux_STATX_MNT_ID = 0x1000; // Linux 5.8

static inline int clinux_openat2(int dirfd, const char *path, uint64_t flags, uint64_t resolve) {
    struct open_how how = {.flags = flags, .resolve = resolve};
    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

static const unsigned clinux_RENAME_NOREPLACE = 1;
static const unsigned clinux_RENAME_EXCHANGE = 2;

// renameat2(2), Linux 3.15.
static inline int clinux_renameat2(int from, const char *name, int to, const char *newName, unsigned flags) {
    return (int)syscall(SYS_renameat2, from, name, to, newName, flags);
}

// What of struct statx is of use, flat.
struct clinux_status {
    uint64_t device; // as st_dev
    uint64_t inode;
    uint64_t mount; // identity of the mount; 0 where the kernel does not say (before Linux 5.8)
    uint64_t changed; // as st_ctim, nanoseconds
    uint64_t size;
    uint64_t special; // of a device's file the device, as st_rdev
    uint32_t mode;
    uint32_t links;
};

// Never asks a server: AT_STATX_DONT_SYNC gives what is known here.
static inline int clinux_status_at(int dirfd, const char *path, int flags, struct clinux_status *status) {
    struct statx all;
    int result = statx(dirfd, path, flags | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
                       STATX_BASIC_STATS | clinux_STATX_MNT_ID, &all);
    if (result != 0) return result;
    status->device = makedev(all.stx_dev_major, all.stx_dev_minor);
    status->inode = all.stx_ino;
    status->mount = all.stx_mask & clinux_STATX_MNT_ID ? all.stx_mnt_id : 0;
    status->changed = (uint64_t)all.stx_ctime.tv_sec * 1000000000 + all.stx_ctime.tv_nsec;
    status->size = all.stx_size;
    status->special = makedev(all.stx_rdev_major, all.stx_rdev_minor);
    status->mode = all.stx_mode;
    status->links = all.stx_nlink;
    return 0;
}

static const int clinux_O_NOATIME = O_NOATIME;
static const int clinux_O_NOFOLLOW = O_NOFOLLOW;
static const long clinux_UTIME_OMIT = UTIME_OMIT;
static const int clinux_SEEK_DATA = 3; // Linux 3.1
static const uint64_t clinux_RESOLVE_BENEATH_WITHOUT_LINKS = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS; // Linux 5.6
static const uint64_t clinux_RESOLVE_IN_ROOT = RESOLVE_IN_ROOT; // Linux 5.6
static const int clinux_PUNCH_HOLE = 0x03; // FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE

static inline int clinux_fallocate(int file, int mode, uint64_t start, uint64_t length) {
    return (int)syscall(SYS_fallocate, file, mode, start, length);
}
static inline long clinux_copy_file_range(int from, int to, uint64_t length) {
    return syscall(SYS_copy_file_range, from, NULL, to, NULL, length, 0);
}

// Entries of a directory as the kernel lays them out (struct linux_dirent64), without a stream that allocates.
static inline long clinux_getdents(int dirfd, void *buffer, size_t size) {
    return syscall(SYS_getdents64, dirfd, buffer, size);
}
static const int clinux_dirent_length_offset = 16; // unsigned short d_reclen, behind d_ino and d_off
static const int clinux_dirent_name_offset = 19;   // d_name, behind d_reclen and d_type

// struct procmap_query of Linux 6.11.
struct clinux_procmap_query {
    uint64_t size, query_flags, query_addr, vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
    uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
    uint64_t vma_name_addr, build_id_addr;
};
_Static_assert(sizeof(struct clinux_procmap_query) == 104, "procmap_query");

// Whether /proc/PID/maps has a shared mapping of a file, System V segments included: 0 with one, else -1 and ENOENT;
// other errors where that cannot be asked.
static inline int clinux_has_shared_mapping(int maps) {
    struct clinux_procmap_query query = {
        .size = sizeof query,
        .query_flags = 0x08 | 0x10 | 0x20, // VMA_SHARED, COVERING_OR_NEXT_VMA, FILE_BACKED_VMA
    };
    return ioctl(maps, _IOWR('f', 17, struct clinux_procmap_query), &query);
}

#endif
