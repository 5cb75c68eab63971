// fanotify: calls and the constants that Swift cannot import or that Debian 12's headers lack.
#ifndef CLINUX_FANOTIFY_H
#define CLINUX_FANOTIFY_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <fcntl.h>
#include <linux/fanotify.h>
#include <sched.h>
#include <stdint.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const uint64_t clinux_FAN_OPEN = FAN_OPEN;
static const uint64_t clinux_FAN_OPEN_EXEC = FAN_OPEN_EXEC;
static const uint64_t clinux_FAN_CLOSE_WRITE = FAN_CLOSE_WRITE;
static const uint64_t clinux_FAN_CREATE = FAN_CREATE;
static const uint64_t clinux_FAN_RENAME = FAN_RENAME;
static const uint64_t clinux_FAN_ONDIR = FAN_ONDIR;
static const uint64_t clinux_FAN_Q_OVERFLOW = FAN_Q_OVERFLOW;
static const uint32_t clinux_FAN_REPORT_DFID_NAME_TARGET = FAN_REPORT_DFID_NAME_TARGET;
static const uint32_t clinux_FAN_REPORT_FD_ERROR = 0x2000; // Linux 6.13
static const uint32_t clinux_FAN_REPORT_MNT = 0x4000;        // Linux 6.15
static const uint32_t clinux_FAN_MARK_MNTNS = 0x110;         // Linux 6.15
static const uint64_t clinux_FAN_MNT_ATTACH = 0x01000000;    // Linux 6.15
static const uint64_t clinux_FAN_MNT_DETACH = 0x02000000;    // Linux 6.15

_Static_assert(sizeof(struct fanotify_event_metadata) == 24, "fanotify_event_metadata");
_Static_assert(sizeof(struct fanotify_event_info_header) == 4, "fanotify_event_info_header");
_Static_assert(sizeof(struct file_handle) == 8, "file_handle");

static inline int clinux_fanotify_init(unsigned int flags, unsigned int event_flags) {
    return (int)syscall(SYS_fanotify_init, flags, event_flags);
}
static inline int clinux_fanotify_mark(int group, unsigned int flags, uint64_t mask, int dirfd,
                                       const char *path) {
    return fanotify_mark(group, flags, mask, dirfd, path);
}
// Moves the calling thread, and no other, into the mount namespace of an open /proc/PID/ns/mnt.
static inline int clinux_enter_mount_namespace(int fd) {
    int result = unshare(CLONE_FS);
    return result == 0 ? setns(fd, CLONE_NEWNS) : result;
}
// Bytes that wait to be read; a group of fanotify counts sizeof(struct fanotify_event_metadata) for each event.
static inline int clinux_waiting_bytes(int fd, int *bytes) { return ioctl(fd, FIONREAD, bytes); }
// `handle` points at the bytes of a `struct file_handle`: handle_bytes, handle_type, f_handle.
static inline int clinux_open_by_handle_at(int mount, void *handle, int flags) {
    return open_by_handle_at(mount, (struct file_handle *)handle, flags);
}
static inline int clinux_name_to_handle_at(int dirfd, const char *path, void *handle,
                                           int *mount_id, int flags) {
    return name_to_handle_at(dirfd, path, (struct file_handle *)handle, mount_id, flags);
}

#endif
