"""What a dump says of the programs of this benchmark."""

import json
import re
from collections import Counter

PROGRAM = re.compile(rb'"executable":"[^"]*/([^"/]*)"')
FILE = re.compile(rb'"relation":"file","path":"([^"]*)/d(\d{4})/f(\d{7})"')
FOLDED = re.compile(rb'"relation":"file","path":"([^"]*?)(?:/d\d{4})?","kind":"directory".*"folded":\{"paths":(\d+)')
PATH = re.compile(rb'"relation":"file","path":"([^"]*)"')


class Dump:
    def __init__(self, path, opener="cap-open", folder=None):
        """Reads the file at `path`; of the records of numbered files those below `folder` by the program
        `opener`, each number once in `files`."""
        opener, folder = opener.encode(), str(folder).encode()
        self.files = set()
        self.folded = 0  # files that a folder's record stands for, where memory.limit was reached
        self.path_bytes = 0  # of all file records
        self.lines = 0
        self.gaps = Counter()  # source -> gap lines: what was lost is not always known
        self.counts = Counter()  # (relation, program) -> sum of counts
        with open(path, "rb") as file:
            self.header = json.loads(file.readline())
            for line in file:
                self.lines += 1
                program = PROGRAM.search(line)
                found = FILE.search(line)
                path = PATH.search(line)
                self.path_bytes += len(path[1]) if path else 0
                if found and found[1] == folder:
                    if program[1] == opener:
                        self.files.add(int(found[3]))
                    continue
                folded = FOLDED.search(line)
                if folded and folded[1] == folder:
                    if program[1] == opener:
                        self.folded += int(folded[2])
                elif line.startswith(b'{"type":"gap"'):
                    gap = json.loads(line)
                    self.gaps[gap["source"]] += 1
                elif line.startswith(b'{"type":"dependency"') and b'"relation":"file"' not in line:
                    row = json.loads(line)
                    name = row["program"]["executable"].rsplit("/", 1)[-1]
                    self.counts[row["relation"], name] += row["count"]
            self.bytes = file.tell()
        self.sources = self.header["sources"]
