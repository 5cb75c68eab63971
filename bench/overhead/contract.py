"""What the parts of this benchmark promise each other: a workload causes facts, a watcher reports facts, the
runner pairs the two and measures what the watching cost."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Optional


class Fact(NamedTuple):
    """One thing that a program did, as somebody who asks "what depends on what" wants to have it named.

    kind     open, exec, fork, connect or accept.
    program  name of the program that did it: the last part of its executable's path, cut to 15 bytes as the
             kernel's comm is. None where the watcher gives no more than a pid; "?" where it gives a wrong or
             no name at all ("unknown").
    object   open: absolute path. exec: absolute path of the program executed. fork: "" (counted alone).
             connect, accept: port of the server as text ("tcp:40123", "udp:40123") or "unix:/path".
    """

    kind: str
    program: Optional[str]
    object: str


@dataclass
class Outcome:
    """What one run of a workload gave: printed by the workload itself as `OPERATIONS SECONDS` on one line, so
    that what starts and ends around the measured loop is not in it."""

    operations: int
    seconds: float


@dataclass
class Usage:
    """What a watcher took while one workload ran, all of its processes and threads together."""

    cpu_seconds: float  # user and system
    peak_bytes: int  # VmHWM, summed over its processes


@dataclass
class Report:
    """What a watcher said between its start and its stop."""

    facts: Counter = field(default_factory=Counter)  # Fact -> how often it was reported
    lost: Optional[int] = None  # events that it says itself it lost; None: it never says
    unnamed: int = 0  # events that it says itself it saw and could not name
    written_bytes: int = 0  # the size of its output


class Workload:
    """One kind of work. Its binary has a name of its own within 15 bytes, and its files a folder of their own, so
    that facts of workloads that ran one after the other under one watcher can be distinguished."""

    name: str  # "open-32"
    family: str  # files, processes, sockets or software
    operation: str  # what is counted, in words: "open + close"
    operations: int  # of a full run: about 0.3 s unwatched for files, processes and sockets; seconds for software
    quick_operations: int  # of a run with --quick
    only: Optional[tuple] = None  # names of watchers that this workload is limited to (it is too long for all)
    unpinned: bool = False  # both processors for the workload and the watcher, as in real life
    packages: tuple = ()  # Debian's, installed by the runner

    def missing(self):
        """The reason why it can't run here, or None."""

    def prepare(self, folder: Path, operations: int):
        """Makes files and picks ports, in a folder named after the workload below `folder`. Not watched, not timed.
        Called before each run or once for many runs: what is there already it leaves. Servers are no part of it:
        command() starts them itself, so that they run under the watcher."""

    def command(self, folder: Path, operations: int) -> list:
        """What is run, as arguments. Prints `OPERATIONS SECONDS`."""

    def caused(self, folder: Path, operations: int) -> Counter:
        """The facts that one run causes for certain, after prepare(): Fact -> times. Exact for the small programs.
        Of real software it is a part of the facts, and how often is a lower bound."""

    def finish(self, folder: Path):
        """Undoes prepare: removes its folder."""


class Watcher:
    """One way of learning what programs do."""

    name: str  # "fatrace"
    title: str  # what is run, for the tables: "fatrace 0.17"
    families: tuple  # those for whose facts it can be asked, e.g. ("files", "software")
    packages: tuple = ()  # Debian's, installed by the runner
    # The part of a workload's calls that it is given where each call is an operation (files and sockets). One that makes
    # a call ten times as dear would take minutes; it is the time per operation that is compared.
    share: float = 1

    def missing(self):
        """The reason why it can't run here, in a sentence, or None. Tries it; a listed reason goes into the
        results."""

    def start(self, family: str, folder: Path, processors: set):
        """Starts it pinned to `processors`, its output under `folder` (which is not on the watched file system),
        and returns once it is watching. `family` says which facts are asked for: of files opens; of processes forks
        and execs; of sockets connects and accepts; of software all that it can."""

    def wrap(self, command: list) -> list:
        """The workload's command as it has to be run under this watcher (strace)."""
        return command

    def environment(self) -> dict:
        """Variables added to the workload's environment (a preloaded library)."""
        return {}

    def processes(self) -> list:
        """The pids whose processor time and memory are the watcher's (kernel threads that work for it too)."""
        return []

    def stop(self):
        """Ends it, by pid, and takes every trace of it off the machine (rules, mounts)."""

    def report(self) -> Report:
        """What it said since its start. Called after stop()."""
        return Report()


def comm(path) -> str:
    """A program's name as the kernel cuts it."""
    return str(path).rsplit("/", 1)[-1][:15]
