"""bpftrace that prints a line per event."""

import re
from collections import Counter

from contract import Fact, Report
from watchers.bpftrace import SOCKET_OF, Bpftrace, port_of, socket_fact
from watchers.paths import real

LOST = re.compile(r"Lost (\d+) events")  # among the lines themselves

FILES = r"""
tracepoint:syscalls:sys_enter_open,
tracepoint:syscalls:sys_enter_openat,
tracepoint:syscalls:sys_enter_openat2 {
  printf("open\t%s\t%d\t%s\n", comm, pid, str(args->filename));
}
"""

PROCESSES = r"""
tracepoint:sched:sched_process_fork { printf("fork\t%s\t%d\t\n", comm, pid); }
tracepoint:sched:sched_process_exec { printf("exec\t%s\t%d\t%s\n", comm, pid, str(args->filename)); }
"""

SOCKETS = (
    r"""
tracepoint:syscalls:sys_enter_connect {
  $inet = (struct name_of_inet *)args->uservaddr;
  if ($inet->family == 1) {
    $unix = (struct name_of_unix *)args->uservaddr;
    printf("connect\t%s\t%d\tunix\t%s\n", comm, pid, $unix->path);
  } else {
"""
    + SOCKET_OF % "args->fd"
    + r"""
    printf("connect\t%s\t%d\t%d\t%d\n", comm, pid, $sk->sk_protocol, $inet->port);
  }
}
tracepoint:syscalls:sys_exit_accept,
tracepoint:syscalls:sys_exit_accept4 /args->ret >= 0/ {
"""
    + SOCKET_OF % "args->ret"
    + r"""
  if ($sk->__sk_common.skc_family == 1) {
    $name = (struct kept_name *)((struct unix_sock *)$sk)->addr;
    printf("accept\t%s\t%d\tunix\t%s\n", comm, pid, $name->path);
  } else {
    printf("accept\t%s\t%d\t%d\t%d\n", comm, pid, $sk->sk_protocol, $sk->__sk_common.skc_num);
  }
}
"""
)


class BpftracePrint(Bpftrace):
    name = "bpftrace-print"
    title = "bpftrace 0.17, a line per event"
    probes = {"files": FILES, "processes": PROCESSES, "sockets": SOCKETS}

    def report(self):
        report = Report(lost=0, written_bytes=self.written())
        with open(self.folder / "lines", errors="surrogateescape", newline="\n") as lines:
            for line, times in Counter(lines).items():
                fact = _fact(line.rstrip("\n").split("\t"))
                if fact:
                    report.facts[fact] += times
                elif LOST.match(line):
                    report.lost += times * int(LOST.match(line)[1])
        return report


def _fact(fields):
    if fields[0] == "open" and len(fields) == 4:
        return Fact("open", fields[1], real(fields[3]))
    if fields[0] == "exec" and len(fields) == 4:
        return Fact("exec", fields[1], real(fields[3]))
    if fields[0] == "fork" and len(fields) == 4:
        return Fact("fork", fields[1], "")
    if fields[0] in ("connect", "accept") and len(fields) == 5:
        kind, program, _, protocol, end_point = fields
        if kind == "connect" and protocol != "unix":
            end_point = str(port_of(end_point))
        return socket_fact(kind, program, protocol, end_point)
    return None
