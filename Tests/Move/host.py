"""Moves to the destination itself: its own root, and its units."""

import hashlib
import json
import os
import pathlib
import signal
import stat

import faults
from lab import HERE, PRODUCTS, Failure, Lab, run, until
from planning import install_recipes, observed_plan
from services import PYTHON, SERVICE_ADDRESS, Counter, answer, plan
from software import Redis

# What a move may have changed; elsewhere this machine's own work shows.
FOLDERS = ["/etc", "/srv", "/run", "/media", "/usr/local", "/usr/lib/systemd", "/var/lib"]
NOT_LOOKED_AT = ["/var/lib/retinue-agent", "/var/lib/retinue", "/var/lib/retinue-observer", "/var/lib/apt", "/var/lib/dpkg"]
UNIT = """[Unit]
Description=Counts
[Service]
ExecStart={words}
User={user}
[Install]
WantedBy=multi-user.target
"""


def manifest(host, tops=None, left_out=None):
    """Path, kind, mode, owner and content of everything; what is only of the layer below cannot have been changed."""
    found = {}
    for top in tops or FOLDERS:
        for folder, folders, files in os.walk(host.path(top)):
            path = folder.removeprefix(str(host.path("")).rstrip("/"))
            folders[:] = [name for name in folders if f"{path}/{name}" not in (left_out or NOT_LOOKED_AT)]
            for name in [".", *folders, *files]:
                place = pathlib.Path(folder) / name
                try:
                    status = place.lstat()
                except FileNotFoundError:
                    continue
                content = ""
                if stat.S_ISLNK(status.st_mode):
                    content = os.readlink(place)
                elif stat.S_ISREG(status.st_mode) and (path.startswith(("/run", "/media")) or (host.folder / f"upper{path}/{name}").exists()):
                    content = hashlib.sha256(place.read_bytes()).hexdigest()
                found[f"{path}/{name}"] = (status.st_mode, status.st_uid, status.st_gid, content)
    return found


def differences(before, after):
    return [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)][:6]


class Unit(Counter):
    """The counter with a unit, an account that has another number at the destination, and files on another filesystem."""

    def __init__(self, host, there, user=4242):
        host.run("groupadd", "-g", user, "counts")
        host.run("useradd", "-u", user, "-g", user, "-M", "-d", "/", "-s", "/bin/false", "counts")
        there.run("mount", "-t", "tmpfs", "tmpfs", "/media")
        super().__init__(host, user=user)
        host.write("/media/counter/word", "of the other filesystem")
        host.run("ln", "-s", "counter", "/srv/counter-link")
        host.write("/etc/systemd/system/counter.service",
                   UNIT.format(words=" ".join(map(str, self.words[self.words.index(PYTHON):])), user="counts"))
        host.run("systemctl", "--root=/", "enable", "counter.service")
        content = os.urandom(4 << 20)
        for one in (host, there):
            one.write("/srv/shared/equal", content)
            one.write("/srv/shared/empty", "")
        self.plan = plan(host, {"executable": PYTHON, "script": self.folder + "/counter.py"},
                         packages=["python3.11-minimal", "libpython3.11-stdlib"],
                         entries=[self.folder, "/srv/counter-link", "/srv/shared", "/media/counter",
                                  "/etc/systemd/system/counter.service"], ports=[self.port])
        mine = self.plan["hosts"][0]
        mine["accounts"] = [
            {"kind": "user", "name": "counts", "number": user, "group": user, "home": "/", "shell": "/bin/false"},
            {"kind": "group", "name": "counts", "number": user}]
        mine["services"] = [{"kind": "unit", "name": "counter.service", "files": ["/etc/systemd/system/counter.service"]}]
        mine["entries"][1]["kind"] = mine["entries"][4]["kind"] = "file"
        for one in (host, there):
            one.write("/root/plan.json", json.dumps(self.plan))

    @staticmethod
    def account(host, number=5252):
        host.run("groupadd", "-g", number + 1, "counts")
        host.run("useradd", "-u", number, "-g", number + 1, "-M", "-d", "/", "-s", "/bin/false", "counts")


