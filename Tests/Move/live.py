"""Running processes that go on at another host, with their connections.

CRIU 4.2 or later is laid at both hosts from the tree that `RETINUE_CRIU` names (a root with usr/sbin/criu and its libraries), else
from that of make-criu."""

import contextlib
import json
import os
import subprocess
import time

from lab import HERE, Failure, Lab, run, until
from services import PYTHON, SERVICE_ADDRESS, plan

CLIENT = """
import socket, sys, time, select
c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
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
    tree = os.environ.get("RETINUE_CRIU")
    if not tree:
        made = subprocess.run([HERE / "make-criu"], stdout=subprocess.PIPE, text=True)
        tree = made.stdout.strip()
    if not os.access(tree + "/usr/sbin/criu", os.X_OK):
        raise Failure("RETINUE_CRIU names no tree with usr/sbin/criu, and make-criu made none")
    return tree


LOADERS = ("usr/lib64/ld-linux-x86-64.so.2", "usr/lib/ld-linux-aarch64.so.1")


def may_read_limits():
    """Whether criu may ask for the limits of another user's process (CAP_SYS_RESOURCE), which root of a container often may not."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff")) >> 24 & 1


def lay_criu(host):
    """A criu at /opt/criu of a host."""
    tree = criu_tree()
    if may_read_limits():
        if tree != "/opt/criu":
            host.run("ln", "-s", tree, "/opt/criu")
        return
    host.run("rm", "-rf", "/opt/criu")
    host.run("cp", "-a", tree, "/opt/criu")
    place = next(host.path(f"/opt/criu/{name}") for name in LOADERS if host.ask("test", "-e", f"/opt/criu/{name}").returncode == 0)
    loader = place.parent / "loader"
    loader.write_bytes(place.read_bytes())
    loader.chmod(0o755)
    place.unlink()
    build("criu_limits.c", place, "-static", "-DPROGRAM")
    build("criu_limits.c", place.parent / "limits.so", "-shared", "-fPIC")


def build(source, place, *options):
    """A program or library of these tests."""
    run("gcc", "-O2", "-Wall", "-Wextra", "-Werror", *options, "-o", place, HERE / source)


class LiveHosts:
    """A lab of two hosts with a service at alpha, whose address moves, and criu at both."""

    name = ""
    port = 9000

    # More words of each move.
    options = ()

    def __init__(self, lab, command, plan):
        """`command` is what a shell starts, `plan` what moves, or what is called for it when that runs."""
        self.lab, self.alpha, self.beta = lab, lab.alpha, lab.beta
        for host in (lab.alpha, lab.beta):
            lay_criu(host)
        # Nothing of the lab's: its files are of another mount namespace.
        run("setsid", "--fork", *lab.alpha.words("sh", "-c", f"exec < /dev/null > /dev/null 2>&1; cd / && {command}"))
        listens = lambda: f":{self.port} " in lab.alpha.ask("ss", "-Hltn").stdout
        if not until(listens, 20):
            raise Failure(f"{self.name} does not listen")
        text = json.dumps(plan() if callable(plan) else plan)
        for host in (lab.alpha, lab.beta):
            host.write("/root/plan.json", text)
        lab.alpha.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
        lab.alpha.start_agent("--accept", "beta")
        lab.beta.start_agent("--accept", "alpha")

    def move(self, verb, *more, here=None, there=None):
        here, there = here or self.alpha, there or self.beta
        return here.move(verb, "/root/plan.json", "--to", f"{there.name}={there.address}", "--name", self.name,
                         "--address", f"{SERVICE_ADDRESS}/24", "--live", *self.options, *more, patience=300)

    def moved(self, checks, number):
        """One move from where it is to the other host, with what there is to say of a failure; whether it was done."""
        here, there = (self.alpha, self.beta) if number % 2 else (self.beta, self.alpha)
        done = self.move("run", "--yes", here=here, there=there)
        where = until(lambda: (found := self.where()) == {there.name} and found, 10) or self.where()
        holds = checks(done.returncode == 0 and where == {there.name}, f"move {number}, {here.name} to {there.name}",
                       done.stderr[-1500:] if done.returncode else where)
        if not holds:
            checks.say(here.agent_log() + there.agent_log())
        return holds

    def is_ours(self, words):
        """Whether a process is the service's, by its command line."""
        return words[0].decode(errors="replace") == self.program

    def found(self):
        """(host, pid) of those that live: a cell's root lies on its host's filesystem."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for host in (self.alpha, self.beta):
                try:
                    words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
                    if self.is_ours(words) and host.owns(pid):
                        yield host, int(pid)
                except OSError:
                    pass

    def where(self):
        """Names of the hosts that have processes of it."""
        return {host.name for host, _ in self.found()}

    def end(self):
        """What was started without the service's control group."""
        for _, pid in self.found():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


class Streamer(LiveHosts):
    """A streamer of numbered lines."""

    name = "streamer"
    # How a shell starts it, and with which words besides.
    before = "exec"
    after = ""

    def __init__(self, lab):
        lab.alpha.write("/srv/streamer/streamer.py", (HERE / "streamer.py").read_bytes())
        super().__init__(lab, f"{self.before} {PYTHON} /srv/streamer/streamer.py 9000 {self.after}",
                         plan(lab.alpha, {"executable": PYTHON, "script": "/srv/streamer/streamer.py"},
                              packages=["python3.11-minimal", "libpython3.11-stdlib"], entries=["/srv/streamer"], ports=[9000]))

    def is_ours(self, words):
        return words[1:2] == [b"/srv/streamer/streamer.py"]

    def client(self, port=9000):
        process = self.lab.client(PYTHON, "-u", "-c", CLIENT, SERVICE_ADDRESS, port, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        if process.stdout.readline() != "connected\n":
            raise Failure("no connection to the streamer")
        return process

    def pid(self, host):
        return next(pid for where, pid in self.found() if where is host)

    def processes(self):
        """States of those that live, by the host."""
        states = {"alpha": [], "beta": []}
        for host, pid in self.found():
            with contextlib.suppress(OSError):
                states[host.name].append(open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1][0])
        return states


class Piped(Streamer):
    """It has a pipe from a program that stays."""

    before = "sleep 1000 | exec setsid"


def live_to_and_fro(checks):
    """One connection through moves out of the cell that the one before has made; one of them rolled back."""
    with Lab("alpha", "beta") as lab:
        scene = Streamer(lab)
        try:
            client = scene.client()
            time.sleep(0.3)
            for number in range(1, 5):
                if number == 4:
                    done = scene.move("cutover", here=scene.beta, there=scene.alpha)
                    checks(done.returncode == 0, "a cut-over out of a cell is done", done.stderr[-1500:] if done.returncode else "")
                    done = scene.move("rollback", here=scene.beta, there=scene.alpha)
                    checks(done.returncode == 0 and scene.where() == {"beta"}, "it is rolled back", done.stderr[-800:] or scene.where())
                if not scene.moved(checks, number):
                    break
                for host in (scene.alpha, scene.beta):
                    left = host.ask("sh", "-c", "ls -d /var/lib/retinue-agent/cells/*/root/.retinue-*; nft list tables | grep retinue-live").stdout
                    checks(not left, f"nothing of the dump is left at {host.name}", left)
            state, numbers, gap, wrong, errors = seen(client)
            checks(state == "open" and wrong == 0 and numbers > 100, "the client has each number once, in order, by one connection",
                   f"{state}, {numbers} numbers, {wrong} wrong, longest gap {gap:.2f} s {errors}")
        finally:
            scene.end()


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
                scene.end()
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
            scene.end()
