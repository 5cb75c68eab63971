"""What the daemon costs while nothing happens."""

import time

import system
from watchers import Retinue


def measure(bench, round):
    seconds = 2 if bench.quick else 10
    with Retinue(bench.daemon) as daemon:
        daemon.stored()
        time.sleep(1 if bench.quick else 6)
        switches, cpu = system.switches(daemon.process.pid), daemon.processor_seconds()
        time.sleep(seconds)
        bench.results.add("idle", f"{seconds} s", "retinue", round,
                          wakeups=system.switches(daemon.process.pid) - switches,
                          cpu=daemon.processor_seconds() - cpu, resident=daemon.memory())
    bench.say("idle")
