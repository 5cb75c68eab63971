"""How many processes a second may start and end."""

import subprocess
import time

import system
from dumps import Dump
from watchers import Nobody, Retinue

# Events that the daemon asks for: fork and exit; with a program executed exec as well.
EVENTS = {"fork": 2, "spawn": 3}


def caused(bench, watcher, case, count, on):
    """Runs one generator on each processor in `on`; figures of it."""
    program = [bench.tools / "cap-nothing"] if case == "spawn" else []
    before = watcher.processor_seconds()
    generators = [system.started([bench.tools / "cap-fork", count, *program], {processor},
                                 stdout=subprocess.PIPE, text=True) for processor in sorted(on)]
    spans = [tuple(map(float, generator.communicate()[0].split())) for generator in generators]
    if any(generator.returncode for generator in generators):
        raise SystemExit("capacity: cap-fork failed")
    end = max(end for _, end in spans)
    watcher.caught_up()
    behind = time.monotonic() - end
    processes = count * len(generators)
    quantities = dict(processes=processes, achieved=processes / (end - min(begin for begin, _ in spans)))
    if watcher.queues:
        quantities |= dict(behind=behind, cpu_per_process=(watcher.processor_seconds() - before) / processes)
    return quantities


def measure(bench, round):
    count = 2_000 if bench.quick else 50_000
    first, second = system.processors()
    for case in EVENTS:
        for on in (first, first | second):
            label = f"{case}, {len(on)} busy"
            with Nobody() as nobody:
                bench.results.add("forks", label, "unwatched", round, **caused(bench, nobody, case, count, on))
            with Retinue(bench.daemon) as daemon:
                before = daemon.status()["sources"]["proc_connector"]["received"]
                quantities = caused(bench, daemon, case, count, on)
                dump = Dump(daemon.dump()[0])
                received = dump.sources["proc_connector"]["received"] - before
                lost = bench.results.lost(dump, "proc_connector")
                processes = quantities["processes"]
                bench.results.check(received >= EVENTS[case] * processes or lost,
                                    f"{label}: {received} events of {processes} processes")
                spawned = dump.counts["spawn", "cap-fork"]
                if case == "spawn":
                    bench.results.check(spawned == processes or lost,
                                        f"{label}: {spawned} of {processes} in the dump")
                bench.results.add("forks", label, "retinue", round, **quantities, received=received, lost=lost,
                                  recorded=spawned if case == "spawn" else None, peak=daemon.memory("VmHWM"))
            bench.say(f"forks, {label}")
