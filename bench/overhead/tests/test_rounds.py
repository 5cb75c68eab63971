import os
import tempfile
import unittest
from collections import Counter
from pathlib import Path

import rounds
from common import Sleepy, Reported
from contract import Fact, Report
from place import Processors


class Order(unittest.TestCase):
    def test_each_stands_at_every_place_once(self):
        for count in (1, 2, 7, 12):
            seen = [rounds.order(list(range(count)), number) for number in range(count)]
            for place in range(count):
                self.assertEqual(sorted(line[place] for line in seen), list(range(count)))

    def test_each_follows_every_other_once_where_their_number_is_even(self):
        pairs = Counter(pair for number in range(12)
                        for line in [rounds.order(list(range(12)), number)] for pair in zip(line, line[1:]))
        self.assertEqual(set(pairs.values()), {1})
        self.assertEqual(len(pairs), 12 * 11)


class Running(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        watched, output = Path(folder.name) / "watched", Path(folder.name) / "output"
        watched.mkdir(), output.mkdir()
        self.watched = watched
        self.bench = rounds.Bench(watched, output, Processors(), timeout=60, say=lambda line: None)
        self.baseline = Reported("baseline")

    def run_all(self, workloads, watchers):
        for sitting in rounds.sittings(workloads):
            for number in range(3):
                self.bench.round(sitting, watchers, number)
            self.bench.leave()
        return self.bench.rows

    def test_every_watcher_meets_every_workload_in_every_round(self):
        workload, other = Sleepy("one"), Sleepy("two")
        rows = self.run_all([workload, other], [self.baseline, rounds.Again(self.baseline), Reported("w")])
        met = {(one.watcher, one.workload, one.round) for one in rows}
        self.assertEqual(len(met), 3 * 2 * 3)
        self.assertEqual({one.watcher for one in rows}, {"baseline", "baseline-again", "w"})
        self.assertEqual({(one.operations, one.seconds) for one in rows}, {(4, 0.5)})
        self.assertEqual((workload.prepared, workload.finished), (9, 1))
        self.assertEqual(list(self.watched.iterdir()), [])

    def test_the_report_is_scored_against_what_was_caused(self):
        reported = Report(facts=Counter({Fact("open", "one", f"{self.watched}/one/0"): 1}), lost=3, written_bytes=77)
        rows = [one for one in self.run_all([Sleepy("one")], [self.baseline, Reported("w", reported)]) if one.watcher == "w"]
        self.assertEqual((rows[0].caused, rows[0].named, rows[0].reported_lost, rows[0].written_bytes), (4, 1, 3, 77))

    def test_a_failing_workload_is_a_problem_and_ends_nothing(self):
        rows = self.run_all([Sleepy("bad", script="echo broken >&2; exit 3"), Sleepy("good")], [self.baseline])
        self.assertEqual({one.workload for one in rows}, {"good"})
        self.assertEqual(len(self.bench.problems), 3)
        self.assertIn("bad ended with 3: broken", self.bench.problems[0])

    def test_a_workload_that_hangs_is_killed(self):
        self.bench.timeout = 0.2
        self.run_all([Sleepy("slow", script="exec sleep 100")], [self.baseline])
        self.assertIn("did not end within", self.bench.problems[0])

    def test_a_workload_that_says_nothing_is_a_problem(self):
        self.run_all([Sleepy(script="echo done")], [self.baseline])
        self.assertIn("did not print OPERATIONS SECONDS", self.bench.problems[0])

    def test_a_watcher_that_does_not_start_is_a_problem_and_is_stopped(self):
        watcher = Reported("w")
        watcher.start = lambda *given: 1 / 0
        rows = self.run_all([Sleepy()], [self.baseline, watcher])
        self.assertEqual({one.watcher for one in rows}, {"baseline"})
        self.assertEqual((len(self.bench.problems), watcher.stopped), (3, 3))

    def test_a_peer_that_breaks_is_told_but_is_not_this_project_s_fault(self):
        for name, fault in (("peer", False), ("retinue", True), ("baseline", True)):
            with self.subTest(name):
                self.setUp()
                watcher = Reported(name)
                watcher.start = lambda *given: 1 / 0
                self.run_all([Sleepy()], [watcher])
                self.assertEqual((len(self.bench.problems), bool(self.bench.broken)), (3, fault))

    def test_a_workload_that_fails_under_a_peer_is_a_fault_and_one_that_is_late_is_not(self):
        self.run_all([Sleepy("bad", script="exit 1")], [Reported("peer")])
        self.assertEqual(len(self.bench.broken), 3)
        self.bench.timeout, self.bench.broken = 0.2, []
        self.run_all([Sleepy("slow", script="exec sleep 100")], [Reported("peer")])
        self.assertEqual((len(self.bench.problems), self.bench.broken), (6, []))

    def test_a_dear_watcher_gets_a_share_of_the_calls(self):
        dear = Reported("dear")
        dear.share = 0.25
        for family, operations in (("files", 1), ("processes", 4)):
            workload = Sleepy("one")
            workload.family = family
            self.assertEqual(self.bench.operations(workload, dear), operations)

    def test_what_could_not_be_named_is_told_like_what_was_lost(self):
        self.assertEqual(rounds.reported_lost(Report(lost=2, unnamed=3)), 5)
        self.assertIsNone(rounds.reported_lost(Report(unnamed=3)))

    def test_only_limits_watchers_but_not_the_baseline(self):
        watchers = [self.baseline, rounds.Again(self.baseline), Reported("w"), Reported("v")]
        rows = self.run_all([Sleepy(only=("v",))], watchers)
        self.assertEqual({one.watcher for one in rows}, {"baseline", "v"})

    def test_a_watcher_is_not_asked_for_families_that_it_does_not_serve(self):
        watcher = Reported("w")
        watcher.families = ("sockets",)
        self.run_all([Sleepy()], [self.baseline, watcher])
        self.assertEqual(watcher.started, 0)

    def test_a_wrapper_s_processor_time_and_memory_are_the_watcher_s(self):
        script = '"$@"; code=$?; i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done; exit $code'
        watcher = Reported("w")
        watcher.wrap = lambda command: ["sh", "-c", script, "sh", *command]
        rows = [one for one in self.run_all([Sleepy()], [self.baseline, watcher]) if one.watcher == "w"]
        self.assertEqual(self.bench.problems, [])
        self.assertGreater(rows[0].cpu_seconds, 0.02)
        self.assertGreater(rows[0].peak_bytes, 100_000)

    def test_unpinned_workloads_get_every_processor_and_a_start_of_their_own(self):
        count = len(os.sched_getaffinity(0))
        workloads = [Sleepy("pinned", script="echo $(nproc) 1"),
                     Sleepy("free", script="echo $(nproc) 1", unpinned=True)]
        rows = self.run_all(workloads, [self.baseline])
        self.assertEqual({(one.workload, one.operations) for one in rows}, {("pinned", 1), ("free", count)})
        self.assertEqual(self.baseline.started, 6)


class Lapses(unittest.TestCase):
    opened = Fact("open", "p", "/w/a")

    def lapses(self, caused, reported, lost=None):
        return rounds.lapses({"it": Counter(caused)}, Report(facts=Counter(reported), lost=lost))

    def test_retinue_may_miss_nothing_without_a_word(self):
        self.assertEqual(self.lapses([self.opened], [self.opened]), [])
        for reported in ([], [Fact("open", None, "/w/a")], [Fact("open", "?", "/w/a")]):
            self.assertEqual(self.lapses([self.opened], reported),
                             ["it: Retinue named 0 of 1 facts and reported no loss"])
            self.assertEqual(len(self.lapses([self.opened], reported, lost=0)), 1)
            self.assertEqual(self.lapses([self.opened], reported, lost=1), [])

    def test_every_connection_and_every_fork_that_leads_to_a_program_is_held_to(self):
        facts = [Fact("fork", "p", ""), Fact("exec", "q", "/w/q"), Fact("connect", "p", "tcp:1"),
                 Fact("accept", "p", "tcp:1")]
        self.assertEqual(self.lapses(facts, facts), [])
        for one in facts:
            self.assertEqual(len(self.lapses(facts, [other for other in facts if other != one])), 1, one)
        self.assertEqual(len(self.lapses(facts + facts, facts)), 1)

    def test_known_limits_are_not(self):
        self.assertEqual(self.lapses([Fact("connect", "p", "unix:/w/s"), Fact("connect", "p", "udp:1"),
                                      Fact("fork", "p", "")], []), [])

    def test_a_lapse_is_a_fault_of_retinue_s_in_all_families_but_software(self):
        for name, family, faults in (("retinue", "files", 3), ("fatrace", "files", 0), ("retinue", "software", 0)):
            with self.subTest(f"{name}, {family}"), tempfile.TemporaryDirectory() as folder:
                bench = rounds.Bench(Path(folder), Path(folder), Processors(), say=lambda line: None)
                for sitting in rounds.sittings([Sleepy(family=family)]):
                    for number in range(3):
                        bench.round(sitting, [Reported(name)], number)
                self.assertEqual(len(bench.broken), faults)


if __name__ == "__main__":
    unittest.main()
