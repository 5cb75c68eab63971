"""Placement: what a scheduler proposes for hosts that have more to do than others, and what comes of it."""

import json
import os
import pathlib
import signal
import time

from lab import HERE, Failure, Host, Lab, until
from services import PYTHON, SERVICE_ADDRESS, plan

#: Of one processor, for each host.
SHARE = 0.4
#: Seconds of a processor that a job takes.
WORK = 30


class Quota:
    """A control group that leaves what is in it a share of one processor."""

    def __init__(self, name, share):
        with open("/proc/self/mounts") as lines:
            mounts = [line.split(" ")[1:4] for line in lines]
        old = [place for place, kind, options in mounts if kind == "cgroup" and "cpu" in options.split(",")]
        new = [place for place, kind, _ in mounts if kind == "cgroup2"]
        self.folder = pathlib.Path((old or new)[0]) / f"retinue-quota-{os.getpid()}-{name}"
        self.folder.mkdir()
        self.is_old = bool(old)
        self.limit(share)

    def limit(self, share):
        """Nothing for as much as there is."""
        period = 20000
        if self.is_old:
            (self.folder / "cpu.cfs_period_us").write_text(str(period))
            (self.folder / "cpu.cfs_quota_us").write_text(str(int(period * share) if share else -1))
        else:
            (self.folder / "cpu.max").write_text(f"{int(period * share) if share else 'max'} {period}")

    def end(self):
        def removed():
            try:
                self.folder.rmdir()
            except OSError:
                return not self.folder.exists()
            return True

        until(removed, 10)


class OwnHost(Host):
    """A host that sees its own processes alone."""

    OWN_PROCESSES = True


class ShareHost(Host):
    """A host with a share of a processor for all of its processes."""

    SHARE = SHARE

    def __init__(self, lab, name, number):
        self.quota = Quota(name, self.SHARE)
        super().__init__(lab, name, number)

    def words(self, *words, group=True):
        return ["sh", "-c", f'echo $$ > {self.quota.folder}/cgroup.procs && exec "$@"', "sh", *super().words(*words, group=group)]

    def end(self):
        super().end()
        self.quota.end()


class SmallHost(ShareHost, OwnHost):
    """One that sees its own processes alone, too."""


class Jobs:
    """Jobs at alpha, and a policy that lets them run at either host."""

    def __init__(self, kind, count, work, **policy):
        self.lab = Lab("alpha", "beta", kind=kind)
        self.alpha, self.beta = self.lab.alpha, self.lab.beta
        self.names = [f"job{number}" for number in range(1, count + 1)]
        moves = []
        for name in self.names:
            folder = f"/srv/{name}"
            self.alpha.write(f"{folder}/job.py", (HERE / "job.py").read_bytes())
            text = plan(self.alpha, {"executable": PYTHON, "script": f"{folder}/job.py"},
                        packages=["python3.11-minimal", "libpython3.11-stdlib"], entries=[folder])
            # Each by its own words: they have no control group that tells them apart.
            text["hosts"][0]["programs"][0].pop("workload")
            for host in (self.alpha, self.beta):
                host.write(f"/root/{name}.json", json.dumps(text))
            moves.append({"name": name, "plan": f"{name}.json"})
        self.policy = {"schema": "retinue-placement/1", "hosts": [
            {"host": f"{host.name}={host.address}", "processors": SHARE} for host in (self.alpha, self.beta)], "moves": moves, **policy}
        for host in (self.alpha, self.beta):
            host.write("/root/placement.json", json.dumps(self.policy))
        self.alpha.start_agent("--accept", "beta", "--obey", "beta", "--placement", "/root/placement.json")
        self.beta.start_agent("--accept", "alpha", "--obey", "alpha")
        for name in self.names:
            self.alpha.spawn(PYTHON, f"/srv/{name}/job.py", f"/srv/{name}", str(work))
        self.began = time.time()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lab.end()

    def done(self, name):
        """When a job was done; nothing before."""
        places = [self.alpha.path(f"/srv/{name}/done"),
                  *self.beta.path("/var/lib/retinue-agent/cells").glob(f"{name}*/root/srv/{name}/done")]
        found = [float(place.read_text()) for place in places if place.exists() and place.read_text()]
        return min(found, default=None)

    def last(self, patience):
        """Seconds until the last job is done."""
        if not until(lambda: all(self.done(name) for name in self.names), patience, 0.2):
            raise Failure(f"not all jobs are done: {[(name, self.done(name)) for name in self.names]}")
        return max(self.done(name) for name in self.names) - self.began

    def ask(self, host, verb, *words):
        done = host.move(verb, "--policy", "/root/placement.json", *words)
        return done.returncode, done.stdout, done.stderr

    def places(self):
        """Where each job runs, by the agents."""
        found = {}
        for host in (self.alpha, self.beta):
            code, text, errors = self.ask(host, "auto", "--question")
            if code:
                raise Failure(f"auto --question: {errors}{host.agent_log()}")
            found[host.name] = {move["move"]: move["at"] for move in json.loads(text)["moves"]}
        if found["alpha"] != found["beta"]:
            raise Failure(f"the hosts do not agree: {found}")
        return found["alpha"]


