// Processes that know what they have, and say so before and after they have moved alive.
//
//     witness PORT
//
// One serves PORT: `state` what a process of it has, `registers` what a loop has found, `sleep` begins the calls that end by themselves,
// `calls` what those that are blocked have been returned, `release` lets these go on, `drain` takes what waits. Each answer ends with an empty line. Each call is made once,
// and what it returns is kept as it is: an EINTR shows.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { seconds = 60, most_calls = 24 };

// What a call has returned, and when by CLOCK_MONOTONIC.
struct call {
    const char *name;
    pid_t pid;
    _Atomic int done;
    long result;
    int error;
    uint64_t begun, ended;
    long value;
};

struct shared {
    _Atomic uint64_t rounds;
    _Atomic uint64_t wrong;
    _Atomic uint64_t begun;
    _Atomic int stop;
    _Atomic uint32_t word, timed;
    struct call calls[most_calls];
    _Atomic int count;
};

// Static, so that the loop can name it without a register.
__attribute__((aligned(4096), used)) static uint8_t place[4096];
static struct shared *shared;

static void need(int holds, const char *what) {
    if (holds) return;
    perror(what);
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// Registers

#ifdef __x86_64__
#define KNOWN __attribute__((aligned(32), used)) static
KNOWN uint8_t vectors[15][32];
KNOWN uint64_t general[14];
KNOWN uint32_t control = 0x3f80, control_now;
KNOWN uint16_t unit = 0x0c7f, unit_now;
KNOWN double stacked[4] = {3.25, -7.5, 1e300, 0.0625}, unstacked[4];

// All of them hold what is known, from before the loop on; it compares them in each round, and writes to memory alone.
#define EACH_GENERAL(DO) \
    DO(rbx, 0) DO(rcx, 1) DO(rdx, 2) DO(rsi, 3) DO(rdi, 4) DO(rbp, 5) DO(r8, 6) DO(r9, 7) DO(r10, 8) DO(r11, 9) DO(r12, 10) \
    DO(r13, 11) DO(r14, 12) DO(r15, 13)
#define EACH_VECTOR(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14)
#define LOAD(name, at) "movq general+8*" #at "(%%rip), %%" #name "\n"
#define CHECK(name, at) "cmpq general+8*" #at "(%%rip), %%" #name "\n jne 8f\n"
#define LOAD_AVX(at) "vmovdqa vectors+32*" #at "(%%rip), %%ymm" #at "\n"
#define CHECK_AVX(at) "vxorps vectors+32*" #at "(%%rip), %%ymm" #at ", %%ymm15\n vptest %%ymm15, %%ymm15\n jnz 8f\n"
#define LOAD_SSE(at) "movdqa vectors+32*" #at "(%%rip), %%xmm" #at "\n"
#define CHECK_SSE(at) \
    "movdqa %%xmm" #at ", %%xmm15\n pcmpeqb vectors+32*" #at "(%%rip), %%xmm15\n pmovmskb %%xmm15, %%eax\n cmpl $0xffff, %%eax\n jne 8f\n"
#define LOOP(load, check) \
    __asm__ volatile( \
        "pushq %%rbp\n pushq %%rbx\n subq $128, %%rsp\n ldmxcsr control(%%rip)\n fninit\n fldcw unit(%%rip)\n" \
        "fldl stacked(%%rip)\n fldl stacked+8(%%rip)\n fldl stacked+16(%%rip)\n fldl stacked+24(%%rip)\n" \
        EACH_GENERAL(LOAD) EACH_VECTOR(load) \
        "7: lock incq place(%%rip)\n" \
        EACH_GENERAL(CHECK) EACH_VECTOR(check) \
        "stmxcsr control_now(%%rip)\n movl control_now(%%rip), %%eax\n cmpl control(%%rip), %%eax\n jne 8f\n" \
        "fnstcw unit_now(%%rip)\n movw unit_now(%%rip), %%ax\n cmpw unit(%%rip), %%ax\n jne 8f\n" \
        "cmpl $0, place+24(%%rip)\n je 7b\n jmp 9f\n" \
        "8: lock incq place+8(%%rip)\n" \
        "9: fstpl unstacked+24(%%rip)\n fstpl unstacked+16(%%rip)\n fstpl unstacked+8(%%rip)\n fstpl unstacked(%%rip)\n" \
        "addq $128, %%rsp\n popq %%rbx\n popq %%rbp\n" ::: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", \
        "r14", "r15", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", \
        "xmm12", "xmm13", "xmm14", "xmm15")

static const char *registers_name(void) { return __builtin_cpu_supports("avx") ? "general, ymm, x87, mxcsr" : "general, xmm, x87, mxcsr"; }

__attribute__((noinline)) static void loop_avx(void) { LOOP(LOAD_AVX, CHECK_AVX); }
__attribute__((noinline)) static void loop_sse(void) { LOOP(LOAD_SSE, CHECK_SSE); }

static void hold_registers(void) {
    for (size_t i = 0; i < 14; i++) general[i] = 0x9e3779b97f4a7c15u * (i + 1);
    for (size_t i = 0; i < sizeof vectors; i++) ((uint8_t *)vectors)[i] = (uint8_t)(i * 31 + i / 32 + 7);
    shared->begun++;
    if (__builtin_cpu_supports("avx")) loop_avx();
    else loop_sse();
    if (memcmp(stacked, unstacked, sizeof stacked)) shared->wrong++;
    pause();
}
#else
static const char *registers_name(void) { return "none: not for this processor"; }
static void hold_registers(void) { pause(); }
#endif

// What a process has

static int asked[2], answered[2];
static char answer[1 << 16];
static size_t length;

static void say(const char *format, ...) {
    va_list words;
    va_start(words, format);
    length += (size_t)vsnprintf(answer + length, sizeof answer - length, format, words);
    va_end(words);
}

static void handle(int number, siginfo_t *information, void *context) { (void)number, (void)information, (void)context; }

static void say_lines(const char *path, const char *const *wanted) {
    FILE *file = fopen(path, "re");
    need(file != NULL, path);
    char line[1024];
    while (fgets(line, sizeof line, file))
        for (const char *const *name = wanted; *name; name++)
            if (!strncmp(line, *name, strlen(*name))) say("%s", line);
    fclose(file);
}

static int by_number(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static void say_state(void) {
    char text[4096];
    need(getcwd(text, sizeof text) != NULL, "getcwd");
    say("cwd %s\n", text);
    // The numbers are those that it has itself: of the outermost namespace they are others.
    static const char *const lines[] = {"Umask", "Uid", "Gid", "Groups", "SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd", "NoNewPrivs",
                                        "CapInh", "CapPrm", "CapEff", "CapBnd", NULL};
    say_lines("/proc/self/status", lines);
    say("pid %d parent %d group %d session %d\n", getpid(), getppid(), getpgid(0), getsid(0));
    for (int number = 1; number < 65; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) != 0) continue;
        say("signal %d %p %x", number, (void *)action.sa_handler, action.sa_flags);
        for (int other = 1; other < 65; other++)
            if (sigismember(&action.sa_mask, other) == 1) say(" %d", other);
        say("\n");
    }
    stack_t stack;
    sigaltstack(NULL, &stack);
    say("stack %p %zu %d\n", stack.ss_sp, stack.ss_size, stack.ss_flags);
    for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
        struct rlimit limit;
        getrlimit((__rlimit_resource_t)resource, &limit);
        say("limit %d %llu %llu\n", resource, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
    }
    int signal = 0;
    prctl(PR_GET_NAME, text);
    prctl(PR_GET_PDEATHSIG, &signal);
    say("name %s death %d nice %d\n", text, signal, getpriority(PRIO_PROCESS, 0));
    int numbers[256], count = 0;
    DIR *folder = opendir("/proc/self/fd");
    need(folder != NULL, "/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(folder)) && count < 256;)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(folder)) numbers[count++] = atoi(entry->d_name);
    closedir(folder);
    qsort(numbers, (size_t)count, sizeof *numbers, by_number);
    for (int i = 0; i < count; i++) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", numbers[i]);
        ssize_t size = readlink(link, text, sizeof text - 1);
        text[size < 0 ? 0 : size] = 0;
        // A pipe's or socket's number is the kernel's.
        char *inode = strstr(text, ":[");
        if (inode) *inode = 0;
        say("descriptor %d %s at %lld flags %x %x\n", numbers[i], text, (long long)lseek(numbers[i], 0, SEEK_CUR),
            fcntl(numbers[i], F_GETFD), fcntl(numbers[i], F_GETFL));
    }
}

