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


class Fetch:
    """A move whose memory is being fetched, slowly, behind the commit: the program runs at beta, and its source's is kept stopped."""

    # MiB that are written, and that come each second.
    SIZE, PACE = 40, 2

    def __init__(self, checks, lab, patience):
        self.checks, self.lab, self.patience = checks, lab, patience
        self.made = Memory(lab, self.SIZE, 1)
        self.alpha, self.beta = lab.alpha, lab.beta
        self.beta.kill_agent()
        self.beta.start_agent(*self.beta.options, f"--fetch-patience={patience}")
        self.client = self.made.client()
        time.sleep(0.3)
        self.move = subprocess.Popen(
            self.alpha.words(PRODUCTS / "retinue", "move", "run", "/root/plan.json", "--to", f"beta={self.beta.address}", "--name", "memory",
                             "--address", f"{SERVICE_ADDRESS}/24", "--live", "--memory", "fetched", "--throttle", str(int(self.PACE * MIB)), "--yes",
                             "--agent", "/run/agent.sock", group=False),
            env=PATH, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        is_moved = until(lambda: [move["state"] for move in self.alpha.status().get("departures", [])] == ["moved"], 60)
        begin = self.made.received()
        until(lambda: self.made.received() - begin > 3 * MIB, 20)
        if not checks(is_moved and self.waits(), "after the commit it runs at the destination, its memory is being fetched, what was stopped is kept",
                      self.made.processes()):
            raise Failure(f"no memory is being fetched: {self.alpha.agent_log()} {self.beta.agent_log()}")

    def waits(self):
        """Whether the program is there, with a part of its memory, and the source's is kept stopped."""
        found = self.made.processes()
        return (len(found["alpha"]) == 1 and found["alpha"][0] in "tT" and len(found["beta"]) == 1
                and not self.beta.path("/var/lib/retinue-agent/cells/memory/memory.done").exists())

    def link(self, state):
        self.alpha.run("ip", "link", "set", "eth0", state)

    def moved(self):
        """The status and the words of the command."""
        words = self.move.communicate(timeout=120)[0]
        return self.move.returncode, words.strip()[-700:]

    def released(self):
        """Whether the source has nothing left to do."""
        return until(lambda: any("release done" in move["journal"] for move in self.alpha.status().get("departures", [])), 10, 0.2)

    def goes_on(self, what):
        """Whether it all came in the end, with nothing lost."""
        checks, made = self.checks, self.made
        gone = until(lambda: not made.processes()["alpha"], 90, 0.2)
        checks(gone and len(made.processes()["beta"]) == 1, f"{what}: all memory comes, and what was stopped is ended", made.processes())
        _, wrong, changes = made.digest()
        checks(wrong == 0 and changes > 0, f"{what}: its memory has each change", f"{wrong} wrong, {changes} changes")
        state, numbers, gap, wrong, errors = seen(self.client)
        checks(state == "open" and wrong == 0 and numbers > 100, f"{what}: its client has each number once, in order, by one connection",
               f"{state}, {numbers} numbers, {wrong} wrong, longest gap {gap:.2f} s {errors}")
        checks(self.released(), f"{what}: the source has given it up")

    def ends(self, what, within):
        """Whether the programs end at the destination, neither earlier than they may nor much later; and nothing of it is left there."""
        checks, begin = self.checks, time.monotonic()
        ended = until(lambda: not self.made.processes()["beta"], within)
        took = time.monotonic() - begin
        checks(ended and took >= self.patience, f"{what}: they end at the destination", f"after {took:.1f} s, patience {self.patience} s; {self.made.processes()}")
        log = self.beta.path("/var/lib/retinue-agent/cells/memory/log").read_text()
        checks(f"its memory has not come for {self.patience} s: the programs end" in log, f"{what}: the destination says why", log[-300:])

    def end(self):
        for process in (self.client, self.move):
            process.kill()
            process.wait()
        self.made.end()


def live_fetched_lost(checks, quick=False, chosen=None):
    """The link of the source, or its agent, gone while memory is fetched: for less than the destination waits, and for longer."""
    def link_returns(made):
        made.link("down")
        begin = time.monotonic()
        # Both agents take the connection for cut by then.
        holds = not until(lambda: not made.waits(), 12, 0.2)
        checks(holds, "the link is cut: the programs wait, nothing goes on twice", f"{time.monotonic() - begin:.0f} s, {made.made.processes()}")
        status, words = made.moved()
        checks(status != 0 and "has not all memory yet" in words and "by itself" in words, "the command says how it stands", words[-300:])
        made.link("up")
        made.goes_on("the link comes back in time")

    def link_stays(made):
        made.link("down")
        made.ends("a link that stays cut", 40)
        time.sleep(1)
        found = made.made.processes()
        checks(len(found["alpha"]) == 1 and found["alpha"][0] in "tT" and not found["beta"],
               "what was stopped stays so at the source, which cannot know: nothing goes on there", found)
        made.link("up")
        checks(until(lambda: made.made.processes() == {"alpha": [], "beta": []}, 40, 0.2), "when the link is back it is ended there too: they are nowhere",
               made.made.processes())
        checks("before all of their memory was there" in made.alpha.agent_log(), "the source says so", made.alpha.agent_log()[-300:])
        checks(made.released(), "the source has given it up")
        made.beta.kill_agent()
        made.beta.start_agent()
        checks(until(lambda: len(made.made.processes()["beta"]) == 1, 20), "the destination's agent, when it is started, starts them anew", made.made.processes())
        until(lambda: ":9000 " in made.beta.ask("ss", "-Hltn").stdout, 20)
        wrong, changes = made.made.digest()[1:]
        checks(wrong == 0, "with their own memory", f"{wrong} wrong, {changes} changes")

    def agent_returns(made):
        made.alpha.kill_agent()
        holds = not until(lambda: not made.waits(), 5, 0.2)
        checks(holds, "the source's agent is killed: the programs wait", made.made.processes())
        made.alpha.start_agent()
        made.goes_on("the source's agent comes back in time")

    def agent_stays(made):
        made.alpha.kill_agent()
        made.ends("an agent of the source that stays away", 30)
        made.alpha.start_agent()
        checks(until(lambda: made.made.processes() == {"alpha": [], "beta": []}, 40, 0.2), "when it is back what was stopped is ended too: they are nowhere",
               made.made.processes())

    def host_returns(made):
        """The destination's host, with all that ran there."""
        made.beta.kill_agent()
        made.beta.end_cells()
        checks(until(lambda: not made.made.processes()["beta"], 10), "the destination is lost", made.made.processes())
        time.sleep(2)
        found = made.made.processes()["alpha"]
        checks(len(found) == 1 and found[0] in "tT", "what was stopped stays so at the source, which has given it up", found)
        made.beta.start_agent()
        checks(until(lambda: len(made.made.processes()["beta"]) == 1 and not made.made.processes()["alpha"], 40, 0.2),
               "when it is back the programs are started anew there, and what was stopped is ended", made.made.processes())
        until(lambda: ":9000 " in made.beta.ask("ss", "-Hltn").stdout, 20)
        wrong, changes = made.made.digest()[1:]
        checks(wrong == 0, "with their own memory", f"{wrong} wrong, {changes} changes")

    def ended_under_the_command(made):
        """As criu that is killed: the command must not report a move that is done."""
        checks(kill_fetching(made.beta) > 0, "criu is killed while it fills memory")
        status, words = made.moved()
        checks(status != 0 and "go on nowhere" in words, "the command says that they are nowhere, and fails", (status, words[-300:]))

    acts = [(link_returns, 60), (link_stays, 8), (agent_returns, 60), (agent_stays, 8), (host_returns, 60), (ended_under_the_command, 60)]
    for act, patience in acts[:2] if quick else acts:
        if chosen and act.__name__ not in chosen:
            continue
        with Lab("alpha", "beta", size="3g") as lab:
            made = Fetch(checks, lab, patience)
            try:
                act(made)
            finally:
                made.end()