def auto(checks):
    """Four jobs at one of two equal hosts: what `auto` moves, and when the last one is done."""
    with Jobs(SmallHost, 4, WORK) as jobs:
        without = jobs.last(WORK * 4 / SHARE * 4)
    checks.say(f"      without: the last of four jobs of {WORK} s is done after {without:.1f} s, at {SHARE} of a processor")
    with Jobs(SmallHost, 4, WORK, limit=4, seconds=2) as jobs:
        checks(jobs.places() == {name: "alpha" for name in jobs.names}, "four jobs are at alpha, and both agents see it")
        code, text, errors = jobs.ask(jobs.alpha, "auto", "--json")
        if not checks(code == 0, "a dry run", errors):
            return
        answer = json.loads(text)
        checks(len(answer["placements"]) == 2 and not answer["done"], "of four it names two", [p["move"] for p in answer["placements"]])
        checks(set(jobs.places().values()) == {"alpha"}, "and moves none")
        code, text, errors = jobs.ask(jobs.alpha, "auto", "--go")
        checks(code == 0, "with --go they move", errors.strip().splitlines()[-1:] if code else "")
        for line in text.splitlines():
            checks.say(f"      {line}")
        checks(sorted(jobs.places().values()) == ["alpha", "alpha", "beta", "beta"], "two at each host then")
        code, text, errors = jobs.ask(jobs.alpha, "auto")
        checks(code == 0 and text == "nothing had better run elsewhere\n", "and nothing more", "" if code == 0 else text + errors)
        took = jobs.last(WORK * 4 / SHARE * 4)
        checks.say(f"      with: after {took:.1f} s, {took / without:.2f} of the time without (0.6 asked; a figure, not a pass mark)")


def together(checks):
    """A client at another host than its server: the scheduler proposes that the server moves, and bytes between hosts fall."""
    with Lab("alpha", "beta", kind=OwnHost) as lab:
        alpha, beta = lab.alpha, lab.beta
        alpha.write("/srv/server/chatter.py", (HERE / "chatter.py").read_bytes())
        beta.write("/srv/client/chatter.py", (HERE / "chatter.py").read_bytes())
        alpha.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
        packages = ["python3.11-minimal", "libpython3.11-stdlib"]
        server = plan(alpha, {"executable": PYTHON, "script": "/srv/server/chatter.py"}, packages=packages, entries=["/srv/server"],
                      ports=[9000])
        client = plan(beta, {"executable": PYTHON, "script": "/srv/client/chatter.py"}, packages=packages, entries=["/srv/client"])
        client["hosts"][0]["programs"][0].pop("workload")
        server["hosts"][0]["programs"][0].pop("workload")
        policy = {"schema": "retinue-placement/1", "scheduler": "together", "seconds": 0.5,
                  "hosts": [f"{host.name}={host.address}" for host in (alpha, beta)],
                  "moves": [{"name": "server", "plan": "server.json", "options": ["--address", f"{SERVICE_ADDRESS}/24"]},
                            {"name": "client", "plan": "client.json", "hosts": ["beta"]}]}
        for host in (alpha, beta):
            host.write("/root/server.json", json.dumps(server))
            host.write("/root/client.json", json.dumps(client))
            host.write("/root/placement.json", json.dumps(policy))
        end = {"address": SERVICE_ADDRESS, "port": 9000}
        alpha.write("/root/alpha.ndjson", dump("alpha", [alpha.address, SERVICE_ADDRESS], [
            ("/srv/server/chatter.py", {"relation": "listen", "local": {"address": "0.0.0.0", "port": 9000}}),
            ("/srv/server/chatter.py", {"relation": "accept", "local": end, "remote": {"address": beta.address},
                                        "sent": 5_000_000, "received": 100})]))
        alpha.write("/root/beta.ndjson", dump("beta", [beta.address], [
            ("/srv/client/chatter.py", {"relation": "connect", "remote": end, "sent": 100, "received": 5_000_000})]))
        alpha.start_agent("--accept", "beta", "--obey", "beta")
        beta.start_agent("--accept", "alpha", "--obey", "alpha")
        alpha.spawn(PYTHON, "/srv/server/chatter.py", "serve", "9000")
        beta.spawn(PYTHON, "/srv/client/chatter.py", "ask", SERVICE_ADDRESS, "9000")

        def count():
            place = beta.path("/srv/client/count")
            return int(place.read_text() or 0) if place.exists() else 0

        if not until(lambda: count() > 20, 20):
            raise Failure("the client is not answered")
        before = traffic(beta, 3)
        words = ["--policy", "/root/placement.json", "--from", "/root/alpha.ndjson", "/root/beta.ndjson"]
        done = alpha.move("auto", *words, "--json")
        answer = json.loads(done.stdout or "{}")
        checks(done.returncode == 0 and [(p["move"], p["from"], p["to"]) for p in answer.get("placements", [])] == [("server", "alpha", "beta")],
               "the server follows its client", done.stderr)
        checks(answer.get("bytes_between_hosts", 0) >= 5_000_000 and answer.get("bytes_between_hosts_then") == 0,
               "what was recorded between hosts would be none", answer.get("bytes_between_hosts"))
        done = alpha.move("auto", *words, "--go")
        checks(done.returncode == 0, "it moves", done.stderr)
        for line in done.stdout.splitlines():
            checks.say(f"      {line}")
        at = count()
        checks(bool(until(lambda: count() > at + 20, 20)), "the client is answered")
        after = traffic(beta, 3)
        checks(after * 10 < before, "bytes between the hosts fall", f"{before:,.0f} a second, then {after:,.0f}")
        done = alpha.move("auto", *words)
        checks(done.returncode == 0 and done.stdout == "nothing had better run elsewhere\n", "and nothing more", done.stdout + done.stderr)


