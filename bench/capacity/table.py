"""The figures as text: medians of the rounds, one table a question."""

import platform

from measurements.opens import held, highest

MIB = 1 << 20


def number(value, scale=1.0, digits=0):
    return "-" if value is None else f"{value * scale:,.{digits}f}"


def aligned(title, heads, rows):
    """The first column to the left, numbers to the right."""
    widths = [max(len(row[index]) for row in [heads, *rows]) for index in range(len(heads))]
    lines = [title]
    for row in [heads, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def reported(results, name, case, watcher, quantities):
    """Medians as cells; a quantity is (name, scale, digits)."""
    return [number(results.median(name, case, watcher, quantity), scale, digits)
            for quantity, scale, digits in quantities]


def opens(results):
    heads = ["rate asked for", "unwatched /s", "discard /s", "retinue /s", "held", "received", "lost", "missing",
             "folded", "backlog", "behind ms", "us/open", "store us", "discard us", "peak MiB"]
    rows = []
    for case in ordered(results.cases("opens")):
        kind, rate = case.rsplit(" ", 1)
        # Names known by then are opened under the daemon alone: beside them stand the figures of new ones.
        beside = case.replace(", known", "")
        mine = [("received", 1, 0), ("lost", 1, 0), ("missing", 1, 0), ("folded", 1, 0), ("backlog", 1, 0),
                ("behind", 1e3, 0), ("cpu_per_open", 1e6, 2), ("store_cpu_per_open", 1e6, 2)]
        rows.append([f"{kind} {number(int(rate)) if rate != '0' else 'unpaced'}",
                     *reported(results, "opens", beside, "unwatched", [("achieved", 1, 0)]),
                     *reported(results, "opens", beside, "discard", [("achieved", 1, 0)]),
                     *reported(results, "opens", case, "retinue", [("achieved", 1, 0)]),
                     held(results, case),
                     *reported(results, "opens", case, "retinue", mine),
                     *reported(results, "opens", beside, "discard", [("cpu_per_open", 1e6, 2)]),
                     *reported(results, "opens", case, "retinue", [("peak", 1 / MIB, 1)])])
    return aligned("Opens of distinct files a second", heads, rows) if rows else ""


def ordered(cases):
    """By kind, as they were measured; in each the rates in order, the unpaced last."""
    kinds = list(dict.fromkeys(case.rsplit(" ", 1)[0] for case in cases))
    return sorted(cases, key=lambda case: (kinds.index(case.rsplit(" ", 1)[0]), case.endswith(" 0"),
                                           int(case.rsplit(" ", 1)[1])))


def best(results):
    """Where it ends."""
    limit = max((results.median("opens", case, "discard", "achieved") for case in results.cases("opens")
                 if case.startswith("files ")), default=None)
    if limit is None:
        return ""
    lines = [f"With the events read and dropped the generator reached {number(limit)} a second."]
    for kind, title in (("files", "new"), ("files, known", "known")):
        most = highest(results, kind)
        lines.append(f"Retinue kept up with {number(most)} {title} names a second at most." if most else
                     f"Retinue kept up with none of these rates of {title} names.")
    return "\n".join(lines) + "\n"


def rates(results, name, title, operation, extra):
    heads = [operation, "unwatched /s", "retinue /s", *(head for head, *_ in extra)]
    rows = [[case, number(results.median(name, case, "unwatched", "achieved")),
             number(results.median(name, case, "retinue", "achieved")),
             *reported(results, name, case, "retinue", [quantity for _, *quantity in extra])]
            for case in results.cases(name)]
    return aligned(title, heads, rows) if rows else ""


def listed(results, name, title, first, columns):
    rows = [[case, *reported(results, name, case, "retinue", [quantity for _, *quantity in columns])]
            for case in results.cases(name)]
    return aligned(title, [first, *(head for head, *_ in columns)], rows) if rows else ""


def text(results):
    parts = [
        opens(results) + best(results),
        rates(results, "forks", "Processes started and ended a second", "processes, processors", [
            ("started", "processes", 1, 0), ("events", "received", 1, 0), ("lost", "lost", 1, 0),
            ("in the dump", "recorded", 1, 0), ("behind ms", "behind", 1e3, 0),
            ("us/process", "cpu_per_process", 1e6, 1), ("peak MiB", "peak", 1 / MIB, 1)]),
        rates(results, "connections", "TCP connections over loopback a second", "connections", [
            ("made", "connections", 1, 0), ("connects", "recorded_connects", 1, 0),
            ("accepts", "recorded_accepts", 1, 0), ("lost", "lost", 1, 0), ("behind ms", "behind", 1e3, 0),
            ("us/connection", "cpu_per_connection", 1e6, 1), ("peak MiB", "peak", 1 / MIB, 1)]),
        listed(results, "records", "Memory and dumps by number of file records", "files", [
            ("records", "records", 1, 0), ("RSS MiB", "resident", 1 / MIB, 1), ("peak MiB", "peak", 1 / MIB, 1),
            ("ledger MiB", "ledger", 1 / MIB, 1), ("paths MiB", "path_bytes", 1 / MIB, 1),
            ("B/record", "per_record", 1, 0), ("beyond paths", "per_record_beyond_paths", 1, 0),
            ("dump MB", "dump_bytes", 1e-6, 1), ("dump ms", "dump_seconds", 1e3, 1),
            ("least", "dump_least", 1e3, 1), ("most", "dump_most", 1e3, 1)]),
        listed(results, "processes", "Start on a host with idle processes", "processes", [
            ("ready ms", "ready", 1e3, 1), ("RSS MiB", "resident", 1 / MIB, 1), ("CPU ms", "cpu", 1e3, 1),
            ("dump ms", "dump_seconds", 1e3, 1), ("dump MB", "dump_bytes", 1e-6, 2)]),
        listed(results, "idle", "Idle", "for", [
            ("wake-ups", "wakeups", 1, 0), ("CPU ms", "cpu", 1e3, 2), ("RSS MiB", "resident", 1 / MIB, 1)]),
    ]
    release = platform.release().split("-")[0]
    return f"Linux {release}, medians of the rounds. README.md says what the columns mean.\n\n" + "\n".join(
        part for part in parts if part)
