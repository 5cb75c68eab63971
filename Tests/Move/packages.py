"""Packages that a move to the host itself has installed there: from an archive of the laboratory's own, by the host's own apt."""

import json
import shutil
import threading
import time

import host as hosts
from lab import Lab, run, until
from services import Counter, answer

LIBRARY, SERVICE, OTHER = "retinue-lab-library", "retinue-lab-service", "retinue-lab-other"
SETTINGS, STARTED, SLOW = "/etc/retinue-lab.conf", "/srv/retinue-lab-started", "/srv/retinue-lab-slow"
POLICY = "/usr/sbin/policy-rc.d"
# What apt and dpkg keep for themselves, and what the agents do: beside what `dpkg -l` says.
NOT_LOOKED_AT = ["/var/lib/retinue-agent", "/var/lib/apt", "/var/lib/dpkg", "/var/cache/debconf"]
FOLDERS = ["/etc", "/srv", "/usr/local", "/usr/sbin", "/usr/bin", "/usr/share/doc", "/usr/share/retinue-lab", "/usr/lib/systemd", "/var/lib"]
SOURCES = "deb [trusted=yes] copy:/srv/retinue-lab-archive ./\n"

CONTROL = """Package: {name}
Version: {version}
Architecture: all
Maintainer: Laboratory <nobody@example.org>
Installed-Size: 100
{more}Description: of the laboratory
"""
SCRIPT = f"""#!/bin/sh
### BEGIN INIT INFO
# Provides:          {SERVICE}
# Required-Start:
# Required-Stop:
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: of the laboratory
### END INIT INFO
[ "$1" = start ] && touch {STARTED}
exit 0
"""
AFTER = f"""#!/bin/sh
set -e
[ -e {SLOW} ] && sleep 2
[ -e /srv/retinue-lab-fails ] && {{ echo "the laboratory's script fails"; exit 3; }}
update-rc.d {SERVICE} defaults >/dev/null
invoke-rc.d {SERVICE} start || exit 1
"""
PURGED = f"""#!/bin/sh
set -e
if [ "$1" = purge ]; then update-rc.d {SERVICE} remove >/dev/null; fi
"""


def build(host):
    """The archive at a host, and nothing else in its sources.list."""
    work = host.lab.folder / f"packages-{host.name}"
    archive = host.path("/srv/retinue-lab-archive")
    archive.mkdir(parents=True)

    def package(name, number, more="", files=(), scripts=()):
        folder = work / f"{name}-{number}"
        (folder / "DEBIAN").mkdir(parents=True)
        (folder / "DEBIAN/control").write_text(CONTROL.format(name=name, version=number, more=more))
        for path, text, mode in files:
            place = folder / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            place.chmod(mode)
        settings = [path for path, _, _ in files if path.startswith("/etc/")]
        if settings:
            (folder / "DEBIAN/conffiles").write_text("".join(path + "\n" for path in settings))
        for script, text in scripts:
            (folder / "DEBIAN" / script).write_text(text)
            (folder / "DEBIAN" / script).chmod(0o755)
        run("dpkg-deb", "--root-owner-group", "--build", folder, archive)

    for number in ("1.0", "2.0"):
        package(LIBRARY, number, files=[("/usr/share/retinue-lab/library", f"library {number}\n", 0o644)])
        package(SERVICE, number, more=f"Depends: {LIBRARY}\n",
                files=[("/usr/share/retinue-lab/service", f"service {number}\n", 0o644), (SETTINGS, "as packaged\n", 0o644),
                       (f"/etc/init.d/{SERVICE}", SCRIPT, 0o755)],
                scripts=[("postinst", AFTER), ("postrm", PURGED)])
    package(OTHER, "1.0", files=[("/usr/share/retinue-lab/other", "other\n", 0o644)])
    host.run("sh", "-c", "cd /srv/retinue-lab-archive && dpkg-scanpackages --multiversion . > Packages")
    shutil.rmtree(work)
    # By which invoke-rc.d(8) knows that services run here.
    host.path("/usr/sbin/runlevel").unlink(missing_ok=True)
    host.write("/usr/sbin/runlevel", "#!/bin/sh\necho N 2\n")
    host.path("/usr/sbin/runlevel").chmod(0o755)
    for place in host.path("/etc/apt/sources.list.d").iterdir():
        place.unlink()
    host.write("/etc/apt/sources.list", SOURCES)
    host.run("apt-get", "update", timeout=120)


def manifest(host):
    return hosts.manifest(host, FOLDERS, NOT_LOOKED_AT)


def listed(host):
    return host.run("dpkg", "-l", timeout=60)


def installed(host):
    return sorted(line.split()[1] for line in listed(host).splitlines() if "retinue-lab" in line)


