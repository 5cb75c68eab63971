// Policy: only what Swift cannot import by itself. Kernel headers for their constants and
// structures, inline wrappers for calls that glibc does not declare or that are variadic, and
// constants whose macros the importer refuses (composed or sizeof-like). No logic.
// Every name of our own starts with `clinux_`.
#ifndef CLINUX_H
#define CLINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

// The C library's own Swift module is built without _GNU_SOURCE; the only type that both define and
// that differs is fd_set, in the name of its member. Define it here as it is there.
#include <features.h>
#pragma push_macro("__USE_XOPEN")
#undef __USE_XOPEN
#include <sys/select.h>
#pragma pop_macro("__USE_XOPEN")

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>

#include "clinux_control.h"
#include "clinux_fanotify.h"
#include "clinux_ipc.h"
#include "clinux_launch.h"
#include "clinux_packets.h"
#include "clinux_pages.h"
#include "clinux_paths.h"
#include "clinux_placeholders.h"
#include "clinux_process.h"
#include "clinux_sockets.h"

// -- calls without a glibc declaration, or variadic ---------------------------------------------

static inline int clinux_perf_event_open(struct perf_event_attr *attributes, pid_t pid, int cpu,
                                         int group, unsigned long flags) {
    return (int)syscall(SYS_perf_event_open, attributes, pid, cpu, group, flags);
}
static inline int clinux_fsopen(const char *name, unsigned int flags) {
    return (int)syscall(SYS_fsopen, name, flags);
}
static inline int clinux_fsconfig(int fd, unsigned int command, const char *key, const void *value,
                                  int auxiliary) {
    return (int)syscall(SYS_fsconfig, fd, command, key, value, auxiliary);
}
static inline int clinux_fsmount(int fd, unsigned int flags, unsigned int attributes) {
    return (int)syscall(SYS_fsmount, fd, flags, attributes);
}
static inline int clinux_open(const char *path, int flags, mode_t mode) {
    return open(path, flags, mode);
}
static inline int clinux_openat(int fd, const char *path, int flags, mode_t mode) {
    return openat(fd, path, flags, mode);
}
static inline int clinux_ioctl(int fd, unsigned long request, unsigned long argument) {
    return ioctl(fd, request, argument);
}
static inline int clinux_ioctl_pointer(int fd, unsigned long request, void *argument) {
    return ioctl(fd, request, argument);
}
static inline int clinux_fcntl(int fd, int command, int argument) {
    return fcntl(fd, command, argument);
}
static inline int clinux_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

// Takes back that this process is killed when its parent ends (PR_SET_PDEATHSIG of prctl(2)).
static inline int clinux_outlive_parent(void) { return prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0); }
static inline int clinux_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }
static inline int clinux_open_tree(int dirfd, const char *path, unsigned int flags) {
    return (int)syscall(SYS_open_tree, dirfd, path, flags);
}
static inline uint64_t clinux_makedev(unsigned int major, unsigned int minor) {
    return makedev(major, minor);
}
static inline int clinux_capget(void *header, void *data) {
    return (int)syscall(SYS_capget, header, data);
}

// -- names that old headers lack (values are kernel ABI) ------------------------------------------

enum {
    clinux_FSOPEN_CLOEXEC = 1,
    clinux_FSMOUNT_CLOEXEC = 1,
    clinux_OPEN_TREE_CLONE = 1,
    clinux_FSCONFIG_SET_FLAG = 0,
    clinux_FSCONFIG_SET_STRING = 1,
    clinux_FSCONFIG_CMD_CREATE = 6,
};

// -- constants whose macros are composed --------------------------------------------------------

static const int clinux_EPOLL_CLOEXEC = EPOLL_CLOEXEC;
static const unsigned int clinux_MFD_CLOEXEC = MFD_CLOEXEC;
static const int clinux_EFD_CLOEXEC = EFD_CLOEXEC;
static const int clinux_EFD_NONBLOCK = EFD_NONBLOCK;
static const int clinux_TFD_CLOEXEC = TFD_CLOEXEC;
static const int clinux_TFD_NONBLOCK = TFD_NONBLOCK;
static const int clinux_SFD_CLOEXEC = SFD_CLOEXEC;
static const int clinux_SFD_NONBLOCK = SFD_NONBLOCK;
static const int clinux_SOCK_CLOEXEC = SOCK_CLOEXEC;
static const int clinux_SOCK_NONBLOCK = SOCK_NONBLOCK;
static const int clinux_SOCK_DGRAM = SOCK_DGRAM;
static const int clinux_SOCK_RAW = SOCK_RAW;
static const int clinux_SOCK_STREAM = SOCK_STREAM;
static const int clinux_SOCK_SEQPACKET = SOCK_SEQPACKET;
static const uint32_t clinux_EPOLLIN = EPOLLIN;
static const uint32_t clinux_EPOLLPRI = EPOLLPRI;
static const uint32_t clinux_EPOLLOUT = EPOLLOUT;
static const uint32_t clinux_EPOLLERR = EPOLLERR;
static const uint32_t clinux_EPOLLHUP = EPOLLHUP;

static const unsigned long clinux_PERF_EVENT_IOC_SET_FILTER = PERF_EVENT_IOC_SET_FILTER;
static const unsigned long clinux_PERF_EVENT_IOC_SET_OUTPUT = PERF_EVENT_IOC_SET_OUTPUT;
static const unsigned long clinux_PERF_EVENT_IOC_ENABLE = PERF_EVENT_IOC_ENABLE;
static const unsigned long clinux_PERF_EVENT_IOC_DISABLE = PERF_EVENT_IOC_DISABLE;

// <linux/tcp.h> cannot share a module with <netinet/tcp.h>, so struct tcp_info is known by offsets.
extern const int clinux_tcp_info_bytes_received; // u64 tcpi_bytes_received, Linux 4.1
extern const int clinux_tcp_info_segs_in;        // u32 tcpi_segs_in, Linux 4.2
extern const int clinux_tcp_info_segs_out;       // u32 tcpi_segs_out, Linux 4.2
extern const int clinux_tcp_info_bytes_sent;     // u64 tcpi_bytes_sent, Linux 4.19
extern const int clinux_tcp_info_bytes_retrans;  // u64 tcpi_bytes_retrans, Linux 4.19

// <sys/resource.h> differs under _GNU_SOURCE from what the C library's own module has.
// Sets both limits of RLIMIT_RTTIME; see setrlimit(2).
int clinux_limit_real_time(uint64_t microseconds);

// <malloc.h> is not in the C library's own module. From this size on a piece of memory comes from the kernel and goes
// back to it at once; see M_MMAP_THRESHOLD in mallopt(3).
static inline void clinux_set_mmap_threshold(int bytes) { mallopt(M_MMAP_THRESHOLD, bytes); }

// epoll_event is packed on x86-64 and its union is awkward in Swift: one word of data is enough.
static inline int clinux_epoll_add(int epoll, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data = {.u64 = data}};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}
static inline int clinux_epoll_delete(int epoll, int fd) {
    struct epoll_event event = {0};
    return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &event);
}
static inline uint64_t clinux_epoll_data(const struct epoll_event *event) { return event->data.u64; }

#endif