def options(there, *more):
    return ["/root/plan.json", "--to", f"{there.name}={there.address}", "--name", "counter", "--isolation", "host", "--confirm",
            Counter.check, "--within", "30", *more]


def enabled(host):
    return host.ask("systemctl", "--root=/", "is-enabled", "counter.service").stdout.strip()


def host(checks, quick=False):
    """A counter to the host itself: what it refuses, what a rollback leaves, what a commit does."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        service = Unit(alpha, beta)
        alpha.start_agent("--accept", "beta")
        beta.start_agent("--accept", "alpha")
        done = alpha.move("check", *options(beta))
        checks(done.returncode == 1 and "there is no user counts" in done.stdout, "an account that is missing is refused", done.stdout[-300:])
        Unit.account(beta)
        before = manifest(beta)

        # Something else under one of the paths: found before, named, and nothing is changed.
        beta.write("/srv/counter/counter.py", "something else")
        at_first = manifest(beta)
        for step in (["check"], ["run", "--yes"]):
            done = alpha.move(step[0], *options(beta, *step[1:]))
            said = done.stdout + done.stderr
            checks(done.returncode == 1 and "/srv/counter/counter.py" in said and "differs" in said,
                   f"a file that differs is refused, and named ({step[0]})", said[-300:])
        checks(manifest(beta) == at_first, "and nothing there was changed", differences(at_first, manifest(beta)))
        checks((answer(alpha, alpha.address) or [0, ""])[1] == "alpha", "and the source serves")
        beta.run("rm", "-r", "/srv/counter")
        checks(manifest(beta) == before, "the laboratory is as before", differences(before, manifest(beta)))

        # The same where it comes in between.
        done = alpha.move("precopy", *options(beta))
        checks(done.returncode == 0, "pre-copied", done.stderr[-300:])
        checks(manifest(beta) == before, "a pre-copy changes nothing at the host", differences(before, manifest(beta)))
        beta.write("/etc/systemd/system/counter.service", "something else")
        at_first = manifest(beta)
        done = alpha.move("cutover", *options(beta))
        checks(done.returncode == 1 and "/etc/systemd/system/counter.service is here already, and differs" in done.stderr,
               "one that comes after the check is refused at the cut-over", done.stderr[-300:])
        checks(manifest(beta) == at_first, "and nothing there was changed", differences(at_first, manifest(beta)))
        checks(bool(until(lambda: answer(alpha, alpha.address), 10)), "and the source serves")
        beta.run("rm", "/etc/systemd/system/counter.service")

        # There, and back.
        number = answer(alpha, alpha.address)[0]
        done = alpha.move("cutover", *options(beta))
        checks(done.returncode == 0, "cut over", done.stderr[-400:])
        there = manifest(beta)
        wanted = {"/srv/counter/counter.py", "/media/counter/word", "/srv/counter-link", "/etc/systemd/system/counter.service"}
        checks(wanted <= set(there), "its files are at the host's own root", wanted - set(there))
        checks(enabled(beta) == "disabled", "its unit is not started at boot yet", enabled(beta))
        done = alpha.move("verify", *options(beta))
        checks(done.returncode == 0, "verified", done.stderr[-300:])
        done = alpha.move("rollback", *options(beta))
        checks(done.returncode == 0 and manifest(beta) == before, "rolled back, the host is what it was, each path, mode, owner and content",
               differences(before, manifest(beta)) or f"{len(before)} paths")
        checks((until(lambda: answer(alpha, alpha.address), 10) or [0])[0] > number, "and the source goes on counting")

        # For good.
        shared = beta.path("/srv/shared/equal").stat()
        number = answer(alpha, alpha.address)[0]
        done = alpha.move("run", *options(beta, "--yes"))
        if not checks(done.returncode == 0, "it moves", done.stderr.strip().splitlines()[-1:]):
            checks.say(done.stderr + alpha.agent_log() + beta.agent_log())
            return
        sent = [move for move in alpha.status()["departures"] if move["name"] == "counter"][0]["sent"]
        now = beta.path("/srv/shared/equal").stat()
        checks(sent < 1 << 20 and (now.st_ino, now.st_ctime_ns) == (shared.st_ino, shared.st_ctime_ns),
               "what the host had was neither sent nor written", f"{sent} bytes sent")
        checks(answer(alpha, beta.address) == (number + 1, "beta"), "it goes on counting there", answer(alpha, beta.address))
        owner = beta.path("/srv/counter/data/count").stat()
        checks((owner.st_uid, owner.st_gid) == (5252, 5253), "its files have its account's numbers there", owner[4:6])
        checks((enabled(alpha), enabled(beta)) == ("disabled", "enabled"), "its unit is started at boot there, and at the source not any more",
               (enabled(alpha), enabled(beta)))
        left = differences(before, {path: one for path, one in manifest(beta).items() if "counter" not in path})
        checks(all("counter" in path for path in left), "nothing else of the host has changed", left)

        # What outlives the agent, and what a reboot takes away.
        beta.kill_agent()
        number = (answer(alpha, beta.address) or [0])[0]
        checks(number > 0, "without its agent it answers")
        beta.end_cells()
        checks(answer(alpha, beta.address) is None, "it has ended with its first process")
        beta.start_agent()
        checks((until(lambda: answer(alpha, beta.address), 10) or [0])[0] > number, "with the agent it is started again")

        # Back, to where older files are.
        count = alpha.path("/srv/counter/data/count").read_text()
        at_alpha = manifest(alpha)
        done = beta.move("run", *options(alpha, "--yes"))
        checks(done.returncode == 1 and "/srv/counter/data/count" in done.stderr and "--replace" in done.stderr,
               "what it has left behind is not overwritten", done.stderr[-300:])
        done = beta.move("cutover", *options(alpha, "--replace"))
        checks(done.returncode == 0, "with --replace it gives way", done.stderr[-400:])
        beta.move("rollback", *options(alpha, "--replace"))
        checks(manifest(alpha) == at_alpha, "and a rollback brings it back", differences(at_alpha, manifest(alpha)))
        number = (until(lambda: answer(alpha, beta.address), 10) or [0])[0]
        done = beta.move("run", *options(alpha, "--replace", "--yes"))
        checks(done.returncode == 0 and (answer(beta, alpha.address) or [0])[0] == number + 1, "it moves back", done.stderr[-400:])
        kept = alpha.path("/var/lib/retinue-agent/cells/counter/replaced-1/srv/counter/data/count")
        checks(kept.exists() and kept.read_text() == count, "what gave way is kept beside")
        checks((enabled(alpha), enabled(beta)) == ("enabled", "disabled"), "its unit is started at boot at one place",
               (enabled(alpha), enabled(beta)))


def software(checks):
    """Redis by a plan that was observed."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        service = Redis(alpha)
        observed_plan(alpha, service.program, service.work)
        install_recipes(alpha)
        alpha.start_agent()
        beta.start_agent("--accept", "alpha")
        before = manifest(beta)
        words = ["/root/plan.json", "--to", f"beta={beta.address}", "--name", "redis", "--isolation", "host", "--confirm", service.check,
                 "--start", service.start]
        alpha.run("redis-cli", "-p", service.port, "SET", "word", "kept")
        done = alpha.move("cutover", *words)
        if not checks(done.returncode == 0, "Redis: cut over", done.stderr[-400:]):
            checks.say(alpha.agent_log() + beta.agent_log())
            return
        alpha.move("rollback", *words)
        checks(manifest(beta) == before, "Redis: rolled back, the host is what it was", differences(before, manifest(beta)))
        checks(alpha.ask("redis-cli", "-p", service.port, "GET", "word").stdout.strip() == "kept", "Redis: the source has its data")
        done = alpha.move("run", *words, "--yes")
        checks(done.returncode == 0, "Redis: it moves to the host itself", done.stderr.strip().splitlines()[-1:])
        checks(beta.ask("redis-cli", "-p", service.port, "GET", "word").stdout.strip() == "kept", "Redis: it has its data there")
        checks(alpha.ask("sh", "-c", service.check).returncode != 0, "Redis: and the source serves no more")


