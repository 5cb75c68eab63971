#!/usr/bin/env python3
"""10,500 programs that end at once, started under load while two daemons watch: none gets another's name.

    Tests/Reliability/execs.py [--names 35] [--each 300] [--workers 2]

As root, after `make build`. The programs are copies of true(1), which a loader loads; three parents start them, each in
its way: posix_spawn(3), a shell's vfork(2), and fork(2) by an interpreter. Beside them a storm of opens, spawns and
connections. In each daemon's dump every start is its parent's, of the right program, or counted as unknown; a loader
is nobody's program."""

import argparse
import shutil
import subprocess
import sys

from storms import Storm
from watching import Checks, Daemon, Failure, Scratch, private_mounts, program

FORKS = """
import os, sys
for _ in range(int(sys.argv[1])):
    for name in sys.argv[2:]:
        child = os.fork()
        if child == 0:
            os.execv(name, [name])
        os.waitpid(child, 0)
"""
SHELL = 'count=$1; shift; while [ $count -gt 0 ]; do for name; do "$name"; done; count=$((count - 1)); done'


def start(folder, names, each):
    """The three parents, each with its share of the names: (executable, script, its names, processes)."""
    shares = [names[n::3] for n in range(3)]
    spawner, shell, python = program("spawner", folder / "bin"), folder / "bin/shell", folder / "bin/python"
    shutil.copy(shutil.which("dash"), shell)
    script = folder / "bin/forks.py"
    script.write_text(f"#!{sys.executable}\n{FORKS}")
    script.chmod(0o755)
    loop = folder / "bin/loop.sh"
    loop.write_text(f"#!{shell}\n{SHELL}\n")
    loop.chmod(0o755)
    return [
        (spawner, None, shares[0], [subprocess.Popen([spawner, str(each), name]) for name in shares[0]]),
        (shell, loop, shares[1], [subprocess.Popen([loop, str(each), *shares[1]])]),
        (None, script, shares[2], [subprocess.Popen([script, str(each), *shares[2]])]),
    ]


def hold(made, checks, point, parents, each):
    unknown = made.header["sources"]["proc_connector"]["unknown_executables"]
    below, right, wrong = {}, 0, []
    for _, _, names, _ in parents:
        below |= dict.fromkeys(map(str, names), 0)
    loaders = [record for record in made.records for key in ("program", "child")
               if key in record and record[key]["executable"].rsplit("/", 1)[-1].startswith("ld-linux")]
    for record in made.records:
        if record["relation"] != "spawn":
            continue
        parent, child = record["program"], record["child"]["executable"]
        for executable, script, names, _ in parents:
            if script is not None and parent.get("script") != str(script) or script is None and parent["executable"] != str(executable):
                continue
            if child in map(str, names):
                below[child] += record["count"]
                right += record["count"]
            else:
                wrong.append((parent, child, record["count"]))
    checks(not wrong, f"{point}: no start has another program's name", wrong[:3])
    checks(not loaders, f"{point}: no loader is a program", loaders[:3])
    checks(all(count <= each for count in below.values()), f"{point}: none is counted twice")
    caused = each * len(below)
    checks(right + unknown >= caused or made.gaps, f"{point}: what is not named is counted", f"{right} named, {unknown} unknown, of {caused}")
    checks.say(f"      {point}: {right} of {caused} starts named, {unknown} unknown, {len(made.gaps)} gap lines, lost {made.lost()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=35)
    parser.add_argument("--each", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    private_mounts()
    checks = Checks()
    with Scratch("execs") as folder, Daemon(folder / "first") as first, Daemon(folder / "second") as second:
        storm = Storm(folder, options.workers, 7413)
        try:
            names = [folder / "bin" / f"short-{n}" for n in range(options.names)]
            for name in ("bin", "first", "second"):
                (folder / name).mkdir(exist_ok=True)
            for name in names:
                shutil.copy("/usr/bin/true", name)
            for daemon in (first, second):
                daemon.start()
            load = storm.start(600, 1000, 50, 50)
            parents = start(folder, names, options.each)
            for _, _, _, processes in parents:
                for process in processes:
                    if process.wait() != 0:
                        raise Failure(f"{process.args} ended with {process.returncode}")
            for process in load:
                process.terminate()
            for point, daemon in (("first", first), ("second", second)):
                hold(daemon.dump(300), checks, point, parents, options.each)
            for daemon in (first, second):
                code, _ = daemon.terminate()
                checks(code == 0, "SIGTERM ends it with 0", code)
        except Failure as failure:
            checks(False, "came to its end", failure)
        finally:
            storm.end()
    checks.end("execs" if options.names * options.each >= 10_500 else None)


if __name__ == "__main__":
    main()
