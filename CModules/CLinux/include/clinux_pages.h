// Memory whose faults another process answers (userfaultfd(2)), and one system call made in a process that does not know of it
// (ptrace(2)). The ioctls' numbers are composed macros, ptrace is variadic.
#ifndef CLINUX_PAGES_H
#define CLINUX_PAGES_H

#include <errno.h>
#include <linux/userfaultfd.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
#include <sys/uio.h>
#include <sys/user.h>

_Static_assert(sizeof(struct uffd_msg) == 32, "uffd_msg");
_Static_assert(offsetof(struct uffd_msg, arg.pagefault.flags) == 8, "uffd_msg.arg.pagefault.flags");
_Static_assert(offsetof(struct uffd_msg, arg.pagefault.address) == 16, "uffd_msg.arg.pagefault.address");
_Static_assert(offsetof(struct uffd_msg, arg.fork.ufd) == 8, "uffd_msg.arg.fork.ufd");
_Static_assert(offsetof(struct uffd_msg, arg.remap.len) == 24, "uffd_msg.arg.remap.len");

// Each returns 0, or -1 with errno.
static inline int clinux_uffd_api(int fd, uint64_t features) {
    struct uffdio_api api = {.api = UFFD_API, .features = features};
    return ioctl(fd, UFFDIO_API, &api);
}
static inline int clinux_uffd_register(int fd, uint64_t start, uint64_t length, uint64_t mode) {
    struct uffdio_register range = {.range = {.start = start, .len = length}, .mode = mode};
    return ioctl(fd, UFFDIO_REGISTER, &range);
}
static inline int clinux_uffd_unregister(int fd, uint64_t start, uint64_t length) {
    struct uffdio_range range = {.start = start, .len = length};
    return ioctl(fd, UFFDIO_UNREGISTER, &range);
}
static inline int clinux_uffd_copy(int fd, uint64_t to, const void *from, uint64_t length, uint64_t mode) {
    struct uffdio_copy copy = {.dst = to, .src = (uint64_t)(uintptr_t)from, .len = length, .mode = mode};
    return ioctl(fd, UFFDIO_COPY, &copy);
}
static inline int clinux_uffd_protect(int fd, uint64_t start, uint64_t length, uint64_t mode) {
    struct uffdio_writeprotect range = {.range = {.start = start, .len = length}, .mode = mode};
    return ioctl(fd, UFFDIO_WRITEPROTECT, &range);
}
static inline int clinux_uffd_wake(int fd, uint64_t start, uint64_t length) {
    struct uffdio_range range = {.start = start, .len = length};
    return ioctl(fd, UFFDIO_WAKE, &range);
}

static const uint64_t clinux_UFFD_MISSING = UFFDIO_REGISTER_MODE_MISSING;
static const uint64_t clinux_UFFD_WP = UFFDIO_REGISTER_MODE_WP;
static const uint64_t clinux_UFFD_COPY_WP = UFFDIO_COPY_MODE_WP;
static const uint64_t clinux_UFFD_COPY_DONTWAKE = UFFDIO_COPY_MODE_DONTWAKE;
static const uint64_t clinux_UFFD_PROTECT_WP = UFFDIO_WRITEPROTECT_MODE_WP;

// PTRACE_SEIZE, without what seccomp(2) forbids the thread as long as it is traced (PTRACE_O_SUSPEND_SECCOMP, Linux 4.3), where the
// kernel has that and lets the caller.
static inline long clinux_ptrace_seize(pid_t thread) {
    long done = ptrace(PTRACE_SEIZE, thread, 0, 1L << 21);
    return done == 0 || (errno != EINVAL && errno != EPERM) ? done : ptrace(PTRACE_SEIZE, thread, 0, 0);
}
// PTRACE_GET_RSEQ_CONFIGURATION, Linux 5.13: where a thread has its struct rseq, 0 for none. The structure is struct
// ptrace_rseq_configuration.
static inline uint64_t clinux_ptrace_rseq(pid_t thread) {
    struct {
        uint64_t address;
        uint32_t size, signature, flags, padding;
    } found = {0};
    return ptrace((enum __ptrace_request)0x420f, thread, sizeof found, &found) > 0 ? found.address : 0;
}
static inline long clinux_ptrace_interrupt(pid_t thread) { return ptrace(PTRACE_INTERRUPT, thread, 0, 0); }
static inline long clinux_ptrace_detach(pid_t thread, int signal) {
    return ptrace(PTRACE_DETACH, thread, 0, (long)signal);
}
static inline long clinux_ptrace_step(pid_t thread) { return ptrace(PTRACE_SINGLESTEP, thread, 0, 0); }
static inline long clinux_ptrace_signal_mask(pid_t thread, uint64_t *mask) {
    return ptrace(PTRACE_GETSIGMASK, thread, sizeof *mask, mask);
}
static inline long clinux_ptrace_set_signal_mask(pid_t thread, const uint64_t *mask) {
    return ptrace(PTRACE_SETSIGMASK, thread, sizeof *mask, (void *)mask);
}
// NT_PRSTATUS, which is 1.
static inline long clinux_ptrace_registers(pid_t thread, struct user_regs_struct *registers) {
    struct iovec piece = {.iov_base = registers, .iov_len = sizeof *registers};
    return ptrace(PTRACE_GETREGSET, thread, 1L, &piece);
}
static inline long clinux_ptrace_set_registers(pid_t thread, const struct user_regs_struct *registers) {
    struct iovec piece = {.iov_base = (void *)registers, .iov_len = sizeof *registers};
    return ptrace(PTRACE_SETREGSET, thread, 1L, &piece);
}
// get_robust_list(2): where a thread has the list of locks that the kernel is to release when it ends.
static inline int clinux_robust_list(pid_t thread, uint64_t *head, size_t *size) {
    return (int)syscall(SYS_get_robust_list, thread, (void **)head, size);
}
static inline long clinux_userfaultfd_number(void) { return SYS_userfaultfd; }

#endif