class Shop:
    """The counter, with a plan that needs the service's package, in version 1.0, and has settings of its own for it."""

    def __init__(self, lab):
        self.alpha, self.beta = lab.alpha, lab.beta
        for host in (self.alpha, self.beta):
            build(host)
        self.counter = Counter(self.alpha)
        # Here its service is started, which shows that it would be there.
        self.alpha.path(POLICY).unlink(missing_ok=True)
        self.alpha.run("apt-get", "install", "-y", f"{SERVICE}=1.0", f"{LIBRARY}=1.0", timeout=120)
        self.alpha.write(SETTINGS, "as moved\n")
        self.plan = self.counter.plan
        mine = self.plan["hosts"][0]
        mine["packages"] += [{"system": "debian", "name": SERVICE, "version": "1.0", "reason": "by hand"}]
        mine["entries"] += [{**mine["entries"][0], "path": SETTINGS, "kind": "file"}]
        for host in (self.alpha, self.beta):
            host.write("/root/plan.json", json.dumps(self.plan))
        self.alpha.start_agent("--accept", "beta")
        self.beta.start_agent("--accept", "alpha")

    def words(self, *more, check=Counter.check):
        return ["/root/plan.json", "--to", f"beta={self.beta.address}", "--name", "counter", "--isolation", "host", "--confirm", check,
                "--within", "30", *more]

    def move(self, verb, *more, check=Counter.check):
        return self.alpha.move(verb, *self.words(*more, check=check))

    def state(self):
        return manifest(self.beta), listed(self.beta)

    def same(self, before, seconds=0):
        """Whether the host is what it was; what differs, if it is not."""
        until(lambda: self.state() == before, seconds, 0.5)
        tree, packages = self.state()
        if packages != before[1]:
            return False, installed(self.beta)
        return tree == before[0], hosts.differences(before[0], tree) or f"{len(tree)} paths"

    def holds(self, checks, before, what, seconds=0):
        same, difference = self.same(before, seconds)
        return checks(same, what, difference)


def host_packages(checks):
    """What check says and refuses; rolled back, failed, let in."""
    with Lab("alpha", "beta") as lab:
        shop = Shop(lab)
        beta = shop.beta
        before = shop.state()
        install = "--install-packages"
        checks(shop.alpha.path(STARTED).exists(), "the package's service is started where nobody forbids it")

        done = shop.move("check")
        checks(done.returncode == 1 and SERVICE in done.stdout and install in done.stdout,
               "a package that is missing is named, and the option", done.stdout[:200])
        done = shop.move("check", install)
        checks(done.returncode == 0 and f"{LIBRARY} 2.0, {SERVICE} 2.0" in done.stdout and "204800 bytes of disk" in done.stdout,
               "with the option: what would be installed, and its room", [line for line in done.stdout.splitlines() if LIBRARY in line])
        done = shop.move("check", install, "--exact-versions")
        checks(done.returncode == 0 and f"{SERVICE} 1.0" in done.stdout, "with --exact-versions: in the plan's version", done.returncode)
        shop.holds(checks, before, "check has changed nothing")
        beta.write("/etc/apt/sources.list", "")
        beta.run("apt-get", "update", timeout=120)
        at_first = shop.state()
        for verb in ("check", "run"):
            done = shop.move(verb, install, *(["--yes"] if verb == "run" else []))
            said = done.stdout + done.stderr
            checks(done.returncode == 1 and "cannot be installed" in said and "Unable to locate" in said,
                   f"what is not available is refused, with apt's reason ({verb})", said[:200])
        shop.holds(checks, at_first, "and nothing was changed")
        beta.write("/etc/apt/sources.list", SOURCES)
        beta.run("apt-get", "update", timeout=120)
        beta.run("mount", "--bind", "/dev/null", "/usr/bin/apt-get")
        done = shop.move("check", install)
        checks(done.returncode == 1 and "apt-get is not here" in done.stdout, "a host without apt is refused", done.stdout[:120])
        beta.run("umount", "/usr/bin/apt-get")
        strange = json.loads(json.dumps(shop.plan))
        strange["hosts"][0]["packages"].append({"system": "rpm", "name": "retinue-lab-rpm", "version": "1.0-1", "reason": "by hand"})
        shop.alpha.write("/root/strange.json", json.dumps(strange))
        done = shop.alpha.move("check", "/root/strange.json", *shop.words(install)[1:])
        checks(done.returncode == 1 and "retinue-lab-rpm is a package of rpm: apt does not install it" in done.stdout,
               "a package of another system is refused", done.stdout[:200])
        shop.holds(checks, before, "the laboratory is as before")

        # One that the host has forbidden to start services itself, and one that has not.
        for what in ("its own policy-rc.d", "no policy-rc.d"):
            if what.startswith("no"):
                beta.path(POLICY).unlink(missing_ok=True)
                before = shop.state()
            else:
                beta.write(POLICY, "#!/bin/sh\n# the host's own\nexit 0\n")
                beta.path(POLICY).chmod(0o755)
                before = shop.state()
            done = shop.move("precopy", install, "--exact-versions")
            checks(done.returncode == 0 and installed(beta) == [LIBRARY, SERVICE], f"{what}: a pre-copy installs them", done.stderr[-400:])
            checks(beta.ask("dpkg-query", "-W", "-f", "${Version}", SERVICE).stdout == "1.0", f"{what}: in the plan's version")
            checks(not beta.path(STARTED).exists(), f"{what}: the package's service was not started")
            here, then = manifest(beta).get(POLICY), before[0].get(POLICY)
            checks(here == then, f"{what}: it is as it was", (here, then))
            checks("Setting up" in (beta.folder / "agent.log").read_text(), f"{what}: apt's output is in the agent's log")
            checks((answer(shop.alpha, shop.alpha.address) or [0, ""])[1] == "alpha", f"{what}: the source serves meanwhile")
            done = shop.move("rollback", install, "--exact-versions")
            same, difference = shop.same(before)
            checks(done.returncode == 0 and same, f"{what}: rolled back, dpkg -l and the tree are what they were", difference)

        done = shop.move("cutover", install)
        checks(done.returncode == 0 and beta.path(SETTINGS).read_text() == "as moved\n", "cut over, the moved settings stand", done.stderr[-400:])
        done = shop.move("rollback", install)
        same, difference = shop.same(before)
        checks(done.returncode == 0 and same, "rolled back from there, dpkg -l and the tree are what they were", difference)
        checks(bool(until(lambda: answer(shop.alpha, shop.alpha.address), 10)), "and the source serves")

        # What somebody else has installed meanwhile.
        shop.move("precopy", install)
        beta.run("apt-get", "install", "-y", OTHER, timeout=120)
        done = shop.move("rollback", install)
        checks(done.returncode == 0 and installed(beta) == [OTHER], "what was installed meanwhile by somebody else stays", installed(beta))
        beta.run("apt-get", "purge", "-y", OTHER, timeout=120)
        shop.holds(checks, before, "the laboratory is as before")

        done = shop.move("run", install, "--yes", check="false")
        same, difference = shop.same(before)
        checks(done.returncode == 1 and same, "a check that fails purges them too", difference)
        beta.write("/srv/retinue-lab-fails", "")
        at_first = shop.state()
        done = shop.move("run", install, "--yes")
        same, difference = shop.same(at_first)
        checks(done.returncode == 1 and "apt-get ends with 100" in done.stderr and "Sub-process" in done.stderr,
               "an installation that fails is reported with apt's last lines", done.stderr[-400:])
        checks(same, "and undone", difference)
        beta.path("/srv/retinue-lab-fails").unlink()

        done = shop.move("run", install, "--yes")
        if not checks(done.returncode == 0 and installed(beta) == [LIBRARY, SERVICE], "it moves, and they stay", done.stderr[-400:]):
            checks.say(shop.alpha.agent_log() + beta.agent_log())
            return
        checks(beta.path(SETTINGS).read_text() == "as moved\n" and not beta.path(STARTED).exists(),
               "with the moved settings, and nothing started but what moved")
        beta.kill_agent()
        beta.start_agent()
        time.sleep(1)
        checks(installed(beta) == [LIBRARY, SERVICE] and bool(until(lambda: answer(shop.alpha, beta.address), 10)),
               "also when the agent was started again")


