"""auditd: the kernel's audit of system calls, by rules that ask for the same facts."""

import re
import subprocess
import sys
from pathlib import Path

from contract import Fact, Report, comm
from watchers.launch import NotWatching, end, launch, size_of, text_of, wait_until
from watchers.paths import real
from watchers.tried import Tried

OPENS = ["-S", "open,openat,openat2,creat", "-F", "success=1"]
PROCESSES = ["-S", "execve,execveat,clone,fork,vfork,clone3", "-F", "success=1"]
SOCKETS = ["-S", "connect,accept,accept4"]  # also without success: a connection may be "in progress"
RULES = {"files": [OPENS], "processes": [PROCESSES], "sockets": [SOCKETS], "software": [OPENS, PROCESSES, SOCKETS]}

# Records that go with an event and say nothing of what is asked for: not writing them is cheaper.
NOT_NEEDED = ("PROCTITLE", "EXECVE", "BPRM_FCAPS")

# A process that execs, opens files and tries to connect.
CANARY = "import socket; socket.socket(socket.AF_UNIX).connect('/')"

# Leaves new processes out of all auditing, see stop().
NOBODY = ["-a", "never,task"]

SETTINGS = {"enabled": "-e", "failure": "-f", "rate_limit": "-r", "backlog_limit": "-b"}

CONFIGURATION = """\
local_events = yes
write_logs = yes
log_file = {folder}/audit.log
log_group = root
log_format = RAW
flush = NONE
freq = 0
num_logs = 2
max_log_file = 8
max_log_file_action = IGNORE
priority_boost = 4
name_format = NONE
space_left = 75
space_left_action = IGNORE
admin_space_left = 50
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
use_libwrap = no
distribute_network = no
q_depth = 2000
overflow_action = IGNORE
plugin_dir = {folder}/plugins
"""


class Auditd(Tried):
    name = "auditd"
    title = "auditd 3.0.9"
    families = ("files", "processes", "sockets", "software")
    share = 0.1
    packages = ("auditd",)
    programs = ("auditd", "auditctl")

    def __init__(self):
        self.process = None
        self.folder = None
        self.before = None
        self.rules_before = []
        self.lost = 0

    def begin(self, family, folder, processors):
        before = _status()
        if before.get("pid", 0):
            raise NotWatching(f"another audit daemon runs already (process {before['pid']})")
        if before.get("enabled") == 2:
            raise NotWatching("the audit rules of this machine are locked until its next boot")
        self.folder, self.before, self.lost = folder, before, 0
        self.rules_before = [rule.split() for rule in _auditctl("-l").splitlines() if rule.startswith("-")]
        (folder / "plugins").mkdir()
        (folder / "auditd.conf").write_text(CONFIGURATION.format(folder=folder))
        _auditctl("-D")
        # A full backlog makes programs wait; it holds a burst of thousands of system calls.
        _auditctl("-b", "65536", "-f", "0")
        self.process = launch(["auditd", "-n", "-c", folder, "-s", "nochange"], folder, processors)
        said = folder / "watcher.err"
        wait_until(lambda: _status()["pid"] == self.process.pid, self.process, what="not ready", said=said)
        for kind in NOT_NEEDED:
            _auditctl("-a", "always,exclude", "-F", f"msgtype={kind}")
        rules = RULES[family]
        for rule in rules:
            _auditctl("-a", "always,exit", "-F", "arch=b64", *rule, "-k", f"bench-{rules.index(rule)}")
        _auditctl("-e", "1")
        # Only processes that start from here on are audited: those before have no room for it.
        log = folder / "audit.log"

        def seen():
            subprocess.run([sys.executable, "-I", "-S", "-c", CANARY], stderr=subprocess.DEVNULL)
            logged = text_of(log)
            return all(f'key="bench-{number}"' in logged for number in range(len(rules)))

        wait_until(seen, self.process, step=0.1, what="nothing in the log", said=said)

    def processes(self):
        return [self.process.pid, *_kernel_thread()] if self.process else []

    def stop(self):
        """Puts back the rules and settings that were there.

        Where auditing was ever enabled since boot, each system call of each new process costs a little more (95 ns,
        measured with getppid on Linux 6.18.44), enabled or not, unless the rule `never,task` is there. So that one
        stays: without it everything measured from here on would be slower than on a machine that was never audited.
        """
        if self.before is None:
            return
        before, self.before = self.before, None
        _auditctl("-D")
        try:
            if self.process and self.process.poll() is None:
                wait_until(lambda: _status()["backlog"] == 0, self.process, seconds=60, what="no empty backlog")
        finally:
            self.lost = _status()["lost"] - before["lost"]
            for setting, option in SETTINGS.items():
                _auditctl(option, str(before[setting]))
            end(self.process)
            self.process = None
            for rule in self.rules_before:
                _auditctl(*rule)
            if NOBODY not in self.rules_before:
                _auditctl(*NOBODY)

    def report(self):
        report = Report(lost=self.lost, written_bytes=size_of(self.folder))
        with open(self.folder / "audit.log", errors="surrogateescape", newline="\n") as lines:
            for event in _events(lines).values():
                fact = _fact(event)
                if fact:
                    report.facts[fact] += 1
        return report


