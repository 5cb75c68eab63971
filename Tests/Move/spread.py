"""Programs at several hosts at a time, behind one address."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import auto
from lab import HERE, PATH, Failure, Host, Lab, run, until
from services import PYTHON, LineClient, plan

PORT = 8080
CHECK = f"timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/{PORT} && printf \"GET / HTTP/1.0\\r\\n\\r\\n\" >&3 && grep -q 200 <&3'"
# What is not of the group: it has a Unix socket and shared memory of the server's, until it is killed.
OTHER = """import mmap, os, socket, sys, time
memory = mmap.mmap(os.open("/dev/shm/board", os.O_RDWR), 4096)
peer = socket.socket(socket.AF_UNIX)
peer.connect("/run/web.sock")
print("ready", flush=True)
time.sleep(1000)
"""
SHARING = """import mmap, os, socket, sys
sys.argv = ["x", "%d", "1"]
board = os.open("/dev/shm/board", os.O_RDWR | os.O_CREAT, 0o600)
os.ftruncate(board, 4096)
memory = mmap.mmap(board, 4096)
os.close(board)
listener = socket.socket(socket.AF_UNIX)
listener.bind("/run/web.sock")
listener.listen()
accepted = []
import threading
threading.Thread(target=lambda: [accepted.append(listener.accept()) for _ in range(9)], daemon=True).start()
import time
time.sleep(1000)
""" % PORT


class QuotaHost(auto.SmallHost):
    """A fifth of a processor: four of them, the client and the switch fit into two."""

    SHARE = 0.2


class Site:
    """The server at the first host, and its plan at it."""

    folder = "/srv/web"

    def __init__(self, lab, workers=3, log=False):
        self.lab, self.source, self.others = lab, lab.hosts[0], lab.hosts[1:]
        self.source.write(f"{self.folder}/server.py", (HERE / "spread_server.py").read_bytes())
        self.source.write(f"{self.folder}/data/old", "x" * 1000)
        words = [PYTHON, f"{self.folder}/server.py", str(PORT), str(workers)]
        self.source.spawn(*words, *([f"{self.folder}/data/log"] if log else []))
        made = plan(self.source, {"executable": PYTHON, "script": f"{self.folder}/server.py"},
                    packages=["python3.11-minimal", "libpython3.11-stdlib"], entries=[self.folder], ports=[PORT])
        made["hosts"][0]["entries"][0]["treatment"] = "pre-copy"
        self.plan = made
        self.save()
        self.source.start_agent()
        for host in self.others:
            host.start_agent("--accept", self.source.name)
        if not until(lambda: self.get(self.source), 20):
            raise Failure("the server does not answer")

    def save(self):
        self.source.write("/root/plan.json", json.dumps(self.plan))

    def over(self, hosts=None):
        return ",".join(f"{host.name}=[{host.address}]" if ":" in host.address else f"{host.name}={host.address}" for host in (self.others if hosts is None else hosts))

    def spread(self, *words, hosts=None):
        return self.source.move("spread", "/root/plan.json", "--name", "web", "--over", self.over(hosts), "--within", "30", *words)

    def drain(self, *words):
        return self.source.move("spread", "/root/plan.json", "--name", "web", "--drain", *words)

    def state(self):
        found = [one for one in self.source.status().get("spreads", []) if one["name"] == "web"]
        return found[0]["state"] if found else "none"

    def members(self):
        found = [one for one in self.source.status()["spreads"] if one["name"] == "web"]
        return {member["name"]: member["state"] for member in found[0]["members"]}

    def get(self, host):
        """(host's name, number of the request) of the server at a host, asked from there."""
        done = host.ask(PYTHON, "-c", "import urllib.request, sys; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())",
                        f"http://127.0.0.1:{PORT}/n")
        words = done.stdout.split()
        return (words[0], int(words[2])) if done.returncode == 0 and len(words) == 4 else None

    def left(self):
        """What a spread has left that is drained: tables, processes, copies, and whether the source passes packets on."""
        found = [line for host in self.lab.hosts for line in host.run("nft", "list", "tables").splitlines()]
        for host in self.lab.hosts:
            for entry in os.listdir("/proc"):
                with contextlib.suppress(OSError):
                    if entry.isdigit() and b"spreads/web" in pathlib.Path(f"/proc/{entry}/cmdline").read_bytes() and host.owns(entry):
                        found.append(f"{host.name}: process {entry}")
        for host in self.others:
            if self.get(host):
                found.append(f"{host.name} serves")
            cell = host.path("/var/lib/retinue-agent/cells/web")
            found += [f"{host.name}: {path.name}" for path in (cell / "root").glob("*")]
        if self.source.path("/proc/sys/net/ipv4/ip_forward").read_text().strip() != "0":
            found.append("ip_forward")
        if (loose := self.source.ask("cat", "/proc/sys/net/netfilter/nf_conntrack_tcp_loose").stdout.strip()) not in ("", "1"):
            found.append(f"nf_conntrack_tcp_loose {loose}")
        return found


def spread(checks):
    """Refused, spread, one killed, agents killed, drained, under readers that never pause."""
    with Lab("alpha", "beta", "gamma") as lab:
        site = Site(lab, log=True)
        alpha, beta, gamma = lab.hosts
        # What all would write, by name.
        done = site.spread("--check")
        checks(done.returncode == 1 and "writes /srv/web/data/log" in done.stdout and "--own" in done.stdout,
               "a file that all would write is refused by name, with the cure", done.stdout.splitlines()[1:2])
        site.plan["hosts"][0]["entries"].append({**site.plan["hosts"][0]["entries"][0], "path": "/srv/web/data", "treatment": "final-copy"})
        site.save()
        done = site.spread("--yes")
        checks(done.returncode == 1 and "the plan has the programs write /srv/web/data" in done.stderr and site.state() == "open",
               "so is one that the plan has as written", done.stderr[:200])
        checks(site.left() == [], "and nothing was done", site.left())
        done = site.spread("--own", "/srv/web/data", "--check")
        checks(done.returncode == 0 and "in turn" in done.stdout and "each replica has its own" in done.stdout,
               "what each may write for itself is not; what would be done is reported, and what is not seen across",
               [line.strip() for line in done.stdout.splitlines() if "shared memory" in line])
        checks(site.left() == [], "and nothing was done", site.left())
        refused_sharers(checks, site)

        client = LineClient(lab, "spread_client.py", alpha.address, PORT, 8)
        try:
            run_spread(checks, site, client)
        finally:
            client.end()


def refused_sharers(checks, site):
    """A Unix socket and shared memory that somebody else has as well."""
    alpha = site.source
    alpha.write("/srv/sharing/sharing.py", SHARING)
    alpha.write("/srv/other/other.py", OTHER)
    alpha.spawn(PYTHON, "/srv/sharing/sharing.py")
    made = json.loads(json.dumps(site.plan))
    made["hosts"][0]["programs"][0]["script"] = "/srv/sharing/sharing.py"
    made["hosts"][0]["entries"] = [{**made["hosts"][0]["entries"][0], "path": "/srv/sharing"}]
    alpha.write("/root/sharing.json", json.dumps(made))
    until(lambda: alpha.path("/run/web.sock").exists(), 10)
    other = subprocess.Popen(alpha.words(PYTHON, "/srv/other/other.py", group=False), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                             text=True, env=PATH)
    other.stdout.readline()
    words = ["/root/sharing.json", "--name", "sharing", "--over", site.over(), "--check"]
    done = alpha.move("spread", *words)
    other.kill()
    other.wait()
    checks(done.returncode == 1 and "/run/web.sock" in done.stdout and "/dev/shm/board" in done.stdout,
           "a Unix socket and shared memory that others use are refused by name",
           [line.strip()[:120] for line in done.stdout.splitlines() if "stands in the way" in line])
    done = alpha.move("spread", *words)
    checks("/run/web.sock" not in done.stdout and "/dev/shm/board" not in done.stdout, "and not when nobody else does", done.stdout[:300])
    for pid in alpha.group.members():
        with contextlib.suppress(OSError):
            if b"/srv/sharing/sharing.py" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


def run_spread(checks, site, client):
    alpha, beta, gamma = site.lab.hosts
    own = ["--own", "/srv/web/data", "--confirm", CHECK]
    time.sleep(1)
    mark = client.ask("mark")
    checks(mark["lost"] == 0 and set(mark["hosts"]) == {"alpha"}, "before, the source answers all", mark)
    done = site.spread(*own, "--yes")
    if not checks(done.returncode == 0, "it is spread", done.stderr.strip().splitlines()[-1:]):
        checks.say(done.stderr + alpha.agent_log() + beta.agent_log())
        return
    mark = client.ask("mark")
    checks(mark["lost"] == mark["twice"] == 0 and mark["answers"] == mark["requests"], "while it is being spread each request is answered once", mark)
    time.sleep(2)
    mark = client.ask("mark")
    shares = mark["hosts"]
    checks(mark["lost"] == mark["twice"] == 0 and set(shares) == {"alpha", "beta", "gamma"}, "each member gets requests", shares)
    checks(max(shares.values()) - min(shares.values()) <= 2 + 0.02 * mark["requests"], "and as many", shares)
    checks(site.members() == {"source": "up", "beta": "up", "gamma": "up"}, "status names the members", site.members())
    done = alpha.move("run", "/root/plan.json", "--to", f"beta={beta.address}", "--name", "web", "--yes")
    checks(done.returncode == 1 and "--drain" in done.stderr, "what is spread does not move", done.stderr.strip())

    gamma.kill_agent()
    gamma.end_cells()
    checks(bool(until(lambda: site.members()["gamma"] == "down", 10)), "a member that was killed is taken out by the check", site.members())
    mark = client.ask("mark")
    checks.say(f"      lost between its end and that: {mark['lost']} of {mark['requests']} requests")
    time.sleep(1)
    mark = client.ask("mark")
    checks(mark["lost"] == 0 and set(mark["hosts"]) == {"alpha", "beta"}, "and the others answer all", mark)
    alpha.kill_agent()
    time.sleep(0.5)
    mark = client.ask("mark")
    checks(mark["lost"] == 0 and set(mark["hosts"]) == {"alpha", "beta"}, "without the source's agent they go on", mark)
    gamma.start_agent()
    alpha.start_agent()
    checks(bool(until(lambda: site.state() == "spread" and site.members()["gamma"] == "up", 15)), "with its agent a member is started again, and taken in",
           site.members())
    client.ask("mark")
    time.sleep(1)
    mark = client.ask("mark")
    checks(mark["lost"] == 0 and set(mark["hosts"]) == {"alpha", "beta", "gamma"}, "all answer again", mark)

    client.ask("slow 6")
    begun = time.monotonic()
    done = site.drain()
    took = time.monotonic() - begun
    checks(done.returncode == 0, "drained", done.stderr.strip().splitlines()[-1:])
    slow = client.ask("slowly")
    checks(len(slow) == 6 and not any(host.startswith("lost") for host in slow) and set(slow) & {"beta", "gamma"},
           "which waits for answers of replicas that take seconds", f"{slow}, drained in {took:.1f} s")
    mark = client.ask("mark")
    checks(mark["lost"] == mark["twice"] == 0 and mark["answers"] == mark["requests"], "while it is drained each request is answered once", mark)
    time.sleep(0.5)
    mark = client.ask("mark")
    checks(mark["lost"] == 0 and set(mark["hosts"]) == {"alpha"}, "then the source answers all", mark)
    checks(site.left() == [], "no table, no process and no copy is left", site.left())
    checks(site.state() == "open", "status", site.state())

    # Another balancer, and without the source.
    for words, names in ((["--balancer", "haproxy"], {"alpha", "beta", "gamma"}), (["--without-source"], {"beta", "gamma"}),
                         (["--static"], {"alpha", "beta", "gamma"})):
        what = " ".join(words)
        done = site.spread(*own, *words, "--yes")
        if not checks(done.returncode == 0, f"{what}: spread", done.stderr.strip().splitlines()[-1:]):
            continue
        before = client.ask("mark")
        time.sleep(1)
        mark = client.ask("mark")
        checks(before["lost"] == mark["lost"] == 0 and set(mark["hosts"]) == names, f"{what}: each member answers, none is lost", (before, mark["hosts"]))
        if "haproxy" in words:
            alpha.kill_agent()
            alpha.start_agent()
            mark = client.ask("mark")
            checks(mark["lost"] == 0 and site.state() == "spread", f"{what}: the source's agent killed and started", mark)
        done = site.drain()
        mark = client.ask("mark")
        checks(done.returncode == 0 and mark["lost"] == mark["twice"] == 0, f"{what}: drained, none is lost", (done.stderr[-200:] if done.returncode else mark))
        checks(site.left() == [], f"{what}: nothing is left", site.left())


def replica(host):
    """Processes that run in a cell of a host."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{entry}/root").endswith("/cells/web/root") and host.owns(entry):
                yield int(entry)


def kill_member(host):
    """Kills the agent and the replica of a host; when all its processes were gone, by the clock."""
    host.kill_agent()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            if words[1:2] == [b"cell"] and host.owns(entry):
                # The first process of its namespace goes when all others have.
                os.kill(int(entry), signal.SIGKILL)
                until(lambda: not os.path.exists(f"/proc/{entry}"), 10, 0.001)
                return time.time()
    raise Failure(f"no replica runs at {host.name}")


def probed(checks):
    """A member that takes connections and answers with an error is taken out, by either balancer; one that is killed behind haproxy."""
    with Lab("alpha", "beta", "gamma") as lab:
        site = Site(lab)
        alpha, beta, gamma = lab.hosts
        broken = beta.path("/var/lib/retinue-agent/cells/web/root/srv/web/broken")
        client = LineClient(lab, "spread_client.py", alpha.address, PORT, 8)

        def shares(names, seconds=15):
            """Whether these alone answer, after some time; and what was lost until then and at last."""
            end, lost = time.monotonic() + seconds, 0
            client.ask("mark")
            while True:
                time.sleep(0.5)
                mark = client.ask("mark")
                lost += mark["lost"]
                if set(mark["hosts"]) == names or time.monotonic() > end:
                    return set(mark["hosts"]) == names, lost, mark

        try:
            for words in (["--probe", "true", "--balancer", "haproxy"], ["--probe", "http:/health", "--static"], ["--probe", "http://web/"]):
                done = site.spread(*words, "--yes")
                checks(done.returncode != 0 and "--probe" in done.stderr and site.left() == [], f"{' '.join(words)}: refused", done.stderr.strip()[:160])
            for balancer in ("nft", "haproxy"):
                what = f"--balancer {balancer} --probe http:/health"
                done = site.spread("--balancer", balancer, "--probe", "http:/health", "--yes")
                if not checks(done.returncode == 0, f"{what}: spread", done.stderr.strip().splitlines()[-1:]):
                    checks.say(alpha.agent_log())
                    continue
                checks(shares({"alpha", "beta", "gamma"})[0], f"{what}: all answer")
                broken.write_text("")
                holds, lost, mark = shares({"alpha", "gamma"})
                checks(holds and lost == 0, f"{what}: a member that takes connections and answers 500 is taken out, no request is lost", mark)
                if balancer == "nft":
                    checks(site.members() == {"source": "up", "beta": "down", "gamma": "up"}, f"{what}: status says so", site.members())
                broken.unlink()
                holds, lost, mark = shares({"alpha", "beta", "gamma"})
                checks(holds and lost == 0, f"{what}: it is taken in again when it answers 200, no request is lost", mark)
                if balancer == "haproxy":
                    client.ask("mark")
                    gone = kill_member(gamma)
                    time.sleep(2)
                    mark = client.ask("mark")
                    late = mark.get("last_lost", 0) - gone
                    # Its processes end one after the other: a reader may meet it twice.
                    checks(late <= 0 and mark["lost"] <= 16 and mark["requests"] > 100 and mark["twice"] == 0,
                           f"{what}: of a member that is killed no request is lost that begins when it is gone, by 8 readers",
                           f"{mark}, the last one {late * 1000:.0f} ms from then" if mark["lost"] else mark)
                    time.sleep(1)
                    mark = client.ask("mark")
                    checks(mark["lost"] == 0 and set(mark["hosts"]) == {"alpha", "beta"}, f"{what}: the others answer all", mark)
                    gamma.start_agent()
                    holds, lost, mark = shares({"alpha", "beta", "gamma"})
                    checks(holds and lost == 0, f"{what}: started again it is taken in", mark)
                done = site.drain()
                mark = client.ask("mark")
                checks(done.returncode == 0 and mark["lost"] == 0 and site.left() == [], f"{what}: drained, nothing is lost or left",
                       (done.stderr[-200:], mark["lost"], site.left()))
        finally:
            client.end()
        hanging(checks, site)


def hanging(checks, site):
    """A member that takes connections and is silent for ever is taken out, and does not keep the others from being asked."""
    alpha, beta, gamma = site.lab.hosts
    done = site.spread("--probe", "http:/health", "--yes")
    checks(done.returncode == 0, "spread once more", done.stderr.strip().splitlines()[-1:])
    stopped = list(replica(beta))
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    checks(stopped and until(lambda: site.members()["beta"] == "down", 10), "a member that takes connections and answers nothing is taken out",
           f"after {time.monotonic() - began:.1f} s")
    gamma.path("/var/lib/retinue-agent/cells/web/root/srv/web/broken").write_text("")
    began = time.monotonic()
    down = until(lambda: site.members()["gamma"] == "down", 10)
    took = time.monotonic() - began
    # Asked behind the one that is silent it would be twice two seconds.
    checks(down and took < 3, "and another one that answers 500 as soon as without it", f"after {took:.1f} s")
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    checks(until(lambda: site.members()["beta"] == "up", 10), "it is taken in when it answers", site.members())
    done = site.drain()
    checks(done.returncode == 0 and site.left() == [], "drained, nothing is left", (done.stderr[-200:], site.left()))


class SixHost(Host):
    """Other agents reach it by IPv6, which is all that a spread knows of it."""

    def __init__(self, lab, name, number):
        super().__init__(lab, name, number)
        if number == 1:
            lab.command("ip", "addr", "add", "fd77::fe/64", "dev", "switch", "nodad")
        self.address = f"fd77::{number}"
        self.run("ip", "addr", "add", f"{self.address}/64", "dev", "eth0", "nodad")


def six(checks):
    """By IPv6: two copies beside the source, by either balancer, under readers that never pause."""
    with Lab("alpha", "beta", "gamma", kind=SixHost) as lab:
        site = Site(lab)
        alpha, beta, gamma = lab.hosts
        client = LineClient(lab, "spread_client.py", alpha.address, PORT, 8)
        try:
            done = site.spread("--check")
            checks(done.returncode == 1 and "sysctl net.ipv6.conf.all.forwarding=1" in done.stdout, "a host that does not pass IPv6 on: refused, with the cure",
                   [line.strip() for line in done.stdout.splitlines() if "forwarding" in line])
            done = site.spread("--balancer", "haproxy", "--check")
            checks(done.returncode == 0, "haproxy connects by itself", done.stdout[-300:] if done.returncode else "")
            for words, names in ((["--balancer", "haproxy", "--probe", "http:/health"], {"alpha", "beta", "gamma"}),
                                 (["--probe", "http:/health"], {"alpha", "beta", "gamma"}),
                                 (["--address", "fd77::1/64", "--without-source"], {"beta", "gamma"}), (["--static"], {"alpha", "beta", "gamma"})):
                what = " ".join(words)
                if "haproxy" not in words:
                    alpha.run("sysctl", "-q", "-w", "net.ipv6.conf.all.forwarding=1")
                client.ask("mark")
                done = site.spread(*words, "--yes")
                if not checks(done.returncode == 0, f"{what}: spread", done.stderr.strip().splitlines()[-1:]):
                    checks.say(alpha.agent_log())
                    continue
                mark = client.ask("mark")
                checks(mark["lost"] == mark["twice"] == 0, f"{what}: while it is being spread none is lost", mark)
                time.sleep(1)
                mark = client.ask("mark")
                checks(mark["lost"] == 0 and set(mark["hosts"]) == names, f"{what}: each member answers, none is lost", mark)
                if "http:/health" in words:
                    beta.path("/var/lib/retinue-agent/cells/web/root/srv/web/broken").write_text("")
                    until(lambda: "beta" not in client.ask("mark")["hosts"], 15, 0.5)
                    time.sleep(0.5)
                    mark = client.ask("mark")
                    checks(mark["lost"] == 0 and set(mark["hosts"]) == {"alpha", "gamma"}, f"{what}: one that answers 500 is taken out", mark)
                    client.ask("mark")
                    gamma.kill_agent()
                    gamma.end_cells()
                    time.sleep(2)
                    killed = client.ask("mark")
                    time.sleep(0.5)
                    mark = client.ask("mark")
                    checks(mark["lost"] == 0 and set(mark["hosts"]) == {"alpha"}, f"{what}: one that is killed as well",
                           f"{mark}; lost until then {killed['lost']} of {killed['requests']}")
                    gamma.start_agent()
                client.ask("mark")
                done = site.drain()
                mark = client.ask("mark")
                checks(done.returncode == 0 and mark["lost"] == mark["twice"] == 0, f"{what}: drained, none is lost", (done.stderr[-200:] if done.returncode else mark))
                checks(site.left() == [], f"{what}: nothing is left", site.left())
        finally:
            client.end()


def faulty(checks):
    """kill -9 of the source's agent at each line of a spread: it is spread, or nothing of it is left; no request is lost."""
    with Lab("alpha", "beta", "gamma") as lab:
        site = Site(lab)
        alpha, beta, gamma = lab.hosts
        client = LineClient(lab, "spread_client.py", alpha.address, PORT, 4)
        lines = ["replicate:begun", "precopy:done", "freeze:begun", "start:begun", "start:done", "admit:begun", "admit:done", "replicate:done",
                 "balance:begun", "balance:done", "drain:begun", "start:undone", "balance:undone", "replicate:undone", "drain:undone"]
        try:
            for line in lines:
                is_drain = line.startswith("drain") or line.endswith("undone")
                if is_drain and site.state() != "spread":
                    site.spread("--yes")
                alpha.kill_agent()
                options = list(alpha.options)
                alpha.start_agent(*options, "--die-at", line)
                done = site.drain() if is_drain else site.spread("--yes")
                died = until(lambda: not alpha.agent_lives(), 5)
                checks(bool(died) and done.returncode != 0, f"the agent dies at {line}", done.stderr.strip()[-80:])
                alpha.options = options
                alpha.start_agent()
                state = until(lambda: site.state() if site.state() in ("open", "spread") else None, 30, 0.2)
                mark = client.ask("mark")
                checks(mark["lost"] == mark["twice"] == 0, f"{line}: no request is lost", mark)
                if line == "balance:done":
                    checks(state == "spread", f"{line}: it is spread", state)
                    time.sleep(0.5)
                    mark = client.ask("mark")
                    checks(len(mark["hosts"]) == 3, f"{line}: over all", mark)
                    done = site.drain()
                    checks(done.returncode == 0, f"{line}: drained", done.stderr)
                else:
                    checks(state == "open", f"{line}: it is at the source alone", state)
                checks(site.left() == [], f"{line}: nothing is left", site.left())
            # The other hosts' agents.
            for line in ("start:done", "admit:begun"):
                beta.kill_agent()
                options = list(beta.options)
                beta.start_agent(*options, "--die-at", line)
                done = site.spread("--yes")
                until(lambda: not beta.agent_lives(), 5)
                beta.options = options
                beta.start_agent()
                state = until(lambda: site.state() == "open", 40, 0.5)
                mark = client.ask("mark")
                checks(done.returncode != 0 and state and mark["lost"] == 0 and site.left() == [], f"beta's agent dies at {line}: undone, nothing is left, none lost",
                       (done.stderr.strip()[-160:], site.state(), site.left(), mark))
            # A member that nobody reaches is ended when it is reached again.
            site.spread("--yes")
            beta.kill_agent()
            done = site.drain()
            checks(done.returncode == 1 and "is ended when the agent there answers" in done.stderr and site.state() == "draining",
                   "a host whose agent does not answer is named", done.stderr.strip()[-160:])
            beta.start_agent()
            checks(bool(until(lambda: site.state() == "open", 30, 0.5)) and site.left() == [], "and drained when it answers", (site.state(), site.left()))
        finally:
            client.end()


def rate(lab, address, page, concurrency=10, requests=1000):
    """Requests a second, by ab(1), from the switch; nothing may be lost."""
    done = lab.client("ab", "-q", "-c", concurrency, "-n", requests, f"http://{address}:{PORT}{page}", stdin=subprocess.DEVNULL,
                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    text = done.communicate(timeout=600)[0]
    found = {name: re.search(pattern, text) for name, pattern in (
        ("rate", r"Requests per second: +([0-9.]+)"), ("complete", r"Complete requests: +(\d+)"), ("failed", r"Failed requests: +(\d+)"))}
    if not all(found.values()) or int(found["complete"][1]) != requests or int(found["failed"][1]):
        raise Failure(f"ab: {text[-600:]}")
    return float(found["rate"][1])


def figures(checks):
    """`ab -c 10 -n 1000` of a page of 1,465 bytes and of one that takes a processor, over 1 to 4 hosts with a fifth of a processor each."""
    times = int(os.environ.get("RETINUE_TIMES", "3"))
    with Lab("alpha", "beta", "gamma", "delta", kind=QuotaHost) as lab:
        def limit(share):
            # For what is measured alone: agents that copy have all there is.
            for host in lab.hosts:
                host.quota.limit(share)

        limit(None)
        site = Site(lab, workers=4)
        alpha = lab.alpha
        single = {}
        checks.say(f"      ab -c 10 -n 1000, requests a second, median of {times}; in brackets beside the number of hosts times one host")
        for count in (1, 2, 3, 4):
            for kind in ([], ["--static"]) if count > 1 else ([],):
                if count > 1:
                    done = site.spread(*kind, "--yes", hosts=site.others[:count - 1])
                    if not checks(done.returncode == 0, f"spread over {count}", done.stderr.strip().splitlines()[-1:]):
                        return
                limit(QuotaHost.SHARE)
                time.sleep(1)
                words = []
                for page in ("/", "/sum"):
                    rates = sorted(rate(lab, alpha.address, page) for _ in range(times))
                    single.setdefault(page, rates[times // 2])
                    ideal = single[page] * count
                    words.append(f"{page} {rates[times // 2]:.1f} ({rates[times // 2] / ideal * 100 - 100:+.1f} %)")
                checks.say(f"      {count} {'static ' if kind else 'dynamic'}: {', '.join(words)}; load {os.getloadavg()[0]:.1f}")
                limit(None)
                if count > 1:
                    done = site.drain()
                    checks(done.returncode == 0 and site.left() == [], f"drained from {count}", (done.stderr[-200:], site.left()) if done.returncode else "")
