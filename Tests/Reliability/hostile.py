#!/usr/bin/env python3
"""An unprivileged user against the daemon's memory.

    Tests/Reliability/hostile.py [--scale 1.0] [--bound MIB] [NAME...]

As root, after `make build`. Each attack runs as user 65534 against a daemon of its own: endless programs, endless names,
folders 1,500 and 6,000 deep, connections, listening sockets, Unix sockets, clients of the control socket, control
groups. After each: the daemon lives, its memory stayed under its bound, a fact of another program that was caused
meanwhile is recorded (or a gap says that it may not be), what gave way is named, and it starts again on its store."""

import argparse
import os
import pathlib
import subprocess
import time

from watching import Checks, Daemon, Failure, Scratch, private_mounts, program, until

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"]
# name -> what the attacker is asked for: mode, count, further words; {place}, {tiny}, {socket}, {group} are filled in.
ATTACKS = {
    "programs": [("programs", 100_000, "{place}", "{tiny}")],
    "names": [("names", 1_000_000, "{place}")],
    "depth-1500": [("deep", 1_500, "{place}", "20")],
    "depth-6000-255": [("deep", 6_000, "{place}", "255")],
    "connections": [("connections", 500_000, "100000")],
    "listeners": [("listeners", 15_000, "8")] * 3,
    "unix": [("unix", 8_000, "8")] * 3,
    "control": [("control", 15_000, "8", "{socket}")] * 2,
    "garbage": [("garbage", 50_000, "{socket}")],
    "groups": [("groups", 20_000, "{group}", "{tiny}")],
}
# Words by which a header, a status or a gap says that something gave way.
GAVE_WAY = ("fold", "evict", "refus", "drop", "gave_way", "shed", "forgotten")


def said(made, answer):
    """What header, status and gaps say of what gave way: the counters above zero whose name says so."""
    found = {}

    def look(prefix, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                look(f"{prefix}.{key}" if prefix else key, inner)
        elif any(word in prefix for word in GAVE_WAY) and value:
            found[prefix] = value
    look("", made.header)
    look("status", answer or {})
    if made.gaps:
        found["gaps"] = len(made.gaps)
    folded = sum("folded" in record or "fold" in record for record in made.records)
    if folded:
        found["folded records"] = folded
    return found


def group_of_nobody():
    """A control group that user 65534 may fill, or None where there is no version 2 hierarchy to be had."""
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(f"{root}/cgroup.procs") and os.path.exists(f"{root}/cgroup.controllers"):
            group = pathlib.Path(root) / f"retinue-hostile-{os.getpid()}"
            group.mkdir()
            for path in (group, group / "cgroup.procs"):
                os.chown(path, 65534, 65534)
            return group
    return None


def attack(name, options, checks):
    with Scratch("hostile") as folder, Daemon(folder) as daemon:
        place = folder / "place"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g,nr_inodes=2000000", "place", place], check=True)
        os.chown(place, 65534, 65534)
        hostile, tiny = program("hostile", folder / "bin"), program("tiny", place)
        os.chown(tiny, 65534, 65534)  # where hard links are protected, only to files of one's own
        reader = program("reader", folder / "bin")
        group = group_of_nobody() if name == "groups" else None
        if name == "groups" and group is None:
            return checks.say("      no control groups to be had: left out")
        daemon.start()
        before = daemon.memory()
        words = {"place": place, "tiny": tiny, "socket": daemon.socket, "group": group}
        attackers = []
        for mode, count, *more in ATTACKS[name]:
            line = [hostile, mode, str(max(1, int(count * options.scale))), *(word.format(**words) for word in more)]
            if group:  # a process may only move within a part of the tree that it may write to
                line = ["sh", "-c", f"echo 0 > {group}/cgroup.procs; exec \"$@\"", "sh", *NOBODY, *line]
            else:
                line = [*NOBODY, *line]
            attackers.append(subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                              text=True))
        facts = []
        begin = time.time_ns()
        while any(one.poll() is None for one in attackers):
            if len(facts) < 400:
                facts.append(folder / f"fact-{len(facts)}")
                facts[-1].write_text("x")
                subprocess.run([reader, facts[-1]], check=True)
            time.sleep(0.05)
            if len(facts) % 100 == 50 and daemon.alive:
                daemon.ask_dump(60)
        for one in attackers:
            checks.say(f"      {one.stdout.read().strip()}")
        end = time.time_ns()
        if not checks(daemon.alive, f"{name}: the daemon lives", daemon.process.poll() or ""):
            checks.say(daemon.said().decode(errors="replace")[-300:])
            return
        made = daemon.dump(120)
        answer, took = daemon.status()
        memory = daemon.memory()
        checks(answer is not None, f"{name}: status answers", f"{took:.2f} s")
        checks(memory <= options.bound, f"{name}: memory stays under {options.bound:.0f} MiB",
               f"{memory:.0f} MiB at most, {before:.0f} before")
        kept = sum(made.has_file(reader, str(fact)) for fact in facts)
        checks(kept == len(facts) or made.excuses(begin, end, "file"),
               f"{name}: facts of another program are recorded, or a gap says not",
               f"{kept} of {len(facts)}, {len(made.gaps)} gap lines")
        checks.say(f"      {len(made.records)} records; gave way: {said(made, answer) or 'nothing is named'}; lost {made.lost()}")
        code, took = daemon.terminate(120)
        checks(code == 0, f"{name}: SIGTERM ends it with 0", f"{took:.2f} s")
        seconds = daemon.start(120)
        again = daemon.dump(120)
        checks(sum(again.has_file(reader, str(fact)) for fact in facts) == kept and daemon.memory() <= options.bound,
               f"{name}: it starts again on its store", f"{seconds:.2f} s, {daemon.memory():.0f} MiB")
        daemon.kill()
        if group:
            until(lambda: not (group / "cgroup.procs").read_text().strip(), 5)
            for left in group.iterdir():
                if left.is_dir():
                    left.rmdir()
            group.rmdir()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="of the attacks' numbers")
    parser.add_argument("--bound", type=float, default=256, help="MiB: what memory.limit is by default")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ATTACKS))
    options = parser.parse_args()
    private_mounts()
    checks = Checks()
    for name in options.names or ATTACKS:
        checks.say(f"-- {name}")
        try:
            attack(name, options, checks)
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            checks(False, f"{name}: came to its end", failure)
    checks.end(None if options.names or options.scale < 1 else "hostile")


if __name__ == "__main__":
    main()
