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

import auto
from lab import HERE, PATH, PRODUCTS, Failure, Host, Lab, run, until
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
        wanted = int(words[1]) if words[0] in ("sum", "unlinked", "watch") else 2

        def tree():
            found = self.processes(self.source)
            return found if len(found) == wanted + 1 else None
        pids = until(tree, 10)
        if not pids:
            raise Failure(f"the program does not run: {words}")
        time.sleep(0.1)
        return pids

    program = PROGRAM

    def processes(self, host):
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{entry}/exe") == self.program and host.owns(entry):
                        if ") Z " not in pathlib.Path(f"/proc/{entry}/stat").read_text():
                            found.append(int(entry))
        return sorted(found)

    def join(self, host):
        log = self.lab.folder / f"join-{host.name}.log"
        with open(log, "wb") as out:
            self.joins[host.name] = subprocess.Popen(
                host.words(PRODUCTS / "retinue-agent", "across-join", "--once", "--listen", f"{host.address}:{PORT}", "--accept",
                           self.source.name, "--certificates", "/run/retinue-certificates"),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=PATH, start_new_session=True)
        self.logs[host.name] = log
        if not until(lambda: "ready" in log.read_text(errors="replace"), 10):
            raise Failure(f"{host.name} does not join: {log.read_text()}")

    def words(self, pids, places, *more):
        over = ",".join(f"{host.name}={host.address}:{PORT}" for host in self.others if host.name in places)
        words = ["move", "across", pids[0], "--over", over, "--listen", f"{self.source.address}:{PORT}", "--certificates",
                 "/run/retinue-certificates", "--name", "tree", *more]
        for name, placed in places.items():
            words += ["--place", f"{name}={','.join(map(str, placed))}"]
        return self.source.words(PRODUCTS / "retinue", *words)

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
def scene(*names, kind=Scene, hosts=Host):
    with Lab(*names, kind=hosts) as lab:
        made = kind(lab)
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
        sums(checks, site, 2, times, "unlinked")
    with scene("alpha", "beta") as site:
        turns(checks, site, 1000)
        signals(checks, site)


def sums(checks, site, count, times, kind="sum"):
    workers = 8
    pids = site.start(kind, workers, times)
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


def signals(checks, site):
    pids = site.start("signals")
    beta = site.others[0]
    site.join(beta)
    process = site.across(pids, {"beta": [pids[2]]})
    site.go()
    result = until(lambda: site.file(site.source, "sum"), 60)
    checks(result == ["5", "5", "a00", "b00"], "each of five signals to a worker at another host reaches it, and its parent gets its status",
           result or site.said())
    checks(until(lambda: process.poll() == 0, 20), "what passes pages on ends with the processes", site.said())


def windows(checks, quick=False):
    """The time of a page by how long one stays that has come."""
    for window in (0, 100) if quick else (0, 30, 100, 300, 1000):
        with scene("alpha", "beta") as site:
            turns(checks, site, 1000, "--window", window)


def turns(checks, site, times, *more):
    pids = site.start("turns", times)
    beta = site.others[0]
    site.join(beta)
    process = site.across(pids, {"beta": [pids[2]]}, *more)
    begin = time.monotonic()
    site.go()
    result = until(lambda: site.file(site.source, "sum"), 120)
    took = time.monotonic() - begin
    checks(result == [str(2 * times), "0"], " ".join([f"a page is handed to and fro {2 * times} times,", *map(str, more), f"in {took:.2f} s"]),
           result or site.said())
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
    "named": "memory with a name",
    "memfd": "a descriptor of it is open",
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
            # The first one last, which removes what has a name.
            for pid in reversed(pids):
                os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)
            with contextlib.suppress(OSError):
                site.source.path("/dev/shm/retinue-across").unlink()
            until(lambda: not site.processes(site.source), 5)


    undone(checks)


def undone(checks):
    """What one host refuses is undone at all, and the processes go on where they were; locks that are used later are said."""
    with scene("alpha", "beta", "gamma") as site:
        pids = site.start("sum", 4, 2000)
        for host in site.others:
            site.join(host)
        site.lab.gamma.run("mv", PROGRAM, PROGRAM + ".away")
        done = site.ask(pids, {"beta": pids[1:2], "gamma": pids[2:3]})
        checks(done.returncode == 1 and PROGRAM in done.stderr, "a host that has not the program refuses, by name", done.stderr.strip()[-300:])
        checks(not any(stands(pid) for pid in site.processes(site.source)) and len(site.processes(site.source)) == 5, "all run here again")
        checks(until(lambda: not site.processes(site.lab.beta), 5), "nothing of them is left at the host that had taken them", site.said())
        site.go()
        result = until(lambda: site.file(site.source, "sum"), 60)
        checks(result and result[:4] == ["8000", "8000", "0", "0"], "and they count as if nothing had been", result)
        checks(not list(pathlib.Path("/sys/fs/cgroup").glob("**/retinue-across-tree-*")), "no control group is left")
    with scene("alpha", "beta") as site:
        pids = site.start("late")
        site.join(site.others[0])
        site.across(pids, {"beta": [pids[2]]})
        site.go()
        said = until(lambda: any("waits for a process-shared lock" in text for text in site.said().values()), 10)
        checks(said, "a process-shared lock that is used later is said by name", [text[-250:] for text in site.said().values()])


