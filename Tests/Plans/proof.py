"""A service of this machine that is planned and tried: what each of the services in this folder is held against."""

import contextlib
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Reliability"))

from watching import PRODUCTS, Checks, Daemon, Failure, Scratch, until, version  # noqa: E402

# What `try` may add by itself.
MOST_ADDED = 5
# What asks the services here, and would be elsewhere.
CLIENTS = [str(HERE / "all"), "/usr/bin/redis-cli", "/usr/bin/curl", "/usr/bin/mariadb", "/usr/bin/mariadb-dump",
           "/usr/lib/postgresql/15/bin/psql", "/usr/lib/postgresql/15/bin/pg_dump"]
PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}


def run(*words, **options):
    """Runs a command of this machine; what it says. A failure of it is one of the proof."""
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=PATH,
                          **options)
    if done.returncode:
        raise Failure(f"{' '.join(map(str, words))}: {done.returncode}: {(done.stdout + done.stderr)[-800:]}")
    return done.stdout


def shell(line, **options):
    return run("sh", "-c", line, **options)


class ControlGroup:
    """A control group of its own, as a unit has: records and /proc name it as where the service runs."""

    def __init__(self, name):
        with open("/proc/self/mounts") as lines:
            mounts = [line.split(" ")[1] for line in lines if line.split(" ")[2] == "cgroup2"]
        if not mounts:
            raise Failure("no control groups of version 2 are mounted")
        self.folder = pathlib.Path(mounts[0]) / f"retinue-proof-{name}-{os.getpid()}"
        self.folder.mkdir()

    def command(self, words):
        return ["sh", "-c", f'echo $$ > {self.folder}/cgroup.procs && exec "$@"', "sh", *words]

    def end(self):
        """Asks everything in it to end, and kills what does not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.members():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if until(lambda: not self.members(), 8):
                break
        until(self.remove, 5)

    def members(self):
        return [int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()]

    def remove(self):
        with contextlib.suppress(OSError):
            self.folder.rmdir()
        return not self.folder.exists()


class Service:
    """What a service has to say of itself. Everything that it makes lies in `places`, which are removed."""

    name = ""
    # Debian's packages of it.
    packages = []
    # What `retinue plan` is asked for.
    program = ""
    # What starts it where no program of the plan does: of `plan try`.
    start_by = None
    # Files of which the trial has to have every byte, by their folder.
    data = None
    # Whether nothing writes in that folder while it is tried.
    still = True
    # Executables of this machine that ask it here, beside those that every service is asked by.
    clients = []
    # Seconds that the copy may take until it passes.
    patience = 15
    # The keys of packaging/consistency that the plan gets, and what else their commands have to find in the environment.
    consistency = None
    surroundings = {}

    def __init__(self, scratch):
        self.scratch = scratch
        self.group = None
        self.places = []

    def place(self, path):
        """A folder or file that goes with the proof, and was not there."""
        path = pathlib.Path(path)
        if path.exists():
            raise Failure(f"{path} is there already")
        self.places.append(path)
        return path

    def make(self):
        """Lays its files."""

    def start(self):
        """Starts it, in its control group."""

    def spawn(self, *words, user=None, folder="/"):
        """Starts a command in the control group, as a unit would."""
        if user:
            words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *words]
        log = open(self.scratch / f"{self.name}.log", "ab")
        # In a session of its own, and nobody's child, as a service manager's.
        subprocess.run(["setsid", "--fork", *self.group.command([str(word) for word in words])], stdin=subprocess.DEVNULL,
                       stdout=log, stderr=log, env=PATH, cwd=folder, check=True)

    def work(self):
        """A little work while it is observed."""

    @property
    def check(self):
        """Says in the network of the trial, and of the original, whether it works: by a shell."""
        raise NotImplementedError

    def observed(self):
        """It is not worked with from here on, unless by what this starts."""

    def tried(self):
        """The trial has ended."""

    def look(self, checks, root):
        """Looks at the root of the trial."""

    def remove(self):
        for place in reversed(self.places):
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)


def fingerprint(folder):
    """Of every file below a folder: its number, times and size, and so whether anything wrote, replaced or linked it."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        status = path.lstat()
        found[str(path)] = (status.st_ino, status.st_nlink, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
    return found


def size_of(folder):
    return int(run("du", "-sxb", folder).split()[0])


def size_of_packages(names=None):
    """What dpkg says that packages take, in bytes; of all, unless some are named."""
    total = 0
    for line in run("dpkg-query", "-W", "-f", "${Package} ${Status} ${Installed-Size}\n").splitlines():
        name, _, _, state, size = (line + " 0").split()[:5]
        if state == "installed" and (names is None or name in names):
            total += int(size) * 1024
    return total


def mebibytes(count):
    return f"{count / 1048576:.0f} MiB" if count >= 10 * 1048576 else f"{count / 1024:.0f} KiB"


def holds(service, checks, scratch):
    """Observes a service that runs already, plans it and tries the plan."""
    start = time.monotonic()
    service.make()
    service.group = ControlGroup(service.name)
    service.start()
    up = until(lambda: subprocess.run(["sh", "-c", service.check], stdin=subprocess.DEVNULL, capture_output=True, env=PATH)
               .returncode == 0, 40, 0.5)
    if not up:
        log = scratch / f"{service.name}.log"
        raise Failure(f"the original does not pass its check: {log.read_text(errors='replace')[-600:] if log.exists() else ''}")
    with Daemon(scratch) as daemon:
        daemon.start()
        end = time.monotonic() + 4
        while time.monotonic() < end:
            service.work()
            time.sleep(0.2)
        path, _ = daemon.ask_dump(120)
        if path is None:
            raise Failure("no dump")
        shutil.copy(path, scratch / "dump.ndjson")
        daemon.terminate()
    service.observed()
    retinue, plan, tried = str(PRODUCTS / "retinue"), str(scratch / "plan.json"), str(scratch / "tried.yaml")
    workload = service.group.folder.name
    planned = subprocess.run([retinue, "plan", service.program.replace("%", workload), "--from", scratch / "dump.ndjson",
                              *[f"--exclude={client}" for client in CLIENTS + service.clients], "--format", "json", "-o", plan],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, env=PATH)
    for line in planned.stderr.splitlines():
        checks.say(f"      {line}")
    if not checks(planned.returncode == 0, f"{service.name}: running before it was observed, it is planned"):
        return
    checks.say(f"      {run(retinue, 'plan', 'check', plan).strip()}")
    if service.consistency:
        put_in(plan, service.consistency)
    before = fingerprint(service.data) if service.data and service.still else None
    root = scratch / "trial"
    words = [retinue, "plan", "try", plan, "--check", service.check, "-o", tried, "--patience", str(service.patience),
             "--into", str(root)]
    if service.start_by:
        words += ["--start", service.start_by]
    begin = time.monotonic()
    trial = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**PATH, **service.surroundings})
    service.tried()
    took = time.monotonic() - begin
    added = [line for line in trial.stderr.splitlines() if " was missing, asked for by " in line]
    for line in trial.stderr.splitlines() + trial.stdout.splitlines():
        checks.say(f"      {line}")
    checks(trial.returncode == 0, f"{service.name}: the copy starts in an empty root and passes its check", f"{took:.0f} s")
    checks(len(added) <= MOST_ADDED, f"{service.name}: `try` added at most {MOST_ADDED} paths", len(added))
    if before is not None:
        checks(fingerprint(service.data) == before, f"{service.name}: nothing of the original was touched", f"{len(before)} files")
    if trial.returncode == 0:
        service.look(checks, root / "root")
    names = {package["name"].split(":")[0] for host in json.loads(pathlib.Path(plan).read_text())["hosts"]
             for package in host["packages"]}
    checks.say(f"      the plan: {len(names)} packages of {mebibytes(size_of_packages(names))}, and "
               f"{mebibytes(copied(plan, retinue))} to copy; the trial's root: {mebibytes(size_of(root / 'root'))}; "
               f"the host: {mebibytes(size_of_packages())} of packages, {mebibytes(used())} in all; "
               f"{time.monotonic() - start:.0f} s")


