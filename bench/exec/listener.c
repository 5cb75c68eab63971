/* The least that knowing a new image costs: a listener of the kernel's exec events.
 *
 *     listener receive|look|ask|report
 *
 * `receive` throws the events away. `look` makes the calls by which a process that may be gone in a moment can be asked
 * for its control group, executable, namespaces and arguments, and throws away what they say. `ask` learns the control group's
 * number and the namespaces by ioctl of a pidfd (PIDFD_GET_INFO is of Linux 6.13, PIDFD_GET_NET_NAMESPACE of 6.11), the executable
 * by its link, and no arguments: the least that a look at a process takes. `report` looks at none and is not woken: every 10 ms it
 * reads the execs with their control groups, and the namespaces of new threads, from perf's rings. On SIGTERM it prints how many events came and its processor time,
 * in microseconds.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ends;
static void end(int signal) { (void)signal; ends = 1; }

static void take(int folder, const char *name, size_t most) {
    char bytes[4096];
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    if (read(file, bytes, most) < 0) { /* It has gone. */ }
    close(file);
}

static void look(int pid) {
    char path[32], bytes[4096];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d", pid);
    int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    take(folder, "cgroup", 4096);
    if (readlinkat(folder, "exe", bytes, sizeof bytes) < 0) { /* It has gone. */ }
    fstatat(folder, "ns/mnt", &status, 0);
    fstatat(folder, "ns/net", &status, 0);
    take(folder, "cmdline", 512);
    close(folder);
}

/* struct pidfd_info of linux/pidfd.h in its first size, for headers that are older. */
struct pidfd_answer {
    uint64_t mask, cgroup;
    uint32_t pid, tgid, ppid, ids[8];
    int32_t exit;
};
enum { CGROUP = 1 << 2, MNT = 3, NET = 4 };
#define PIDFD_ASK _IOWR(0xFF, 11, struct pidfd_answer)

static void ask(int pid) {
    char path[32], bytes[4096];
    struct stat status;
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    if (process < 0) return;
    struct pidfd_answer answer = {.mask = CGROUP};
    if (ioctl(process, PIDFD_ASK, &answer) < 0) { /* It has gone. */ }
    for (int kind = MNT; kind <= NET; kind++) {
        int namespace_ = ioctl(process, _IO(0xFF, kind), 0);
        if (namespace_ < 0) continue;
        fstat(namespace_, &status);
        close(namespace_);
    }
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    if (readlink(path, bytes, sizeof bytes) < 0) { /* It has gone. */ }
    close(process);
}

/* Whether this kernel answers at all. */
static int answers(void) {
    int process = (int)syscall(SYS_pidfd_open, getpid(), 0);
    struct pidfd_answer answer = {.mask = CGROUP};
    int namespace_ = process < 0 ? -1 : ioctl(process, _IO(0xFF, NET), 0);
    int all = namespace_ >= 0 && ioctl(process, PIDFD_ASK, &answer) == 0 && answer.cgroup != 0;
    if (namespace_ >= 0) close(namespace_);
    if (process >= 0) close(process);
    return all;
}

enum { PAGES = 256 };

/* Reads what the ring holds; returns how many execs. */
static unsigned long take_ring(struct perf_event_mmap_page *page) {
    const char *ring = (const char *)page + 4096;
    static char record[65536];
    unsigned long execs = 0, head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE), tail = page->data_tail;
    while (tail < head) {
        unsigned long start = tail % (PAGES * 4096ul);
        const struct perf_event_header *header = (const struct perf_event_header *)(ring + start);
        unsigned long size = header->size, first = PAGES * 4096ul - start;
        memcpy(record, ring + start, size < first ? size : first);
        if (size > first) memcpy(record + first, ring, size - first);
        if (header->type == PERF_RECORD_SAMPLE) execs++;
        tail += size;
    }
    __atomic_store_n(&page->data_tail, tail, __ATOMIC_RELEASE);
    return execs;
}

