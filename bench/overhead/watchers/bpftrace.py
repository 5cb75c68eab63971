"""What the two ways of using bpftrace have in common.

Tracepoints alone: they are there on every kernel, kprobes and kfuncs were not on the machine this was written on.
Only the begin of an open is looked at, as it costs half of begin and end: so files that were not there are reported
too.
"""

import os
import signal

from contract import Fact
from watchers.launch import end, launch, size_of, text_of, wait_until
from watchers.paths import real
from watchers.tracefs import Tracefs
from watchers.tried import Tried

# A file's name is cut to this; the default of 64 is too short for many.
NAME_LENGTH = "128"

# A system call that nobody makes with this number. Once its line is in the output all probes are attached and
# bpftrace reads what they say. It costs other system calls nothing.
MAGIC = 1900000001
CANARY = f"""
tracepoint:syscalls:sys_enter_getsid /args->pid == {MAGIC}/ {{
  printf("live {'.' * 100}\\n");
}}
"""

# The sockets' kernel structures are read by way of BTF: the descriptor's file, its socket, its port or name.
STRUCTURES = """
struct name_of_inet { uint16_t family; uint16_t port; }
struct name_of_unix { uint16_t family; char path[108]; }
struct kept_name { int references; int length; uint16_t family; char path[108]; }
"""
SOCKET_OF = """
  $task = (struct task_struct *)curtask;
  $file = *($task->files->fdt->fd + (int64)%s);
  $sk = ((struct socket *)$file->private_data)->sk;
"""


class Bpftrace(Tried):
    families = ("files", "processes", "sockets", "software")
    packages = ("bpftrace",)
    programs = ("bpftrace",)
    probes = {}  # family -> what is asked of the kernel

    def __init__(self):
        self.process = None
        self.folder = None
        self.tracefs = Tracefs()

    def begin(self, family, folder, processors):
        self.folder = folder
        self.tracefs.mount()
        program = folder / "program.bt"
        asked = ["files", "processes", "sockets"] if family == "software" else [family]
        program.write_text(STRUCTURES + "".join(self.probes[one] for one in asked) + CANARY)
        variables = {
            "BPFTRACE_STRLEN": NAME_LENGTH,
            # Room for several times the 130,000 different files of the workloads; the default is 4096. The kernel
            # sets it aside at the start, some 100 MB, which is not in the memory of the process.
            "BPFTRACE_MAP_KEYS_MAX": "524288",
            # 4 MiB of buffer for each processor, the default is 256 KiB: it loses less and costs no more.
            "BPFTRACE_PERF_RB_PAGES": "1024",
        }
        # -o writes in blocks; standard output would be written line by line.
        self.process = launch(["bpftrace", "-o", folder / "lines", program], folder, processors, variables)
        said = folder / "watcher.err"

        def seen():
            for _ in range(200):  # enough lines to fill a block
                try:
                    os.getsid(MAGIC)
                except OSError:
                    pass
            return "live" in text_of(folder / "lines")

        wait_until(seen, self.process, seconds=30, step=0.1, what="no line about a system call", said=said)

    def processes(self):
        return [self.process.pid] if self.process else []

    def stop(self):
        end(self.process, signal.SIGINT)
        self.process = None
        self.tracefs.unmount()

    def written(self):
        return size_of(self.folder)


def port_of(bytes_of_network):
    """A port as it stands in memory, read as a number by a little-endian processor."""
    number = int(bytes_of_network)
    return (number & 0xFF) << 8 | number >> 8


def socket_fact(kind, program, protocol, end_point):
    """protocol: the kernel's number, "unix" for a unix socket."""
    if protocol == "unix":
        return Fact(kind, program, f"unix:{real(end_point)}")
    transport = {"6": "tcp", "17": "udp"}.get(protocol)
    return Fact(kind, program, f"{transport}:{end_point}") if transport else None
