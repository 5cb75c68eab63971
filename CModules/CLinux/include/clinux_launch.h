// Starting a program as another one ran: root, owner, limits and standard files have to be set between fork and exec,
// where Swift cannot be.
#ifndef CLINUX_LAUNCH_H
#define CLINUX_LAUNCH_H

#include <stdint.h>
#include <sys/types.h>

#include <linux/if_packet.h>
#include <linux/sched.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>

static const uint64_t clinux_CLONE_NEWNS = CLONE_NEWNS;
static const uint64_t clinux_CLONE_NEWPID = CLONE_NEWPID;
static const uint64_t clinux_CLONE_NEWIPC = CLONE_NEWIPC;
static const uint64_t clinux_CLONE_NEWUTS = CLONE_NEWUTS;
static const uint64_t clinux_CLONE_NEWNET = CLONE_NEWNET;
static const unsigned long clinux_MS_BIND = MS_BIND;
static const unsigned long clinux_MS_REC = MS_REC;
static const unsigned long clinux_MS_PRIVATE = MS_PRIVATE;
static const unsigned long clinux_MS_SLAVE = MS_SLAVE;
static const unsigned long clinux_MS_NOSUID = MS_NOSUID;
static const unsigned long clinux_MS_NOEXEC = MS_NOEXEC;
static const unsigned long clinux_MS_NODEV = MS_NODEV;

struct clinux_limit {
    int resource;
    uint64_t soft, hard; // as rlim_cur and rlim_max of struct rlimit
};

struct clinux_launch {
    const char *root;      // chroot(2); NULL for none
    const char *folder;    // chdir(2), in the root; NULL for none
    char *const *arguments;
    char *const *environment;
    const char *file;      // what is executed; looked for in PATH of this process where it has no slash
    int input, output, error; // descriptors that become 0, 1, 2
    int network, mounts, processes, ipc, host_name; // namespaces to join (setns(2)); -1 for none
    uint64_t unshared;     // CLONE_NEW…, made with the child (clone(2))
    int changes_user;
    uid_t user;
    gid_t group;
    const gid_t *groups;
    size_t groups_count;
    int keeps_mask;        // whether the mask of new files stays what it is
    mode_t mask;
    const struct clinux_limit *limits;
    size_t limits_count;
    const char *control_group; // path of cgroup.procs; NULL for none
    int has_session;       // setsid(2)
    int dies_with_parent;  // PR_SET_PDEATHSIG, SIGKILL
};

// The hardware address of an Ethernet interface of this network namespace (netdevice(7)); 0, or -1 and errno.
static inline int clinux_hardware_address(int socket, const char *interface, uint8_t address[6]) {
    struct ifreq request = {0};
    strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    if (ioctl(socket, SIOCGIFHWADDR, &request) != 0) return -1;
    memcpy(address, request.ifr_hwaddr.sa_data, 6);
    return 0;
}

static inline int clinux_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC); }

// The pid of the child, or -1 with errno: that of exec too, where *failed names the step that failed.
pid_t clinux_launch(const struct clinux_launch *what, const char **failed);

#endif
