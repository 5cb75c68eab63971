"""The figures as text: medians of the rounds, one table a question."""

import platform

from measurements.opens import sustained

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


def told(results, name, case, watcher, quantities):
    """Medians as cells; a quantity is (name, scale, digits)."""
    return [number(results.median(name, case, watcher, quantity), scale, digits)
            for quantity, scale, digits in quantities]


def opens(results):
    heads = ["opened, rate asked for", "unwatched /s", "discard /s", "retinue /s", "held", "received", "lost", "missing",
             "backlog", "behind ms", "us/open", "store us", "discard us", "peak MiB"]
    rows = []
    for case in results.cases("opens"):
        kind, rate = case.rsplit(" ", 1)
        lost = results.median("opens", case, "retinue", "lost")
        # Known names are opened by the daemon's second pass alone: beside it stand the figures of the first.
        beside = case.replace(", known", "")
        rows.append([f"{kind} {number(int(rate)) if rate != '0' else 'unpaced'}",
                     number(results.median("opens", beside, "unwatched", "achieved")),
                     number(results.median("opens", beside, "discard", "achieved")),
                     number(results.median("opens", case, "retinue", "achieved")),
                     "yes" if sustained(results, kind, rate) else "no",
                     number(results.median("opens", case, "retinue", "received")), number(lost),
                     number(results.median("opens", case, "retinue", "missing")),
                     *told(results, "opens", case, "retinue", [("backlog", 1, 0), ("behind", 1e3, 0),
                                                              ("cpu_per_open", 1e6, 2),
                                                              ("store_cpu_per_open", 1e6, 2)]),
                     *told(results, "opens", beside, "discard", [("cpu_per_open", 1e6, 2)]),
                     *told(results, "opens", case, "retinue", [("peak", 1 / MIB, 1)])])
    return aligned("Opens of distinct files a second", heads, sorted(rows, key=lambda row: row[0].split(" ")[0]
                   + ("1" if "known" in row[0] else "0"))) if rows else ""


def best(results):
    """One sentence: where it ends."""
    held = [results.median("opens", case, "retinue", "achieved")
            for case in results.cases("opens")
            if case.startswith("files ") and sustained(results, "files", case.rsplit(" ", 1)[1])]
    limit = [results.median("opens", case, "discard", "achieved") for case in results.cases("opens")
             if case.startswith("files ")]
    limit = max((rate for rate in limit if rate), default=None)
    if limit is None:
        return ""
    return (f"New files: held up to {number(max(held, default=0) or None)} a second; with the kernel's events read and "
            f"dropped the generator reached {number(limit)}.\n")


def rates(results, name, title, operation, extra):
    heads = [operation, "unwatched /s", "retinue /s", *(head for head, *_ in extra)]
    rows = [[case, number(results.median(name, case, "unwatched", "achieved")),
             number(results.median(name, case, "retinue", "achieved")),
             *told(results, name, case, "retinue", [quantity for _, *quantity in extra])]
            for case in results.cases(name)]
    return aligned(title, heads, rows) if rows else ""


def listed(results, name, title, first, columns):
    rows = [[case, *told(results, name, case, "retinue", [quantity for _, *quantity in columns])]
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
    return f"Linux {release}, medians of the rounds. README.md tells what the columns mean.\n\n" + "\n".join(
        part for part in parts if part)
