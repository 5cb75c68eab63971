#!/usr/bin/env python3
"""Makes tables.txt and the pictures from raw.csv and machine.json of a folder:

    bench/overhead/report.py [FOLDER]
"""

import json
import sys
import textwrap
from pathlib import Path

import intervals
import plot
import raw

BASELINE, NULL = "baseline", "baseline-again"
FAMILIES = ("files", "processes", "sockets", "software")


class Measured:
    """One workload under one watcher: all rounds."""

    def __init__(self, rows, baseline):
        self.rows = rows
        watched = {row.round: row.per_operation for row in rows}
        unwatched = {row.round: row.per_operation for row in baseline}
        self.times = list(watched.values())
        pairs = intervals.paired(watched, unwatched)
        self.ratio = intervals.median_interval(intervals.ratios(watched, unwatched)) if pairs else None
        self.added = intervals.median_interval(intervals.added(watched, unwatched)) if pairs else None
        self.cpu = intervals.spread(row.cpu_seconds / row.operations for row in rows).median
        self.memory = intervals.spread(row.peak_bytes for row in rows).median
        self.written = intervals.spread(row.written_bytes for row in rows).median
        reported = [row.reported_lost for row in rows if row.reported_lost is not None]
        self.lost = sum(reported) if reported else None

    def total(self, field):
        return sum(getattr(row, field) for row in self.rows)

    @property
    def share(self):
        caused = self.total("caused")
        return self.total("named") / caused if caused else None


def measured(rows):
    """family -> workload -> watcher -> Measured, in the order of FAMILIES and of the rows' first round."""
    grouped = {family: {} for family in FAMILIES}
    for row in rows:
        grouped.setdefault(row.family, {}).setdefault(row.workload, {}).setdefault(row.watcher, []).append(row)
    return {family: {workload: {watcher: Measured(some, watchers.get(BASELINE, []))
                                for watcher, some in sorted(watchers.items(), key=rank)}
                     for workload, watchers in workloads.items()}
            for family, workloads in grouped.items() if workloads}


def rank(item):
    """The baselines first, then Retinue, then the others by name."""
    name = item[0]
    return (name != BASELINE, name != NULL, not name.startswith("retinue"), name)


