"""bpftrace that counts in the kernel and prints once, at its end: the cheapest that it can do."""

from contract import Fact, Report
from watchers.bpftrace import SOCKET_OF, Bpftrace, port_of, socket_fact
from watchers.paths import real

FILES = r"""
tracepoint:syscalls:sys_enter_open,
tracepoint:syscalls:sys_enter_openat,
tracepoint:syscalls:sys_enter_openat2 { @open[comm, str(args->filename)] = count(); }
"""

PROCESSES = r"""
tracepoint:sched:sched_process_fork { @fork[comm] = count(); }
tracepoint:sched:sched_process_exec { @exec[comm, str(args->filename)] = count(); }
"""

SOCKETS = (
    r"""
tracepoint:syscalls:sys_enter_connect {
  $inet = (struct name_of_inet *)args->uservaddr;
  if ($inet->family == 1) {
    $unix = (struct name_of_unix *)args->uservaddr;
    @connect_unix[comm, $unix->path] = count();
  } else {
"""
    + SOCKET_OF % "args->fd"
    + r"""
    @connect[comm, $sk->sk_protocol, $inet->port] = count();
  }
}
tracepoint:syscalls:sys_exit_accept,
tracepoint:syscalls:sys_exit_accept4 /args->ret >= 0/ {
"""
    + SOCKET_OF % "args->ret"
    + r"""
  if ($sk->__sk_common.skc_family == 1) {
    $name = (struct kept_name *)((struct unix_sock *)$sk)->addr;
    @accept_unix[comm, $name->path] = count();
  } else {
    @accept[comm, $sk->sk_protocol, $sk->__sk_common.skc_num] = count();
  }
}
"""
)


class BpftraceCount(Bpftrace):
    name = "bpftrace-count"
    title = "bpftrace 0.17, counting in the kernel"
    probes = {"files": FILES, "processes": PROCESSES, "sockets": SOCKETS}

    def report(self):
        # It does not report that a map was full, so of its losses it says nothing.
        report = Report(written_bytes=self.written())
        with open(self.folder / "lines", errors="surrogateescape", newline="\n") as lines:
            for line in lines:
                # @open[comm, /path]: 5
                if not line.startswith("@"):
                    continue
                key, _, times = line[1:].rpartition("]: ")
                table, _, key = key.partition("[")
                fact = _fact(table, key)
                if fact and times.strip().isdigit():
                    report.facts[fact] += int(times)
        return report


def _fact(table, key):
    if table == "fork":
        return Fact("fork", key, "")
    program, _, thing = key.partition(", ")
    if table in ("open", "exec"):
        return Fact(table, program, real(thing))
    if table in ("connect_unix", "accept_unix"):
        return socket_fact(table.partition("_")[0], program, "unix", thing)
    if table in ("connect", "accept"):
        protocol, _, port = thing.partition(", ")
        return socket_fact(table, program, protocol, str(port_of(port)) if table == "connect" else port)
    return None
