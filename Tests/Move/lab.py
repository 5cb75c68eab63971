"""Hosts of a laboratory: a network, a root tree and an agent each, joined by a switch; nothing else is shared.

A host is a namespace of networks, mounts, host name and System V objects. Its root is an overlay over this machine's, what
it writes lies on a filesystem of its own. Everything goes with the laboratory."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PRODUCTS = pathlib.Path(os.environ.get("RETINUE_PRODUCTS", ROOT / ".build/release"))
PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}


class Failure(Exception):
    """What was promised does not hold."""


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=PATH,
                          **options)
    if done.returncode:
        raise Failure(f"{' '.join(map(str, words))}: {done.returncode}: {(done.stdout + done.stderr)[-600:]}")
    return done.stdout


def until(condition, seconds, pause=0.02):
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            return None
        time.sleep(pause)


class Group:
    """A control group: what a unit is for a service."""

    def __init__(self, name):
        with open("/proc/self/mounts") as lines:
            mounts = [line.split(" ")[1] for line in lines if line.split(" ")[2] == "cgroup2"]
        if not mounts:
            raise Failure("no control groups of version 2 are mounted")
        self.folder = pathlib.Path(mounts[0]) / f"retinue-move-{os.getpid()}-{name}"
        self.folder.mkdir()

    @property
    def name(self):
        return self.folder.name

    def members(self):
        with contextlib.suppress(OSError):
            return [int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()]
        return []

    def end(self):
        end = time.monotonic() + 10
        while self.members() and time.monotonic() < end:
            for pid in self.members():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        until(self.remove, 5)

    def remove(self):
        with contextlib.suppress(OSError):
            self.folder.rmdir()
        return not self.folder.exists()


class Host:
    """One host: `address` on the laboratory's switch."""

    #: Whether it sees its own processes alone.
    OWN_PROCESSES = False

    def __init__(self, lab, name, number):
        self.lab, self.name, self.number = lab, name, number
        self.address = f"10.77.0.{number}"
        self.folder = lab.folder / name
        self.agent = None
        # Held open it keeps the laboratory's filesystem from being unmounted.
        self.options = []
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True)
        self.group = Group(name)
        # Its root, then a process that keeps the namespaces.
        script = f"""
            mount --make-rprivate / &&
            mount -t overlay overlay -o lowerdir=/,upperdir={self.folder}/upper,workdir={self.folder}/work,index=off,xino=off {self.folder}/root &&
            cd {self.folder}/root && mkdir -p proc sys dev run tmp mnt var/lib/retinue &&
            mount -t proc proc proc && mount --rbind /sys sys && mount --rbind /dev dev &&
            mount -t tmpfs tmpfs run && mount -t tmpfs tmpfs tmp && chmod 1777 tmp &&
            mkdir -p {self.folder}/root/mnt/old && pivot_root . mnt/old && cd / && umount -l /mnt/old && hostname {name} &&
            echo ready && trap "" CHLD && exec sleep 1000000
        """
        apart = ["--pid", "--fork", "--kill-child"] if self.OWN_PROCESSES else []
        self.keeper = subprocess.Popen(["unshare", "--mount", "--net", "--uts", "--ipc", *apart, "sh", "-c", script],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=PATH, text=True, start_new_session=True)
        if self.keeper.stdout.readline() != "ready\n":
            raise Failure(f"no root for {name}")
        self.pid = self.keeper.pid
        if apart:
            self.pid = int(pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text())
        run("ip", "link", "add", f"{lab.prefix}{number}", "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        run("ip", "link", "set", f"{lab.prefix}{number}", "netns", str(lab.keeper.pid))
        lab.command("ip", "link", "set", f"{lab.prefix}{number}", "master", "switch", "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "addr", "add", f"{self.address}/24", "dev", "eth0")

    def words(self, *words, group=True):
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--uts", "--ipc", "--root", "--wd"]
        if self.OWN_PROCESSES:
            enter.insert(2, "--pid")
        if not group:
            return [*enter, *map(str, words)]
        return ["sh", "-c", f'echo $$ > {self.group.folder}/cgroup.procs && exec "$@"', "sh", *enter, *map(str, words)]

    def run(self, *words, **options):
        return run(*self.words(*words, group=False), **options)

    def ask(self, *words, **options):
        """As `run`, but a failure is an answer."""
        return subprocess.run(self.words(*words, group=False), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=PATH,
                              **options)

    def spawn(self, *words, folder=None, environment=None):
        """Starts a program of the service, as nobody's child; the pid of its keeper is not waited for."""
        words = ["setsid", "--fork", *self.words("sh", "-c", f'cd {folder or "/"} && exec "$@"', "sh", *words)]
        with open(self.folder / "service.log", "ab") as log:
            subprocess.run(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment or PATH, check=True)

    def write(self, path, text):
        """A file of the host."""
        place = self.path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())

    def path(self, path):
        return pathlib.Path(f"/proc/{self.pid}/root{path}")

    # The agent.

    def start_agent(self, *options):
        if options:
            self.options = list(options)
        log = open(self.folder / "agent.log", "ab")
        size = log.tell()
        words = [PRODUCTS / "retinue-agent", "run", "--listen", self.address, "--certificates", "/run/retinue-certificates",
                 "--state-dir", "/var/lib/retinue-agent", "--socket", "/run/agent.sock", *self.options]
        # The binary is this machine's: it is in the root below.
        self.agent = subprocess.Popen(self.words(*words, group=False), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=PATH,
                                      start_new_session=True)
        # An open file would keep the laboratory's filesystem mounted.
        log.close()

        def is_ready():
            if self.agent.poll() is not None:
                return "ended"
            return "retinue-agent: ready" in (self.folder / "agent.log").read_text(errors="replace")[size:] or None

        if until(is_ready, 20) != True:
            raise Failure(f"the agent of {self.name} is not ready: {self.agent_log()}")

    def agent_log(self):
        return (self.folder / "agent.log").read_text(errors="replace")[-1500:]

    def kill_agent(self):
        self.agent.kill()
        self.agent.wait()

    def agent_lives(self):
        return self.agent.poll() is None

    def move(self, verb, *words, patience=120):
        """`retinue move`, on this host; the outcome."""
        return subprocess.run(self.words(PRODUCTS / "retinue", "move", verb, *words, "--agent", "/run/agent.sock", group=False),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, env=PATH, timeout=patience)

    def status(self):
        return json.loads(self.ask(PRODUCTS / "retinue", "move", "status", "--json", "--agent", "/run/agent.sock").stdout or "{}")

    def end(self):
        if self.agent and self.agent.poll() is None:
            self.agent.kill()
            self.agent.wait()
        self.end_cells()
        self.group.end()
        self.keeper.kill()
        self.keeper.wait()

    def end_cells(self):
        """What an agent that was killed has left running."""
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
                    is_ours = b"/var/lib/retinue-agent/" in b" ".join(words) and words[1:2] in ([b"cell"], [b"keep"], [b"stand-in"])
                    if is_ours and self.owns(entry):
                        os.kill(int(entry), signal.SIGKILL)
                        until(lambda: not pathlib.Path(f"/proc/{entry}").exists(), 5)
        # Control groups of containers, which a cell that is killed has not removed.
        for kind in ("runc", "nspawn"):
            for place in self.path("/var/lib/retinue-agent/cells").glob(f"*/{kind}/*"):
                for group in sorted(pathlib.Path("/sys/fs/cgroup").glob(f"**/{place.name}"), reverse=True):
                    for part in ("payload", "supervisor", ""):
                        with contextlib.suppress(OSError):
                            (group / part).rmdir()

    def owns(self, pid):
        """Whether a process has the host's root, which lies on a filesystem of its own; all else a cell may have for itself."""
        return os.stat(f"/proc/{pid}/root/").st_dev == os.stat(f"/proc/{self.pid}/root/").st_dev


class Lab:
    """Hosts on one switch."""

    def __init__(self, *names, size="2g", kind=Host):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="retinue-move-", dir="/var/tmp"))
        run("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", self.folder)
        self.prefix = f"m{os.getpid() % 100000}x"
        self.hosts = []
        self.keeper = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec sleep 1000000"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, text=True, env=PATH, start_new_session=True)
        try:
            self.keeper.stdout.readline()
            self.command("ip", "link", "add", "switch", "type", "bridge")
            self.command("ip", "link", "set", "switch", "up")
            self.command("ip", "addr", "add", "10.77.0.254/24", "dev", "switch")
            for number, name in enumerate(names, 1):
                host = kind(self, name, number)
                self.hosts.append(host)
                setattr(self, name, host)
            self.certify()
        except BaseException:
            self.end()
            raise

    def command(self, *words):
        """On the switch, which is where clients are."""
        return run("nsenter", f"--target={self.keeper.pid}", "--net", *words)

    def client(self, *words, **options):
        return subprocess.Popen(["nsenter", f"--target={self.keeper.pid}", "--net", *map(str, words)], env=PATH, **options)

    def certify(self):
        agent, authority = PRODUCTS / "retinue-agent", self.folder / "authority"
        run(agent, "authority", authority)
        for host in self.hosts:
            run(agent, "certificate", host.name, "--authority", authority, "--into", self.folder / f"certificates-{host.name}")
            shutil.copytree(self.folder / f"certificates-{host.name}", host.path("/run/retinue-certificates"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        for host in self.hosts:
            with contextlib.suppress(Exception):
                host.end()
        self.keeper.kill()
        self.keeper.wait()

        def unmounted():
            return subprocess.run(["umount", self.folder], capture_output=True).returncode == 0

        # The namespaces of what was killed go some time later, on a busy machine.
        if not until(unmounted, 20, 0.1):
            raise Failure(f"{self.folder} stays mounted: something of the laboratory is left")
        self.folder.rmdir()
