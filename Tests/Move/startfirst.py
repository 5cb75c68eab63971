"""Start first: programs run at the destination before their files are there, and never read a byte that is not theirs."""

import contextlib
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import tempfile
import time

import store
from lab import HERE, PATH, PRODUCTS, Failure, Lab, run, until
from services import PYTHON, answer, plan

PORT = 9000
STATE = "/var/lib/retinue-agent"


class Disk:
    """A filesystem of its own in a file, for a folder of a host."""

    def __init__(self, host, folder, kind="ext4", size="3G"):
        self.file = pathlib.Path(tempfile.mkstemp(prefix="retinue-disk-", dir="/var/tmp")[1])
        self.device = None
        try:
            run("truncate", "-s", size, self.file)
            run(f"mkfs.{kind}", "-q", self.file)
            self.device = run("losetup", "--find", "--show", self.file).strip()
            host.run("mkdir", "-p", folder)
            host.run("mount", "-t", kind, self.device, folder)
        except BaseException:
            self.end()
            raise

    def end(self):
        """After the host has ended, which has mounted it."""
        if self.device:
            until(lambda: subprocess.run(["losetup", "--detach", self.device], capture_output=True).returncode == 0, 5, 0.1)
        self.file.unlink()


class Scene:
    """alpha with a store of some bytes, and beta, whose cells lie on a filesystem that can have placeholders."""

    def __init__(self, files, blocks, kind="ext4", options=(), size="3G", source_size=None):
        self.disks = []
        self.lab = Lab("alpha", "beta")
        self.alpha, self.beta = self.lab.alpha, self.lab.beta
        try:
            self.disks.append(Disk(self.beta, STATE, kind, size))
            if source_size:
                self.disks.append(Disk(self.alpha, "/srv/store", "ext4", source_size))
            store.make(self.alpha.path("/srv/store/data"), files, blocks)
            # Nobody opens it, and it is the first by name.
            self.alpha.write("/srv/store/data/+cold", os.urandom(1 << 20))
            self.bytes = files * blocks * store.BLOCK
            self.alpha.write("/srv/store/store.py", (HERE / "store.py").read_bytes())
            self.alpha.spawn(PYTHON, "/srv/store/store.py", str(PORT), "/srv/store/data")
            host_plan = plan(self.alpha, {"executable": PYTHON, "script": "/srv/store/store.py"},
                             packages=["python3.11-minimal", "libpython3.11-stdlib"], entries=["/srv/store"], ports=[PORT])
            self.alpha.write("/root/plan.json", json.dumps(host_plan))
            self.beta.write("/root/plan.json", json.dumps(host_plan))
            self.alpha.start_agent("--accept", "beta")
            self.beta.start_agent("--accept", "alpha", *options)
            if not until(lambda: answer(self.alpha, self.alpha.address), 10):
                raise Failure("the store does not answer")
        except BaseException:
            self.end()
            raise

    def words(self, *more, there=None):
        there = there or self.beta
        return ["/root/plan.json", "--to", f"{there.name}={there.address}", "--name", "store", "--confirm",
                f"timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/{PORT}'", *more]

    def move(self, *more):
        """All steps; the pause in seconds."""
        done = self.alpha.move("run", *self.words("--yes", "--start-first", *more), patience=900)
        if done.returncode:
            raise Failure(done.stderr + self.alpha.agent_log() + self.beta.agent_log())
        return self.departure()["pause_ns"] / 1e9

    def departure(self):
        return [move for move in self.alpha.status()["departures"] if move["name"] == "store"][0]

    def missing(self):
        """Bytes that beta has not fetched; nothing where its agent does not answer."""
        found = [move for move in self.beta.status().get("arrivals", []) if move["name"] == "store"]
        return found[0]["missing"] if found else None

    def ask(self, what, patience=300):
        """What the store at beta has seen."""
        script = ("import socket, sys\nc = socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[4]))\n"
                  "c.sendall(sys.argv[3].encode() + b'\\n')\nsys.stdout.write(c.makefile().readline())")
        done = self.alpha.ask(PYTHON, "-c", script, self.beta.address, str(PORT), what, str(patience))
        if done.returncode:
            raise Failure(f"the store does not say what it has seen: {done.stderr[-300:]} {self.beta.agent_log()}")
        return json.loads(done.stdout)

    def processes(self, word):
        """Processes of beta's agent that were started as `retinue-agent WORD`."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
                    if words[1:2] == [word.encode()] and words[2].startswith(STATE.encode()) and self.beta.owns(entry):
                        found.append(int(entry))
        return found

    def kill(self, word):
        for pid in self.processes(word):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def link(self, state):
        self.lab.command("ip", "link", "set", f"{self.lab.prefix}2", state)

    def end(self):
        self.lab.end()
        for disk in self.disks:
            disk.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def right(checks, what, seen):
    """No byte was wrong."""
    return checks(seen["zeros"] == seen["wrong"] == seen["stale"] == 0 and seen["reads"] > 0, f"{what}: no byte is wrong",
                  f"{seen['reads']} reads, {seen['writes']} writes, {seen['denied']} denied, the longest took "
                  f"{seen['longest']:.2f} s")


def complete(checks, scene, what, patience=300):
    if not checks(until(lambda: scene.missing() == 0, patience, 0.2) is not None, f"{what}: everything is fetched",
                  f"{scene.missing()} missing"):
        checks.say(scene.alpha.agent_log() + scene.beta.agent_log())
    seen = scene.ask("audit")
    right(checks, f"{what}, every block read", seen)
    return seen


def pauses(checks, sizes):
    """The pause of groups of some MiB, one after the other."""
    found = []
    for files, blocks in sizes:
        large = files * blocks * store.BLOCK > 1 << 30
        with Scene(files, blocks, size="16G" if large else "3G", source_size="14G" if large else None) as scene:
            pause = scene.move()
            left = scene.missing()
            begin = time.monotonic()
            complete(checks, scene, f"{scene.bytes >> 20} MiB", 1800)
            found.append(pause)
            checks.say(f"      {scene.bytes >> 20} MiB: clients were held for {pause:.2f} s; {left} bytes were missing then, all there "
                       f"after {time.monotonic() - begin:.1f} s more")
    checks.say(f"      the pause of the largest is {found[-1] / found[0]:.2f} times that of the smallest")


def startfirst(checks):
    """The pause, and whoever may die."""
    pauses(checks, [(4, 640), (4, 12800)])
    refusals(checks)
    kills(checks)
    others(checks)


def large(checks):
    """10 GB beside 10 MB: for a machine with 25 GB of room."""
    pauses(checks, [(4, 640), (10, 262144)])


def refusals(checks):
    """What has to wait for the last byte."""
    with Scene(4, 4096, options=["--fetch-patience", "4"]) as scene:
        alpha, beta = scene.alpha, scene.beta
        scene.move("--throttle", "1000000")
        checks((scene.missing() or 0) > 0, "committed while files are missing", f"{scene.missing()} bytes")
        said = beta.ask(PRODUCTS / "retinue", "move", "status", "--agent", "/run/agent.sock").stdout
        held = [os.stat(beta.path(f"{STATE}/cells/store/root/srv/store/data/{name}")).st_blocks for name in ("+cold", "0.data")]
        checks(held[0] == 0 and held[1] > 0, "what the programs had open is fetched first", f"blocks {held}")
        checks("to be fetched" in said, "status says how much is missing", said.strip())
        # As it was ordered: another order would be served without the throttle.
        done = alpha.move("commit", *scene.words("--start-first", "--throttle", "1000000", "--remove"))
        checks(done.returncode == 1 and "has not fetched all files" in done.stderr, "files are not removed while they are fetched",
               done.stderr.strip()[-200:])
        done = beta.move("run", *scene.words("--yes", there=alpha))
        checks(done.returncode == 1 and "still being fetched" in done.stderr, "no move back while files are missing",
               done.stderr.strip()[-200:])

        until(lambda: scene.ask("stats")["reads"] > 5, 60, 0.2)
        scene.link("down")
        time.sleep(6)
        inside = ("import socket\nc = socket.create_connection(('127.0.0.1', 9000), 30)\nc.sendall(b'stats\\n')\n"
                  "print(c.makefile().readline())")
        seen = json.loads(beta.ask(PYTHON, "-c", inside).stdout)
        right(checks, "the link cut", seen)
        checks(seen["denied"] > 0 and seen["longest"] > 3, "the link cut: programs wait, and get an error then",
               f"{seen['denied']} denied, {seen['longest']:.1f} s")
        scene.link("up")
        alpha.move("throttle", "store", "0")
        complete(checks, scene, "the link joined again")
        # A connection that a cut link has left is noticed after some 12 s.
        until(lambda: scene.departure()["fetch"]["state"] == "done", 40, 0.2)
        checks(scene.departure()["fetch"]["state"] == "done", "the source has learnt of it")
        checks(until(lambda: not scene.processes("keep"), 5) is not None, "no keeper is left")
        done = beta.move("run", *scene.words("--yes", there=alpha))
        checks(done.returncode == 0, "moved back", done.stderr[-300:])
        done = alpha.move("run", *scene.words("--yes", "--start-first"))
        checks(done.returncode == 0, "and forth again, from a cell", done.stderr[-300:])
        complete(checks, scene, "and forth again")
        sent = scene.departure()["sent"]
        checks(sent < scene.bytes // 4, "what the destination had is not sent again", f"{sent} of {scene.bytes} bytes")


def kills(checks, times=50):
    """kill -9 of the agent that fills, of the keeper, and of both, at random moments."""
    choice = random.Random(11)
    with Scene(4, 16384) as scene:
        scene.move("--throttle", "2500000")
        scene.ask("stats")
        count = {"the agent": 0, "the keeper": 0, "both": 0}
        for number in range(times + 20):
            time.sleep(choice.uniform(0.02, 1.2))
            if not scene.missing():
                break
            what = "the agent" if number < times else choice.choice(["the keeper", "both"])
            if what != "the agent":
                scene.kill("keep")
            if what != "the keeper":
                scene.beta.kill_agent()
                time.sleep(choice.uniform(0, 0.2))
                scene.beta.start_agent()
            count[what] += 1
            if number == times - 1:
                right(checks, f"the agent that fills killed {times} times", scene.ask("stats"))
        checks(count["the agent"] == times, "killed as often as it should be", f"{count}; {scene.missing()} bytes were missing at the end")
        right(checks, "all kills", scene.ask("stats"))
        # As after the host has gone down: nothing that keeps the files is left.
        if checks((scene.missing() or 0) > 0, "files are missing still"):
            scene.beta.kill_agent()
            scene.kill("keep")
            scene.kill("cell")
            scene.beta.start_agent()
            until(lambda: answer(scene.alpha, scene.beta.address), 20)
            scene.ask("stats")
            time.sleep(5)
            right(checks, "agent, keeper and cell killed at once, and the agent started", scene.ask("stats"))
        scene.alpha.move("throttle", "store", "0")
        complete(checks, scene, "after all kills")


def others(checks):
    """Other filesystems, and one that cannot."""
    for kind in ("xfs", "btrfs"):
        with Scene(4, 2048, kind) as scene:
            scene.move()
            complete(checks, scene, kind)
    with Scene(2, 64) as scene:
        done = scene.alpha.move("run", *scene.words("--yes"))
        checks(done.returncode == 0, "without --start-first nothing is fetched later", done.stderr[-300:])
        checks(scene.missing() == 0, "nothing is missing")
    with Lab("alpha", "beta") as lab:
        lab.alpha.write("/srv/store/store.py", "import time\ntime.sleep(1000)")
        lab.alpha.spawn(PYTHON, "/srv/store/store.py")
        lab.alpha.write("/root/plan.json", json.dumps(plan(
            lab.alpha, {"executable": PYTHON, "script": "/srv/store/store.py"}, entries=["/srv/store"])))
        lab.alpha.start_agent()
        lab.beta.start_agent("--accept", "alpha")
        done = lab.alpha.move("check", "/root/plan.json", "--to", f"beta={lab.beta.address}", "--name", "store", "--start-first")
        checks("cannot be fetched when they are touched" in done.stdout + done.stderr, "a filesystem that cannot is found before",
               (done.stdout + done.stderr).strip()[-200:])
