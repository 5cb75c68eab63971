#!/usr/bin/env python3
"""Opens, spawns and connections together, at the rates of bench/capacity, for ten minutes.

    Tests/Reliability/sustained.py [--minutes 10] [--opens 100000] [--spawns 500] [--connections 5000]

As root, after `make build`. No loss outside gaps, nothing misattributed, memory under its bound, and the dump barrier:
a file that was opened before SIGUSR1 is in that dump. Dumps are asked for all the while, and how long they took is
said, as is the longest pause in which nothing was drained, where status tells it. The rates are what two processors have
room for of those that bench/capacity finds for each kind alone; 200,000 names of each kind are used over and over."""

import argparse
import os
import subprocess
import time

from storms import Storm
from watching import Checks, Daemon, Failure, Scratch, private_mounts, program



def percentile(values, share):
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


def pauses(answer):
    """Whatever status calls a pause of draining: key -> value."""
    found = {}

    def look(prefix, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                look(f"{prefix}.{key}" if prefix else key, inner)
        elif "pause" in prefix:
            found[prefix] = value
    look("", answer or {})
    return found


def run(folder, options, checks):
    storm = Storm(folder, 1, 7412)
    reader = program("reader", folder / "bin", "barrier")
    daemon = Daemon(folder)
    took, broken, memory = [], [], 0.0
    try:
        daemon.start()
        began = daemon.memory()
        processes = storm.start(options.minutes * 60, options.opens, options.spawns, options.connections, options.names)
        end = time.monotonic() + options.minutes * 60
        while time.monotonic() < end:
            fact = folder / f"barrier-{len(took)}"
            fact.write_text("x")
            subprocess.run([reader, fact], check=True)
            path, seconds = daemon.ask_dump(60)
            if path is None:
                raise Failure(f"no dump in {seconds:.0f} s" if daemon.alive else f"ended with {daemon.process.poll()}")
            took.append(seconds)
            with open(path, "rb") as lines:
                if not any(f'"path":"{fact}"'.encode() in line
                           or f'"path":"{folder}"'.encode() in line and b'"folded":' in line for line in lines):
                    broken.append(str(fact))
            os.unlink(path)
            time.sleep(max(0.0, options.minutes * 60 / options.dumps - seconds))
        for process in processes:
            process.wait()
        made = daemon.dump(120)
        answer, _ = daemon.status()
        memory = daemon.memory()
        total, missing = storm.hold(made, checks, "sustained")
        reached = [f"{storm.caused(storm.workers[0], kind) / options.minutes / 60:.0f}" for kind in "fuc"]
        checks.say(f"      opens, spawns and connections a second: {', '.join(reached)}")
        checks.say(f"      {total} facts, {missing} missing, lost {made.lost()}, {len(made.gaps)} gap lines")
        blind = sum(end - begin for begin, end in made.spans("file")) / 60e9
        checks(blind <= options.minutes / 10, "the gaps of files and processes span a tenth of the time at most",
               f"{blind:.2f} of {options.minutes:g} minutes")
        deaf = sum(end - begin for begin, end in made.spans()) / 60e9 - blind
        checks.say(f"      the gaps of connections span {deaf:.2f} minutes")
        checks(not broken, "the dump barrier is kept", f"{len(broken)} of {len(took)} dumps without what was opened before")
        checks(memory <= options.bound, "memory stays under its bound", f"{memory:.0f} MiB at most, {began:.0f} at the start")
        checks.say(f"      dumps of up to {len(made.records)} records: p50 {percentile(took, .5):.3f} s, "
                   f"p99 {percentile(took, .99):.3f} s, longest {max(took):.3f} s; pauses {pauses(answer) or 'not reported'}")
        code, seconds = daemon.terminate()
        checks(code == 0, "SIGTERM ends it with 0", f"{seconds:.2f} s")
    finally:
        storm.end()
        daemon.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--opens", type=float, default=100_000, help="a second")
    parser.add_argument("--spawns", type=float, default=500, help="a second")
    parser.add_argument("--connections", type=float, default=5000, help="a second")
    parser.add_argument("--names", type=int, default=200_000, help="of each kind")
    parser.add_argument("--dumps", type=int, default=100)
    parser.add_argument("--bound", type=float, default=256, help="MiB")
    options = parser.parse_args()
    private_mounts()
    checks = Checks()
    with Scratch("sustained") as folder:
        try:
            run(folder, options, checks)
        except Failure as failure:
            checks(False, "the proof came to its end", failure)
    checks.end("sustained" if options.minutes >= 10 else None)


if __name__ == "__main__":
    main()
