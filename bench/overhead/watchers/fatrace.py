"""fatrace: fanotify, one line per event, the program's name looked up in /proc when the event is read."""

import re
from collections import Counter

from contract import Fact, Report
from watchers.launch import end, launch, size_of, text_of, wait_until
from watchers.tried import Tried

# `comm(pid): TYPES PATH`; the name may hold spaces and parentheses itself.
LINE = re.compile(r"(.*)\((\d+)\): (\S+)\s+(/.*)", re.DOTALL)


class Fatrace(Tried):
    name = "fatrace"
    title = "fatrace 0.17"
    families = ("files", "software")
    packages = ("fatrace",)
    programs = ("fatrace",)

    def __init__(self):
        self.process = None
        self.folder = None

    def begin(self, family, folder, processors):
        self.folder = folder
        # Opens alone, and into a file: the least that it can do for the facts that are asked for.
        self.process = launch(["fatrace", "-f", "O", "-o", folder / "lines"], folder, processors)
        canary = folder / "canary"
        canary.write_text("")

        def seen():
            canary.read_text()
            return str(canary) in text_of(folder / "lines")

        wait_until(seen, self.process, what="no line about a file that was opened", said=folder / "watcher.err")

    def processes(self):
        return [self.process.pid] if self.process else []

    def stop(self):
        end(self.process)
        self.process = None

    def report(self):
        # It reports no loss that the kernel reported to it, but of each file that it could not look up.
        failures = text_of(self.folder / "watcher.err").count("open_by_handle_at")
        report = Report(lost=failures or None, written_bytes=size_of(self.folder))
        with open(self.folder / "lines", errors="surrogateescape", newline="\n") as lines:
            for line, times in Counter(lines).items():
                found = LINE.fullmatch(line.rstrip("\n"))
                if found and "O" in found[3]:
                    program = "?" if found[1] == "unknown" else found[1]
                    report.facts[Fact("open", program, found[4])] += times
        return report
