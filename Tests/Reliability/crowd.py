#!/usr/bin/env python3
"""Dumps of a host with ten thousand processes, under load.

    Tests/Reliability/crowd.py [--processes 10000] [--dumps 50]

As root, after `make build`. The p99 of a dump's time is said and held against three tenths of a second; and of the files
that are opened beside the dumps, each is recorded under its own program alone, or lies within a gap's span. A second
part stops the daemon under file events that fill more than a drain and then ends thousands of processes: each one's
file is its own, not its parent's."""

import argparse
import os
import signal
import subprocess
import time

from host import mount
from storms import Storm
from sustained import percentile
from watching import Checks, Daemon, Failure, Scratch, private_mounts, program


def beside(folder, options, checks):
    storm = Storm(folder, 2, 7413)
    crowd = subprocess.Popen([program("crowd", folder / "bin"), str(options.processes)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    up = int(crowd.stdout.readline().split()[1])
    checks(up >= options.processes, "the processes are there", up)
    daemon = Daemon(folder)
    try:
        checks.say(f"      ready after {daemon.start(120):.2f} s")
        quiet = [daemon.ask_dump()[1] for _ in range(5)]
        processes = storm.start(3600, 1500, 200, 200)
        time.sleep(2)
        took = []
        for _ in range(options.dumps):
            path, seconds = daemon.ask_dump(120)
            if path is None:
                raise Failure(f"no dump in {seconds:.0f} s" if daemon.alive else f"ended with {daemon.process.poll()}")
            took.append(seconds)
            time.sleep(0.2)
        for process in processes:
            process.terminate()
            process.wait()
        made = daemon.dump(120)
        total, missing = storm.hold(made, checks, "beside dumps")
        checks.say(f"      {total} facts, {missing} missing, lost {made.lost()}, {len(made.gaps)} gap lines; without load a "
                   f"dump takes {percentile(quiet, .5):.3f} s")
        checks(percentile(took, .99) <= 0.3, "p99 of a dump under load is at most 0.3 s",
               f"p50 {percentile(took, .5):.3f} s, p99 {percentile(took, .99):.3f} s of {len(took)}")
        time.sleep(5)
        calm = daemon.dump()
        checks(len(calm.gaps) <= len(made.gaps), "no loss keeps itself alive",
               f"{len(calm.gaps)} gap lines, {len(made.gaps)} before")
        code, seconds = daemon.terminate()
        checks(code == 0, "SIGTERM ends it with 0", f"{seconds:.2f} s")
    finally:
        storm.end()
        crowd.stdin.close()
        crowd.wait()
        daemon.kill()


def behind(folder, options, checks):
    """More file events wait than one drain takes, and behind them processes that begin and end."""
    unit = program("unit", folder / "bin")
    hostile = program("hostile", folder / "bin")
    load, units = folder / "load", folder / "units"
    load.mkdir()
    units.mkdir()
    mount("-t", "tmpfs", "-o", "nr_inodes=4m", "load", load)
    daemon = Daemon(folder)
    try:
        daemon.start()
        for rounds in (1, options.behind):
            daemon.signal(signal.SIGSTOP)
            waiting = 100_000
            subprocess.run([hostile, "names", str(waiting), load], check=True, stdout=subprocess.DEVNULL)
            facts = []
            for n in range(rounds):
                facts.append(f"{units}/{rounds}-{n}")
                os.waitpid(os.posix_spawn(unit, ["unit", facts[-1]], {}), 0)
            daemon.signal(signal.SIGCONT)
            time.sleep(2)
            made = daemon.dump(120)
            found = made.files(below=units)
            right = sum({record["program"]["executable"] for record in found.get(fact, [])} == {unit} for fact in facts)
            checks(right == rounds or made.gaps, f"{rounds} processes behind {waiting} opens: each file is its own program's",
                   f"{right} of {rounds}, {len(made.gaps)} gap lines, lost {made.lost()}")
            spawned = sum(record["count"] for record in made.records if record["relation"] == "spawn"
                          and record["child"]["executable"] == unit)
            checks.say(f"      {spawned} spawns recorded so far")
    finally:
        daemon.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=10000)
    parser.add_argument("--dumps", type=int, default=50)
    parser.add_argument("--behind", type=int, default=3000)
    options = parser.parse_args()
    private_mounts()
    checks = Checks()
    for part in (beside, behind):
        with Scratch("crowd") as folder:
            try:
                part(folder, options, checks)
            except Failure as failure:
                checks(False, f"{part.__name__}: came to its end", failure)
    checks.end("crowd" if options.processes >= 10000 else None)


if __name__ == "__main__":
    main()