def killed(checks, quick=False):
    """kill -9 of what passes pages on, at either host: nobody reads zeros, who waits goes on waiting."""
    for victim in ("beta", "source"):
        with scene("alpha", "beta") as site:
            pids = site.start("watch", 4)
            beta = site.others[0]
            site.join(beta)
            process = site.across(pids, {"beta": pids[3:]})
            site.go()
            time.sleep(1)
            name, host = ("beta", beta) if victim == "beta" else ("source", site.source)
            ours = [pid for pid in site.processes(host) if not stands(pid)]
            (site.joins["beta"] if victim == "beta" else process).send_signal(signal.SIGKILL)
            said = until(lambda: "stand, since they would read zeros" in site.logs[name].read_text(errors="replace"), 5)
            checks(said, f"{victim} killed: it is said what stands, why, and what ends it", site.said()[name][-300:])
            checks(len(ours) > 1 and until(lambda: all(frozen(pid) for pid in ours), 5), "the processes that ran there stand", ours)
            time.sleep(2)
            checks(not any(site.file(host, "less") for host in site.lab.hosts), "nobody at either host has read a number that was less than before")
            other = site.source if victim == "beta" else beta
            alive = [pid for pid in site.processes(other) if not stands(pid)]
            checks(len(alive) >= 2, "those of the other host are there, and wait", [state(pid) for pid in alive])
            if victim == "beta":
                checks("beta is lost" in site.said()["source"], "which is said", site.said()["source"][-200:])
            group = group_of(ours[0])
            (group / "cgroup.kill").write_text("1")
            checks(until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() and not ended(pid) for pid in ours), 5), "what it says ends them")
            checks(until(lambda: not holders(host), 5), "and what had kept the descriptors open", holders(host))


def group_of(pid):
    with open("/proc/self/mounts") as lines:
        mount = next(line.split(" ")[1] for line in lines if line.split(" ")[2] == "cgroup2")
    with open(f"/proc/{pid}/cgroup") as lines:
        return pathlib.Path(mount + next(line.split("::")[1].strip() for line in lines if line.startswith("0::")))


def frozen(pid):
    return "frozen 1" in (group_of(pid) / "cgroup.events").read_text()


def state(pid):
    """Where a process waits in the kernel."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/wchan").read_text()


def ended(pid):
    with contextlib.suppress(OSError):
        return ") Z " in pathlib.Path(f"/proc/{pid}/stat").read_text()
    return True


def holders(host):
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if entry.isdigit() and b"across-hold" in pathlib.Path(f"/proc/{entry}/cmdline").read_bytes() and host.owns(entry):
                found.append(entry)
    return found


# Debian's, as it is, but for where its files lie. One listener: no lock between its workers.
APACHE = """ServerRoot /srv/httpd
PidFile /srv/httpd/httpd.pid
Listen 80
ServerName localhost
LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
LoadModule status_module /usr/lib/apache2/modules/mod_status.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule cgi_module /usr/lib/apache2/modules/mod_cgi.so
ScriptAlias /sum /srv/httpd/sum
TypesConfig /etc/mime.types
ErrorLog /dev/null
DocumentRoot /srv/httpd/site
KeepAlive Off
ExtendedStatus On
StartServers 20
MinSpareServers 1
MaxSpareServers 40
MaxRequestWorkers 20
MaxConnectionsPerChild 0
<Location /server-status>
    SetHandler server-status
