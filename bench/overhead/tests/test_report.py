import json
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import plot
import raw
import report
from common import row


def small():
    """Four rounds of which each is slower than the one before: `w` takes twice as long and misses a half."""
    rows = []
    for number in range(4):
        seconds = 0.001 * 2 ** number
        rows.append(row(round=number, seconds=seconds))
        rows.append(row(round=number, seconds=seconds, watcher="baseline-again"))
        rows.append(row(round=number, seconds=2 * seconds, watcher="w", named=16, cpu_seconds=0.0005,
                        peak_bytes=3 << 20))
        rows.append(row(round=number, seconds=1.25 * seconds, watcher="retinue", named=30, reported_lost=2))
        for watcher, factor in (("baseline", 1), ("retinue", 1.5)):
            rows.append(row(family="software", workload="make", operations=1, round=number, watcher=watcher,
                            seconds=factor * seconds, caused=0))
    return rows


class Tables(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        raw.write(self.folder / "raw.csv", small())

    def test_raw_numbers_survive(self):
        self.assertEqual(raw.read(self.folder / "raw.csv"), small())

    def line(self, start, number):
        report.write(self.folder)
        text = (self.folder / "tables.txt").read_text().split("unwatched")[1]
        return [line for line in text.splitlines() if line.split() and line.split()[0] == start][number]

    def test_ratios_are_paired_by_round(self):
        self.assertIn("2.000 [2.000, 2.000]", self.line("w", 0))
        self.assertIn("~1.000 [1.000, 1.000]", self.line("baseline-again", 0))

    def test_added_time_processor_time_and_memory(self):
        self.assertIn("+3.00 µs [+1.00 µs, +8.00 µs]", self.line("w", 0))
        self.assertTrue(self.line("w", 0).endswith("500 ns     3.0 MiB"))

    def test_what_was_told(self):
        self.assertEqual(self.line("w", 1).split(), "w 128 64 50.0 % 0 0 - 64 0 B".split())
        self.assertEqual(self.line("retinue", 1).split(), "retinue 128 120 93.7 % 0 0 8 0 0 B".split())

    def test_what_did_not_take_part_is_told(self):
        self.assertNotIn("Did not take part", "\n".join(report.tables(small(), {})))
        about = {"missing": {"auditd": "needs a kernel with it"}, "problems": ["it broke"]}
        (self.folder / "machine.json").write_text(json.dumps(about))
        report.write(self.folder)
        text = (self.folder / "tables.txt").read_text()
        self.assertRegex(text, "Did not take part\n  auditd +needs a kernel with it")
        self.assertIn("it broke", text)

    def test_the_null_comparison_is_told(self):
        text = " ".join(report.tables(small(), {}))
        self.assertIn("differs by up to 0.0% (open-32); the interval leaves 1 out for 0 of 1 workloads.", text)
        worse = [one._replace(seconds=one.seconds * (1.5 if one.watcher == "baseline-again" else 1))
                 for one in small()]
        self.assertIn("up to 50.0% (open-32); the interval leaves 1 out for 1 of 1 workloads (open-32).",
                      " ".join(report.tables(worse, {})))

    def test_no_share_is_rounded_up_to_everything(self):
        self.assertEqual(report.share(0.99999), "99.9 %")
        self.assertEqual(report.share(1.0), "100.0 %")

    def test_durations(self):
        reported = [report.duration(value) for value in (2.5, 0.0421, 1e-3, 999.9e-6, 512e-9, 0.0, -20e-9)]
        self.assertEqual(reported, ["2.50 s", "42.1 ms", "1.00 ms", "1.00 ms", "512 ns", "0.00 ns", "-20.0 ns"])


class Pictures(unittest.TestCase):
    def test_each_is_well_formed_and_has_its_marks(self):
        found = plot.pictures(report.measured(small()))
        self.assertEqual(set(found), {"added-files", "added-software", "ratio-software", "completeness"})
        for name, picture in found.items():
            tree = ElementTree.fromstring(picture)
            words = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]
            self.assertIn("retinue", words, name)
        marks = ElementTree.fromstring(found["added-files"])
        # The square of `w` and the same in the legend, and the mark at the edge of what adds nothing.
        self.assertEqual(len(list(marks.iter("{http://www.w3.org/2000/svg}polygon"))), 3)

    def test_names_are_escaped(self):
        rows = [one._replace(workload="open <&>") for one in small()]
        ElementTree.fromstring(plot.pictures(report.measured(rows))["added-files"])

    def test_nothing_measured_gives_no_picture(self):
        self.assertEqual(plot.pictures(report.measured([row()])), {})


if __name__ == "__main__":
    unittest.main()
