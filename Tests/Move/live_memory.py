"""Memory of running processes: what of it comes over, when, and how long clients wait for it."""

import contextlib
import json
import os
import subprocess
import time

from lab import PATH, PRODUCTS, Failure, Lab, until
from live import LiveHosts, build, seen, CLIENT
import live_faults
from services import PYTHON, SERVICE_ADDRESS, plan

MIB = 1 << 20
WAYS = [(), ("--memory", "whole"), ("--memory", "fetched")]
PROGRAM = "/srv/memory/memory"
# Of what a client is told: the digest of the memory, pages that have not what was written last, and changes.
ASK = """
import socket, sys
c = socket.create_connection((sys.argv[1], 9000), 60)
c.settimeout(60)
c.sendall(b"digest\\n")
text = b""
while b"digest" not in text or not text.endswith(b"\\n"):
    text += c.recv(65536)
print([line for line in text.decode().splitlines() if line.startswith("digest")][0])
"""


class Memory(LiveHosts):
    """A program whose memory is known."""

    name = "memory"

    def __init__(self, lab, written, changed=0, kinds=0, options=()):
        self.options = options
        (lab.folder / "program").mkdir()
        build("memory.c", lab.folder / "program/memory", "-static")
        lab.alpha.write(PROGRAM, (lab.folder / "program/memory").read_bytes())
        lab.alpha.run("chmod", "755", PROGRAM)
        words = [PROGRAM, 9000, written, changed]
        if kinds:
            # Of the file both hosts have the same, so that none of it is to be sent as a file.
            data = os.urandom(kinds * MIB)
            for host in (lab.alpha, lab.beta):
                host.write("/srv/memory/data", data)
            words += [kinds, "/srv/memory/data"]
        super().__init__(lab, "exec " + " ".join(map(str, words)),
                         plan(lab.alpha, {"executable": PROGRAM}, entries=["/srv/memory"], ports=[9000]))

    def found(self):
        """By the executable: arguments are memory as well, and may not be there yet."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for host in (self.alpha, self.beta):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{pid}/exe").endswith(PROGRAM) and host.owns(pid):
                        yield host, int(pid)

    def client(self):
        process = self.lab.client(PYTHON, "-u", "-c", CLIENT, SERVICE_ADDRESS, 9000, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        if process.stdout.readline() != "connected\n":
            raise Failure("no connection to the program")
        return process

    def digest(self):
        """(digest, wrong pages, changes)."""
        process = self.lab.client(PYTHON, "-c", ASK, SERVICE_ADDRESS, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        out, errors = process.communicate(timeout=120)
        if process.returncode:
            raise Failure(f"no digest: {errors[-300:]}")
        _, digest, wrong, changes = out.split()
        return digest, int(wrong), int(changes)

    def received(self):
        """Bytes that have come in at beta's interface."""
        return json.loads(self.beta.run("ip", "-s", "-j", "link", "show", "eth0"))[0]["stats64"]["rx"]["bytes"]

    def processes(self):
        """States of those that live, by the host."""
        states = {"alpha": [], "beta": []}
        for host, pid in self.found():
            try:
                states[host.name].append(open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1][0])
            except OSError:
                pass
        return states


