"""Programs that were started apart, and talk, moved alive together: several trees of processes."""

import time

from lab import HERE, Lab
from live import Streamer, seen
from live_faults import gone, live_faults, scene
from services import PYTHON, plan

PROGRAM = "/srv/streamer/pair.py"


class Pair(Streamer):
    """A server and the program that counts for it, each started by nobody of the other's; what they do is as the streamer's."""

    # What the shell that starts both has open.
    begin = ""
    ports = [9000, 9001]

    def __init__(self, lab):
        lab.alpha.write(PROGRAM, (HERE / "pair.py").read_bytes())
        lab.alpha.write("/srv/streamer/shared", "0123456789" * 100)
        made = plan(lab.alpha, {"executable": PYTHON, "script": PROGRAM}, packages=["python3.11-minimal", "libpython3.11-stdlib"],
                    entries=["/srv/streamer"], ports=self.ports)
        for port in made["hosts"][0]["ports"][1:]:
            port["address"] = "tcp:127.0.0.1:9001"
        command = f"{self.begin} setsid --fork {PYTHON} {PROGRAM} count; exec {PYTHON} {PROGRAM} serve 9000"
        super(Streamer, self).__init__(lab, command, made)

    def is_ours(self, words):
        return words[1:2] == [PROGRAM.encode()]

    def processes(self):
        """One state for both where they live at one host, and none of them is stopped; else each."""
        found = super().processes()
        for name, states in found.items():
            if len(states) == 2 and all(state in "SRD" for state in states):
                found[name] = ["S"]
        return found


class Unplanned(Pair):
    """The plan does not have the port by which they talk."""

    ports = [9000]


class Sharing(Pair):
    """Both have inherited one open file, and so one place in it."""

    begin = "exec 5<> /srv/streamer/shared;"


class Appending(Pair):
    begin = "exec 5>> /srv/streamer/shared;"


def refused(checks, service, what, words, before=()):
    with Lab("alpha", "beta") as lab:
        made = service(lab)
        try:
            if before:
                made.alpha.run(*before)
            done = made.move("run", "--yes")
            said = done.stderr + done.stdout
            if words:
                checks(done.returncode != 0 and all(word in said for word in words), f"{what}: refused", said[-400:])
                journal = made.alpha.path("/var/lib/retinue-agent/departures/streamer/journal").read_text()
                checks('"hold' not in journal and '"freeze"' not in journal, f"{what}: nobody was held")
            else:
                checks(done.returncode == 0, f"{what}: moved", said[-400:] if done.returncode else "")
        finally:
            made.end()


def live_trees(checks):
    """Two trees move together, are rolled back, go back out of a cell, and never lose or repeat what they say to each other."""
    refused(checks, Sharing, "one place in a file of two trees", ["have one place in", "/srv/streamer/shared", "use cold"])
    refused(checks, Unplanned, "what they say to each other by a port that the plan does not have",
            ["local-connection", "by port 9001", "add port 9001 to the plan", "of the group, in another tree"])
    refused(checks, Appending, "a file that both write to the end of", [])
    refused(checks, Pair, "System V objects", ["System V objects", "use cold"], ("ipcmk", "-Q"))
    with Lab("alpha", "beta") as lab:
        made = Pair(lab)
        try:
            client = made.client()
            time.sleep(0.5)
            done = made.move("run", "--yes", "--memory", "fetched")
            checks(done.returncode != 0 and "is for one tree" in done.stderr + done.stdout, "memory that is fetched: refused", done.stderr[-300:])
            done = made.move("cutover")
            checks(done.returncode == 0, "a cut-over is done", done.stderr[-1500:] + made.alpha.agent_log() + made.beta.agent_log()
                   if done.returncode else "")
            done = made.move("rollback")
            checks(done.returncode == 0 and made.where() == {"alpha"}, "it is rolled back", done.stderr[-800:] or made.where())
            time.sleep(0.5)
            for number in range(1, 4):
                if not made.moved(checks, number):
                    break
                checks(made.processes()[made.where().pop()] == ["S"], f"both live there after move {number}", made.processes())
                for host in (made.alpha, made.beta):
                    left = host.ask("sh", "-c", "ls -d /var/lib/retinue-agent/cells/*/root/.retinue-*; nft list tables | grep retinue-live").stdout
                    checks(not left, f"nothing of the dump is left at {host.name}", left)
            state, numbers, gap, wrong, errors = seen(client)
            checks(state == "open" and wrong == 0 and numbers > 100, "the client has each number once, in order, by one connection",
                   f"{state}, {numbers} numbers, {wrong} wrong, longest gap {gap:.2f} s {errors}")
            state, numbers, *_ = seen(made.client())
            checks(state == "open" and numbers > 10, "a new client is served", f"{state}, {numbers} numbers")
        finally:
            made.end()


def live_trees_faults(checks, quick=False):
    """kill -9 of either agent at each line of such a move, between its trees, and for good."""
    scene(checks, gone(checks), service=Pair)
    live_faults(checks, [("alpha", "tree-written#1"), ("alpha", "tree-written#2")], service=Pair)
    live_faults(checks, [("alpha", "freeze:begun"), ("beta", "start:begun"), ("alpha", "admit:begun")] if quick else None, service=Pair)
