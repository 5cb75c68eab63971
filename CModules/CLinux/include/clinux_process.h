// The proc connector: PROC_EVENT filtering came with Linux 6.6, Debian 12's headers are 6.1.
#ifndef CLINUX_PROCESS_H
#define CLINUX_PROCESS_H

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

// struct proc_input of Linux 6.6 and later.
struct clinux_proc_input {
    uint32_t operation;   // enum proc_cn_mcast_op
    uint32_t event_types; // enum proc_cn_event, or-ed
};

static const uint32_t clinux_PROC_EVENT_FORK = 0x00000001;
static const uint32_t clinux_PROC_EVENT_EXEC = 0x00000002;
static const uint32_t clinux_PROC_EVENT_EXIT = 0x80000000;

// A child that ends at once: what proves that process events arrive. Swift does not import vfork.
static inline int clinux_make_and_reap_child(void) {
    pid_t child = vfork();
    if (child == 0) _exit(0);
    int status;
    return child < 0 ? -1 : (int)waitpid(child, &status, 0);
}

// recvmmsg(2), Linux 2.6.33, of as many datagrams as fit into rooms of so many bytes behind each other, at most 32; their
// lengths, 0 for one that was cut off. With MSG_WAITFORONE in the flags a blocking socket waits for the first alone. The
// second structure is struct mmsghdr, which needs _GNU_SOURCE.
enum { clinux_most_datagrams = 32 };
static inline int clinux_receive_several(int socket, void *bytes, size_t room, int flags, uint32_t *lengths) {
    struct iovec pieces[clinux_most_datagrams];
    struct {
        struct msghdr header;
        unsigned int length;
    } messages[clinux_most_datagrams];
    for (int i = 0; i < clinux_most_datagrams; i++) {
        pieces[i] = (struct iovec){.iov_base = (char *)bytes + room * (size_t)i, .iov_len = room};
        messages[i].header = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    int count = (int)syscall(SYS_recvmmsg, socket, messages, clinux_most_datagrams, flags, NULL);
    for (int i = 0; i < count; i++)
        lengths[i] = messages[i].header.msg_flags & MSG_TRUNC ? 0 : messages[i].length;
    return count;
}
static const int clinux_MSG_WAITFORONE = 0x10000;

// pidfd_open(2), Linux 5.3: closed by an exec always. glibc declares it since 2.36.
static inline int clinux_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

// pidfd_getfd(2), Linux 5.6: another process's open file as a descriptor of this one, closed by an exec.
static inline int clinux_pidfd_getfd(int process, int number) {
    return (int)syscall(SYS_pidfd_getfd, process, number, 0);
}

// kcmp(2) with KCMP_FILE, Linux 3.5: 0 where two descriptors are of one open file description.
static inline int clinux_kcmp_file(pid_t one, pid_t other, unsigned long number, unsigned long other_number) {
    return (int)syscall(SYS_kcmp, one, other, 0, number, other_number);
}

// pidfd_send_signal(2), Linux 5.1.
static inline int clinux_pidfd_send_signal(int descriptor, int number) {
    return (int)syscall(SYS_pidfd_send_signal, descriptor, number, NULL, 0);
}

// sched_getaffinity(2), Linux 2.5.8: how many bytes of the mask were written, or -1.
static inline int clinux_get_affinity(pid_t thread, void *mask, size_t size) {
    return (int)syscall(SYS_sched_getaffinity, thread, size, mask);
}
static inline int clinux_set_affinity(pid_t thread, const void *mask, size_t size) {
    return (int)syscall(SYS_sched_setaffinity, thread, size, mask);
}

// ioprio_get(2) of one process (IOPRIO_WHO_PROCESS), Linux 2.6.13: 0 unless it was set.
static inline int clinux_io_priority(pid_t pid) { return (int)syscall(SYS_ioprio_get, 1, pid); }
static inline int clinux_set_io_priority(pid_t pid, int value) { return (int)syscall(SYS_ioprio_set, 1, pid, value); }

// Offsets that Swift's parser uses; a header that moves them must fail here and not at a user's.
_Static_assert(sizeof(struct nlmsghdr) == 16, "nlmsghdr");
_Static_assert(sizeof(struct cn_msg) == 20, "cn_msg");
_Static_assert(offsetof(struct proc_event, cpu) == 4, "proc_event.cpu");
_Static_assert(offsetof(struct proc_event, timestamp_ns) == 8, "proc_event.timestamp_ns");
_Static_assert(offsetof(struct proc_event, event_data) == 16, "proc_event.event_data");

#endif
