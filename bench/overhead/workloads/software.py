"""Real software: what watching costs where calls are a small part of the work, and whether its facts are found.

Programs are started by the path that their symbolic links lead to, so that the name of the file and the name that the
kernel keeps (comm) are the same, and no watcher is wrong that reports either of them."""

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from contract import Fact, Workload, comm
from . import ports
from .programs import BINARIES, build


def real(name):
    """The file that a command's name stands for, or None."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    return os.path.realpath(found) if found else None


class Software(Workload):
    """Needs some programs, and has a folder of its own."""

    family = "software"
    needs: tuple = ()  # commands

    def __init__(self, name, operation, operations, quick_operations):
        self.name = name
        self.operation = operation
        self.operations = operations
        self.quick_operations = quick_operations

    def missing(self):
        absent = [name for name in (*self.needs, "gcc") if real(name) is None]
        return f"not installed: {', '.join(absent)}" if absent else None

    def place(self, folder: Path) -> Path:
        return Path(folder) / self.name

    def prepare(self, folder, operations):
        build()
        self.place(folder).mkdir(exist_ok=True)

    def timed(self, operations, command, repeats=1, cleaning=None):
        """`command`, measured by the program `timed`."""
        options = ["-r", str(repeats)] + (["-c", cleaning] if cleaning else [])
        return [str(BINARIES / "timed"), *options, str(operations), *command]

    def finish(self, folder):
        shutil.rmtree(self.place(folder), ignore_errors=True)


SOURCE = """\
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "shape.h"
#include "list.h"
#include "name.h"

struct list *numbers_{number}(int length) {{
    struct list *first = NULL;
    for (int i = 0; i < length; i++) {{
        struct list *next = malloc(sizeof *next);
        if (next == NULL) return first;
        next->rest = first;
        next->shape.width = i + {number};
        first = next;
    }}
    return first;
}}