</Location>
"""


class Site(Scene):
    """Apache of Debian with twenty workers."""

    program = "/usr/sbin/apache2"

    def begin(self):
        for host in self.lab.hosts:
            host.write("/srv/httpd/httpd.conf", APACHE)
            host.write("/srv/httpd/site/page", b"x" * 1465)
            # A program of its own for each request, which takes a processor for some milliseconds.
            host.write("/srv/httpd/sum", "#!/bin/sh\ni=0; while [ $i -lt 3000 ]; do i=$((i+1)); done\nprintf 'Content-Type: text/plain\\n\\n%s\\n' $i\n")
            host.run("chmod", "755", "/srv/httpd/sum")
            if not host.path("/etc/mime.types").exists():
                host.write("/etc/mime.types", "text/plain txt\n")
        self.source.spawn("sh", "-c", f"exec {self.program} -f /srv/httpd/httpd.conf -k start -DFOREGROUND < /dev/null > /dev/null 2>&1")
        if not until(lambda: len(self.processes(self.source)) == 21 and self.total(self.source) is not None, 20):
            raise Failure("apache2 does not run: " + (self.source.folder / "service.log").read_text()[-500:])
        first = int(self.source.path("/srv/httpd/httpd.pid").read_text())
        return [first] + [pid for pid in self.processes(self.source) if pid != first]

    def total(self, host):
        """What /server-status has counted, asked of a host."""
        done = subprocess.run(["nsenter", f"--target={self.lab.keeper.pid}", "--net", "curl", "-s", "--max-time", "20",
                               f"http://{host.address}/server-status?auto"], capture_output=True, text=True, env=PATH)
        found = re.search(r"^Total Accesses: (\d+)$", done.stdout, re.M)
        return int(found[1]) if found else None

    def load(self, requests, concurrency=10, page="/page"):
        """`ab` at every host at a time; requests a second of all, and how many were answered."""
        clients = [self.lab.client("ab", "-q", "-n", requests, "-c", concurrency, f"http://{host.address}{page}", stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True) for host in self.lab.hosts]
        begin = time.monotonic()
        texts = [client.communicate(timeout=300)[0] for client in clients]
        took = time.monotonic() - begin
        whole = [int(re.search(r"Complete requests: +(\d+)", text)[1]) if "Complete requests" in text else 0 for text in texts]
        failed = [int(re.search(r"Failed requests: +(\d+)", text)[1]) if "Failed requests" in text else -1 for text in texts]
        return sum(whole) / took, whole, failed


def apache(checks, quick=False):
    """Debian's Apache (prefork, twenty workers) at one to four hosts: /server-status counts every request."""
    requests = 300 if quick else 1000
    for count in (2,) if quick else (1, 2, 3, 4):
        with scene(*["alpha", "beta", "gamma", "delta"][:count], kind=Site) as site:
            pids = site.begin()
            if count > 1:
                for host in site.others:
                    site.join(host)
                placed = {host.name: [pid for i, pid in enumerate(pids[1:]) if i % count == number]
                          for number, host in enumerate(site.others, 1)}
                process = site.across(pids, placed, "--lossy")
            before = site.total(site.source)
            rate, whole, failed = site.load(requests)
            checks(whole == [requests] * count and not any(failed), f"{count} hosts: each answers its {requests} requests", [whole, failed])
            # The first question was answered behind the count that it got.
            after = [site.total(host) for host in site.lab.hosts]
            wanted = [before + 1 + requests * count + number for number in range(count)]
            checks(after == wanted, f"/server-status of each host counts every request of all, {rate:.0f} requests/s", [before, after, wanted])
            if count > 1:
                for host in site.lab.hosts:
                    checks.say("      " + line(site.figures(host)))
                os.kill(pids[0], signal.SIGTERM)
                checks(until(lambda: process.poll() == 0, 30), "the parent's end ends them all", site.said())
                checks(not any(site.processes(host) for host in site.lab.hosts), "at all hosts")


class ShareHost(auto.ShareHost):
    """A fifth of a processor: four of them, the client and the switch fit into two."""

    SHARE = 0.2


def apache_shares(checks, quick=False):
    """Debian's Apache at one to four hosts with a fifth of a processor each: requests a second of a static page and of a program's."""
    single = {}
    for count in (1, 2) if quick else (1, 2, 3, 4):
        with scene(*["alpha", "beta", "gamma", "delta"][:count], kind=Site, hosts=ShareHost) as site:
            # For what is measured alone.
            for host in site.lab.hosts:
                host.quota.limit(None)
            pids = site.begin()
            if count > 1:
                for host in site.others:
                    site.join(host)
                site.across(pids, {host.name: [pid for i, pid in enumerate(pids[1:]) if i % count == number]
                                   for number, host in enumerate(site.others, 1)}, "--lossy")
            for host in site.lab.hosts:
                host.quota.limit(ShareHost.SHARE)
            words, sent = [], 0
            for page, requests in (("/page", 200 if quick else 1000), ("/sum", 40 if quick else 200)):
                before, total = site.total(site.source), requests // count * count
                rate, whole, failed = site.load(requests // count, concurrency=10, page=page)
                after = site.total(site.source)
                checks(sum(whole) == total and not any(failed), f"{count} hosts, {page}: each answers its requests", [whole, failed])
                checks(after == before + 1 + total, "and /server-status counts all of them", [before, after])
                single.setdefault(page, rate)
                words.append(f"{page} {rate:.1f} requests/s ({rate / (single[page] * count) * 100 - 100:+.1f} %)")
            checks.say(f"      {count} hosts: {', '.join(words)}; load {os.getloadavg()[0]:.1f}")
            if count > 1:
                for host in site.lab.hosts:
                    checks.say("      " + line(site.figures(host)))
