"""Starting programs and threads."""

import os
import shutil
from collections import Counter

from contract import Fact
from .programs import BINARIES, Program


class Spawns(Program):
    """Starts a program that does nothing; it lies in the workload's folder, where every watcher looks."""

    family = "processes"

    def __init__(self, linking, operations):
        super().__init__(f"spawn-{linking}", f"posix_spawn + wait, {linking} program", operations)
        self.child = f"child-{linking}"

    def prepare(self, folder, operations):
        super().prepare(folder, operations)
        shutil.copy2(BINARIES / self.child, self.place(folder) / self.child)

    def arguments(self, place, operations):
        return [str(place / self.child)]

    def caused(self, folder, operations):
        return Counter({
            Fact("fork", self.name, ""): operations,
            Fact("exec", self.child, str(self.place(folder) / self.child)): operations,
        })


class SystemSpawns(Program):
    """Starts a program of the system, as nearly all that hosts start are."""

    family = "processes"
    child = os.path.realpath(shutil.which("true") or "/usr/bin/true")

    def arguments(self, place, operations):
        return [self.child]

    def caused(self, folder, operations):
        return Counter({
            Fact("fork", self.name, ""): operations,
            Fact("exec", os.path.basename(self.child), self.child): operations,
        })


class Threads(Program):
    """Starts threads, which no record of dependencies holds: what they cost is all that is measured."""

    family = "processes"

    def arguments(self, place, operations):
        return []

    def caused(self, folder, operations):
        return Counter()


WORKLOADS = [
    Spawns("static", 600),
    Spawns("dynamic", 500),
    SystemSpawns("spawn-system", "posix_spawn + wait, true(1) in its system folder", 500),
    Threads("thread", "pthread_create + join", 10_000),
]