def faulty(checks):
    """kill -9 of the destination's agent at each line of the step, between its parts, and while apt works."""
    moments = [("install:begun", True), ("policy#1", True), ("apt#1", True), ("install:done", True), ("hold-there:begun", True),
               ("place:done", True), ("start:done", True), ("purge#1", False), ("install:undone", False)]
    with Lab("alpha", "beta") as lab:
        shop = Shop(lab)
        beta = shop.beta
        beta.path(POLICY).unlink(missing_ok=True)
        before = shop.state()
        count = 0
        for line, succeeds in moments:
            what = f"the destination's agent killed at {line}"
            beta.kill_agent()
            beta.start_agent("--accept", "alpha", f"--die-at={line}")
            done = shop.move("run", "--install-packages", "--yes", check=Counter.check if succeeds else "false")
            ended = until(lambda: not beta.agent_lives(), 5)
            checks(bool(ended) and done.returncode == 1, f"{what}: it was", done.stderr[-300:])
            count += bool(ended)
            beta.start_agent("--accept", "alpha")
            same, difference = shop.same(before, 20)
            checks(same, f"{what}: dpkg -l and the tree are what they were", difference)
            checks((until(lambda: answer(shop.alpha, shop.alpha.address), 15) or [0, ""])[1] == "alpha", f"{what}: the source serves")
            shop.move("rollback", "--install-packages")
        # While a package's script runs; apt goes on without the agent.
        beta.write(SLOW, "")
        before = shop.state()
        outcome = []
        mover = threading.Thread(target=lambda: outcome.append(shop.move("precopy", "--install-packages")))
        mover.start()
        found = until(lambda: SERVICE in installed(beta), 20, 0.05)
        beta.kill_agent()
        beta.start_agent("--accept", "alpha")
        mover.join()
        same, difference = shop.same(before, 20)
        checks(bool(found) and outcome[0].returncode == 1 and same, "killed while apt configures: dpkg -l and the tree are what they were",
               difference)
        checks.say(f"      {count + 1} moments at which the agent was killed")
