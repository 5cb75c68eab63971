"""A small host for one fault: a daemon, programs at work, a mount that goes wrong."""

import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import time

from watching import HERE, PATIENCE, Daemon, Dump, Failure, Scratch, names, program

# The most calls into foreign file systems that may be outstanding at a time; docs/architecture.md states it.
BLOCKED_CALLS = 4


FAULTS = {}


def fault(function):
    """Makes a function of a `Host` a fault by its name."""
    FAULTS[function.__name__.replace("_", "-")] = function
    return function


def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)


def umount(path):
    """umount(2) as it is, without umount(8)'s own looks at the mount: None, or the error's name."""
    libc = ctypes.CDLL(None, use_errno=True)
    return None if libc.umount2(os.fsencode(path), 0) == 0 else os.strerror(ctypes.get_errno())


def image(path, kind, megabytes):
    with open(path, "wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run([f"mkfs.{kind}", "-q", *(["-F"] if kind == "ext4" else []), path], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return path


class FuseMount:
    """A mount that fuse_server.py serves."""

    def __init__(self, path, program=None):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.server = subprocess.Popen([sys.executable, HERE / "fuse_server.py", self.path, *([program] if program else [])],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.server.stdout.readline() != "mounted\n":
            raise Failure("no FUSE mount")

    def say(self, line):
        self.server.stdin.write(line + "\n")
        self.server.stdin.flush()
        return self.server.stdout.readline().strip()

    def stop(self):
        self.server.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.server.send_signal(signal.SIGCONT)

    def die(self):
        self.server.kill()
        self.server.wait()

    def __truediv__(self, name):
        return self.path / name


class Host:
    """With `start` before the fault and `hold` after it, every fault is held against the same points."""

    def __init__(self, name, checks):
        self.name, self.checks, self.scratch = name, checks, Scratch(name)
        self.children, self.fuse, self.worked = [], [], 0

    def __enter__(self):
        self.checks.say(f"-- {self.name}")
        self.folder = self.scratch.__enter__()
        self.mount = self.folder / "mount"
        self.mount.mkdir()
        self.elsewhere = self.folder / "elsewhere"
        self.elsewhere.mkdir()
        self.worker = program("reader", self.folder / "bin", "worker")
        self.reader = program("reader", self.folder / "bin")
        self.daemon = Daemon(self.folder)
        self.before = {"status": 0.0, "dump": 0.0}
        return self

    def __exit__(self, *_):
        for one in self.fuse:
            one.go_on()
            one.die()
        for child in self.children:
            if child.poll() is None:
                child.kill()
        self.daemon.kill()
        self.scratch.__exit__()

    def serve(self, path=None):
        self.fuse.append(FuseMount(path or self.mount, self.reader))
        return self.fuse[-1]

    def start(self):
        """Starts the daemon, and takes how long its answers take while nothing is wrong."""
        self.before["start"] = self.daemon.start()
        self.before["status"] = self.daemon.status()[1]
        self.before["dump"] = self.daemon.ask_dump()[1]

    def run(self, *words, expect=0):
        """Runs a program to its end; its exit status."""
        run = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, timeout=30)
        if expect is not None and run.returncode != expect:
            raise Failure(f"{words} ended with {run.returncode}")
        return run.returncode

    def hang(self, *words):
        """Starts a program that is to hang."""
        child = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, start_new_session=True)
        self.children.append(child)
        time.sleep(0.3)
        if child.poll() is not None:
            raise Failure(f"{words} does not hang: it ended with {child.poll()}")
        return child

    def work(self):
        """A fact elsewhere: a file that the worker reads, one that it writes."""
        self.worked += 1
        facts = self.elsewhere / f"in-{self.worked}", self.elsewhere / f"out-{self.worked}"
        facts[0].write_text("x")
        self.run(self.worker, *facts)
        return facts

    def hold(self, moment="", named=(), recorded=(), either=False):
        """Everything that must stay true in the fault; `named`: words of which status has one; `recorded`: pairs of
        executable and path that the dump has; with `either` one of the two is enough. Gives the dump."""
        point = f"{self.name}{f', {moment}' if moment else ''}"
        facts = self.work()
        answer, took = self.daemon.status(5)
        self.checks(answer is not None and took < self.before["status"] + PATIENCE, f"{point}: status answers within a second",
                    f"{took:.2f} s, {self.before['status']:.2f} before")
        path, took = self.daemon.ask_dump(10)
        self.checks(path is not None and took < self.before["dump"] + PATIENCE, f"{point}: a dump comes within a second",
                    f"{took:.2f} s, {self.before['dump']:.2f} before")
        if not self.checks(self.daemon.alive, f"{point}: the daemon lives", self.daemon.process.poll() or ""):
            return None
        blocked = self.daemon.blocked_threads()
        self.checks(blocked <= BLOCKED_CALLS, f"{point}: at most {BLOCKED_CALLS} calls are outstanding", blocked)
        if path is None:
            return None
        made = Dump(path.read_bytes())
        self.checks(all(made.has_file(self.worker, str(fact)) for fact in facts), f"{point}: files elsewhere are recorded")
        said = names(answer, named) if answer else False
        kept = all(made.has_file(str(executable), str(where)) for executable, where in recorded)
        if either:
            self.checks((recorded and kept) or said, f"{point}: recorded, or named in status",
                        f"recorded {kept}, named {said}")
        else:
            if recorded:
                self.checks(kept, f"{point}: what was opened is recorded")
            if named:
                self.checks(said, f"{point}: status names it", "" if said else answer and answer.get("degraded"))
                self.checks(names(made.gaps, named), f"{point}: a gap names it")
        return made

    def finish(self, moment="", unmount=()):
        """SIGTERM ends it at once with 0; the mounts can be unmounted, before and after."""
        point = f"{self.name}{f', {moment}' if moment else ''}"
        for path in unmount:
            refused = umount(path)
            self.checks(refused is None, f"{point}: umount is not refused", refused or "")
        if not self.daemon.alive:
            self.checks(False, f"{point}: SIGTERM ends it with 0", f"ended before, with {self.daemon.process.poll()}")
            return
        code, took = self.daemon.terminate(20)
        limit = self.before["dump"] + PATIENCE
        self.checks(code == 0 and took < limit, f"{point}: SIGTERM ends it with 0 within a second",
                    f"exit {code}, {took:.2f} s")
