"""PostgreSQL under load, moved with the observed order of copying, by path, and without a pre-copy, in turns.

    RETINUE_SCALE=100 RETINUE_TIMES=5 Tests/Move/all orders

Each move is the first one to its destination, in a laboratory of its own."""

import os
import re
import statistics

from lab import Failure
from ways import once

ORDERS = {"observed order": ["--order", "observed"], "by path": ["--order", "path"], "no pre-copy": ["--rounds", "0"]}
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def rounds(said):
    """How many rounds a pre-copy had, by what the command said; that of what a recipe has done is one of them."""
    return len(re.findall(r"^retinue: round \d+: ", said, re.M))


def held_bytes(said):
    """Bytes that were sent while clients were held."""
    found = re.search(r"^retinue: copied after [\d.]+ s, ([\d.]+) (\w+) sent", said, re.M)
    if not found:
        raise Failure(f"nothing is said of the last copy: {said}")
    return float(found[1]) * UNITS[found[2]]


def spread(values, scale=1):
    return f"{statistics.median(values) / scale:8.2f} ({min(values) / scale:.2f} to {max(values) / scale:.2f})"


def orders(checks, quick=False):
    """How long clients are held by each, and how much is sent meanwhile; a pre-copy leaves less to be sent than none."""
    scale = int(os.environ.get("RETINUE_SCALE", 5))
    times = int(os.environ.get("RETINUE_TIMES", 1 if quick else 3))
    rate = 150 if scale < 50 else 300
    found = {name: [] for name in ORDERS}
    for _ in range(times):
        for name, options in ORDERS.items():
            run = once(checks, "Retinue", scale, rate, "1gbit", *options)
            if "said" not in run:
                raise Failure(f"{name}: it has not moved")
            found[name].append(run)
    checks.say(f"      scale {scale}, {rate} transactions/s, a link of 1gbit; medians of {times}, least and most")
    for name, runs in found.items():
        checks.say(f"      {name:16} the clients' pause {spread([run['pause'] for run in runs])} s; sent while held "
                   f"{spread([held_bytes(run['said']) for run in runs], 1e6)} MB; in all {spread([run['took'] for run in runs])} s")
    checks(all(run["observed"] > 0 for run in found["observed order"]), "the plan says in which order files were first used",
           [run["observed"] for run in found["observed order"]])
    checks(all(rounds(run["said"]) == 0 for run in found["no pre-copy"]), "with --rounds 0 nothing is brought before")
    least = min(held_bytes(run["said"]) for run in found["no pre-copy"])
    for name in ("observed order", "by path"):
        most = max(held_bytes(run["said"]) for run in found[name])
        checks(all(rounds(run["said"]) > 0 for run in found[name]) and most < least / 2,
               f"{name}: less than half is sent while clients are held", f"{most / 1e6:.1f} of {least / 1e6:.1f} MB")
