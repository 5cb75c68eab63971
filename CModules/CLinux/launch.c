#define _GNU_SOURCE
#include "clinux_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Steps, so that the parent can name the one that failed.
static const char *const steps[] = {
    "", "setns", "cgroup.procs", "setsid", "chroot", "chdir", "setrlimit", "setgroups",
    "setresgid", "setresuid", "dup2", "execve",
};
enum { step_setns = 1, step_control_group, step_session, step_root, step_folder, step_limit, step_groups,
       step_group, step_user, step_files, step_exec };

struct report {
    int step, code;
};

static void fail(int pipe, int step) {
    struct report report = {step, errno};
    ssize_t done = write(pipe, &report, sizeof report);
    (void)done;
    _exit(127);
}

// Only calls that may stand between fork and exec of a program with threads (signal-safety(7)).
static void become(const struct clinux_launch *what, int pipe) {
    sigset_t none;
    sigemptyset(&none);
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (what->dies_with_parent) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (what->control_group) {
        int file = open(what->control_group, O_WRONLY | O_CLOEXEC);
        if (file < 0 || write(file, "0", 1) != 1) fail(pipe, step_control_group);
        close(file);
    }
    const int spaces[] = {what->host_name, what->ipc, what->network, what->processes, what->mounts};
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
        if (spaces[i] >= 0 && setns(spaces[i], 0) != 0) fail(pipe, step_setns);
    if (what->has_session && setsid() < 0) fail(pipe, step_session);
    const int files[] = {what->input, what->output, what->error};
    for (int i = 0; i < 3; i++) {
        if (files[i] < 0) continue;
        if (files[i] == i) fcntl(i, F_SETFD, 0);
        else if (dup2(files[i], i) < 0) fail(pipe, step_files);
    }
    for (size_t i = 0; i < what->limits_count; i++) {
        struct rlimit wanted = {.rlim_cur = what->limits[i].soft, .rlim_max = what->limits[i].hard};
        if (setrlimit(what->limits[i].resource, &wanted) == 0) continue;
        // One that may not be raised is set as high as it goes.
        struct rlimit now;
        if (getrlimit(what->limits[i].resource, &now) != 0) fail(pipe, step_limit);
        if (wanted.rlim_max > now.rlim_max) wanted.rlim_max = now.rlim_max;
        if (wanted.rlim_cur > wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max;
        if (setrlimit(what->limits[i].resource, &wanted) != 0) fail(pipe, step_limit);
    }
    if (what->root && (chroot(what->root) != 0 || chdir("/") != 0)) fail(pipe, step_root);
    if (what->changes_user) {
        if (setgroups(what->groups_count, what->groups) != 0) fail(pipe, step_groups);
        if (setresgid(what->group, what->group, what->group) != 0) fail(pipe, step_group);
        if (setresuid(what->user, what->user, what->user) != 0) fail(pipe, step_user);
    }
    // As its user: what only that one may enter is entered so.
    if (what->folder && chdir(what->folder) != 0) fail(pipe, step_folder);
    if (!what->keeps_mask) umask(what->mask);
    if (strchr(what->file, '/')) execve(what->file, what->arguments, what->environment);
    else execvpe(what->file, what->arguments, what->environment);
    fail(pipe, step_exec);
}

pid_t clinux_launch(const struct clinux_launch *what, const char **failed) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        *failed = "pipe2";
        return -1;
    }
    // Namespaces come with the child: in a new one of processes it is the first.
    pid_t child = what->unshared ? (pid_t)syscall(SYS_clone, what->unshared | SIGCHLD, NULL, NULL, NULL, NULL) : fork();
    if (child == 0) become(what, ends[1]);
    int code = errno;
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        *failed = what->unshared ? "clone" : "fork";
        errno = code;
        return -1;
    }
    struct report report;
    ssize_t count;
    do count = read(ends[0], &report, sizeof report);
    while (count < 0 && errno == EINTR);
    close(ends[0]);
    if (count != sizeof report) return child;
    int status;
    waitpid(child, &status, 0);
    *failed = steps[report.step];
    errno = report.code;
    return -1;
}
