"""How long clients are held, by its parts, as both agents' journals have them."""

import datetime
import json
import os
import pathlib
import statistics
import time

import lab as laboratory
from lab import Failure, Lab
from services import SERVICE_ADDRESS, Client, Counter
from tcp import own_start

# Each from the end of the one before to this line of a journal: of the source's, or of the destination's.
PARTS = (
    ("hold", "alpha", "hold", "done"),
    ("programs end", "alpha", "stop", "done"),
    ("last copy", "alpha", "final-copy", "done"),
    ("cell begins", "beta", "start", "done"),
    ("program listens", "alpha", "start", "done"),
    ("check", "alpha", "verify", "done"),
    ("address leaves", "alpha", "admit", "begun"),
    ("let in", "beta", "admit", "done"),
)
# What a wrapper in the place of a tool writes: which tool, and when.
WRAPPER = '#!/bin/sh\necho "$(date +%s%N) {name} $*" >> /root/tools\nexec {path} "$@"\n'
TOOLS = ("nft", "ip", "tc")


def journal(host, kind):
    """(step, state) and the time in nanoseconds of each line."""
    lines = host.path(f"/var/lib/retinue-agent/{kind}/counter/journal").read_text().splitlines()
    found = []
    for line in map(json.loads, lines):
        whole, part = line["time"].rstrip("Z").split(".")
        seconds = datetime.datetime.fromisoformat(whole + "+00:00").timestamp()
        found.append(((line["step"], line["state"]), int(seconds) * 10**9 + int(part.ljust(9, "0"))))
    return found


def last(lines, step, state):
    return [time for name, time in lines if name == (step, state)][-1]


class Pair:
    """Two hosts with agents of one build, between which a counter goes to and fro."""

    def __init__(self, names, products):
        self.products = products
        self.use()
        self.lab = Lab(*names)
        self.here, self.there = self.lab.hosts
        Counter(self.here)
        self.here.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
        self.here.start_agent("--accept", names[1])
        self.there.start_agent("--accept", names[0])
        self.there.write("/root/plan.json", self.here.path("/root/plan.json").read_bytes())
        self.client = Client(self.lab)

    def use(self):
        laboratory.PRODUCTS = self.products

    def move(self):
        """Moves it once; the two journals' lines."""
        self.use()
        here, there = self.here, self.there
        done = here.move("run", "/root/plan.json", "--to", f"{there.name}={there.address}", "--yes", "--name", "counter",
                         "--confirm", Counter.check, "--address", f"{SERVICE_ADDRESS}/24")
        if done.returncode:
            raise Failure(done.stderr + here.agent_log() + there.agent_log())
        self.here, self.there = there, here
        return {"alpha": journal(here, "departures"), "beta": journal(there, "arrivals")}

    def end(self):
        self.lab.end()


def parts(lines):
    """Seconds of each part, and of all."""
    # What comes before the line that the hold is there is its preparation.
    begin = last(lines["alpha"], "hold", "done")
    found, before = {}, last(lines["alpha"], "hold", "begun")
    for name, where, step, state in PARTS:
        now = last(lines[where], step, state)
        found[name] = (now - before) / 1e9
        before = now
    found["held"] = (before - begin) / 1e9
    return found


def figures(values):
    return f"{statistics.median(values) * 1000:6.1f} ({min(values) * 1000:.1f} to {max(values) * 1000:.1f})"


def gap(checks, times=10):
    """Ten moves, each part of the hold by itself; those of another build, `RETINUE_BEFORE`, in turns with them."""
    builds = {"this build": laboratory.PRODUCTS}
    if os.environ.get("RETINUE_BEFORE"):
        builds["before"] = pathlib.Path(os.environ["RETINUE_BEFORE"])
    pairs, found = {}, {name: [] for name in builds}
    own = laboratory.PRODUCTS
    try:
        for (name, products), hosts in zip(builds.items(), (("alpha", "beta"), ("gamma", "delta"))):
            pairs[name] = Pair(hosts, products)
        start = statistics.median(own_start(pairs["this build"].here) for _ in range(5))
        checks.say(f"      the program's own start: {start * 1000:.0f} ms")
        # The first one each way brings the files.
        for number in range(times + 2):
            for name, pair in pairs.items():
                time.sleep(0.3)
                lines = pair.move()
                if number >= 2:
                    found[name].append(parts(lines))
        for name, pair in pairs.items():
            seen = pair.client.end()
            checks(seen["refused"] == 0 and seen["timeout"] == 0 and seen["backwards"] == 0,
                   f"{name}: no connection is refused, no number is lost or given twice", f"{seen['numbers']} answers")
            gaps = seen["gaps"][2:]
            checks.say(f"      {name}: the client's gap {figures(gaps)} ms, beyond the program's start "
                       f"{(statistics.median(gaps) - start) * 1000:.0f} ms")
            for part in [*(part for part, *_ in PARTS), "held"]:
                checks.say(f"        {part:<16} {figures([one[part] for one in found[name]])} ms")
        counts(checks, pairs["this build"])
    finally:
        for pair in pairs.values():
            pair.end()
        laboratory.PRODUCTS = own


# Tools that are started while clients are held: none but the command that checks. Journal lines, each of which waits for the disk.
MOST_TOOLS = 0
MOST_LINES = 17


def counts(checks, pair):
    """What is done while clients are held that takes its time, by number: this does not depend on what else the machine does."""
    for host in (pair.here, pair.there):
        for name in TOOLS:
            path = host.run("sh", "-c", f"command -v {name}").strip()
            host.write(f"/usr/local/sbin/{name}", WRAPPER.format(name=name, path=path))
            host.run("chmod", "755", f"/usr/local/sbin/{name}")
    here, there = pair.here, pair.there
    lines = pair.move()
    begin, end = last(lines["alpha"], "hold", "done"), last(lines["beta"], "admit", "done")
    tools = []
    for host in (here, there):
        for line in host.path("/root/tools").read_text().splitlines():
            when, *words = line.split(" ")
            # What is prepared at both ends and removed again lies outside; times of journals are of milliseconds.
            if begin + 10**6 <= int(when) <= end:
                tools.append(" ".join(words[:3]))
    # By then the source writes that it was answered.
    written = [name for host, found in lines.items() for name, when in found
               if begin <= when <= end and (host, name) != ("alpha", ("admit", "done"))]
    checks(len(tools) <= MOST_TOOLS, f"at most {MOST_TOOLS} tools are started while clients are held", "; ".join(tools))
    checks(len(written) <= MOST_LINES, f"at most {MOST_LINES} lines are written to the journals meanwhile", len(written))
