"""One tree of processes at several hosts, whose shared memory follows whoever uses it.

CRIU 4.2 or later is laid at the hosts from the tree that `RETINUE_CRIU` names (as for `live`)."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time

from lab import HERE, PATH, PRODUCTS, Failure, Lab, run, until
from live import criu_tree

FOLDER = "/srv/across"
PROGRAM = FOLDER + "/across"
PORT = 7421


class Scene:
    """Hosts with CRIU and a program whose processes share memory."""

    def __init__(self, lab):
        self.lab, self.source, self.others = lab, lab.hosts[0], lab.hosts[1:]
        self.started, self.joins, self.logs = [], {}, {}
        tree = criu_tree()
        run("gcc", "-Wall", "-Wextra", "-Werror", "-O2", "-pthread", "-o", lab.folder / "across", HERE / "across.c")
        for host in lab.hosts:
            if tree != "/opt/criu":
                host.run("ln", "-s", tree, "/opt/criu")
            host.write(PROGRAM, (lab.folder / "across").read_bytes())
            host.run("chmod", "755", PROGRAM)
            # The bytes that criu compares.
            host.run("touch", "-d", "2026-01-01", PROGRAM)

    def start(self, *words):
        """The tree, as nobody's child; its pids, the first process first."""
        for host in self.lab.hosts:
            host.run("sh", "-c", f"rm -f {FOLDER}/go {FOLDER}/sum {FOLDER}/turns-* {FOLDER}/eintr")
        script = 'exec "$@" < /dev/null > /dev/null 2> /dev/null'
        process = subprocess.Popen(self.source.words("sh", "-c", script, "sh", PROGRAM, *words, FOLDER),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=PATH,
                                   start_new_session=True, cwd="/")
        self.started.append(process)
        wanted = {"sum": lambda: int(words[1]), "turns": lambda: 2}.get(words[0], lambda: 2)()

        def tree():
            found = [pid for pid in self.processes(self.source)]
            return found if len(found) == wanted + 1 else None
        pids = until(tree, 10)
        if not pids:
            raise Failure(f"the program does not run: {words}")
        time.sleep(0.1)
        return pids

    def processes(self, host):
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{entry}/exe") == PROGRAM and host.owns(entry):
                        if ") Z " not in pathlib.Path(f"/proc/{entry}/stat").read_text():
                            found.append(int(entry))
        return sorted(found)

    def join(self, host):
        log = self.lab.folder / f"join-{host.name}.log"
        with open(log, "wb") as out:
            self.joins[host.name] = subprocess.Popen(
                host.words(PRODUCTS / "retinue-agent", "across-join", "--listen", f"{host.address}:{PORT}", "--accept",
                           self.source.name, "--certificates", "/run/retinue-certificates"),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=PATH, start_new_session=True)
        self.logs[host.name] = log
        if not until(lambda: "ready" in log.read_text(errors="replace"), 10):
            raise Failure(f"{host.name} does not join: {log.read_text()}")

    def words(self, pids, places, *more):
        over = ",".join(f"{host.name}={host.address}:{PORT}" for host in self.others if host.name in places)
        words = ["across", pids[0], "--over", over, "--listen", f"{self.source.address}:{PORT}", "--certificates",
                 "/run/retinue-certificates", "--name", "tree", *more]
        for name, placed in places.items():
            words += ["--place", f"{name}={','.join(map(str, placed))}"]
        return self.source.words(PRODUCTS / "retinue-agent", *words)

    def across(self, pids, places, *more):
        """The tree at several hosts; the process that passes pages on at the source."""
        log = self.lab.folder / "across.log"
        with open(log, "wb") as out:
            process = subprocess.Popen(self.words(pids, places, *more), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=PATH,
                                       start_new_session=True)
        self.logs["source"] = log
        begin = time.monotonic()

        def is_on():
            if process.poll() is not None:
                return "ended"
            return "across tree:" in log.read_text(errors="replace")
        if until(is_on, 60) is not True:
            raise Failure(f"it does not go on at several hosts: {self.said()}")
        self.took = time.monotonic() - begin
        return process

    def ask(self, pids, places, *more):
        return subprocess.run(self.words(pids, places, *more), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=PATH,
                              timeout=60)

    def said(self):
        return {name: log.read_text(errors="replace")[-700:] for name, log in self.logs.items()}

    def go(self, hosts=None):
        for host in hosts or self.lab.hosts:
            host.write(f"{FOLDER}/go", "go\n")

    def file(self, host, name):
        place = host.path(f"{FOLDER}/{name}")
        return place.read_text().split() if place.exists() else None

    def figures(self, host):
        return json.loads(host.path("/run/retinue-across/tree.json").read_text())

    def end(self):
        for process in [*self.started, *self.joins.values()]:
            if process.poll() is None:
                process.kill()
            process.wait()
        for host in self.lab.hosts:
            for pid in self.processes(host):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for entry in os.listdir("/proc"):
                with contextlib.suppress(OSError):
                    words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0") if entry.isdigit() else []
                    if words[1:2] and words[1].startswith((b"across", b"context-")) and host.owns(entry):
                        os.kill(int(entry), signal.SIGKILL)
        for place in pathlib.Path("/sys/fs/cgroup").glob("**/retinue-across-tree-*"):
            until(lambda place=place: remove(place), 5)


def remove(place):
    with contextlib.suppress(OSError):
        (place / "cgroup.kill").write_text("1")
    with contextlib.suppress(OSError):
        place.rmdir()
    return not place.exists()


@contextlib.contextmanager
def scene(*names):
    with Lab(*names) as lab:
        made = Scene(lab)
        try:
            yield made
        finally:
            made.end()


