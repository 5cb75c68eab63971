"""Every figure as one row of a CSV file: nothing is averaged before it is written."""

import csv
import statistics

COLUMNS = ("measurement", "case", "watcher", "round", "quantity", "value")


class Results:
    def __init__(self):
        self.rows = []
        self.faults = []

    def add(self, measurement, case, watcher, round, **quantities):
        """Notes what one run gave; None is what could not be measured, and stays out."""
        for quantity, value in quantities.items():
            if value is not None:
                self.rows.append((measurement, str(case), watcher, round, quantity, float(value)))

    def check(self, is_right, fault):
        if not is_right:
            self.faults.append(fault)
            print(f"  WRONG: {fault}", flush=True)

    def lost(self, dump, source):
        """Events that a source lost. A loss without a gap in the dump is a fault of the daemon."""
        lost = dump.sources[source]["lost"]
        self.check(not lost or dump.gaps[source], f"{source} lost {lost} events, and the dump has no gap")
        return lost

    def cases(self, measurement):
        return list(dict.fromkeys(row[1] for row in self.rows if row[0] == measurement))

    def values(self, measurement, case, watcher, quantity):
        return [row[5] for row in self.rows if (row[0], row[1], row[2], row[4]) ==
                (measurement, str(case), watcher, quantity)]

    def median(self, measurement, case, watcher, quantity):
        values = self.values(measurement, case, watcher, quantity)
        return statistics.median(values) if values else None

    def write(self, path):
        with open(path, "w", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            for row in self.rows:
                table.writerow([*row[:5], f"{row[5]:.9g}"])

    def read(self, path):
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                self.rows.append((*(row[name] for name in COLUMNS[:3]), int(row["round"]), row["quantity"],
                                  float(row["value"])))
