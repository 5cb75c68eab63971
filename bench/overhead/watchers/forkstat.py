"""forkstat: the proc connector, one line per event, the command line looked up in /proc when the event is read."""

import subprocess

from contract import Fact, Report, comm
from watchers.launch import end, launch, size_of, text_of, wait_until
from watchers.paths import real
from watchers.tried import Tried


class Forkstat(Tried):
    name = "forkstat"
    title = "forkstat 0.03.01"
    families = ("processes",)
    packages = ("forkstat",)
    programs = ("forkstat",)

    def __init__(self):
        self.process = None
        self.folder = None

    def begin(self, family, folder, processors):
        self.folder = folder
        # Without -c: with it an exec would be named by comm, which is no path. Without -l: its output goes to a file
        # in blocks, which is cheaper than line by line.
        self.process = launch(["forkstat", "-e", "fork,exec"], folder, processors)

        # A block has to be full before anything shows, so that this takes some hundred processes.
        def seen():
            for _ in range(20):
                subprocess.run(["/bin/true"], check=True)
            return " fork " in text_of(folder / "watcher.out")

        wait_until(seen, self.process, step=0, what="no line about a process", said=folder / "watcher.err")

    def processes(self):
        return [self.process.pid] if self.process else []

    def stop(self):
        end(self.process)
        self.process = None

    def report(self):
        report = Report(written_bytes=size_of(self.folder))
        with open(self.folder / "watcher.out", errors="surrogateescape") as lines:
            for line in lines:
                # 08:52:07 fork  17159 parent          /bin/bash ./run 5
                # 08:52:07 exec  17165                 /usr/bin/sleep 0.1
                parts = line.split(None, 3)
                if len(parts) < 4:
                    continue
                if parts[1] == "fork" and parts[3].startswith("parent"):
                    words = parts[3].split()
                    report.facts[Fact("fork", _name(words[1] if len(words) > 1 else ""), "")] += 1
                elif parts[1] == "exec":
                    path = parts[3].split()[0]
                    named = path.startswith("/")
                    report.facts[Fact("exec", _name(path), real(path) if named else "?")] += 1
        return report


def _name(word):
    return "?" if word in ("", "<unknown>") else comm(word)
