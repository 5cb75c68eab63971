"""perf record on the kernel's tracepoints.

What it can't say: sys_enter_openat carries a pointer into the program's memory, not the file's name, so perf names
the program of every open and the file of none. inet_sock_set_state carries the ports; a connection is made in the
context of the program that connects, but completed on the server's side by whoever handles the packet, so the server
has a port and no name. Unix sockets have no tracepoint that names them.
"""

import os
import re
import select
import signal
import subprocess
from collections import Counter

from contract import Fact, Report
from watchers.launch import NotWatching, end, launch, text_of
from watchers.paths import real
from watchers.tracefs import Tracefs
from watchers.tried import Tried

# States of a TCP socket in the kernel: 1 ESTABLISHED, 2 SYN_SENT, 3 SYN_RECV, 7 CLOSE. The kernel itself drops all
# others, which costs less than to record them.
CONNECTS_AND_ACCEPTS = "(oldstate == 7 && newstate == 2) || (oldstate == 3 && newstate == 1)"

EVENTS = {
    "files": ["-e", "syscalls:sys_enter_openat"],
    "processes": ["-e", "sched:sched_process_fork", "-e", "sched:sched_process_exec"],
    "sockets": ["-e", "sock:inet_sock_set_state", "--filter", CONNECTS_AND_ACCEPTS],
}
EVENTS["software"] = EVENTS["files"] + EVENTS["processes"] + EVENTS["sockets"]

# 4 MiB of buffer for each processor, eight times the default: it loses less and costs no more.
BUFFER_PAGES = "1024"

SAMPLE = re.compile(r"\s*(?P<comm>.*?)\s+(?P<event>\w+:\w+): (?P<rest>.*)", re.DOTALL)
READERS = {
    "sched:sched_process_fork": re.compile(r"comm=(.*) pid=\d+ child_comm="),
    "sched:sched_process_exec": re.compile(r"filename=(.*) pid=\d+ old_pid=\d+"),
    "sock:inet_sock_set_state": re.compile(r"sport=(\d+) dport=(\d+) .*newstate=(\w+)"),
}
LOST = re.compile(r"PERF_RECORD_LOST lost (\d+)")  # PERF_RECORD_LOST_SAMPLES sums the same up once more


class Perf(Tried):
    name = "perf"
    title = "perf record 6.1"
    families = ("files", "processes", "sockets", "software")
    packages = ("linux-perf",)
    programs = ("perf",)

    def __init__(self):
        self.process = None
        self.folder = None
        self.tracefs = Tracefs()

    def begin(self, family, folder, processors):
        self.folder = folder
        self.tracefs.mount()  # otherwise perf mounts it and leaves it
        control, answer = folder / "control", folder / "answer"
        os.mkfifo(control)
        os.mkfifo(answer)
        # Without build ids: to look those up would only lengthen the end.
        command = ["perf", "record", "--all-cpus", "--output", folder / "data", "--no-buildid", "--no-buildid-cache"]
        command += ["--mmap-pages", BUFFER_PAGES, f"--control=fifo:{control},{answer}", *EVENTS[family]]
        self.process = launch(command, folder, processors)
        self._wait_for_answer(control, answer)

    def _wait_for_answer(self, control, answer):
        """perf answers once it reads its buffers; its events are counted from before that."""
        # Open for reading and writing: an open of one end would wait for the other.
        command, reply = os.open(control, os.O_RDWR), os.open(answer, os.O_RDWR)
        try:
            os.write(command, b"ping\n")
            if not select.select([reply], [], [], 20)[0]:
                raise NotWatching(f"perf did not answer: {text_of(self.folder / 'watcher.err').strip()[-300:]}")
        finally:
            os.close(command)
            os.close(reply)
            # perf has them open; whoever reads the folder's files would wait for them for ever.
            control.unlink()
            answer.unlink()

    def processes(self):
        return [self.process.pid] if self.process else []

    def stop(self):
        end(self.process, signal.SIGINT)
        self.process = None
        self.tracefs.unmount()

    def report(self):
        report = Report(lost=0, written_bytes=(self.folder / "data").stat().st_size)
        command = ["perf", "script", "--input", self.folder / "data", "--show-lost-events", "--fields"]
        command += ["comm,event,trace"]
        with open(self.folder / "script.err", "wb") as said:
            script = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=said, text=True, errors="surrogateescape"
            )
        # Equal lines are read once: there may be a million.
        for line, times in Counter(script.stdout).items():
            sample = SAMPLE.match(line)
            if sample:
                fact = _fact(sample["comm"], sample["event"], sample["rest"])
                if fact:
                    report.facts[fact] += times
                continue
            lost = LOST.search(line)
            if lost:
                report.lost += times * int(lost[1])
        script.stdout.close()
        if script.wait() != 0:
            raise NotWatching(f"perf script: {text_of(self.folder / 'script.err').strip()[-300:]}")
        return report


def _fact(program, event, rest):
    if event == "syscalls:sys_enter_openat":
        return Fact("open", program, "?")
    found = READERS[event].search(rest)
    if not found:
        return None
    if event == "sched:sched_process_fork":
        return Fact("fork", found[1], "")
    if event == "sched:sched_process_exec":
        return Fact("exec", program, real(found[1]))
    server_port, remote_port, state = found.groups()
    if state == "TCP_SYN_SENT":
        return Fact("connect", program, f"tcp:{remote_port}")
    return Fact("accept", "?", f"tcp:{server_port}")
