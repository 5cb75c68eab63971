"""How many opens of distinct files a second are taken in without loss, and without falling behind."""

import statistics
import subprocess
import threading
import time

import system
from dumps import Dump
from watchers import Discard, Nobody, Retinue

SAMPLE_EVERY = 0.02
PER_FOLDER = 1000
RATES = {True: (100_000, 0),
         False: (50_000, 100_000, 200_000, 300_000, 400_000, 500_000, 600_000, 800_000, 0)}  # 0: unpaced


class Backlog(threading.Thread):
    """Reads the queue while events come: it is the queue's length that shows who falls behind."""

    def __init__(self, queues):
        super().__init__(daemon=True)
        self.queues, self.found, self.over = queues, [0], threading.Event()

    def run(self):
        while self.queues and not self.over.wait(SAMPLE_EVERY):
            self.found.append(self.queues.waiting())

    def end(self):
        self.over.set()
        self.join()
        return max(self.found)


def opened(bench, watcher, folder, names, opens, rate):
    """Has `opens` files opened while somebody watches; figures of it."""
    backlog = Backlog(watcher.queues)
    before = watcher.processor_seconds()
    generator = system.started([bench.tools / "cap-open", names, PER_FOLDER, opens, rate],
                               system.processors()[0], cwd=folder, stdout=subprocess.PIPE, text=True)
    backlog.start()
    begin, end = map(float, generator.communicate()[0].split())
    if generator.returncode:
        raise SystemExit("capacity: cap-open failed")
    greatest = backlog.end()
    watcher.caught_up()
    behind = time.monotonic() - end
    quantities = dict(opens=opens, achieved=opens / (end - begin))
    if watcher.queues:
        quantities |= dict(backlog=greatest, behind=behind,
                           cpu_per_open=(watcher.processor_seconds() - before) / opens)
    return quantities


def reported(bench, dump, case, names):
    """Holds a dump against what was caused: every name, or a folder's record that stands for it, or a gap."""
    missing = names - len(dump.files) - dump.folded
    lost = bench.results.lost(dump, "fanotify")
    bench.results.check(not missing or lost, f"opens {case}: {missing} of {names} files are not in the dump")
    return missing, lost


def with_retinue(bench, folder, case, names, opens, rate, round):
    """New names, then the same ones again, known by then."""
    with Retinue(bench.daemon) as daemon:
        resident = daemon.memory()
        received = daemon.status()["sources"]["fanotify"]["received"]
        quantities = opened(bench, daemon, folder, names, opens, rate)
        received = daemon.status()["sources"]["fanotify"]["received"] - received
        store = daemon.processor_seconds()
        if not bench.quick:
            daemon.stored()
        store = daemon.processor_seconds() - store
        path, _ = daemon.dump()
        dump = Dump(path, folder=folder)
        missing, lost = reported(bench, dump, f"{case} at {rate or 'any rate'}", min(names, opens))
        bench.results.add("opens", f"{case} {rate}", "retinue", round, **quantities, received=received,
                          missing=missing, folded=dump.folded, lost=lost, resident_before=resident,
                          peak=daemon.memory("VmHWM"),
                          store_cpu_per_open=None if bench.quick else store / opens)
        if names >= opens:
            again = opened(bench, daemon, folder, names, opens, rate)
            bench.results.add("opens", f"{case}, known {rate}", "retinue", round, **again)


def beside(bench, folder, case, names, opens, rate, round):
    """The same opens with nobody watching, and with the kernel's events dropped."""
    with Nobody() as nobody:
        bench.results.add("opens", f"{case} {rate}", "unwatched", round,
                          **opened(bench, nobody, folder, names, opens, rate))
    discard = Discard(bench.tools, folder)
    with discard:
        quantities = opened(bench, discard, folder, names, opens, rate)
    bench.results.check(discard.received >= min(names, opens) or discard.lost,
                        f"opens {case}: cap-discard read {discard.received} events of {opens} opens")
    bench.results.add("opens", f"{case} {rate}", "discard", round, **quantities, received=discard.received,
                      lost=discard.lost)


def measure(bench, round):
    most, seconds = (20_000, 1) if bench.quick else (1_000_000, 3)
    for case, links in (("files", 1), ("links", 1000), ("same 32", 1)):
        names = 32 if case == "same 32" else most
        with bench.folder(names, PER_FOLDER, links) as folder:
            for rate in bench.rates or RATES[bench.quick] if case == "files" else (0,):
                opens = min(most, rate * seconds) if rate else most
                beside(bench, folder, case, names, opens, rate, round)
                with_retinue(bench, folder, case, names, opens, rate, round)
                bench.say(f"opens, {case} at {rate or 'any rate'}")


def keeps_up(results, case):
    """Whether the daemon kept up: in no round anything lost or missing, and, in the median, a tenth of a second
    after the last open all of it taken in."""
    failed = [results.values("opens", case, "retinue", quantity) for quantity in ("lost", "missing")]
    behind = results.values("opens", case, "retinue", "behind")
    return not any(map(any, failed)) and bool(behind) and statistics.median(behind) < 0.1


def held(results, case):
    """The verdict on a rate: yes, no, or that the generator did not come to it, so that it was not tried."""
    if not keeps_up(results, case):
        return "no"
    rate = int(case.rsplit(" ", 1)[1])
    return "yes" if results.median("opens", case, "retinue", "achieved") > 0.97 * rate else "not reached"


def highest(results, kind):
    """Opens a second, really made, with which the daemon kept up; None where it never did."""
    return max((results.median("opens", case, "retinue", "achieved") for case in results.cases("opens")
                if case.rsplit(" ", 1)[0] == kind and keeps_up(results, case)), default=None)