def put_in(plan, keys):
    """Puts the keys of a file of packaging/consistency into every host of a plan, as a user does."""
    lines = (HERE.parent.parent / "packaging/consistency" / keys).read_text().splitlines()
    fields = dict(line.strip().split(": ", 1) for line in lines if line.startswith("  "))
    document = json.loads(pathlib.Path(plan).read_text())
    for host in document["hosts"]:
        host["consistency"] = fields
    pathlib.Path(plan).write_text(json.dumps(document))


def copied(plan, retinue):
    """Bytes of the files that a plan copies."""
    names = subprocess.run([retinue, "plan", "files", plan], stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    total = 0
    for name in names.split(b"\0"):
        if name and os.path.isfile(name) and not os.path.islink(name):
            total += os.lstat(name).st_size
    return total


def used():
    status = os.statvfs("/")
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def prove(service_type):
    """Proves one service; what was said is kept in results/NAME.txt. Whether it holds."""
    checks = Checks()
    missing = [name for name in service_type.packages
               if subprocess.run(["dpkg-query", "-W", "-f", "${Status}", name], capture_output=True, text=True).stdout
               != "install ok installed"]
    if missing:
        checks(False, f"{service_type.name}: its packages are installed", f"apt-get install {' '.join(missing)}")
        return False
    with Scratch("plan") as scratch:
        service = service_type(scratch)
        try:
            holds(service, checks, scratch)
        except Failure as failure:
            checks(False, f"{service.name}: {failure}")
        finally:
            if service.group:
                service.group.end()
            service.remove()
    packages = ", ".join(run("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *service_type.packages).splitlines())
    checks.say(f"{checks.passed} passed, {len(checks.failed)} failed")
    head = f"$ Tests/Plans/all {service.name}\n# {datetime.date.today()}, Linux {os.uname().release}, {version()}; {packages}\n"
    (HERE / "results" / f"{service.name}.txt").write_text(head + "\n".join(checks.lines) + "\n")
    return checks.status == 0
