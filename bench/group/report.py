"""Turns results/runs.csv into results/table.txt and results/time.svg."""

import csv
import os
import statistics

import contenders
import plot

KEYS = ("rows", "shape", "form")


class Outcome:
    """What one contender did with one list: the runs of all rounds."""

    def __init__(self, runs):
        self.finished = [run for run in runs if run["status"] == "0"]
        self.late = len(runs) - len(self.finished)
        self.limit = max((float(run["wall_s"]) for run in runs if run["status"] == "timeout"), default=0)
        self.walls = sorted(float(run["wall_s"]) for run in self.finished)
        self.wall = statistics.median(self.walls) if self.walls else None
        self.byRound = {run["round"]: float(run["wall_s"]) for run in self.finished}

    def median(self, *fields):
        return statistics.median(sum(float(run[field]) for field in fields) for run in self.finished)

    def ratio(self, other):
        """How many times as long as the other in the same round: median, least, most."""
        ratios = [wall / other.byRound[round] for round, wall in self.byRound.items() if round in other.byRound]
        return (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None


def cases(runs):
    """(rows, shape, form) -> contender -> Outcome, shortest lists first."""
    grouped = {}
    for run in runs:
        key = (int(run["rows"]), run["shape"], run["form"])
        grouped.setdefault(key, {}).setdefault(run["contender"], []).append(run)
    return {key: {name: Outcome(grouped[key][name]) for name in contenders.NAMES if name in grouped[key]}
            for key in sorted(grouped)}


def seconds(value):
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def lines(about, found):
    yield from about
    yield "wall: median of the rounds (least to most), s.  CPU: user and system, median, s.  peak: resident, median, MiB."
    yield "ratio: wall time by Retinue's in the same round, median (least to most)."
    for (rows, shape, form), outcomes in found.items():
        rounds = max(len(outcome.finished) for outcome in outcomes.values())
        yield ""
        yield f"{rows:,} rows, {shape}, {form} columns, {rounds} rounds"
        yield f"  {'':10}{'wall':>8}  {'(least to most)':22}{'CPU':>8}{'peak':>8}   ratio"
        for name, outcome in outcomes.items():
            if outcome.wall is None:
                yield f"  {name:10}did not finish within {outcome.limit:.0f} s"
                continue
            spread = f"({seconds(outcome.walls[0])} to {seconds(outcome.walls[-1])})"
            row = (f"  {name:10}{seconds(outcome.wall):>8}  {spread:22}"
                   f"{seconds(outcome.median('user_s', 'system_s')):>8}{outcome.median('peak_kib') / 1024:8.1f}")
            ratio = "retinue" in outcomes and name != "retinue" and outcome.ratio(outcomes["retinue"])
            if ratio:
                row += "   {} ({} to {})".format(*(f"{value:.1f}" if value >= 0.95 else f"{value:.3f}" for value in ratio))
            if outcome.late:
                row += f"   {outcome.late} of {outcome.late + len(outcome.finished)} runs did not finish"
            yield row


def write(folder, about):
    with open(f"{folder}/runs.csv", newline="") as file:
        found = cases(list(csv.DictReader(file)))
    with open(f"{folder}/table.txt", "w") as file:
        file.writelines(f"{line}\n" for line in lines(about, found))
    with open(f"{folder}/time.svg", "w") as file:
        file.write(plot.svg(found))
