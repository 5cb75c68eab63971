"""The daemon's start on a host with many processes."""

import statistics
import subprocess

import system
from dumps import Dump
from watchers import Retinue

STARTS = 3


def measure(bench, round):
    count = 200 if bench.quick else 10_000
    everywhere = set().union(*system.processors())
    idle = system.started([bench.tools / "cap-idle", count], everywhere, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True)
    try:
        if idle.stdout.readline() != "ready\n":
            raise SystemExit(f"capacity: {count} processes could not be started")
        for start in range(STARTS):
            with Retinue(bench.daemon) as daemon:
                resident = daemon.memory()
                cpu = daemon.processor_seconds()
                dumps = [daemon.dump() for _ in range(3)]
                dump = Dump(dumps[0][0])
                with open(dumps[0][0], "rb") as file:
                    known = b"/cap-idle\"" in file.read()
                bench.results.check(known, "processes: the idle program is not in the dump")
                bench.results.add("processes", count, "retinue", round * STARTS + start, ready=daemon.ready_after,
                                  resident=resident, cpu=cpu, dump_bytes=dump.bytes,
                                  dump_seconds=statistics.median(seconds for _, seconds in dumps))
    finally:
        idle.communicate()  # closes its standard input: it ends, and all of them with it
    bench.say(f"start with {count:,} processes")
