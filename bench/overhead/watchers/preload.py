"""A library that is loaded into the workload and writes a line per call, as the published method does in libc.

It gives a pid and no program: who had which pid when was left to other means.
"""

from collections import Counter
from pathlib import Path

from contract import Fact, Report
from watchers.launch import NotWatching
from watchers.paths import real
from watchers.tried import Tried


class Preload(Tried):
    name = "preload"
    title = "preloaded library, a line per call"
    families = ("files", "sockets", "software")  # the published method leaves fork and exec to future work

    def __init__(self):
        self.folder = None
        self.library = None

    def begin(self, family, folder, processors):
        from workloads import programs

        self.folder = folder
        self.library = Path(programs.build()) / "preload.so"
        if not self.library.exists():
            raise NotWatching("preload.so was not built")

    def environment(self):
        return {"LD_PRELOAD": str(self.library), "RETINUE_BENCH_RECORD": str(self.folder / "lines")}

    def stop(self):
        pass

    def report(self):
        report = Report()  # it never reports a loss: what does not go by way of libc is not seen
        path = self.folder / "lines"
        if not path.exists():
            return report
        report.written_bytes = path.stat().st_size
        with open(path, errors="surrogateescape", newline="\n") as lines:
            for line, times in Counter(lines).items():
                fact = _fact(line.rstrip("\n"))
                if fact:
                    report.facts[fact] += times
        return report


def _fact(line):
    kind, _, rest = line.partition(",")
    if kind == "open":
        # open,PID,PATH,r or rw
        path = rest.partition(",")[2].rpartition(",")[0]
        return Fact("open", None, real(path))
    if kind == "accept":
        # accept,SERVER ADDRESS,PORT,PID,CLIENT ADDRESS,PORT
        return _socket("accept", *rest.split(",")[:2])
    if kind == "connect":
        # connect,CLIENT ADDRESS,PORT,PID,SERVER ADDRESS,PORT
        return _socket("connect", *rest.split(",")[-2:])
    return None


def _socket(kind, address, port):
    return Fact(kind, None, f"unix:{real(address)}" if address.startswith("/") else f"tcp:{port}")
