#define _GNU_SOURCE
#include "clinux_ipc.h"
#include <linux/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/sem.h>

const int clinux_tcp_info_bytes_received = offsetof(struct tcp_info, tcpi_bytes_received);
const int clinux_tcp_info_segs_in = offsetof(struct tcp_info, tcpi_segs_in);
const int clinux_tcp_info_segs_out = offsetof(struct tcp_info, tcpi_segs_out);
const int clinux_tcp_info_bytes_sent = offsetof(struct tcp_info, tcpi_bytes_sent);
const int clinux_tcp_info_bytes_retrans = offsetof(struct tcp_info, tcpi_bytes_retrans);

int clinux_limit_real_time(uint64_t microseconds) {
    struct rlimit limit = {.rlim_cur = microseconds, .rlim_max = microseconds};
    return setrlimit(RLIMIT_RTTIME, &limit);
}

int clinux_semaphore_pid(int set, int number) { return semctl(set, number, GETPID); }
