"""Running processes that move, and what goes wrong: criu that is missing, old, slow or killed, and agents that are killed."""

import os
import signal
import time

from faults import lines
from lab import Lab, until
from live import Piped, Streamer, criu_tree, lay_criu, seen
from services import PYTHON

WITHIN = 6
# In a live move of one tree with its address these lines are written.
STEPS = ["hold-there", "hold", "freeze", "stop", "final-copy", "start", "verify", "release", "admit"]

# In the place of the loader that runs criu; the loader itself is beside it.
LOADER = """#!{python}
import os, subprocess, sys, time
what = "{what}"
if what == "old" and "--version" in sys.argv:
    print("Version: 4.1.1", flush=True)
    sys.exit(0)
if what == "no-lazy" and "--lazy-pages" in sys.argv:
    sys.exit(1)
started = subprocess.Popen([os.path.dirname(sys.argv[0]) + "/loader", *sys.argv[1:]])
if what == "killed" and "--pidfile" in sys.argv:
    # In the middle: it has made the first process, and has not ended.
    while started.poll() is None and not open(f"/proc/{{started.pid}}/task/{{started.pid}}/children").read():
        time.sleep(0.0005)
    started.kill()
status = started.wait()
if what == "broken" and "restore" in sys.argv:
    status = 1
if what == "slow" and "restore" in sys.argv:
    time.sleep(1)
sys.exit(status if status >= 0 else 128 - status)
"""


def lay(host, what):
    """A criu at a host that differs from the one that is there."""
    host.run("rm", "-rf", "/opt/criu")
    host.run("cp", "-a", criu_tree(), "/opt/criu")
    found = next(place for name in ("usr/lib64/ld-linux-x86-64.so.2", "usr/lib/ld-linux-aarch64.so.1")
                 if (place := f"/opt/criu/{name}") and host.ask("test", "-e", place).returncode == 0)
    folder = os.path.dirname(found)
    host.run("cp", "-L", found, f"{folder}/loader")
    host.run("rm", found)
    host.write(found, LOADER.format(python=PYTHON, what=what))
    host.run("chmod", "755", found)


def lay_back(host):
    host.run("rm", "-rf", "/opt/criu")
    lay_criu(host)


class Scene:
    """A streamer with a client, which is at exactly one place afterwards."""

    def __init__(self, checks, lab, options=(), service=Streamer):
        self.checks, self.lab = checks, lab
        self.streamer = service(lab)
        self.streamer.options = options
        self.alpha, self.beta = lab.alpha, lab.beta
        self.client = self.streamer.client()
        time.sleep(0.3)

    def place(self):
        """Where the only process of it runs; `None` while there are none, several, or one that is stopped."""
        found = [(name, state) for name, states in self.streamer.processes().items() for state in states]
        return found[0][0] if len(found) == 1 and found[0][1] in "SRD" else None

    def settled(self):
        states = [move["state"] for move in self.alpha.status().get("departures", [])]
        return self.place() and all(state in ("open", "moved") for state in states)

    def holds(self, what, wanted=None, agent=True):
        found = until(self.settled if agent else self.place, 40, 0.2) and self.place()
        self.checks(found and (wanted is None or found == wanted), f"{what}: it lives at exactly one place",
                    found or f"{self.streamer.processes()} {self.alpha.status()} {self.alpha.agent_log()} | {self.beta.agent_log()}")
        state, numbers, gap, wrong, errors = seen(self.client)
        self.checks(state == "open" and wrong == 0, f"{what}: its client has each number once, in order, by one connection",
                    f"{state}, {numbers} numbers, {wrong} wrong, longest gap {gap:.2f} s {errors}")
        # A new one comes to it as well.
        state, numbers, *_ = seen(self.streamer.client())
        self.checks(state == "open" and numbers > 10, f"{what}: a new client is served", f"{state}, {numbers} numbers")

    def tables(self):
        return [host.name for host in (self.alpha, self.beta) if "retinue-live" in host.ask("nft", "list", "tables").stdout]

    def end(self):
        self.client.kill()
        self.client.wait()
        self.streamer.end()


def scene(checks, act, options=(), service=Streamer):
    with Lab("alpha", "beta") as lab:
        made = Scene(checks, lab, options, service)
        try:
            act(made)
        finally:
            made.end()


def live_refused(checks):
    """What cannot go on alive is refused before anybody is held, with its reason and its cure."""
    def refused(made, what, *words):
        done = made.streamer.move("run", "--yes")
        said = done.stderr + done.stdout
        checks(done.returncode != 0 and all(word in said for word in words), f"{what}: refused", said[-400:])
        journal = made.alpha.path("/var/lib/retinue-agent/departures/streamer/journal").read_text()
        checks('"hold' not in journal and '"freeze"' not in journal, f"{what}: nobody was held")

    def criu(made):
        for host in (made.alpha, made.beta):
            host.run("rm", "-rf", "/opt/criu")
            refused(made, f"no criu at {host.name}", "no criu", "install the package criu")
            lay(host, "old")
            refused(made, f"criu 4.1.1 at {host.name}", "4.1.1", "install the package criu")
            lay(host, "broken")
            refused(made, f"criu that restores nothing at {host.name}", "cannot restore a process with a TCP connection")
            lay_back(host)
        for host in (made.alpha, made.beta):
            left = host.ask("sh", "-c", "ls -d /var/tmp/retinue-live-*; ps ax | grep '[l]ive-trial'").stdout
            checks(not left, f"nothing of the trial is left at {host.name}", left)
        made.holds("refused", "alpha")

    def piped(made):
        refused(made, "a pipe from outside", "cannot move alive", "pipe", "it would be lost")
        made.holds("refused with a pipe", "alpha")

    scene(checks, criu)
    scene(checks, piped, service=Piped)