def _auditctl(*arguments):
    done = subprocess.run(["auditctl", *arguments], capture_output=True, text=True)
    # A rule that is there already is what was wanted.
    if done.returncode != 0 and "exists" not in done.stderr:
        raise NotWatching(f"auditctl {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _status():
    words = [line.split() for line in _auditctl("-s").splitlines()]
    return {pair[0]: int(pair[1]) for pair in words if len(pair) == 2 and pair[1].isdigit()}


def _kernel_thread():
    for entry in Path("/proc").glob("[0-9]*/comm"):
        if text_of(entry).strip() == "kauditd":
            return [int(entry.parent.name)]
    return []


# Reading: an event is several lines with one serial number, and lines of different events alternate.

SYSCALL = re.compile(r"syscall=(\d+) (?:success=(\w+) exit=(-?\d+) )?a0=(\w+) .* exe=(\S+)")
NAMES = {2: "open", 257: "open", 437: "open", 85: "open", 59: "exec", 322: "exec", 56: "fork", 57: "fork",
         58: "fork", 435: "fork", 42: "connect", 43: "accept", 288: "accept"}
CLONE, CLONE_THREAD = 56, 0x10000
IN_PROGRESS = -115


class Event:
    """What is needed of one event."""

    __slots__ = ("kind", "exe", "folder", "path", "address")

    def __init__(self):
        self.kind = self.exe = self.folder = self.path = self.address = None


def _events(lines):
    events = {}
    for line in lines:
        start = line.find("(")
        serial = line[start + 1:line.find(")", start)]
        if line.startswith("type=SYSCALL"):
            found = SYSCALL.search(line, start)
            if found and _counts(found):
                event = events.setdefault(serial, Event())
                event.kind = NAMES[int(found[1])]
                event.exe = _text(found[5])
        elif line.startswith("type=PATH"):
            if " nametype=PARENT" not in line:
                event = events.setdefault(serial, Event())
                name_at = line.find(" name=", start) + 6
                # Of an exec the first path is the program, the others are what it is interpreted by.
                if event.path is None or event.kind != "exec":
                    event.path = _text(line[name_at:line.find(" inode=", name_at)].split(" nametype=")[0])
        elif line.startswith("type=CWD"):
            events.setdefault(serial, Event()).folder = _text(line[line.find("cwd=", start) + 4:].rstrip())
        elif line.startswith("type=SOCKADDR"):
            events.setdefault(serial, Event()).address = line[line.find("saddr=", start) + 6:].split()[0]
    return events


def _counts(found):
    number, success, result, first = int(found[1]), found[2], found[3], found[4]
    if number not in NAMES:
        return False
    if NAMES[number] == "fork" and (result == "0" or number == CLONE and int(first, 16) & CLONE_THREAD):
        return False  # the child's own return from it, or a thread
    return success == "yes" or NAMES[number] == "connect" and result == str(IN_PROGRESS)


def _fact(event):
    if event.kind is None:
        return None
    program = comm(event.exe)
    if event.kind == "open":
        return Fact("open", program, real(event.path, event.folder)) if event.path else None
    if event.kind == "exec":
        return Fact("exec", program, event.exe)
    if event.kind == "fork":
        return Fact("fork", program, "")
    if event.kind == "connect":
        return Fact("connect", program, _end_point(event.address))
    # The address that goes with an accept is the client's. The server's port is in no record.
    return Fact("accept", program, "?")


def _end_point(address):
    """struct sockaddr in hexadecimal. The transport is not in it; a connection is taken for TCP."""
    if address is None:
        return "?"
    family = int.from_bytes(bytes.fromhex(address[:4]), "little")
    if family in (2, 10):
        return f"tcp:{int(address[4:8], 16)}"
    if family == 1:
        return f"unix:{real(_decoded(address[4:]).split(chr(0))[0])}"
    return "?"


def _text(value):
    """A name is in quotes, or in hexadecimal where it holds spaces, quotes or bytes beyond ASCII."""
    if value.startswith('"'):
        return value[1:].partition('"')[0]
    return None if value == "(null)" else _decoded(value)


def _decoded(digits):
    try:
        return bytes.fromhex(digits).decode(errors="surrogateescape")
    except ValueError:
        return digits
