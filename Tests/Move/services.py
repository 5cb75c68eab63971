"""What is moved in the laboratory: a counter that a client holds to its word, and the client."""

import json
import os
import pathlib
import subprocess
import threading
import time

from lab import HERE, PATH, Failure, until

PYTHON = os.path.realpath("/usr/bin/python3")
SERVICE_ADDRESS = "10.77.0.100"


def version(package):
    """What is installed of a package."""
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}\\n", package], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env=PATH, check=True)
    return done.stdout.split()[0]


def plan(host, program, *, packages=(), entries=(), ports=(), accounts=(), services=()):
    """A plan by hand: what `retinue plan` writes, so far as a move needs it."""
    return {
        "schema": "retinue-plan/1", "program": program["executable"], "made": "2026-01-01T00:00:00Z",
        "hosts": [{
            "host": host.name, "programs": [{**program, "workload": host.group.name, "start": "before", "reason": "by hand"}],
            "packages": [{"system": "debian", "name": name, "version": version(name), "reason": "by hand"} for name in packages],
            "entries": [{"path": path, "kind": "tree", "treatment": "final-copy", "ground": "exact", "reason": "by hand"}
                        for path in entries],
            "accounts": list(accounts), "services": list(services),
            "ports": [{"address": f"tcp:0.0.0.0:{port}", "program": program["executable"]} for port in ports],
            "isolation": {"choice": "chroot", "reasons": []}}]}


class Counter:
    """The service: each number that was answered is on the disk, so that a lost one shows."""

    port = 9000
    check = ("timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9000'")

    def __init__(self, host, delay=0, user=None):
        self.folder = "/srv/counter"
        host.write(self.folder + "/counter.py", (HERE / "counter.py").read_bytes())
        host.write(self.folder + "/data/count", "0")
        host.write(self.folder + "/names/-with a blank\nand #more", "x")
        self.words = [PYTHON, self.folder + "/counter.py", str(self.port), self.folder + "/data", str(delay)]
        if user:
            host.run("chown", "-R", f"{user}:{user}", self.folder)
            self.words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *self.words]
        host.spawn(*self.words)
        self.plan = plan(host, {"executable": PYTHON, "script": self.folder + "/counter.py"},
                         packages=["python3.11-minimal", "libpython3.11-stdlib"], entries=[self.folder], ports=[self.port])
        host.write("/root/plan.json", json.dumps(self.plan))
        if not until(lambda: answer(host, host.address), 10):
            raise Failure("the counter does not count")


def answer(host, address, port=Counter.port, timeout=1):
    """(number, host name) of a counter, asked from a host; nothing where none answers."""
    script = ("import socket, sys\n"
              "c = socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))\n"
              "c.settimeout(float(sys.argv[3])); c.sendall(b'\\n'); sys.stdout.write(c.recv(200).decode())")
    done = host.ask(PYTHON, "-c", script, address, str(port), str(timeout))
    words = done.stdout.split()
    return (int(words[0]), words[1]) if done.returncode == 0 and len(words) == 2 else None


class Client:
    """Asks without a pause, from the switch, each time by a new connection; knows the longest time without an answer."""

    def __init__(self, lab, address=SERVICE_ADDRESS, port=Counter.port, keep=False):
        script = HERE / "client.py"
        self.process = lab.client("/usr/bin/python3", "-u", str(script), address, str(port), *(["keep"] if keep else []), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self):
        """What it saw: `numbers` answered, the longest `gap` in seconds, `refused` and `reset` connections."""
        out, errors = self.process.communicate("\n", timeout=30)
        if self.process.returncode:
            raise Failure(f"the client: {errors[-500:]}")
        return json.loads(out)


class LineClient:
    """A client on the switch that is spoken to by lines, and answers each with one of JSON; it keeps what it was promised."""

    def __init__(self, lab, script, *words):
        self.process = lab.client("/usr/bin/python3", "-u", HERE / script, *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self.process.kill()
            raise Failure(f"the client: {self.process.communicate(timeout=10)[1][-600:]}")
        return json.loads(answer)

    def end(self):
        self.process.kill()
        self.process.communicate()