def gone(checks):
    """What ends the source's agent for good: the keeper has the programs go on there, and its agent finds them when it comes back."""
    def act(made):
        made.streamer.move("cutover", "--within", str(WITHIN))
        made.alpha.kill_agent()
        began = time.monotonic()
        made.holds("an agent of the source that does not come back", "alpha", agent=False)
        checks.say(f"      {time.monotonic() - began:.0f} s after its death, --within {WITHIN}")
        checks("alpha" not in made.tables(), "no packets are dropped at alpha any more")
        made.client = made.streamer.client()
        made.alpha.start_agent()
        made.holds("when it comes back", "alpha")

    return act


def live_criu(checks):
    """criu that takes its time behind the restore, and criu that is killed; an agent that never comes back."""
    def slow(made):
        lay(made.beta, "slow")
        done = made.streamer.move("run", "--yes")
        checks(done.returncode == 0, "a restore that ends a second after the port listens", done.stderr[-300:])
        made.holds("a slow restore", "beta")

    def killed_restore(made):
        lay(made.beta, "killed")
        done = made.streamer.move("run", "--yes")
        checks(done.returncode != 0, "criu killed while it restores: the move fails", done.stderr[-300:])
        made.holds("criu killed while it restores", "alpha")

    def killed_dump(verbs, wanted):
        def act(made):
            done = made.streamer.move("cutover")
            checks(done.returncode == 0, "a cut-over", done.stderr[-300:])
            criu = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_dump(made.alpha, pid)]
            checks(len(criu) == 1, "criu keeps the tree", criu)
            for pid in criu:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.5)
            checks(all(state in "Tt" for state in made.streamer.processes()["alpha"]), "without criu it stays stopped",
                   made.streamer.processes())
            for verb in verbs:
                done = made.streamer.move(verb)
                checks(done.returncode == 0, f"{verb} without criu", done.stderr[-300:])
            made.holds(f"criu killed before {verbs[-1]}", wanted)
            checks(until(lambda: not made.tables(), 5), "no packets are dropped any more", made.tables())
        return act

    def late(made):
        """The keeper has let the tree go on; an agent that was stopped meanwhile must not give it up."""
        made.streamer.move("cutover", "--within", str(WITHIN))
        made.streamer.move("verify", "--within", str(WITHIN))
        made.alpha.run("mkdir", "/var/lib/retinue-agent/departures/streamer/live/claim")
        done = made.streamer.move("commit")
        checks(done.returncode != 0 and "went on here by themselves" in done.stderr, "what went on by itself is not committed",
               done.stderr[-300:])
        made.holds("a commit that comes too late", "alpha")

    for act in (slow, killed_restore, killed_dump(["rollback"], "alpha"), killed_dump(["verify", "commit"], "beta"), gone(checks), late):
        scene(checks, act)


def is_dump(host, pid):
    try:
        words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
        return b"dump" in words and b"/opt/criu/usr/sbin/criu" in words and host.owns(pid)
    except OSError:
        return False


def live_faults(checks, chosen=None, options=(), dead=None, behind=None, service=Streamer):
    """kill -9 of either agent at each line of the journal of a live move with some options, or at parts of steps (`PART#NUMBER`).

    `dead` is called with the line at which an agent has ended, `behind` with where the process lives when it is there again."""
    counted = {}
    wanted = [(name, line) for name, line in lines() if line.split(":")[0] in STEPS]
    for name, line in chosen or wanted:
        def act(made):
            host = getattr(made.lab, name)
            host.kill_agent()
            host.start_agent(*host.options, f"--die-at={line}")
            made.streamer.move("run", "--yes", "--within", str(WITHIN))
            ended = bool(until(lambda: not host.agent_lives(), 3))
            checks(ended, f"{name} ends at {line}")
            host.options = [option for option in host.options if not option.startswith("--die-at")]
            if ended:
                if dead:
                    dead(made, name, line)
                host.start_agent()
            made.holds(f"{name} killed at {line}")
            place = made.place()
            counted[place] = counted.get(place, 0) + 1
            checks(until(lambda: not made.tables(), 15), f"{name} killed at {line}: no packets are dropped any more", made.tables())
            if behind:
                behind(made, place)
        scene(checks, act, options, service)
    checks.say(f"      {sum(counted.values())} places at which an agent was killed; where it lived then: {counted}")
