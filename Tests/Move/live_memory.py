"""Memory of running processes: what of it comes over, when, and how long clients wait for it."""

import json
import os
import subprocess
import time

from lab import Failure, Lab, until
from live import LiveHosts, build, seen, CLIENT
from services import PYTHON, SERVICE_ADDRESS, plan

MIB = 1 << 20
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
            lab.alpha.write("/srv/memory/data", os.urandom(kinds * MIB))
            words += [kinds, "/srv/memory/data"]
        super().__init__(lab, "exec " + " ".join(map(str, words)),
                         plan(lab.alpha, {"executable": PROGRAM}, entries=["/srv/memory"], ports=[9000]))

    def is_ours(self, words):
        return words[0] == PROGRAM.encode()

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
        one(checks, written, size="6g")