static void say_waiting(void) {
    // Two descriptors of one open file share its offset; another one has its own.
    char text[16] = "";
    need(read(57, text, 4) == 4, "read 57");
    say("read %s, then 57 at %lld, 58 at %lld, 301 at %lld\n", text, (long long)lseek(57, 0, SEEK_CUR),
        (long long)lseek(58, 0, SEEK_CUR), (long long)lseek(301, 0, SEEK_CUR));
    ssize_t size = read(302, text, sizeof text - 1);
    text[size < 0 ? 0 : size] = 0;
    say("pipe has %zd: %s\n", size, text);
    // Queued signals come with their values: lower numbers first, those of one number in their order, standard ones once.
    sigset_t all;
    sigfillset(&all);
    struct timespec none = {0, 0};
    siginfo_t information;
    int number;
    while ((number = sigtimedwait(&all, &information, &none)) > 0)
        say("pending %d code %d value %d\n", number, information.si_code, information.si_code == SI_QUEUE ? information.si_value.sival_int : 0);
}

static void have_state(void) {
    need(chdir("/srv/witness/below/here") == 0, "chdir");
    int file = open("/srv/witness/text", O_RDWR | O_APPEND);
    int other = open("/srv/witness/text", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    need(file >= 0 && other >= 0, "open");
    need(lseek(file, 5, SEEK_SET) == 5 && lseek(other, 11, SEEK_SET) == 11, "lseek");
    need(dup2(file, 57) == 57 && dup3(file, 58, O_CLOEXEC) == 58 && dup3(other, 301, O_CLOEXEC) == 301, "dup");
    close(file), close(other);
    int ends[2];
    need(pipe(ends) == 0 && dup2(ends[0], 302) == 302 && dup2(ends[1], 303) == 303, "pipe");
    close(ends[0]), close(ends[1]);
    need(write(303, "unread", 6) == 6, "write");
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 10};
    need(fcntl(57, F_SETLK, &lock) == 0, "lock");
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigaddset(&action.sa_mask, SIGHUP), sigaddset(&action.sa_mask, SIGRTMIN + 7);
    need(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
    action = (struct sigaction){.sa_sigaction = handle, .sa_flags = SA_RESETHAND | SA_NODEFER};
    need(sigaction(SIGRTMIN + 3, &action, NULL) == 0, "sigaction");
    signal(SIGUSR2, SIG_IGN), signal(SIGPIPE, SIG_IGN);
    static char stack[65536];
    stack_t place = {.ss_sp = stack, .ss_size = sizeof stack};
    need(sigaltstack(&place, NULL) == 0, "sigaltstack");
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1), sigaddset(&set, SIGRTMIN + 3), sigaddset(&set, SIGRTMIN + 4), sigaddset(&set, SIGTERM);
    need(sigprocmask(SIG_BLOCK, &set, NULL) == 0, "sigprocmask");
    raise(SIGTERM);
    kill(getpid(), SIGUSR1), kill(getpid(), SIGUSR1);
    for (int value = 41; value < 44; value++) sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = value});
    sigqueue(getpid(), SIGRTMIN + 4, (union sigval){.sival_int = -5});
    umask(0137);
    struct rlimit limit = {.rlim_cur = 700, .rlim_max = 900};
    need(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    setpriority(PRIO_PROCESS, 0, 3);
    prctl(PR_SET_NAME, "has a state");
    gid_t groups[] = {4, 1007, 1011};
    need(setgroups(3, groups) == 0 && setresgid(1001, 1002, 1003) == 0 && setresuid(1004, 1005, 1006) == 0, "ids");
    prctl(PR_SET_DUMPABLE, 1);
    prctl(PR_SET_PDEATHSIG, SIGHUP);
    for (char what; read(asked[0], &what, 1) == 1;) {
        length = 0;
        if (what == 's') say_state();
        else say_waiting();
        say("\n");
        need(write(answered[1], answer, length) == (ssize_t)length, "answer");
    }
    exit(0);
}

