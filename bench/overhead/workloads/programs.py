"""Builds the small programs, and runs one of them as a workload."""

import os
import shutil
import subprocess
from pathlib import Path

from contract import Workload

SOURCES = Path(__file__).resolve().parent.parent / "programs"
BINARIES = Path(__file__).resolve().parents[3] / ".build" / "bench-overhead"

# Name of the binary -> its source and what the compiler is given besides. One source may have several names, so that
# two workloads that run the same code can be distinguished by the name the kernel reports.
PROGRAMS = {
    "open-1": ("open.c", []),
    "open-32": ("open.c", []),
    "open-100000": ("open.c", []),
    "open-relative": ("open.c", []),
    "create": ("create.c", []),
    "rename": ("rename.c", []),
    "unlink": ("unlink.c", []),
    "write-heavy": ("write.c", []),
    "spawn-static": ("spawn.c", []),
    "spawn-dynamic": ("spawn.c", []),
    "spawn-system": ("spawn.c", []),
    "child-static": ("child.c", ["-static"]),
    "child-dynamic": ("child.c", []),
    "thread": ("thread.c", ["-pthread"]),
    "tcp": ("tcp.c", []),
    "tcp-process": ("tcp-process.c", []),
    "udp": ("udp.c", []),
    "unix": ("unix.c", []),
    "unix-server": ("unix.c", []),
    "timed": ("timed.c", []),
    "preload.so": ("preload.c", ["-shared", "-fPIC"]),
}
FLAGS = ["-O2", "-Wall", "-Wextra", "-Werror"]


def build() -> Path:
    """Compiles what is older than its source and gives the folder that holds all binaries and preload.so."""
    BINARIES.mkdir(parents=True, exist_ok=True)
    headers = max(header.stat().st_mtime for header in SOURCES.glob("*.h"))
    for name, (source, options) in PROGRAMS.items():
        binary = BINARIES / name
        newest = max(headers, (SOURCES / source).stat().st_mtime)
        if binary.exists() and binary.stat().st_mtime >= newest:
            continue
        fresh = BINARIES / f"{name}.{os.getpid()}"  # two benchmarks may build at once
        subprocess.run(["gcc", *FLAGS, *options, str(SOURCES / source), "-o", str(fresh)], check=True)
        fresh.replace(binary)
    return BINARIES


class Program(Workload):
    """A workload that is one of the small programs; the binary is named as the workload."""

    packages = ("gcc", "libc6-dev")

    def __init__(self, name, operation, operations):
        self.name = name
        self.operation = operation
        self.operations = operations
        self.quick_operations = operations // 10

    def missing(self):
        return None if shutil.which("gcc") else "there is no gcc to build its program with"

    def place(self, folder: Path) -> Path:
        """The folder of its own."""
        return Path(folder) / self.name

    def prepare(self, folder, operations):
        build()
        self.place(folder).mkdir(exist_ok=True)

    def command(self, folder, operations):
        return [str(BINARIES / self.name), *self.arguments(self.place(folder), operations), str(operations)]

    def arguments(self, place: Path, operations: int) -> list:
        """What the program is given before the number of operations."""
        return [str(place)]

    def finish(self, folder):
        shutil.rmtree(self.place(folder), ignore_errors=True)
