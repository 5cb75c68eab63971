"""Who watches while something is caused: the daemon, a program that reads the kernel's events and drops them,
or nobody. All three answer the same questions."""

import json
import os
import signal
import shutil
import socket
import subprocess
import tempfile
import time

import system

BATCH_INTERVAL = 10  # milliseconds: the daemon's default
STORE_TIMEOUT = 120


class Nobody:
    name = "unwatched"
    queues = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def processor_seconds(self):
        return 0.0

    def caught_up(self):
        """Waits until everything that has happened is taken in."""


class Watcher(Nobody):
    process = None

    def processor_seconds(self):
        return system.processor_seconds(self.process.pid)

    def caught_up(self):
        while self.queues.waiting():
            time.sleep(0.002)


class Discard(Watcher):
    """A fanotify group like the daemon's, read like the daemon's, and nothing made of it: the kernel's limit."""

    name = "discard"

    def __init__(self, tools, folder):
        self.command = [tools / "cap-discard", folder, BATCH_INTERVAL]
        self.received = self.lost = None

    def __enter__(self):
        self.process = system.started(self.command, system.processors()[1], stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit("capacity: cap-discard did not start")
        self.queues = system.FanotifyQueues(self.process.pid)
        return self

    def __exit__(self, *_):
        self.queues.close()
        self.received, self.lost = map(int, system.ended(self.process).split())


class Retinue(Watcher):
    """The daemon, with its defaults, on a state folder of its own."""

    name = "retinue"

    def __init__(self, daemon):
        self.daemon = daemon
        self.state = None

    def __enter__(self):
        self.state = tempfile.mkdtemp(prefix="retinue-capacity-")
        # --socket: that of the machine's own daemon stays free.
        command = [self.daemon, "--state-dir", self.state, "--socket", f"{self.state}/asked.sock",
                   "--config", "/dev/null"]
        begin = time.monotonic()
        try:
            self.process = system.started(command, system.processors()[1], stderr=subprocess.PIPE, text=True)
            said = [self.process.stderr.readline()]
            while "ready" not in said[-1]:
                if not said[-1]:
                    raise SystemExit("capacity: the daemon did not start\n" + "".join(said))
                said.append(self.process.stderr.readline())
            self.ready_after = time.monotonic() - begin
            self.queues = system.FanotifyQueues(self.process.pid)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.queues:
            self.queues.close()
        if self.process and self.process.poll() is None:
            system.ended(self.process, timeout=STORE_TIMEOUT)
        shutil.rmtree(self.state)

    def memory(self, name="VmRSS"):
        return system.memory(self.process.pid, name)

    def status(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.settimeout(STORE_TIMEOUT)
            connection.connect(f"{self.state}/retinued.sock")
            connection.send(b"retinue-control/2 status")
            verdict, _, text = connection.recv(1 << 16).partition(b"\n")
        if verdict != b"retinue-control/2 ok":
            raise SystemExit(f"capacity: the daemon answers {text!r}")
        return json.loads(text)

    def caught_up(self):
        super().caught_up()
        self.status()  # one thread does everything: it answers after it has interpreted what it took

    def stored(self):
        """Waits until the store has every record; how the daemon fares then."""
        end = time.monotonic() + STORE_TIMEOUT
        while (status := self.status())["store"]["pending"]:
            if time.monotonic() > end:
                raise SystemExit("capacity: the daemon does not store what it has")
            time.sleep(0.1)
        return status

    def dump(self):
        """Asks for a dump by SIGUSR1; its path, and the seconds until latest.ndjson named it."""
        latest = f"{self.state}/dumps/latest.ndjson"
        before = os.readlink(latest) if os.path.lexists(latest) else None
        begin = time.monotonic()
        self.process.send_signal(signal.SIGUSR1)
        while time.monotonic() < begin + STORE_TIMEOUT:
            try:
                if (name := os.readlink(latest)) != before:
                    return f"{self.state}/dumps/{name}", time.monotonic() - begin
            except FileNotFoundError:
                pass
            time.sleep(0.0002)
        raise SystemExit("capacity: no dump came")