// Calls that block

static int semaphores, released[2], waited[2], event, polled[2], selected[2], listener;

static long call_read(struct call *call) {
    char text[16] = "";
    long result = read(released[0], text, sizeof text);
    call->value = !strcmp(text, "after");
    return result;
}
static struct timespec left;
// The kernel writes what is left elsewhere, nowhere, or over what was asked for.
static long call_nanosleep(struct call *call) {
    (void)call;
    struct timespec time = {seconds, 0};
    return syscall(SYS_nanosleep, &time, &left);
}
static long call_clock_nanosleep(struct call *call) {
    (void)call;
    struct timespec time = {seconds, 0};
    return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &time, &left);
}
static long call_nanosleep_null(struct call *call) {
    (void)call;
    struct timespec time = {seconds, 0};
    return syscall(SYS_nanosleep, &time, NULL);
}
static long call_sleep(struct call *call) {
    (void)call;
    return (long)sleep(seconds);
}
static long call_until(struct call *call) {
    struct timespec time = {(time_t)(call->begun / 1000000000u) + seconds, (long)(call->begun % 1000000000u)};
    return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}
static long call_epoll_wait(struct call *call) {
    int group = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = 77}, found = {0};
    need(epoll_ctl(group, EPOLL_CTL_ADD, event, &wanted) == 0, "epoll_ctl");
    long result = syscall(SYS_epoll_pwait, group, &found, 1, -1, NULL, 8);
    call->value = (long)found.data.u64;
    return result;
}
static long call_poll(struct call *call) {
    struct pollfd wanted = {.fd = polled[0], .events = POLLIN};
    long result = poll(&wanted, 1, -1);
    call->value = wanted.revents;
    return result;
}
static long call_select(struct call *call) {
    fd_set wanted;
    FD_ZERO(&wanted);
    FD_SET(selected[0], &wanted);
    long result = select(selected[0] + 1, &wanted, NULL, NULL, NULL);
    call->value = FD_ISSET(selected[0], &wanted);
    return result;
}
static long call_futex(struct call *call) {
    (void)call;
    return syscall(SYS_futex, &shared->word, FUTEX_WAIT, 0, NULL, NULL, 0);
}
// As pthread_cond_timedwait(3): until a time.
static long call_futex_until(struct call *call) {
    struct timespec time = {(time_t)(call->begun / 1000000000u) + seconds, (long)(call->begun % 1000000000u)};
    return syscall(SYS_futex, &shared->timed, FUTEX_WAIT_BITSET, 0, &time, NULL, FUTEX_BITSET_MATCH_ANY);
}
static long call_wait(struct call *call) {
    int status = 0;
    pid_t child = fork();
    if (!child) {
        char text[16];
        _exit(read(waited[0], text, sizeof text) == 5 ? 7 : 8);
    }
    long result = waitpid(child, &status, 0);
    call->value = WIFEXITED(status) ? WEXITSTATUS(status) : -status;
    return result == child ? 0 : result;
}
static long call_accept(struct call *call) {
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    long result = accept(listener, (struct sockaddr *)&peer, &size);
    call->value = result >= 0 && peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    return result < 0 ? result : 0;
}
static long call_sigwaitinfo(struct call *call) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    siginfo_t information;
    long result = sigwaitinfo(&set, &information);
    call->value = information.si_value.sival_int;
    return result;
}

