"""A daemon under test, what it wrote, and checks: shared by the proofs of this folder and by the guests' tests."""

import ctypes
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PRODUCTS = pathlib.Path(os.environ.get("RETINUE_PRODUCTS", HERE.parents[1] / ".build/release"))
PROGRAMS = os.environ.get("RETINUE_PROGRAMS")  # where the workloads lie built already, as in a guest

# The numbers on x86-64 of: read, lstat, chdir, getxattr, statfs, openat, newfstatat, readlinkat, faccessat, open_by_handle_at, statx,
# fanotify_mark, name_to_handle_at, faccessat2, openat2, pread64.
FILE_CALLS = {"0", "6", "80", "191", "137", "257", "262", "267", "269", "304", "332", "301", "303", "439", "437", "17"}

# What a fault may add to an answer, in seconds.
PATIENCE = 1.0


class Failure(Exception):
    """The proof cannot go on."""


class Checks:
    """Prints a line a point; `status` is the exit status of the proof."""

    def __init__(self):
        self.failed, self.passed, self.lines = [], 0, []

    def say(self, text):
        self.lines.append(text)
        print(text, flush=True)

    def __call__(self, holds, point, detail=""):
        if holds:
            self.passed += 1
        else:
            self.failed.append(point)
        self.say(f"{'PASS' if holds else 'FAIL'}  {point}{f' ({detail})' if detail != '' else ''}")
        return bool(holds)

    @property
    def status(self):
        return 1 if self.failed or not self.passed else 0

    def end(self, result=None):
        """Says the sum, keeps everything said as `results/RESULT.txt`, and exits."""
        self.say(f"{self.passed} passed, {len(self.failed)} failed")
        if result:
            head = f"$ {' '.join(command())}\n# {datetime.date.today()}, Linux {os.uname().release}, {version()}\n"
            (HERE / "results" / f"{result}.txt").write_text(head + "\n".join(self.lines) + "\n")
        sys.exit(self.status)


def command():
    root = HERE.parents[1]
    program = pathlib.Path(sys.argv[0]).resolve()
    return [str(program.relative_to(root) if program.is_relative_to(root) else program), *sys.argv[1:]]


def version():
    return subprocess.run([PRODUCTS / "retinued", "--version"], capture_output=True, text=True).stdout.strip()


class Scratch:
    """A folder that goes with the proof, on whatever file system /tmp or RETINUE_SCRATCH is on."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=f"retinue-{self.name}-", dir=os.environ.get("RETINUE_SCRATCH")))
        self.path.chmod(0o755)
        return self.path

    def __exit__(self, *_):
        for mount in sorted(mounts_below(self.path), reverse=True):
            subprocess.run(["umount", "-l", mount], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.path, ignore_errors=True)


def mounts_below(path):
    with open("/proc/self/mounts", errors="surrogateescape") as lines:
        points = [line.split(" ")[1] for line in lines]
    return [point for point in points if point == str(path) or point.startswith(f"{path}/")]


def private_mounts():
    """Goes into a mount namespace of its own: what is mounted here is seen by this proof and its daemon alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000) != 0:
        raise Failure(f"unshare: {os.strerror(ctypes.get_errno())}: run as root")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def program(name, to, rename=None):
    """The workload `name` as `to`/RENAME: a copy of its own, and so a program of its own in the dump."""
    to = pathlib.Path(to)
    to.mkdir(parents=True, exist_ok=True)
    made = to / (rename or name)
    if PROGRAMS:
        shutil.copy(pathlib.Path(PROGRAMS) / name, made)
    else:
        options = ["-nostdlib"] if name == "tiny" else []
        subprocess.run(["gcc", "-O2", "-static", *options, "-o", made, HERE / f"programs/{name}.c"], check=True)
    return str(made)


def until(condition, seconds=10.0, step=0.02):
    """Waits until `condition` gives something true, and gives that; None after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            return None
        time.sleep(step)


def nanoseconds(text):
    """A time of a dump, `2026-11-21T02:00:00.123Z`, as nanoseconds since 1970."""
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round(moment.timestamp() * 1000) * 1_000_000


# The sources whose gaps say nothing of files.
SOCKETS = {"tracepoint", "sock_diag"}
# Keys of a gap that speaks of one place alone.
PLACES = {"path", "mount", "mounts", "filesystem", "filesystems"}


class Dump:
    """A dump's lines by type."""

    def __init__(self, data):
        lines = [json.loads(line) for line in data.splitlines()]
        self.header = lines[0]
        self.records = [line for line in lines if line["type"] == "dependency"]
        self.gaps = [line for line in lines if line["type"] == "gap"]
        promised = self.header.get("contents", {})
        if promised and (promised["dependencies"], promised["gaps"]) != (len(self.records), len(self.gaps)):
            raise Failure(f"a dump of {len(self.records)} records and {len(self.gaps)} gaps that promises {promised}")

    def files(self, executable=None, below=None):
        """path -> the records of files."""
        found = {}
        for record in self.records:
            if record["relation"] != "file" or (executable and record["program"]["executable"] != executable):
                continue
            if below is None or record["path"].startswith(f"{below}/"):
                found.setdefault(record["path"], []).append(record)
        return found

    def has_file(self, executable, path):
        return any(record["program"]["executable"] == executable for record in self.files().get(path, []))

    def count(self, relation, executable, **like):
        """The sum of `count` of the records that are so."""
        return sum(record["count"] for record in self.of(relation, executable, **like))

    def of(self, relation, executable, **like):
        return [record for record in self.records
                if record["relation"] == relation and record["program"]["executable"] == executable
                and all(record.get(key) == value for key, value in like.items())]

    def lost(self):
        return {name: source["lost"] for name, source in self.header["sources"].items() if source.get("lost")}

    def spans(self, of=None):
        """The spans of the gaps, in nanoseconds, a little wider than the milliseconds that are written.

        `of`: `file` for those that excuse a missing file alone. A gap that names the mount of which it speaks is none of
        these: what is missing elsewhere is not excused by it."""
        return [(nanoseconds(gap["from"]) - 1_000_000, nanoseconds(gap["to"]) + 2_000_000) for gap in self.gaps
                if not (of == "file" and gap["source"] in SOCKETS) and not any(key in gap for key in PLACES)]

    def excuses(self, before, after, of=None):
        """Whether an event that happened between these two times may have been lost by what a gap says."""
        return any(start <= after and before <= end for start, end in self.spans(of))


