"""How many TCP connections a second over loopback."""

import subprocess
import time

import system
from dumps import Dump
from watchers import Nobody, Retinue

PORTS = 16


def caused(bench, watcher, count):
    on = system.processors()[0]
    server = system.started([bench.tools / "cap-server", PORTS], on, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    try:
        ports = server.stdout.readline().split()
        before = watcher.processor_seconds()
        client = system.started([bench.tools / "cap-client", count, *ports], on, stdout=subprocess.PIPE, text=True)
        begin, end = map(float, client.communicate()[0].split())
        watcher.caught_up()
        behind = time.monotonic() - end
        quantities = dict(connections=count, achieved=count / (end - begin))
        if watcher.queues:
            quantities |= dict(behind=behind, cpu_per_connection=(watcher.processor_seconds() - before) / count)
        return quantities
    finally:
        server.communicate()  # closes its standard input: it ends


def measure(bench, round):
    count = 2_000 if bench.quick else 50_000
    with Nobody() as nobody:
        bench.results.add("connections", "tcp", "unwatched", round, **caused(bench, nobody, count))
    with Retinue(bench.daemon) as daemon:
        quantities = caused(bench, daemon, count)
        dump = Dump(daemon.dump()[0])
        connected, accepted = dump.counts["connect", "cap-client"], dump.counts["accept", "cap-server"]
        lost = bench.results.lost(dump, "sock_diag") + bench.results.lost(dump, "tracepoint")
        for relation, recorded in (("connect", connected), ("accept", accepted)):
            bench.results.check(recorded == count or lost, f"{relation}: {recorded} of {count} in the dump")
        bench.results.add("connections", "tcp", "retinue", round, **quantities, recorded_connects=connected,
                          recorded_accepts=accepted, lost=lost, peak=daemon.memory("VmHWM"))
    bench.say("connections")