def one(checks, written, changed=0, kinds=0, options=(), size="2g", show=True):
    """A move: its output, the client's pause, the bytes over the link, and whether all holds."""
    with Lab("alpha", "beta", size=size) as lab:
        scene = Memory(lab, written, changed, kinds, options)
        try:
            before = scene.digest()
            client = scene.client()
            time.sleep(0.5)
            bytes_before = scene.received()
            done = scene.move("run", "--yes")
            bytes_over = scene.received() - bytes_before
            time.sleep(0.3)
            after = scene.digest()
            state, numbers, gap, wrong, errors = seen(client)
            where = scene.processes()
            holds = checks(
                done.returncode == 0 and len(where["beta"]) == 1 and not where["alpha"] and state == "open" and wrong == 0
                and after[0] == before[0] and after[1] == 0 and after[2] >= before[2],
                f"{written} MiB written{f', {changed} pages changed each 5 ms' if changed else ''}{' ' + ' '.join(options) if options else ''}: "
                "the memory is what it was, the client's connection holds",
                f"{where}, {state}, {numbers} numbers, {wrong} wrong, digest {before} then {after} {errors}"
                + (done.stderr[-900:] if done.returncode else ""))
            if not holds:
                checks.say(scene.alpha.agent_log() + scene.beta.agent_log())
            if show:
                checks.say(f"      client's pause {gap:.2f} s, {bytes_over / MIB:.1f} MiB over the link\n"
                           + "".join(f"      | {line}\n" for line in (done.stderr + done.stdout).splitlines()))
            return gap, bytes_over, done
        finally:
            scene.end()


def live_memory_sizes(checks, quick=False):
    """How long each size takes, and where the time goes."""
    for written in (1, 100) if quick else (1, 100, 1024):
        for options in WAYS:
            one(checks, written, options=options, size="6g")


def live_memory(checks, quick=False):
    """What of memory is sent: what was written, protected afterwards or not; nothing that was only read or never touched."""
    size = 20 if quick else 100
    for options in WAYS:
        _, over, done = one(checks, size, kinds=size, options=options, size="3g")
        most = size * 5 / 4
        checks(most <= over / MIB <= most + 6,
               f"{size} MiB mapped of a file and read, {size} mapped without a file and read, {size} never touched, {size} written, {size / 4:g} "
               "written and then protected: only what was written is sent", f"{over / MIB:.1f} MiB over the link")
    # Some 4,000 pages a second, each with its number.
    for options in WAYS:
        one(checks, size, changed=20, options=options, size="3g")
    for options in WAYS:
        to_and_fro(checks, options)
    with Lab("alpha", "beta", size="3g") as lab:
        scene = Memory(lab, 40, 1)
        try:
            live_faults.lay(scene.alpha, "no-lazy")
            done = scene.move("run", "--yes")
            checks(done.returncode == 0 and scene.digest()[1] == 0 and scene.where() == {"beta"},
                   "a criu that cannot leave memory where it is: the move is done", done.stderr[-600:] if done.returncode else "")
        finally:
            scene.end()


def to_and_fro(checks, options):
    """Out of the cell that a move has made, and back into one."""
    with Lab("alpha", "beta", size="3g") as lab:
        scene = Memory(lab, 40, 1, options=options)
        try:
            client = scene.client()
            for number in range(1, 4):
                if not scene.moved(checks, number):
                    break
            wrong = scene.digest()[1]
            state, numbers, gap, wrong_numbers, errors = seen(client)
            checks(wrong == 0 and state == "open" and wrong_numbers == 0, f"to and fro {' '.join(options)}: each change and each number is there",
                   f"{wrong} wrong pages, {state}, {numbers} numbers, longest gap {gap:.2f} s {errors}")
        finally:
            scene.end()


PARTS = [("alpha", part) for part in ("memory-read#1", "memory-sent#1", "memory-read#2", "memory-sent#2", "memory-compared#1")]
PARTS += [("beta", "memory-begun#1"), ("beta", "memory-there#1")]


def live_memory_faults(checks, chosen=None):
    """kill -9 of either agent while memory is brought ahead and compared, and at the lines of the journal behind that."""
    def behind(made, place):
        wrong, changes = made.streamer.digest()[1:]
        checks(wrong == 0 and changes > 0, "its memory has each change", f"{wrong} wrong, {changes} changes")
        left = lambda: [path for host in (made.alpha, made.beta) for path in host.path("/var/lib/retinue-agent").glob("*/*/**/pages-*.img")]
        checks(until(lambda: not left(), 10), "nothing of the memory is left in files", left())

    lines = [(name, f"{step}:{state}") for step in ("freeze", "start", "admit") for state in ("begun", "done") for name in ("alpha", "beta")
             if step != "freeze" or name == "alpha"]
    live_faults.live_faults(checks, chosen or PARTS + lines, behind=behind, service=lambda lab: Memory(lab, 40, 1))