class Daemon:
    """A daemon with a state folder, a socket and a log of its own."""

    def __init__(self, folder, *options, configuration=None, prefix=(), state=None):
        self.folder = pathlib.Path(folder)
        self.state = pathlib.Path(state) if state else self.folder / "state"
        self.socket = self.folder / "control.sock"
        self.log = self.folder / "daemon.log"
        self.options, self.prefix, self.process = list(options), list(prefix), None
        if configuration is not None:
            (self.folder / "retinued.conf").write_text(configuration)
            self.options += ["--config", str(self.folder / "retinued.conf")]

    def start(self, seconds=60, wait=True):
        """Starts it and gives the seconds until it was ready."""
        with open(self.log, "ab") as log:
            offset = log.tell()
            start = time.monotonic()
            self.process = subprocess.Popen(
                [*self.prefix, PRODUCTS / "retinued", "--state-dir", self.state, "--socket", self.socket, *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        if not wait:
            return None

        def ready():
            return self.process.poll() is not None or b"retinued: ready" in self.said(offset)
        if not until(ready, seconds, 0.005) or self.process.poll() is not None:
            raise Failure(f"the daemon is not ready after {seconds} s, exit {self.process.poll()}: "
                          f"{self.said(offset).decode(errors='replace')}")
        return time.monotonic() - start

    def said(self, offset=0):
        return self.log.read_bytes()[offset:] if self.log.exists() else b""

    @property
    def pid(self):
        return self.process.pid

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        os.kill(self.pid, number)

    def status(self, seconds=30):
        """What `retinue status --format json` says, and the seconds that it took; None where it says nothing."""
        start = time.monotonic()
        try:
            run = subprocess.run([PRODUCTS / "retinue", "status", "--format", "json", "--socket", self.socket],
                                 stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
            answer = json.loads(run.stdout)
        except (subprocess.TimeoutExpired, ValueError):
            answer = None
        return answer, time.monotonic() - start

    def latest(self):
        try:
            return os.readlink(self.state / "dumps/latest.ndjson")
        except OSError:
            return None

    def ask_dump(self, seconds=60):
        """SIGUSR1: the dump's path and the seconds until it lay there; (None, seconds) where none came."""
        before = self.latest()
        start = time.monotonic()
        self.signal(signal.SIGUSR1)
        written = until(lambda: not self.alive or self.latest() not in (before, None), seconds, 0.002)
        took = time.monotonic() - start
        if not written or not self.alive:
            return None, took
        return self.state / "dumps" / self.latest(), took

    def dump(self, seconds=60):
        path, _ = self.ask_dump(seconds)
        if path is None:
            raise Failure(f"no dump in {seconds} s" if self.alive else f"the daemon ended with {self.process.poll()}")
        return Dump(path.read_bytes())

    def dump_by_command(self, seconds=60):
        """`retinue dump`: the dump, or None with what it said instead; and the seconds that it took."""
        start = time.monotonic()
        try:
            run = subprocess.run([PRODUCTS / "retinue", "dump", "--socket", self.socket], stdin=subprocess.DEVNULL,
                                 capture_output=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return None, "no answer", time.monotonic() - start
        took = time.monotonic() - start
        if run.returncode != 0:
            return None, run.stderr.decode(errors="replace").strip(), took
        return Dump(run.stdout), "", took

    def terminate(self, seconds=60):
        """SIGTERM: the exit status, None after `seconds`, and the seconds until it ended."""
        start = time.monotonic()
        self.signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        return status, time.monotonic() - start

    def kill(self):
        if self.alive:
            self.process.kill()
            self.process.wait()

    def memory(self, key="VmHWM"):
        """Resident memory, the greatest so far unless `key` is VmRSS, in MiB."""
        with open(f"/proc/{self.pid}/status") as lines:
            for line in lines:
                if line.startswith(f"{key}:"):
                    return int(line.split()[1]) / 1024
        raise Failure(f"no {key}")

    def blocked_threads(self):
        """How many of its threads stand in a call that may wait for a file system, now and a fifth of a second later."""
        def standing():
            found = set()
            for task in os.listdir(f"/proc/{self.pid}/task"):
                try:
                    with open(f"/proc/{self.pid}/task/{task}/syscall") as call:
                        found.add((task, call.read()))
                except OSError:
                    continue
            return {one for one in found if one[1].split(" ")[0] in FILE_CALLS}
        before = standing()
        time.sleep(0.2)
        return len(before & standing())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.kill()


def names(answer, words):
    """Whether a status or the gaps of a dump speak of one of these words."""
    text = json.dumps(answer, ensure_ascii=False)
    return any(str(word) in text for word in words)
