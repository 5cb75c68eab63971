"""Runs workloads under watchers in interleaved rounds and gathers the raw numbers."""

import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass

import place
import scoring
import usage
from contract import Report
from raw import Row

BASELINE = "baseline"
NULL = "baseline-again"
RETINUE = "retinue"


class Again:
    """The baseline under another name: what the method calls a difference where there is none."""

    name, title = NULL, "nothing, a second time"

    def __init__(self, baseline):
        self._baseline = baseline

    def __getattr__(self, attribute):
        return getattr(self._baseline, attribute)


class Failure(Exception):
    """A workload that did not do its work."""


class Late(Failure):
    """A workload that took too long."""


def order(watchers, number):
    """The order of a round: over as many rounds as there are watchers each stands at every place once and, where
    their number is even, follows every other once, so that what one leaves behind falls on all alike."""
    count = len(watchers)
    zigzag = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(count)]
    return [watchers[(step + number) % count] for step in zigzag]


@dataclass
class Sitting:
    """What one start of a watcher serves: the workloads of a family that get the same processors."""

    family: str
    unpinned: bool
    workloads: list

    def label(self):
        return self.family + (" (not pinned)" if self.unpinned else "")

    def of(self, watcher):
        """The workloads that this watcher takes part in. No watcher is compared without a baseline."""
        bare = watcher.name in (BASELINE, NULL)
        if not bare and self.family not in watcher.families:
            return []
        # What is too long for all is too long to be run twice unwatched.
        return [workload for workload in self.workloads
                if workload.only is None or watcher.name in workload.only or watcher.name == BASELINE]


def sittings(workloads):
    found = {}
    for workload in workloads:
        found.setdefault((workload.family, workload.unpinned), []).append(workload)
    return [Sitting(family, unpinned, some) for (family, unpinned), some in found.items()]