def is_fetching(host, pid):
    try:
        words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
        return b"lazy-pages" in words and host.owns(pid)
    except OSError:
        return False


def kill_fetching(host):
    """Kills criu that fills memory at a host; how many those were."""
    pids = until(lambda: [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_fetching(host, pid)], 20) or []
    for pid in pids:
        os.kill(pid, 9)
    return len(pids)


def first_holds(made):
    """Whether the cell's first process at beta has a userfaultfd."""
    def links(pid):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                yield os.readlink(f"/proc/{pid}/fd/{number}")

    def parent(pid):
        return int(open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()[1])

    pid = next(pid for host, pid in made.streamer.found() if host is made.beta)
    return until(lambda: any("userfaultfd" in link for link in links(parent(pid))), 3)


FETCHED = ("--memory", "fetched", "--throttle", str(8 * MIB))


def live_fetched_faults(checks, chosen=None):
    """kill -9 of either agent while memory is fetched, and of criu that fills it; the source's agent that stays away."""
    def behind(made, place):
        wrong, changes = made.streamer.digest()[1:]
        checks(wrong == 0 and changes > 0, "its memory has each change", f"{wrong} wrong, {changes} changes")

    lines = [("alpha", "memory-page#1"), ("alpha", "memory-page#9")]
    lines += [(name, f"{step}:{state}") for step in ("start", "admit") for state in ("begun", "done") for name in ("alpha", "beta")]
    live_faults.live_faults(checks, chosen or lines, options=FETCHED, behind=behind, service=lambda lab: Memory(lab, 40, 1))

    def before(made):
        done = made.streamer.move("cutover")
        checks(done.returncode == 0 and len(made.streamer.processes()["beta"]) == 1, "a cut-over",
               made.streamer.processes() if done.returncode == 0 else done.stderr[-500:])
        checks(first_holds(made), "the cell's first process has what memory is filled by as well, so that it is not filled with zeros")
        checks(kill_fetching(made.beta) > 0, "criu is killed while it fills memory")
        checks(until(lambda: not made.streamer.processes()["beta"], 10), "nothing goes on with memory that is not there", made.streamer.processes())
        done = made.streamer.move("rollback")
        made.holds("criu killed before the commit", "alpha")
        behind(made, "alpha")

    def after(made):
        moving = subprocess.Popen(made.alpha.words(PRODUCTS / "retinue", "move", "run", "/root/plan.json", "--to", f"beta={made.beta.address}",
                                  "--name", "memory", "--address", f"{SERVICE_ADDRESS}/24", "--live", *FETCHED, "--yes", "--agent",
                                  "/run/agent.sock", group=False), env=PATH, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        is_moved = until(lambda: [move["state"] for move in made.alpha.status().get("departures", [])] == ["moved"], 60)
        found = made.streamer.processes()
        checks(is_moved and len(found["alpha"]) == 1 and found["alpha"][0] in "tT" and len(found["beta"]) == 1,
               "after the commit it goes on at the destination, and what was stopped is kept until all memory is fetched", found)
        checks(kill_fetching(made.beta) > 0, "criu is killed while it fills memory")
        moving.wait(timeout=60)
        checks(until(lambda: made.streamer.processes() == {"alpha": [], "beta": []}, 30),
               "nothing goes on with memory that is not there, and nothing goes back", made.streamer.processes())
        checks("before all of their memory was there" in made.alpha.agent_log(), "the source says so", made.alpha.agent_log()[-300:])

    for act in (before, after):
        live_faults.scene(checks, act, FETCHED, lambda lab: Memory(lab, 40, 1))