static long call_semop(struct call *call) {
    struct sembuf wanted = {.sem_num = 1, .sem_op = -3};
    long result = semop(semaphores, &wanted, 1);
    call->value = semctl(semaphores, 1, GETVAL);
    return result;
}

static void block(const char *name, long (*make)(struct call *)) {
    struct call *call = &shared->calls[shared->count++];
    call->name = name;
    pid_t child = fork();
    need(child >= 0, "fork");
    if (child) {
        call->pid = child;
        return;
    }
    call->begun = now();
    errno = 0;
    call->result = make(call);
    call->error = errno;
    call->ended = now();
    call->done = 1;
    for (;;) pause();
}

static int connection(int port) {
    int made = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    need(connect(made, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    return made;
}

static int listening(int port, uint32_t where) {
    int made = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(where)};
    need(bind(made, (struct sockaddr *)&address, sizeof address) == 0 && listen(made, 5) == 0, "listen");
    return made;
}

static void release(int port) {
    need(write(released[1], "after", 5) == 5 && write(waited[1], "after", 5) == 5, "release");
    uint64_t one = 1;
    need(write(event, &one, 8) == 8 && write(polled[1], "x", 1) == 1 && write(selected[1], "x", 1) == 1, "release");
    shared->word = 1;
    syscall(SYS_futex, &shared->word, FUTEX_WAKE, 1, NULL, NULL, 0);
    close(connection(port + 1));
    // One of them is there already.
    struct sembuf more = {.sem_num = 1, .sem_op = 2};
    need(semop(semaphores, &more, 1) == 0, "semop");
    for (int i = 0; i < shared->count; i++)
        if (!strcmp(shared->calls[i].name, "sigwaitinfo")) sigqueue(shared->calls[i].pid, SIGUSR2, (union sigval){.sival_int = 1234});
}

static void serve(int client, int port) {
    char line[64];
    for (ssize_t size; (size = read(client, line, sizeof line - 1)) > 0;) {
        line[size] = 0;
        length = 0;
        if (!strncmp(line, "state", 5) || !strncmp(line, "drain", 5)) {
            need(write(asked[1], line, 1) == 1, "ask");
            while (length < 2 || memcmp(answer + length - 2, "\n\n", 2)) {
                ssize_t part = read(answered[0], answer + length, sizeof answer - length);
                need(part > 0, "no answer");
                length += (size_t)part;
            }
            length--;
            if (line[0] == 'd') {
                struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 10};
                int file = open("/srv/witness/text", O_RDWR | O_CLOEXEC);
                fcntl(file, F_GETLK, &lock);
                close(file);
                say("lock %d at %lld by %s\n", lock.l_type, (long long)lock.l_start, lock.l_pid > 0 ? "another" : "nobody");
            }
        } else if (!strncmp(line, "registers", 9)) {
            say("%llu %llu %llu %s\n", (unsigned long long)shared->begun, (unsigned long long)shared->rounds,
                (unsigned long long)shared->wrong, registers_name());
        } else if (!strncmp(line, "stop", 4)) {
            shared->stop = 1;
        } else if (!strncmp(line, "calls", 5)) {
            for (int i = 0; i < shared->count; i++) {
                struct call *call = &shared->calls[i];
                say("%s %d %ld %d %llu %ld\n", call->name, call->done, call->result, call->error,
                    (unsigned long long)((call->done ? call->ended : now()) - call->begun), call->value);
            }
        } else if (!strncmp(line, "sleep", 5)) {
            block("nanosleep", call_nanosleep);
            block("clock_nanosleep", call_clock_nanosleep);
            block("nanosleep-null", call_nanosleep_null);
            block("sleep", call_sleep);
            block("until", call_until);
            block("futex-until", call_futex_until);
        } else if (!strncmp(line, "release", 7)) {
            release(port);
        }
        say("\n");
        for (size_t sent = 0; sent < length;) {
            ssize_t part = write(client, answer + sent, length - sent);
            if (part <= 0) return;
            sent += (size_t)part;
        }
    }
}

