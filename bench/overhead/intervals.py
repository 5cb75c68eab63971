"""Medians, spreads and intervals of small numbers of rounds. (Not `statistics`: that is Python's.)"""

import random
import statistics
from typing import NamedTuple

RESAMPLES = 2_000
SEED = 1009  # fixed: the same raw numbers give the same tables


class Spread(NamedTuple):
    median: float
    least: float
    lower_quartile: float
    upper_quartile: float
    most: float


class Interval(NamedTuple):
    """A median and the 95 % confidence interval of it."""

    median: float
    low: float
    high: float

    def holds(self, value):
        return self.low <= value <= self.high


def spread(values):
    values = sorted(values)
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return Spread(statistics.median(values), values[0], lower, upper, values[-1])


def median_interval(values):
    """The median with the bootstrap's 95 % percentile interval: the medians of resamples with replacement."""
    values = list(values)
    generator = random.Random(SEED)
    medians = sorted(statistics.median(generator.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return Interval(statistics.median(values), medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1])


def paired(watched, baseline):
    """(watched, baseline) of the rounds that have both: what changes from round to round cancels out in a pair."""
    return [(watched[number], baseline[number]) for number in sorted(watched) if number in baseline]


def ratios(watched, baseline):
    """round -> time per operation, twice. The ratio of each round."""
    return [one / other for one, other in paired(watched, baseline)]


def added(watched, baseline):
    """Time added per operation, of each round."""
    return [one - other for one, other in paired(watched, baseline)]