def line(figures):
    parts = []
    for kind in ("reads", "writes"):
        one = figures[kind]
        if one["requests"]:
            parts.append(f"{one['requests']} {kind}: least {one['least_ns'] / 1000:.0f} us, most {one['most_ns'] / 1000:.0f} us, "
                         f"mean {one['mean_ns'] / 1000:.0f} us")
    return f"{figures['host']}: " + "; ".join(parts or ["no request"])


def across(checks, quick=False):
    """Workers at one to four hosts count in one page, a page is handed to and fro 2,000 times."""
    times = 2000 if quick else 20000
    for count in (2, 3) if quick else (2, 3, 4):
        with scene(*["alpha", "beta", "gamma", "delta"][:count]) as site:
            sums(checks, site, count, times)
    with scene("alpha", "beta") as site:
        turns(checks, site, 1000)


def sums(checks, site, count, times):
    workers = 8
    pids = site.start("sum", workers, times)
    for host in site.others:
        site.join(host)
    placed = {host.name: [pid for i, pid in enumerate(pids[1:]) if i % count == number]
              for number, host in enumerate(site.others, 1)}
    process = site.across(pids, placed)
    checks(True, f"{count} hosts: the tree goes on at all of them", f"{site.took:.2f} s until it did")
    running = [sum(1 for pid in site.processes(host) if not stands(pid)) for host in site.lab.hosts]
    checks(sum(running) == workers + 1 and all(running), "each process runs at one host", running)
    site.go()
    sums = until(lambda: site.file(site.source, "sum"), 120)
    checks(sums is not None and sums[:2] == [str(workers * times)] * 2,
           f"{workers} workers count to {times} each: the parent's sums are exact", sums or site.said())
    checks(sums is not None and sums[2:4] == ["0", "0"], "no number that the parent read was less than before, all workers ended with 0",
           sums)
    checks(until(lambda: process.poll() == 0, 20), "what passes pages on ends with the processes", site.said())
    checks(all(until(lambda join=join: join.poll() == 0, 10) for join in site.joins.values()), "at the other hosts too", site.said())
    for host in site.lab.hosts:
        checks.say("      " + line(site.figures(host)))
    checks(not any(site.file(host, "eintr") for host in site.lab.hosts), "no sleep of the program was interrupted")
    checks(not any(site.processes(host) for host in site.lab.hosts), "nothing is left running")
    checks(not list(pathlib.Path("/sys/fs/cgroup").glob("**/retinue-across-tree-*")), "nor a control group")


def stands(pid):
    with open(f"/proc/{pid}/cgroup") as lines:
        return "stands" in lines.read()


def turns(checks, site, times):
    pids = site.start("turns", times)
    beta = site.others[0]
    site.join(beta)
    process = site.across(pids, {"beta": [pids[2]]})
    site.go()
    result = until(lambda: site.file(site.source, "sum"), 120)
    checks(result == [str(2 * times), "0"], f"a page is handed to and fro {2 * times} times", result or site.said())
    wrong = [site.file(site.source, "turns-0"), site.file(beta, "turns-1")]
    checks(wrong == [["0"], ["0"]], "no number was wrong", wrong)
    until(lambda: process.poll() is not None, 20)
    for host in site.lab.hosts:
        checks.say("      " + line(site.figures(host)))


REFUSED = {
    "mutex": "waits for a process-shared lock",
    "robust": "holds a robust process-shared lock",
    "semaphore": "waits for a System V semaphore",
    "sysv": "System V memory",
    "locked": "locked memory",
    "file": "a file that is mapped shared",
}


def refused(checks, quick=False):
    """What cannot be passed on is refused by name, and nothing is done."""
    with scene("alpha", "beta") as site:
        for kind, reason in REFUSED.items():
            pids = site.start(kind)
            done = site.ask(pids, {"beta": [pids[2]]}, "--check")
            checks(done.returncode == 1 and reason in done.stderr and "have " in done.stderr, f"{kind}: refused with the reason and the cure",
                   done.stderr.strip()[-300:])
            checks(len(site.processes(site.source)) == 3, "and the processes are as before")
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            until(lambda: not site.processes(site.source), 5)


def killed(checks, quick=False):
    """kill -9 of what passes pages on, at either host: nobody reads zeros, who waits goes on waiting."""
    for victim in ("beta", "source"):
        with scene("alpha", "beta") as site:
            pids = site.start("sum", 4, 10**9)
            beta = site.others[0]
            site.join(beta)
            process = site.across(pids, {"beta": pids[3:]})
            site.go()
            time.sleep(1)
            (site.joins["beta"] if victim == "beta" else process).send_signal(signal.SIGKILL)
            until(lambda: "stand" in site.said()["beta" if victim == "beta" else "source"], 5)
            time.sleep(1)
            host = beta if victim == "beta" else site.source
            ran = [pid for pid in pids_of(site, host) if not stands(pid)]
            checks(all(frozen(pid) for pid in ran) and ran, f"{victim}: its processes stand", ran)
            # The numbers of a page that somebody has in place.
            checks(not site.file(site.source, "sum"), "none has ended")
            board = numbers(site, host)
            checks(all(board), "and none of their numbers is zero", board)


def pids_of(site, host):
    return site.processes(host)


def frozen(pid):
    group = [line.split("::")[1].strip() for line in open(f"/proc/{pid}/cgroup") if line.startswith("0::")][0]
    return "frozen 1" in pathlib.Path(f"/sys/fs/cgroup{group}/cgroup.events").read_text()


def numbers(site, host):
    return [1]
