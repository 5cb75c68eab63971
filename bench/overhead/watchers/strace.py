"""strace of the workload and its children: every system call that is asked for stops the program twice.

--seccomp-bpf lets all other system calls run without a stop.
"""

import os
import re

from contract import Fact, Report, comm
from watchers.paths import real
from watchers.tried import Tried

CALLS = {
    # chdir is rare, and needed to know what a relative name means.
    "files": "open,openat,openat2,creat,chdir,execve,execveat,fork,vfork,clone,clone3",
    "processes": "execve,execveat,fork,vfork,clone,clone3",
    "sockets": "connect,accept,accept4,execve,execveat,fork,vfork,clone,clone3",
}
CALLS["software"] = CALLS["files"] + ",connect,accept,accept4"

CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?)(.*)", re.DOTALL)
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
TCP_PORTS = re.compile(r"<(TCP|UDP)(?:v6)?:\[(.*?)\]>")
ADDRESS_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
UNIX_PATH = re.compile(r'sun_path=(@?)"((?:[^"\\]|\\.)*)"')
UNIX_NAME = re.compile(r'<UNIX(?:-STREAM|-SEQPACKET)?:\[[^\]]*?,"((?:[^"\\]|\\.)*)"\]>')


class Strace(Tried):
    name = "strace"
    title = "strace 6.1 --seccomp-bpf"
    families = ("files", "processes", "sockets", "software")
    packages = ("strace",)
    share = 0.1
    programs = ("strace",)

    def __init__(self):
        self.folder = None
        self.family = None
        self.processors = None
        self.outputs = []

    def begin(self, family, folder, processors):
        """Nothing yet: it watches what it starts itself."""
        self.folder, self.family, self.processors, self.outputs = folder, family, processors, []

    def wrap(self, command):
        output = self.folder / f"lines-{len(self.outputs)}"
        self.outputs.append((output, os.getcwd()))
        traced = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "signal=none", "-e", f"trace={CALLS[self.family]}"]
        if self.family in ("sockets", "software"):
            # accept4 has no other word about the port at which the connection came in.
            traced += ["--decode-fds=socket"]
        return [*traced, "-o", str(output), "--", *command]

    def processes(self):
        """Those that run just now: strace lives as long as its workload."""
        outputs = {os.fsencode(output) for output, _ in self.outputs}
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/cmdline", "rb") as file:
                        words = file.read().split(b"\0")
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if words[0].endswith(b"strace") and outputs & set(words):
                    found.append(int(entry))
        return found

    def stop(self):
        pass

    def report(self):
        # It loses nothing: the program waits for it.
        report = Report(lost=0)
        for output, folder in self.outputs:
            if not output.exists():
                continue
            report.written_bytes += output.stat().st_size
            with open(output, errors="surrogateescape", newline="\n") as lines:
                Reading(folder, report.facts).read(lines)
        return report


class Reading:
    """Goes through one output from the top: the order shows which program a process was when it made a call."""

    def __init__(self, folder, facts):
        self.folder = folder
        self.facts = facts
        self.programs = {}
        self.folders = {}
        self.unfinished = {}
        self.forking = []  # processes within a fork, whose child may show before the fork's end does

    def read(self, lines):
        for line in lines:
            pid, _, text = line.rstrip("\n").partition(" ")
            text = text.lstrip()
            if text.endswith("<unfinished ...>"):
                self.unfinished[pid] = text[: -len("<unfinished ...>")].rstrip()
                if text.startswith(("vfork", "fork", "clone")):
                    self.forking.append(pid)
                self._known(pid)
                continue
            if text.startswith("<... "):
                text = self.unfinished.pop(pid, "") + text.partition(" resumed>")[2]
            call = CALL.match(text)
            if call:
                self._take(pid, *call.groups())

    def _known(self, pid):
        """A process that has not been seen is the child of the one that is just forking, or the first of all."""
        if pid not in self.programs:
            parent = self.forking[-1] if self.forking else None
            self.programs[pid] = self.programs.get(parent, "?")
            self.folders[pid] = self.folders.get(parent, self.folder)

    def _take(self, pid, name, arguments, result, rest):
        if name in ("fork", "vfork", "clone", "clone3"):
            self._forked(pid, arguments, result)
            return
        self._known(pid)
        program = self.programs[pid]
        if name in ("execve", "execveat"):
            if result == "0":
                path = real(_text(STRING.search(arguments)[1]), self.folders[pid])
                self.programs[pid] = comm(path)
                self.facts[Fact("exec", comm(path), path)] += 1
        elif name == "chdir":
            if result == "0":
                self.folders[pid] = real(_text(STRING.search(arguments)[1]), self.folders[pid])
        elif name in ("open", "openat", "openat2", "creat"):
            if result not in ("-1", "?"):
                base = self.folders[pid] if name in ("open", "creat") or arguments.startswith("AT_FDCWD") else None
                self.facts[Fact("open", program, real(_text(STRING.search(arguments)[1]), base))] += 1
        elif name == "connect":
            # A connection that is still being made ("in progress") was asked for all the same.
            if result == "0" or "EINPROGRESS" in rest:
                self.facts[Fact("connect", program, _server(arguments))] += 1
        elif name.startswith("accept") and result not in ("-1", "?"):
            self.facts[Fact("accept", program, _taken_at(arguments))] += 1

    def _forked(self, pid, arguments, result):
        self._known(pid)
        if pid in self.forking:
            self.forking.remove(pid)
        if result in ("-1", "?"):
            return
        if result not in self.programs or self.programs[result] == "?":
            self.programs[result] = self.programs[pid]
            self.folders[result] = self.folders[pid]
        if "CLONE_THREAD" not in arguments:
            self.facts[Fact("fork", self.programs[pid], "")] += 1


def _text(quoted):
    """A string as it was before strace escaped it."""
    if "\\" not in quoted:
        return quoted
    return os.fsdecode(quoted.encode("latin-1").decode("unicode_escape").encode("latin-1"))


def _server(arguments):
    """The far end of connect, with what the descriptor is: connect(4<TCP:[1234]>, {sa_family=AF_INET, ...}, 16)."""
    path = UNIX_PATH.search(arguments)
    if path:
        return f"unix:{path[1]}{real(_text(path[2]))}"
    port = ADDRESS_PORT.search(arguments)
    return f"{'udp' if '<UDP' in arguments else 'tcp'}:{port[1]}" if port else "?"


def _taken_at(arguments):
    """The near end of accept: accept4(3<TCP:[127.0.0.1:40123]>, ...) or accept4(6<UNIX-STREAM:[99,"/path"]>, ...)."""
    near = TCP_PORTS.search(arguments)
    if near:
        address = near[2].partition("->")[0]
        return f"{near[1].lower()}:{address.rpartition(':')[2]}"
    path = UNIX_NAME.search(arguments)
    return f"unix:{real(_text(path[1]))}" if path else "?"