def dump(name, addresses, dependencies):
    """A host's records, written by hand from its configuration."""
    time = "2026-01-01T00:00:00.000Z"
    lines = [{"type": "header", "schema": "retinue/2", "time": time, "host": name, "machine": {
        "name": name, "addresses": addresses, "kernel": "6.1", "boot": "1b4e28ba-2fa1-41d2-883f-0016d3cca427"},
        "daemon": {"version": "1.0.0", "started": time}, "sources": {}}]
    for script, fields in dependencies:
        lines.append({"type": "dependency", "host": name, "program": {"executable": PYTHON, "script": script}, "transport": "tcp", **fields,
                      "count": 1, "first": time, "last": time, "evidence": "exact"})
    return "".join(json.dumps(line) + "\n" for line in lines)


def traffic(host, seconds):
    """Bytes a second that a host sends and gets by its one interface."""
    def read():
        line = [line for line in host.path("/proc/1/net/dev").read_text().splitlines() if "eth0:" in line][0].split(":")[1].split()
        return int(line[0]) + int(line[8])

    begin, before = time.monotonic(), read()
    time.sleep(seconds)
    return (read() - before) / (time.monotonic() - begin)


def evacuate(checks):
    """A host is emptied; it says so only when nothing is left."""
    with Jobs(OwnHost, 3, 3600, seconds=0.5) as jobs:
        code, text, errors = jobs.ask(jobs.alpha, "evacuate", "--dry-run")
        checks(code == 0 and text.count("alpha -> beta") == 3, "a dry run names all", errors)
        checks(set(jobs.places().values()) == {"alpha"}, "and moves none")
        # One whose files nobody may bring: its plan asks for a package that is not there in this version.
        broken = json.loads(jobs.alpha.path("/root/job2.json").read_text())
        broken["hosts"][0]["packages"][0]["version"] = "0.1"
        jobs.alpha.write("/root/job2.json", json.dumps(broken))
        code, text, errors = jobs.ask(jobs.alpha, "evacuate")
        checks(code == 1 and "job2 stayed" in text and "the host is empty" not in text, "what cannot go is named, and the end is not 0",
               "" if code == 1 else text + errors)
        checks(jobs.places() == {"job1": "beta", "job2": "alpha", "job3": "beta"}, "the others went", jobs.places())
        jobs.alpha.write("/root/job2.json", jobs.beta.path("/root/job2.json").read_bytes())
        code, text, errors = jobs.ask(jobs.alpha, "evacuate", "--within", "60")
        checks(code == 0 and "the host is empty" in text, "then it is empty", "" if code == 0 else text + errors)
        checks(set(jobs.places().values()) == {"beta"}, "all are at beta")
        code, text, errors = jobs.ask(jobs.alpha, "evacuate")
        checks(code == 0 and text == "the host is empty\n", "an empty host is empty", "" if code == 0 else text + errors)
        code, text, errors = jobs.ask(jobs.alpha, "evacuate", "--host", "beta")
        checks(code == 0 and set(jobs.places().values()) == {"alpha"}, "they come back when beta is emptied, by a command at alpha", "" if code == 0 else text + errors)
        agent = int(pathlib.Path(f"/proc/{jobs.alpha.agent.pid}/task/{jobs.alpha.agent.pid}/children").read_text())
        os.kill(agent, signal.SIGUSR2)
        checks(bool(until(lambda: "this host is empty" in jobs.alpha.agent_log(), 60)), "SIGUSR2 empties it as well", jobs.alpha.agent_log()[-300:])
        checks(set(jobs.places().values()) == {"beta"}, "all are at beta")
        jobs.alpha.write("/root/placement.json", "schema: nothing")
        os.kill(agent, signal.SIGUSR2)
        checks(bool(until(lambda: "this host is not empty: exit status 2" in jobs.alpha.agent_log(), 60)),
               "a policy that is none is reported", jobs.alpha.agent_log()[-300:])
        checks(jobs.alpha.agent_lives(), "and the agent goes on")
