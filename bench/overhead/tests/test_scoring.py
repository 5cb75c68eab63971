import unittest
from collections import Counter

import common  # noqa: F401 (the path)
import scoring
from contract import Fact, Report


def opened(program, path="/w/a"):
    return Fact("open", program, path)


def forked(program):
    return Fact("fork", program, "")


class Scoring(unittest.TestCase):
    def score(self, caused, reported, lost=None):
        return scoring.scores({"it": Counter(caused)}, Report(facts=Counter(reported), lost=lost))["it"]

    def test_named(self):
        found = self.score({opened("p"): 1}, {opened("p"): 1})
        self.assertEqual((found.caused, found.named, found.missing), (1, 1, 0))

    def test_distinct_opens_count_once_however_often_they_are_made_or_told(self):
        self.assertEqual(self.score({opened("p"): 1000}, {opened("p"): 1}).named, 1)
        self.assertEqual(self.score({opened("p"): 1}, {opened("p"): 1000}).named, 1)

    def test_pid_only(self):
        found = self.score({opened("p"): 1}, {opened(None): 3})
        self.assertEqual((found.named, found.pid_only, found.misnamed, found.missing), (0, 1, 0, 0))

    def test_misnamed(self):
        found = self.score({opened("p"): 1}, {opened("?"): 1})
        self.assertEqual((found.named, found.pid_only, found.misnamed, found.missing), (0, 0, 1, 0))

    def test_another_program_or_another_path_is_missing(self):
        found = self.score({opened("p"): 1}, {opened("q"): 1, opened("p", "/w/b"): 1})
        self.assertEqual((found.named, found.missing), (0, 1))

    def test_missing_without_a_word_is_silent(self):
        self.assertEqual(self.score({opened("p"): 1}, {}).silent(None), 1)
        self.assertEqual(self.score({opened("p"): 1}, {}).silent(0), 1)
        self.assertEqual(self.score({opened("p"): 1}, {}).silent(5), 0)
        self.assertEqual(self.score({opened(f"p{number}"): 1 for number in range(3)}, {}).silent(2), 1)

    def test_repeated_facts_count_each_time(self):
        self.assertEqual(self.score({forked("p"): 100}, {forked("p"): 60}).named, 60)
        self.assertEqual(self.score({forked("p"): 100}, {forked("p"): 600}).named, 100)
        found = self.score({forked("p"): 100}, {forked("p"): 60, forked(None): 30, forked("?"): 500})
        self.assertEqual((found.named, found.pid_only, found.misnamed, found.missing), (60, 30, 10, 0))

    def test_a_nameless_report_serves_one_workload_alone(self):
        found = scoring.scores({"a": Counter({forked("a"): 10}), "b": Counter({forked("b"): 10})},
                               Report(facts=Counter({forked("b"): 10, forked(None): 4})))
        self.assertEqual((found["a"].pid_only, found["a"].missing), (4, 6))
        self.assertEqual((found["b"].named, found["b"].pid_only), (10, 0))


if __name__ == "__main__":
    unittest.main()
