import random
import unittest

import common  # noqa: F401 (the path)
import intervals


class Intervals(unittest.TestCase):
    def test_the_interval_covers_the_true_median_nearly_as_often_as_it_says(self):
        generator = random.Random(7)
        covered = 0
        for _ in range(200):
            found = intervals.median_interval(generator.lognormvariate(0, 0.2) for _ in range(11))
            covered += found.holds(1.0)
        # The percentile bootstrap of eleven values is a little narrow; far fewer would be a wrong interval, all of
        # them a useless one.
        self.assertGreaterEqual(covered, 178)
        self.assertLess(covered, 200)

    def test_a_real_difference_lies_outside(self):
        generator = random.Random(7)
        found = intervals.median_interval(1.3 * generator.lognormvariate(0, 0.05) for _ in range(11))
        self.assertFalse(found.holds(1.0))
        self.assertTrue(found.holds(1.3))

    def test_the_same_values_give_the_same_interval(self):
        values = [1.1, 1.5, 0.9, 1.2, 1.3]
        self.assertEqual(intervals.median_interval(values), intervals.median_interval(values))

    def test_one_value_is_its_own_interval(self):
        self.assertEqual(intervals.median_interval([2.0]), (2.0, 2.0, 2.0))
        self.assertEqual(intervals.spread([2.0]), (2.0, 2.0, 2.0, 2.0, 2.0))

    def test_spread(self):
        self.assertEqual(intervals.spread([5, 1, 4, 2, 3]), (3, 1, 2, 4, 5))

    def test_pairs_are_of_the_same_round(self):
        # The machine got slower from round to round; the watcher costs a tenth in each.
        baseline = {0: 1.0, 1: 2.0, 2: 4.0, 4: 9.0}
        watched = {2: 4.4, 0: 1.1, 1: 2.2, 3: 50.0}
        self.assertEqual([round(ratio, 6) for ratio in intervals.ratios(watched, baseline)], [1.1, 1.1, 1.1])
        self.assertEqual([round(extra, 6) for extra in intervals.added(watched, baseline)], [0.1, 0.2, 0.4])


if __name__ == "__main__":
    unittest.main()
