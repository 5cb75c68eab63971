#!/usr/bin/env python3
"""kill -9 at moments of chance, under load.

    Tests/Reliability/kills.py [--rounds 200] [--seed 1]

As root, after `make build`; some fifteen minutes. A marker opens a new file every tenth of a second while the daemon is
killed and started again, and a storm of opens and spawns keeps its store being written. In the end: the store opened
each time; nothing older than five seconds before a kill is missing; what is missing lies in a gap's span; nothing is
there twice or counted above the truth; a gap spans the time between two runs."""

import argparse
import random
import signal
import subprocess
import time

from watching import Checks, Daemon, Failure, Scratch, private_mounts, program, until

SECOND = 1_000_000_000
LAG = 5 * SECOND  # what the store may be behind


def run(folder, rounds, seed, checks):
    chance = random.Random(seed)
    marks, load = folder / "marks", folder / "load"
    marks.mkdir()
    load.mkdir()
    daemon = Daemon(folder)
    log = open(folder / "marks.log", "w")
    runs = []  # (ready, killed, started again), ns
    children = []
    try:
        daemon.start()
        ready = time.time_ns()
        children.append(subprocess.Popen([program("marker", folder / "bin"), marks, "100", "0"], stdout=log))
        children.append(subprocess.Popen(
            [program("storm", folder / "bin"), load, "100000", "300", "20", "0", "0", program("unit", folder / "bin"),
             folder / "storm"]))
        for number in range(rounds):
            time.sleep(chance.uniform(0.05, 6.5))
            daemon.signal(signal.SIGKILL)
            killed = time.time_ns()
            daemon.process.wait()
            runs.append((ready, killed, time.time_ns()))
            try:
                daemon.start()
            except Failure as failure:
                return checks(False, f"the store opens after kill {number + 1}", failure)
            ready = time.time_ns()
        checks(True, f"the store opens after each of {rounds} kills")
        time.sleep(1)
        children[0].terminate()
        children[0].wait()
        time.sleep(0.2)
        made = daemon.dump()
        hold(made, folder, runs, ready, checks)
        code, took = daemon.terminate()
        checks(code == 0, "SIGTERM ends the last run with 0", f"{took:.2f} s")
    finally:
        for child in children:
            child.terminate()
            child.wait()
        daemon.kill()


def hold(made, folder, runs, ready, checks):
    truth = [tuple(map(int, line.split())) for line in (folder / "marks.log").read_text().splitlines()]
    found = made.files(below=folder / "marks")
    missing, silent, twice = [], [], []
    for n, before, after in truth:
        records = found.get(f"{folder}/marks/m-{n}", [])
        if len(records) > 1 or sum(record["count"] for record in records) > 1:
            twice.append(n)
        if records:
            continue
        if any(start <= before and after <= killed - LAG for start, killed, _ in runs) or before >= ready:
            missing.append(n)
        if not made.excuses(before, after, "file"):
            silent.append(n)
    lost = len(truth) - len(found)
    checks(not missing, "nothing older than five seconds is missing",
           f"{len(missing)} of {len(truth)} markers; {lost} younger ones are")
    checks(not silent, "what is missing lies in a gap's span", f"{len(silent)} outside every gap")
    checks(not twice, "no marker is there twice, or counted above one", f"{len(twice)} of {len(truth)}")
    units = sum(record["count"] for record in made.of("spawn", f"{folder}/bin/storm"))
    caused = len(list((folder / "load").glob("u*/*")))
    checks(units <= caused, "no more spawns are counted than there were", f"{units} of {caused}")
    spans = made.spans()
    open_ = [killed for _, killed, again in runs if not any(start <= killed and again <= end for start, end in spans)]
    checks(not open_, "a gap spans the time between two runs", f"{len(open_)} of {len(runs)} without, {len(made.gaps)} gap lines")
    wide = [(start, end) for start, end in spans
            if not any(killed - LAG - SECOND <= start and end <= again + 5 * SECOND for _, killed, again in runs)]
    checks(len(wide) <= len(made.lost()), "no gap says more than the runs' ends took", f"{len(wide)} of {len(spans)} wider")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    private_mounts()
    checks = Checks()
    with Scratch("kills") as folder:
        try:
            run(folder, options.rounds, options.seed, checks)
        except Failure as failure:
            checks(False, "the proof came to its end", failure)
    checks.end("kills" if options.rounds >= 200 else None)


if __name__ == "__main__":
    main()