int describe_{number}(char *text, size_t size, const struct shape *shape) {{
    char name[NAME_LENGTH];
    snprintf(name, sizeof name, "shape {number}");
    return snprintf(text, size, "%s of %d (%zu)", name, shape->width, strlen(name));
}}
"""
HEADERS = {
    "shape.h": "#pragma once\nstruct shape { int width, height; };\n",
    "list.h": '#pragma once\n#include "shape.h"\nstruct list { struct list *rest; struct shape shape; };\n',
    "name.h": "#pragma once\nenum { NAME_LENGTH = 64 };\n",
}
MAKEFILE = """\
SOURCES := $(wordlist 1,$(FILES),$(sort $(wildcard src/*/*.c)))
OBJECTS := $(SOURCES:.c=.o)
library.a: $(OBJECTS)
\t$(AR) rcs $@ $^
%.o: %.c $(wildcard include/*.h)
\t$(CC) -O1 -I$(CURDIR)/include -c $(CURDIR)/$< -o $@
"""


class Make(Software):
    """Compiles a generated project of as many small C files as operations, and makes a library of them.

    The compiler is given full paths, as CMake gives them, the archiver relative ones: who records paths as they are
    given finds the first and not the second."""

    needs = ("make", "ar", "find")
    packages = ("gcc", "libc6-dev", "make", "binutils", "findutils")
    unpinned = True

    def source(self, place, number):
        return place / "src" / f"{number // 100:02}" / f"{number:05}.c"

    def prepare(self, folder, operations):
        super().prepare(folder, operations)
        place = self.place(folder)
        (place / "include").mkdir(exist_ok=True)
        (place / "Makefile").write_text(MAKEFILE)
        for name, text in HEADERS.items():
            (place / "include" / name).write_text(text)
        for number in range(operations):
            source = self.source(place, number)
            if not source.exists():
                source.parent.mkdir(parents=True, exist_ok=True)
                source.write_text(SOURCE.format(number=number))

    def command(self, folder, operations):
        place = self.place(folder)
        cleaning = f"find '{place}' -name '*.[oa]' -delete"
        make = [real("make"), "-s", "-j2", "-C", str(place),
                f"FILES={operations}", f"CC={real('gcc')}", f"AR={real('ar')}"]
        return self.timed(operations, make, cleaning=cleaning)

    def caused(self, folder, operations):
        """The assembler is left out: the compiler starts it by the name of a symbolic link."""
        place = self.place(folder)
        compiler = subprocess.run(["gcc", "-print-prog-name=cc1"], capture_output=True, text=True, check=True)
        cc1, gcc, ar = os.path.realpath(compiler.stdout.strip()), real("gcc"), real("ar")
        facts = Counter({
            Fact("fork", "make", ""): operations + 1,
            Fact("exec", comm(gcc), gcc): operations,
            Fact("fork", comm(gcc), ""): 2 * operations,
            Fact("exec", comm(cc1), cc1): operations,
            Fact("exec", comm(ar), ar): 1,
            Fact("open", "make", f"{place}/Makefile"): 1,
            Fact("open", comm(ar), f"{place}/library.a"): 1,
        })
        for name in HEADERS:
            facts[Fact("open", comm(cc1), f"{place}/include/{name}")] = operations
        for number in range(operations):
            source = self.source(place, number)
            facts[Fact("open", comm(cc1), str(source))] = 1
            facts[Fact("open", comm(ar), str(source.with_suffix(".o")))] = 1
        return facts


LONG_AGO = 1_600_000_000  # seconds since 1970


class GitStatus(Software):
    """`git status` in a repository of 3,000 files."""

    needs = ("git",)
    packages = ("git",)
    files = 3_000

    def git(self, folder):
        return [real("git"), "-C", str(self.place(folder)), "-c", "core.fsmonitor=false"]

    def prepare(self, folder, operations):
        super().prepare(folder, operations)
        place = self.place(folder)
        if (place / ".git" / "refs" / "heads" / "main").exists():
            return
        for number in range(self.files):
            file = place / f"{number % 60:02}" / f"{number:04}.txt"
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"{number}\n")
            # Files as young as the index are read again by each status, and how many are is chance.
            os.utime(file, (LONG_AGO, LONG_AGO))
        git = [*self.git(folder), "-c", "user.name=Benchmark", "-c", "user.email=benchmark@localhost",
               "-c", "gc.auto=0", "-c", "commit.gpgsign=false"]
        for step in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Files"], ["status"]):
            subprocess.run([*git, *step], check=True, stdout=subprocess.DEVNULL)

    def command(self, folder, operations):
        return self.timed(operations, [*self.git(folder), "status"], repeats=operations)

    def caused(self, folder, operations):
        git = self.place(folder) / ".git"
        return Counter({
            Fact("exec", "git", real("git")): operations,
            Fact("open", "git", f"{git}/index"): operations,
            Fact("open", "git", f"{git}/HEAD"): operations,
            Fact("open", "git", f"{git}/config"): operations,
        })


class Python(Software):
    """Starts Python with a script that imports some of its library and ends."""

    needs = ("python3",)
    packages = ("python3",)

    def script(self, folder):
        return self.place(folder) / "start.py"

    def prepare(self, folder, operations):
        super().prepare(folder, operations)
        self.script(folder).write_text("import argparse, collections, json, pathlib, re, subprocess\n")

    def command(self, folder, operations):
        return self.timed(operations, [real("python3"), str(self.script(folder))], repeats=operations)

    def caused(self, folder, operations):
        python = real("python3")
        return Counter({
            Fact("exec", comm(python), python): operations,
            Fact("open", comm(python), str(self.script(folder))): operations,
        })


class Stress(Software):
    """A mix of calls by stress-ng, of a fixed number. It names its processes after what they do, so that its facts
    can be known by file or by comm, but not by both: none is asked for."""

    needs = ("stress-ng",)
    packages = ("stress-ng",)

    def prepare(self, folder, operations):
        super().prepare(folder, operations)
        ports.pick(self.place(folder))

    def command(self, folder, operations):
        place = self.place(folder)
        shares = {"open": 90, "fork": 9, "sock": 1}  # of a hundred
        stress = [real("stress-ng"), "-q", "--temp-path", str(place), "--seed", "1", "--open-max", "64",
                  "--sock-port", str(ports.picked(place))]
        for kind, share in shares.items():
            stress += [f"--{kind}", "1", f"--{kind}-ops", str(operations * share // 100)]
        return self.timed(operations, stress)

    def caused(self, folder, operations):
        return Counter()


# Too long for every watcher: what a build takes without and with the one that all this is about.
LONG_MAKE = Make("make", "compiled file", 1_000, 200)
LONG_MAKE.only = ("baseline", "retinue")

WORKLOADS = [
    LONG_MAKE,
    Make("make-150", "compiled file", 150, 15),
    GitStatus("git-status", "git status", 100, 10),
    Python("python", "start of Python", 40, 4),
    Stress("stress-ng", "bogo operation", 10_000, 2_000),
]
