"""Retinue's own daemon, in a folder of its own so that one that runs on this machine is not disturbed."""

import base64
import json
import os
import re
import signal
import time
from pathlib import Path

from contract import Fact, Report, comm
from watchers.launch import end, launch, size_of, text_of, wait_until
from watchers.tried import Tried

PROJECT = Path(__file__).resolve().parents[3]
INODE = re.compile(r" \(inode \d+, device \d+:\d+\)$")
DAEMON = PROJECT / ".build/release/retinued"


class Retinue(Tried):
    name = "retinue"
    title = "Retinue"
    families = ("files", "processes", "sockets", "software")

    def __init__(self, *options):
        self.process = None
        self.folder = None
        self.options = options

    def missing(self):
        if not DAEMON.exists():
            return f"{DAEMON.relative_to(PROJECT)} is not built (swift build -c release)"
        return super().missing()

    def begin(self, family, folder, processors):
        """All families are watched at once: the daemon has no switch for less."""
        self.folder = folder
        (folder / "configuration").write_text("")  # its defaults, whatever this machine's own file says
        command = [DAEMON, "--state-dir", folder / "state", "--socket", folder / "socket"]
        command += ["--config", folder / "configuration", *self.options]
        self.process = launch(command, folder, processors)
        said = folder / "watcher.err"
        wait_until(lambda: "retinued: ready" in text_of(said), self.process, what="not ready", said=said)
        if family == "processes":
            # For two seconds each mount namespace that it met is new to it, and all programs are looked at.
            time.sleep(3)

    def processes(self):
        return [self.process.pid] if self.process else []

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1)
            dump = self.folder / "state/dumps/latest.ndjson"
            try:
                wait_until(dump.exists, self.process, seconds=120, what="no dump", said=self.folder / "watcher.err")
            finally:
                end(self.process)
        self.process = None

    def report(self):
        report = Report(written_bytes=size_of(self.folder / "state"))
        header_lost = gaps_lost = unattributed = 0
        with open(self.folder / "state/dumps/latest.ndjson") as dump:
            for line in dump:
                record = json.loads(line)
                if record["type"] == "dependency":
                    for fact in _facts(record):
                        report.facts[fact] += record["count"]
                elif record["type"] == "gap":
                    gaps_lost += record.get("lost", 0)
                elif record["type"] == "header":
                    sources = record["sources"].values()
                    header_lost = sum(source["lost"] for source in sources)
                    unattributed = sum(source.get(key, 0) for source in sources
                                       for key in ("unattributed", "unattributed_unix"))
        # The gaps say when what the header counts was lost; each would be counted twice in their sum.
        report.lost = max(header_lost, gaps_lost)
        report.unnamed = unattributed
        return report


def _bytes_or_text(record, key):
    raw = record.get(f"{key}_raw")
    return os.fsdecode(base64.b64decode(raw)) if raw is not None else record[key]


def _program(record):
    path = _bytes_or_text(record, "executable")
    return comm(path) if path else "?"


def _facts(record):
    program, relation = _program(record["program"]), record["relation"]
    if relation == "file":
        yield Fact("open", program, _bytes_or_text(record, "path"))
    elif relation == "spawn":
        # Retinue keeps who started what. A fork is known by the exec that follows it; a process that forks and never
        # execs stays the same program, which depends on nothing by that, so it is in no record.
        child = _bytes_or_text(record["child"], "executable")
        yield Fact("exec", comm(child) if child else "?", child)
        yield Fact("fork", program, "")
    elif relation == "connect":
        yield Fact("connect", program, f"{record['transport']}:{record['remote']['port']}")
    elif relation == "accept":
        yield Fact("accept", program, f"{record['transport']}:{record['local']['port']}")
    elif relation == "ipc" and record["mechanism"] == "unix":
        # The record is one of two sharers, each of which names the other: it does not say which one connected.
        # While two sockets have one path, the inode follows it: the server of the run before is there for two seconds more.
        name = f"unix:{INODE.sub('', _bytes_or_text(record, 'name'))}"
        yield Fact("connect", program, name)
        yield Fact("accept", program, name)
