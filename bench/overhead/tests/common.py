"""What the tests share: the modules of the benchmark, and workloads and watchers that are not real."""

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from contract import Fact, Report, Watcher, Workload  # noqa: E402
from raw import Row  # noqa: E402


class Sleepy(Workload):
    """Opens nothing, says that it did: all that a test of the runner needs."""

    operation, operations, quick_operations = "nothing", 4, 2

    def __init__(self, name="sleepy", family="files", script='echo "$1 0.5"', only=None, unpinned=False):
        self.name, self.family, self.script, self.only, self.unpinned = name, family, script, only, unpinned
        self.prepared = self.finished = 0

    def missing(self):
        return None

    def prepare(self, folder, operations):
        assert folder.is_dir()
        self.prepared += 1

    def command(self, folder, operations):
        return ["sh", "-c", self.script, "sh", operations]

    def caused(self, folder, operations):
        return Counter({Fact("open", self.name, f"{folder}/{number}"): 1 for number in range(operations)})

    def finish(self, folder):
        self.finished += 1


class Reported(Watcher):
    """Reports what it was given."""

    families = ("files", "processes", "sockets", "software")

    def __init__(self, name="reported", report=None):
        self.name, self.title, self._report = name, f"{name} 1.0", report or Report()
        self.started = self.stopped = 0

    def missing(self):
        return None

    def start(self, family, folder, processors):
        self.started += 1

    def stop(self):
        self.stopped += 1

    def report(self):
        return self._report


def row(**changed):
    plain = Row("files", 0, "open-32", "baseline", 1000, 0.001, 0.0, 0, 32, 0, 0, 0, None, 0)
    return plain._replace(**changed)
