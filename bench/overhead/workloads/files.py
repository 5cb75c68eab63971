"""Opening, making, renaming and removing files, and writing to one that is open already."""

import shutil
from collections import Counter

from contract import Fact
from .programs import Program


class Opens(Program):
    """Opens some files in order, again and again."""

    family = "files"

    def __init__(self, distinct, operations):
        super().__init__(f"open-{distinct}", "open + close", operations)
        self.distinct = distinct

    def files(self, operations):
        """How many are visited: a quick run does not come round to all of them."""
        return min(self.distinct, operations)

    def path(self, place, number):
        """As the program spreads them (names.h)."""
        return f"{place}/{number % 100:02}/{number:06}"

    def prepare(self, folder, operations):
        super().prepare(folder, operations)
        place = self.place(folder)
        made = place / "made"  # how many there are, so that a second call need not look at each
        there = int(made.read_text()) if made.exists() else 0
        for number in range(100):
            (place / f"{number:02}").mkdir(exist_ok=True)
        for number in range(there, self.files(operations)):
            with open(self.path(place, number), "w", encoding="ascii") as file:
                file.write("opened\n")
        made.write_text(str(max(there, self.files(operations))))

    def arguments(self, place, operations):
        return [str(place), str(self.files(operations))]

    def caused(self, folder, operations):
        place, files = self.place(folder), self.files(operations)
        rounds, rest = divmod(operations, files)
        return Counter({
            Fact("open", self.name, self.path(place, number)): rounds + (number < rest) for number in range(files)
        })


class RelativeOpens(Opens):
    """Opens files by names that begin at the working directory, which was entered through a symbolic link: who
    takes down what the program said does not know what it opened."""

    def __init__(self, distinct, operations):
        super().__init__(distinct, operations)
        self.name = "open-relative"

    def place(self, folder):
        return super().place(folder) / "there"

    def prepare(self, folder, operations):
        above = super().place(folder)
        above.mkdir(exist_ok=True)
        link = above / "link"
        if not link.is_symlink():
            link.symlink_to("there")
        super().prepare(folder, operations)

    def command(self, folder, operations):
        link = super().place(folder) / "link"
        binary, _, *rest = super().command(folder, operations)
        return ["env", f"--chdir={link}", binary, ".", *rest]

    def finish(self, folder):
        shutil.rmtree(super().place(folder), ignore_errors=True)


class Makes(Program):
    """Makes a file per operation; the name it is opened under is the fact."""

    family = "files"

    def __init__(self, name, operation, operations, suffix=""):
        super().__init__(name, operation, operations)
        self.suffix = suffix

    def caused(self, folder, operations):
        place = self.place(folder)
        return Counter(
            Fact("open", self.name, f"{place}/{number:06}{self.suffix}") for number in range(operations)
        )


class Writes(Program):
    """Opens one file before the clock starts: watching should cost nothing."""

    family = "files"

    def arguments(self, place, operations):
        return [f"{place}/file"]

    def caused(self, folder, operations):
        return Counter({Fact("open", self.name, f"{self.place(folder)}/file"): 1})


WORKLOADS = [
    Opens(1, 200_000),
    Opens(32, 200_000),
    Opens(100_000, 100_000),
    RelativeOpens(32, 200_000),
    Makes("create", "create + write + close", 12_000),
    Makes("rename", "create + write + close + rename", 6_000, suffix=".tmp"),
    Makes("unlink", "create + close + unlink", 15_000),
    Writes("write-heavy", "write of 64 bytes", 500_000),
]
