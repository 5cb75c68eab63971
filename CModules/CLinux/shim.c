#include <linux/tcp.h>
#include <stddef.h>

const int clinux_tcp_info_bytes_received = offsetof(struct tcp_info, tcpi_bytes_received);
const int clinux_tcp_info_bytes_sent = offsetof(struct tcp_info, tcpi_bytes_sent);
const int clinux_tcp_info_bytes_retrans = offsetof(struct tcp_info, tcpi_bytes_retrans);