def duration(seconds, sign=False):
    """Three digits with the unit that fits."""
    plus = "+" if sign else ""
    for unit, scale in (("s", 1), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
        value = seconds / scale
        if abs(value) >= 0.9995 or unit == "ns":
            digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
            return f"{value:{plus}.{digits}f} {unit}"


def size(count):
    for unit, least in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= least:
            return f"{count / least:.1f} {unit}"
    return f"{count:.0f} B"


def share(part):
    """Rounded down, so that 100 % is said of everything alone."""
    return "-" if part is None else f"{int(part * 1000 + 1e-9) / 10:.1f} %"


def table(heads, rows):
    """Columns as wide as they have to be: the first to the left, the others to the right."""
    rows = [heads, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        yield ("  " + "  ".join(cells)).rstrip()


def cost(watcher, found):
    ratio, added = found.ratio, found.added
    if ratio is None:
        return [watcher, "no baseline", "", "", ""]
    same = "~" if ratio.holds(1) and watcher != BASELINE else " "
    own = watcher in (BASELINE, NULL)
    return [watcher,
            "1" if watcher == BASELINE else f"{same}{ratio.median:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]",
            "0" if watcher == BASELINE else
            f"{duration(added.median, True)} [{duration(added.low, True)}, {duration(added.high, True)}]",
            "-" if own else duration(found.cpu), "-" if own or not found.memory else size(found.memory)]


def reported(watcher, found):
    return [watcher, f"{found.total('caused'):,}", f"{found.total('named'):,}", share(found.share),
            f"{found.total('pid_only'):,}", f"{found.total('misnamed'):,}",
            "-" if found.lost is None else f"{found.lost:,}", f"{found.total('silent'):,}", size(found.written)]


COST = ["", "time, by baseline's", "added per operation", "watcher's CPU per op.", "its memory"]
REPORTED = ["", "caused", "named", "", "pid only", "misnamed", "reported lost*", "silently missed", "output*"]


def workload_lines(name, watchers, about):
    baseline = watchers.get(BASELINE)
    operation = about.get("workloads", {}).get(name, "")
    yield f"{name}: {operation}" if operation else name
    if baseline:
        times = intervals.spread(baseline.times)
        yield (f"  unwatched {duration(times.median)} per operation (quartiles {duration(times.lower_quartile)} to "
               f"{duration(times.upper_quartile)}, least to most {duration(times.least)} to {duration(times.most)}), "
               f"{len(baseline.times)} rounds")
    yield ""
    yield from table(COST, [cost(watcher, found) for watcher, found in watchers.items()])
    reporting = {watcher: found for watcher, found in watchers.items() if watcher not in (BASELINE, NULL)}
    if any(found.total("caused") for found in reporting.values()):
        yield ""
        yield from table(REPORTED, [reported(watcher, found) for watcher, found in reporting.items()])
    yield ""


def overview(workloads, value):
    """Watchers down, workloads across, medians alone."""
    watchers = sorted({watcher for found in workloads.values() for watcher in found}, key=lambda name: rank((name,)))
    rows = [[watcher] + [value(workloads[name][watcher]) if watcher in workloads[name] else "" for name in workloads]
            for watcher in watchers if watcher != BASELINE]
    return table(["", *workloads], rows)


def null_lines(workloads):
    nulls = {name: watchers[NULL].ratio for name, watchers in workloads.items()
             if NULL in watchers and watchers[NULL].ratio}
    if not nulls:
        return
    widest = max(nulls, key=lambda name: abs(nulls[name].median - 1))
    wrong = [name for name, ratio in nulls.items() if not ratio.holds(1)]
    yield from textwrap.wrap(
        f"The null comparison: the baseline against itself differs by up to {abs(nulls[widest].median - 1):.1%} "
        f"({widest}); the interval leaves 1 out for {len(wrong)} of {len(nulls)} workloads"
        + (f" ({', '.join(wrong)})." if wrong else "."), 116)


def machine_lines(about):
    machine = about.get("machine")
    if machine:
        virtual = ", a virtual machine" if machine["virtual"] else ""
        yield (f"{machine['date']}, {machine['kernel']}, {machine['distribution']}, "
               f"{machine['processors']} processors of {machine['processor']}{virtual}, {machine['memory_gib']} GiB")
        yield f"frequency governor {machine['governor']}, {machine['retinue']}, Python {machine['python']}"
        packages = [f"{name} {version}" for name, version in machine["packages"].items()]
        for start in range(0, len(packages), 4):
            yield "  " + ", ".join(packages[start:start + 4])
    if about.get("quick"):
        yield "A quick run: it shows whether everything works. Its times say nothing."


EXPLANATION = """\
Each watched run is paired with the baseline's of the same round; the figures are medians over the rounds with their
95 % confidence interval [bootstrap, 2,000 resamples, fixed seed]. ~ marks a ratio whose interval holds 1: no
difference is shown. Facts are counted over all rounds together. Opens and execs count once for each distinct
program and object, forks, connects and accepts every time. Silently missed: not named at all, and more than the
watcher says it lost or could not name. * of all workloads of the family together; "-" under "reported lost": it never
says. auditd and strace get a tenth of the calls of files and sockets."""


def tables(rows, about):
    yield "What watching costs, and what it reports"
    yield ""
    yield from machine_lines(about)
    yield ""
    yield from EXPLANATION.splitlines()
    for family, workloads in measured(rows).items():
        yield ""
        yield f"== {family} " + "=" * (114 - len(family))
        yield ""
        yield from null_lines(workloads)
        yield ""
        yield "added per operation"
        yield from overview(workloads, lambda found: duration(found.added.median, True) if found.added else "?")
        yield ""
        yield "time, by baseline's"
        yield from overview(workloads, lambda found: f"{found.ratio.median:.3f}" if found.ratio else "?")
        yield ""
        for name, watchers in workloads.items():
            yield from workload_lines(name, watchers, about)
    for title, key in (("What was watched with", "watchers"), ("Did not take part", "missing")):
        if about.get(key):
            yield ""
            yield title
            yield from (f"  {name:18} {text}" for name, text in about[key].items())
    if about.get("problems"):
        yield ""
        yield "Problems"
        yield from (f"  {problem}" for problem in about["problems"])


def write(folder):
    """Everything that follows from the raw numbers."""
    folder = Path(folder)
    rows = raw.read(folder / "raw.csv")
    file = folder / "machine.json"
    about = json.loads(file.read_text()) if file.exists() else {}
    (folder / "tables.txt").write_text("\n".join(tables(rows, about)) + "\n")
    found = measured(rows)
    for name, picture in plot.pictures(found).items():
        (folder / f"{name}.svg").write_text(picture)


if __name__ == "__main__":
    write(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent / "results")
