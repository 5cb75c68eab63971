"""The kernel's list of tracepoints, which bpftrace wants to find mounted and perf mounts and leaves."""

import os
import subprocess
import time

from watchers.launch import NotWatching

FOLDER = "/sys/kernel/tracing"


class Tracefs:
    """Mounts it where it is not mounted, and takes away what it has mounted."""

    def __init__(self):
        self.mounted_here = False

    def mount(self):
        if os.path.exists(f"{FOLDER}/events"):
            return
        done = subprocess.run(["mount", "-t", "tracefs", "tracefs", FOLDER], capture_output=True, text=True)
        if done.returncode != 0:
            raise NotWatching(f"tracefs can't be mounted: {done.stderr.strip()}")
        self.mounted_here = True

    def unmount(self):
        if not self.mounted_here:
            return
        self.mounted_here = False
        # Somebody may read in it just now.
        for _ in range(50):
            if subprocess.run(["umount", FOLDER], capture_output=True).returncode == 0:
                return
            if not os.path.exists(f"{FOLDER}/events"):
                return
            time.sleep(0.1)
        subprocess.run(["umount", "--lazy", FOLDER], check=True)