class HostFault(faults.Fault):
    """As for a chroot, but the counter's files are at the destination's own root; that is what it was where nothing has moved."""

    def __init__(self, checks):
        super().__init__(checks)
        self.beta.run("mount", "-t", "tmpfs", "tmpfs", "/media")
        self.alpha.write("/media/counter/word", "of the other filesystem")
        self.alpha.write("/etc/counter.conf", "settings")
        self.alpha.write("/etc/systemd/system/counter.service", UNIT.format(words=" ".join(self.counter.words), user="root"))
        self.enable()
        mine = self.counter.plan["hosts"][0]
        mine["services"] = [{"kind": "unit", "name": "counter.service", "files": ["/etc/systemd/system/counter.service"]}]
        mine["entries"] += [{**mine["entries"][0], "path": path}
                            for path in ("/media/counter", "/etc/counter.conf", "/etc/systemd/system/counter.service")]
        self.alpha.write("/root/plan.json", json.dumps(self.counter.plan))
        # Something that gives way.
        self.beta.write("/etc/counter.conf", "other settings")
        self.before = manifest(self.beta)

    def words(self, *more, check=None):
        return [*super().words(*more, check=check), "--isolation", "host", "--replace"]

    def enable(self):
        self.alpha.run("systemctl", "--root=/", "enable", "counter.service")

    def reset(self):
        super().reset()
        self.enable()
        self.beta.ask("systemctl", "--root=/", "disable", "counter.service")
        self.beta.run("rm", "-f", "/etc/systemd/system/counter.service")
        self.beta.run("rm", "-rf", "/srv/counter", "/media/counter")
        self.beta.write("/etc/counter.conf", "other settings")


