#!/usr/bin/env python3
"""The daemon stands still (SIGSTOP) for thirty seconds while a storm goes on.

    Tests/Reliability/stopped.py [--seconds 30] [--workers 4] [--opens 2000] [--spawns 150] [--connections 150]

As root, after `make build`. Two runs: with the default queue of file events, and with the kernel's own limit, which is
sure to overflow. Every missing fact lies within a gap's span, and none is misattributed: each worker has an executable
and a folder of its own."""

import argparse
import signal
import time

from storms import Storm
from watching import Checks, Daemon, Failure, Scratch, private_mounts


def run(name, configuration, options, checks):
    with Scratch("stopped") as folder, Daemon(folder, configuration=configuration) as daemon:
        storm = Storm(folder, options.workers, 7411)
        try:
            daemon.start()
            processes = storm.start(options.seconds + 4, options.opens, options.spawns, options.connections)
            time.sleep(2)
            daemon.signal(signal.SIGSTOP)
            time.sleep(options.seconds)
            daemon.signal(signal.SIGCONT)
            for process in processes:
                process.wait()
            start = time.monotonic()
            made = daemon.dump(300)
            took = time.monotonic() - start
            total, missing = storm.hold(made, checks, name)
            checks.say(f"      {total} facts in {options.seconds} s, {missing} missing, lost {made.lost()}, "
                       f"{len(made.gaps)} gap lines, first dump after {took:.2f} s, {daemon.memory():.0f} MiB at most")
            checks(not missing or made.gaps, f"{name}: where anything is missing there is a gap")
            span = sum(end - begin for begin, end in made.spans()) / 1e9
            checks(span < 6 * (options.seconds + 10), f"{name}: the gaps span little more than the stop", f"{span:.0f} s in all")
            time.sleep(3)
            calm = daemon.dump()
            later = len(calm.gaps) - len(made.gaps)
            checks(later <= 0, f"{name}: no loss keeps itself alive", f"{later} more gaps three seconds later")
            code, _ = daemon.terminate()
            checks(code == 0, f"{name}: SIGTERM ends it with 0", code)
        except Failure as failure:
            checks(False, f"{name}: came to its end", failure)
        finally:
            storm.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--opens", type=float, default=2000, help="a second and worker")
    parser.add_argument("--spawns", type=float, default=150, help="a second and worker")
    parser.add_argument("--connections", type=float, default=150, help="a second and worker")
    options = parser.parse_args()
    private_mounts()
    checks = Checks()
    run("default queue", None, options, checks)
    run("limited queue", "fanotify.queue = limited\n", options, checks)
    checks.end("stopped" if options.seconds >= 30 else None)


if __name__ == "__main__":
    main()
