"""What the guests' tests share: the daemon of the guest, and a small workload of which every fact is known."""

import os
import pathlib
import subprocess
import sys
import time
import traceback

os.environ.setdefault("RETINUE_PRODUCTS", "/in/bin")
os.environ.setdefault("RETINUE_PROGRAMS", "/in/programs")

from watching import Checks, Daemon, Dump, Failure, names, nanoseconds, program, until  # noqa: E402, F401

OUT = pathlib.Path("/out")
WORK = pathlib.Path("/w")


def failed(kind, value, trace):
    """What ends a test is a point that failed."""
    traceback.print_exception(kind, value, trace)
    print(f"FAIL  the test came to its end ({value})", flush=True)


sys.excepthook = failed


def arguments():
    return pathlib.Path("/in/arguments").read_text().split()


def ready(daemon, checks):
    """Starts the daemon; whether it came up is a point of its own."""
    try:
        daemon.took = daemon.start(120)
        return checks(True, "the daemon is ready", f"{daemon.took:.1f} s")
    except Failure as failure:
        return checks(False, "the daemon is ready", failure)


def until_next_scan(daemon):
    """Seconds within which a scan makes up for a loss: scans take a twentieth of the time at most, and the one of the start
    took less than the daemon did to be ready. What that is depends on how slow the guest is."""
    return 10 + 25 * daemon.took


def dump(daemon, name):
    """A dump by SIGUSR1, kept among the results."""
    made = daemon.dump(120)
    (OUT / f"{name}.ndjson").write_bytes((daemon.state / "dumps" / daemon.latest()).read_bytes())
    return made


def background(*command, says=None):
    """Starts a program and waits until it prints a line that begins with `says`."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline() if says else ""
    if says and not line.startswith(says):
        raise Failure(f"{command} says {line!r}")
    return process


class Workload:
    """Opens, executions and connections in known numbers."""

    def __init__(self, name, port, opens=40, spawns=100, connections=50):
        self.folder = WORK / name
        self.port, self.opens, self.spawns, self.connections = port, opens, spawns, connections
        (self.folder / "in").mkdir(parents=True)
        (self.folder / "out").mkdir()
        for n in range(max(opens, spawns, 2)):
            (self.folder / f"in/{n}").write_text("x")
        names_ = "reader", "spawner", "server", "client"
        self.reader, self.spawner, self.server, self.client = (program(one, self.folder / "bin") for one in names_)
        self.script = self.folder / "bin/script.sh"
        self.script.write_text(f"#!/bin/sh\nread x < {self.folder}/in/0\nexec {self.reader} {self.folder}/in/1\n")
        self.script.chmod(0o755)

    def run(self, processor=None):
        pinned = ["taskset", "-c", str(processor)] if processor is not None else []
        for n in range(self.opens):
            subprocess.run([self.reader, f"{self.folder}/in/{n}"], check=True)
        subprocess.run([self.spawner, str(self.spawns), self.reader, f"{self.folder}/in/%d", f"{self.folder}/out/%d"],
                       check=True)
        subprocess.run([self.script], check=True)
        server = background(self.server, str(self.port), says="listening")
        subprocess.run([*pinned, self.client, str(self.port), str(self.connections)], check=True)
        time.sleep(1)
        server.kill()
        server.wait()

    def hold(self, made, checks, exact=True):
        """Holds a dump against what was caused."""
        read = [n for n in range(max(self.opens, self.spawns)) if made.has_file(self.reader, f"{self.folder}/in/{n}")]
        checks(len(read) == max(self.opens, self.spawns), "every file that was read is recorded",
               f"{len(read)} of {max(self.opens, self.spawns)}")
        written = made.files(self.reader, f"{self.folder}/out")
        right = [path for path, records in written.items() if all("w" in one["access"] for one in records)]
        checks(len(right) == self.spawns, "every file that was written is recorded as written",
               f"{len(right)} of {self.spawns}")
        spawned = sum(record["count"] for record in made.of("spawn", self.spawner)
                      if record["child"]["executable"] == self.reader)
        checks(spawned == self.spawns, "every program that was started is counted", f"{spawned} of {self.spawns}")
        shells = {record["child"]["executable"] for record in made.records if record["relation"] == "spawn"
                  and record["program"].get("script") == str(self.script)}
        checks(shells == {self.reader}, "a script's chain of executions is followed", ", ".join(sorted(shells)))
        for relation, executable in (("connect", self.client), ("accept", self.server)):
            found = made.of(relation, executable)
            count = sum(record["count"] for record in found)
            sent = sum(record["sent"] for record in found), sum(record["received"] for record in found)
            detail = f"{count} of {self.connections}, bytes {sent}, {sorted({one['evidence'] for one in found})}"
            if exact:
                checks(count == self.connections and sent == (10 * count, 10 * count)
                       and {one["evidence"] for one in found} == {"exact"}, f"every {relation} is recorded", detail)
            else:
                unknown = sum(source.get("unattributed", 0) for name, source in made.header["sources"].items()
                              if name in ("sock_diag", "tracepoint"))
                checks(count + unknown >= self.connections, f"every {relation} is recorded, or counted as unattributed",
                       f"{detail}, {unknown} unattributed")
