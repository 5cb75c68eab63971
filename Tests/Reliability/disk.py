#!/usr/bin/env python3
"""State folders that fail: a full disk at the start and while running, a disk gone read-only, a folder removed, a store
replaced by another file.

    Tests/Reliability/disk.py [NAME...]

As root, after `make build`. In each the daemon keeps observing, says in `status` what is wrong, gives a dump to the
command line without a disk, and writes again when it can: what it saw meanwhile is there after a restart."""

import argparse
import fcntl
import os
import shutil
import struct
import subprocess
import time

from host import image, mount
from watching import Checks, Daemon, Failure, Scratch, names, private_mounts, program, until

CASES = {}
SAID = ("full", "space", "No space", "ENOSPC")


def case(function):
    CASES[function.__name__.replace("_", "-")] = function
    return function


class Place:
    """A small ext4 of its own with a state folder on it, and programs elsewhere whose facts must not be lost."""

    def __init__(self, name, folder, checks, megabytes=24):
        self.name, self.folder, self.checks, self.worked = name, folder, checks, 0
        self.disk = folder / "disk"
        self.disk.mkdir()
        mount("-o", "loop", image(folder / "image", "ext4", megabytes), self.disk)
        self.reader = program("reader", folder / "bin")
        self.daemon = Daemon(folder, state=self.disk / "state")
        self.facts = []

    def fill(self):
        """Not a byte is left, nor a folder's entry."""
        file = os.open(self.disk / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        block = b"x" * (1 << 16)
        while block:
            try:
                os.write(file, block)
            except OSError:
                block = block[:len(block) // 2]
        os.close(file)
        os.sync()

    def make_room(self):
        (self.disk / "filler").unlink()

    def work(self, times=50):
        for _ in range(times):
            self.worked += 1
            fact = self.folder / f"fact-{self.worked}"
            fact.write_text("x")
            subprocess.run([self.reader, fact], check=True)
            self.facts.append(str(fact))

    def point(self, holds, text, detail=""):
        return self.checks(holds, f"{self.name}: {text}", detail)

    def observes(self, words, moment):
        """It lives, says what is wrong, and a dump by the command line, which needs no disk, has everything."""
        self.work()
        said = until(lambda: self.speaks(words), 15, 0.5)
        self.point(self.daemon.alive, f"it lives, {moment}", self.daemon.process.poll() or "")
        answer, _ = self.daemon.status(10)
        self.point(said, f"status says so, {moment}", answer and {"store": answer["store"], "degraded": answer["degraded"]})
        made, problem, took = self.daemon.dump_by_command()
        self.point(made and all(made.has_file(self.reader, fact) for fact in self.facts),
                   f"a dump by the command line has everything, {moment}", problem or f"{took:.2f} s")

    def speaks(self, words):
        answer, _ = self.daemon.status(10)
        return answer and names([answer["store"].get("error"), answer["degraded"]], words)

    def recovers(self):
        """It writes again: what was seen meanwhile comes back after a kill."""
        self.work()

        def written():
            answer, _ = self.daemon.status(10)
            return answer and answer["store"]["error"] is None and answer["store"]["pending"] == 0
        quiet = until(written, 30, 0.5)
        answer, _ = self.daemon.status(10)
        self.point(quiet or (answer and answer["store"]["error"] is None), "the trouble over, status says no more of it",
                   answer and answer["store"])
        time.sleep(6)
        self.daemon.kill()
        self.daemon.start()
        made = self.daemon.dump()
        kept = sum(made.has_file(self.reader, fact) for fact in self.facts)
        self.point(kept == len(self.facts), "everything is in the store", f"{kept} of {len(self.facts)} files")
        code, _ = self.daemon.terminate()
        self.point(code == 0, "SIGTERM ends it with 0", code)


@case
def full_at_the_start(place):
    (place.disk / "state").mkdir()
    place.fill()
    place.daemon.start()
    place.observes(SAID, "the disk full since before the start")
    place.make_room()
    place.recovers()


@case
def full_while_running(place):
    place.daemon.start()
    place.work()
    place.fill()
    place.observes(SAID, "the disk full")
    path, _ = place.daemon.ask_dump(5)
    place.point(place.daemon.alive, "a dump that finds no room ends nothing", path or "none written")
    place.make_room()
    place.recovers()


@case
def full_at_SIGTERM(place):
    place.daemon.start()
    place.work()
    place.fill()
    place.work(2000)
    offset = len(place.daemon.said())
    code, took = place.daemon.terminate()
    said = place.daemon.said(offset).decode(errors="replace")
    place.point(code is not None and took < 10, "it ends", f"exit {code}, {took:.2f} s")
    place.point(any(word in said for word in SAID), "it says what could not be stored", said.strip()[-200:])


def shut_down(disk):
    """What an error of the disk does to a file system (FS_IOC_SHUTDOWN, its log not flushed): every write is an error."""
    number = os.open(disk, os.O_RDONLY)
    fcntl.ioctl(number, 0x8004587D, struct.pack("I", 2))
    os.close(number)


@case
def read_only_while_running(place):
    place.daemon.start()
    place.work()
    time.sleep(4)
    subprocess.run(["mount", "-o", "remount,ro", place.disk], check=False, stderr=subprocess.DEVNULL)
    with open("/proc/self/mounts") as table:
        line = next(line for line in table if f" {place.disk} " in line)
    if " ro," not in line:  # files open for writing refuse it: an error of the disk does not ask
        shut_down(place.disk)
        place.observes(("read-only", "Read-only", "readonly", "I/O", "EROFS", "disk"), "the file system shut down by an error")
        code, _ = place.daemon.terminate()
        place.point(code is not None, "SIGTERM ends it", code)
        return
    place.observes(("read-only", "Read-only", "readonly", "EROFS"), "the disk read-only")
    subprocess.run(["mount", "-o", "remount,rw", place.disk], check=True)
    place.recovers()


@case
def folder_removed(place):
    place.daemon.start()
    place.work()
    time.sleep(4)
    shutil.rmtree(place.disk / "state")
    place.observes(("removed", "replaced", "gone", "anew", "no longer", "missing", "No such file"), "the state folder removed")\
        if not back(place) else place.point(True, "the folder is made anew")
    place.recovers()


def back(place):
    """The folder may be there again before anybody asked: then there is nothing to be said any more."""
    place.work()
    return until(lambda: (place.disk / "state/retinue.db").exists(), 10, 0.5)


@case
def store_replaced(place):
    place.daemon.start()
    place.work()
    time.sleep(4)
    (place.disk / "state/retinue.db").unlink()
    for name in os.listdir(place.disk / "state"):
        if name.startswith("retinue.db-"):
            (place.disk / "state" / name).unlink()
    (place.disk / "state/retinue.db").write_bytes(b"not a store" * 100)
    place.work()
    time.sleep(6)
    place.point(place.daemon.alive, "it lives")
    place.recovers()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CASES))
    options = parser.parse_args()
    private_mounts()
    checks = Checks()
    for name in options.names or CASES:
        checks.say(f"-- {name}")
        with Scratch(name) as folder:
            place = Place(name, folder, checks)
            try:
                CASES[name](place)
            except (Failure, OSError, subprocess.SubprocessError) as failure:
                checks(False, f"{name}: came to its end", failure)
            finally:
                if place.daemon.process is not None:
                    place.daemon.kill()
    checks.end(None if options.names else "disk")


if __name__ == "__main__":
    main()
