"""What a record takes in memory, and how long a dump of them takes."""

import statistics

from dumps import Dump
from measurements.opens import PER_FOLDER, opened
from watchers import Retinue

RATE = 100_000  # one at which the daemon keeps up, so that waiting events are not measured
DUMPS = 5


def measure(bench, round):
    for count in (2_000, 20_000) if bench.quick else (10_000, 100_000, 1_000_000):
        with bench.folder(count, PER_FOLDER, 1) as folder, Retinue(bench.daemon) as daemon:
            path, _ = daemon.dump()
            earlier = Dump(path)
            before = daemon.memory()
            opened(bench, daemon, folder, count, count, RATE)
            taken_in = daemon.memory()
            daemon.stored()
            resident, peak = daemon.memory(), daemon.memory("VmHWM")
            path, first = daemon.dump()
            dump = Dump(path, folder=folder)
            missing = count - len(dump.files) - dump.folded
            bench.results.check(not missing or bench.results.lost(dump, "fanotify"),
                                f"records: {missing} of {count} files are not in the dump")
            reported = dump.header["contents"]
            bench.results.check(sum(reported.values()) == dump.lines,
                                f"records: the header promises {reported}, the dump has {dump.lines} lines")
            ledger = daemon.status()["memory"]["ledger"]
            # What else happens on the machine makes records too.
            records = dump.lines - earlier.lines
            strings = dump.path_bytes - earlier.path_bytes
            grown = resident - before
            times = [first, *(daemon.dump()[1] for _ in range(DUMPS - 1))]
            bench.results.add(
                "records", count, "retinue", round, resident_before=before, resident_unstored=taken_in,
                resident=resident, peak=peak, ledger=ledger, path_bytes=strings, records=records,
                resident_after_dumps=daemon.memory(), peak_with_dumps=daemon.memory("VmHWM"),
                per_record=grown / records, per_record_beyond_paths=(grown - strings) / records,
                dump_bytes=dump.bytes, dump_seconds=statistics.median(times), dump_least=min(times),
                dump_most=max(times))
        bench.say(f"records, {count:,}")
