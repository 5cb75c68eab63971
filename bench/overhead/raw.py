"""The raw numbers: one line per round, workload and watcher. Tables and pictures are made from these alone."""

import csv
from typing import NamedTuple, Optional


class Row(NamedTuple):
    family: str
    round: int
    workload: str
    watcher: str
    operations: int
    seconds: float
    cpu_seconds: float  # the watcher's
    peak_bytes: int  # the watcher's
    caused: int
    named: int
    pid_only: int
    misnamed: int
    reported_lost: Optional[int]  # of all workloads of the family and round together; empty: the watcher never says
    written_bytes: int  # likewise

    @property
    def per_operation(self):
        return self.seconds / self.operations

    @property
    def missing(self):
        return self.caused - self.named - self.pid_only - self.misnamed

    @property
    def silent(self):
        return max(0, self.missing - (self.reported_lost or 0))


_READ = {int: int, float: float, str: str, Optional[int]: lambda text: int(text) if text else None}


def write(file, rows):
    with open(file, "w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(Row._fields)
        for row in rows:
            writer.writerow([f"{value:.9f}" if isinstance(value, float) else value for value in row])


def read(file):
    with open(file, newline="") as lines:
        return [Row(*(_READ[kind](line[name]) for name, kind in Row.__annotations__.items()))
                for line in csv.DictReader(lines)]
