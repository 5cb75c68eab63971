// Files that are filled when they are first touched: fanotify's pre-content events (Linux 6.14; ext4, xfs, btrfs), and
// what Debian 12's headers lack of them.
#ifndef CLINUX_PLACEHOLDERS_H
#define CLINUX_PLACEHOLDERS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <fcntl.h>
#include <stdint.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const uint32_t clinux_FAN_CLASS_PRE_CONTENT = FAN_CLASS_PRE_CONTENT;
static const uint64_t clinux_FAN_PRE_ACCESS = 0x00100000;
static const uint8_t clinux_FAN_EVENT_INFO_TYPE_RANGE = 6;
static const int clinux_O_LARGEFILE = O_LARGEFILE;
static const int clinux_O_TMPFILE = O_TMPFILE;
static const int clinux_AT_EMPTY_PATH = AT_EMPTY_PATH;
static const uint32_t clinux_FAN_ALLOW = FAN_ALLOW;
// FAN_DENY_ERRNO of linux/fanotify.h: the errno in the upper byte.
static inline uint32_t clinux_FAN_DENY_ERRNO(int code) { return FAN_DENY | ((uint32_t)code & 0xff) << 24; }

// Answers the event whose descriptor had a number in whichever process read it: a group that is shared takes the answer of
// any holder. Returns 0, or -1 with errno; ENOENT if no event waits that has it.
static inline int clinux_fanotify_answer(int group, int number, uint32_t answer) {
    struct fanotify_response response = {.fd = number, .response = answer};
    return write(group, &response, sizeof response) == sizeof response ? 0 : -1;
}

// Marks, or takes the mark from, what a descriptor is open on.
static inline int clinux_fanotify_mark_descriptor(int group, int adds, uint64_t mask, int descriptor) {
    return fanotify_mark(group, adds ? FAN_MARK_ADD : FAN_MARK_REMOVE, mask, descriptor, NULL);
}

// mmap without the pointer that is -1.
static inline void *clinux_map_shared(int descriptor, uint64_t offset, size_t length) {
    void *place = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, (off_t)offset);
    return place == MAP_FAILED ? NULL : place;
}

#endif
