"""Running processes that go on at another host, with their connections.

CRIU 4.2 or later is laid at both hosts from the tree that `RETINUE_CRIU` names (a root with usr/sbin/criu and its libraries)."""

import contextlib
import json
import os
import subprocess
import time

from lab import HERE, Failure, Lab, run, until
from services import PYTHON, SERVICE_ADDRESS, plan

CLIENT = """
import socket, sys, time, select
c = socket.create_connection((sys.argv[1], 9000), 5)
c.settimeout(20)
text, last, gap, wrong, expected = b"", time.monotonic(), 0, 0, 0
print("connected", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    part = c.recv(65536)
    if not part:
        print("closed", expected, gap, wrong); sys.exit(1)
    now = time.monotonic(); gap = max(gap, now - last); last = now
    text += part
    *lines, text = text.split(b"\\n")
    for line in lines:
        wrong += int(line) != expected
        expected = int(line) + 1
print("open", expected, gap, wrong)
"""


def criu_tree():
    """A root with criu and its libraries."""
    tree = os.environ.get("RETINUE_CRIU", "/opt/criu")
    if not os.access(tree + "/usr/sbin/criu", os.X_OK):
        raise Failure("RETINUE_CRIU names no tree with usr/sbin/criu")
    return tree


class Streamer:
    """A lab of two hosts with a streamer of numbered lines at alpha, whose address moves."""

    def __init__(self, lab):
        self.lab, self.alpha, self.beta = lab, lab.alpha, lab.beta
        tree = criu_tree()
        for host in (lab.alpha, lab.beta):
            if tree != "/opt/criu":
                host.run("ln", "-s", tree, "/opt/criu")
        lab.alpha.write("/srv/streamer/streamer.py", (HERE / "streamer.py").read_bytes())
        # Nothing of the lab's: its files are of another mount namespace.
        run("setsid", "--fork", *lab.alpha.words("sh", "-c", f"cd / && exec {PYTHON} /srv/streamer/streamer.py 9000 < /dev/null > /dev/null 2>&1"))
        text = json.dumps(plan(lab.alpha, {"executable": PYTHON, "script": "/srv/streamer/streamer.py"},
                               packages=["python3.11-minimal", "libpython3.11-stdlib"], entries=["/srv/streamer"], ports=[9000]))
        for host in (lab.alpha, lab.beta):
            host.write("/root/plan.json", text)
        lab.alpha.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
        lab.alpha.start_agent("--accept", "beta")
        lab.beta.start_agent("--accept", "alpha")
        listens = lambda: ":9000 " in lab.alpha.ask("ss", "-Hltn").stdout
        if not until(listens, 10):
            raise Failure("the streamer does not listen")

    def client(self):
        process = self.lab.client(PYTHON, "-u", "-c", CLIENT, SERVICE_ADDRESS, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        if process.stdout.readline() != "connected\n":
            raise Failure("no connection to the streamer")
        return process

    def move(self, verb, *more):
        return self.alpha.move(verb, "/root/plan.json", "--to", f"beta={self.beta.address}", "--name", "streamer",
                               "--address", f"{SERVICE_ADDRESS}/24", "--live", *more)

    def found(self):
        """(host, pid) of those that live: a cell's root lies on its host's filesystem."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for host in (self.alpha, self.beta):
                try:
                    words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
                    if words[1:2] == [b"/srv/streamer/streamer.py"] and host.owns(pid):
                        yield host, int(pid)
                except OSError:
                    pass

    def pid(self, host):
        return next(pid for where, pid in self.found() if where is host)

    def processes(self):
        """States of those that live, by the host."""
        states = {"alpha": [], "beta": []}
        for host, pid in self.found():
            with contextlib.suppress(OSError):
                states[host.name].append(open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1][0])
        return states

    def end_processes(self):
        """What was started without the service's control group."""
        for _, pid in self.found():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


def seen(client):
    time.sleep(0.5)
    out, errors = client.communicate("\n", timeout=40)
    state, numbers, gap, wrong = (out.split() + ["none", "0", "0", "1"])[:4]
    return state, int(numbers), float(gap), int(wrong), errors[-300:]


def live_many(checks):
    """Twenty moves, each in a lab of its own."""
    gaps = []
    for number in range(20):
        with Lab("alpha", "beta") as lab:
            scene = Streamer(lab)
            try:
                client = scene.client()
                time.sleep(0.3)
                done = scene.move("run", "--yes")
                time.sleep(1)
                found = scene.processes()
                state, numbers, gap, wrong, errors = seen(client)
                gaps.append(gap)
                checks(done.returncode == 0 and len(found["beta"]) == 1 and not found["alpha"] and state == "open" and wrong == 0,
                       f"move {number + 1}", f"{found}, {state}, {numbers} numbers, {wrong} wrong, longest gap {gap:.2f} s {errors}"
                       + (done.stderr[-600:] if done.returncode else ""))
            finally:
                scene.end_processes()
    gaps.sort()
    checks.say(f"      longest gap of the client: median {gaps[len(gaps) // 2]:.2f} s ({gaps[0]:.2f} to {gaps[-1]:.2f})")


def live(checks):
    """A streamer moves alive, and stays alive where it was when the move is rolled back."""
    with Lab("alpha", "beta") as lab:
        scene = Streamer(lab)
        try:
            client = scene.client()
            time.sleep(0.5)
            done = scene.move("cutover")
            checks(done.returncode == 0, "a cut-over is done", done.stderr[-1500:] if done.returncode else "")
            if done.returncode:
                checks.say(scene.alpha.agent_log() + scene.beta.agent_log())
            done = scene.move("rollback")
            checks(done.returncode == 0, "it is rolled back", done.stderr[-800:] if done.returncode else "")
            time.sleep(1)
            found = scene.processes()
            checks(len(found["alpha"]) == 1 and not found["beta"], "the process lives at the source alone", found)
            state, numbers, gap, wrong, errors = seen(client)
            checks(state == "open" and wrong == 0 and numbers > 100, "its client has each number once, in order, by one connection",
                   f"{state}, {numbers} numbers, {wrong} wrong, longest gap {gap:.2f} s {errors}")
            client = scene.client()
            time.sleep(0.5)
            done = scene.move("run", "--yes")
            checks(done.returncode == 0, "a move of it alive is done", done.stderr[-1500:] if done.returncode else "")
            checks.say(done.stdout[-1500:])
            if done.returncode:
                checks.say(scene.alpha.agent_log() + scene.beta.agent_log())
            time.sleep(1)
            found = scene.processes()
            checks(len(found["beta"]) == 1 and not found["alpha"], "the process lives at the destination alone", found)
            if not found["beta"]:
                checks.say(scene.beta.agent_log() + scene.beta.path("/var/lib/retinue-agent/cells/streamer/log").read_text())
            state, numbers, gap, wrong, errors = seen(client)
            checks(state == "open" and wrong == 0 and numbers > 100, "its client has each number once, in order, by one connection",
                   f"{state}, {numbers} numbers, {wrong} wrong, longest gap {gap:.2f} s {errors}")
            for host in (scene.alpha, scene.beta):
                checks("retinue-live" not in host.ask("nft", "list", "tables").stdout, f"no packets are dropped at {host.name} any more")
        finally:
            scene.end_processes()
