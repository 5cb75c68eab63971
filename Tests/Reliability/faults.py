#!/usr/bin/env python3
"""One fault at one moment, each with a daemon of its own, in a mount namespace of its own.

    Tests/Reliability/faults.py [--list] [NAME...]

As root, after `make build`. Prints a line a point; exit status 1 if one failed. Without names all faults are run, and
what they said is kept in results/faults.txt."""

import argparse
import subprocess

import fuse_faults  # noqa: F401 registers its faults
import mount_faults  # noqa: F401 likewise
from host import FAULTS, Host
from watching import Checks, Failure, private_mounts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="name the faults")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    if options.list:
        print("\n".join(FAULTS))
        return
    private_mounts()
    checks = Checks()
    for name in options.names or FAULTS:
        try:
            with Host(name, checks) as host:
                FAULTS[name](host)
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            checks(False, f"{name}: came to its end", failure)
    checks.end(None if options.names else "faults")


if __name__ == "__main__":
    main()
