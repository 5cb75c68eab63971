"""Holds what a watcher reported against what the workloads caused."""

from collections import Counter
from dataclasses import dataclass

# Of these every occurrence counts. Of opens and execs each distinct fact counts once: somebody who asks "what depends
# on what" gains nothing from the second time.
COUNTED = ("fork", "connect", "accept")


@dataclass
class Score:
    caused: int = 0
    named: int = 0  # with the right program
    pid_only: int = 0  # the object is right, for the program there is no more than a pid
    misnamed: int = 0  # the object is right, the program wrong or unknown

    @property
    def missing(self):
        return self.caused - self.named - self.pid_only - self.misnamed

    def silent(self, lost):
        """Missing facts of which the watcher gave no hint: more than it reported lost."""
        return max(0, self.missing - (lost or 0))


def scores(caused, report):
    """caused: name of workload -> Counter of facts, all under one start of the watcher. name -> Score."""
    left = Counter(report.facts)
    found = {name: Score() for name in caused}
    # What is named rightly is taken first, by every workload: a nameless report must not serve two of them.
    missed = {}
    for name, facts in caused.items():
        missed[name] = {}
        for fact, times in facts.items():
            wanted = times if fact.kind in COUNTED else 1
            found[name].caused += wanted
            got = _take(left, fact, wanted)
            found[name].named += got
            if wanted > got:
                missed[name][fact] = wanted - got
    for name, facts in missed.items():
        for fact, wanted in facts.items():
            got = _take(left, fact._replace(program=None), wanted)
            found[name].pid_only += got
            found[name].misnamed += _take(left, fact._replace(program="?"), wanted - got)
    return found


def _take(left, fact, wanted):
    got = min(left.get(fact, 0), wanted)
    if fact.kind in COUNTED:
        left[fact] -= got
    return got