static int report(void) {
    FILE *file = fopen("/sys/kernel/tracing/events/sched/sched_process_exec/id", "r");
    int identifier, processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (file == NULL || fscanf(file, "%d", &identifier) != 1) return fputs("listener: no tracefs\n", stderr), 1;
    struct perf_event_mmap_page *pages[processors];
    for (int processor = 0; processor < processors; processor++) {
        struct perf_event_attr attributes = {
            .type = PERF_TYPE_TRACEPOINT, .size = sizeof attributes, .config = (unsigned)identifier, .sample_period = 1,
            .sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_RAW | PERF_SAMPLE_CGROUP, .watermark = 1,
            .wakeup_watermark = PAGES * 4096 - 1, .sample_id_all = 1, .namespaces = 1, .comm_exec = 1,
        };
        int event = (int)syscall(SYS_perf_event_open, &attributes, -1, processor, -1, PERF_FLAG_FD_CLOEXEC);
        if (event < 0) return perror("perf_event_open"), 1;
        pages[processor] = mmap(NULL, (PAGES + 1) * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, event, 0);
        if (pages[processor] == MAP_FAILED) return perror("mmap"), 1;
    }
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    puts("ready");
    fflush(stdout);
    unsigned long execs = 0;
    while (!ends) {
        usleep(10000);
        for (int processor = 0; processor < processors; processor++) execs += take_ring(pages[processor]);
    }
    printf("%lu\n", execs);
    return 0;
}

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "report") == 0) return report();
    int looks = count > 1 && strcmp(arguments[1], "look") == 0;
    int asks = count > 1 && strcmp(arguments[1], "ask") == 0;
    if (asks && !answers()) return fputs("listener: PIDFD_GET_INFO needs Linux 6.13\n", stderr), 1;
    int socket_ = socket(PF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
    /* Execs alone, so that nothing else wakes it. */
    unsigned what = NLMSG_HDRLEN + offsetof(struct cn_msg, data) + offsetof(struct proc_event, what);
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, what),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __builtin_bswap32(PROC_EVENT_EXEC), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog filter = {.len = 4, .filter = program};
    setsockopt(socket_, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
    if (bind(socket_, (struct sockaddr *)&address, sizeof address) != 0) return perror("bind"), 1;
    struct {
        struct nlmsghdr header;
        char body[sizeof(struct cn_msg) + sizeof(enum proc_cn_mcast_op)];
    } __attribute__((aligned(NLMSG_ALIGNTO))) wish = {0};
    struct cn_msg *message = (struct cn_msg *)wish.body;
    wish.header.nlmsg_len = NLMSG_LENGTH(sizeof wish.body);
    wish.header.nlmsg_type = NLMSG_DONE;
    wish.header.nlmsg_pid = getpid();
    message->id.idx = CN_IDX_PROC;
    message->id.val = CN_VAL_PROC;
    message->len = sizeof(enum proc_cn_mcast_op);
    *(enum proc_cn_mcast_op *)message->data = PROC_CN_MCAST_LISTEN;
    if (send(socket_, &wish, wish.header.nlmsg_len, 0) < 0) return perror("send"), 1;
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    puts("ready");
    fflush(stdout);
    unsigned long events = 0;
    while (!ends) {
        char bytes[512];
        if (recv(socket_, bytes, sizeof bytes, 0) <= 0) continue;
        struct proc_event *event = (struct proc_event *)((struct cn_msg *)NLMSG_DATA((struct nlmsghdr *)bytes))->data;
        if (event->what != PROC_EVENT_EXEC) continue;
        events++;
        if (looks) look(event->event_data.exec.process_tgid);
        if (asks) ask(event->event_data.exec.process_tgid);
    }
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    printf("%lu %.1f\n", events, time.tv_sec * 1e6 + time.tv_nsec / 1e3);
}