class Bench:
    def __init__(self, watched, output, processors, quick=False, timeout=120, say=print):
        self.watched, self.output, self.processors = watched, output, processors
        self.quick, self.timeout, self.say = quick, timeout, say
        self.settling = 0.2 if quick else 2.0  # at most, in seconds
        self.folders = {}  # workload -> what it has prepared, kept from one start to the next
        self.rows = []
        self.problems = []  # everything that went wrong, reported in the results
        self.broken = []  # those of them that are this project's fault, not a peer's

    def operations(self, workload, watcher):
        if self.quick:
            return workload.quick_operations
        share = watcher.share if workload.family in ("files", "sockets") else 1
        return max(1, int(workload.operations * share))

    def warm_up(self, sitting, baseline):
        """Every workload once, unwatched and short, so that no watcher pays for the first reading of its files."""
        quick, self.quick = self.quick, True
        try:
            self._sit(sitting, baseline, 0, sitting.workloads)
        finally:
            self.quick = quick

    def round(self, sitting, watchers, number):
        for watcher in order(watchers, number):
            self.once(sitting, watcher, number)

    def once(self, sitting, watcher, number):
        workloads = sitting.of(watcher)
        if workloads:
            self.rows += self._sit(sitting, watcher, number, workloads)

    def _problem(self, sitting, watcher, number, what):
        problem = f"{sitting.label()}, round {number}, {watcher.name}: {what}"
        self.problems.append(problem)
        # A peer may break, or slow a workload down until its time is up: that is a result.
        if watcher.name in (BASELINE, NULL, RETINUE) or type(what) is Failure:
            self.broken.append(problem)
        self.say(f"  problem: {problem}")

    def _sit(self, sitting, watcher, number, workloads):
        """One start of a watcher: its rows, one for each workload that succeeded."""
        ready, done, report = [], [], Report()
        output = self.output / f"{sitting.family}-{number}-{watcher.name}"
        output.mkdir()
        try:
            for workload in workloads:
                folder = self.watched / workload.name
                folder.mkdir(exist_ok=True)
                self.folders[workload] = folder
                ready.append((workload, folder))
                workload.prepare(folder, self.operations(workload, watcher))
            os.sync()  # or the files just made are written back while something is measured
            try:
                watcher.start(sitting.family, output, self.processors.watcher(sitting.unpinned))
                for workload, folder in ready:
                    try:
                        done.append((workload, folder, self._run(sitting, watcher, workload, folder)))
                    except Failure as failure:
                        self._problem(sitting, watcher, number, failure)
            finally:
                watcher.stop()
            report = watcher.report()
        except Exception as error:  # one that breaks must not end the others' rounds
            self._problem(sitting, watcher, number, f"{type(error).__name__}: {error}")
            return []
        finally:
            caused = {workload.name: workload.caused(folder, self.operations(workload, watcher))
                      for workload, folder, _ in done}
            shutil.rmtree(output, ignore_errors=True)
        found = scoring.scores(caused, report)
        # Of real software not all is known that it does at once: there a miss is a result, not a lapse.
        if watcher.name == RETINUE and sitting.family != "software":
            for lapse in lapses(caused, report):
                self._problem(sitting, watcher, number, Failure(lapse))
        return [self._row(sitting, watcher, number, workload, measured, found[workload.name], report)
                for workload, _, measured in done]

    def leave(self):
        """Removes what the workloads have prepared."""
        for workload, folder in self.folders.items():
            try:
                workload.finish(folder)
            except Exception as error:
                self.broken.append(f"{workload.name} did not finish: {error}")
            shutil.rmtree(folder, ignore_errors=True)
        self.folders.clear()

    def _row(self, sitting, watcher, number, workload, measured, score, report):
        operations, seconds, cpu, peak = measured
        return Row(sitting.family, number, workload.name, watcher.name, operations, seconds, cpu, peak, score.caused,
                   score.named, score.pid_only, score.misnamed, reported_lost(report), report.written_bytes)

    def _run(self, sitting, watcher, workload, folder):
        """Operations and seconds as the workload reports them, processor time and memory of the watcher."""
        command = [str(part) for part in workload.command(folder, self.operations(workload, watcher))]
        processors = self.processors.workload(sitting.unpinned)
        pinned = ["taskset", "-c", ",".join(map(str, sorted(processors))), *command]
        wrapped = watcher.wrap(pinned)
        around = wrapped != pinned
        if around:
            # A wrapper and what it wraps take turns: on two processors each turn would wait for the other to wake.
            processors = self.processors.workload(sitting.unpinned)
        else:
            wrapped = command
        before = usage.settle(watcher.processes(), self.settling)
        with tempfile.TemporaryFile() as reported, tempfile.TemporaryFile() as errors:
            with place.pinned(processors):
                child = subprocess.Popen(wrapped, stdin=subprocess.DEVNULL, stdout=reported, stderr=errors,
                                         env=os.environ | {"LC_ALL": "C"} | watcher.environment(),
                                         start_new_session=True)
            with place.pinned(self.processors.watcher(sitting.unpinned)):
                wrapper_seconds, wrapper_peak = self._wait(child, workload, around)
            reported.seek(0), errors.seek(0)
            answer, complaint = reported.read().decode(errors="replace"), errors.read().decode(errors="replace")
        if child.returncode != 0:
            raise Failure(f"{workload.name} ended with {child.returncode}: {' '.join(complaint.split())[-300:]}")
        operations, seconds = self._answer(workload, answer)
        pids = watcher.processes()
        taken = usage.settle(pids, self.settling) - before + wrapper_seconds
        return operations, seconds, taken, usage.peak(pids) + wrapper_peak

    def _wait(self, child, workload, around):
        """Waits for the workload. A wrapper's processor time is read while it is a zombie, its memory now and then
        before, for a zombie has none."""
        peak, until = 0, time.monotonic() + self.timeout
        descriptor = os.pidfd_open(child.pid)
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            while not poll.poll(20 if around else 1000):
                if around:
                    peak = max(peak, usage.own_peak(child.pid))
                if time.monotonic() > until:
                    raise Late(f"{workload.name} did not end within {self.timeout} s")
            seconds = usage.own_seconds(child.pid) if around else 0.0
            child.wait()
            return seconds, peak
        finally:
            os.close(descriptor)
            if child.returncode is None:  # late, or the benchmark was interrupted
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()

    @staticmethod
    def _answer(workload, answer):
        fields = answer.split()
        try:
            operations, seconds = int(fields[-2]), float(fields[-1])
        except (IndexError, ValueError):
            raise Failure(f"{workload.name} did not print OPERATIONS SECONDS but {answer[-200:]!r}") from None
        if operations <= 0 or seconds <= 0:
            raise Failure(f"{workload.name} says that it did nothing: {answer[-200:]!r}")
        return operations, seconds


def reported_lost(report):
    """What it says itself it does not report; None where it never says."""
    return None if report.lost is None else report.lost + report.unnamed


def held_to(facts):
    """Those of a workload's facts that Retinue has to name, whatever the time: all but its known limits. A Unix or
    UDP socket that lives shorter than the time between two scans has no program (of UDP that is counted, as
    `unattributed`), and a fork alone, without an exec, is no dependency and in no record. The tables count these as
    missed like any other."""
    executes = any(fact.kind == "exec" for fact in facts)
    return Counter({fact: times for fact, times in facts.items()
                    if not fact.object.startswith(("unix:", "udp:")) and (fact.kind != "fork" or executes)})


def lapses(caused, report):
    """What Retinue missed without a word although it may not. caused: name of workload -> Counter of facts."""
    if report.lost:
        return []
    found = scoring.scores({name: held_to(facts) for name, facts in caused.items()}, report)
    return [f"{name}: Retinue named {score.named} of {score.caused} facts and reported no loss"
            for name, score in found.items() if score.named < score.caused]