int main(int count, char **words) {
    need(count == 2, "witness PORT");
    int port = atoi(words[1]);
    // In the place of the static one, so that the loop names what all share.
    shared = mmap(place, sizeof place, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    need(shared != MAP_FAILED && sizeof *shared <= sizeof place, "mmap");
    need(pipe(asked) == 0 && pipe(answered) == 0 && pipe(released) == 0 && pipe(waited) == 0 && pipe(polled) == 0 && pipe(selected) == 0, "pipe");
    event = eventfd(0, 0);
    semaphores = semget(IPC_PRIVATE, 2, 0600);
    need(semaphores >= 0 && semctl(semaphores, 1, SETVAL, 1) == 0, "semget");
    listener = listening(port + 1, INADDR_LOOPBACK);
    if (!fork()) hold_registers();
    if (!fork()) have_state();
    block("read", call_read);
    block("epoll_wait", call_epoll_wait);
    block("poll", call_poll);
    block("select", call_select);
    block("futex", call_futex);
    block("wait", call_wait);
    block("accept", call_accept);
    block("sigwaitinfo", call_sigwaitinfo);
    block("semop", call_semop);
    int server = listening(port, INADDR_ANY);
    for (;;) {
        int client = accept(server, NULL, NULL);
        if (client < 0) continue;
        serve(client, port);
        close(client);
    }
}