def faulty(checks):
    """kill -9 of the destination's agent at each line of its journal, and behind each file that it puts and takes back."""
    lines = [line.split()[1] for line in run(PRODUCTS / "retinue-agent", "steps", "--host").splitlines() if line.startswith("destination")]
    # The tree, the folder of the other filesystem, the unit, and the file that gives way.
    moments = [(line, Counter.check) for line in lines]
    moments += [("copy#1", Counter.check), *[(f"put#{number}", Counter.check) for number in (1, 2, 3, 4)]]
    moments += [("place:undone", "false"), *[(f"take-back#{number}", "false") for number in (1, 2, 3, 4)]]
    fault, count = HostFault(checks), 0
    try:
        for line, check in moments:
            what = f"the destination's agent killed at {line}"
            count += fault.dies(fault.beta, line, lambda: fault.alpha.move("run", *fault.words("--yes", check=check)))
            if fault.holds(what) == "alpha":
                left = until(lambda: manifest(fault.beta) == fault.before, 15, 0.5)
                checks(bool(left), f"{what}: the host is what it was", differences(fault.before, manifest(fault.beta)))
            else:
                place = fault.beta.path("/srv/counter/counter.py")
                checks(place.read_bytes() == (HERE / "counter.py").read_bytes(), f"{what}: its files are there")
                state = until(lambda: enabled(fault.beta) == "enabled" and enabled(fault.alpha) == "disabled", 10, 0.2)
                checks(bool(state), f"{what}: its unit is started at boot there alone", (enabled(fault.alpha), enabled(fault.beta)))
            fault.begin_again()
        checks.say(f"      {count} moments at which the agent was killed")
    finally:
        fault.end()
