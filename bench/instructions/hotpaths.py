"""The hot paths: how many instructions and allocations each takes for one of its units.

A count is the difference between a run with 2 N units and one with N, divided by N: what starting and ending take
falls out.
"""

import json
import subprocess
from dataclasses import dataclass
from typing import Callable, Optional

import traces
from callgrind import Count

# Batches, and events in each of them.
BATCHES, SIZE = 8, 512
UNITS = BATCHES * SIZE
# The numbers that the tables are seeded with; the counts are averaged over them.
SEEDS = [1, 2, 3]

# Records.Ledger.note(_:access:kind:evidence:time:count:)
ADD = ("$s7Records6LedgerV4note_6access4kind8evidence4time5countSiAA9RecordKeyV_AA6AccessVAA8FileKindOAA8EvidenceO"
       "s6UInt64VAStF")


@dataclass
class Measurement:
    """One line of the table."""

    path: str
    counted: str  # instructions or allocations
    unit: str
    value: float


@dataclass
class Interpreted:
    """From the kernel's bytes to the ledger: the daemon replays a recorded event stream."""

    name: str
    unit: str
    trace: Callable  # batches, events in a batch -> Trace
    # What a line of the dump shows of the units. The sum has to grow by one with every unit: the proof that they were
    # understood and not skipped.
    seen: Callable
    steady: bool = True  # names that are known already: nothing should be allocated
    adds: Optional[str] = None  # the path's name for one call of Ledger.note


@dataclass
class Simple:
    """A path that a method of Bench measures."""

    name: str
    unit: str
    measure: Callable  # Bench -> instructions for one unit


class Bench:
    def __init__(self, counter, folder):
        self.counter, self.folder = counter, folder
        self.daemon, self.retinue = f"{folder}/retinued", f"{folder}/retinue"

    def measure(self, path):
        """The measurements of one path."""
        if isinstance(path, Simple):
            return [Measurement(path.name, "instructions", path.unit, path.measure(self))]
        return list(self.interpreted(path))

    def average(self, command, **options):
        return Count.average([self.counter.count(command, seed=seed, **options) for seed in SEEDS])

    def replay(self, trace, name, **options):
        path = f"{self.folder}/{name.replace(' ', '-')}.trace"
        with open(path, "wb") as file:
            file.write(trace.bytes())
        return self.average([self.daemon, "--replay", path], **options)

    def dump(self, trace, name):
        """The lines of the dump that follows from a trace."""
        path = f"{self.folder}/{name.replace(' ', '-')}.dumped"
        with open(path, "wb") as file:
            file.write(trace.bytes())
        command = [self.daemon, "--replay", path]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()

    def interpreted(self, path):
        first, second = (sum(path.seen(json.loads(line)) for line in self.dump(path.trace(batches, SIZE), path.name))
                         for batches in (BATCHES, 2 * BATCHES))
        if second - first != UNITS:
            raise SystemExit(f"{path.name}: {UNITS} more units show as {second - first} in the dump")
        base = self.replay(path.trace(BATCHES, SIZE), path.name, function=ADD)
        count = (self.replay(path.trace(2 * BATCHES, SIZE), path.name, function=ADD) - base) / UNITS
        yield Measurement(path.name, "instructions", path.unit, count.instructions)
        if path.adds:
            if count.calls == 0:
                raise SystemExit("Ledger.note is not called any more: name what took its place in hotpaths.py")
            yield Measurement(path.adds, "instructions", "call", count.inclusive / count.calls)
        if path.steady:
            # Larger batches, not more of them: what is allocated once in a batch falls out.
            larger = (self.replay(path.trace(BATCHES, 2 * SIZE), path.name) - base) / UNITS
            yield Measurement(path.name, "allocations", path.unit, larger.allocations)
            yield Measurement(path.name, "allocations", "batch", (count.allocations - larger.allocations) * SIZE)

    def written(self):
        """A replay that cannot write the first chunk of its dump does everything but write it."""
        counts = []
        for batches in (BATCHES, 2 * BATCHES):
            trace = traces.new_files(batches, SIZE)
            whole = self.replay(trace, "written")
            counts.append(whole - self.replay(trace, "written", output="/dev/full", statuses=(1,)))
        return (counts[1] - counts[0]).instructions / UNITS

    def read(self):
        counts = []
        path = f"{self.folder}/read.ndjson"
        for batches in (BATCHES, 2 * BATCHES):
            with open(path, "w") as file:
                file.write("\n".join(self.dump(traces.new_files(batches, SIZE), "read")) + "\n")
            # Nothing matches, and nothing is looked at for long: status 1.
            command = [self.retinue, "records", "--from", path, "--relation", "listen"]
            counts.append(self.average(command, statuses=(1,)))
        return (counts[1] - counts[0]).instructions / UNITS

    def group(self):
        """From a list of the published method to the move group: read, find, write."""
        counts, rows = [], []
        path = f"{self.folder}/list.csv"
        for sets in (500, 1000):
            with open(path, "wb") as file:
                reported = subprocess.run([f"{self.folder}/generate", "--sets", str(sets), "--shape", "chain"],
                                      stdout=file, stderr=subprocess.PIPE, check=True, text=True).stderr
            answer = dict(line.split(" ", 1) for line in reported.splitlines())
            host, program = answer["start"].split(",", 1)
            command = [self.retinue, "group", f"{host}:{program}", "--from", path, "--symmetric", "--format", "csv"]
            counts.append(self.average(command))
            rows.append(int(answer["rows"]))
        return (counts[1] - counts[0]).instructions / (rows[1] - rows[0])


def observations(relation):
    """How often the records of a relation were seen, in a line of a dump."""
    return lambda line: line["count"] if line.get("relation") == relation else 0


def processes(line):
    """Forks and exits, two of each process, leave no record: the header counts them."""
    return line["sources"]["proc_connector"]["received"] / 2 if line["type"] == "header" else 0


PATHS = [
    Interpreted("open of a new file", "event", traces.new_files, observations("file"), steady=False,
                adds="new record in the ledger"),
    Interpreted("open of a known file", "event", traces.known_files, observations("file"),
                adds="known record in the ledger"),
    Interpreted("fork and exit", "process", traces.forks, processes),
    Interpreted("fork, exec and exit", "process", traces.execs, observations("spawn")),
    Interpreted("connection, both ends here", "connection", traces.connections, observations("accept")),
    Interpreted("connection known by its end", "connection", traces.closures, observations("accept")),
    Simple("dump written", "record", Bench.written),
    Simple("dump read", "record", Bench.read),
    Simple("move group of a list", "row", Bench.group),
]
