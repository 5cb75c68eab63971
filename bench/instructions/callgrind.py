"""Counts what a command executes, under valgrind's callgrind."""

import itertools
import os
import re
import subprocess
from dataclasses import dataclass, fields

ALLOCATING = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"}

# Everything that would make one run differ from the next, or one machine from another: Swift's hashing is seeded, the
# C library chooses its copying by the processor, and the environment lies on the stack.
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LC_ALL": "C",
    "SWIFT_DETERMINISTIC_HASHING": "1",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM",
}


@dataclass
class Count:
    """What was executed; differences and shares of it are counts too."""

    instructions: float
    allocations: float
    calls: float = 0  # of the one function that was asked for
    inclusive: float = 0  # instructions in it, and in what it called

    def __sub__(self, other):
        return Count(self.instructions - other.instructions, self.allocations - other.allocations,
                     self.calls - other.calls, self.inclusive - other.inclusive)

    def __truediv__(self, units):
        return Count(self.instructions / units, self.allocations / units, self.calls / units, self.inclusive / units)

    @staticmethod
    def average(counts):
        return Count(*(sum(getattr(count, field.name) for count in counts) / len(counts) for field in fields(Count)))


class Counter:
    """Runs commands under callgrind in a folder of its own."""

    def __init__(self, folder, seed_library, keep=None):
        self.folder, self.seed_library, self.keep = folder, seed_library, keep
        self.runs = itertools.count(1)

    def count(self, command, seed, output="/dev/null", statuses=(0,), function=None):
        """Counts one run of `command`, whose "random" numbers follow from `seed`.

        `function`: a symbol whose calls are to be counted apart.
        """
        profile = os.path.join(self.keep or self.folder, f"callgrind.{next(self.runs)}")
        arguments = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", "--compress-strings=no",
                     "--compress-pos=no", "--quiet"] + command
        environment = ENVIRONMENT | {"LD_PRELOAD": self.seed_library, "RETINUE_SEED": str(seed)}
        with open(output, "wb") as sink:
            done = subprocess.run(arguments, env=environment, stdout=sink, stderr=subprocess.PIPE, text=True)
        if done.returncode not in statuses:
            raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
        try:
            return self.read(profile, function)
        finally:
            if not self.keep:
                os.remove(profile)

    @staticmethod
    def read(profile, function):
        """A call stands on three lines: cfn= with the name, calls= with how many, then a position and the cost of all
        that they executed."""
        total, allocations, calls, inclusive = 0, 0, 0, 0
        called = ""
        isCost = False
        with open(profile) as lines:
            for line in lines:
                if isCost:
                    isCost = False
                    if called == function:
                        inclusive += int(line.split()[1])
                elif line.startswith("cfn="):
                    # Callgrind marks a recursion with an apostrophe and its depth.
                    called = re.sub(r"'\d+$", "", line[4:].rstrip("\n"))
                elif line.startswith("calls="):
                    number = int(line[6:].split()[0])
                    allocations += number if called in ALLOCATING else 0
                    calls += number if called == function else 0
                    isCost = True
                elif line.startswith("totals:"):
                    total = int(line.split()[1])
        if total == 0:
            raise SystemExit(f"{profile} holds no count")
        return Count(total, allocations, calls, inclusive)
